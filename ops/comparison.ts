/** Comparisons, and the logic of their results. None of them has a derivative. */
import { type Comparison, comparison, type Logical, logicalBinary, logicalUnary, type Unary } from "./define/scalar.ts";

/**
 * Whether `a` equals `b`. NaN equals nothing, not even itself.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { equal, tensor } from "gpugrad";
 *
 * assert.deepEqual(await equal(tensor([1, 2]), 2).toArray(), [false, true]);
 * ```
 */
export const equal: Comparison = /* @__PURE__ */ comparison("equal", (a, b) => a === b);

/**
 * Whether `a` differs from `b`. NaN differs from everything, itself included.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { notEqual, tensor } from "gpugrad";
 *
 * assert.deepEqual(await notEqual(tensor([1, 2]), 2).toArray(), [true, false]);
 * ```
 */
export const notEqual: Comparison = /* @__PURE__ */ comparison("notEqual", (a, b) => a !== b);

/**
 * Whether `a` is less than `b`; false if either is NaN.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { less, tensor } from "gpugrad";
 *
 * assert.deepEqual(await less(tensor([1, 2]), 2).toArray(), [true, false]);
 * ```
 */
export const less: Comparison = /* @__PURE__ */ comparison("less", (a, b) => a < b);

/**
 * Whether `a` is at most `b`; false if either is NaN.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { lessEqual, tensor } from "gpugrad";
 *
 * assert.deepEqual(await lessEqual(tensor([1, 2]), 2).toArray(), [true, true]);
 * ```
 */
export const lessEqual: Comparison = /* @__PURE__ */ comparison("lessEqual", (a, b) => a <= b);

/**
 * Whether `a` is greater than `b`; false if either is NaN.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { greater, tensor } from "gpugrad";
 *
 * assert.deepEqual(await greater(tensor([1, 2]), 2).toArray(), [false, false]);
 * ```
 */
export const greater: Comparison = /* @__PURE__ */ comparison("greater", (a, b) => a > b);

/**
 * Whether `a` is at least `b`; false if either is NaN.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { greaterEqual, tensor } from "gpugrad";
 *
 * assert.deepEqual(await greaterEqual(tensor([1, 2]), 2).toArray(), [false, true]);
 * ```
 */
export const greaterEqual: Comparison = /* @__PURE__ */ comparison("greaterEqual", (a, b) => a >= b);

/**
 * Whether both are true.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { logicalAnd, tensor } from "gpugrad";
 *
 * assert.deepEqual(await logicalAnd(tensor([true, false]), true).toArray(), [true, false]);
 * ```
 */
export const logicalAnd: Logical = /* @__PURE__ */ logicalBinary("logicalAnd", "and", (a, b) => a && b);

/**
 * Whether at least one is true.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { logicalOr, tensor } from "gpugrad";
 *
 * assert.deepEqual(await logicalOr(tensor([true, false]), true).toArray(), [true, true]);
 * ```
 */
export const logicalOr: Logical = /* @__PURE__ */ logicalBinary("logicalOr", "or", (a, b) => a || b);

/**
 * Whether an element is false: `bool` in, `bool` out. It has no derivative.
 *
 * @throws if the dtype is not `bool`.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { logicalNot, tensor } from "gpugrad";
 *
 * assert.deepEqual(await logicalNot(tensor([true, false])).toArray(), [false, true]);
 * ```
 */
export const logicalNot: Unary = /* @__PURE__ */ logicalUnary("logicalNot", "not", (x) => !x);
