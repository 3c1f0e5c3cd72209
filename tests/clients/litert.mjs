// LiteRT.js 2.5.3 takes no free axes: the shapes of inputs and outputs are written into the file
// before it is loaded. The interpreter works out those between them.

const SUBGRAPHS = 2, SIGNATURES = 7; // fields of a model, as the schema of LiteRT numbers them
const TENSORS = 0; // of a graph
const SHAPE = 0, SHAPE_SIGNATURE = 7; // of a tensor
const INPUTS = 0, OUTPUTS = 1; // of a signature
const NAME = 0, INDEX = 1; // of an input or output in a signature

/** Return a LiteRT file, as bytes, with fixed shapes of inputs and outputs: {name: [1, 200], ...}. */
export function sized(bytes, shapes) {
  const file = new DataView(bytes.slice().buffer);
  const follow = (place) => place + file.getUint32(place, true);
  const field = (table, number) => {
    const slots = table - file.getInt32(table, true);
    const slot = 4 + 2 * number;
    const offset = slot < file.getUint16(slots, true) ? file.getUint16(slots + slot, true) : 0;
    return offset ? table + offset : null;
  };
  const elements = (vector) =>
    Array.from({ length: file.getUint32(vector, true) }, (_, place) => vector + 4 + 4 * place);
  const tables = (table, number) => elements(follow(field(table, number))).map(follow);
  const text = (place) =>
    new TextDecoder().decode(new Uint8Array(file.buffer, place + 4, file.getUint32(place, true)));

  const model = follow(0);
  const [graph] = tables(model, SUBGRAPHS);
  const tensors = tables(graph, TENSORS);
  const [signature] = tables(model, SIGNATURES);
  for (const end of [INPUTS, OUTPUTS].flatMap((number) => tables(signature, number))) {
    const index = field(end, INDEX); // 0 is left out
    const tensor = tensors[index === null ? 0 : file.getUint32(index, true)];
    const sizes = shapes[text(follow(field(end, NAME)))];
    for (const number of [SHAPE, SHAPE_SIGNATURE]) {
      elements(follow(field(tensor, number))).forEach((place, axis) =>
        file.setInt32(place, sizes[axis], true),
      );
    }
  }
  return new Uint8Array(file.buffer);
}
