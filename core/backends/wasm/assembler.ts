/** The binary format of WebAssembly: a module of functions over one imported memory. */
import type { Callee, Code, Instruction, Value, Variable } from "./code.ts";
import { ATOMICS, LANES, LOADS, OPCODES, STORES, type Type } from "./opcodes.ts";

const TYPE_BYTES: Readonly<Record<Type, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** Bytes that grow. */
class Bytes {
  #bytes = new Uint8Array(256);
  length = 0;

  #room(more: number): void {
    if (this.length + more <= this.#bytes.length) return;
    const larger = new Uint8Array(2 * (this.length + more));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }

  byte(value: number): void {
    this.#room(1);
    this.#bytes[this.length++] = value;
  }

  all(values: ArrayLike<number>): void {
    this.#room(values.length);
    this.#bytes.set(values, this.length);
    this.length += values.length;
  }

  /** A whole number from 0, in LEB128. */
  unsigned(value: number): void {
    while (value >= 0x80) {
      this.byte((value % 0x80) | 0x80);
      value = Math.floor(value / 0x80);
    }
    this.byte(value);
  }

  /** A whole number, in signed LEB128. */
  signed(value: number): void {
    for (;;) {
      const low = ((value % 0x80) + 0x80) % 0x80;
      value = Math.floor(value / 0x80);
      const isLast = (value === 0 && low < 0x40) || (value === -1 && low >= 0x40);
      this.byte(isLast ? low : low | 0x80);
      if (isLast) return;
    }
  }

  name(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.unsigned(bytes.length);
    this.all(bytes);
  }

  /** Appends the bytes that `write` writes, after their length. */
  sized(write: (inner: Bytes) => void): void {
    const inner = new Bytes();
    write(inner);
    this.unsigned(inner.length);
    this.all(inner.view());
  }

  view(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.length);
  }
}

/** Imported or defined functions, by number. */
type Numbers = ReadonlyMap<string, number>;

/** Writes the instructions of a function. */
class Encoder {
  readonly #out: Bytes;
  readonly #functions: Numbers;

  constructor(out: Bytes, functions: Numbers) {
    this.#out = out;
    this.#functions = functions;
  }

  instructions(all: readonly Instruction[]): void {
    for (const instruction of all) this.#instruction(instruction);
  }

  #instruction(instruction: Instruction): void {
    const out = this.#out;
    switch (instruction.kind) {
      case "set":
        this.value(instruction.value);
        return this.#local(0x21, instruction.variable);
      case "store": {
        const [prefix, code] = STORES[instruction.name];
        this.value(instruction.address);
        this.value(instruction.value);
        return this.#access(prefix, code, instruction);
      }
      case "if":
        this.value(instruction.condition);
        out.all([0x04, 0x40]);
        this.instructions(instruction.then);
        if (instruction.otherwise.length > 0) out.byte(0x05);
        this.instructions(instruction.otherwise);
        return out.byte(0x0b);
      case "loop":
        out.all([0x03, 0x40]);
        this.instructions(instruction.body);
        return out.byte(0x0b);
      case "again":
        this.value(instruction.condition);
        return out.all([0x0d, 0]);
      case "do":
        this.value(instruction.value);
        return out.byte(0x1a);
      case "run":
        return this.#call(instruction.callee, instruction.args);
      default:
        return instruction satisfies never;
    }
  }

  value(value: Value): void {
    const out = this.#out;
    switch (value.kind) {
      case "variable":
        return this.#local(0x20, value);
      case "number":
        return this.#number(value.type, value.value);
      case "vector":
        out.all([0xfd, 12]);
        return out.all(value.bytes);
      case "operation": {
        for (const arg of value.args) this.value(arg);
        if (value.lane !== undefined) return out.all([0xfd, LANES[value.name][0], value.lane]);
        const { prefix, code } = OPCODES.get(value.name)!;
        return this.#opcode(prefix, code);
      }
      case "shuffle":
        for (const arg of value.args) this.value(arg);
        out.all([0xfd, 13]);
        return out.all(value.lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => 4 * lane + byte)));
      case "select":
        for (const arg of value.args) this.value(arg);
        return out.all([0x1c, 1, TYPE_BYTES[value.type]]);
      case "load": {
        for (const arg of value.args) this.value(arg);
        if (Object.hasOwn(ATOMICS, value.name)) return this.#access(0xfe, ATOMICS[value.name], value);
        const [prefix, code] = LOADS[value.name];
        this.#access(prefix, code, value);
        return value.lane === undefined ? undefined : out.byte(value.lane);
      }
      case "call":
        return this.#call(value.callee, value.args);
      default:
        return value satisfies never;
    }
  }

  #local(code: number, { index }: Variable): void {
    this.#out.byte(code);
    this.#out.unsigned(index);
  }

  #number(type: "i32" | "i64" | "f32" | "f64", value: number): void {
    const out = this.#out;
    if (type === "i32" || type === "i64") {
      out.byte(type === "i32" ? 0x41 : 0x42);
      return out.signed(value);
    }
    out.byte(type === "f32" ? 0x43 : 0x44);
    out.all(new Uint8Array((type === "f32" ? Float32Array.of(value) : Float64Array.of(value)).buffer));
  }

  #opcode(prefix: number | null, code: number): void {
    if (prefix === null) return this.#out.byte(code);
    this.#out.byte(prefix);
    this.#out.unsigned(code);
  }

  #access(prefix: number | null, code: number, { align, offset }: { align: number; offset: number }): void {
    this.#opcode(prefix, code);
    this.#out.unsigned(align);
    this.#out.unsigned(offset);
  }

  #call({ name }: Callee, args: readonly Value[]): void {
    for (const arg of args) this.value(arg);
    const index = this.#functions.get(name);
    if (index === undefined) throw new Error(`wasm: there is no function "${name}" in the module`);
    this.#out.byte(0x10);
    this.#out.unsigned(index);
  }
}

/** The memory of a module, in pages of 64 KiB. */
export interface MemoryType {
  readonly initial: number;
  readonly maximum: number;
  readonly shared: boolean;
}

/** A module. */
export interface Module {
  /** Imported as `host.memory`. */
  readonly memory: MemoryType;
  /** Functions that are imported as `host.NAME`. */
  readonly imports: readonly Callee[];
  /** Functions, which may call one another by name. All are exported under their names. */
  readonly functions: readonly Code[];
}

/** The module from which these are imported. */
export const HOST = "host";

/** Returns a module in the binary format. */
export function assemble({ memory, imports, functions }: Module): Uint8Array<ArrayBuffer> {
  const all: readonly (Callee | Code)[] = [...imports, ...functions];
  const numbers = new Map(all.map(({ name }, i) => [name, i]));
  const signatures = new Map<string, number>();
  const types: Pick<Callee, "takes" | "returns">[] = [];
  const typeOf = ({ takes, returns }: Pick<Callee, "takes" | "returns">): number => {
    const key = `${takes.join()}>${returns}`;
    let index = signatures.get(key);
    if (index === undefined) signatures.set(key, index = types.push({ takes, returns }) - 1);
    return index;
  };
  const indices = all.map(typeOf);
  const out = new Bytes();
  out.all([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  section(out, 1, types, ({ takes, returns }, to) => {
    to.byte(0x60);
    for (const part of [takes, returns === null ? [] : [returns]]) {
      to.unsigned(part.length);
      to.all(part.map((type) => TYPE_BYTES[type]));
    }
  });
  section(out, 2, [memory, ...imports], (what, to, i) => {
    to.name(HOST);
    if ("shared" in what) {
      to.name("memory");
      to.all([2, what.shared ? 3 : 1]);
      to.unsigned(what.initial);
      return to.unsigned(what.maximum);
    }
    to.name(what.name);
    to.byte(0);
    to.unsigned(indices[i - 1]);
  });
  section(out, 3, indices.slice(imports.length), (index, to) => to.unsigned(index));
  section(out, 7, functions, ({ name }, to, i) => {
    to.name(name);
    to.byte(0);
    to.unsigned(imports.length + i);
  });
  section(out, 10, functions, (code, to) => to.sized((inner) => encodeFunction(code, inner, numbers)));
  return out.view();
}

function section<T>(out: Bytes, id: number, items: readonly T[], write: (item: T, to: Bytes, i: number) => void): void {
  out.byte(id);
  out.sized((inner) => {
    inner.unsigned(items.length);
    items.forEach((item, i) => write(item, inner, i));
  });
}

function encodeFunction(code: Code, out: Bytes, functions: Numbers): void {
  const runs: { type: Type; count: number }[] = [];
  for (const type of code.locals.slice(code.takes.length)) {
    const last = runs.at(-1);
    if (last?.type === type) last.count++;
    else runs.push({ type, count: 1 });
  }
  out.unsigned(runs.length);
  for (const { type, count } of runs) {
    out.unsigned(count);
    out.byte(TYPE_BYTES[type]);
  }
  const encoder = new Encoder(out, functions);
  encoder.instructions(code.entry);
  encoder.instructions(code.body);
  if (code.result) encoder.value(code.result);
  else if (code.returns !== null) throw new Error(`wasm: ${code.name} lacks its result`);
  out.byte(0x0b);
}
