// What all pages have in common: the model, and pictures of its state.
import * as ort from "./ort.wasm.bundle.min.mjs";

ort.env.wasm.numThreads = 1; // more would need headers that plain servers do not send

export const { Tensor } = ort;
export const element = (id) => document.getElementById(id);
export const facts = await (await fetch("page.json")).json();

/** Load an ONNX file of the page as a function of named tensors. */
export async function load(name) {
  const session = await ort.InferenceSession.create(name);
  return (inputs) => session.run(inputs);
}

/** Whether the reader wants little to move. */
export const calm = matchMedia("(prefers-reduced-motion: reduce)");

/** Wait until what was drawn is seen. */
export const seen = () => new Promise(requestAnimationFrame);

let latest = 0;
let running = Promise.resolve();

/**
 * Do `task` once all that was begun before has ended. A task is told whether it is still wanted: it
 * ends when another one is.
 */
export function instead(task) {
  const mine = ++latest;
  const wanted = () => mine === latest;
  busy(true);
  running = running.then(async () => {
    if (wanted()) await task(wanted);
    if (wanted()) busy(false);
  });
  return running;
}

function busy(working) {
  document.querySelector("main").setAttribute("aria-busy", working);
  element("loading").hidden = true;
}

export const number = (value) => value.toFixed(4).replace("-", "−");
export const percent = (value) => `${(100 * value).toFixed(2)} %`;

/** The name of a token, for a reader. */
export const visible = (token) => ({ " ": "space", "\n": "new line", "": "none" })[token] ?? token;

/** Make an element with attributes and children. */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A row of a table of scores. */
export function bars(label, score) {
  const meter = make("meter", { min: 0, max: 1, value: score, "aria-hidden": true });
  const row = cells(label, number(score));
  row.append(make("td", { class: "wide" }, meter));
  return row;
}

/** Cut states [1, time, directions, units] into the columns of each direction, and its last state. */
export function columns({ data, dims: [, time, directions, units] }, { titles, backwards }) {
  return titles.map((title, direction) => {
    const columns = Array.from({ length: time }, (_, step) => {
      const start = (step * directions + direction) * units;
      return [...data.subarray(start, start + units)];
    });
    return { title, columns, now: backwards[direction] ? columns[0] : columns.at(-1) };
  });
}

const LEAST = 24; // columns, so that a few are no broad bars

/** A picture of a state over time, with its last column in words and in a table. */
export class Picture {
  /** Put a picture called `title` into `parent`; columns are `steps`, a row is a `unit`. */
  constructor(parent, title, steps, unit = "unit") {
    Object.assign(this, { title, steps, unit });
    this.canvas = make("canvas", { role: "img" });
    this.words = make("p", { class: "legend" });
    this.rows = make("tbody");
    const heads = [unit, "value"].map((text) => make("th", { scope: "col" }, text));
    const table = make("table", {}, make("caption", {}, title), make("thead", {}, make("tr", {}, ...heads)), this.rows);
    const numbers = make("div", { class: "numbers", tabindex: 0, role: "region" }, table);
    numbers.setAttribute("aria-label", `Numbers of ${title}`);
    const details = make("details", {}, make("summary", {}, `Numbers of ${title}`), numbers);
    parent.append(make("figure", {}, make("figcaption", {}, title), this.canvas, this.words, details));
    this.draw([]);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw(this.columns, this.now));
  }

  /** Show columns of units; `now` is the one that was reached last. */
  draw(columns, now = columns.at(-1) ?? []) {
    Object.assign(this, { columns, now });
    const most = Math.max(1e-6, ...columns.flatMap((column) => column.map(Math.abs)));
    paint(this.canvas, columns, most);
    const order = [...now.keys()].sort((one, other) => Math.abs(now[other]) - Math.abs(now[one]));
    const strongest = order.slice(0, 3).map((unit) => `${this.unit} ${unit + 1} is ${number(now[unit])}`);
    const described = strongest.length ? `farthest from zero now, ${strongest.join(", ")}` : "nothing yet";
    this.canvas.setAttribute("aria-label", `${this.title}, ${columns.length} ${this.steps}: ${described}.`);
    this.words.textContent = now.length ? `Scale ±${most.toFixed(2)}; ${described}.` : `${described}.`;
    const rows = now.map((value, unit) => cells(unit + 1, number(value)));
    this.rows.replaceChildren(...rows);
  }
}

/** A row of a table, that begins with its head. */
export function cells(head, ...texts) {
  const data = texts.map((text) => make("td", {}, text));
  return make("tr", {}, make("th", { scope: "row" }, `${head}`), ...data);
}

function paint(canvas, columns, most) {
  const style = getComputedStyle(document.documentElement);
  const [low, middle, high] = ["--low", "--zero", "--high"].map((name) => rgb(style.getPropertyValue(name)));
  canvas.width = Math.max(LEAST, columns.length);
  canvas.height = columns[0]?.length ?? 1;
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  columns.forEach((column, x) =>
    column.forEach((value, y) => {
      const [end, part] = [value < 0 ? low : high, Math.min(1, Math.abs(value) / most)];
      const colour = middle.map((from, channel) => from + (end[channel] - from) * part);
      image.data.set([...colour, 255], 4 * (y * canvas.width + x));
    }),
  );
  context.putImageData(image, 0, 0);
}

const rgb = (hex) => hex.trim().match(/[0-9a-f]{2}/gi).map((pair) => parseInt(pair, 16));
