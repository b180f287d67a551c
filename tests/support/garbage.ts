/** The garbage collector, if a program can call it. */
import { runtime } from "../../core/runtime.ts";

/** Collects all garbage; `null` if the runtime has no way to do so. */
export function garbageCollector(): (() => Promise<void>) | null {
  const gc = findCollector();
  if (!gc) return null;
  return async () => {
    // Dereferencing a WeakRef keeps its target alive until the task ends.
    for (let i = 0; i < 3; i++) {
      await new Promise((done) => setTimeout(done, 0));
      gc();
    }
  };
}

/** Collects at once, but nothing that the current task has made a weak reference to; `null` if the runtime has no way to do so. */
export function findCollector(): (() => void) | null {
  const { Bun, gc, process } = globalThis as unknown as {
    Bun?: { gc(synchronously: boolean): void };
    gc?: () => void;
    process?: { getBuiltinModule?(name: string): unknown };
  };
  if (gc) return gc;
  if (Bun) return () => Bun.gc(true);
  if (runtime() !== "node") return null;
  const load = process?.getBuiltinModule;
  if (!load) return null;
  (load("node:v8") as { setFlagsFromString(flags: string): void }).setFlagsFromString("--expose-gc");
  return (load("node:vm") as { runInNewContext(code: string): () => void }).runInNewContext("gc");
}
