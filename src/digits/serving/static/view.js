// The section "Inside the network". It shows every neuron as a cell and every map of a convolution as a small
// picture; bright means a high activation. A unit is a neuron or a map. A tile is the canvas of one layer.

const NAMES = { convolution: "Convolution", dense: "Hidden layer", pool: "Maximum of 2 × 2", mean: "Mean" };
const THREADS = 8; // largest number of connections that are drawn as lines, for inputs and outputs each
const TOP = 4; // largest number of connections that are listed as text

export class View {
  /** Make the section. `element` holds the HTML elements that it fills: view, layers, threads, explained, name,
   *  said, weights, strongest. */
  constructor(element) {
    this.element = element;
    this.chosen = null; // the { tile, unit } that was clicked; it stays chosen when the drawing changes
    this.hovered = null; // the { tile, unit } under the mouse
    this.network = null;
    for (const change of [matchMedia("(prefers-color-scheme: dark)")]) {
      change.addEventListener("change", () => this.draw());
    }
    new ResizeObserver(() => this.#threads()).observe(element.layers);
  }

  /** Show the layers of a network, without activations; `members` is the number of networks in its ensemble. */
  build(network, members) {
    this.network = network;
    this.chosen = this.hovered = null;
    this.dense = network.layers.every((layer) => layer.kind === "dense");
    this.element.view.className = this.dense ? "mlp" : "cnn";
    this.tiles = [this.#input(), ...network.layers.map((layer, index) => this.#tile(layer, index))];
    this.element.layers.replaceChildren(...this.tiles.map((tile) => tile.block));
    const first = members > 1 ? ` This is the first of ${members} networks; the answer combines all of them.` : "";
    this.element.explained.textContent = (this.dense
      ? "A neuron multiplies each input by a weight and adds the products. It lights up if the sum is above zero."
      : "Small windows slide over the picture. A map lights up where its pattern is. Later maps combine earlier ones.") + first;
  }

  /** Show the activations for an image; `result` is what Network.run returned. Both are null if nothing is drawn. */
  show(image, result) {
    this.image = image;
    this.result = result;
    this.draw();
  }

  draw() {
    if (!this.network) return;
    const colours = palette(this.element.view);
    for (const tile of this.tiles) this.#paint(tile, colours);
    this.#explain(colours);
  }

  // Layers --------------------------------------------------------------------------------------------

  /** Return the tile of the input image. */
  #input() {
    const tile = { index: -1, count: 1, height: 28, width: 28, columns: 1, scale: this.dense ? 6 : 3, gap: 0, still: true };
    return this.#block(tile, "784 pixels", "28 × 28");
  }

  /** Return the tile of a layer: its canvas, the layout of its cells in pixels, and its names. */
  #tile(layer, index) {
    const before = index ? this.shapes[index - 1] : { height: 28, width: 28, channels: 1 };
    if (!index) this.shapes = [];
    const shape = (this.shapes[index] = shapeAfter(layer, before)), { height, width, channels: count } = shape;
    const last = index === this.network.layers.length - 1;
    const tile = { index, layer, count, height, width, last };
    if (last) Object.assign(tile, { columns: this.dense ? 1 : 10, scale: 20, gap: 3 });
    else if (height === 1) {
      const scale = count > 100 ? 9 : 15;
      Object.assign(tile, { columns: this.dense ? Math.round(Math.sqrt(count) * 1.13) : 16, scale, gap: count > 100 ? 1 : 2 });
    } else Object.assign(tile, { columns: count > 32 ? 16 : 8, scale: Math.max(1, Math.round((count > 64 ? 14 : count > 32 ? 20 : 24) / width)), gap: 2 });
    const number = this.network.layers.slice(0, index + 1).filter((each) => each.kind === layer.kind).length;
    tile.title = last ? "Answer" : NAMES[layer.kind] + (layer.shape ? ` ${number}` : "");
    tile.unit = last ? "Answer" : height === 1 ? (layer.kind === "mean" ? "Mean" : "Neuron") : "Map";
    const size = height === 1 ? `${count} ${last ? "digits" : layer.kind === "mean" ? "numbers" : "neurons"}` : `${count} maps of ${height} × ${width}`;
    return this.#block(tile, tile.title, size);
  }

  /** Add to a tile its canvas and the HTML block around it; returns the tile. */
  #block(tile, title, size) {
    const { columns, count, width, height, scale, gap } = tile;
    const canvas = document.createElement("canvas"), block = document.createElement("div");
    const label = tile.last ? 20 : 0; // px; space for the digits beside or below the cells
    canvas.width = columns * (width * scale + gap) - gap + (columns === 1 ? label : 0);
    canvas.height = Math.ceil(count / columns) * (height * scale + gap) - gap + (columns === 1 ? 0 : label);
    block.className = "layer";
    const about = document.createElement("p"), name = document.createElement("b");
    name.textContent = title;
    about.append(name, size);
    block.append(about, canvas);
    Object.assign(tile, { canvas, block });
    if (tile.still) {
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", "The network's input picture");
      canvas.style.cursor = "default";
      return tile;
    }
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-roledescription", "layer of the network");
    canvas.setAttribute("aria-label", `${title}, ${size}. Arrow keys choose one.`);
    canvas.setAttribute("aria-describedby", "neuron");
    canvas.addEventListener("pointermove", (event) => this.#hover(tile, this.#unitAt(tile, event)));
    canvas.addEventListener("pointerleave", () => this.#hover(tile, -1));
    canvas.addEventListener("click", (event) => this.#choose(tile, this.#unitAt(tile, event)));
    canvas.addEventListener("focus", () => {
      if (canvas.matches(":focus-visible") && this.chosen?.tile !== tile) this.#choose(tile, this.#brightest(tile));
    });
    canvas.addEventListener("keydown", (event) => this.#key(tile, event));
    return tile;
  }

  /** Return the number of the unit under a pointer event; -1 if there is none. */
  #unitAt(tile, { offsetX, offsetY }) {
    const { canvas, columns, count, width, height, scale, gap } = tile;
    const zoom = canvas.width / canvas.clientWidth, column = Math.floor((offsetX * zoom) / (width * scale + gap));
    const row = Math.floor((offsetY * zoom) / (height * scale + gap));
    if (tile.last) return Math.min(columns === 1 ? row : column, count - 1); // the digit beside a cell counts too
    const unit = row * columns + column;
    return column < columns && unit >= 0 && unit < count ? unit : -1;
  }

  #hover(tile, unit) {
    const next = unit < 0 ? null : { tile, unit };
    if (this.hovered?.tile === next?.tile && this.hovered?.unit === next?.unit) return;
    this.hovered = next;
    this.#soon();
  }

  #choose(tile, unit) {
    if (unit < 0) return;
    const again = this.chosen?.tile === tile && this.chosen.unit === unit;
    this.chosen = again ? null : { tile, unit };
    this.#soon();
  }

  #key(tile, event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -tile.columns, ArrowDown: tile.columns, Home: -Infinity, End: Infinity }[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const from = this.chosen?.tile === tile ? this.chosen.unit : 0;
    const unit = Math.abs(step) === Infinity ? (step < 0 ? 0 : tile.count - 1) : from + step;
    if (unit < 0 || unit >= tile.count) return;
    this.chosen = { tile, unit };
    this.hovered = null;
    this.#soon();
  }

  /** Draw at the next screen refresh. */
  #soon() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  /** Return the number of the unit with the highest activation. */
  #brightest(tile) {
    if (!this.result) return 0;
    const totals = Array.from({ length: tile.count }, (_, unit) => this.#level(tile, unit));
    return totals.indexOf(Math.max(...totals));
  }

  /** Return the activation of a neuron, the mean activation of a map, or the probability of a digit. */
  #level(tile, unit) {
    if (!this.result) return 0;
    if (tile.last) return this.result.probabilities[unit];
    const { data } = this.result.activations[tile.index];
    let sum = 0;
    for (let i = unit; i < data.length; i += tile.count) sum += data[i];
    return sum / (tile.height * tile.width);
  }

  // Painting ------------------------------------------------------------------------------------------

  /** Draw all units of a tile; brighter means a higher activation, relative to the highest one of the layer. */
  #paint(tile, { dim, lit, ink, accent }) {
    const { canvas, columns, count, width, height, scale, gap, index } = tile;
    const context = canvas.getContext("2d");
    const picture = context.createImageData(canvas.width, canvas.height), pixels = new Uint32Array(picture.data.buffer);
    const data = index < 0 ? this.image : tile.last ? this.result?.probabilities : this.result?.activations[index].data;
    let highest = tile.last || index < 0 ? 1 : 1e-6;
    if (data && highest < 1) for (const value of data) if (value > highest) highest = value;
    const shades = index < 0 ? mixed([0, 0, 0], [255, 255, 255]) : mixed(dim, lit);
    for (let unit = 0; unit < count; unit++) {
      const left = (unit % columns) * (width * scale + gap), top = Math.floor(unit / columns) * (height * scale + gap);
      for (let y = 0; y < height * scale; y++) {
        const row = (top + y) * canvas.width + left, from = Math.floor(y / scale) * width;
        for (let x = 0; x < width * scale; x++) {
          const value = data ? data[(from + Math.floor(x / scale)) * count + unit] / highest : 0;
          pixels[row + x] = shades[Math.round(255 * (index < 0 ? value : Math.sqrt(Math.max(0, value))))];
        }
      }
    }
    context.putImageData(picture, 0, 0);
    if (tile.last) this.#digits(tile, context, ink);
    for (const mark of [this.chosen, this.hovered]) {
      if (mark?.tile !== tile) continue;
      const left = (mark.unit % columns) * (width * scale + gap), top = Math.floor(mark.unit / columns) * (height * scale + gap);
      context.strokeStyle = mark === this.chosen ? ink : accent;
      context.lineWidth = 2;
      context.strokeRect(left, top, width * scale, height * scale);
    }
  }

  /** Write the digits 0 to 9 beside or below the cells of the last layer. */
  #digits(tile, context, ink) {
    context.fillStyle = ink;
    context.font = "600 13px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.textAlign = "center";
    for (let unit = 0; unit < tile.count; unit++) {
      const along = unit * (tile.scale + tile.gap) + tile.scale / 2, beside = tile.scale + 11;
      context.fillText(String(unit), ...(tile.columns === 1 ? [beside, along + 1] : [along, beside]));
    }
  }

  // One neuron ----------------------------------------------------------------------------------------

  /** Describe the unit under the mouse or the chosen one: activation, weights and strongest connections. */
  #explain(colours) {
    const mark = this.hovered ?? this.chosen, { name, said, weights, strongest } = this.element;
    this.element.threads.replaceChildren();
    weights.hidden = !mark;
    if (!mark) {
      name.textContent = "Look at a neuron";
      said.textContent = "Move over a cell, touch it, or reach it with Tab and the arrow keys.";
      strongest.replaceChildren();
      return;
    }
    const { tile, unit } = mark, level = this.#level(tile, unit);
    name.textContent = tile.last ? `The answer ${unit}` : `${tile.unit} ${unit + 1} of ${tile.count}`;
    const lit = !this.result ? "Nothing is drawn, so it is inactive." : tile.last ? `Probability ${percent(level)}.`
      : level > 1e-4 ? `Active: ${tile.height > 1 ? "mean " : ""}${brief(level)}.` : "Inactive: its pattern is not in this picture.";
    const picture = this.#pictureOf(tile, unit, colours);
    said.textContent = `${tile.last ? "" : `${tile.title}. `}${lit} ${picture}`.trim();
    weights.setAttribute("aria-label", `${name.textContent}. ${picture || "No picture."}`);
    if (!this.result) {
      strongest.replaceChildren();
      return;
    }
    const into = topLinks(this.#into(tile, unit)), out = topLinks(this.#outOf(tile, unit));
    strongest.replaceChildren(...[linkList("Strongest inputs:", into), linkList("Strongest outputs:", out)].filter(Boolean));
    this.links = [...into.map((link) => [link, mark]), ...out.map((link) => [mark, link])].map(([from, to]) => ({ from, to, value: from.value ?? to.value }));
    this.#threads();
  }

  /** Draw a picture of a unit's weights or map beside the layers; returns a description of the picture. */
  #pictureOf(tile, unit, colours) {
    const layers = this.network.layers, { weights } = this.element;
    if (this.dense) {
      const [seen, masked] = this.#lookedFor(tile.index, unit);
      signed(weights, seen, 28, 28, colours);
      if (tile.index === 0) return "Its 784 weights as a picture: ink on blue raises its value, ink on orange lowers it.";
      return masked
        ? "Its weights, multiplied with those of the active neurons before it: ink on blue raises its value, ink on orange lowers it."
        : "Its weights, multiplied with those of all neurons before it: one value for each pixel.";
    }
    if (tile.height > 1 && this.result) {
      unsigned(weights, this.result.activations[tile.index].data, unit, tile, colours);
      return tile.index === 0 ? "Where its 5 × 5 pattern is found in the picture." : "Where its pattern is found in the picture.";
    }
    const mean = layers[tile.index - (tile.last ? 2 : 1)], shape = this.shapes[tile.index - (tile.last ? 2 : 1)];
    if (!tile.last && mean && this.result) {
      unsigned(weights, this.result.activations[tile.index - 1].data, unit, shape, colours);
      return "The map from which this mean is computed.";
    }
    weights.hidden = true;
    return "";
  }

  /** Return how much each of the 784 pixels adds to a neuron, and whether inactive neurons were left out.
   *  In the first layer these are the neuron's weights. In a deeper layer, its weights are multiplied with the
   *  weights of the layers before it. */
  #lookedFor(index, unit) {
    const layers = this.network.layers, { weights, outputs } = layers[index];
    let seen = Float32Array.from({ length: weights.length / outputs }, (_, i) => weights[i * outputs + unit]);
    const masked = index > 0 && Boolean(this.result);
    for (let i = index - 1; i >= 0; i--) {
      const { weights: before, outputs: count } = layers[i], back = new Float32Array(before.length / count);
      const lit = this.result?.activations[i].data;
      for (let j = 0; j < count; j++) {
        if (lit && lit[j] <= 0) continue;
        for (let k = 0; k < back.length; k++) back[k] += before[k * count + j] * seen[j];
      }
      seen = back;
    }
    return [seen, masked];
  }

  /** Return how much each unit of the previous layer adds to this unit: [{ tile, unit, value }].
   *  For maps, the value is the mean over all positions. */
  #into(tile, unit) {
    const layer = this.network.layers[tile.index], before = this.tiles[tile.index]; // tiles[0] is the picture
    if (tile.index === 0) return [];
    const { data } = this.result.activations[tile.index - 1];
    if (!layer.shape) return [{ tile: before, unit, value: this.#level(tile, unit) }];
    const parts = layer.kind === "dense"
      ? Array.from(data, (value, i) => value * layer.weights[i * layer.outputs + unit])
      : mapLinks(layer, this.shapes[tile.index - 1], this.shapes[tile.index], data, (i) => [i, unit]);
    return parts.map((value, i) => ({ tile: before, unit: i, value }));
  }

  /** Return how much this unit adds to each unit of the next layer: [{ tile, unit, value }]. */
  #outOf(tile, unit) {
    if (tile.last) return [];
    const next = this.network.layers[tile.index + 1], after = this.tiles[tile.index + 2];
    const { data } = this.result.activations[tile.index];
    if (!next.shape) return [{ tile: after, unit, value: this.#level(after, unit) }];
    const parts = next.kind === "dense"
      ? Array.from({ length: next.outputs }, (_, o) => data[unit] * next.weights[unit * next.outputs + o])
      : mapLinks(next, this.shapes[tile.index], this.shapes[tile.index + 1], data, (o) => [unit, o]);
    return parts.map((value, o) => ({ tile: after, unit: o, value }));
  }

  /** Draw lines for the strongest connections of the shown unit: blue for positive values, orange for negative. */
  #threads() {
    const { threads, view } = this.element, mark = this.hovered ?? this.chosen;
    threads.replaceChildren();
    if (!mark || !this.links || !this.result) return;
    const origin = view.getBoundingClientRect(), most = Math.max(...this.links.map(({ value }) => Math.abs(value)), 1e-9);
    for (const { from, to, value } of this.links) {
      const [x, y] = place(from, origin), [u, v] = place(to, origin);
      const below = to.tile.canvas.getBoundingClientRect().top > from.tile.canvas.getBoundingClientRect().bottom;
      const [across, down] = below ? [0, (v - y) / 2] : [Math.max(24, Math.abs(u - x) / 2), 0];
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("d", `M${x} ${y}C${x + across} ${y + down} ${u - across} ${v - down} ${u} ${v}`);
      path.setAttribute("stroke", value > 0 ? "var(--accent)" : "var(--warm)");
      path.setAttribute("stroke-width", (1 + 2.5 * (Math.abs(value) / most)).toFixed(2));
      path.setAttribute("opacity", "0.65");
      threads.append(path);
    }
  }
}

/** Return the shape of a layer's output, given the shape of its input. */
function shapeAfter(layer, { height, width, channels }) {
  if (layer.kind === "dense") return { height: 1, width: 1, channels: layer.outputs };
  if (layer.kind === "mean") return { height: 1, width: 1, channels };
  if (layer.kind === "pool") return { height: Math.floor(height / 2), width: Math.floor(width / 2), channels };
  const [kh, kw] = layer.shape, size = (n, k) => Math.floor((n + 2 * layer.padding - k) / layer.stride) + 1;
  return { height: size(height, kh), width: size(width, kw), channels: layer.outputs };
}

/** Return how much an input map of a convolution adds to an output map, as the mean over all positions.
 *  `pair(n)` gives the numbers [input map, output map] of connection n; one value is returned for every n. */
function mapLinks({ weights, shape, stride, padding }, before, after, data, pair) {
  const [kh, kw, inputs, outputs] = shape, count = pair(0)[0] === pair(1)[0] ? outputs : inputs, sums = new Array(count).fill(0);
  for (let r = 0; r < after.height; r++) {
    for (let c = 0; c < after.width; c++) {
      for (let k = 0; k < kh * kw; k++) {
        const y = r * stride - padding + Math.floor(k / kw), x = c * stride - padding + (k % kw);
        if (y < 0 || x < 0 || y >= before.height || x >= before.width) continue;
        const at = (y * before.width + x) * inputs;
        for (let n = 0; n < count; n++) {
          const [i, o] = pair(n);
          sums[n] += data[at + i] * weights[(k * inputs + i) * outputs + o];
        }
      }
    }
  }
  return sums.map((sum) => sum / (after.height * after.width));
}

/** Return the connections with the largest absolute values, the largest first, at most THREADS. */
function topLinks(links) {
  return links.filter(({ value }) => Math.abs(value) > 1e-4).sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, THREADS);
}

/** Return a paragraph that lists the first connections with their values; null if there are none. */
function linkList(title, links) {
  if (links.length === 0) return null;
  const line = document.createElement("p"), name = document.createElement("b");
  name.textContent = `${title} `;
  line.append(name);
  links.slice(0, TOP).forEach(({ tile, unit, value }, i) => {
    const number = document.createElement("span");
    number.className = value > 0 ? "plus" : "minus";
    number.textContent = `${value > 0 ? "+" : "−"}${brief(Math.abs(value))}`;
    line.append(`${i ? ", " : ""}${tile.last ? `digit ${unit}` : `${tile.unit.toLowerCase()} ${unit + 1}`} `, number);
  });
  return line;
}

/** Return a number with about two significant digits. */
function brief(value) {
  return value >= 10 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : Number(value.toPrecision(2)).toString();
}

/** Return the centre of a unit's cell as [x, y] in pixels, relative to the rectangle `origin`. */
function place({ tile, unit }, origin) {
  const { canvas, columns, width, height, scale, gap } = tile, box = canvas.getBoundingClientRect(), zoom = box.width / canvas.width;
  const x = (unit % columns) * (width * scale + gap) + (width * scale) / 2;
  const y = Math.floor(unit / columns) * (height * scale + gap) + (height * scale) / 2;
  return [box.left - origin.left + x * zoom, box.top - origin.top + y * zoom];
}

/** Return the colours of the section from its CSS variables. */
function palette(element) {
  const style = getComputedStyle(element), triple = (name) => style.getPropertyValue(name).trim().split(/\s+/).map(Number);
  const text = (name) => style.getPropertyValue(name).trim();
  return { dim: triple("--dim"), lit: triple("--lit"), less: triple("--less"), ink: text("--ink"), accent: text("--accent") };
}

/** Return 256 colours from one colour [r, g, b] to another, as 32-bit pixels of ImageData. */
function mixed(from, to) {
  const colours = new Uint32Array(256), bytes = new Uint8Array(colours.buffer);
  for (let i = 0; i < 256; i++) {
    for (let c = 0; c < 3; c++) bytes[4 * i + c] = Math.round(from[c] + ((to[c] - from[c]) * i) / 255);
    bytes[4 * i + 3] = 255;
  }
  return colours;
}

/** Draw numbers on a canvas: positive ones in the colour `lit`, negative ones in `less`. */
function signed(canvas, numbers, width, height, { dim, lit, less }) {
  const most = numbers.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-9), up = mixed(dim, lit), down = mixed(dim, less);
  fill(canvas, width, height, (i) => (numbers[i] > 0 ? up : down)[Math.round((255 * Math.abs(numbers[i])) / most)]);
}

/** Draw map number `unit` of a layer's output on a canvas, brighter where the activation is higher. */
function unsigned(canvas, data, unit, { width, height, count, channels }, { dim, lit }) {
  const step = count ?? channels, shades = mixed(dim, lit);
  let most = 1e-6;
  for (let i = unit; i < data.length; i += step) most = Math.max(most, data[i]);
  fill(canvas, width, height, (i) => shades[Math.round((255 * Math.max(0, data[i * step + unit])) / most)]);
}

/** Set every pixel of a canvas to colour(index), a 32-bit pixel of ImageData. */
function fill(canvas, width, height, colour) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d"), picture = context.createImageData(width, height), pixels = new Uint32Array(picture.data.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = colour(i);
  context.putImageData(picture, 0, 0);
}

/** Return a probability in [0, 1] as a text such as "97 %". */
export function percent(p) {
  if (p > 0.9995) return ">99.9 %"; // never "100 %": no answer is certain
  if (p < 0.0005) return p ? "<0.1 %" : "0 %";
  return `${p < 0.0995 ? (100 * p).toFixed(1) : (100 * p).toFixed(p > 0.985 ? 1 : 0)} %`;
}
