// The drawing area: pen strokes from mouse, finger, pen or keys, with undo and redo.
// A stroke is an array of points [x, y] in CSS pixels, x to the right and y downwards.

const NEAR = 0.6; // px; a point that is closer than this to the last point is left out
const STEP = 8; // px; an arrow key moves the pen by this distance

export class Paper extends EventTarget {
  /** Draw on a canvas. Dispatches "change" after the strokes change, at most once per screen refresh. */
  constructor(canvas) {
    super();
    this.canvas = canvas;
    this.strokes = [];
    this.past = []; // earlier values of `strokes`, for undo
    this.future = []; // values of `strokes` that were undone, for redo
    this.pointer = null; // id of the pointer that draws now
    this.keyed = { x: 0, y: 0, seen: false, down: false }; // the pen that the arrow keys move
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this.#up(event));
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => this.#lift(false));
    new ResizeObserver(() => this.#fit()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /** Whether there are no strokes. */
  get empty() {
    return this.strokes.length === 0;
  }

  undo() {
    if (this.past.length === 0) return;
    this.future.push(this.strokes);
    this.#set(this.past.pop());
  }

  redo() {
    if (this.future.length === 0) return;
    this.past.push(this.strokes);
    this.#set(this.future.pop());
  }

  clear() {
    if (!this.empty) this.#begin([]);
  }

  /** Set new strokes as one step that `undo` can revert. */
  #begin(strokes) {
    this.past.push(this.strokes);
    this.future = [];
    this.#set(strokes);
  }

  #set(strokes) {
    this.strokes = strokes;
    this.pointer = null;
    this.keyed.down = false;
    this.#changed();
  }

  /** Draw and dispatch "change" at the next screen refresh. */
  #changed() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
      this.dispatchEvent(new Event("change"));
    });
  }

  // Pointers ------------------------------------------------------------------------------------------

  /** Return the position of a pointer event as a point [x, y] on the canvas. */
  #at({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    return [clientX - box.left, clientY - box.top];
  }

  #down(event) {
    if (this.pointer !== null || event.button !== 0) return; // one pointer at a time, so that a palm does not draw
    try {
      this.canvas.setPointerCapture(event.pointerId);
    } catch {} // the pointer was lifted in the meantime
    this.#begin([...this.strokes, [this.#at(event)]]);
    this.pointer = event.pointerId;
    this.keyed.seen = false;
  }

  #move(event) {
    if (event.pointerId !== this.pointer) return;
    const between = event.getCoalescedEvents?.() ?? []; // a pen sends more points than one per screen refresh
    for (const each of between.length ? between : [event]) this.#add(this.#at(each));
  }

  #up(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = null;
    this.#changed();
  }

  /** Add a point to the last stroke. */
  #add([x, y]) {
    const stroke = this.strokes[this.strokes.length - 1], [px, py] = stroke[stroke.length - 1];
    if (Math.hypot(x - px, y - py) < NEAR) return;
    stroke.push([x, y]);
    this.#changed();
  }

  // Keys ----------------------------------------------------------------------------------------------

  #key(event) {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey || !(move || event.key === " ")) return;
    event.preventDefault();
    const pen = this.keyed, { clientWidth: width, clientHeight: height } = this.canvas;
    if (!pen.seen) Object.assign(pen, { x: pen.x || width / 2, y: pen.y || height / 4, seen: true });
    if (event.key === " ") {
      if (pen.down) return this.#lift(true);
      this.#begin([...this.strokes, [[pen.x, pen.y]]]);
      pen.down = true;
      return;
    }
    const far = event.shiftKey ? 3 * STEP : STEP;
    pen.x = Math.min(Math.max(pen.x + far * move[0], 4), width - 4);
    pen.y = Math.min(Math.max(pen.y + far * move[1], 4), height - 4);
    if (pen.down) this.#add([pen.x, pen.y]);
    else this.draw();
  }

  /** Lift the pen of the arrow keys; `seen` is whether it stays visible. */
  #lift(seen) {
    this.keyed.down = false;
    this.keyed.seen = seen;
    this.draw();
  }

  // Drawing -------------------------------------------------------------------------------------------

  /** Give the canvas as many pixels as the screen has at its place. */
  #fit() {
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(this.canvas.clientWidth * ratio);
    this.canvas.height = Math.round(this.canvas.clientHeight * ratio);
    this.draw();
  }

  /** Width of a stroke in pixels. Relative to the digit it is about the same as in the network's input. */
  get pen() {
    return Math.max(8, this.canvas.clientHeight * 0.042);
  }

  draw() {
    const context = this.canvas.getContext("2d"), ratio = window.devicePixelRatio || 1;
    const colour = getComputedStyle(this.canvas);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.canvas.clientWidth, this.canvas.clientHeight);
    context.lineWidth = this.pen;
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = context.fillStyle = colour.getPropertyValue("--ink");
    for (const stroke of this.strokes) this.#line(context, stroke);
    if (!this.keyed.seen) return;
    context.lineWidth = 2;
    context.strokeStyle = colour.getPropertyValue(this.keyed.down ? "--warm" : "--accent");
    context.beginPath();
    context.arc(this.keyed.x, this.keyed.y, this.pen / 2 + 3, 0, 2 * Math.PI);
    context.stroke();
  }

  /** Draw a stroke as a smooth curve through the midpoints between its points. */
  #line(context, stroke) {
    context.beginPath();
    if (stroke.length === 1) {
      context.arc(...stroke[0], this.pen / 2, 0, 2 * Math.PI);
      context.fill();
      return;
    }
    context.moveTo(...stroke[0]);
    for (let i = 1; i < stroke.length - 1; i++) {
      const [x, y] = stroke[i], [nx, ny] = stroke[i + 1];
      context.quadraticCurveTo(x, y, (x + nx) / 2, (y + ny) / 2);
    }
    context.lineTo(...stroke[stroke.length - 1]);
    context.stroke();
  }
}
