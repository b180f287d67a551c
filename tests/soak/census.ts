/**
 * Counts the resources that a program holds: heap, array buffers, WebAssembly memory, workers, buffers or textures of a
 * GPU.
 */
import process from "node:process";
import { type Constructor, type Context, gpuJs, isGl, watching, watchWorkers } from "../support/gpujs.ts";

/** Resources by kind; kinds that a runtime cannot observe are missing. */
export type Census = Readonly<Record<string, number>>;

/** Counts bytes of WebAssembly memories until they are garbage-collected. */
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

/** Counts workers that were started and have not ended. */
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

/** Counts buffers of the WebGPU device that were created and not destroyed. */
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

/** Counts textures of GL contexts that were created and not deleted. */
function countTextures(contexts: readonly Context[]): () => number {
  // A texture deleted twice counts once.
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

/** The engine's garbage collector, if the runner exposes it. */
function collector(): (() => void) | null {
  const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(force: boolean): void } };
  return gc ?? (Bun ? () => Bun.gc(true) : null);
}

/** Starts counting; the census collects garbage first. `contexts` are the GL contexts that were intercepted. */
export async function startCensus(device: string, contexts: readonly Context[]): Promise<() => Promise<Census>> {
  const counts: Record<string, () => number> = { "bytes of WebAssembly": countWasm(), "workers": countWorkers() };
  if (device === "webgpu") counts["buffers of the GPU"] = await countBuffers();
  else if (await isGl(device)) counts["textures of the GPU"] = countTextures(contexts);
  const collect = collector();
  return async () => {
    // Finalizers run in separate tasks, and free more.
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

/** Growth that counts as noise: a fraction of the initial amount plus a constant. */
const SLACK: Readonly<Record<string, readonly [share: number, beside: number]>> = {
  "bytes of the heap": [0.1, 6 << 20],
  "bytes of array buffers": [0.25, 32 << 20],
  // Allocators return memory late, or never.
  "bytes of the process": [0.15, 96 << 20],
  "bytes of WebAssembly": [0.25, 64 << 20],
};

/** The growth from the second to the last quarter of the samples. */
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
