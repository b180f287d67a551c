/** Rows of the bench, and the files of numbers that contestants share. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { randomFrom } from "../../verify/random.ts";
import type { Case, Mode, Sizes } from "../cases/case.ts";
import type { Order, Stored } from "./protocol.ts";

/** One line of the table: a case at certain sizes, in a mode. */
export interface Row {
  readonly subject: Case;
  readonly sizes: Sizes;
  readonly mode: Mode;
}

/** Whether a contestant of a kind takes part in a row. */
export function takesPart({ mode }: Row, kind: "gpugrad" | "peer" | "limit"): boolean {
  return mode !== "recording" || kind === "gpugrad";
}

/** Names a row, also across runs. */
export function nameOf({ subject, sizes, mode }: Row): string {
  return `${subject.title(sizes)}, ${mode}`;
}

/** How many sets of inputs take turns, so that no call finds the inputs of the one before. */
const SETS = 2;

/** A seed for each case, which does not depend on the mode. */
export function caseSeed({ subject, sizes }: Row): number {
  return [...subject.title(sizes)].reduce((hash, char) => (Math.imul(hash, 31) + char.charCodeAt(0)) | 0, 7);
}

/** A folder in which inputs and results are exchanged. */
export class Shared {
  readonly folder: string;
  #known: { key: string; calls: Stored[][] } | null = null;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Writes the inputs of a row, unless those of the row before are the same. */
  async orderFor({ subject, sizes, mode }: Row, seed: number): Promise<Omit<Order, "prefix">> {
    const key = subject.name + JSON.stringify(sizes);
    if (this.#known?.key !== key) this.#known = { key, calls: await this.#write(subject, sizes, seed) };
    const { name, constants = [], gradients = null, code } = subject;
    const { torch: source, torchLayout: layout = null } = code;
    return { name, sizes, mode, calls: this.#known.calls, constants, gradients, source, layout };
  }

  async #write(subject: Case, sizes: Sizes, seed: number): Promise<Stored[][]> {
    await Promise.all((this.#known?.calls ?? []).flat().map(({ file }) => rm(join(this.folder, file))));
    const calls: Stored[][] = [];
    for (let call = 0; call < SETS; call++) {
      const inputs = await subject.inputs(sizes, randomFrom(seed + call));
      calls.push(
        await Promise.all(inputs.map(async ({ shape, data }, i) => {
          const file = `input-${call}-${i}`;
          await writeFile(join(this.folder, file), new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
          return { shape, type: data instanceof Float32Array ? "float32" as const : "int32" as const, file };
        })),
      );
    }
    return calls;
  }

  /** Takes the results that a contestant wrote. */
  async results(files: readonly string[]): Promise<Float32Array[]> {
    return await Promise.all(files.map(async (file) => {
      const path = join(this.folder, file);
      const { buffer, byteOffset, byteLength } = await readFile(path);
      await rm(path);
      return new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
    }));
  }
}
