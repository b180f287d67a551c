/** Kernels of `wasm` that run in a memory of their own, in which nothing else is, so that a test sees all that they write. */
import { assemble } from "../../core/backends/wasm/assembler.ts";
import type { WrittenKernel } from "../../core/backends/wasm/kernel.ts";

/** Elements between arrays, which no kernel writes. */
export const MARGIN = 64;

/** A kernel in a memory: the addresses of its arrays, then the arrays and the memory of its thread, each with margins. */
export interface Placed {
  /** All of the memory, 1 where no test puts anything else; the addresses are at the beginning. */
  readonly numbers: Float32Array;
  /** Where the result begins, and the memory of the thread. */
  readonly result: number;
  readonly own: number;
  /** Where all of it ends, the last margin included. */
  readonly end: number;
  /** Runs the units from one on up to another. */
  run(from: number, to: number): void;
}

/** @param arrays the elements of the result and of the arguments. */
export function placed({ code, scratch = 0 }: WrittenKernel, arrays: readonly number[]): Placed {
  const starts: number[] = [];
  let end = MARGIN;
  for (const elements of [...arrays, scratch]) {
    starts.push(end);
    end += elements + MARGIN;
  }
  const pages = Math.ceil(4 * end / 65_536);
  const limits = { initial: pages, maximum: pages, shared: false };
  const memory = new WebAssembly.Memory(limits);
  const bytes = assemble({ memory: limits, imports: [], functions: [code] });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { host: { memory } });
  const numbers = new Float32Array(memory.buffer).fill(1);
  new Uint32Array(memory.buffer).set(starts.slice(0, -1).map((start) => 4 * start));
  const [result, own] = [starts[0], starts.at(-1)!];
  const kernel = exports[code.name] as (...numbers: number[]) => void;
  return { numbers, result, own, end, run: (from, to) => kernel(from, to, 0, 4 * own) };
}
