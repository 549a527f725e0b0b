// The page: reads a drawing or a photo and shows the answer.
// The server finds the digits in a photo. Everything else is computed in the browser.
// A mark is ink that may be a digit. An image is an array of 784 numbers in [0, 1].

import { archive, aside, correct, flush, forget, waiting } from "./corrections.js";
import { render } from "./drawing.js";
import { Network, answer, judge } from "./network.js";
import { belongs, middleOf, numbersOf } from "./numbers.js";
import { Paper } from "./paper.js";
import { blank, find, viewable } from "./photos.js";
import { ServerError, askBlob, askJson, reason } from "./server.js";
import { findInStrokes } from "./strokes.js";
import { View, percent } from "./view.js";

const QUIET = 700; // ms; pause after the last change before screen readers announce the answer

const MANY = 4; // more marks than this have no place for their probabilities beside each other
const LABEL = 20; // px; height of the label below a mark

const $ = (id) => document.getElementById(id);
const paper = new Paper($("paper"));
const view = new View({
  view: $("view"), layers: $("layers"), threads: $("threads"), explained: $("explained"),
  name: $("neuron-name"), said: $("neuron-said"), weights: $("weights"), strongest: $("strongest"),
});
const loaded = new Map(); // name -> Network
let about = []; // descriptions of all networks, from api/model
const rejections = new Map(); // name -> the Network that tells digits from other marks, if it has one
let name = ""; // name of the network in use
// The marks on the paper or photo: { image, box, digit, probability, probabilities, accepted, reason, label }.
// `label` is the digit from the user's correction.
let marks = [];
let numbers = []; // the numbers that the marks form: { text, box, row, probability }
let chosen = 0; // index of the mark whose details are shown
let photo = null; // URL of the photo that is shown
let photoFile = null; // its file, which another network may read, too
let reading = null; // AbortController of the photo that is being read
let notes = []; // sentences about what was not read in the photo
let threshold; // smallest probability with which a mark is accepted
let notice = ""; // sentence that is shown instead of the answer until the next change
let asked = null; // digit whose key was pressed once; pressed again, it corrects the answer

// Reading ---------------------------------------------------------------------------------------------

/** Read the drawing: find its digits and signs, and show the answer. */
function readStrokes() {
  if (!loaded.has(name)) return show();
  const { strokes } = paper, labels = new Map(marks.map((mark) => [mark.key, mark.label])), count = marks.length;
  const started = performance.now(), before = answers, now = (answers = new Map());
  let asked = 0;
  const keyOf = (indices) => indices.map((i) => `${strokes[i][0]}:${strokes[i].length}`).join(" ");
  const classify = (indices) => {
    const key = `${name} ${keyOf(indices)}`;
    if (!now.has(key) && !before.has(key)) asked += 1;
    if (!now.has(key)) now.set(key, before.get(key) ?? classified(render(indices.map((i) => strokes[i]))));
    return now.get(key);
  };
  const found = findInStrokes(strokes, classify);
  marks = found.marks.map(({ indices, box, row, answer }) => {
    const key = keyOf(indices);
    return { ...answer, key, box, row, label: labels.get(key) };
  });
  const latest = found.marks.findIndex(({ indices }) => indices.includes(strokes.length - 1));
  if (latest >= 0 && (count !== marks.length || paper.pointer !== null)) chosen = latest;
  if (asked) took = (performance.now() - started) / asked;
  chosen = Math.max(0, Math.min(chosen, marks.length - 1));
  judge(marks, threshold);
  numbers = numbersOf(marks, found.signs);
  show();
}

/** Classify an image with the network in use. */
function classified(image) {
  return { image, ...answer(loaded.get(name), rejections.get(name), image) };
}

let answers = new Map(); // network and strokes -> their answer, of the last reading
let took = 0; // ms; time for the last answer, mean per image

// Showing ---------------------------------------------------------------------------------------------

/** Show the answer for all marks and the details of the chosen one. */
function show() {
  dropQuestion();
  const mark = marks[chosen];
  if (mark && !mark.result) mark.result = loaded.get(name).run(mark.image); // of a photo, which the server reads
  const seen = mark?.result?.seen ?? mark?.image;
  showText();
  showChips();
  showBars(mark);
  pixels($("seen"), seen);
  $("seen").setAttribute("aria-label", mark ? `What the network sees: 28 by 28 pixels of mark ${chosen + 1}` : "What the network sees: nothing yet");
  showTags();
  view.show(seen ?? null, mark?.result ?? null);
  $("undo").disabled = photo !== null || paper.past.length === 0;
  $("clear").disabled = paper.empty && photo === null && !reading;
  $("clear").firstChild.textContent = reading && notice ? "Cancel" : "Clear";
  $("hint").style.opacity = paper.empty && photo === null ? 1 : 0;
  for (const button of $("labels").children) {
    button.disabled = !mark;
    button.setAttribute("aria-pressed", String(mark?.label === Number(button.textContent)));
  }
  speak();
}

/** Return each row's numbers and the marks that belong to none, from left to right. */
function rows() {
  const found = new Map(), rest = marks.filter((mark) => !mark.accepted && !numbers.some((number) => belongs(mark, number)));
  for (const each of [...numbers, ...rest].sort((a, b) => middleOf(a) - middleOf(b))) {
    found.set(each.row, [...(found.get(each.row) ?? []), each]);
  }
  return [...found.keys()].sort((a, b) => a - b).map((row) => found.get(row));
}

function showText() {
  const text = $("text"), lines = rows(), unread = () => Object.assign(document.createElement("i"), { textContent: "?" });
  text.replaceChildren();
  lines.forEach((line, row) => line.forEach((each, i) => {
    if (row || i) text.append(i ? " " : "\n");
    text.append(each.text ?? unread());
  }));
  text.classList.toggle("empty", marks.length === 0);
  text.style.setProperty("--rows", Math.max(1, lines.length));
  text.style.setProperty("--longest", Math.max(1, ...text.textContent.split("\n").map(({ length }) => length)));
  if (!marks.length) text.textContent = "–";
  const sentence = $("sentence"), mark = marks[chosen];
  const nothing = photo === null ? "Nothing is drawn yet." : "No digit was found in this photo.";
  sentence.replaceChildren(...(notice ? [notice] : mark ? said(mark) : [nothing]));
  const number = mark && numbers.find((each) => each.text.length > 1 && belongs(mark, each));
  const more = [...(number ? [`The number ${number.text}: ${percent(number.probability)} sure.`] : []), ...notes.map((note) => `Note: ${note}.`)];
  for (const textContent of notice ? [] : more) sentence.append(Object.assign(document.createElement("small"), { textContent }));
}

/** Return the answer for one mark as a sentence, in an array of HTML elements and texts. */
function said(mark) {
  const strong = (text, className = "") => Object.assign(document.createElement(className ? "span" : "strong"), { textContent: text, className });
  if (mark.accepted) return [strong(`${percent(mark.probability)} sure`), ` that this is a ${mark.digit}.`];
  if (mark.reason === "not a digit") return [strong("Probably not a digit", "uncertain"), `. If it is one, it is most likely a ${mark.digit}.`];
  const [first, second] = ranked(mark);
  return [strong(`Unclear: ${first} or ${second}?`, "uncertain")];
}

/** Return the digits 0 to 9, the most probable one first. */
function ranked(mark) {
  return Array.from(mark.probabilities.keys()).sort((a, b) => mark.probabilities[b] - mark.probabilities[a]);
}

/** Show a button for each mark, from which the user chooses one, if there are several marks. */
function showChips() {
  const chips = $("chips");
  if (marks.length < 2) return chips.replaceChildren();
  chips.classList.toggle("many", marks.length > MANY);
  while (chips.children.length > marks.length) chips.lastChild.remove();
  marks.forEach((mark, i) => {
    const chip = chips.children[i] ?? chips.appendChild(newChip(i)), [canvas, digit, small] = chip.children;
    if (chip.image !== mark.image) pixels(canvas, (chip.image = mark.image));
    digit.textContent = mark.accepted ? mark.digit : "?";
    small.textContent = percent(mark.probability);
    chip.setAttribute("aria-checked", String(i === chosen));
    chip.tabIndex = i === chosen ? 0 : -1;
    chip.setAttribute("aria-label", `Mark ${i + 1} of ${marks.length}: ${spoken(mark)}`);
  });
}

function newChip(i) {
  const chip = document.createElement("button"), canvas = document.createElement("canvas");
  chip.type = "button";
  chip.setAttribute("role", "radio");
  canvas.width = canvas.height = 28;
  chip.append(canvas, document.createElement("b"), document.createElement("small"));
  chip.addEventListener("click", () => choose(i));
  chip.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    choose((chosen + step + marks.length) % marks.length);
    $("chips").children[chosen].focus();
  });
  return chip;
}

function choose(i) {
  chosen = i;
  if (!reading) notice = "";
  show();
}

function showBars(mark) {
  const rows = $("bars").children;
  for (let digit = 0; digit < 10; digit++) {
    const p = mark?.probabilities[digit] ?? 0, [, bar, number] = rows[digit].children;
    bar.style.setProperty("--p", p.toFixed(4));
    number.textContent = mark ? percent(p) : "";
    rows[digit].className = mark?.digit === digit ? `best${mark.accepted ? "" : " uncertain"}` : "";
  }
  rows[10].hidden = !rejections.has(name);
  if (rejections.has(name)) rows[10].lastChild.textContent = mark ? percent(Math.max(0, 1 - mark.probabilities.reduce((a, b) => a + b))) : "";
}

/** Show the place of each mark: a frame around its strokes or a box on the photo. */
function showTags() {
  $("photo").hidden = photo === null;
  const many = marks.length > 1 && photo === null;
  $("tags").replaceChildren(...(many ? marks.map((mark, i) => {
    const tag = document.createElement("span"), around = paper.pen / 2 + 5, [x, y, w, h] = mark.box;
    Object.assign(tag.style, { left: `${x - around}px`, top: `${y - around}px`, width: `${w + 2 * around}px`, height: `${h + 2 * around}px` });
    const low = y + h + around + LABEL > paper.canvas.clientHeight; // its label has no place below it
    tag.className = `${i === chosen ? "chosen" : ""} ${mark.accepted ? "" : "uncertain"} ${low ? "low" : ""}`;
    tag.append(Object.assign(document.createElement("b"), { textContent: mark.accepted ? mark.digit : "?" }));
    return tag;
  }) : []));
  for (const [i, box] of [...$("boxes").querySelectorAll("button")].entries()) {
    const mark = marks[i];
    box.className = mark.accepted ? "" : "uncertain";
    box.firstChild.textContent = mark.accepted ? mark.digit : "?";
    box.setAttribute("aria-label", `Mark ${i + 1} of ${marks.length}: ${spoken(mark)}`);
    box.setAttribute("aria-pressed", String(i === chosen));
  }
}

/** Draw an image on a canvas of 28 x 28 pixels; black if there is no image. */
function pixels(canvas, image) {
  const context = canvas.getContext("2d"), data = context.createImageData(28, 28);
  for (let i = 0; i < 784; i++) data.data.fill(image ? Math.round(255 * image[i]) : 0, 4 * i, 4 * i + 3).fill(255, 4 * i + 3, 4 * i + 4);
  context.putImageData(data, 0, 0);
}

// Screen readers --------------------------------------------------------------------------------------

/** Return the answer for one mark as a short text for screen readers. */
function spoken(mark) {
  if (mark.accepted) return `${mark.digit}, ${percent(mark.probability)}`;
  if (mark.reason === "not a digit") return `not a digit, perhaps ${mark.digit}`;
  const [first, second] = ranked(mark);
  return `unclear, ${first} or ${second}`;
}

let silence = 0;

/** Announce the answer to screen readers when the drawing has not changed for QUIET ms. */
function speak() {
  clearTimeout(silence);
  silence = setTimeout(() => {
    const all = marks.map(spoken).join("; ");
    const whole = marks.length > 1 ? `${$("text").textContent.replace(/\n/g, ", ")}. Marks: ` : "";
    const read = marks.length ? `It reads: ${whole}${all}` : photo === null ? "The paper is empty" : "No digit was found";
    $("status").textContent = notice || [read, ...notes].join(". ");
    if (about.length && loaded.size === about.length) ready();
  }, QUIET);
}

/** Show whether all networks have loaded, and the time for the last answer. */
function ready() {
  const time = marks.length ? ` · ${Math.max(1, Math.round(took))} ms` : "";
  $("ready").textContent = loaded.size < about.length ? "Loading the other networks …" : `Runs in this page${time}`;
}

// Correcting ------------------------------------------------------------------------------------------

/** Ask whether the chosen mark shall be saved as the digit `label`; the second time, save it. */
function relabelByKey(label) {
  if (!marks[chosen]) return;
  if (asked === label) return relabel(label);
  asked = label;
  tell(`Save this as a ${label}? Press ${label} again to save it, Esc to leave it. `, actionButton("Save", () => relabel(label)));
}

function dropQuestion() {
  if (asked === null) return false;
  asked = null;
  $("kept").replaceChildren();
  return true;
}

/** Save the chosen mark as an example of the digit `label`. */
async function relabel(label) {
  const mark = marks[chosen];
  if (!mark) return;
  mark.label = label;
  show();
  const where = await correct(mark.image, label);
  if (where === "server") {
    tell(`Saved as a ${label} on the server. \u2018digits adapt\u2019 can train a network with it.`);
    await flush(); // the server answers again, so earlier corrections can be sent too
  } else if (where === "browser") tell(`Saved as a ${label} in this browser. `, downloadButton());
  else tell("Not saved: the server does not take it, and this browser has no place for it.");
}

/** Send the corrections that wait in this browser, and say if some cannot be sent. */
async function sendWaiting() {
  await flush();
  const bad = aside();
  if (!bad) return;
  const which = bad === 1 ? "One correction in this browser is" : `${bad} corrections in this browser are`;
  tell(`${which} damaged or refused by the server, and set aside. `, actionButton("Delete", () => {
    forget();
    tell();
  }));
}

/** Show a line of texts and buttons below the buttons for corrections. */
function tell(...parts) {
  const kept = $("kept");
  kept.replaceChildren(...parts);
  kept.classList.remove("new");
  requestAnimationFrame(() => kept.classList.add("new"));
}

function actionButton(textContent, action) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent });
  button.addEventListener("click", action);
  return button;
}

/** Return a button that downloads the corrections in this browser. */
function downloadButton() {
  return actionButton(`Download ${waiting().length} as .zip`, async () => {
    const address = URL.createObjectURL(await archive());
    Object.assign(document.createElement("a"), { href: address, download: "corrections.zip" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  });
}

// Photos ----------------------------------------------------------------------------------------------

/** Send a photo to the server, then show the marks that it found. A later photo or stroke replaces this one. */
async function readPhoto(file) {
  const mine = startReading(file === photoFile ? "" : "Reading the photo …");
  try {
    if (!loaded.has(name)) throw new ServerError("no network has been loaded yet");
    const found = await find(file, name, mine.signal);
    const address = await viewable(file, found.body, mine.signal).catch(() => blank(found));
    if (reading === mine) showPhoto(found, address, file);
    else URL.revokeObjectURL(address);
  } catch (error) {
    if (reading !== mine) return;
    stopReading(`The photo could not be read: ${reason(error)}.${error.status === 0 ? " Drawing works without the server." : ""}`);
    show();
  }
}

/** Cancel what is being read, and return the AbortController of the next photo; `why` is shown until its answer. */
function startReading(why) {
  stopReading(why);
  reading = new AbortController();
  show();
  return reading;
}

/** Cancel the photo that is being read, if any; `why` is shown instead of the answer. */
function stopReading(why) {
  reading?.abort();
  reading = null;
  notice = why;
}

/** Show a photo and its marks: `found` is the answer of `find`, `address` that of `viewable`. */
function showPhoto(found, address, file) {
  stopReading("");
  chosen = file === photoFile ? Math.min(chosen, Math.max(0, found.marks.length - 1)) : 0;
  closePhoto();
  [photo, photoFile] = [address, file];
  $("picture").src = photo;
  $("picture").alt = found.text ? `Your photo with the digits ${found.text}` : "Your photo, without digits";
  ({ marks, numbers, notes } = found);
  $("boxes").append(...marks.map((mark, i) => box(mark.box, found, i)));
  show();
}

/** Return a button around mark `i` on the photo, from its box and the size of the photo in pixels. */
function box([x, y, w, h], { width, height }, i) {
  const button = Object.assign(document.createElement("button"), { type: "button" });
  Object.assign(button.style, {
    left: `${(100 * x) / width}%`, top: `${(100 * y) / height}%`, width: `${(100 * w) / width}%`, height: `${(100 * h) / height}%`,
  });
  button.append(document.createElement("b"));
  button.addEventListener("click", () => choose(i));
  return button;
}

function closePhoto() {
  if (photo === null) return;
  URL.revokeObjectURL(photo);
  photo = photoFile = null;
  notes = [];
  for (const button of $("boxes").querySelectorAll("button")) button.remove();
  $("picture").removeAttribute("src");
}

// Events and start ------------------------------------------------------------------------------------

/** Take back the last thing: a question, a photo that is being read, the photo that is shown, the drawing. */
function clear() {
  if (dropQuestion()) return;
  if (reading && notice) { // without a notice, another network reads the photo that is shown
    stopReading("The photo was not read: you cancelled it.");
    return show();
  }
  stopReading("");
  if (photo !== null) {
    closePhoto();
    readStrokes();
  } else paper.clear();
  $("kept").replaceChildren();
}

function listen() {
  paper.addEventListener("change", () => {
    stopReading("");
    if (photo === null) readStrokes();
  });
  $("undo").addEventListener("click", () => paper.undo());
  $("clear").addEventListener("click", clear);
  $("choose").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", ({ target }) => {
    if (target.files.length) readPhoto(target.files[0]);
    target.value = "";
  });
  document.addEventListener("keydown", keys);
  document.addEventListener("paste", ({ clipboardData }) => {
    const file = [...clipboardData.files].find(({ type }) => type.startsWith("image/"));
    if (file) readPhoto(file);
  });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  document.addEventListener("dragleave", ({ relatedTarget }) => {
    if (!relatedTarget) document.body.classList.remove("dropping");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    if (event.dataTransfer.files.length) readPhoto(event.dataTransfer.files[0]);
  });
  window.addEventListener("online", sendWaiting);
}

function keys(event) {
  const { key, ctrlKey, metaKey, altKey, shiftKey, repeat } = event;
  if ((ctrlKey || metaKey) && key.toLowerCase() === "z") {
    event.preventDefault();
    if (photo === null) shiftKey ? paper.redo() : paper.undo();
  } else if (ctrlKey || metaKey || altKey) return;
  else if (key === "Escape" || key === "Delete") clear();
  else if (/^[0-9]$/.test(key) && !repeat) relabelByKey(Number(key));
}

/** Fill the list of probabilities and the buttons for corrections, one row and one button for each digit. */
function build() {
  for (let digit = 0; digit < 10; digit++) {
    const row = document.createElement("li");
    row.append(Object.assign(document.createElement("b"), { textContent: digit }), document.createElement("span"), document.createElement("em"));
    $("bars").append(row);
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: digit, disabled: true });
    button.setAttribute("aria-label", `It is a ${digit}`);
    button.addEventListener("click", () => relabel(digit));
    $("labels").append(button);
  }
  const none = document.createElement("li");
  none.className = "none";
  none.append("no digit at all", document.createElement("em"));
  none.hidden = true;
  $("bars").append(none);
}

const TITLES = { cnn: "Convolutions", mlp: "Two hidden layers" };

/** Show a radio button for each network; it is disabled until the network has loaded. */
function offerNetworks() {
  $("networks").append(...about.map((each) => {
    const label = document.createElement("label"), input = document.createElement("input"), text = document.createElement("span");
    Object.assign(input, { type: "radio", name: "network", value: each.name, disabled: true });
    text.textContent = TITLES[each.name] ?? each.name;
    label.title = `${each.name}: ${each.parameters.toLocaleString("en")} weights`;
    input.addEventListener("change", () => use(each.name));
    label.append(input, text);
    return label;
  }));
}

/** Read with the network `which` from now on. */
function use(which) {
  name = which;
  const { networks } = about.find((each) => each.name === which);
  view.build(loaded.get(which), networks);
  if (photo === null) readStrokes();
  else {
    for (const mark of marks) delete mark.result; // of the other network
    readPhoto(photoFile);
  }
  ready();
}

/** Load a network from the server. Throws an Error if the server does not send it. */
async function load(which) {
  const file = await askBlob(`api/network/${encodeURIComponent(which)}`, "application/octet-stream");
  return new Network(await file.arrayBuffer());
}

async function start() {
  build();
  listen();
  try {
    const offered = await askJson("api/model");
    about = offered.models;
    threshold = offered.threshold;
    offerNetworks();
    const shared = new Map(); // name of a rejection network -> Network
    for (const each of about) {
      if (each.rejection && !shared.has(each.rejection)) shared.set(each.rejection, await load(each.rejection));
      if (each.rejection) rejections.set(each.name, shared.get(each.rejection));
      loaded.set(each.name, await load(each.name));
      const input = [...$("networks").querySelectorAll("input")].find(({ value }) => value === each.name);
      input.disabled = false;
      if (name === "") {
        input.checked = true;
        use(each.name);
      }
    }
  } catch (error) {
    $("ready").textContent = `${loaded.size ? "Some" : "The"} networks could not be loaded: ${reason(error)}.`;
    return;
  }
  ready();
  $("where").textContent = "Drawings stay in this page. Photos are sent to the server of this page and are not saved.";
  document.body.dataset.ready = "true"; // tells tests and other programs that the page is ready
  sendWaiting();
}

start();
