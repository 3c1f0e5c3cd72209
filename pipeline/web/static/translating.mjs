// Writes a text for a text or an image, token by token: the most probable one, or one that is drawn.
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
const known = new Set(source?.known);
let pixels = source ? null : facts.example; // of an image, from 0 to 255
let best; // of the texts so far

/** Write for what is given, and show each token as it is written. */
async function write(wanted) {
  element("note").textContent = "";
  const given = source ? typed() : looked();
  let found = [];
  for await (found of begun(given)) {
    if (!wanted()) return;
    if (calm.matches || !found.length) continue;
    show(found, Math.max(0, found[0].gains.length - 1));
    await seen();
  }
  if (found.length) show(found, found[0].symbols.length);
  else element("note").textContent = "The search found no text that ends.";
}

/** Take the text, and name what the model does not know. */
function typed() {
  const text = element("text").value;
  const unknown = new Set(TOKENIZERS[source.unit].split(text).filter((token) => !known.has(token)));
  if (unknown.size) element("note").textContent = `The model does not know ${[...unknown].join(" ")}`;
  return text;
}

/** Take the image, and show it as the model gets it. */
function looked() {
  const { name, shape: [, height, width, channels], dtype } = writer.reads;
  const given = element("negative").checked ? pixels.map((value) => 255 - value) : pixels;
  const image = new ImageData(width, height);
  for (let place = 0; place < width * height; place++) {
    const colour = given.slice(place * channels, (place + 1) * channels);
    image.data.set(channels === 1 ? [...colour, ...colour, ...colour, 255] : [...colour, 255], 4 * place);
  }
  Object.assign(element("seen"), { width, height }).getContext("2d").putImageData(image, 0, 0);
  const data = dtype === "uint8" ? Uint8Array.from(given) : Float32Array.from(given);
  return { [name]: new Tensor(dtype, data, [1, height, width, channels]) };
}

/** Read a file: the whole image in the frame of the model, on white. */
async function open(wanted) {
  const [file] = element("file").files;
  const image = file && (await createImageBitmap(file).catch(() => null));
  if (!image) {
    element("note").textContent = "This browser cannot read the image.";
    return;
  }
  const [, height, width, channels] = writer.reads.shape;
  const context = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  const scale = Math.min(width / image.width, height / image.height);
  const [across, down] = [Math.round(image.width * scale), Math.round(image.height * scale)];
  context.drawImage(image, Math.round((width - across) / 2), Math.round((height - down) / 2), across, down);
  const { data } = context.getImageData(0, 0, width, height);
  pixels = Array.from({ length: width * height }, (_, place) => {
    const colour = [...data.subarray(4 * place, 4 * place + 3)];
    return channels === 1 ? [grey(...colour)] : colour;
  }).flat();
  await write(wanted);
}

/** The luma of a colour, rounded as Pillow does. */
const grey = (red, green, blue) => (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16;

function begun(given) {
  const way = element("way").value;
  if (way !== "draw") return writer.search(given, way === "greedy" ? 1 : element("beam").valueAsNumber);
  const temperature = element("temperature").valueAsNumber;
  return writer.draw(given, { temperature }, uniforms(element("seed").valueAsNumber));
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

document.querySelector(`[data-read=${source ? "text" : "image"}]`).hidden = false;
if (source) element("text").value = facts.example;
element("beam").value = beam;
element("way").addEventListener("input", choose);
element("step").addEventListener("input", () => look(element("step").valueAsNumber));
element("text").addEventListener("input", () => instead(write));
element("file").addEventListener("change", () => instead(open));
element("negative").addEventListener("input", () => instead(write));
element("settings").addEventListener("input", () => {
  element("heat").textContent = element("temperature").valueAsNumber.toFixed(2);
  if (element("settings").reportValidity()) instead(write);
});
element("settings").addEventListener("submit", (event) => event.preventDefault());
choose();
await instead(write);
