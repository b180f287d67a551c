/** Arguments of functions that compute on the host, read as numbers. */
import { isShape, type Signature } from "../core/options.ts";
import { formatShape } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import type { TypedData } from "../ops/creation.ts";
import { readRows, type Rows } from "./rows.ts";

/** Numbers in a row: a tensor of one axis, a typed array or an array. */
export type Numbers = Tensor | TypedData | readonly number[];

/** Reads rows of boxes; unlike targets of the loss, tensors may still have to be computed. Throws if one is NaN. */
export async function readBoxes(call: Signature, name: string, boxes: Rows): Promise<Float64Array> {
  const rows = boxes instanceof Tensor && boxes.value === null && isBoxes(boxes) ? await boxes.data() : boxes;
  const { data, count } = readRows(call.name, name, rows, 4);
  const numbers = Float64Array.from(data);
  const at = numbers.findIndex(Number.isNaN);
  if (at >= 0) throw call.error(`expected ${name} to be numbers, got NaN in row ${Math.floor(at / 4)} of ${count}`);
  return numbers;
}

function isBoxes({ shape }: Tensor): boolean {
  return shape.length === 2 && shape[1] === 4;
}

/** Reads a number for each of `count` boxes. Throws if one is not as it has to be. */
export async function readNumbers(
  call: Signature,
  name: string,
  given: unknown,
  { count, of, whole = false }: { count: number; of: string; whole?: boolean },
): Promise<Float64Array> {
  if (given instanceof Tensor && given.shape.length !== 1) {
    throw call.error(`expected ${name} of shape [${count}], got ${formatShape(given.shape)}`);
  }
  const isList = Array.isArray(given) || ArrayBuffer.isView(given) && isShape([(given as { length?: number }).length]);
  if (!isList && !(given instanceof Tensor)) {
    throw call.wrong(name, "a tensor, a typed array or an array of numbers", given);
  }
  const values = given instanceof Tensor ? given.value ?? await given.data() : given as ArrayLike<unknown>;
  if (values.length !== count) {
    throw call.error(`expected ${name} to have a number for each of the ${count} ${of}, got ${values.length}`);
  }
  const numbers = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const value = values[i];
    const fits = typeof value === "number" && (whole ? Number.isInteger(value) : !Number.isNaN(value));
    if (!fits) throw call.wrong(`${name}[${i}]`, whole ? "a whole number" : "a number", value);
    numbers[i] = value;
  }
  return numbers;
}

/** Indices by decreasing score, the lower index first among equals. */
export function byFallingScore(scores: Float64Array): Int32Array {
  // The difference of two infinite scores is NaN, which counts as 0.
  return Int32Array.from(scores.keys()).sort((i, j) => scores[j] - scores[i] || i - j);
}
