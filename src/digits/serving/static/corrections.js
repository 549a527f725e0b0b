// Corrections ("That was wrong: it is a 7"): images with the correct digit, for training.
// Each is stored in this browser first, then sent to the server. If the server does not answer, they are sent
// later. One that is damaged, or that the server refuses, is set aside, so that the others are still sent.

import { pack, unpack } from "./images.js";
import { askJson, ServerError } from "./server.js";

const PLACE = "digits-corrections"; // key in localStorage: JSON, [{ image: Base64 text, label }]
const ASIDE = "digits-corrections-aside"; // key in localStorage: what cannot be sent, as JSON of any form
const MOST = 500; // largest number of corrections in each of the two places; each needs about a kilobyte
const REFUSED = 422; // HTTP status with which the server refuses the values of one correction

/** Save an image under the digit `label`; returns where it was saved: "server", "browser" or "nowhere". */
export async function correct(image, label) {
  const correction = { image: pack(image), label }, kept = waiting().filter((each) => each.image !== correction.image);
  const fits = save(PLACE, [...kept.slice(1 - MOST), correction]);
  try {
    await send(correction);
    remove(correction);
    return "server";
  } catch {
    return fits ? "browser" : "nowhere"; // the storage is full or switched off
  }
}

/** Return the corrections in this browser that were not sent yet: [{ image: Base64 text, label }]. */
export function waiting() {
  const kept = stored(PLACE), good = kept.filter(sound);
  if (good.length < kept.length) setAside(good, kept.filter((each) => !sound(each)));
  return good;
}

/** Return how many corrections were set aside because they cannot be sent. */
export function aside() {
  return stored(ASIDE).length;
}

/** Send the corrections in this browser to the server; returns how many were sent. */
export async function flush() {
  let sent = 0;
  for (const each of waiting()) {
    try {
      await send(each);
      sent += 1;
      remove(each);
    } catch (error) {
      if (error.status !== REFUSED) break;
      setAside(without(each), [each]);
    }
  }
  return sent;
}

/** Delete what was set aside. */
export function forget() {
  save(ASIDE, []);
}

function remove(correction) {
  save(PLACE, without(correction));
}

/** Return the waiting corrections without one. The same image with another label is another correction. */
function without({ image, label }) {
  return waiting().filter((each) => each.image !== image || each.label !== label);
}

function setAside(kept, bad) {
  if (save(ASIDE, [...stored(ASIDE), ...bad].slice(-MOST))) save(PLACE, kept);
}

/** Return whether a stored value is a correction. */
function sound(each) {
  try {
    return unpack(each.image) && Number.isInteger(each.label) && each.label >= 0 && each.label <= 9;
  } catch {
    return false;
  }
}

/** Return the array that is stored under a key. Anything else there counts as one damaged correction. */
function stored(key) {
  let text = null;
  try {
    text = localStorage.getItem(key);
    const found = JSON.parse(text ?? "[]");
    if (Array.isArray(found)) return found;
  } catch {} // storage is switched off, or its content is not JSON
  return text === null ? [] : [text];
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

/** Send a correction to the server. Throws a ServerError if the server does not confirm that it is saved. */
async function send({ image: packed, label }) {
  const image = unpack(packed);
  const rows = Array.from({ length: 28 }, (_, r) => Array.from(image.subarray(28 * r, 28 * r + 28), (v) => Math.round(v * 1e4) / 1e4));
  const answer = await askJson("api/corrections", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ image: rows, label }),
  });
  if (typeof answer.kept !== "string") throw new ServerError("the server did not confirm the correction");
}

/** Store an array under a key; returns whether there was place for it. */
function save(key, kept) {
  try {
    localStorage.setItem(key, JSON.stringify(kept));
    return true;
  } catch {
    return false; // storage is full or switched off
  }
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
