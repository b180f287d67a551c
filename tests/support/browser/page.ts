/** The functions of a test page, called by scripts/browser.ts. */
import { env } from "./node_process.ts";
import { describeError, runTests, type TestReport } from "./node_test.ts";

export interface Orders {
  /** The address of the bundled test file. */
  module: string;
  /** Filters by test name: a part of the name, and its ending. */
  name: string;
  ending: string;
  env: Record<string, string | undefined>;
}

/** Messages to the runner while tests run. */
export type Message = { started: string } | { ended: TestReport };

/** Loads a test file and runs its tests; returns the error if it does not load. */
async function run(
  { module, name, ending, env: given }: Orders,
  tell: (message: Message) => Promise<void>,
): Promise<string | null> {
  Object.assign(env, given);
  try {
    await import(module);
  } catch (error) {
    return describeError(error);
  }
  // Runtimes join the names of nested suites differently.
  const wanted = (full: string) =>
    (full.includes(name) || full.replaceAll(" > ", " ").includes(name)) &&
    full.replace(/ \(skipped: .*\)$/s, "").endsWith(ending);
  const told: Promise<void>[] = [];
  await runTests(wanted, (started) => told.push(tell({ started })), (ended) => told.push(tell({ ended })));
  await Promise.all(told);
  return null;
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

Object.assign(globalThis, { gpugradTests: { run, graphics } });
