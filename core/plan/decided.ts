/** Conditions that hold for all threads or for none, as those that tell the parts of joined arrays apart: they need no test. */
import type { Expression, Local } from "../expression.ts";

/** The least and the largest number that a value can be. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Returns the range of a local if it is known. */
export type RangeOf = (local: Local) => Range | undefined;

function rangeOf(expression: Expression, known: RangeOf): Range | undefined {
  if (expression.kind === "local") return known(expression);
  // Nothing is above, below or equal to NaN.
  if (expression.kind !== "literal" || Number.isNaN(expression.value)) return undefined;
  return { min: expression.value, max: expression.value };
}

/** Whether numbers of two ranges compare in one way: `null` if some do and others do not. */
const comparisons: Readonly<Record<string, (a: Range, b: Range) => boolean | null>> = {
  less: (a, b) => a.max < b.min ? true : a.min >= b.max ? false : null,
  lessEqual: (a, b) => a.max <= b.min ? true : a.min > b.max ? false : null,
  greater: (a, b) => comparisons.less(b, a),
  greaterEqual: (a, b) => comparisons.lessEqual(b, a),
  equal: (a, b) => {
    if (a.max < b.min || b.max < a.min) return false;
    return a.min === a.max && b.min === b.max ? true : null;
  },
  notEqual: (a, b) => negated(comparisons.equal(a, b)),
};

function negated(value: boolean | null): boolean | null {
  return value === null ? null : !value;
}

/** Whether a condition holds, if it does so everywhere or nowhere; otherwise `null`. */
export function decided(condition: Expression, known: RangeOf): boolean | null {
  if (condition.kind !== "call") return null;
  const { name, args: [a, b] } = condition;
  switch (name) {
    case "not":
      return negated(decided(a, known));
    case "and":
    case "or": {
      const deciding = name === "or";
      const both = [decided(a, known), decided(b, known)];
      if (both.includes(deciding)) return deciding;
      return both.includes(null) ? null : !deciding;
    }
    case "holds":
      return a.kind === "literal" ? a.value > 0.5 : null;
  }
  const [left, right] = condition.args.map((arg) => rangeOf(arg, known));
  return left && right ? comparisons[name]?.(left, right) ?? null : null;
}

/** The condition without those parts that are decided. One that is decided as a whole is returned as it is. */
export function simplified(condition: Expression, known: RangeOf): Expression {
  if (condition.kind !== "call") return condition;
  const { name, args } = condition;
  if (name === "not") return { ...condition, args: [simplified(args[0], known)] };
  if (name !== "and" && name !== "or") return condition;
  // A part that does not decide the whole leaves it to the other.
  const left = args.filter((arg) => decided(arg, known) !== (name === "and")).map((arg) => simplified(arg, known));
  return left.length === 1 ? left[0] : left.length === 0 ? condition : { ...condition, args: left };
}
