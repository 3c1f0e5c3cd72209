// Labels each word of the sentence that is typed, and lists the spans that the labels make.
import { answers, spell } from "./answers.mjs";
import { Picture, Tensor, cells, columns, element, facts, instead, load, make, number } from "./shared.mjs";

const model = await load("model.onnx");
const config = { answer: facts.answer, outputs: [{ name: facts.output }] };
let pictures = [];

async function read() {
  const words = element("text").value.replaceAll("\0", " ").split(/\s+/u).filter(Boolean);
  element("note").textContent = words.length ? "" : "There is no word yet.";
  if (!words.length) {
    show([], { labels: [], spans: [] });
    return;
  }
  const { data, dims } = spell([words], facts.bytes);
  const outputs = await model({ [facts.input]: new Tensor("uint8", data, dims) });
  const [answer] = answers(config, facts.labels, outputs, [words]);
  show(words, answer);
  const states = facts.states.flatMap((state) => columns(outputs[state.name], state));
  pictures = pictures.length ? pictures : states.map(({ title }) => new Picture(element("states"), title, "words"));
  states.forEach(({ columns, now }, place) => pictures[place].draw(columns, now));
}

function show(words, { labels, spans }) {
  const items = words.map((word, place) => {
    const item = make("li", {}, make("span", {}, word), make("small", {}, labels[place]));
    const inside = spans.some(({ start, end }) => start <= place && place < end);
    item.style.setProperty("--score", inside ? 1 : 0.5);
    return item;
  });
  element("words").replaceChildren(...items);
  element("spans").replaceChildren(...spans.map(({ text, label, score }) => cells(text, label, number(score))));
}

element("text").value = facts.example;
element("text").addEventListener("input", () => instead(read));
await instead(read);
