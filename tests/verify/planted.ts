/**
 * Functions with an error in their gradient, each of a kind that other checkers are known to miss, and inputs that can
 * show it.
 */
import type fc from "fast-check";
import type { ElementwiseKernel, Op } from "../../core/op.ts";
import { record } from "../../core/record.ts";
import {
  add,
  broadcastTo,
  detach,
  equal,
  exp,
  flip,
  greater,
  less,
  log,
  mul,
  neg,
  reshape,
  slice,
  sum,
  type Tensor,
  transpose,
  unsqueeze,
  where,
  zeros,
} from "../../mod.ts";
import { type GradcheckOptions, type InputLike, shapes, tensors } from "../../verify/mod.ts";

type Rule = NonNullable<NonNullable<Op["vjp"]>[number]>;

/** A planted error. */
export interface Planted {
  readonly f: (...tensors: Tensor[]) => Tensor;
  readonly inputs: fc.Arbitrary<readonly InputLike[]>;
  /** The op whose rule is wrong, which the report must name. */
  readonly op: string;
  /** The number of elements, of all inputs together, that suffice to show it: the shrunk failure has no more. */
  readonly smallest: number;
  readonly options?: GradcheckOptions;
}

/** An op with the inputs' common shape. */
function elementwise(name: string, expression: ElementwiseKernel["expression"], vjp: Op["vjp"]): Op {
  return {
    name,
    infer: (inputs) => ({
      shape: inputs.reduce((a, b) => (b.size > a.size || b.shape.length > a.shape.length ? b : a)).shape,
      dtype: "float",
    }),
    kernel: { kind: "elementwise", cost: 10, expression },
    vjp,
  };
}

/** The exponential with a custom rule. */
function exponential(rule: Rule): (x: Tensor) => Tensor {
  const op = elementwise("planted", ([x], _, lower) => lower.call("exp", x), [rule]);
  return (x) => record(op, [x]);
}

const any = tensors(shapes({ maxRank: 2 }).map((shape) => [shape]), { min: -2, max: 2 });
const right: Rule = ({ cotangent, output }) => mul(cotangent, output);

/** The product of two inputs, with a custom gradient of the second one. */
function product(second: Rule | null): (x: Tensor, y: Tensor) => Tensor {
  const op = elementwise("planted", ([a, b]) => `(${a} * ${b})`, [
    ({ cotangent, inputs: [, b] }) => mul(cotangent, b),
    second,
  ]);
  return (x, y) => record(op, [x, y]);
}
const pairs = tensors(shapes({ maxRank: 2 }).map((shape) => [shape, shape]));

/** The sum over the last axis, added to a vector; each with a custom rule. */
function addTotal(rules: [Rule, Rule]): (x: Tensor, y: Tensor) => Tensor {
  const op: Op = {
    name: "planted",
    infer: ([, y]) => ({ shape: y.shape, dtype: "float" }),
    kernel: { kind: "lowered", lower: ([x, y]) => add(sum(x, 1), y) },
    vjp: rules,
  };
  return (x, y) => record(op, [x, y]);
}
const spread: Rule = ({ cotangent, inputs: [x] }) => broadcastTo(unsqueeze(cotangent, 1), x.shape);
const pass: Rule = ({ cotangent }) => cotangent;
const rows = tensors(
  shapes({ minRank: 2, maxRank: 2, maxAxis: 3 }).map(([rows, columns]) => [[rows, columns], [rows]]),
);

/** A table and a row that is added to each of its rows. */
const addRow = elementwise("planted", ([a, b]) => `(${a} + ${b})`, [
  ({ cotangent }) => cotangent,
  // The first row's cotangent; the sum over all rows would be right.
  ({ cotangent, inputs: [, row] }) => reshape(slice(cotangent, [[0, 1], null]), row.shape),
]);

const rotated: Op = {
  name: "planted",
  infer: ([x]) => ({ shape: [x.shape[1], x.shape[2], x.shape[0]], dtype: "float" }),
  kernel: { kind: "movement", source: (out) => [out[2], out[0], out[1]] },
  // The permutation [2, 0, 1] would undo it.
  vjp: [({ cotangent }) => transpose(cotangent, [1, 2, 0])],
};
const cubes = tensors(shapes({ minRank: 1, maxRank: 1, minAxis: 1, maxAxis: 3 }).map(([n]) => [[n, n, n]]));

const larger = elementwise("planted", ([a, b]) => `Math.max(${a}, ${b})`, [
  // At equality, both get the whole gradient.
  ({ cotangent, inputs: [a, b] }) => where(less(a, b), 0, cotangent),
  ({ cotangent, inputs: [a, b] }) => where(greater(a, b), 0, cotangent),
]);
const tied = tensors(shapes({ maxRank: 1, minAxis: 1 }).map((shape) => [shape, shape]))
  .map((list) => list.map((t) => ({ ...t, values: Array.from(t.values, Math.round) })));

/** Whether float32 is rounded after each operation, as on the host: a kernel can detect this. */
const slope = elementwise(
  "planted",
  ([x], _, lower) => (lower.round("x") === "x" ? lower.call("exp", x) : `(${lower.call("exp", x)} * 1.001)`),
  [right],
);

/** One per kind of error. */
export const planted: Readonly<Record<string, Planted>> = {
  "a factor of 1.001": {
    f: exponential(({ cotangent, output }) => mul(mul(cotangent, output), 1.001)),
    inputs: any,
    op: "planted",
    smallest: 1,
  },
  "a missing term": {
    f: ((op) => (x: Tensor) => record(op, [x]))(
      // The derivative of x * exp(x) is exp(x) + x * exp(x).
      elementwise("planted", ([x], _, lower) => `(${x} * ${lower.call("exp", x)})`, [right]),
    ),
    inputs: any,
    op: "planted",
    smallest: 1,
  },
  "a sign": {
    f: exponential(({ cotangent, output }) => neg(mul(cotangent, output))),
    inputs: any,
    op: "planted",
    smallest: 1,
  },
  "a missing unbroadcast": {
    f: (table, row) => record(addRow, [table, row]),
    inputs: tensors(
      shapes({ minRank: 2, maxRank: 2, minAxis: 1 }).map(([rows, columns]) => [[rows, columns], [columns]]),
    ),
    op: "planted",
    smallest: 3,
  },
  "a transposed axis": { f: (x) => record(rotated, [x]), inputs: cubes, op: "planted", smallest: 8 },
  "a cotangent that is ignored": {
    f: exponential(({ output }) => mul(output, 1)),
    inputs: any,
    op: "planted",
    smallest: 1,
  },
  "right for a cotangent of 1 only": {
    f: exponential(({ cotangent, output }) => mul(mul(cotangent, cotangent), output)),
    inputs: any,
    op: "planted",
    smallest: 1,
  },
  "right at order 1, wrong at order 2": {
    f: exponential(({ cotangent, output }) => mul(cotangent, detach(output))),
    inputs: any,
    op: "planted",
    smallest: 1,
    options: { order: 2 },
  },
  "right at order 1, a factor of 1.001 at order 2": {
    f: exponential(({ cotangent, output }) => mul(cotangent, add(mul(output, 1.001), mul(detach(output), -0.001)))),
    inputs: any,
    op: "planted",
    smallest: 1,
    options: { order: 2 },
  },
  "wrong only at ties": { f: (x, y) => record(larger, [x, y]), inputs: tied, op: "planted", smallest: 2 },
  "wrong only on one backend": {
    f: (x) => record(slope, [x]),
    inputs: any,
    op: "planted",
    smallest: 1,
    options: { device: "cpu" },
  },
  "a neighbour's element": {
    f: exponential((context) =>
      context.output.shape.length > 0 ? mul(flip(context.cotangent, 0), context.output) : right(context)
    ),
    inputs: any,
    op: "planted",
    smallest: 2,
  },
  "a sum in place of elements": {
    f: exponential(({ cotangent, output }) => mul(output, sum(cotangent))),
    inputs: any,
    op: "planted",
    smallest: 2,
  },
  "an input that gets no gradient": { f: product(null), inputs: pairs, op: "planted", smallest: 2 },
  "an input that is detached": { f: (x, y) => mul(x, detach(y)), inputs: pairs, op: "detach", smallest: 2 },
  "wrong for axes of one element": {
    f: addTotal([
      (context) => context.inputs[0].shape[1] === 1 ? zeros(context.inputs[0].shape) : spread(context),
      pass,
    ]),
    inputs: rows,
    op: "planted",
    smallest: 2,
  },
  "wrong for empty axes": {
    f: addTotal([spread, ({ cotangent, inputs: [x] }) => (x.shape[1] === 0 ? zeros(cotangent.shape) : cotangent)]),
    inputs: rows,
    op: "planted",
    smallest: 1,
  },
  "a gradient of the wrong shape": {
    f: exponential(({ cotangent, output }) => reshape(mul(cotangent, output), [cotangent.size, 1, 1, 1])),
    inputs: any,
    op: "planted",
    smallest: 2,
  },
  "NaN where the derivative is finite": {
    // 0 / 0 at 0.
    f: ((op) => (x: Tensor) => record(op, [x]))(elementwise("planted", ([x]) => `(${x} * ${x})`, [
      ({ cotangent, inputs: [x] }) => mul(cotangent, mul(2, exp(log(x)))),
    ])),
    inputs: any,
    op: "planted",
    smallest: 1,
  },
  "a rule that compares for equality": {
    f: exponential(({ cotangent, inputs: [x], output }) => mul(cotangent, where(equal(x, 0), 0, output))),
    inputs: any,
    op: "planted",
    smallest: 4,
  },
};
