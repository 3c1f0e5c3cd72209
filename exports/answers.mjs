// What the outputs of a model mean: labels, spans and numbers, as exports/answers.py in Python.

/**
 * Say what the outputs mean, an answer for each row, with config.json and labels.json of an artifact.
 * `outputs` are tensors of ONNX Runtime by name. Spans alone need `inputs`: tensors by name, too, or
 * an array of the words of each row.
 */
export function answers(config, labels, outputs, inputs) {
  const rows = nested(outputs[config.outputs[0].name]);
  const given = Array.isArray(inputs) ? inputs : inputs && nested(inputs[config.inputs[0].name]);
  return rows.map((output, place) => answer(config.answer, output, labels, given?.[place]));
}

/** Say what the first output of one row means, as nested arrays; `row` is its first input. */
export const answer = (kind, output, labels, row) => KINDS[kind.type](kind, output, labels, row);

/** Spell sentences, arrays of words, as bytes [sentences, words, length] with zeros behind them. */
export function spell(sentences, length) {
  const dims = [sentences.length, Math.max(...sentences.map((words) => words.length)), length];
  const data = new Uint8Array(dims[0] * dims[1] * length);
  sentences.forEach((words, row) =>
    words.forEach((word, step) => {
      data.set(new TextEncoder().encode(word).subarray(0, length), (row * dims[1] + step) * length);
    }),
  );
  return { data, dims };
}

const KINDS = {
  label: (_, output, labels) => best(output, labels),

  labels: ({ thresholds }, output, labels) =>
    output
      .map((score, place) => ({ label: labels[place], score }))
      .filter(({ score }, place) => score > thresholds[place])
      .sort((one, other) => other.score - one.score),

  spans({ scheme, padded, words }, output, labels, row) {
    const steps = padded ? row.slice(0, length(row)) : row;
    const found = output.slice(0, steps.length).map((scores) => best(scores, labels));
    const texts = words && steps.map(text);
    const tags = found.map(({ label }) => label);
    const spans = SCHEMES[scheme](tags).map(({ start, end, label }) => ({
      start,
      end,
      label,
      score: Math.min(...found.slice(start, end).map(({ score }) => score)),
      ...(words && { text: texts.slice(start, end).join(" ") }),
    }));
    return { labels: tags, spans };
  },

  numbers: ({ names, level, units }, output) => named(output, names, level, units),

  forecast: ({ targets, step, level, units }, output) => ({
    step,
    ahead: output.map((numbers) => named(numbers, targets, level, units)),
  }),
};

const SCHEMES = {
  /** By the rule of the CoNLL shared tasks: B begins an entity, and so does I of another kind. */
  entities(tags) {
    const spans = [];
    let start = 0;
    let label = "";
    [...tags, "O"].forEach((tag, place) => {
      const now = tag.includes("-") ? tag.slice(tag.indexOf("-") + 1) : "";
      if (tag.startsWith("I-") && now === label) return;
      if (label) spans.push({ start, end: place, label });
      [start, label] = [place, now];
    });
    return spans;
  },

  runs(tags) {
    const starts = [...tags.keys()].filter((place) => tags[place] !== tags[place - 1]);
    return starts.map((start, run) => ({ start, end: starts[run + 1] ?? tags.length, label: tags[start] }));
  },

  steps: (tags) => tags.map((label, start) => ({ start, end: start + 1, label })),
};

function best(scores, labels) {
  const place = scores.reduce((most, score, place) => (score > scores[most] ? place : most), 0);
  return { label: labels[place], score: scores[place] };
}

/** Count the steps of a row, without those of zeros at its end. */
function length(row) {
  const filled = (value) => typeof value === "string" || Number(value) !== 0;
  return row.findLastIndex((step) => [step].flat(Infinity).some(filled)) + 1;
}

function text(word) {
  if (typeof word === "string") return word;
  const bytes = Uint8Array.from(word);
  const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(0, end));
}

/** Name numbers, each the mean and rising quantiles if there is a level. */
function named(numbers, names, level, units) {
  const one = (number, unit) => ({
    ...(level === null ? { value: number } : { value: number[0], interval: [number[1], number.at(-1)], level }),
    ...(unit !== undefined && { unit }),
  });
  const unit = (name) => (Object.hasOwn(units, name) ? units[name] : undefined);
  return Object.fromEntries(names.map((name, place) => [name, one(numbers[place], unit(name))]));
}

function nested({ data, dims: [size, ...rest] }) {
  if (!rest.length) return [...data];
  const width = rest.reduce((product, each) => product * each, 1);
  const rows = Array.from({ length: size }, (_, place) => data.subarray(place * width, (place + 1) * width));
  return rows.map((row) => nested({ data: row, dims: rest }));
}
