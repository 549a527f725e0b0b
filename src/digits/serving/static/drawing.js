// Render pen strokes as images in the format of MNIST. The computation is the same as in digits/data/pen.py.
// A stroke is an array of points [x, y], x to the right and y downwards, in any unit.
// An image is an array of 784 numbers in [0, 1], row by row; ink is 1.

export const SIDE = 28; // px; width and height of an image
const BOX = 20; // px; the digit is scaled to a box with this side
const PEN = 2.4, EDGE = 1.0; // px; width of a stroke, and width of the soft edge from ink to paper
const MARGIN = 3; // px; smallest distance from the box with its soft edge to the border of the image
const DOT = 1e-6; // length; a path that is not longer than this is a dot

/** Render the strokes of one digit as an image: scaled to the box, with the centre of mass in the middle. */
export function render(strokes, pen = PEN) {
  const drawn = strokes.filter((stroke) => stroke.length > 0);
  if (drawn.length === 0) return new Float32Array(SIDE * SIDE);
  const [left, top, right, bottom] = bounds(drawn);
  const longest = Math.max(right - left, bottom - top);
  const scale = longest > DOT ? (BOX - pen) / longest : 0;
  const x = (left + right) / 2, y = (top + bottom) / 2;
  const lines = drawn.map((stroke) => stroke.map(([px, py]) => [(px - x) * scale, (py - y) * scale]));
  return centred(ink(lines, pen));
}

/** Return the smallest rectangle around strokes: [left, top, right, bottom]. */
export function bounds(strokes) {
  let left = Infinity, top = Infinity, right = -Infinity, bottom = -Infinity;
  for (const stroke of strokes) {
    for (const [x, y] of stroke) {
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
  }
  return [left, top, right, bottom];
}

/** Return the box [left, top, width, height] around strokes in whole units, at least 1 x 1. */
export function boxAround(strokes) {
  const [left, top, right, bottom] = bounds(strokes), x = Math.floor(left), y = Math.floor(top);
  return [x, y, Math.max(1, Math.ceil(right) - x), Math.max(1, Math.ceil(bottom) - y)];
}

/** Return an image of lines. Their points are in pixels, measured from the centre of the image. */
function ink(lines, pen) {
  const middle = (SIDE - 1) / 2, squared = new Float64Array(SIDE * SIDE).fill(Infinity);
  for (const line of lines) {
    for (let i = 0; i < Math.max(1, line.length - 1); i++) {
      const [sx, sy] = line[i], [ex, ey] = line[Math.min(i + 1, line.length - 1)];
      const ax = ex - sx, ay = ey - sy, length = Math.max(ax * ax + ay * ay, DOT * DOT);
      for (let row = 0; row < SIDE; row++) {
        const y = row - middle - sy;
        for (let column = 0; column < SIDE; column++) {
          const x = column - middle - sx;
          const part = Math.min(Math.max((x * ax + y * ay) / length, 0), 1);
          const dx = x - part * ax, dy = y - part * ay, near = dx * dx + dy * dy;
          if (near < squared[row * SIDE + column]) squared[row * SIDE + column] = near;
        }
      }
    }
  }
  return squared.map((s) => Math.min(Math.max((pen / 2 - Math.sqrt(s)) / EDGE + 0.5, 0), 1));
}

/** Move an image by whole pixels, so that its centre of mass is in the middle. */
function centred(image) {
  let total = 0, rows = 0, columns = 0;
  image.forEach((value, i) => {
    total += value;
    rows += value * Math.floor(i / SIDE);
    columns += value * (i % SIDE);
  });
  const [down, right] = [rows, columns].map((sum) => wholeMove((SIDE - 1) / 2 - sum / total));
  const moved = new Float32Array(SIDE * SIDE);
  for (let row = Math.max(0, down); row < Math.min(SIDE, SIDE + down); row++) {
    for (let column = Math.max(0, right); column < Math.min(SIDE, SIDE + right); column++) {
      moved[row * SIDE + column] = image[(row - down) * SIDE + column - right];
    }
  }
  return moved;
}

/** Round a move to whole pixels and limit it to the margin, so that no ink leaves the image. */
function wholeMove(move) {
  return Math.min(Math.max(Math.floor(move + 0.5), -MARGIN), MARGIN);
}
