/** Starts the worker, talks with it, and ends it, whatever it is doing. */
import { fork } from "node:child_process";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { runtime } from "../core/runtime.ts";
import type { Message, Request } from "./messages.ts";

/** How long a worker may take to end by itself, in milliseconds. */
const PATIENCE = 2000;

/** A running worker. */
export interface Remote {
  send(request: Request): void;
  /** Ends it once it is idle. */
  end(): Promise<void>;
  /** Ends it at once, also in the middle of a computation. */
  stop(): void;
}

/** Receives a worker's messages, and the reason in words if it ends by itself. */
export interface Listener {
  message(message: Message): void;
  ended(reason: string): void;
}

/**
 * Starts a worker. Under Node and Bun it is a process: native code of a driver cannot hold up its end, and loaders and
 * flags are those of the command. Under Deno a thread, which has the permissions and the flags of the command.
 */
export function startRemote(listener: Listener): Remote {
  const script = new URL(`./worker${extname(import.meta.url)}`, import.meta.url);
  let hasEnded = () => {};
  const gone = new Promise<void>((resolve) => (hasEnded = resolve));
  const remote = (runtime() === "deno" ? startThread : startProcess)(script, {
    message: listener.message,
    ended: (reason) => {
      hasEnded();
      listener.ended(reason);
    },
  });
  const end = async () => {
    remote.send({ do: "end" });
    const timer = setTimeout(hasEnded, PATIENCE);
    await gone;
    clearTimeout(timer);
    remote.stop();
  };
  return { ...remote, end };
}

function startProcess(script: URL, { message, ended }: Listener): Omit<Remote, "end"> {
  // Structured clones, for numbers that JSON lacks.
  const child = fork(fileURLToPath(script), [], { serialization: "advanced" });
  child.on("message", (value) => message(value as Message));
  child.on("error", (error) => ended(error.message));
  child.on("exit", (code, signal) => ended(signal ? `killed by ${signal}` : `exit code ${code}`));
  return {
    send: (request) => child.send(request),
    stop: () => {
      child.removeAllListeners();
      // If the process is just ending, the channel fails.
      child.on("error", () => {});
      child.kill("SIGKILL");
    },
  };
}

function startThread(script: URL, { message, ended }: Listener): Omit<Remote, "end"> {
  // From JSR the script is a remote one, which threads only load through another module.
  const program = `data:text/javascript,await import(${encodeURIComponent(JSON.stringify(script.href))})`;
  const thread = new Worker(script.protocol === "file:" ? script : new URL(program));
  thread.on("message", message);
  thread.on("error", (error) => ended((error as Error)?.message ?? String(error)));
  thread.on("exit", (code) => ended(`exit code ${code}`));
  return {
    send: (request) => thread.postMessage(request),
    stop: () => {
      thread.removeAllListeners();
      thread.on("error", () => {});
      void thread.terminate();
    },
  };
}
