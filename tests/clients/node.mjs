// Answers questions.json of the current directory, on the standard output.
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-node";

import { answers } from "./answers.mjs";

const questions = JSON.parse(readFileSync("questions.json", "utf8"));
console.log(JSON.stringify(await answers(ort, questions)));
