/** Inputs of checked functions: reading them and making leaves of them. */
import { leafOp } from "../core/op.ts";
import { chosenDevice } from "../core/devices.ts";
import { describe } from "../core/options.ts";
import { type DType, Tensor } from "../core/tensor.ts";
import { type NestedData, tensor, type TypedData } from "../ops/creation.ts";
import { messageOf, UsageError } from "./usage.ts";

/** The values of an input as plain data, as the arbitraries generate them. */
export interface TensorData {
  /** The shape. */
  readonly shape: readonly number[];
  /** The elements in row-major order. */
  readonly values: ArrayLike<number>;
  /** The dtype, default `"float"`. */
  readonly dtype?: DType;
}

/** An input of a checked function: a tensor, numbers nested in arrays, a typed array, or {@link TensorData}. */
export type InputLike = Tensor | NestedData | TypedData | TensorData;

/** An input that has been read. */
export interface Input {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly values: Float64Array;
}

function isData(input: unknown): input is TensorData {
  return typeof input === "object" && input !== null && "shape" in input && "values" in input;
}

/** The names of the inputs of a function, as its parameters, or those that a plain function takes apart, show them. */
export function parameterNames(f: unknown): string[] {
  const list = typeof f === "function"
    ? /^(?:async\s*)?(?:function\s*[\w$]*\s*)?\(([\w$,\s]*)\)/.exec(String(f)) ??
      /^(?:async\s+)?([\w$]+)\s*=>/.exec(String(f))
    : /^[^(]*\(\s*\[([\w$,\s]*)\]/.exec(String((f as { value?: unknown } | null)?.value));
  return list ? list[1].split(",").map((name) => name.trim()).filter((name) => name.length > 0) : [];
}

/** Reads the inputs of a function. */
export async function readInputs(
  caller: string,
  f: unknown,
  inputs: readonly InputLike[],
  names?: readonly string[],
): Promise<Input[]> {
  if (!Array.isArray(inputs)) {
    throw new UsageError(
      `${caller}: expected inputs to be an array with one entry for each argument of the function, got ${
        describe(inputs)
      }`,
    );
  }
  const known = names ?? parameterNames(f);
  const read: Input[] = [];
  for (const [i, input] of inputs.entries()) {
    const name = known[i] ?? `input ${i}`;
    let t: Tensor;
    try {
      if (input instanceof Tensor) t = input;
      else if (isData(input)) t = tensor(Float64Array.from(input.values), [...input.shape], { dtype: input.dtype });
      else t = tensor(typeof input === "object" && !Array.isArray(input) ? input : input as NestedData);
    } catch (error) {
      throw new UsageError(`${caller}: ${name} cannot be read as a tensor: ${messageOf(error)}`);
    }
    const { shape, dtype } = t;
    const values = new Float64Array(await valuesOf(t));
    read.push({ name, shape, dtype, values });
  }
  return read;
}

/** The values of a tensor, computed on the oracle if it has none yet. */
async function valuesOf(t: Tensor): Promise<ArrayLike<number>> {
  if (t.held) return await t.held.read();
  return await t.data({ device: await chosenDevice("float64") });
}

/** Makes a leaf with the values of an input. */
export function leafOf({ values, shape, dtype }: Pick<Input, "values" | "shape" | "dtype">): Tensor {
  return new Tensor(leafOp, [], {}, { shape: [...shape], dtype, value: values.slice() });
}

/** The index of an element, from its row-major position. */
export function indexOf(place: number, shape: readonly number[]): number[] {
  const index = new Array<number>(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = place % shape[axis];
    place = Math.floor(place / shape[axis]);
  }
  return index;
}

/** Formats an element: `x[0, 2]`. */
export function elementText(name: string, place: number, shape: readonly number[]): string {
  return shape.length === 0 ? name : `${name}[${indexOf(place, shape).join(", ")}]`;
}
