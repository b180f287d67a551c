/** How many threads libraries find. */
import { createRequire, syncBuiltinESMExports } from "node:module";

/** Makes libraries believe that the machine has this many cores. */
export function limitThreads(threads: number): void {
  const { navigator } = globalThis as { navigator?: object };
  if (navigator) Object.defineProperty(navigator, "hardwareConcurrency", { value: threads });
  if ("Deno" in globalThis) return;
  const os = createRequire(import.meta.url)("node:os") as typeof import("node:os");
  const { cpus } = os;
  os.cpus = () => cpus().slice(0, threads);
  os.availableParallelism = () => threads;
  syncBuiltinESMExports();
}
