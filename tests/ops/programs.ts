/** Random programs of many ops, as plain data, to test what is fused, shared and split between them. */
import fc from "fast-check";
import type { Draw, Entry } from "../../core/op.ts";
import { registry } from "./registry.ts";
import { add, type Attributes, type DType, mul, sum, type Tensor, tensor } from "../../mod.ts";
import { drawFrom } from "../../verify/generate/draw.ts";
import { randomFrom } from "../../verify/random.ts";
import { type Plain, referenceOf } from "./reference.ts";

/** An input of a program. */
export interface ProgramLeaf {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

/** One op; inputs are indices of values: leaves first, then steps. */
export interface ProgramStep {
  readonly op: string;
  readonly inputs: readonly number[];
  readonly attributes: Attributes;
}

/** A program: its leaves, its steps and its outputs. */
export interface Program {
  readonly leaves: readonly ProgramLeaf[];
  readonly steps: readonly ProgramStep[];
  /** The indices of the requested values. */
  readonly outputs: readonly number[];
  readonly seed: number;
}

/**
 * What programs compute with: whole numbers, smooth functions alone, or real numbers with ops that decide, such as sort and max, and that
 * run along rows.
 */
export type Kind = "exact" | "smooth" | "real";

interface Known {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** The most elements of a value. */
const LARGEST = 3000;

const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

function broadcast(a: readonly number[], b: readonly number[]): number[] | null {
  const rank = Math.max(a.length, b.length);
  const out: number[] = [];
  for (let i = 0; i < rank; i++) {
    const [m, n] = [a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1];
    if (m !== n && m !== 1 && n !== 1) return null;
    out.push(m === 1 ? n : m);
  }
  return out;
}

/** Builds a program: its parts so far, and the ways to continue it. */
class Builder {
  readonly leaves: ProgramLeaf[] = [];
  readonly steps: ProgramStep[] = [];
  readonly #kind: Kind;
  readonly #draw: Draw;
  readonly #known: Known[] = [];

  constructor(kind: Kind, draw: Draw) {
    this.#kind = kind;
    this.#draw = draw;
  }

  /** The number of values. */
  get size(): number {
    return this.#known.length;
  }

  leaf(shape: readonly number[]): void {
    const random = randomFrom(this.#draw.int(0, 0x7fffffff));
    const value = () => (this.#kind === "exact" ? Math.floor(random() * 9) - 4 : Math.fround(random() * 3 - 1.5));
    this.leaves.push({ shape, values: Array.from({ length: sizeOf(shape) }, value) });
    this.#known.push({ shape, dtype: "float" });
  }

  /** Adds a step with a result of this shape, by default of dtype float. */
  #step(op: string, inputs: number[], attributes: Attributes, result: readonly number[] | Known): number {
    this.steps.push({ op, inputs, attributes });
    this.#known.push("dtype" in result ? result : { shape: result, dtype: "float" });
    return this.#known.length - 1;
  }

  /** A value of a given kind, later ones more often; in `real` programs mostly the last one, so that ops follow on each other. */
  #choose(fits: (k: Known) => boolean): number | null {
    const { int } = this.#draw;
    const all = this.#known.map((_, i) => i).filter((i) => fits(this.#known[i]));
    if (all.length === 0) return null;
    if (this.#kind === "real" && int(0, 3) > 0) return all[all.length - 1];
    return all[all.length - 1 - Math.min(int(0, all.length - 1), int(0, all.length - 1))];
  }

  #limit(i: number): number {
    return this.#kind === "exact" ? this.#step("clamp", [i], { min: -8, max: 8 }, this.#known[i].shape) : i;
  }

  /** Two values that broadcast together, in either order, and their broadcast shape. */
  #pair(): [number, number, number[]] {
    const a = this.#choose(float)!;
    const b = this.#choose((k) => {
      const shape = float(k) ? broadcast(this.#known[a].shape, k.shape) : null;
      return shape !== null && sizeOf(shape) <= LARGEST;
    })!;
    const shape = broadcast(this.#known[a].shape, this.#known[b].shape)!;
    return this.#draw.bool() ? [a, b, shape] : [b, a, shape];
  }

  unary() {
    const { pick } = this.#draw;
    const x = this.#choose(float)!;
    const op = this.#kind === "exact"
      ? pick(["neg", "abs", "relu", "sign"])
      : pick(["sin", "tanh", "neg", "sigmoid", "exp", ...(this.#kind === "real" ? ["relu", "abs"] : [])]);
    const bounded = op === "exp" ? this.#step("tanh", [x], {}, this.#known[x].shape) : x;
    this.#step(op, [bounded], {}, this.#known[x].shape);
  }

  binary() {
    const { pick } = this.#draw;
    const [a, b, shape] = this.#pair();
    const op = pick(["add", "mul", "sub", ...(this.#kind === "smooth" ? [] : ["maximum", "minimum"])]);
    this.#limit(this.#step(op, [a, b], {}, shape));
  }

  where() {
    const { pick } = this.#draw;
    const [a, b, shape] = this.#pair();
    const condition = this.#step(pick(["less", "greaterEqual", "equal"]), [a, b], {}, { shape, dtype: "bool" });
    const [c, d, inner] = this.#pair();
    const all = broadcast(shape, inner);
    if (all && sizeOf(all) <= LARGEST) this.#step("where", [condition, c, d], {}, all);
  }

  logic() {
    const { pick } = this.#draw;
    const a = this.#choose((k) => k.dtype === "bool");
    if (a === null) return;
    const op = pick(["logicalNot", "any", "all"]);
    if (op === "logicalNot") this.#step(op, [a], {}, { shape: this.#known[a].shape, dtype: "bool" });
    else this.#step(op, [a], { axes: this.#known[a].shape.map((_, i) => i) }, { shape: [], dtype: "bool" });
  }

  reduce() {
    const { int, pick, bool } = this.#draw;
    const x = this.#choose((k) => float(k) && k.shape.length > 0 && sizeOf(k.shape) > 0);
    if (x === null) return;
    const { shape } = this.#known[x];
    // Rows of real numbers remain rows.
    const one = this.#kind === "real" ? int(0, shape.length - 1) : null;
    const axes = shape.flatMap((_, i) => (one === null ? bool() : i === one) ? [i] : []);
    const kept = shape.filter((_, i) => !axes.includes(i));
    const op = pick(
      {
        exact: ["sum", "max", "min"],
        smooth: ["sum", "mean", "logSumExp"],
        real: ["sum", "sum", "mean", "logSumExp", "prod", "max", "min"],
      }[this.#kind],
    );
    const reduced = this.#limit(this.#step(op, [x], { axes }, kept));
    // A reduction is often broadcast back over its input.
    if ((one !== null && shape.length === 1) || bool()) {
      this.#limit(
        this.#step(
          "sub",
          [
            x,
            this.#step(
              "reshape",
              [reduced],
              { shape: shape.map((n, i) => (axes.includes(i) ? 1 : n)) },
              shape.map((n, i) => (axes.includes(i) ? 1 : n)),
            ),
          ],
          {},
          shape,
        ),
      );
    }
  }

  /** Sums of the products of each element of a row with a function of all of them. */
  outer() {
    const { int } = this.#draw;
    const x = this.#choose((k) => float(k) && k.shape.length > 0 && sizeOf(k.shape) > 0);
    if (x === null) return;
    const { shape } = this.#known[x];
    const axis = int(0, shape.length - 1);
    const [n, before, after] = [shape[axis], shape.slice(0, axis), shape.slice(axis + 1)];
    if (sizeOf(shape) * n > LARGEST || shape.length > 3) return;
    const bounded = this.#step("tanh", [x], {}, shape);
    const column = this.#step("unsqueeze", [x], { axis }, [...before, 1, n, ...after]);
    const row = this.#step("unsqueeze", [bounded], { axis: axis + 1 }, [...before, n, 1, ...after]);
    const products = this.#step("mul", [column, row], {}, [...before, n, n, ...after]);
    this.#step("sum", [products], { axes: [axis + int(0, 1)] }, shape);
  }

  position() {
    const { int, pick } = this.#draw;
    const x = this.#choose((k) => float(k) && k.shape.length > 0 && sizeOf(k.shape) > 0);
    if (x === null) return;
    const axis = int(0, this.#known[x].shape.length - 1);
    const shape = this.#known[x].shape.filter((_, i) => i !== axis);
    const found = this.#step(pick(["argmax", "argmin"]), [x], { axes: [axis] }, { shape, dtype: "int" });
    const kept = this.#known[x].shape.map((n, i) => (i === axis ? 1 : n));
    const indices = this.#step("unsqueeze", [found], { axis }, { shape: kept, dtype: "int" });
    this.#step("gather", [x, indices], { axis }, this.#known[indices].shape);
  }

  order() {
    const { int, pick, bool } = this.#draw;
    const x = this.#choose((k) => float(k) && k.shape.length > 0 && sizeOf(k.shape) > 0 && Math.max(...k.shape) <= 40);
    if (x === null) return;
    const { shape } = this.#known[x];
    const axis = int(0, shape.length - 1);
    const op = pick(["sort", "rank", "topKMask", "scatterAdd"]);
    if (op === "sort") this.#step(op, [x], { axis, descending: bool() }, shape);
    else if (op === "topKMask") this.#step(op, [x], { axis, k: int(0, shape[axis]) }, { shape, dtype: "bool" });
    else {
      const order = this.#step("rank", [x], { axis, descending: bool() }, { shape, dtype: "int" });
      if (op === "scatterAdd") this.#limit(this.#step(op, [x, order, x], { axis }, shape));
      else this.#step("gather", [x, order], { axis }, shape);
    }
  }

  /** An op along the rows of one axis. */
  row() {
    const { int, pick, bool } = this.#draw;
    const x = this.#choose((k) => float(k) && k.shape.length > 0 && sizeOf(k.shape) > 0);
    if (x === null) return;
    const { shape } = this.#known[x];
    const axis = int(0, shape.length - 1);
    const op = pick(["cumsum", "cumprod", "softmax", "shifted", "topK", "split"]);
    const along = (count: number) => shape.map((n, i) => (i === axis ? count : n));
    if (op === "topK" || op === "split") {
      const k = int(1, shape[axis]);
      this.#step(op, [x], op === "topK" ? { axis, k } : { axis, sizes: [shape[axis] - k, k], part: 1 }, along(k));
    } else if (op === "shifted") this.#step(op, [x], { axis, by: int(-2, 2) }, shape);
    else this.#step(op, [x], op === "softmax" ? { axis } : { axis, reverse: bool() }, shape);
  }

  move() {
    const { int, pick, bool } = this.#draw;
    const x = this.#choose((k) => float(k) && k.shape.length > 0)!;
    if (x === null) return;
    const { shape } = this.#known[x];
    const axis = int(0, shape.length - 1);
    switch (pick(["transpose", "reshape", "slice", "pad", "flip", "concat", "stack", "broadcastTo", "unsqueeze"])) {
      case "transpose": {
        const rest = shape.map((_, i) => i);
        const order = shape.map(() => rest.splice(int(0, rest.length - 1), 1)[0]);
        return void this.#step("transpose", [x], { order }, order.map((a) => shape[a]));
      }
      case "reshape":
        return void this.#step("reshape", [x], { shape: [sizeOf(shape)] }, [sizeOf(shape)]);
      case "slice": {
        const counts = shape.map((n) => Math.min(n, int(1, 4)));
        const steps = shape.map((n, i) => (counts[i] > 1 ? int(1, Math.floor((n - 1) / (counts[i] - 1))) : 1));
        const starts = shape.map((n, i) => int(0, Math.max(0, n - 1 - (counts[i] - 1) * steps[i])));
        return void this.#step("slice", [x], { starts, steps, counts }, counts);
      }
      case "pad": {
        if (sizeOf(shape) === 0) return;
        const [before, after] = [shape.map(() => int(0, 2)), shape.map(() => int(0, 2))];
        const to = shape.map((n, i) => before[i] + n + after[i]);
        if (sizeOf(to) <= LARGEST) this.#step("pad", [x], { before, after, value: int(-2, 2) }, to);
        return;
      }
      case "flip":
        return void this.#step("flip", [x], { axis }, shape);
      case "concat":
      case "stack": {
        const same = (k: Known) => float(k) && k.shape.join() === shape.join();
        const parts = [x, ...Array.from({ length: int(0, 3) }, () => this.#choose(same)!)];
        if (sizeOf(shape) * parts.length > LARGEST) return;
        if (bool()) this.#step("concat", parts, { axis }, shape.map((n, i) => (i === axis ? n * parts.length : n)));
        else this.#step("stack", parts, { axis }, [...shape.slice(0, axis), parts.length, ...shape.slice(axis)]);
        return;
      }
      case "broadcastTo": {
        const to = [int(1, 3), ...shape.map((n) => (n === 1 ? int(1, 3) : n))];
        if (sizeOf(to) <= LARGEST && to.length <= 4) this.#step("broadcastTo", [x], { shape: to }, to);
        return;
      }
      case "unsqueeze":
        if (shape.length < 4) {
          this.#step("unsqueeze", [x], { axis }, [...shape.slice(0, axis), 1, ...shape.slice(axis)]);
        }
    }
  }

  multiply() {
    const a = this.#choose((k) => float(k) && k.shape.length === 2);
    if (a === null) return;
    const b = this.#choose((k) => float(k) && k.shape.length === 2 && k.shape[0] === this.#known[a].shape[1]);
    if (b === null || this.#known[a].shape[0] * this.#known[b].shape[1] > LARGEST) return;
    this.#limit(this.#step("matmul", [a, b], {}, [this.#known[a].shape[0], this.#known[b].shape[1]]));
  }

  /** Adds the step of a program that would have none. */
  negate(): void {
    this.#step("neg", [0], {}, this.#known[0].shape);
  }
}

const float = (k: Known) => k.dtype === "float";

const SMOOTH = ["unary", "binary", "reduce", "move", "binary", "multiply"] as const;
const EXACT = [...SMOOTH, "where", "logic", "position", "order", "move", "reduce"] as const;
const REAL = [
  ...SMOOTH,
  "where",
  "position",
  "order",
  "order",
  "order",
  "row",
  "row",
  "outer",
  "outer",
  "reduce",
] as const;

/**
 * Generates programs. `exact` programs use whole numbers between -8 and 8, which every backend computes exactly; the
 * derivatives of `smooth` ones can be compared with differences; `real` ones round, select and have kinks.
 */
export function programs(kind: Kind, longest = 14): fc.Arbitrary<Program> {
  return fc.gen().map((g) => {
    const draw = drawFrom(g);
    const { int, pick } = draw;
    const built = new Builder(kind, draw);
    // Sums of more than four numbers are loops; up to eight, ranks are found by comparing all pairs.
    const sizes = kind === "real" ? [7, 6, 5, 8, 2, 10] : [2, 3, 1, 4, 5];
    const rank = kind === "real" ? pick([3, 3, 2, 1]) : int(1, 3);
    const base = Array.from({ length: rank }, () => pick(sizes));
    // Occasionally an axis that is reduced in stages.
    if (kind === "exact" && int(0, 5) === 0) base.splice(0, base.length, pick([600, 521]), pick([1, 2, 3]));
    built.leaf(base);
    built.leaf(base.map((n) => (int(0, 2) === 0 ? 1 : n)));
    built.leaf(base.slice(int(0, base.length)));
    for (let count = int(kind === "real" ? Math.ceil(longest / 2) : 1, longest); count > 0; count--) {
      built[pick<typeof EXACT[number] | typeof REAL[number]>({ exact: EXACT, smooth: SMOOTH, real: REAL }[kind])]();
    }
    if (built.steps.length === 0) built.negate();
    const { leaves, steps, size } = built;
    const outputs = [size - 1, ...Array.from({ length: int(0, 2) }, () => int(leaves.length, size - 1))];
    return { leaves, steps, outputs, seed: int(0, 0x7fffffff) };
  });
}

/** Records a program with the ops of a registry. */
export function record(
  program: Program,
  leaves: readonly Tensor[],
  ops: ReadonlyMap<string, Pick<Entry, "apply">> = registry(),
): Tensor[] {
  const values = [...leaves];
  for (const { op, inputs, attributes } of program.steps) {
    const entry = ops.get(op);
    if (!entry) throw new Error(`programs: the registry has no op "${op}"`);
    values.push(entry.apply(inputs.map((i) => values[i]), attributes));
  }
  return program.outputs.map((i) => values[i]);
}

/** The leaves of a program. */
export function tensorsOf(program: Program): Tensor[] {
  return program.leaves.map(({ shape, values }) => tensor([...values], [...shape]));
}

/** Random weights of a program's outputs, one array for each, in [-1, 1). */
export function weightsOf(program: Program, outputs: readonly { readonly size: number; readonly dtype: DType }[]) {
  const random = randomFrom(program.seed);
  return outputs.map(({ size, dtype }) =>
    Array.from({ length: dtype === "float" ? size : 0 }, () => Math.fround(random() * 2 - 1))
  );
}

/** The weighted sum of the float outputs, `null` if there are none. */
export function lossOf(program: Program, outputs: readonly Tensor[]): Tensor | null {
  const weights = weightsOf(program, outputs);
  const parts = outputs.flatMap((t, i) => (t.dtype === "float" ? [sum(mul(t, tensor(weights[i], [...t.shape])))] : []));
  return parts.length === 0 ? null : parts.reduce((a, b) => add(a, b));
}

/** Runs a program with plain loops. */
export function interpret(program: Program): Plain[] {
  const values: Plain[] = program.leaves.map(({ shape, values }) => ({ shape, data: values }));
  for (const { op, inputs, attributes } of program.steps) {
    values.push(referenceOf(op)(inputs.map((i) => values[i]), attributes));
  }
  return program.outputs.map((i) => values[i]);
}

/** Formats a program, one line per step. */
export function describeProgram(program: Program): string {
  const leaves = program.leaves.map(({ shape }, i) => `v${i} = leaf [${shape.join(", ")}]`);
  const steps = program.steps.map(({ op, inputs, attributes }, i) =>
    `v${i + leaves.length} = ${op}(${inputs.map((k) => `v${k}`).join(", ")}) ${JSON.stringify(attributes)}`
  );
  return [...leaves, ...steps, `returns ${program.outputs.map((i) => `v${i}`).join(", ")}`].join("\n");
}
