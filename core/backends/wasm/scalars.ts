/** Scalar functions, on scalars and in lanes: those of `core/backends/functions.ts` by their names. */
import { base, Name, type Writer } from "../functions.ts";
import { type Callee, call, type Code, extract, f32x4, op, replace, select, type Value } from "./code.ts";
import { LANE_FUNCTIONS } from "./lanes.ts";
import { LANES, type Operand, Operands } from "./operands.ts";

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

/** Functions of truth values, conversions, and what takes a few instructions. */
const OTHERS: Readonly<Record<string, Write>> = {
  and: ([a, b], to) => to.both(a, b),
  or: (operands, to) =>
    to.apply("condition", operands, (a, b) => op("v128.or", a, b), (a, b) => op("i32.or", a, b)),
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
  sigmoid: ([x], to) => {
    const [one, e] = [to.literal(1), to.call("exp", to.call("neg", x))];
    return to.call("div", one, to.call("add", one, e));
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
  ]);
}

const TABLE = tableOf();

/** Functions whose result is a condition. */
const CONDITIONS = new Set([...Object.keys(COMPARISONS), "and", "or", "not", "holds", "isPosition"]);

/** Whether a function's result is a condition rather than a number. */
export function isCondition(name: string): boolean {
  return CONDITIONS.has(name);
}

/** Functions of JavaScript's Math that are called for each lane if they have no code of their own. */
const OF_THE_HOST = ["exp", "log", "log2", "log1p", "expm1", "sin", "cos", "tanh", "atan", "pow"] as const;

/** The functions that kernels import, as the host has them; they take and return doubles, rounded to float32 by WebAssembly. */
export const HOST_FUNCTIONS: Readonly<Record<string, (...args: number[]) => number>> = Object.fromEntries(
  OF_THE_HOST.map((name) => [name, Math[name]]),
);

function hostFunction(name: string, operands: number): Callee {
  return { name, takes: Array.from({ length: operands }, () => "f32"), returns: "f32" };
}

/** The instructions of a function in one vector, for choosing how many vectors share a turn. */
export function weightOf(name: string): number {
  if (Object.hasOwn(LANE_FUNCTIONS, name)) return 25;
  return Object.hasOwn(INSTRUCTIONS, name) || Object.hasOwn(COMPARISONS, name) ? 1 : Object.hasOwn(OTHERS, name) ? 3 : 100;
}

/** A function that is composed of others takes operands as the source of `functions.ts` does. */
class Held extends Name {
  readonly operand: Operand;
  constructor(operand: Operand) {
    super("operand");
    this.operand = operand;
  }
}

/** Writes scalar functions into the code of a kernel. */
export class Scalars extends Operands {
  /** The functions of the host that are called. */
  readonly #imports: Map<string, Callee>;

  constructor(code: Code, width: number, imports: Map<string, Callee>) {
    super(code, width);
    this.#imports = imports;
  }

  /** A function by its name. */
  call(name: string, ...operands: Operand[]): Operand {
    if (Object.hasOwn(LANE_FUNCTIONS, name)) return this.#inLanes(name, operands.map((x) => this.number(x)));
    const write = TABLE.get(name);
    if (write) return write(operands, this);
    if (Object.hasOwn(HOST_FUNCTIONS, name)) return this.#ofHost(name, operands.map((x) => this.number(x)));
    return this.#composed(name, operands);
  }

  #inLanes(name: string, operands: readonly Operand[]): Operand {
    const { code } = this;
    const write = LANE_FUNCTIONS[name];
    if (operands.some(({ varies }) => varies)) {
      return this.lanes("number", (u) => write(code, operands.map((x) => code.bind(this.vector(x, u)))));
    }
    const vectors = operands.map(({ parts: [x] }) => code.bind(op("f32x4.splat", x)));
    return this.scalar("number", extract("f32x4", write(code, vectors), 0));
  }

  #ofHost(name: string, operands: readonly Operand[]): Operand {
    const { code } = this;
    let callee = this.#imports.get(name);
    if (!callee) this.#imports.set(name, callee = hostFunction(name, operands.length));
    const function_ = callee;
    return this.apply(
      "number",
      operands.map((x) => this.bind(x)),
      (...vectors) => {
        const bound = vectors.map((vector) => code.bind(vector));
        let result: Value = code.keep(f32x4(0));
        for (let lane = 0; lane < LANES; lane++) {
          const args = bound.map((vector) => extract("f32x4", vector, lane));
          result = replace("f32x4", result, lane, call(function_, ...args));
        }
        return result;
      },
      (...scalars) => call(function_, ...scalars),
    );
  }

  /** A function that is written as calls of others. */
  #composed(name: string, operands: readonly Operand[]): Operand {
    if (!Object.hasOwn(base, name)) throw new Error(`wasm: there is no scalar function "${name}"`);
    const operandOf = (code: string | Name): Operand => {
      if (code instanceof Held) return code.operand;
      throw new Error(`wasm: "${name}" is not made of functions alone`);
    };
    const bind = (code: string | Name): Held => new Held(this.bind(operandOf(code)));
    const writer: Writer = {
      call: (inner, ...args) => new Held(this.call(inner, ...args.map(operandOf))),
      bind,
      step: (code) => code,
      round: (code) => code,
      literal: (value) => new Held(this.literal(value)),
      hide: (code) => code,
      power: () => {
        throw new Error(`wasm: "${name}" takes a table`);
      },
    };
    return operandOf(base[name].write(operands.map((x) => bind(new Held(this.number(x)))), writer));
  }
}

