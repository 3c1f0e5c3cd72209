// Writes a text for the one that is typed, token by token: the most probable one, or one that is drawn.
import { TOKENIZERS, Writer, uniforms } from "./generation.mjs";
import { Tensor, bars, calm, cells, element, facts, instead, load, make, number, seen, visible } from "./shared.mjs";

const SHOWN = 8; // likely tokens
const END = "(end)";
const EMPTY = "(empty)";
const ABOUT = {
  beam: "So many texts are written side by side, and the most probable ones are kept.",
  greedy: "The likeliest token is taken each time.",
  draw: "Below 1, likely tokens become more likely; 0 takes the likeliest. The same seed writes the same text.",
};

const [encode, decode_step] = await Promise.all([load("encode.onnx"), load("decode_step.onnx")]);
const writer = new Writer(facts.config, facts.labels, { encode, decode_step }, Tensor);
const { beam, end, source } = facts.config.writing;
const known = new Set(source.known);
let best; // of the texts so far

/** Write for the text that is typed, and show each token as it is written. */
async function write(wanted) {
  const text = element("text").value;
  const unknown = new Set(TOKENIZERS[source.unit].split(text).filter((token) => !known.has(token)));
  element("note").textContent = unknown.size ? `The model does not know ${[...unknown].join(" ")}` : "";
  let found = [];
  for await (found of begun(text)) {
    if (!wanted()) return;
    if (calm.matches || !found.length) continue;
    show(found, Math.max(0, found[0].gains.length - 1));
    await seen();
  }
  if (found.length) show(found, found[0].symbols.length);
  else element("note").textContent = "The search found no text that ends.";
}

function begun(text) {
  const way = element("way").value;
  if (way !== "draw") return writer.search(text, way === "greedy" ? 1 : element("beam").valueAsNumber);
  const temperature = element("temperature").valueAsNumber;
  return writer.draw(text, { temperature }, uniforms(element("seed").valueAsNumber));
}

/** Show texts, and the first one of them up to so many tokens. */
function show(found, count) {
  [best] = found;
  element("answer").textContent = best.text || EMPTY;
  const rows = found.map(({ text, score, ended }) => cells(ended ? text || EMPTY : `${text} …`, odds(score)));
  element("found").replaceChildren(...rows);
  const tokens = best.gains.map((gains, place) => token(best.symbols[place] ?? end, gains));
  element("words").replaceChildren(...tokens);
  element("count").textContent = element("step").max = best.symbols.length;
  look(count);
}

function token(symbol, gains) {
  const probability = Math.exp(gains[symbol]);
  const item = make("li", {}, make("span", {}, named(symbol)), make("small", {}, probability.toFixed(2)));
  item.style.setProperty("--score", (1 + probability) / 2);
  return item;
}

/** Show what could be written behind the first so many tokens. */
function look(count) {
  element("read").textContent = element("step").value = count;
  [...element("words").children].forEach((item, place) => item.classList.toggle("ahead", place >= count));
  const gains = best.gains[count] ?? [];
  const possible = [...gains.keys()].filter((symbol) => gains[symbol] > -Infinity);
  const order = possible.sort((one, other) => gains[other] - gains[one]);
  const rows = order.slice(0, SHOWN).map((symbol) => {
    const row = bars(named(symbol), Math.exp(gains[symbol]));
    if (symbol === (best.symbols[count] ?? end)) row.setAttribute("aria-current", true);
    return row;
  });
  element("scores").replaceChildren(...rows);
}

const named = (symbol) => (symbol === end ? END : visible(facts.labels[symbol]));

/** A probability that may be tiny. */
function odds(score) {
  const probability = Math.exp(score);
  return probability < 1e-3 ? probability.toExponential(2).replace("-", "−") : number(probability);
}

/** Show the settings that the chosen way has. */
function choose() {
  const way = element("way").value;
  document.querySelectorAll("[data-way]").forEach((each) => {
    each.hidden = each.dataset.way !== way;
    each.querySelector("input").disabled = each.hidden;
  });
  element("about").textContent = ABOUT[way];
}

element("text").value = facts.example;
element("beam").value = beam;
element("way").addEventListener("input", choose);
element("step").addEventListener("input", () => look(element("step").valueAsNumber));
element("text").addEventListener("input", () => instead(write));
element("settings").addEventListener("input", () => {
  element("heat").textContent = element("temperature").valueAsNumber.toFixed(2);
  if (element("settings").reportValidity()) instead(write);
});
element("settings").addEventListener("submit", (event) => event.preventDefault());
choose();
await instead(write);
