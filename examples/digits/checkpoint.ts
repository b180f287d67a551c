/** Checkpoints: what a training has come to, in one file, which is replaced as a whole or not at all. */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Settings, Snapshot } from "./train.ts";

/** The origin of a training's numbers. */
export interface Origin {
  readonly variant: string;
  readonly settings: Settings;
}

/** Writes a checkpoint. If the process ends meanwhile, the file keeps what it had. */
export function writeCheckpoint(file: string, origin: Origin, snapshot: Snapshot): void {
  const text = JSON.stringify({ origin, snapshot }, (_, value) => {
    if (value instanceof Float32Array || value instanceof Float64Array) {
      const base64 = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
      return value instanceof Float32Array ? { float32: base64 } : { float64: base64 };
    }
    return typeof value === "number" && !Number.isFinite(value) ? { number: String(value) } : value;
  });
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.tmp`;
  const handle = openSync(temporary, "w");
  writeFileSync(handle, text);
  fsyncSync(handle);
  closeSync(handle);
  renameSync(temporary, file);
}

/**
 * Reads a checkpoint; `undefined` if there is none.
 *
 * @throws if it is of another variant or of other settings: its numbers would not be those asked for.
 */
export function readCheckpoint(file: string, origin: Origin): Snapshot | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const stored = JSON.parse(text, (_, value) => {
    const bytes = (base64: string) => Uint8Array.from(Buffer.from(base64, "base64")).buffer;
    if (typeof value?.float32 === "string") return new Float32Array(bytes(value.float32));
    if (typeof value?.float64 === "string") return new Float64Array(bytes(value.float64));
    return typeof value?.number === "string" ? Number(value.number) : value;
  }) as { origin: Origin; snapshot: Snapshot };
  const [there, wanted] = [stored.origin, origin].map((o) => JSON.stringify(o));
  if (there !== wanted) {
    throw new Error(
      `${file} is of another training: expected ${wanted}, got ${there}. Start anew with --fresh, or elsewhere with --out`,
    );
  }
  return stored.snapshot;
}
