/** The worker: loads the file under check, and runs its checks. */
import process from "node:process";
import { deviceName } from "../core/device_names.ts";
import { chosenDevice } from "../core/devices.ts";
import type { Block } from "../verify/blocks.ts";
import { type Check, type CheckRun, optionsOf, runCheck } from "../verify/check.ts";
import type { Progress } from "../verify/property.ts";
import { messageOf } from "../verify/usage.ts";
import { CommandError } from "./arguments.ts";
import { loadChecks } from "./load.ts";
import type { Answer, Given, Step } from "./messages.ts";

/** The share of the time that reports of a check that goes on may take. */
const SHARE = 1 / 20;

let checks: ReadonlyMap<string, Check> = new Map();

/** Loads the file. */
export async function load(file: string, { timeout: _, ...given }: Given): Promise<Answer> {
  if (given.device !== undefined) await requireDevice(given.device);
  checks = await loadChecks(file);
  await settled();
  if (lost !== null) throw new CommandError(`check: ${file} ${LOST}: ${lost}`);
  return {
    kind: "loaded",
    checks: [...checks].map(([name, check]) => ({ name, options: optionsOf(check, given) })),
  };
}

/** Runs a check. */
export async function run(
  run: CheckRun,
  blocks: readonly Block[] | null,
  announce: (step: Step) => void,
): Promise<Answer> {
  let next = 0;
  let before: Progress["phase"] = "checking";
  const watch = ({ phase, runs, shrinks, path, report }: Progress) => {
    const step = { phase, runs, shrinks, path };
    const started = performance.now();
    // Each input is announced, because it may never end; reports are larger, and are sent now and then.
    if (phase === before && started < next) return announce(step);
    before = phase;
    announce({ ...step, report: report() });
    const ended = performance.now();
    next = ended + (ended - started) / SHARE;
  };
  lost = null;
  const report = await runCheck(checks.get(run.name)!, run, blocks === null ? { watch } : { watch, blocks });
  await settled();
  if (lost === null || report.error !== null) return { kind: "report", report };
  const verdict = report.verdict === "ok" ? "undecided" : report.verdict;
  const error = `${run.name} ${LOST}: ${lost}`;
  return { kind: "report", report: { ...report, verdict, error } };
}

/** Why a promise that nobody awaits was rejected, and how that is said. */
let lost: string | null = null;
const LOST = "leaves a promise alone that is rejected";
process.on("unhandledRejection", (reason) => {
  lost ??= messageOf(reason);
});

/** Waits until rejections of the promises so far have been noticed. */
function settled(): Promise<void> {
  return new Promise((done) => setTimeout(done, 0));
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
