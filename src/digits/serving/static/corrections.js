// Corrections ("That was wrong: it is a 7"): images with the correct digit, for training.
// They are sent to the server. If it does not answer, they stay in this browser and are sent later.
// An image is an array of 784 numbers in [0, 1].

const PLACE = "digits-corrections"; // key in localStorage
const MOST = 500; // largest number of corrections in the browser; each needs about a kilobyte

/** Save an image under the digit `label`; returns where it was saved: "server" or "browser". */
export async function correct(image, label) {
  const kept = waiting().filter((each) => each.image !== pack(image));
  try {
    await send(image, label);
    save(kept);
    return "server";
  } catch {
    save([...kept.slice(1 - MOST), { image: pack(image), label }]);
    return "browser";
  }
}

/** Return the corrections in this browser that were not sent yet: [{ image: Base64 text, label }]. */
export function waiting() {
  try {
    const kept = JSON.parse(localStorage.getItem(PLACE) ?? "[]");
    return Array.isArray(kept) ? kept : [];
  } catch {
    return []; // storage is switched off, or its content is not JSON
  }
}

/** Send the corrections in this browser to the server; returns how many were sent. */
export async function flush() {
  let sent = 0;
  for (const { image, label } of waiting()) {
    try {
      await send(unpack(image), label);
    } catch {
      break;
    }
    sent += 1;
    save(waiting().filter((each) => each.image !== image));
  }
  return sent;
}

/** Return the corrections in this browser as a .zip file for `digits adapt`: a PNG file 7/NAME.png for each. */
export async function archive() {
  const files = [];
  for (const { image, label } of waiting()) {
    const png = await picture(unpack(image));
    files.push({ name: `${label}/${crc32(png).toString(16).padStart(8, "0")}.png`, content: png });
  }
  return new Blob(zipped(files), { type: "application/zip" });
}

/** Send a correction to the server. Throws an Error if the server does not accept it. */
async function send(image, label) {
  const rows = Array.from({ length: 28 }, (_, r) => Array.from(image.subarray(28 * r, 28 * r + 28), (v) => Math.round(v * 1e4) / 1e4));
  const answer = await fetch("/api/corrections", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ image: rows, label }),
  });
  if (!answer.ok) throw new Error(answer.status);
}

/** Save corrections, as `waiting` returns them, in this browser. */
function save(kept) {
  try {
    localStorage.setItem(PLACE, JSON.stringify(kept));
  } catch {} // storage is full or switched off, so the correction is lost
}

/** Convert an image to Base64 text of 784 bytes; `unpack` is the inverse. */
function pack(image) {
  return btoa(String.fromCharCode(...Array.from(image, (value) => Math.round(255 * value))));
}

/** Convert Base64 text of 784 bytes to an image. */
export function unpack(text) {
  return Float32Array.from(atob(text), (letter) => letter.charCodeAt(0) / 255);
}

/** Return an image as the bytes of a PNG file. */
async function picture(image) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 28;
  const context = canvas.getContext("2d"), data = context.createImageData(28, 28);
  image.forEach((value, i) => data.data.fill(Math.round(255 * value), 4 * i, 4 * i + 3).fill(255, 4 * i + 3, 4 * i + 4));
  context.putImageData(data, 0, 0);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  return new Uint8Array(await blob.arrayBuffer());
}

/** Return the parts of a .zip file with uncompressed files [{ name, content }].
 *  Source: PKWARE, APPNOTE.TXT, section 4.3. */
function zipped(files) {
  const parts = [], directory = [];
  let at = 0;
  for (const { name, content } of files) {
    const title = new TextEncoder().encode(name);
    const about = [20, 0, 0, 0, 0x21, ...halves(crc32(content)), ...halves(content.length), ...halves(content.length), title.length, 0];
    const head = new Uint8Array([...bytes([0x4b50, 0x0403, ...about]), ...title]);
    directory.push(...bytes([0x4b50, 0x0201, 20, ...about, 0, 0, 0, 0, 0, ...halves(at)]), ...title);
    parts.push(head, content);
    at += head.length + content.length;
  }
  const end = bytes([0x4b50, 0x0605, 0, 0, files.length, files.length, ...halves(directory.length), ...halves(at), 0]);
  return [...parts, new Uint8Array(directory), new Uint8Array(end)];
}

/** Split a 32-bit number into two 16-bit numbers, the lower one first. */
function halves(number) {
  return [number & 0xffff, number >>> 16];
}

/** Split 16-bit numbers into bytes, the lower byte first. */
function bytes(words) {
  return words.flatMap((word) => [word & 0xff, word >>> 8]);
}

/** Return the checksum CRC-32 of an array of bytes. */
function crc32(content) {
  let crc = -1;
  for (const byte of content) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
