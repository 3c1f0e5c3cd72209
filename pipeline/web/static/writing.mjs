// Goes on with what is typed, token by token: each step gives the state to the next one.
import { TOKENIZERS, draw, integers, labelIds, uniforms } from "./generation.mjs";
import { Picture, Tensor, bars, calm, element, facts, instead, load, seen, visible } from "./shared.mjs";

const SHOWN = 8; // likely tokens
const COLUMNS = 96; // of a state

const { labels, unit } = facts;
const { split, spelled } = TOKENIZERS[unit];
const step = await load("step.onnx");
const pictures = facts.states.map(({ name }) => new Picture(element("states"), name, "tokens"));
let state, probabilities, columns;

/** Forget everything, and read the beginning. */
async function begin(wanted) {
  state = Object.fromEntries(facts.states.map(({ name, shape }) => [name, zeros(shape.at(-1))]));
  columns = facts.states.map(() => []);
  const text = element("text").value;
  const unknown = new Set(split(text).filter((token) => !labels.includes(token)));
  element("note").textContent = unknown.size ? `The model does not know ${[...unknown].join(" ")}` : "";
  for (const id of labelIds(unit, labels, text)) {
    await feed(id);
    if (!wanted()) return;
  }
}

const zeros = (units) => new Tensor("float32", new Float32Array(units), [1, units]);

/** Read one token more. */
async function feed(id) {
  const outputs = await step({ [facts.input]: integers(Tensor, facts.type, [id], [1, 1]), ...state });
  state = Object.fromEntries(facts.states.map(({ name, next }) => [name, outputs[next]]));
  facts.states.forEach(({ name }, place) => {
    columns[place] = [...columns[place], [...state[name].data]].slice(-COLUMNS);
  });
  probabilities = [...outputs[facts.output].data];
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
  const tokens = element("tokens").valueAsNumber;
  const random = uniforms(element("seed").valueAsNumber);
  await begin(wanted);
  let text = element("text").value;
  for (let count = 0; count < tokens; count++) {
    const possible = probabilities.map((each, place) => (facts.never.includes(place) ? 0 : each));
    const id = draw(possible, { temperature: element("temperature").valueAsNumber }, random());
    text += spelled(labels[id], text);
    await feed(id);
    if (!wanted()) return;
    if (calm.matches && count < tokens - 1) continue;
    element("written").textContent = text;
    show();
    await seen();
  }
  end(`${tokens} tokens are written.`);
}

function show() {
  const order = [...probabilities.keys()].sort((one, other) => probabilities[other] - probabilities[one]);
  element("scores").replaceChildren(
    ...order.slice(0, SHOWN).map((place) => bars(visible(labels[place]), probabilities[place])),
  );
  pictures.forEach((picture, place) => picture.draw(columns[place]));
}

function end(said) {
  element("answer").textContent = said;
  element("stop").disabled = true;
}

element("text").value = facts.example || element("text").value;
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
