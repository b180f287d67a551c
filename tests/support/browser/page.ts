/** The functions of a test page, called by scripts/browser.ts. */
import { type Message, type Orders, runFile } from "../runner/run.ts";
import { env } from "./node_process.ts";

/** Loads a test file and runs its tests; returns the error if it does not load. */
async function run(
  orders: Orders,
  given: Record<string, string | undefined>,
  tell: (message: Message) => Promise<void>,
): Promise<string | null> {
  for (const name of Object.keys(env)) delete env[name];
  Object.assign(env, given);
  const told: Promise<void>[] = [];
  const error = await runFile(orders, (message) => told.push(tell(message)));
  await Promise.all(told);
  return error;
}

/** The GPUs of this page. */
async function graphics(): Promise<Record<string, string>> {
  const gl = (context: "webgl" | "webgl2"): string => {
    const found = document.createElement("canvas").getContext(context) as WebGLRenderingContext | null;
    const info = found?.getExtension("WEBGL_debug_renderer_info");
    return info ? String(found?.getParameter(info.UNMASKED_RENDERER_WEBGL)) : found ? "without a name" : "none";
  };
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<{ info: Record<string, string> } | null> } };
  const adapter = await gpu?.requestAdapter();
  const { vendor, architecture, description } = adapter?.info ?? {};
  const webgpu = [vendor, architecture, description].filter(Boolean).join(" ");
  return { webgl: gl("webgl"), webgl2: gl("webgl2"), webgpu: adapter ? webgpu || "without a name" : "none" };
}

let memories = 0;
const { Memory } = WebAssembly;
WebAssembly.Memory = class extends Memory {
  constructor(descriptor: WebAssembly.MemoryDescriptor) {
    super(descriptor);
    memories++;
  }
};

/** How many memories of WebAssembly this page has made. */
const memoriesMade = (): number => memories;

Object.assign(globalThis, { gpugradTests: { run, graphics, memoriesMade } });
