/** Writes ONNX models: a graph of nodes as the bytes of a protobuf `ModelProto` (onnx/onnx.proto). */

/** One operator with the names of its inputs and outputs, and its integer attributes. */
export interface Node {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, number | readonly number[]>>;
}

/** A graph of float32 tensors of any shapes. */
export interface Graph {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly Node[];
}

/** A value of a protobuf field: a number from 0, a text, or the fields of a message. */
type Field = readonly [number: number, value: number | string | readonly Field[]];

function varint(value: number): number[] {
  return value < 128 ? [value] : [128 | value % 128, ...varint(Math.floor(value / 128))];
}

function message(fields: readonly Field[]): number[] {
  return fields.flatMap(([number, value]) => {
    if (typeof value === "number") return [...varint(8 * number), ...varint(value)];
    const bytes = typeof value === "string" ? [...new TextEncoder().encode(value)] : message(value);
    return [...varint(8 * number + 2), ...varint(bytes.length), ...bytes];
  });
}

const IR_VERSION = 8;
const OPSET = 11;
const FLOAT = 1;
const INT = 2;
const INTS = 7;

function attribute([name, value]: [string, number | readonly number[]]): Field {
  if (typeof value === "number") return [5, [[1, name], [3, value], [20, INT]]];
  return [5, [[1, name], ...value.map((v): Field => [8, v]), [20, INTS]]];
}

function nodeFields({ op, inputs, outputs, attributes = {} }: Node): Field[] {
  return [
    ...inputs.map((name): Field => [1, name]),
    ...outputs.map((name): Field => [2, name]),
    [4, op],
    ...Object.entries(attributes).map(attribute),
  ];
}

/** The bytes of a model, for opset 11. */
export function onnxModel({ inputs, outputs, nodes }: Graph): Uint8Array {
  const float = (name: string): Field[] => [[1, name], [2, [[1, [[1, FLOAT]]]]]];
  const graph: Field[] = [
    ...nodes.map((node): Field => [1, nodeFields(node)]),
    [2, "graph"],
    ...inputs.map((name): Field => [11, float(name)]),
    ...outputs.map((name): Field => [12, float(name)]),
  ];
  return new Uint8Array(message([[1, IR_VERSION], [7, graph], [8, [[1, ""], [2, OPSET]]]]));
}
