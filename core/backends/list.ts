/** The backends. */
import type { Backend } from "./backend.ts";
import { cpu } from "./cpu.ts";
import { float64 } from "./float64.ts";
import { wasm } from "./wasm.ts";
import { webasm } from "./webasm.ts";
import { headlessgl, webgl, webgl2 } from "./webgl.ts";
import { webgpu } from "./webgpu.ts";

/** All backends. `auto` prefers the earlier: the more capable of the GPUs, the faster of the hosts. */
export const backends: readonly Backend[] = [webgpu, webgl2, webgl, headlessgl, wasm, webasm, cpu, float64];

/** Returns the backend of this name. Throws if there is none. */
export function backendNamed(name: string): Backend {
  const found = backends.find((backend) => backend.name === name);
  if (!found) throw new Error(`backends: expected one of ${backends.map((b) => b.name).join(", ")}, got "${name}"`);
  return found;
}
