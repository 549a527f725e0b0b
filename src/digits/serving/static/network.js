// Compute with a trained network in JavaScript. The layers are the same as in digits/networks/numpy_layers.py.
// digits/serving/browser_network.py describes the format of the bytes.

export class Network {
  /** Make a network from `buffer`, an ArrayBuffer with the bytes of /api/network/NAME. */
  constructor(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    const about = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    const numbers = new Float32Array(buffer, 4 + length);
    this.classes = about.classes;
    this.temperature = about.temperature;
    this.members = about.members.map((layers) => layers.map((layer) => withWeights(layer, numbers)));
    this.layers = this.members[0].filter((layer) => layer.kind !== "upright"); // the layers that the page shows
  }

  /** Classify an image of 784 numbers in [0, 1]. Returns { probabilities, activations, seen }:
   *  - probabilities: one number in [0, 1] for each class;
   *  - activations: the output { data, height, width, channels } of each layer in `layers`;
   *  - seen: the input image of the first layer in `layers`, after the layer upright made the digit upright.
   *  An ensemble has several members. `activations` and `seen` are those of the first one. */
  run(image) {
    const activations = [];
    let seen = image;
    const answers = this.members.map((layers, number) => {
      let x = { data: image, height: 28, width: 28, channels: 1 };
      for (const layer of layers) {
        x = STEPS[layer.kind](layer, x);
        if (number > 0) continue;
        if (layer.kind === "upright") seen = x.data;
        else activations.push(x);
      }
      return softmax(x.data);
    });
    if (answers.length === 1) return { probabilities: answers[0], activations, seen };
    const logits = answers[0].map((_, c) => {
      const mean = answers.reduce((sum, answer) => sum + answer[c], 0) / answers.length;
      return Math.log(Math.max(mean, 1e-38)) / this.temperature;
    });
    return { probabilities: softmax(logits), activations, seen };
  }
}

// The rules for accepting a mark; the same as in digits/reading/acceptance.py. A mark is ink that may be a digit.
const NUMBER_SHARE = 1 / 3; // a row is a number if at least this share of its marks reaches the threshold
const NUMBER_PROBABILITY = 0.1; // smallest probability of being any digit for a mark in a number
const UNIT_GAP = 0.3; // median heights of the row; a wider gap ends a unit, such as a word or a number
const UNIT_SHARE = 0.6; // a unit is a number if at least this share of its area is digits; less is a word
const PICTURE_SHARE = 0.25; // of the area of all marks; if accepted marks are less, it shows something else

/** Classify an image of 784 numbers in [0, 1]. Returns { digit, probability, probabilities, result }: the
 *  most probable digit, its probability, the probabilities of 0 to 9, and what Network.run returned.
 *  `rejection` is the network that tells digits from other marks, if there is one. With it, the sum of
 *  `probabilities` is the probability that the image shows a digit. */
export function answer(network, rejection, image) {
  const result = network.run(image);
  let { probabilities } = result;
  if (rejection) {
    const said = rejection.run(image).probabilities, isDigit = 1 - said[said.length - 1];
    probabilities = probabilities.map((p) => p * isDigit);
  }
  const digit = probabilities.indexOf(Math.max(...probabilities));
  return { digit, probability: probabilities[digit], probabilities, result };
}

const totalOf = (numbers) => numbers.reduce((a, b) => a + b, 0);

/** Set `accepted` (true or false) and `reason` (why not, or null) of every mark; returns the marks.
 *  `threshold` is the smallest probability with which a mark is accepted; /api/model has it. */
export function judge(marks, threshold) {
  for (const at of new Set(marks.map(({ row }) => row))) {
    const row = marks.filter((mark) => mark.row === at);
    const sure = row.filter((mark) => mark.probability >= threshold).length;
    const number = row.length > 1 && sure >= NUMBER_SHARE * row.length;
    for (const unit of units(row)) {
      const word = shareOfDigits(unit) < UNIT_SHARE;
      for (const mark of unit) {
        const enough = mark.probability >= threshold || (number && totalOf(mark.probabilities) >= NUMBER_PROBABILITY);
        mark.accepted = enough && !word;
      }
    }
  }
  const written = isWriting(marks);
  for (const mark of marks) {
    mark.accepted &&= written;
    const isDigit = totalOf(mark.probabilities), which = mark.probability / Math.max(isDigit, 1e-9);
    mark.reason = mark.accepted ? null : isDigit <= which ? "not a digit" : "unclear";
  }
  return marks;
}

const areaOf = ({ box: [, , width, height] }) => width * height;

/** Say if accepted marks are enough of a picture; marks around them, such as frames, do not count. */
function isWriting(marks) {
  const accepted = marks.filter((mark) => mark.accepted);
  const around = ({ box: [left, top, width, height] }) => accepted.some(({ box: [x, y, w, h] }) =>
    left <= x + w / 2 && x + w / 2 <= left + width && top <= y + h / 2 && y + h / 2 <= top + height);
  const counted = marks.filter((mark) => mark.accepted || !around(mark));
  return totalOf(accepted.map(areaOf)) >= PICTURE_SHARE * totalOf(counted.map(areaOf));
}

/** Return how much of the area of marks is digits, in [0, 1]. */
function shareOfDigits(marks) {
  return totalOf(marks.map((mark) => areaOf(mark) * totalOf(mark.probabilities))) / totalOf(marks.map(areaOf));
}

/** Divide the marks of a row at wide gaps. */
function units(row) {
  const found = [], heights = row.map((mark) => mark.box[3]).sort((a, b) => a - b);
  const gap = UNIT_GAP * (heights[(heights.length - 1) >> 1] + heights[heights.length >> 1]) / 2; // of their median
  let end = -Infinity;
  for (const mark of [...row].sort((a, b) => a.box[0] - b.box[0])) {
    const [left, , width] = mark.box;
    if (left - end > gap) found.push([]);
    found.at(-1).push(mark);
    end = Math.max(end, left + width);
  }
  return found;
}

/** Return a layer with its weights and bias, taken from the numbers of the whole network. */
function withWeights(layer, numbers) {
  if (!layer.shape) return layer;
  const size = layer.shape.reduce((a, b) => a * b), outputs = layer.shape[layer.shape.length - 1];
  return {
    ...layer,
    outputs,
    weights: numbers.subarray(layer.weights, layer.weights + size),
    bias: numbers.subarray(layer.bias, layer.bias + outputs),
  };
}

function softmax(logits) {
  const highest = Math.max(...logits), powers = Float64Array.from(logits, (v) => Math.exp(v - highest));
  const total = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / total);
}

const FAINT = 1e-6; // smallest divisor; avoids a division by zero in an image without ink

// The computation of each kind of layer: from the layer and its input { data, height, width, channels } to its
// output in the same form. `data` holds the numbers by row, then column, then channel.
const STEPS = {
  // Shear the image so that a leaning digit becomes upright.
  upright(_, { data, height, width, channels }) {
    const rows = new Float64Array(height), right = new Float64Array(height), middle = (width - 1) / 2;
    for (let i = 0; i < data.length; i++) {
      rows[Math.floor(i / width)] += data[i];
      right[Math.floor(i / width)] += data[i] * ((i % width) - middle);
    }
    const sum = (term) => rows.reduce((total, _, r) => total + term(r), 0);
    const centre = sum((r) => rows[r] * (r - middle)) / Math.max(sum((r) => rows[r]), FAINT);
    const high = rows.map((_, r) => r - middle - centre);
    const leaning = sum((r) => right[r] * high[r]) / Math.max(sum((r) => rows[r] * high[r] ** 2), FAINT);
    const lean = Math.min(Math.max(leaning, -1), 1), moves = high.map((h) => lean * h);
    const moved = data.map((_, i) => {
      const r = Math.floor(i / width), whole = Math.floor(moves[r]), c = (i % width) + whole;
      const pixel = (column) => (column >= 0 && column < width ? data[r * width + column] : 0);
      return pixel(c) + (moves[r] - whole) * (pixel(c + 1) - pixel(c));
    });
    return { data: moved, height, width, channels };
  },

  dense({ weights, bias, relu, outputs }, { data }) {
    const nonzero = new Nonzero(data.length), sums = new Float32Array(outputs);
    for (let i = 0; i < data.length; i++) nonzero.add(data[i], i * outputs);
    nonzero.times(weights, bias, relu, sums, 0);
    return { data: sums, height: 1, width: 1, channels: outputs };
  },

  convolution({ weights, bias, shape, stride, padding, outputs }, input) {
    const x = padding ? withBorder(input, padding) : input;
    const [kh, kw, inputs] = shape, row = kw * inputs;
    const height = Math.floor((x.height - kh) / stride) + 1, width = Math.floor((x.width - kw) / stride) + 1;
    const nonzero = new Nonzero(kh * row), sums = new Float32Array(height * width * outputs);
    for (let r = 0; r < height; r++) {
      for (let c = 0; c < width; c++) {
        nonzero.count = 0;
        for (let k = 0; k < kh; k++) {
          const from = ((r * stride + k) * x.width + c * stride) * inputs;
          for (let i = 0; i < row; i++) nonzero.add(x.data[from + i], (k * row + i) * outputs);
        }
        nonzero.times(weights, bias, true, sums, (r * width + c) * outputs);
      }
    }
    return { data: sums, height, width, channels: outputs };
  },

  pool(_, { data, height: h, width: w, channels }) {
    const height = Math.floor(h / 2), width = Math.floor(w / 2), largest = new Float32Array(height * width * channels);
    for (let r = 0; r < height; r++) {
      for (let c = 0; c < width; c++) {
        for (let o = 0; o < channels; o++) {
          const at = (2 * r * w + 2 * c) * channels + o, below = at + w * channels;
          largest[(r * width + c) * channels + o] = Math.max(
            data[at], data[at + channels], data[below], data[below + channels],
          );
        }
      }
    }
    return { data: largest, height, width, channels };
  },

  mean(_, { data, height, width, channels }) {
    const sums = new Float64Array(channels);
    for (let i = 0; i < data.length; i++) sums[i % channels] += data[i];
    return { data: Float32Array.from(sums, (s) => s / (height * width)), height: 1, width: 1, channels };
  },
};

/** The inputs that are not 0, each with the index of its first weight. It saves time, since a ReLU makes at
 *  least half of the inputs 0. */
class Nonzero {
  constructor(most) {
    this.values = new Float64Array(most);
    this.places = new Int32Array(most);
    this.count = 0;
  }

  add(value, place) {
    if (value === 0) return;
    this.values[this.count] = value;
    this.places[this.count++] = place;
  }

  /** Write bias + values × weights to sums, from index `at`; with `relu`, negative sums become 0.
   *  Eight outputs at a time are computed twice as fast as one at a time. */
  times(weights, bias, relu, sums, at) {
    const { values, places, count } = this, outputs = bias.length, least = relu ? 0 : -Infinity;
    let o = 0;
    for (; o + 8 <= outputs; o += 8) {
      let a = bias[o], b = bias[o + 1], c = bias[o + 2], d = bias[o + 3];
      let e = bias[o + 4], f = bias[o + 5], g = bias[o + 6], h = bias[o + 7];
      for (let i = 0; i < count; i++) {
        const value = values[i], w = places[i] + o;
        a += value * weights[w];
        b += value * weights[w + 1];
        c += value * weights[w + 2];
        d += value * weights[w + 3];
        e += value * weights[w + 4];
        f += value * weights[w + 5];
        g += value * weights[w + 6];
        h += value * weights[w + 7];
      }
      const s = at + o;
      sums[s] = a;
      sums[s + 1] = b;
      sums[s + 2] = c;
      sums[s + 3] = d;
      sums[s + 4] = e;
      sums[s + 5] = f;
      sums[s + 6] = g;
      sums[s + 7] = h;
    }
    for (; o < outputs; o++) {
      let sum = bias[o];
      for (let i = 0; i < count; i++) sum += values[i] * weights[places[i] + o];
      sums[at + o] = sum;
    }
    for (let i = at; i < at + outputs; i++) if (sums[i] < least) sums[i] = least;
  }
}

/** Return maps with a border of zeros, `padding` pixels wide, on all sides. */
function withBorder({ data, height, width, channels }, padding) {
  const wide = width + 2 * padding, result = new Float32Array((height + 2 * padding) * wide * channels);
  for (let r = 0; r < height; r++) {
    const from = r * width * channels;
    result.set(data.subarray(from, from + width * channels), ((r + padding) * wide + padding) * channels);
  }
  return { data: result, height: height + 2 * padding, width: wide, channels };
}
