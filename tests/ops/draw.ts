/**
 * Draws inputs from the domain in an op's record: fast-check implements the record's `Draw`, so that a failure shrinks,
 * and each input is drawn as a leaf and the views (transposed, broadcast, sliced, flipped, reshaped) through which the
 * op reads it.
 */
import fc from "fast-check";
import type { Draw, Entry, InputSpec } from "../../core/op.ts";
import type { Attributes, DType, Tensor } from "../../mod.ts";
import { broadcastTo, flip, reshape, slice, tensor, transpose } from "../../mod.ts";
import { drawFrom } from "../../verify/generate/draw.ts";
import { randomFrom } from "../../verify/random.ts";

/** One step from a leaf to an input. */
export type View =
  | { readonly kind: "transpose"; readonly from: readonly number[]; readonly permutation: readonly number[] }
  | { readonly kind: "broadcast"; readonly from: readonly number[]; readonly to: readonly number[] }
  | {
    readonly kind: "slice";
    readonly from: readonly number[];
    readonly start: readonly number[];
    readonly step: readonly number[];
    readonly to: readonly number[];
  }
  | { readonly kind: "flip"; readonly from: readonly number[]; readonly axis: number }
  | { readonly kind: "reshape"; readonly from: readonly number[]; readonly to: readonly number[] };

/** An input of a drawn case, as plain data. */
export interface DrawnInput {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly leaf: { readonly shape: readonly number[]; readonly values: readonly number[] };
  /** From the leaf to the input, in order. */
  readonly views: readonly View[];
}

/** A drawn case of a registered op, as plain data. */
export interface DrawnCase {
  readonly op: string;
  readonly attributes: Attributes;
  readonly inputs: readonly DrawnInput[];
  /** The seed of further random numbers of the case (cotangents). */
  readonly seed: number;
}

/** Options of drawing. */
export interface DrawOptions {
  /**
   * Whether values that the record wants distinct may be equal anyway: ties matter for results, if not for derivatives.
   */
  readonly ties?: boolean;
}

const SEEDS = { min: 0, max: 0x7fffffff };
/** The distance that a drawn value keeps from values to avoid. */
const CLEARANCE = 0.05;

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** Draws the views from a leaf to an input of this shape: mostly none. */
function drawViews(
  draw: Draw,
  shape: readonly number[],
  mayRepeat: boolean,
): { leaf: readonly number[]; views: View[] } {
  const views: View[] = [];
  let at = shape;
  for (let count = draw.pick([0, 0, 1, 1, 2]); count > 0; count--) {
    const view = drawView(draw, at, mayRepeat);
    if (!view) continue;
    views.unshift(view);
    at = view.from;
  }
  return { leaf: at, views };
}

function drawView(draw: Draw, to: readonly number[], mayRepeat: boolean): View | null {
  switch (draw.pick(["transpose", "slice", "reshape", "flip", "broadcast"] as const)) {
    case "transpose": {
      if (to.length < 2) return null;
      const rest = to.map((_, i) => i);
      const permutation = to.map(() => rest.splice(draw.int(0, rest.length - 1), 1)[0]);
      const from = new Array<number>(to.length);
      permutation.forEach((axis, i) => (from[axis] = to[i]));
      return { kind: "transpose", from, permutation };
    }
    case "slice": {
      const start = to.map(() => draw.int(0, 2));
      const step = to.map(() => draw.pick([1, 1, 2]));
      const from = to.map((n, i) => start[i] + (n === 0 ? 0 : (n - 1) * step[i] + 1) + draw.int(0, 2));
      return { kind: "slice", from, start, step, to };
    }
    case "reshape":
      return { kind: "reshape", from: [sizeOf(to)], to };
    case "flip":
      return to.length === 0 ? null : { kind: "flip", from: to, axis: draw.int(0, to.length - 1) };
    case "broadcast": {
      if (!mayRepeat) return null;
      const from = to.map((n) => (draw.bool() ? 1 : n)).slice(draw.pick([0, 0, 1]));
      return { kind: "broadcast", from, to };
    }
  }
}

/** Which values are wanted. */
interface Wanted {
  readonly count: number;
  /** Values that others must keep away from; those that are drawn as distinct are added. */
  readonly taken: number[];
  readonly distinct: boolean;
}

/** Values for a leaf: all of them exact in float32. */
function drawValues(draw: Draw, spec: InputSpec, { count, taken, distinct }: Wanted): number[] {
  const { dtype = "float", avoid = [], min = dtype === "bool" ? 0 : -3, max = dtype === "bool" ? 1 : 3 } = spec;
  const random = randomFrom(draw.int(SEEDS.min, SEEDS.max));
  if (dtype !== "float") {
    if (!distinct) return Array.from({ length: count }, () => min + Math.floor(random() * (max - min + 1)));
    const all = Array.from({ length: max - min + 1 }, (_, i) => min + i);
    return shuffle(all, random).slice(0, count);
  }
  const allowed = (x: number) => x >= min && x <= max && avoid.every((a) => Math.abs(x - a) >= CLEARANCE);
  if (distinct) return distinctValues({ min, max, allowed }, count, taken, random);
  // Coarse values produce ties, fine ones do not.
  const grain = draw.pick([0.5, 0.125, 0]);
  return Array.from({ length: count }, () => {
    for (let attempt = 0; attempt < 100; attempt++) {
      const x = min + random() * (max - min);
      const value = Math.fround(grain > 0 && attempt < 20 ? Math.round(x / grain) * grain : x);
      if (allowed(value)) return value;
    }
    return Math.fround((min + max) / 2);
  });
}

/** Values in random order, no two of which are close to each other or to those taken. */
function distinctValues(
  { min, max, allowed }: { min: number; max: number; allowed: (x: number) => boolean },
  count: number,
  taken: number[],
  random: () => number,
): number[] {
  for (let cells = 2 * (count + taken.length) + 8; cells < 1e6; cells *= 2) {
    const width = (max - min) / cells;
    const free: number[] = [];
    for (let i = 0; i < cells; i++) {
      const x = Math.fround(min + (i + 0.5 + (random() - 0.5) / 2) * width);
      if (allowed(x) && taken.every((t) => Math.abs(t - x) > width / 2)) free.push(x);
    }
    if (free.length < count) continue;
    const values = shuffle(free, random).slice(0, count);
    taken.push(...values);
    return values;
  }
  throw new Error(`draw: no ${count} distinct values between ${min} and ${max}`);
}

function shuffle<T>(values: T[], random: () => number): T[] {
  for (let i = values.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [values[i], values[j]] = [values[j], values[i]];
  }
  return values;
}

/** Cases of a registered op or composite, inside its domain. */
export function caseOf(entry: Entry, { ties = false }: DrawOptions = {}): fc.Arbitrary<DrawnCase> {
  return fc.gen().map((g) => {
    const draw = drawFrom(g);
    const drawn = entry.domain(draw);
    const mayTie = ties && draw.bool();
    const taken: number[] = [];
    const inputs = drawn.inputs.map((spec): DrawnInput => {
      const { shape, dtype = "float" } = spec;
      const distinct = spec.distinct === true && !mayTie;
      const { leaf, views } = drawViews(draw, shape, !distinct);
      const values = drawValues(draw, spec, { count: sizeOf(leaf), taken, distinct });
      return { shape, dtype, leaf: { shape: leaf, values }, views };
    });
    return { op: entry.name, attributes: drawn.attributes ?? {}, inputs, seed: draw.int(SEEDS.min, SEEDS.max) };
  });
}

/** The API that records a case: the functions of `mod.ts`, or of another version of it. */
export interface Recorder {
  tensor(values: number[], shape: number[], options: { dtype: DType }): Tensor;
  broadcastTo(x: Tensor, shape: number[]): Tensor;
  flip(x: Tensor, axis: number): Tensor;
  reshape(x: Tensor, shape: number[]): Tensor;
  slice(x: Tensor, ranges: [number, number, number][]): Tensor;
  transpose(x: Tensor, order: number[]): Tensor;
}

const here: Recorder = { tensor, broadcastTo, flip, reshape, slice, transpose };

/** The leaves of a case. */
export function leavesOf(drawn: DrawnCase, { tensor }: Recorder = here): Tensor[] {
  return drawn.inputs.map(({ leaf, dtype }) => tensor([...leaf.values], [...leaf.shape], { dtype }));
}

/** The inputs of a case, computed from its leaves. */
export function inputsFrom(drawn: DrawnCase, leaves: readonly Tensor[], recorder: Recorder = here): Tensor[] {
  return drawn.inputs.map(({ views }, i) => views.reduce((x, view) => viewOf(x, view, recorder), leaves[i]));
}

function viewOf(x: Tensor, view: View, { broadcastTo, flip, reshape, slice, transpose }: Recorder): Tensor {
  switch (view.kind) {
    case "transpose":
      return transpose(x, [...view.permutation]);
    case "broadcast":
      return broadcastTo(x, [...view.to]);
    case "slice":
      return slice(
        x,
        view.to.map((n, i): [number, number, number] => [
          view.start[i],
          n === 0 ? view.start[i] : view.start[i] + (n - 1) * view.step[i] + 1,
          view.step[i],
        ]),
      );
    case "flip":
      return flip(x, view.axis);
    case "reshape":
      return reshape(x, [...view.to]);
  }
}

/** The position in the leaf of each element of an input, in row-major order. */
export function positionsOf(input: DrawnInput): number[] {
  let positions = input.leaf.values.map((_, i) => i);
  for (const view of input.views) {
    const to = view.kind === "transpose"
      ? view.permutation.map((axis) => view.from[axis])
      : view.kind === "flip"
      ? view.from
      : view.to;
    const from = view.from;
    const next: number[] = [];
    const visit = (at: number[]): void => {
      if (at.length < to.length) {
        for (let i = 0; i < to[at.length]; i++) visit([...at, i]);
        return;
      }
      let source: number[];
      switch (view.kind) {
        case "transpose":
          source = new Array<number>(from.length);
          view.permutation.forEach((axis, i) => (source[axis] = at[i]));
          break;
        case "broadcast":
          source = from.map((n, i) => (n === 1 ? 0 : at[i + to.length - from.length]));
          break;
        case "slice":
          source = at.map((n, i) => view.start[i] + n * view.step[i]);
          break;
        case "flip":
          source = at.map((n, i) => (i === view.axis ? from[i] - 1 - n : n));
          break;
        case "reshape":
          next.push(positions[next.length]);
          return;
      }
      let flat = 0;
      for (let i = 0; i < from.length; i++) flat = flat * from[i] + source[i];
      next.push(positions[flat]);
    };
    visit([]);
    positions = next;
  }
  return positions;
}

/** The values of an input in row-major order, as plain numbers. */
export function valuesOf(input: DrawnInput): number[] {
  return positionsOf(input).map((at) => input.leaf.values[at]);
}

/** Formats a case in a line. */
export function describeCase(drawn: DrawnCase): string {
  const inputs = drawn.inputs.map((input) => {
    const views = input.views.map((v) => `${v.kind} of [${v.from.join(", ")}]`).reverse().join(", ");
    return `[${input.shape.join(", ")}] ${input.dtype}${views && ` (${views})`}`;
  });
  return `${drawn.op}(${inputs.join("; ")}) ${JSON.stringify(drawn.attributes)}`;
}
