/** The workings behind the figures: the code that computed them, and the kernels and times of each device. */
import { readFileSync } from "node:fs";
import { availableDevices, inspect } from "../mod.ts";
import { type Batch, evaluate, type Objective, record } from "./objective.ts";
import { withProgress } from "./progress.ts";

/** A kernel of the plan. */
export interface DeviceKernel {
  /** The op whose result it stores, and its shape. */
  readonly title: string;
  /** `null` if it was not taken, or cannot be told from copying. */
  readonly milliseconds: number | null;
  /** The function that the device compiles. */
  readonly source: string;
}

/** A device, and what it makes of the loss. */
export interface DeviceInsides {
  readonly name: string;
  /** Why it cannot be used; then it has neither kernels nor times. */
  readonly reason: string | null;
  readonly loss: number;
  /** The median of some calls with loss, components and both gradients. */
  readonly milliseconds: number;
  readonly kernels: readonly DeviceKernel[];
}

/** Calls of a device; the first, which compiles, is not timed. */
const CALLS = 5;

/** The loss of a batch on each device of this machine; the kernels of one of them are timed. */
export async function insidesOfDevices(objective: Objective, batch: Batch, timed: string): Promise<DeviceInsides[]> {
  const devices = await availableDevices();
  return await withProgress("Each device", devices, async ({ name, available, reason }) => {
    if (!available) return { name, reason: reason ?? "not here", loss: NaN, milliseconds: NaN, kernels: [] };
    const { loss } = await evaluate(objective, batch, name);
    const times: number[] = [];
    for (let i = 0; i < CALLS; i++) {
      const started = performance.now();
      await evaluate(objective, batch, name);
      times.push(performance.now() - started);
    }
    const milliseconds = times.sort((a, b) => a - b)[Math.floor(CALLS / 2)];
    return { name, reason: null, loss, milliseconds, kernels: await kernelsOn(objective, batch, name, name === timed) };
  });
}

async function kernelsOn(objective: Objective, batch: Batch, device: string, time: boolean): Promise<DeviceKernel[]> {
  const { steps } = await inspect(record(objective, batch), { device, time });
  return steps.map(({ name, shape, source, time }, i) => ({
    title: `${i} ${name} [${shape.join(", ")}]`,
    milliseconds: time?.milliseconds ?? null,
    source,
  }));
}

/** The functions of this program that make the loss and compute it, as they are. */
export function code(): string {
  const source = readFileSync(new URL("objective.ts", import.meta.url), "utf8");
  return ["objectiveFor", "record", "evaluate"].map((name) => functionIn(source, name)).join("\n\n");
}

/** A function of a source file, with its comment. */
function functionIn(source: string, name: string): string {
  const found = new RegExp(`/\\*\\*(?:(?!\\*/)[^])*\\*/\\nexport (?:async )?function ${name}\\b[^]*?\\n}\\n`).exec(
    source,
  );
  if (!found) throw new Error(`demo/objective.ts has no function ${name}`);
  return found[0].trimEnd();
}
