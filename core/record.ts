/** Turns calls of ops into entries of the tape, and checks their arguments. */
import { hasRule } from "./entry.ts";
import type { Op } from "./op.ts";
import { isShape, type Signature } from "./options.ts";
import { noteRecorded } from "./state.ts";
import { broadcastShapes, formatShape, normalizeAxis, sameShape, type Shape } from "./shape.ts";
import { type Attributes, Tensor } from "./tensor.ts";

const NO_ATTRIBUTES: Attributes = {};

/**
 * Whether a gradient may pass to an input. A function with a rule of the user's own may depend on a tensor that its rule does not know of:
 * then there is no gradient to return.
 */
function passes(op: Op, input: number): boolean {
  return hasRule(op, input) || op.custom !== undefined;
}

/** Appends a call of an op to the tape. Computes nothing. */
export function record(op: Op, inputs: readonly Tensor[]): Tensor;
export function record<A extends Attributes>(op: Op<A>, inputs: readonly Tensor[], attributes: A): Tensor;
export function record(op: Op, inputs: readonly Tensor[], attributes: Attributes = NO_ATTRIBUTES): Tensor {
  const { shape, dtype } = op.infer(inputs, attributes);
  let tracked = false;
  if (dtype === "float") { for (let k = 0; k < inputs.length; k++) tracked ||= inputs[k].tracked && passes(op, k); }
  const entry = new Tensor(op, inputs, attributes, { shape, dtype, tracked });
  noteRecorded(entry);
  return entry;
}

/** The shape that inputs broadcast to. Throws with the op's name if they do not. */
export function broadcastOrThrow(op: string, inputs: readonly Tensor[]): Shape {
  if (inputs.length === 2) {
    const [{ shape: a }, { shape: b }] = inputs;
    // Most calls: the same shapes, or a scalar.
    if (b.length === 0 || sameShape(a, b)) return a;
    if (a.length === 0) return b;
  }
  const shape = broadcastShapes(inputs.map((t) => t.shape));
  if (!shape) {
    const shapes = inputs.map((t) => formatShape(t.shape)).join(" and ");
    throw new Error(`${op}: expected shapes that broadcast together (equal axes, or one of them 1), got ${shapes}`);
  }
  return shape;
}

/** An axis counted from the front. Throws if it is not a whole number or the shape has no such axis. */
export function axisOrThrow(call: Signature, shape: Shape, axis: unknown, parameter = "axis"): number {
  if (!Number.isInteger(axis)) throw call.wrong(parameter, "a whole number", axis);
  const found = normalizeAxis(axis as number, shape.length);
  if (found === null) {
    const advice = shape.length === 0 ? ": a scalar has none; unsqueeze(x, 0) gives it one" : "";
    throw call.error(`expected an axis of shape ${formatShape(shape)}, got ${axis}${advice}`);
  }
  return found;
}

/** One axis or several, counted from the front, sorted, without repetition; default all axes. */
export function axesOrThrow(call: Signature, shape: Shape, axis: unknown): number[] {
  if (axis === undefined) return shape.map((_, i) => i);
  if (!Array.isArray(axis)) {
    if (typeof axis !== "number") throw call.wrong("axis", "a whole number or an array of them", axis);
    return [axisOrThrow(call, shape, axis)];
  }
  // Array.from, since map() passes over holes.
  const axes = Array.from(axis, (a, i) => axisOrThrow(call, shape, a, `axis[${i}]`));
  if (new Set(axes).size !== axes.length) throw call.error(`expected each axis once, got [${axis.join(", ")}]`);
  return axes.sort((a, b) => a - b);
}

/** A shape, copied. Throws if it is not one. */
export function shapeOrThrow(call: Signature, shape: unknown, parameter = "shape"): number[] {
  if (!isShape(shape)) throw call.wrong(parameter, "an array of whole numbers from 0", shape);
  const copy = new Array<number>(shape.length);
  // Not -0, which attributes tell from 0.
  for (let i = 0; i < shape.length; i++) copy[i] = shape[i] + 0;
  return copy;
}

/** An array of tensors. Throws if it is anything else. */
export function tensorsOrThrow(call: Signature, parameter: string, tensors: unknown): readonly Tensor[] {
  if (!Array.isArray(tensors)) throw call.wrong(parameter, "an array of tensors", tensors);
  // Array.from, since forEach passes over holes.
  return Array.from(tensors, (t, i) => tensorOrThrow(call, `${parameter}[${i}]`, t));
}

/** Returns a tensor. Throws if numbers are passed instead: requested results and variables must be on the tape. */
export function tensorOrThrow(call: Signature, parameter: string, x: unknown): Tensor {
  if (x instanceof Tensor) return x;
  throw call.wrong(parameter, "a tensor", x);
}
