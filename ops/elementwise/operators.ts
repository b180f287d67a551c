/** The operators of JavaScript, over numbers that are known and numbers that are not. Known numbers are computed as in JavaScript. */
import { abs, add, div, mul, neg, sub } from "../arithmetic.ts";
import { equal, greater, greaterEqual, less, lessEqual, notEqual } from "../comparison.ts";
import { pow, trunc } from "../functions.ts";
import { where } from "../selection.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { Site } from "./source.ts";
import { Either, isUndefined, nameOf, not, numberOf, type Operand, scalarOf, truthOf, type Value } from "./values.ts";

type Known = (a: number, b: number) => number;
type Recorded = (a: Operand, b: Operand) => Tensor;

/** The remainder of a division, with the sign of the dividend. A rounded quotient may be one too large. */
function remainder(a: Operand, b: Operand): Tensor {
  const [isNegative, size] = [less(a, 0), abs(b)];
  // Not abs, which has no slope at 0.
  const x = where(isNegative, neg(a), a);
  const left = sub(x, mul(size, trunc(div(x, size))));
  const rest = where(less(left, 0), add(left, size), left);
  const result = where(less(x, size), x, rest);
  return where(isNegative, neg(result), result);
}

const arithmetic: Readonly<Record<string, readonly [Known, Recorded | null, instead?: string]>> = {
  "+": [(a, b) => a + b, add],
  "-": [(a, b) => a - b, sub],
  "*": [(a, b) => a * b, mul],
  "/": [(a, b) => a / b, div],
  "**": [(a, b) => a ** b, pow],
  "%": [(a, b) => a % b, remainder],
  "|": [(a, b) => a | b, null, "Math.trunc(x) cuts off the fraction that x | 0 does"],
  "&": [(a, b) => a & b, null],
  "^": [(a, b) => a ^ b, null],
  "<<": [(a, b) => a << b, null],
  ">>": [(a, b) => a >> b, null],
  ">>>": [(a, b) => a >>> b, null],
};

const comparisons: Readonly<Record<string, readonly [(a: number, b: number) => boolean, Recorded]>> = {
  "<": [(a, b) => a < b, less],
  "<=": [(a, b) => a <= b, lessEqual],
  ">": [(a, b) => a > b, greater],
  ">=": [(a, b) => a >= b, greaterEqual],
  "==": [(a, b) => a === b, equal],
  "!=": [(a, b) => a !== b, notEqual],
};

const isNothing = (value: Value) => value === null || isUndefined(value);

/** `===`, and `==` of what is no number. */
function isSame(a: Value, b: Value, strict: boolean, site: Site): Value {
  if (isNothing(a) || isNothing(b)) return isNothing(a) && isNothing(b) && (!strict || (a === null) === (b === null));
  const [x, y] = [scalarOf(a, site), scalarOf(b, site)];
  if (strict) {
    const [m, n] = [kindOf(x), kindOf(y)];
    const isKnown = typeof x !== "object" && typeof y !== "object";
    if (m === "either" || n === "either" || (m !== n && !isKnown)) {
      return site.fail("cannot compare a number and a truth value with ===, which never holds; == takes true for 1");
    }
    if (m !== n) return false;
  }
  return compare("==", x, y, site);
}

function kindOf(value: number | boolean | Tensor | Either): "number" | "truth" | "either" {
  if (value instanceof Either) return "either";
  return typeof value === "boolean" || (typeof value === "object" && value.dtype === "bool") ? "truth" : "number";
}

function compare(operator: string, a: Value, b: Value, site: Site): Value {
  const [known, record] = comparisons[operator];
  const [x, y] = [numberOf(a, site), numberOf(b, site)];
  return typeof x === "number" && typeof y === "number" ? known(x, y) : record(x, y);
}

/** An operator between two values. */
export function binary(operator: string, a: Value, b: Value, site: Site): Value {
  if (operator === "===" || operator === "==") return isSame(a, b, operator === "===", site);
  if (operator === "!==" || operator === "!=") return unary("!", isSame(a, b, operator === "!==", site), site);
  if (operator in comparisons) return compare(operator, a, b, site);
  const found = arithmetic[operator];
  if (!found) return site.fail(`cannot compute the operator ${operator}`);
  const [known, record, instead] = found;
  const [x, y] = [numberOf(a, site), numberOf(b, site)];
  if (typeof x === "number" && typeof y === "number") return known(x, y);
  if (!record) return site.fail(`cannot compute ${operator} of tensors${instead ? `; ${instead}` : ""}`);
  return record(x, y);
}

/** An operator before a value. */
export function unary(operator: string, value: Value, site: Site): Value {
  if (operator === "void") return undefined;
  if (operator === "!") {
    const truth = truthOf(value, site);
    return typeof truth === "boolean" ? !truth : not(truth);
  }
  const x = numberOf(value, site);
  switch (operator) {
    case "+":
      return x;
    case "-":
      return typeof x === "number" ? -x : neg(x);
    case "~":
      return typeof x === "number" ? ~x : site.fail("cannot compute ~ of tensors");
    default:
      return site.fail(`cannot compute ${operator} of ${nameOf(value)}`);
  }
}
