// A sequence that is read step by step: the answers about its beginnings, and a way back to each.
import { answer as meaning } from "./answers.mjs";
import { Picture, bars, calm, columns, element, facts, percent, seen } from "./shared.mjs";

/** Answers about the first 0, 1, 2, ... steps, each a word or a frame. */
export class Replay {
  /** Steps are called `steps`; `shown` is told the answers and how many steps are shown. */
  constructor(steps, shown = () => {}) {
    this.steps = steps;
    this.shown = shown;
    this.answers = [];
    this.pictures = [];
    element("step").addEventListener("input", () => this.show(Number(element("step").value)));
  }

  /** Read steps one by one: `answer(count)` runs the model on so many, which `isKnown` or is new. */
  async read(length, answer, wanted, isKnown = () => false) {
    this.answers = [];
    element("count").textContent = element("step").max = length;
    for (let count = 0; count <= length; count++) {
      const known = isKnown(count);
      this.answers.push(read(await answer(count)));
      if (!wanted()) return;
      if (known || calm.matches) continue;
      this.show(count);
      await seen();
    }
    this.show(length);
    const found = [meaning(facts.answer, this.answers.at(-1).scores, facts.labels)].flat();
    const told = found.map(({ label, score }) => `${label}, ${percent(score)}`);
    element("answer").textContent = told.join("; ") || "none";
  }

  /** Show what the model had said, and what its state was, after so many steps. */
  show(asked) {
    const count = Math.min(asked, this.answers.length - 1);
    if (count < 0) return;
    const { scores, states } = this.answers[count];
    element("read").textContent = element("step").value = count;
    element("scores").replaceChildren(...scores.map((score, place) => bars(facts.labels[place], score)));
    if (!this.pictures.length) {
      this.pictures = states.map(({ title }) => new Picture(element("states"), title, this.steps));
    }
    states.forEach(({ columns, now }, place) => this.pictures[place].draw(...(count ? [columns, now] : [[], []])));
    this.shown(this.answers, count);
  }
}

function read(outputs) {
  const states = facts.states.flatMap((state) => columns(outputs[state.name], state));
  return { scores: [...outputs[facts.output].data], states };
}
