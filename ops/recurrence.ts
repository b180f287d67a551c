/** Recurrences: a step that is applied again and again, to what it left and to the next element. */
import { boolean, callable, describe, Signature, whole } from "../core/options.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import { zeros } from "./creation.ts";
import { argument, oldestOf, recordLoop, sameRecording, substitute } from "./loop.ts";
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
 * Applies a step to each element in turn, as JAX's `lax.scan` does: `[carry, y] = step(carry, x)`. The step is recorded, not run: twice, and if
 * both recordings are alike, the recurrence becomes a loop, so that neither the plan nor the time to make it grows with the number of
 * steps. Gradients are loops, too; for them the carry of each step is kept, and the step computed again from there. A step that records
 * something else each time, with random numbers for example, is recorded once for each element. Devices that run pipelines of gpu.js
 * (webasm, cpu, webgpu, webgl) have no loops: there the plan is that of all steps, so hundreds are usual, many thousand are not. Where steps
 * only add or multiply, {@link cumsum}, {@link cumprod} and {@link logCumSumExp} take a logarithmic number of kernels instead.
 *
 * @param step gets the carry and the elements of `xs` at one place; returns the next carry, of the same shapes and dtypes, and a result: a
 * tensor, several, or null for none. Whatever else it uses counts as the same at every step, its own numbers included; tensors that it records are
 * of no use outside of it.
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
  const form = typeof xs === "number" ? null : xs;
  const given = form === null ? [] : listOf(form);
  const apply = (carry: C, x: readonly Tensor[]): readonly [C, Y] => {
    const returned: unknown = step(carry, likeForm(form, x) ?? undefined as unknown as X);
    checkStep<C, Y>(returned, carry);
    return returned;
  };
  // Without a step the shapes of the results are those for zeros.
  if (length === 0) {
    return noStep(
      initial,
      apply(initial, given.map((x) => zeros(x.shape.slice(1), { dtype: x.dtype }))),
    );
  }
  const recurrence = { apply, initial, xs: given, length, reverse: options?.reverse ?? false };
  return length < LOOPED ? overPlaces(recurrence) : asLoop(recurrence);
}

/** Fewer steps are recorded one by one: two recordings are needed to see whether they are alike. */
const LOOPED = 3;

function noStep<C extends Tensors, Y extends Tensors | null>(initial: C, [, y]: readonly [C, Y]): [C, Y] {
  const empty = y === null ? [] : listOf(y).map((t) => zeros([0, ...t.shape], { dtype: t.dtype }));
  return [initial, likeForm(y, empty)];
}

/** A call of {@link scan}. */
interface Recurrence<C extends Tensors, Y extends Tensors | null> {
  /** Calls the step. */
  readonly apply: (carry: C, x: readonly Tensor[]) => readonly [C, Y];
  readonly initial: C;
  readonly xs: readonly Tensor[];
  readonly length: number;
  readonly reverse: boolean;
}

/** The tensors that a step returned, as a list. */
function flat([carry, y]: readonly [Tensors, Tensors | null]): Tensor[] {
  return [...listOf(carry), ...(y === null ? [] : listOf(y))];
}

/** Records a loop, if a second recording of the step is like the first, and otherwise each step. */
function asLoop<C extends Tensors, Y extends Tensors | null>(recurrence: Recurrence<C, Y>): [C, Y] {
  const { apply, initial, xs, length, reverse } = recurrence;
  const firsts = listOf(initial);
  const carries = firsts.map(argument);
  const rows = xs.map((x) => argument({ shape: x.shape.slice(1), dtype: x.dtype }));
  const call = () => apply(likeForm(initial, carries), rows);
  const first = call();
  const second = call();
  const since = oldestOf([...carries, ...rows]);
  if (textOf(first[1]) !== textOf(second[1]) || !sameRecording(flat(first), flat(second), since)) {
    // These were the first two steps.
    const recorded = [first, second];
    const on = (carry: C, x: readonly Tensor[]): readonly [C, Y] => {
      const next = recorded.shift();
      if (!next) return apply(carry, x);
      const actual = [...listOf(carry), ...x];
      const made = substitute(flat(next), new Map([...carries, ...rows].map((t, k) => [t, actual[k]])));
      const y = next[1] === null ? [] : made.slice(firsts.length);
      return [likeForm(initial, made.slice(0, firsts.length)), likeForm(next[1], y)];
    };
    return overPlaces({ ...recurrence, apply: on });
  }
  const [, y] = first;
  const results = recordLoop({
    carries: firsts.map((first, k) => ({ argument: carries[k], first })),
    rows: xs.map((of, k) => ({ argument: rows[k], of })),
    next: listOf(first[0]),
    stacked: y === null ? [] : listOf(y),
    summed: [],
    count: length,
    reverse,
  });
  return [likeForm(initial, results.slice(0, firsts.length)), likeForm(y, results.slice(firsts.length))];
}

/** Applies a step at each place, and stacks what it returns. */
function overPlaces<C extends Tensors, Y extends Tensors | null>(
  { apply, initial, xs, length, reverse }: Recurrence<C, Y>,
): [C, Y] {
  let carry = initial;
  const rows = new Array<Y>(length);
  for (let i = 0; i < length; i++) {
    const place = reverse ? length - 1 - i : i;
    const [next, y] = apply(carry, xs.map((x) => slice(x, [place])));
    carry = next;
    rows[place] = y;
    if (i > 0) checkRow(y, rows[reverse ? length - 1 : 0]);
  }
  const [form] = rows;
  if (form === null) return [carry, form];
  const stacked = listOf(form).map((_, k) => stack(rows.map((y) => listOf(y!)[k])));
  return [carry, likeForm(form, stacked)];
}

function textOf(tensors: Tensors | null): string {
  return tensors === null ? "null" : listOf(tensors).map(({ shape }) => formatShape(shape)).join(", ");
}

/** Throws if the results of two steps cannot be stacked. */
function checkRow(y: Tensors | null, first: Tensors | null): void {
  if (textOf(y) === textOf(first)) return;
  throw scanCall.error(`expected each step to return a y like the first, ${textOf(first)}, got ${textOf(y)}`);
}
