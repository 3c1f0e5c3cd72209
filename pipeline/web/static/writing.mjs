// Goes on with what is typed, letter by letter: each step gives the state to the next one.
import { Picture, Tensor, bars, calm, element, facts, instead, load, seen } from "./shared.mjs";

const SHOWN = 8; // likely letters
const COLUMNS = 96; // of a state

const [read, step] = await Promise.all([load("reader.onnx"), load("step.onnx")]);
const pictures = facts.states.map(({ name }) => new Picture(element("states"), name, "letters"));
let state, probabilities, columns;

/** Forget everything, and read the beginning. */
async function begin(wanted) {
  state = Object.fromEntries(facts.states.map(({ name, shape }) => [name, zeros(shape.at(-1))]));
  columns = facts.states.map(() => []);
  const text = element("text").value.replaceAll("\0", " ") || "\n"; // ONNX Runtime would end there
  const { tokens, ids } = await read({ text: new Tensor("string", [text], [1]) });
  const unknown = new Set([...tokens.data].filter((token) => !facts.labels.includes(token)));
  element("note").textContent = unknown.size ? `The model does not know ${[...unknown].join(" ")}` : "";
  for (const id of ids.data) {
    await feed(id);
    if (!wanted()) return;
  }
}

const zeros = (units) => new Tensor("float32", new Float32Array(units), [1, units]);

/** Read one letter more. */
async function feed(id) {
  const [type, data] = typeof id === "bigint" ? ["int64", [id]] : ["int32", [id]];
  const outputs = await step({ [facts.input]: new Tensor(type, data, [1, 1]), ...state });
  state = Object.fromEntries(facts.states.map(({ name, next }) => [name, outputs[next]]));
  facts.states.forEach(({ name }, place) => {
    columns[place] = [...columns[place], [...state[name].data]].slice(-COLUMNS);
  });
  probabilities = [...outputs[facts.output].data];
}

/** Draw a letter, as `recurrent generate` does but with other random numbers. */
function draw(temperature, random) {
  const possible = probabilities.map((each, place) => (facts.never.includes(place) ? 0 : each));
  const most = Math.max(...possible);
  if (!temperature) return possible.indexOf(most);
  const weights = possible.map((each) => (each / most) ** (1 / temperature));
  let left = random() * weights.reduce((sum, each) => sum + each);
  return weights.findIndex((each) => (left -= each) < 0);
}

/** Numbers from 0 to 1 that depend on the seed alone: xorshift of 32 bits. */
function generator(seed) {
  let bits = Math.imul(seed + 1, 0x9e3779b1) || 1;
  return () => {
    bits ^= bits << 13;
    bits ^= bits >>> 17;
    bits ^= bits << 5;
    return (bits >>> 0) / 2 ** 32;
  };
}

/** Read the beginning, and show what may come next. */
async function look(wanted) {
  end("");
  await begin(wanted);
  if (!wanted()) return;
  element("written").textContent = element("text").value;
  show();
}

/** Read the beginning, and go on with it. */
async function write(wanted) {
  element("stop").disabled = false;
  element("answer").textContent = "Writing.";
  const letters = element("letters").valueAsNumber;
  const random = generator(element("seed").valueAsNumber);
  await begin(wanted);
  let text = element("text").value;
  for (let count = 0; count < letters; count++) {
    const id = draw(element("temperature").valueAsNumber, random);
    text += facts.labels[id];
    await feed(id);
    if (!wanted()) return;
    if (calm.matches && count < letters - 1) continue;
    element("written").textContent = text;
    show();
    await seen();
  }
  end(`${letters} letters are written.`);
}

function show() {
  const order = [...probabilities.keys()].sort((one, other) => probabilities[other] - probabilities[one]);
  element("scores").replaceChildren(
    ...order.slice(0, SHOWN).map((place) => bars(shown(facts.labels[place]), probabilities[place])),
  );
  pictures.forEach((picture, place) => picture.draw(columns[place]));
}

const shown = (label) => ({ " ": "space", "\n": "new line", "": "none" })[label] ?? label;

function end(said) {
  element("answer").textContent = said;
  element("stop").disabled = true;
}

element("text").addEventListener("input", () => instead(look));
element("temperature").addEventListener("input", () => {
  element("heat").textContent = element("temperature").valueAsNumber.toFixed(2);
});
element("settings").addEventListener("submit", (event) => {
  event.preventDefault();
  instead(write);
});
element("stop").addEventListener("click", () => instead(() => end("Stopped.")));
await instead(look);
