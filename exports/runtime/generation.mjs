// Texts out of a model that gives the probability of one symbol after another, as
// exports/runtime/generation.py and exports/runtime/tokens.py in Python.

const UNKNOWN = 1; // the label of every token that has none

const SPACE = "\\t-\\r\\x1c- \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000"; // as in Python
const WORD = "[\\p{L}\\p{N}_]+";
const TOKEN = new RegExp(`${WORD}(?:['’-]${WORD})*|--|[^\\p{L}\\p{N}_${SPACE}]|\\n`, "gu");
const CLOSING = [..."\n.,:;!?)]"]; // what no space stands before
const OPENING = [..." \n[("]; // what none stands after

/** How a text is cut into tokens, and how a token is spelled in a text that so far is `before`. */
export const TOKENIZERS = {
  characters: { split: (text) => [...text], spelled: (token) => token },
  words: {
    split: (text) => text.split(new RegExp(`[${SPACE}]+`, "u")).filter(Boolean),
    spelled: (token, before) => (before ? ` ${token}` : token),
  },
  prose: {
    split: (text) => text.match(TOKEN) ?? [],
    spelled(token, before) {
      const joined = !before || OPENING.includes(before.at(-1)) || CLOSING.includes(token);
      return joined ? token : ` ${token}`;
    },
  },
};

/** Make a text of tokens. */
export const join = (unit, tokens) =>
  tokens.reduce((text, token) => text + TOKENIZERS[unit].spelled(token, text), "");

/** Number the tokens of a text that a model reads; a text of none is one of padding. */
export function sourceIds({ unit, known }, text) {
  const places = new Map(known.map((token, place) => [token, place + 1]));
  const ids = TOKENIZERS[unit].split(text).map((token) => places.get(token) ?? known.length + 1);
  return ids.length ? ids : [0];
}

/** Number the tokens of a text that a model goes on with; an empty one is begun behind a line break. */
export function labelIds(unit, labels, text) {
  const places = new Map(labels.map((token, place) => [token, place]));
  const tokens = TOKENIZERS[unit].split(text);
  return (tokens.length ? tokens : ["\n"]).map((token) => places.get(token) ?? UNKNOWN);
}

/**
 * Draw a symbol by its probability, whatever these add up to; `uniform` is a number from 0 to 1.
 * A temperature of 0 takes the likeliest; with `topP` and `topK`, only the likeliest may be drawn.
 */
export function draw(probabilities, { temperature = 1, topP = 1, topK = 0 }, uniform) {
  const most = probabilities.reduce((one, other) => Math.max(one, other));
  if (temperature === 0) return probabilities.indexOf(most);
  const weights = Array.from(probabilities, (each) => Math.exp(Math.log(each / most) / temperature));
  const total = sum(weights);
  const order = [...weights.keys()].sort((one, other) => weights[other] - weights[one]);
  let before = 0;
  const likely = order.slice(0, topK || order.length).filter((symbol) => {
    const kept = before < topP;
    before += weights[symbol] / total;
    return kept;
  });
  let left = uniform * sum(likely.map((symbol) => weights[symbol]));
  return likely.find((symbol) => (left -= weights[symbol]) < 0) ?? likely.at(-1);
}

/** Make a tensor of integers, of the `Tensor` of ONNX Runtime. */
export function integers(Tensor, type, values, dims) {
  const data = type === "int64" ? BigInt64Array.from(values, BigInt) : Int32Array.from(values);
  return new Tensor(type, data, dims);
}

const sum = (values) => values.reduce((total, each) => total + each, 0);

/** Numbers from 0 to 1 that depend on the seed alone: xorshift of 32 bits, not those of NumPy. */
export function uniforms(seed) {
  let bits = Math.imul(seed + 1, 0x9e3779b1) || 1;
  return () => {
    bits ^= bits << 13;
    bits ^= bits >>> 17;
    bits ^= bits << 5;
    return (bits >>> 0) / 2 ** 32;
  };
}

/**
 * Find probable sequences, and yield the hypotheses after each symbol, the most probable one first.
 * Those that are yielded last are whole, and in the order of their log-probabilities divided by
 * length ** `lengthPenalty`. A `width` of 1 is the greedy search.
 *
 * A hypothesis is {symbols, score, ended, gains}: its symbols without start and end, its
 * log-probability, whether it came to its end, and the log-probabilities of all symbols at each step.
 * `step(symbols, parents, states)` takes the last symbols of some hypotheses and the places of their
 * parents in `states`, those that it returned last. It returns {gains, states}: the
 * log-probabilities of the next symbol of each, and their states.
 */
export async function* beamSearch(step, states, { start, end, width, longest, lengthPenalty = 0 }) {
  let beam = [{ symbols: [], score: 0, ended: false, gains: [], place: 0 }];
  for (let number = 0; number <= longest && beam.some(({ ended }) => !ended); number++) {
    const live = beam.filter(({ ended }) => !ended);
    const given = live.map(({ symbols }) => symbols.at(-1) ?? start);
    const found = await step(given, live.map(({ place }) => place), states);
    states = found.states;
    live.forEach((hypothesis, place) => Object.assign(hypothesis, { place, next: found.gains[place] }));
    const possible = number === longest ? [end] : undefined;
    const grow = (each) => likeliest(each.next, width, possible).map((symbol) => grown(each, symbol, end));
    beam = beam
      .flatMap((each) => (each.ended ? [each] : grow(each)))
      .sort((one, other) => other.score - one.score)
      .slice(0, width);
    yield beam.map(shown);
  }
  const rank = ({ symbols, score }) => score / (1 + symbols.length) ** lengthPenalty;
  yield beam.sort((one, other) => rank(other) - rank(one)).map(shown);
}

const shown = ({ symbols, score, ended, gains }) => ({ symbols, score, ended, gains });

/** The `count` symbols with the largest log-probabilities, the largest first. */
function likeliest(gains, count, symbols = [...gains.keys()]) {
  const possible = symbols.filter((symbol) => gains[symbol] > -Infinity);
  return possible.sort((one, other) => gains[other] - gains[one]).slice(0, count);
}

function grown({ symbols, score, gains, place, next }, symbol, end) {
  const ended = symbol === end;
  return {
    symbols: ended ? symbols : [...symbols, symbol],
    score: score + next[symbol],
    ended,
    gains: [...gains, next],
    place,
  };
}

/** Writes texts by the files `encode` and `decode_step` of an artifact. */
export class Writer {
  /**
   * `config` and `labels` are those of config.json and labels.json, `runs` the two files as functions
   * of named tensors, and `Tensor` is the class of ONNX Runtime.
   */
  constructor({ writing, endpoints }, labels, runs, Tensor) {
    Object.assign(this, { writing, labels, runs, Tensor });
    const { inputs, outputs } = endpoints.decode_step;
    const after = outputs.map(({ name }) => name);
    this.reads = endpoints.encode.inputs[0];
    this.previous = inputs.find(({ name }) => name === writing.previous);
    this.output = after[0];
    this.states = inputs.map(({ name }) => name).filter((name) => after.includes(`${name}.next`));
    const others = [writing.previous, ...this.states];
    this.memory = inputs.map(({ name }) => name).filter((name) => !others.includes(name));
  }

  /**
   * Search for the most probable texts for a text, or for one row of tensors by name: what `beamSearch`
   * yields, with texts.
   */
  async *search(given, width = this.writing.beam, longest = this.writing.longest) {
    const { start, end, length_penalty: lengthPenalty } = this.writing;
    const options = { start, end, width, longest, lengthPenalty };
    for await (const found of beamSearch(this.step, await this.read(given), options)) {
      yield found.map((hypothesis) => ({ ...hypothesis, text: this.spell(hypothesis.symbols) }));
    }
  }

  /** Draw a text by numbers from 0 to 1, and yield it after each symbol as `search` does, alone. */
  async *draw(given, sampling, random, longest = this.writing.longest) {
    const { start, end } = this.writing;
    let states = await this.read(given);
    let written = { symbols: [], score: 0, ended: false, gains: [], place: 0 };
    for (let number = 0; number < longest && !written.ended; number++) {
      const found = await this.step([written.symbols.at(-1) ?? start], [0], states);
      states = found.states;
      written.next = found.gains[0];
      const symbol = draw(written.next.map(Math.exp), sampling, random());
      written = grown(written, symbol, end);
      yield [{ ...shown(written), text: this.spell(written.symbols) }];
    }
  }

  /** Make a text of symbols. */
  spell(symbols) {
    return join(this.writing.unit, symbols.map((symbol) => this.labels[symbol]));
  }

  /** Read a text, or tensors by name: the memory and the first states. */
  async read(given) {
    if (typeof given !== "string") return this.runs.encode(given);
    const ids = sourceIds(this.writing.source, given);
    const { name, dtype } = this.reads;
    return this.runs.encode({ [name]: integers(this.Tensor, dtype, ids, [1, ids.length]) });
  }

  /** Write a symbol more of each hypothesis, as `beamSearch` wants it. */
  step = async (symbols, parents, states) => {
    const pick = (name) => [name, this.#rows(states[name], parents)];
    const memory = Object.fromEntries(this.memory.map(pick));
    const before = Object.fromEntries(this.states.map(pick));
    const given = integers(this.Tensor, this.previous.dtype, symbols, [symbols.length]);
    const outputs = await this.runs.decode_step({ [this.previous.name]: given, ...memory, ...before });
    const after = Object.fromEntries(this.states.map((name) => [name, outputs[`${name}.next`]]));
    return { gains: this.#gains(outputs[this.output]), states: { ...memory, ...after } };
  };

  /** The log-probabilities of the next symbols in each row. */
  #gains({ data, dims: [rows, width] }) {
    return Array.from({ length: rows }, (_, row) => {
      const gains = Array.from(data.subarray(row * width, (row + 1) * width), Math.log);
      this.writing.never.forEach((symbol) => (gains[symbol] = -Infinity));
      return gains;
    });
  }

  /** Pick rows of a tensor by their places. */
  #rows({ type, data, dims: [, ...rest] }, places) {
    const size = rest.reduce((product, each) => product * each, 1);
    const picked = new data.constructor(places.length * size);
    places.forEach((place, row) => picked.set(data.subarray(place * size, (place + 1) * size), row * size));
    return new this.Tensor(type, picked, [places.length, ...rest]);
  }
}
