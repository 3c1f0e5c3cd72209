// Forecasts how series go on from the rows that are typed.
import { answer } from "./answers.mjs";
import { Picture, Tensor, cells, columns, element, facts, instead, load, make } from "./shared.mjs";

const WIDTH = 800;
const HEIGHT = 200;
const KINDS = ["mean", "quantile 0.1", "quantile 0.5", "quantile 0.9"];

const model = await load("model.onnx");
const names = [...facts.targets, ...facts.past, ...facts.future];
let pictures = [];

/** Read rows of numbers; a value that is missing is null. */
function parse(text, head) {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line && line !== head.join(","));
  return lines.map((line, place) => {
    const values = line.split(",").map((value) => (value.trim() ? Number(value) : null));
    if (values.length === head.length && values.every((value) => value === null || Number.isFinite(value))) return values;
    throw new RangeError(`Row ${place + 1} is ${line}: give ${head.length} numbers, ${head.join(", ")}.`);
  });
}

async function forecast() {
  let past, future;
  try {
    past = parse(element("past").value, names).slice(-facts.window);
    future = facts.future.length ? parse(element("future").value, facts.future) : [];
    if (!past.length) throw new RangeError("There is no row yet.");
    if (future.some((row) => row.includes(null)) || (facts.future.length && future.length !== facts.horizon))
      throw new RangeError(`Give all of ${facts.future.join(", ")} in ${facts.horizon} rows.`);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    element("note").textContent = error.message;
    return;
  }
  const outputs = await model(inputs(past, future));
  const numbers = outputs[facts.output].data; // [horizon, targets, 4]
  const ahead = Array.from({ length: facts.horizon }, (_, step) =>
    facts.targets.map((_, target) => [...numbers.subarray(4 * (step * facts.targets.length + target))].slice(0, 4)),
  );
  const few = past.length < facts.window ? `${past.length} of ${facts.window} steps are given. ` : "";
  const last = Object.entries(answer(facts.answer, ahead).ahead.at(-1));
  const told = last.map(([name, { value, interval, unit }]) => {
    const [mean, low, high] = [value, ...interval].map(shown);
    return `${name} ${mean} (${low} to ${high})${unit ? ` ${unit}` : ""}`;
  });
  element("note").textContent = `${few}In ${facts.horizon} steps: ${told.join(", ")}.`;
  element("charts").replaceChildren(...facts.targets.map((name, target) => chart(name, past, ahead, target)));
  element("ahead").replaceChildren(...ahead.map((row, step) => cells(step + 1, ...row.flat().map(shown))));
  const states = facts.states.flatMap((state) => columns(outputs[state.name], state));
  pictures = pictures.length ? pictures : states.map(({ title }) => new Picture(element("states"), title, "steps"));
  states.forEach(({ columns, now }, place) => pictures[place].draw(columns, now));
}

/** Make tensors of the window; steps before the first row are missing. */
function inputs(past, future) {
  const missing = Array.from({ length: facts.window - past.length }, () => names.map(() => null));
  const rows = [...missing, ...past].flat();
  const tensor = (values, ...shape) => new Tensor("float32", Float32Array.from(values), [1, ...shape]);
  const window = [facts.window, names.length];
  return {
    values: tensor(rows.map((value) => value ?? 0), ...window),
    known: tensor(rows.map((value) => (value === null ? 0 : 1)), ...window),
    ...(future.length ? { future: tensor(future.flat(), facts.horizon, facts.future.length) } : {}),
  };
}

/** Draw the past of a target, its mean ahead, and the band between its quantiles. */
function chart(name, past, ahead, target) {
  const before = past.map((row, step) => [step - past.length + 1, row[target]]).filter(([, value]) => value !== null);
  const after = (kind) => ahead.map((row, step) => [step + 1, row[target][kind]]);
  const all = [...before, ...KINDS.flatMap((_, kind) => after(kind))];
  const [first, last] = [1 - past.length, ahead.length];
  const low = Math.min(...all.map(([, value]) => value));
  const range = Math.max(...all.map(([, value]) => value)) - low || 1;
  const points = (line) =>
    line.map(([step, value]) => [(WIDTH * (step - first)) / (last - first), HEIGHT * (1 - (value - low) / range)].join()).join(" ");
  const words = `${name}: ${before.length} known values, then ${shown(ahead.at(-1)[target][0])} in ${last} steps.`;
  const drawn = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": words });
  drawn.append(
    shape("polygon", { class: "band", points: points([...after(1), ...after(3).reverse()]) }),
    shape("polyline", { class: "past", points: points(before) }),
    shape("polyline", { class: "mean", points: points([...before.slice(-1), ...after(0)]) }),
  );
  const scale = make("p", { class: "legend" }, `From ${shown(low)} to ${shown(low + range)}; steps ${first} to ${last}.`);
  return make("figure", {}, make("figcaption", {}, name), drawn, scale);
}

function shape(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

const shown = (value) => `${Number(value.toPrecision(5))}`.replace("-", "−");
const csv = (head, rows) =>
  [head, ...rows.map((row) => row.map((value) => value && Number(value.toPrecision(7))))].map((row) => row.join(",")).join("\n");

const heads = facts.targets.flatMap((name) => KINDS.map((kind) => `${kind} of ${name}`));
element("columns").replaceChildren(...["Step", ...heads].map((head) => make("th", { scope: "col" }, head)));
element("size").textContent = facts.step;
element("past").value = csv(names, facts.example);
element("future").value = csv(facts.future, facts.example_ahead);
element("in-advance").hidden = !facts.future.length;
for (const name of ["past", "future"]) element(name).addEventListener("input", () => instead(forecast));
await instead(forecast);
