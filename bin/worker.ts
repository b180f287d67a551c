/**
 * Loads the file under check and runs its checks, apart from the command: user code may loop for ever or end its process.
 * A child process under Node and Bun, a thread under Deno; see `remote.ts`.
 */
import process from "node:process";
import { parentPort } from "node:worker_threads";
import { deviceName } from "../core/device_names.ts";
import { chosenDevice } from "../core/devices.ts";
import { type Check, optionsOf, runCheck } from "../verify/check.ts";
import type { Progress } from "../verify/property.ts";
import { messageOf } from "../verify/usage.ts";
import { CommandError } from "./arguments.ts";
import { loadChecks } from "./load.ts";
import type { Answer, Given, Message, Request } from "./messages.ts";

/** The share of the time that reports of a check that goes on may take. */
const SHARE = 1 / 20;

// Not by process.send, which Deno has in threads too.
const send: (message: Message) => void = parentPort
  ? (message) => parentPort!.postMessage(message)
  : (message) => process.send!(message);

let checks: ReadonlyMap<string, Check> = new Map();

async function load(file: string, given: Given): Promise<Answer> {
  const { timeout: _, ...options } = given;
  if (given.device !== undefined) await requireDevice(given.device);
  checks = await loadChecks(file);
  return {
    kind: "loaded",
    checks: [...checks].map(([name, check]) => ({ name, options: optionsOf(check, options) })),
  };
}

async function run({ run, blocks }: Request & { do: "run" }): Promise<Answer> {
  let next = 0;
  let before: Progress["phase"] = "checking";
  const watch = ({ phase, runs, shrinks, path, report }: Progress) => {
    const step = { phase, runs, shrinks, path };
    const started = performance.now();
    // Each input is announced, because it may never end; reports are larger, and are sent now and then.
    if (phase === before && started < next) return send({ kind: "step", step });
    before = phase;
    send({ kind: "step", step: { ...step, report: report() } });
    const ended = performance.now();
    next = ended + (ended - started) / SHARE;
  };
  const how = blocks === null ? { watch } : { watch, blocks };
  lost = null;
  const report = await runCheck(checks.get(run.name)!, run, how);
  // What is left of the function's promises.
  await new Promise((done) => setTimeout(done, 0));
  if (lost === null || report.error !== null) return { kind: "report", report };
  const verdict = report.verdict === "ok" ? "undecided" : report.verdict;
  const error = `${run.name} leaves a promise alone that is rejected: ${lost}`;
  return { kind: "report", report: { ...report, verdict, error } };
}

/** Why a promise that nobody awaits was rejected. */
let lost: string | null = null;
process.on("unhandledRejection", (reason) => {
  lost ??= messageOf(reason);
});

async function answer(request: Request): Promise<Answer> {
  try {
    return request.do === "load" ? await load(request.file, request.given) : await run(request);
  } catch (error) {
    if (error instanceof CommandError) return { kind: "refused", message: error.message };
    return { kind: "failed", stack: (error as Error)?.stack ?? String(error) };
  }
}

/** Opens the device, so that one that does not work is a usage error rather than one of each check. */
async function requireDevice(name: string): Promise<void> {
  if (!deviceName.accepts(name)) {
    throw new CommandError(`--device: expected ${deviceName.expected}, got ${JSON.stringify(name)}`);
  }
  try {
    await chosenDevice(name);
  } catch (error) {
    const { message, cause } = error as Error;
    throw new CommandError(`--device: ${name} does not work here: ${cause instanceof Error ? cause.message : message}`);
  }
}

const receive = async (request: Request) => send(await answer(request));
if (parentPort) {
  parentPort.on("message", receive);
} else {
  process.on("message", receive);
  // The terminal sends Ctrl-C to both processes; the command decides what happens, and ends this one.
  process.on("SIGINT", () => {});
  process.on("disconnect", () => process.exit());
}
