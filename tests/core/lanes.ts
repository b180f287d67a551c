/** Functions in lanes, compiled to be tried and timed by themselves. */
import { assemble } from "../../core/backends/wasm/assembler.ts";
import { type Callee, Code, i32, load, op } from "../../core/backends/wasm/code.ts";
import type { LaneFunction } from "../../core/backends/wasm/lanes.ts";
import { hasMultiplyAdd } from "../../core/backends/wasm/multiply_add.ts";

/** The bytes of a vector. */
const VECTOR = 16;

/** A function in lanes over arrays. */
export interface InLanes {
  /** The arrays it reads, as many as the function has operands. */
  readonly operands: readonly Float32Array[];
  readonly results: Float32Array;
  /** Fills the first results, four times as many as vectors are given. */
  run(vectors?: number): void;
}

/** A loop over vectors, as the engine has them: from the addresses of the operands and of the results, and the bytes of each. */
function loop(write: LaneFunction, arity: number): Code {
  const code = new Code("run", Array.from({ length: arity + 2 }, () => "i32" as const), null, hasMultiplyAdd());
  const operands = code.parameters.slice(0, arity);
  const [results, end] = code.parameters.slice(arity);
  code.count(i32(0), end, VECTOR, (at) => {
    const address = (base: typeof results) => op("i32.add", base, at);
    const vectors = operands.map((base) => code.bind(load("v128.load", address(base))));
    code.store("v128.store", address(results), write(code, vectors));
  });
  return code;
}

/** How a function is compiled. */
export interface InLanesOptions {
  /** How many operands it takes. */
  readonly arity: number;
  /** The length of arrays, a multiple of four. */
  readonly length: number;
  /** The functions it calls; default none. */
  readonly imports?: readonly { readonly callee: Callee; readonly f: (...args: number[]) => number }[];
}

/** Compiles a function in lanes. */
export function inLanes(write: LaneFunction, { arity, length, imports = [] }: InLanesOptions): InLanes {
  const bytes = 4 * length;
  const pages = Math.ceil(((arity + 1) * bytes) / 2 ** 16);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const module = assemble({
    memory: { initial: pages, maximum: pages, shared: false },
    imports: imports.map(({ callee }) => callee),
    functions: [loop(write, arity)],
  });
  const host = { memory, ...Object.fromEntries(imports.map(({ callee, f }) => [callee.name, f])) };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module), { host });
  const run = exports.run as (...numbers: number[]) => void;
  const addresses = Array.from({ length: arity + 1 }, (_, i) => i * bytes);
  const arrays = addresses.map((at) => new Float32Array(memory.buffer, at, length));
  return {
    operands: arrays.slice(0, arity),
    results: arrays[arity],
    run: (vectors = length / 4) => run(...addresses, VECTOR * vectors),
  };
}
