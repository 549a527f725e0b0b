// Images of 784 numbers in [0, 1] as Base64 text of 784 bytes, the form in which they are sent and stored.

const PIXELS = 784; // 28 x 28

/** Convert an image to Base64 text; `unpack` is the inverse. */
export function pack(image) {
  return btoa(String.fromCharCode(...Array.from(image, (value) => Math.round(255 * value))));
}

/** Convert Base64 text to an image. Throws an Error if it does not hold 784 bytes. */
export function unpack(text) {
  const bytes = atob(text);
  if (typeof text !== "string" || bytes.length !== PIXELS) throw new TypeError("not an image");
  return Float32Array.from(bytes, (letter) => letter.charCodeAt(0) / 255);
}
