// Throws a ball, and lets the model say at each position where the ball will be.
import { Picture, Tensor, calm, cells, columns, element, facts, instead, load, make, seen } from "./shared.mjs";

const GRAVITY = 9.81; // m/s²
const RADIUS = 0.11; // m
const BOUNCE = 0.6; // part of the vertical speed that is left
const GRIP = 0.8; // part of the horizontal speed that is left
const WIDE = 24; // metres that are seen
const SECONDS = 3;
const COLOURS = ["high", "low"]; // of the predictions

const model = await load("model.onnx");
const names = facts.ahead.map((seconds) => `in ${seconds} s`);
const steps = facts.ahead.map((seconds) => Math.round(seconds * facts.rate));
const scene = element("scene");
const scale = scene.width / WIDE;
const rounded = (metres) => Math.round(metres * 1000) / 1000; // measured to the millimetre

let pictures = [];
let path = []; // of the ball, [x, z]
let predictions = []; // at each position; null where too few positions were seen
let held = null; // where a pointer has the ball

/** The path of a ball, measured `facts.rate` times a second, as long as it is seen. */
function* flight([x, z], [speed, climb]) {
  for (let count = 0; count <= SECONDS * facts.rate && x >= 0 && x <= WIDE; count++) {
    yield [rounded(x), rounded(z)];
    x += speed / facts.rate;
    climb -= GRAVITY / facts.rate;
    z += climb / facts.rate;
    if (z < RADIUS) [z, climb, speed] = [2 * RADIUS - z, -BOUNCE * climb, GRIP * speed];
  }
}

/** Let the ball fly, and predict at each position. */
async function fly(start, velocity, wanted) {
  [path, predictions] = [[], []];
  element("answer").textContent = "";
  const began = performance.now();
  for (const position of flight(start, velocity)) {
    path.push(position);
    predictions.push(path.length < facts.window ? null : await predict(path.slice(-facts.window)));
    if (!wanted()) return;
    while (!calm.matches && performance.now() < began + (1000 * path.length) / facts.rate) {
      draw();
      await seen();
    }
  }
  draw();
  tell();
}

/** Return where the ball will be, at each moment. */
async function predict(seen) {
  const data = Float32Array.from(seen.flatMap(([x, z]) => [x, 0, z]));
  const outputs = await model({ [facts.input]: new Tensor("float32", data, [1, seen.length, 3]) });
  const states = facts.states.flatMap((state) => columns(outputs[state.name], state));
  pictures = pictures.length ? pictures : states.map(({ title }) => new Picture(element("states"), title, "positions"));
  states.forEach(({ columns, now }, place) => pictures[place].draw(columns, now));
  const ahead = outputs[facts.output].data;
  return steps.map((_, row) => [ahead[3 * row], ahead[3 * row + 2]]);
}

/** Say in words and numbers how far off the predictions were. */
function tell() {
  const off = steps.map((step, row) =>
    predictions.map((each, count) => each && path[count + step] && distance(each[row], path[count + step])),
  );
  const told = off.map((each, row) => {
    const known = each.filter((metres) => metres != null);
    const mean = known.reduce((sum, metres) => sum + metres, 0) / known.length;
    return known.length ? `${mean.toFixed(2)} m off ${names[row]}` : `not known ${names[row]}`;
  });
  element("answer").textContent = `On average over the flight, the prediction is ${told.join(", and ")}.`;
  const rows = path.map((position, count) => {
    const made = (predictions[count] ?? steps.map(() => [])).flatMap((each, row) =>
      [each[0], each[1], off[row][count]].map(metres),
    );
    return cells((count / facts.rate).toFixed(2), ...position.map(metres), ...made);
  });
  element("flight").replaceChildren(...rows);
}

const distance = (one, other) => Math.hypot(one[0] - other[0], one[1] - other[1]);
const metres = (value) => value?.toFixed(3).replace("-", "−") ?? "";

const colour = (row) => COLOURS[row % COLOURS.length];

function draw() {
  const style = getComputedStyle(document.documentElement);
  const context = scene.getContext("2d");
  const dot = ([x, z], radius, name, filled) => {
    context.beginPath();
    context.arc(x * scale, scene.height - z * scale, radius, 0, 7);
    context[filled ? "fillStyle" : "strokeStyle"] = style.getPropertyValue(`--${name}`);
    context[filled ? "fill" : "stroke"]();
  };
  context.clearRect(0, 0, scene.width, scene.height);
  context.lineWidth = 4;
  predictions.forEach((each) => each?.forEach((position, row) => dot(position, 1.5, colour(row), true)));
  path.forEach((position) => dot(position, 2.5, "ink", true));
  predictions.at(-1)?.forEach((position, row) => dot(position, 10, colour(row), false));
  dot(held ?? path.at(-1) ?? START, 12, "ink", true);
}

const START = [2, 1.5];

/** Throw the ball from `start` with a velocity. */
const hurl = (start, velocity) => instead((wanted) => fly(start, velocity, wanted));

/** Where a pointer is, in metres. */
function place(event) {
  const box = scene.getBoundingClientRect();
  const part = [event.clientX - box.left, box.bottom - event.clientY].map((pixels) => (WIDE * pixels) / box.width);
  return [Math.min(WIDE, Math.max(0, part[0])), Math.max(RADIUS, part[1])];
}

let moves = []; // of the pointer: when, and where to

function follow(event) {
  held = place(event);
  moves = [...moves, { time: event.timeStamp, held }].filter(({ time }) => time > event.timeStamp - 100);
  draw();
}

scene.addEventListener("pointerdown", (event) => {
  scene.setPointerCapture(event.pointerId);
  instead(() => {
    [path, predictions, moves] = [[], [], []];
    follow(event);
  });
});
scene.addEventListener("pointermove", (event) => held && follow(event));
scene.addEventListener("pointerup", (event) => {
  if (!held) return;
  follow(event);
  const [first, last] = [moves[0], moves.at(-1)];
  const seconds = Math.max(0.02, (last.time - first.time) / 1000);
  held = null;
  hurl(last.held, [0, 1].map((axis) => (last.held[axis] - first.held[axis]) / seconds));
});
scene.addEventListener("pointercancel", () => {
  held = null;
  draw();
});
element("settings").addEventListener("submit", (event) => {
  event.preventDefault();
  const [speed, angle] = [element("speed").valueAsNumber, (element("angle").valueAsNumber * Math.PI) / 180];
  hurl(START, [speed * Math.cos(angle), speed * Math.sin(angle)]);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

const marks = names.map((name, row) => make("span", { class: colour(row) }, `○ expected ${name}`));
element("marks").replaceChildren(...marks.flatMap((mark) => [mark, " "]));
const heads = ["Time", "x", "z", ...names.flatMap((name) => [`x ${name}`, `z ${name}`, "off"])];
element("columns").replaceChildren(...heads.map((head) => make("th", { scope: "col" }, head)));
draw();
await instead(() => {});
