/** Counts what a program holds: heap, array buffers, WebAssembly memory, workers, buffers or textures of a GPU. */
import process from "node:process";
import { type Constructor, type Context, gpuJs, isGl, watching, watchWorkers } from "../support/gpujs.ts";

/** What is held, by kind; what cannot be seen in a runtime is not there. */
export type Census = Readonly<Record<string, number>>;

/** Counts bytes of WebAssembly memories until the garbage collector has taken them. */
function countWasm(): () => number {
  let bytes = 0;
  const registry = new FinalizationRegistry<number>((size) => (bytes -= size));
  const original = WebAssembly.Memory as unknown as Constructor<WebAssembly.Memory>;
  WebAssembly.Memory = watching(original, (memory) => {
    const { byteLength } = memory.buffer;
    bytes += byteLength;
    registry.register(memory, byteLength);
  }) as unknown as typeof WebAssembly.Memory;
  return () => bytes;
}

/** Counts workers that were started and not ended. */
function countWorkers(): () => number {
  let alive = 0;
  watchWorkers((worker) => {
    alive++;
    const end = worker.terminate.bind(worker);
    let ended = false;
    worker.terminate = () => {
      if (!ended) alive--;
      ended = true;
      return end();
    };
  });
  return () => alive;
}

/** Counts buffers of the WebGPU device that were made and not destroyed. */
async function countBuffers(): Promise<() => number> {
  let alive = 0;
  const { device } = await (await gpuJs()).WebGPUContext.acquire();
  const create = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = create(descriptor) as { destroy(): void };
    const destroy = buffer.destroy.bind(buffer);
    let gone = false;
    alive++;
    buffer.destroy = () => {
      if (!gone) alive--;
      gone = true;
      destroy();
    };
    return buffer;
  };
  return () => alive;
}

/** Counts textures of GL contexts that were made and not deleted. */
function countTextures(contexts: readonly Context[]): () => number {
  // One that is deleted twice counts once.
  const alive = new Set<unknown>();
  for (const context of contexts) {
    const { createTexture: create, deleteTexture: remove } = context;
    context.createTexture = () => {
      const texture = create.call(context);
      alive.add(texture);
      return texture;
    };
    context.deleteTexture = (texture) => {
      alive.delete(texture);
      remove.call(context, texture);
    };
  }
  return () => alive.size;
}

/** The engine's garbage collector, where the runner has asked for it. */
function collector(): (() => void) | null {
  const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(force: boolean): void } };
  return gc ?? (Bun ? () => Bun.gc(true) : null);
}

/** Starts to count; the census collects garbage first. `contexts` are those that were caught. */
export async function startCensus(device: string, contexts: readonly Context[]): Promise<() => Promise<Census>> {
  const counts: Record<string, () => number> = { "bytes of WebAssembly": countWasm(), "workers": countWorkers() };
  if (device === "webgpu") counts["buffers of the GPU"] = await countBuffers();
  else if (await isGl(device)) counts["textures of the GPU"] = countTextures(contexts);
  const collect = collector();
  return async () => {
    // Finalizers run in tasks of their own, and free more.
    for (let i = 0; i < 3; i++) {
      collect?.();
      await new Promise((done) => setTimeout(done, 5));
    }
    const { heapUsed, arrayBuffers, rss } = process.memoryUsage?.() ?? {};
    const { memory } = performance as { memory?: { usedJSHeapSize: number } };
    const seen: Record<string, number | undefined> = {
      "bytes of the heap": heapUsed ?? memory?.usedJSHeapSize,
      "bytes of array buffers": arrayBuffers,
      "bytes of the process": rss,
      ...Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, count()])),
    };
    return Object.fromEntries(
      Object.entries(seen).filter((entry): entry is [string, number] => entry[1] !== undefined),
    );
  };
}

/** Growth that is noise: a share of what was there, and bytes or numbers beside it. */
const SLACK: Readonly<Record<string, readonly [share: number, beside: number]>> = {
  "bytes of the heap": [0.1, 6 << 20],
  "bytes of array buffers": [0.25, 32 << 20],
  // Allocators give memory back late, or never.
  "bytes of the process": [0.15, 96 << 20],
  "bytes of WebAssembly": [0.25, 64 << 20],
};

/** What the last quarter of the samples holds more of than the second quarter. */
export function growth(samples: readonly Census[]): string[] {
  const quarter = Math.floor(samples.length / 4);
  if (quarter < 2) return [`${samples.length} samples are too few to tell whether memory grows`];
  return Object.keys(samples[0]).flatMap((kind) => {
    const middle = (part: readonly Census[]) => part.map((s) => s[kind]).sort((a, b) => a - b)[part.length >> 1];
    const [early, late] = [middle(samples.slice(quarter, 2 * quarter)), middle(samples.slice(-quarter))];
    const [share, beside] = SLACK[kind] ?? [0.25, 64];
    return late <= early * (1 + share) + beside ? [] : [`${kind}: from ${early} to ${late}`];
  });
}
