/** Code of WebAssembly as data: values and statements. `assembler.ts` encodes it and `text.ts` prints it. */
import { ATOMICS, LANES, LOADS, OPCODES, STORES, type Type } from "./opcodes.ts";

/** A local of a function, read where the value is used. */
export interface Variable {
  readonly kind: "variable";
  readonly type: Type;
  readonly index: number;
  /** Whether it is set only once, so that it need not be copied to be kept. */
  readonly fixed: boolean;
}

/** A value: instructions that leave one operand on the stack. A value that is used twice is computed twice unless it is bound. */
export type Value =
  | Variable
  /** A number. */
  | { readonly kind: "number"; readonly type: "i32" | "i64" | "f32" | "f64"; readonly value: number }
  /** The 16 bytes of a vector. */
  | { readonly kind: "vector"; readonly type: "v128"; readonly bytes: readonly number[] }
  /** An instruction, with its immediates. */
  | {
    readonly kind: "operation";
    readonly type: Type;
    readonly name: string;
    readonly args: readonly Value[];
    readonly lane?: number;
  }
  | {
    readonly kind: "shuffle";
    readonly type: "v128";
    readonly args: readonly Value[];
    readonly lanes: readonly number[];
  }
  | { readonly kind: "select"; readonly type: Type; readonly args: readonly Value[] }
  | {
    readonly kind: "load";
    readonly type: Type;
    readonly name: string;
    readonly args: readonly Value[];
    readonly offset: number;
    readonly align: number;
    readonly lane?: number;
  }
  | { readonly kind: "call"; readonly type: Type; readonly callee: Callee; readonly args: readonly Value[] };

/** A function that calls name: one of the module, or an imported one. */
export interface Callee {
  readonly name: string;
  readonly takes: readonly Type[];
  readonly returns: Type | null;
}

/** A statement. */
export type Instruction =
  | { readonly kind: "set"; readonly variable: Variable; readonly value: Value }
  | {
    readonly kind: "store";
    readonly name: string;
    readonly address: Value;
    readonly value: Value;
    readonly offset: number;
    readonly align: number;
  }
  | { readonly kind: "if"; readonly condition: Value; readonly then: Instruction[]; readonly otherwise: Instruction[] }
  /** Runs its body, again as often as {@link Instruction} `again` in it is reached with a condition that holds. */
  | { readonly kind: "loop"; readonly body: Instruction[] }
  /** Repeats the innermost loop if the condition holds: the last instruction of its body. */
  | { readonly kind: "again"; readonly condition: Value }
  /** Calls a function for its effect, or drops a value. */
  | { readonly kind: "do"; readonly value: Value }
  | { readonly kind: "run"; readonly callee: Callee; readonly args: readonly Value[] };

const LOAD_LANE = "v128.load32_lane";

/** The type of a condition and of an address. */
export const CONDITION: Type = "i32";

function expectType(what: string, expected: Type, value: Value): void {
  if (value.type !== expected) throw new Error(`wasm: ${what} takes ${expected}, got ${value.type}`);
}

function expectTypes(what: string, takes: readonly Type[], args: readonly Value[]): void {
  if (takes.length !== args.length) {
    throw new Error(`wasm: ${what} takes ${takes.length} operands, got ${args.length}`);
  }
  takes.forEach((type, i) => expectType(`operand ${i} of ${what}`, type, args[i]));
}

/** A whole number of 32 bits. */
export function i32(value: number): Value {
  return { kind: "number", type: "i32", value: value | 0 };
}

/** A number as it is, rounded to float32. */
export function f32(value: number): Value {
  return { kind: "number", type: "f32", value };
}

/** A double. */
export function f64(value: number): Value {
  return { kind: "number", type: "f64", value };
}

/**
 * An instruction that takes operands alone, by its name in the text format, as `f32x4.add`.
 *
 * @throws if there is no such instruction or an operand has another type.
 */
export function op(name: string, ...args: Value[]): Value {
  const opcode = OPCODES.get(name);
  if (!opcode) throw new Error(`wasm: there is no instruction "${name}" here`);
  expectTypes(name, opcode.takes, args);
  return { kind: "operation", type: opcode.returns, name, args };
}

/** `extract_lane` of a shape, as `f32x4`. */
export function extract(shape: string, vector: Value, lane: number): Value {
  const name = `${shape}.extract_lane`;
  expectType(name, "v128", vector);
  return { kind: "operation", type: laneType(name, lane), name, args: [vector], lane };
}

/** `replace_lane` of a shape. */
export function replace(shape: string, vector: Value, lane: number, value: Value): Value {
  const name = `${shape}.replace_lane`;
  expectTypes(name, ["v128", laneType(name, lane)], [vector, value]);
  return { kind: "operation", type: "v128", name, args: [vector, value], lane };
}

function laneType(name: string, lane: number): Type {
  const known = LANES[name];
  if (!known || !(lane >= 0 && lane < known[2])) {
    throw new Error(`wasm: there is no instruction "${name} ${lane}" here`);
  }
  return known[1];
}

/** The 32-bit lanes of two vectors by their numbers: 0 to 3 of the first, 4 to 7 of the second. */
export function shuffle(a: Value, b: Value, lanes: readonly number[]): Value {
  expectTypes("i8x16.shuffle", ["v128", "v128"], [a, b]);
  return { kind: "shuffle", type: "v128", args: [a, b], lanes };
}

/** `a` if the condition is not 0, else `b`; both are computed. */
export function select(condition: Value, a: Value, b: Value): Value {
  expectTypes("select", [a.type, a.type, CONDITION], [a, b, condition]);
  return { kind: "select", type: a.type, args: [a, b, condition] };
}

/** A load, `offset` bytes behind an address. */
export function load(name: string, address: Value, offset = 0, align = 2): Value {
  const known = LOADS[name];
  if (!known || name === LOAD_LANE) throw new Error(`wasm: there is no instruction "${name}" here`);
  expectType(name, CONDITION, address);
  return { kind: "load", type: known[2], name, args: [address], offset, align };
}

/** A vector with one lane loaded. */
export function loadLane(address: Value, vector: Value, lane: number, offset = 0): Value {
  expectTypes(LOAD_LANE, ["i32", "v128"], [address, vector]);
  return { kind: "load", type: "v128", name: LOAD_LANE, args: [address, vector], offset, align: 2, lane };
}

/** An atomic update, which returns the value before. */
export function update(name: string, address: Value, value: Value): Value {
  if (!Object.hasOwn(ATOMICS, name)) throw new Error(`wasm: there is no instruction "${name}" here`);
  expectTypes(name, ["i32", "i32"], [address, value]);
  return { kind: "load", type: "i32", name, args: [address, value], offset: 0, align: 2 };
}

/** A call of a function that returns a value. */
export function call(callee: Callee, ...args: Value[]): Value {
  if (callee.returns === null) throw new Error(`wasm: ${callee.name} returns nothing`);
  expectTypes(callee.name, callee.takes, args);
  return { kind: "call", type: callee.returns, callee, args };
}

/** A vector of four equal numbers, or of four numbers. */
export function f32x4(...values: number[]): Value {
  const lanes = new Float32Array(4).map((_, i) => values[values.length === 1 ? 0 : i]);
  return { kind: "vector", type: "v128", bytes: [...new Uint8Array(lanes.buffer)] };
}

/** A vector of four equal whole numbers, or of four. */
export function i32x4(...values: number[]): Value {
  const lanes = new Int32Array(4).map((_, i) => values[values.length === 1 ? 0 : i]);
  return { kind: "vector", type: "v128", bytes: [...new Uint8Array(lanes.buffer)] };
}

/** A vector of two equal doubles, or of two. */
export function f64x2(...values: number[]): Value {
  const lanes = new Float64Array(2).map((_, i) => values[values.length === 1 ? 0 : i]);
  return { kind: "vector", type: "v128", bytes: [...new Uint8Array(lanes.buffer)] };
}

/** Values that need no name: to compute them again costs nothing. */
function isPlain(value: Value): boolean {
  return value.kind === "number" || (value.kind === "variable" && value.fixed);
}

/** A block of a function while it is built. Values bound in it are known in all blocks inside. */
export interface Block {
  readonly instructions: Instruction[];
  /** The number of blocks around it. */
  readonly depth: number;
}

/** Builds the code of a function. */
export class Code {
  readonly name: string;
  readonly parameters: readonly Variable[];
  readonly takes: readonly Type[];
  readonly returns: Type | null;
  /** Whether its engine has fused multiply-add. */
  readonly multiplyAdd: boolean;
  /** The types of all locals, the parameters first. */
  readonly locals: Type[] = [];
  /** Sets the constants of {@link keep}, before the body. */
  readonly entry: Instruction[] = [];
  readonly body: Instruction[] = [];
  /** The value that it returns. */
  result: Value | null = null;
  /** The body. */
  readonly root: Block = { instructions: this.body, depth: 0 };
  #block: Block = this.root;
  readonly #kept = new Map<string, Variable>();

  constructor(name: string, takes: readonly Type[], returns: Type | null = null, multiplyAdd = false) {
    this.name = name;
    this.multiplyAdd = multiplyAdd;
    this.takes = takes;
    this.returns = returns;
    this.parameters = takes.map((type) => this.#local(type, true));
  }

  #local(type: Type, fixed: boolean): Variable {
    return { kind: "variable", type, index: this.locals.push(type) - 1, fixed };
  }

  /** The block that instructions are added to. */
  get block(): Block {
    return this.#block;
  }

  /** A local that assignments change, 0 at first unless it is given a value. */
  variable(type: Type, value?: Value): Variable {
    const variable = this.#local(type, false);
    if (value) this.set(variable, value);
    return variable;
  }

  /**
   * Computes a value once and returns the local that holds it. Numbers stay as they are, and so does what has been bound.
   *
   * @param block where: the current block, or one around it, before what is being built in that.
   */
  bind(value: Value, block: Block = this.#block): Value {
    if (isPlain(value)) return value;
    const variable = this.#local(value.type, true);
    block.instructions.push({ kind: "set", variable, value });
    return variable;
  }

  /** A constant vector that is made once, where the function begins, rather than at each use. */
  keep(value: Value): Value {
    if (value.kind !== "vector") return value;
    const key = value.bytes.join();
    let variable = this.#kept.get(key);
    if (!variable) {
      this.#kept.set(key, variable = this.#local("v128", true));
      this.entry.push({ kind: "set", variable, value });
    }
    return variable;
  }

  set(variable: Variable, value: Value): void {
    if (variable.fixed) throw new Error("wasm: a bound local cannot be set");
    expectType(`local ${variable.index}`, variable.type, value);
    this.#block.instructions.push({ kind: "set", variable, value });
  }

  /** Stores a value `offset` bytes behind an address. */
  store(name: string, address: Value, value: Value, offset = 0): void {
    const known = STORES[name];
    if (!known) throw new Error(`wasm: there is no instruction "${name}" here`);
    expectTypes(name, [CONDITION, known[2]], [address, value]);
    // Addresses are multiples of 4. An atomic store is of a word, whose alignment has to be this one.
    this.#block.instructions.push({ kind: "store", name, address, value, offset, align: 2 });
  }

  /** Computes a value for its effect. */
  do(value: Value): void {
    this.#block.instructions.push({ kind: "do", value });
  }

  /** Calls a function that returns nothing. */
  run(callee: Callee, ...args: Value[]): void {
    if (callee.returns !== null) throw new Error(`wasm: ${callee.name} returns a value`);
    expectTypes(callee.name, callee.takes, args);
    this.#block.instructions.push({ kind: "run", callee, args });
  }

  /** Runs `then` if the condition is not 0, else `otherwise`. */
  if(condition: Value, then: () => void, otherwise?: () => void): void {
    expectType("if", CONDITION, condition);
    this.#block.instructions.push({
      kind: "if",
      condition,
      then: this.#inside(then),
      otherwise: otherwise ? this.#inside(otherwise) : [],
    });
  }

  /** Runs the body at least once, and again as long as the condition that it returns, computed after it, is not 0. */
  loop(body: () => Value): void {
    this.#block.instructions.push({
      kind: "loop",
      body: this.#inside(() => {
        const condition = body();
        expectType("loop", CONDITION, condition);
        this.#block.instructions.push({ kind: "again", condition });
      }),
    });
  }

  /** Runs the body with a counter from `from` below `end`, perhaps not at all. */
  count(from: Value, end: Value, step: number, body: (counter: Variable) => void): void {
    const counter = this.variable("i32", from);
    this.if(op("i32.lt_s", counter, end), () =>
      this.loop(() => {
        body(counter);
        this.set(counter, op("i32.add", counter, i32(step)));
        return op("i32.lt_s", counter, end);
      }));
  }

  /** The value that the function returns. */
  return(value: Value): void {
    if (this.returns === null) throw new Error(`wasm: ${this.name} returns nothing`);
    expectType(`the result of ${this.name}`, this.returns, value);
    this.result = value;
  }

  #inside(write: () => void): Instruction[] {
    const around = this.#block;
    this.#block = { instructions: [], depth: around.depth + 1 };
    try {
      write();
      return this.#block.instructions;
    } finally {
      this.#block = around;
    }
  }
}
