/** The threads of the device: modules are loaded into all of them, and kernels shared out. */
import { HOST } from "./assembler.ts";
import type { Memory } from "./memory.ts";
import { HOST_FUNCTIONS } from "./scalars.ts";

/** A module that every thread has. */
export interface CompiledModule {
  /** The memory that its code takes. */
  readonly bytes: number;
  readonly instance: () => Promise<WebAssembly.Instance>;
}

/** A kernel with its arrays. */
export interface KernelCall {
  /** The function. */
  readonly name: string;
  readonly units: number;
  /** About how many instructions a unit takes. */
  readonly weight: number;
  /** The address of the addresses of its arrays. */
  readonly addresses: number;
}

type KernelFunction = (from: number, to: number, addresses: number) => void;

export class Team {
  readonly #memory: Memory;

  constructor(memory: Memory) {
    this.#memory = memory;
  }

  get threads(): number {
    return 1;
  }

  load(bytes: Uint8Array<ArrayBuffer>): CompiledModule {
    const module = new WebAssembly.Module(bytes);
    let instance: WebAssembly.Instance | null = null;
    return {
      bytes: 10 * bytes.length,
      instance: async () =>
        instance ??= await WebAssembly.instantiate(module, {
          [HOST]: { memory: this.#memory.memory, ...HOST_FUNCTIONS },
        }),
    };
  }

  unload(_module: CompiledModule): void {}

  async run(module: CompiledModule, calls: readonly KernelCall[]): Promise<void> {
    const { exports } = await module.instance();
    for (const { name, units, addresses } of calls) (exports[name] as KernelFunction)(0, units, addresses);
  }

  time(_module: CompiledModule, _call: KernelCall): number {
    return 0;
  }
}
