// Hears a recording or a file, frame by frame: the model answers about the first frame, two, ...
import { Replay } from "./replay.mjs";
import { Picture, Tensor, element, facts, instead, load } from "./shared.mjs";

const SHORTEST = 0.05; // seconds
const LONGEST = 3;
const QUIET = 0.05; // part of the loudest sample; at its ends a recording is louder

const [hear, model] = await Promise.all([load("sound.onnx"), load("model.onnx")]);
const replay = new Replay("frames", (_, count) => picture.draw(frames.slice(0, count)));
const picture = new Picture(element("frames"), "Coefficients", "frames", "coefficient");
let frames = [];
let recorder = null;

/** Turn a sound file of any kind that the browser knows into samples: the mean of its channels. */
async function decoded(file) {
  const context = new OfflineAudioContext(1, 1, facts.rate); // decoding also brings it to the rate
  const sound = await context.decodeAudioData(await file.arrayBuffer());
  const channels = Array.from({ length: sound.numberOfChannels }, (_, place) => sound.getChannelData(place));
  return channels[0].map((_, at) => channels.reduce((sum, channel) => sum + channel[at], 0) / channels.length);
}

/** Cut off the quiet ends. */
function trimmed(samples) {
  const limit = QUIET * samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  const loud = (sample) => Math.abs(sample) > limit;
  return samples.slice(samples.findIndex(loud), samples.findLastIndex(loud) + 1);
}

/** Hear a file, `prepare`d, and show each frame as it is heard. */
async function listen(file, prepare, wanted) {
  const all = await decoded(file).then(prepare, () => null);
  if (!wanted()) return;
  const problem = unusable(all);
  if (problem) {
    element("answer").textContent = problem;
    return;
  }
  const samples = all.slice(0, LONGEST * facts.rate);
  const { heard } = await hear({ samples: new Tensor("float32", samples, [1, samples.length]) });
  const [, length, features] = heard.dims;
  frames = Array.from({ length }, (_, at) => [...heard.data.subarray(at * features, (at + 1) * features)]);
  const answer = (count) => {
    const data = count ? heard.data.slice(0, count * features) : new Float32Array(features); // padding
    return model({ [facts.input]: new Tensor("float32", data, [1, data.length / features, features]) });
  };
  await replay.read(length, answer, wanted);
}

function unusable(samples) {
  if (!samples) return "This browser cannot read the sound.";
  if (samples.length < SHORTEST * facts.rate) return "There is too little sound.";
  return null;
}

async function record() {
  element("record").disabled = true;
  const stream = await navigator.mediaDevices?.getUserMedia({ audio: true }).catch(() => null);
  element("record").disabled = false;
  if (!stream) {
    element("answer").textContent = "There is no microphone, or it may not be used.";
    return;
  }
  const parts = [];
  recorder = new MediaRecorder(stream);
  recorder.addEventListener("dataavailable", ({ data }) => parts.push(data));
  recorder.addEventListener("stop", () => {
    stream.getTracks().forEach((track) => track.stop());
    recorder = null;
    label("Record");
    instead((wanted) => listen(new Blob(parts), trimmed, wanted));
  });
  recorder.start();
  label("Stop");
  setTimeout(stop, 1000 * LONGEST);
}

const stop = () => recorder?.state === "recording" && recorder.stop();

function label(text) {
  element("record").textContent = text;
  element("record").setAttribute("aria-pressed", text === "Stop");
}

element("longest").textContent = LONGEST;
element("record").addEventListener("click", () => (recorder ? stop() : record()));
element("file").addEventListener("change", () => {
  const [file] = element("file").files;
  if (file) instead((wanted) => listen(file, (samples) => samples, wanted));
});
await instead(() => {});
