/** Libraries by the names of contestants. Each is loaded only in its own program. */
import type { Library } from "./library.ts";

type Open = (name: string, threads: number) => Promise<Library>;

const LIBRARIES: Readonly<Record<string, () => Promise<{ open: Open }>>> = {
  tfjs: () => import("./tfjs.ts"),
  jax: () => import("./jax.ts"),
  "js-pytorch": () => import("./js_pytorch.ts"),
  javascript: () => import("./javascript.ts"),
  limit: () => import("./limit.ts"),
};

/** Opens a library; other names are devices of gpugrad. */
export async function openLibrary(name: string, threads: number): Promise<Library> {
  const { open } = await (LIBRARIES[name]?.() ?? import("./gpugrad.ts"));
  return await open(name, threads);
}
