// Photos: what is sent to the server, what its answer must hold, and a picture that the browser can show.

import { askBlob, askJson, ServerError } from "./server.js";
import { unpack } from "./images.js";

const UPLOAD = 4_500_000; // bytes; larger photos are made smaller here, so that they arrive sooner
const LARGEST = 25_000_000; // bytes; the server accepts no larger file
const LONGEST = 2400; // px; longer side of a photo after it was made smaller

/** Read a photo on the server with a network. Returns { text, width, height, notes, marks, numbers, body }:
 *  notes: sentences about what was not read;
 *  marks: [{ image, box: [left, top, width, height], row, digit, probability, probabilities, accepted, reason }];
 *  numbers: [{ text, box, row, probability }], with boxes in pixels of the photo;
 *  body: the Blob that was sent.
 *  Throws an Error: the signal's reason if it was aborted, otherwise see `reason` in server.js. */
export async function find(file, network, signal) {
  const body = await shrink(file);
  const found = await askJson(`api/predict?detail=true&model=${encodeURIComponent(network)}`, { ...post(body), signal });
  const { text, width, height, digits, notes } = found;
  const marks = digits.map((digit) => ({ ...digit, image: unpack(digit.image), box: finite(digit.box, 4), probabilities: finite(digit.probabilities, 10) }));
  const numbers = found.numbers.map((number) => ({ ...number, box: finite(number.box, 4) }));
  finite([width, height], 2);
  return { text: String(text), width, height, notes: notes.map(String), marks, numbers, body };
}

/** Return the address of a picture of the photo: the file itself if the browser can show it, otherwise a PNG
 *  from the server (TIFF, HEIC). Throws as `find`. Free it with URL.revokeObjectURL. */
export async function viewable(file, body, signal) {
  const address = URL.createObjectURL(file);
  if (await shows(address)) return address;
  URL.revokeObjectURL(address);
  return URL.createObjectURL(await askBlob("api/preview", "image/png", { ...post(body), signal }));
}

/** Return the address of an empty picture of the same shape, for a photo that cannot be shown. */
export function blank({ width, height }) {
  const canvas = document.createElement("canvas"), scale = LONGEST / 4 / Math.max(width, height);
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  return canvas.toDataURL();
}

function post(body) {
  const type = body.type.startsWith("image/") ? body.type : "application/octet-stream";
  return { method: "POST", headers: { "Content-Type": type }, body };
}

/** Return an array of `count` finite numbers, or throw an Error. */
function finite(values, count) {
  if (values.length !== count || !values.every(Number.isFinite)) throw new TypeError("not numbers");
  return values;
}

/** Return whether the browser can show the picture at an address. */
function shows(address) {
  return new Promise((done) => {
    Object.assign(new Image(), { onload: () => done(true), onerror: () => done(false), src: address });
  });
}

/** Return the photo's file, or a smaller JPEG if the file is larger than UPLOAD and the browser can show it. */
async function shrink(file) {
  if (file.size <= UPLOAD) return file;
  try {
    const picture = await createImageBitmap(file), scale = Math.min(1, LONGEST / Math.max(picture.width, picture.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(picture.width * scale);
    canvas.height = Math.round(picture.height * scale);
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    picture.close();
    const smaller = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.9));
    if (smaller.size > 0) return smaller;
  } catch {} // the browser cannot decode the file, or cannot make so large a canvas
  if (file.size <= LARGEST) return file;
  throw new ServerError(`the file is larger than ${LARGEST / 1e6} MB, and this browser cannot make it smaller; save it as a smaller JPEG`);
}
