/** Recurrences: a step that is applied again and again, to what it left and to the next element. */
import { boolean, callable, describe, Signature, whole } from "../core/options.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import { zeros } from "./creation.ts";
import { slice, stack } from "./movement.ts";

/** A tensor or several. */
export type Tensors = Tensor | readonly Tensor[];

/** Options of {@link scan}. */
export interface ScanOptions {
  /** Whether it begins with the last element; the results stay at the places of their elements. Default false. */
  readonly reverse?: boolean;
}

const scanCall = /* @__PURE__ */ new Signature<ScanOptions>("scan(step, initial, xs, options)", { reverse: boolean });
const count = /* @__PURE__ */ whole(0);

const listOf = (tensors: Tensors): readonly Tensor[] => (tensors instanceof Tensor ? [tensors] : tensors);

/** In the form of other tensors: one or several. */
function likeForm<T extends Tensors | null>(form: T, tensors: readonly Tensor[]): T {
  return (form === null ? null : form instanceof Tensor ? tensors[0] : tensors) as T;
}

function checkTensors(parameter: string, given: unknown, also = ""): void {
  if (given instanceof Tensor) return;
  if (!Array.isArray(given)) throw scanCall.wrong(parameter, `a tensor, an array of tensors${also}`, given);
  Array.from(given, (x, i) => {
    if (!(x instanceof Tensor)) throw scanCall.wrong(`${parameter}[${i}]`, "a tensor", x);
  });
}

/** The number of elements along the first axis. */
function lengthOf(xs: unknown): number {
  if (count.accepts(xs)) return xs;
  checkTensors("xs", xs, " or a number of steps from 0");
  const tensors = listOf(xs as Tensors);
  if (tensors.length === 0) {
    throw scanCall.error("expected xs to have at least one tensor; a number says how many steps");
  }
  tensors.forEach(({ shape }, i) => {
    if (shape.length > 0 && shape[0] === tensors[0].shape[0]) return;
    throw scanCall.error(
      `expected xs with first axes of one length, got ${formatShape(tensors[0].shape)} and, for tensor ${i}, ${
        formatShape(shape)
      }`,
    );
  });
  return tensors[0].shape[0];
}

/** Throws if a step returned anything but what the next one needs. */
function checkStep<C extends Tensors, Y>(returned: unknown, carry: C): asserts returned is readonly [C, Y] {
  if (!Array.isArray(returned) || returned.length !== 2) {
    throw scanCall.error(`expected step to return [carry, y], with null for no y, got ${describe(returned)}`);
  }
  const [next, y] = returned;
  checkTensors("the carry that step returns", next);
  if (y !== null) checkTensors("the y that step returns", y, " or null");
  const [before, after] = [listOf(carry), listOf(next)];
  const form = (tensors: readonly Tensor[]) => tensors.map((t) => `${formatShape(t.shape)} ${t.dtype}`).join(", ");
  const same = (next instanceof Tensor) === (carry instanceof Tensor) && before.length === after.length &&
    before.every((t, i) => sameShape(t.shape, after[i].shape) && t.dtype === after[i].dtype);
  if (!same) {
    throw scanCall.error(`expected step to return a carry like the one before, ${form(before)}, got ${form(after)}`);
  }
}

/**
 * Applies a step to each element in turn, as JAX's `lax.scan` does: `[carry, y] = step(carry, x)`. Each step is recorded, so the plan grows
 * with their number, as its time to compile does; a hundred steps are usual, many thousand are not. Where steps only add or multiply,
 * {@link cumsum}, {@link cumprod} and {@link logCumSumExp} take a logarithmic number of kernels instead.
 *
 * @param step gets the carry and the elements of `xs` at one place; returns the next carry, of the same shapes and dtypes, and a result: a
 * tensor, several, or null for none.
 * @param initial the first carry: a tensor or several.
 * @param xs a tensor or several, whose first axis counts the steps, or only a number of steps.
 * @param options `reverse`: whether to begin with the last element, default false.
 * @returns the last carry, and the results, stacked along a new first axis.
 * @throws if the first axes differ, or the step returns anything else.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { add, mul, scan, tensor } from "gpugrad";
 *
 * const [last, all] = scan((carry, x) => {
 *   const next = add(mul(carry, 0.5), x);
 *   return [next, next];
 * }, tensor(0), tensor([1, 2, 4]));
 * assert.deepEqual(await all.toArray(), [1, 2.5, 5.25]);
 * assert.equal(await last.item(), 5.25);
 * ```
 */
export function scan<C extends Tensors, X extends Tensors, Y extends Tensors | null>(
  step: (carry: C, x: X) => readonly [C, Y],
  initial: C,
  xs: X | number,
  options?: ScanOptions,
): [carry: C, ys: Y] {
  scanCall.check(arguments);
  if (!callable.accepts(step)) throw scanCall.wrong("step", callable.expected, step);
  checkTensors("initial", initial);
  const length = lengthOf(xs);
  const apply = (carry: C, x: X) => {
    const returned = step(carry, x);
    checkStep<C, Y>(returned, carry);
    return returned;
  };
  if (typeof xs === "number") {
    return overPlaces(length, initial, (carry) => apply(carry, undefined as unknown as X), options);
  }
  const given = listOf(xs);
  const at = (place: number) => likeForm(xs, given.map((x) => slice(x, [place])));
  // Without a step the shapes of the results are those for zeros.
  const none = () => likeForm(xs, given.map((x) => zeros(x.shape.slice(1), { dtype: x.dtype })));
  return overPlaces(length, initial, (carry, place) => apply(carry, length === 0 ? none() : at(place)), options);
}

/** Applies a step at each place, and stacks what it returns. */
function overPlaces<C extends Tensors, Y extends Tensors | null>(
  length: number,
  initial: C,
  step: (carry: C, place: number) => readonly [C, Y],
  options: ScanOptions = {},
): [C, Y] {
  if (length === 0) {
    const [, y] = step(initial, 0);
    const empty = y === null ? [] : listOf(y).map((t) => zeros([0, ...t.shape], { dtype: t.dtype }));
    return [initial, likeForm(y, empty)];
  }
  let carry = initial;
  const rows = new Array<Y>(length);
  for (let i = 0; i < length; i++) {
    const place = options.reverse ? length - 1 - i : i;
    const [next, y] = step(carry, place);
    carry = next;
    rows[place] = y;
    if (i > 0) checkRow(y, rows[options.reverse ? length - 1 : 0]);
  }
  const [form] = rows;
  if (form === null) return [carry, form];
  const stacked = listOf(form).map((_, k) => stack(rows.map((y) => listOf(y!)[k])));
  return [carry, likeForm(form, stacked)];
}

/** Throws if the results of two steps cannot be stacked. */
function checkRow(y: Tensors | null, first: Tensors | null): void {
  const text = (tensors: Tensors | null) =>
    tensors === null ? "null" : listOf(tensors).map(({ shape }) => formatShape(shape)).join(", ");
  if (text(y) === text(first)) return;
  throw scanCall.error(`expected each step to return a y like the first, ${text(first)}, got ${text(y)}`);
}
