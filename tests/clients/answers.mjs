// What Node and the browser have in common: everything but the module of ONNX Runtime.

const changed = (arrays, change) =>
  Object.fromEntries(Object.entries(arrays).map(([name, array]) => [name, change(array)]));

/**
 * Run ONNX files on questions in turn.
 *
 * A question is {model, inputs, states}: a file, its arrays by name as {type, dims, data}, and the
 * {name, next} of each state that is carried from its outputs to the inputs of the next question.
 */
export async function answers(ort, questions) {
  const sessions = {};
  const answered = [];
  let carried = {};
  for (const { model, inputs, states } of questions) {
    sessions[model] ??= await ort.InferenceSession.create(model);
    const tensors = changed(inputs, ({ type, dims, data }) => new ort.Tensor(type, data, dims));
    const outputs = await sessions[model].run({ ...carried, ...tensors });
    carried = Object.fromEntries(states.map(({ name, next }) => [name, outputs[next]]));
    answered.push(changed(outputs, ({ type, dims, data }) => ({ type, dims, data: [...data] })));
  }
  return answered;
}
