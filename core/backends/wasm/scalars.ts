/** Scalar functions, on scalars and in lanes: those of `core/backends/functions.ts` by their names. */
import { extract, op, select, type Value } from "./code.ts";
import { LANE_FUNCTIONS, weightInLanes } from "./lanes.ts";
import { type Operand, Operands } from "./operands.ts";

/** A function of operands. */
type Write = (operands: readonly Operand[], to: Scalars) => Operand;

/** An instruction that exists on scalars and in lanes. */
function instruction(name: string): Write {
  return (operands, to) =>
    to.apply(
      "number",
      operands.map((x) => to.number(x)),
      (...args) => op(`f32x4.${name}`, ...args),
      (...args) => op(`f32.${name}`, ...args),
    );
}

function comparison(name: string): Write {
  return (operands, to) =>
    to.apply(
      "condition",
      operands.map((x) => to.number(x)),
      (...args) => op(`f32x4.${name}`, ...args),
      (...args) => op(`f32.${name}`, ...args),
    );
}

/** Functions that are one instruction. */
const INSTRUCTIONS: Readonly<Record<string, string>> = {
  add: "add",
  sub: "sub",
  mul: "mul",
  div: "div",
  sqrt: "sqrt",
  max: "max",
  min: "min",
  abs: "abs",
  neg: "neg",
  floor: "floor",
  ceil: "ceil",
  trunc: "trunc",
  roundHalfEven: "nearest",
  anyOf: "max",
  allOf: "min",
  sum: "add",
  product: "mul",
};

const COMPARISONS: Readonly<Record<string, string>> = {
  equal: "eq",
  notEqual: "ne",
  less: "lt",
  lessEqual: "le",
  greater: "gt",
  greaterEqual: "ge",
  above: "gt",
  below: "lt",
};

/** a * b + c, rounded once. Scalars take a lane of the same instruction: there is none of their own. */
const multiplyAdd: Write = (operands, to) =>
  to.apply(
    "number",
    operands.map((x) => to.number(x)),
    (...args) => op("f32x4.relaxed_madd", ...args),
    (...args) => extract("f32x4", op("f32x4.relaxed_madd", ...args.map((x) => op("f32x4.splat", x))), 0),
  );

/** Functions of truth values, conversions, and what takes a few instructions. */
const OTHERS: Readonly<Record<string, Write>> = {
  and: ([a, b], to) => to.both(a, b),
  or: (operands, to) => to.apply("condition", operands, (a, b) => op("v128.or", a, b), (a, b) => op("i32.or", a, b)),
  not: (operands, to) => to.apply("condition", operands, (a) => op("v128.not", a), (a) => op("i32.eqz", a)),
  truth: ([x], to) => to.number(x),
  holds: ([x], to) => to.call("greater", x, to.literal(0.5)),
  isPosition: ([x, size], to) => {
    const at = to.bind(x);
    return to.both(to.call("greaterEqual", at, to.literal(0)), to.call("less", at, size));
  },
  asNumber: ([x], to) => to.number(x),
  held: ([x], to) => to.number(x),
  total: ([x], to) => to.number(x),
  position: ([part, each, within], to) => to.call("add", to.call("mul", part, each), within),
  middle: ([from, end], to) => {
    const low = to.bind(to.number(from));
    const half = to.call("mul", to.call("sub", end, low), to.literal(0.5));
    return to.call("add", low, to.call("floor", half));
  },
  next: ([place], to) => to.call("add", place, to.literal(1)),
  upTo: ([place, last], to) => {
    const known = to.bind(to.number(place));
    return to.call("select", to.call("less", known, last), known, last);
  },
  from0: ([place], to) => {
    const [known, zero] = [to.bind(to.number(place)), to.literal(0)];
    return to.call("select", to.call("greater", known, zero), known, zero);
  },
  sign: ([value], to) => {
    const x = to.bind(to.number(value));
    const [one, minusOne, zero] = [to.literal(1), to.literal(-1), to.literal(0)];
    const below = to.call("select", to.call("less", x, zero), minusOne, x);
    return to.call("select", to.call("greater", x, zero), one, below);
  },
  select: ([condition, first, second], to) => {
    const [a, b] = [to.number(first), to.number(second)];
    if (condition.varies) {
      return to.lanes(
        "number",
        (u) => op("v128.bitselect", to.vector(a, u), to.vector(b, u), to.vector(condition, u)),
      );
    }
    const [test] = to.bind(condition).parts;
    const choose = (x: Value, y: Value) => select(test, x, y);
    return to.apply("number", [a, b], choose, choose);
  },
};

function tableOf(): ReadonlyMap<string, Write> {
  return new Map([
    ...Object.entries(INSTRUCTIONS).map(([name, code]): [string, Write] => [name, instruction(code)]),
    ...Object.entries(COMPARISONS).map(([name, code]): [string, Write] => [name, comparison(code)]),
    ...Object.entries(OTHERS),
    ["multiplyAdd", multiplyAdd],
  ]);
}

const TABLE = tableOf();

/** Functions whose result is a condition. */
const CONDITIONS = new Set([...Object.keys(COMPARISONS), "and", "or", "not", "holds", "isPosition"]);

/** Whether a function's result is a condition rather than a number. */
export function isCondition(name: string): boolean {
  return CONDITIONS.has(name);
}

/** About how many instructions a function takes in one vector. */
export function weightOf(name: string): number {
  return Object.hasOwn(LANE_FUNCTIONS, name) ? weightInLanes(name) : Object.hasOwn(OTHERS, name) ? 3 : 1;
}

/** Writes scalar functions into the code of a kernel. */
export class Scalars extends Operands {
  /** A function by its name. */
  call(name: string, ...operands: Operand[]): Operand {
    if (Object.hasOwn(LANE_FUNCTIONS, name)) return this.#inLanes(name, operands.map((x) => this.number(x)));
    const write = TABLE.get(name);
    if (!write) throw new Error(`wasm: there is no scalar function "${name}"`);
    return write(operands, this);
  }

  /** A function without instructions on scalars is computed in lanes that are all alike, so that it has the same values everywhere. */
  #inLanes(name: string, operands: readonly Operand[]): Operand {
    const { code } = this;
    const write = LANE_FUNCTIONS[name];
    if (operands.some(({ varies }) => varies)) {
      return this.lanes("number", (u) => write(code, operands.map((x) => code.bind(this.vector(x, u)))));
    }
    const vectors = operands.map(({ parts: [x] }) => code.bind(op("f32x4.splat", x)));
    return this.scalar("number", extract("f32x4", write(code, vectors), 0));
  }
}
