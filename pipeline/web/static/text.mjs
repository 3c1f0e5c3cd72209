// Reads what is typed, word by word: the model answers about the first word, the first two, ...
import { Replay } from "./replay.mjs";
import { Tensor, element, facts, instead, load, make } from "./shared.mjs";

const [encode, model] = await Promise.all([load("reader.onnx"), load("model.onnx")]);
const known = new Map(); // what the model said about a beginning, by its ids
const replay = new Replay("words", mark);

async function read(wanted) {
  const text = element("text").value.replaceAll("\0", " "); // ONNX Runtime would end there
  const { tokens, ids } = await encode({ text: new Tensor("string", [text], [1]) });
  const words = tokens.data.slice(0, facts.most);
  list(words, ids.data);
  note(tokens.data.length);
  const key = (count) => ids.data.slice(0, count).join();
  const answer = async (count) => {
    const data = count ? ids.data.slice(0, count) : new ids.data.constructor(1); // nothing is padding
    const inputs = { [facts.input]: new Tensor(ids.type, data, [1, data.length]) };
    if (!known.has(key(count))) known.set(key(count), await model(inputs));
    return known.get(key(count));
  };
  await replay.read(words.length, answer, wanted, (count) => known.has(key(count)));
}

function list(words, ids) {
  const items = [...words].map((word, place) => {
    const item = make("li", {}, make("span", {}, word), make("small"));
    if (Number(ids[place]) === facts.unknown) item.className = "unknown";
    return item;
  });
  element("words").replaceChildren(...items);
}

function note(count) {
  const parts = [];
  if (!count) parts.push("There is no word yet: this is the guess for an empty text.");
  if (count > facts.most) parts.push(`Only the first ${facts.most} of ${count} words are read.`);
  element("note").textContent = parts.join(" ");
}

/** The label that words are coloured by: the one that the reader chose, or that wins now. */
function watched(scores) {
  const chosen = element("watched").value;
  return chosen ? Number(chosen) : scores.indexOf(Math.max(...scores));
}

/** Put under each word that is read what the model said then. */
function mark(answers, count) {
  const label = watched(answers[count].scores);
  element("coloured").textContent = facts.labels[label];
  [...element("words").children].forEach((item, place) => {
    const score = place < count ? answers[place + 1].scores[label] : null;
    item.classList.toggle("ahead", score === null);
    item.lastChild.textContent = score?.toFixed(2) ?? "";
    item.style.setProperty("--score", score ?? 0.5);
  });
}

element("watched").append(...facts.labels.map((label, place) => make("option", { value: place }, label)));
element("watched").addEventListener("change", () => replay.show(element("step").valueAsNumber));
element("text").value = facts.example;
element("text").addEventListener("input", () => instead(read));
await instead(read);
