/**
 * The start of the worker, which loads the file under check and runs its checks apart from the command: user code may
 * loop for ever or end its process. A child process under Node and Bun, a thread under Deno; see `remote.ts`.
 */
import process from "node:process";
import { parentPort } from "node:worker_threads";
import { CommandError } from "./arguments.ts";
import type { Answer, Message, Request } from "./messages.ts";

// Not by process.send, which Deno has in threads too.
const send: (message: Message) => void = parentPort
  ? (message) => parentPort!.postMessage(message)
  : (message) => process.send!(message);

async function answer(request: Exclude<Request, { do: "end" }>): Promise<Answer> {
  try {
    // Here, so that a package that is missing is explained.
    const { load, run } = await import("./checks.ts");
    return request.do === "load"
      ? await load(request.file, request.given)
      : await run(request.run, request.blocks, (step) => send({ kind: "step", step }));
  } catch (error) {
    if (error instanceof CommandError) return { kind: "refused", message: error.message };
    const { code, message, stack } = error as { code?: string; message?: string; stack?: string };
    if (code === "ERR_MODULE_NOT_FOUND" && message?.includes("'fast-check'")) {
      const hint = "gpugrad draws inputs with the package fast-check, which is not installed: npm install fast-check";
      return { kind: "refused", message: `check: ${hint}` };
    }
    return { kind: "failed", stack: stack ?? String(error) };
  }
}

/** Ends by itself: a thread that is ended from outside while it holds a device may take the process with it. */
function end(): void {
  const { close } = globalThis as { close?: () => void };
  if (parentPort && close) close();
  else process.exit();
}

const receive = async (request: Request) => {
  if (request.do === "end") end();
  else send(await answer(request));
};
if (parentPort) {
  parentPort.on("message", receive);
} else {
  process.on("message", receive);
  // The terminal sends Ctrl-C to both processes; the command decides what happens, and ends this one.
  process.on("SIGINT", () => {});
  process.on("disconnect", () => process.exit());
}
