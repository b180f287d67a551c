/** gpu.js at work on a device, and what can go wrong there. */
import { DeviceLostError } from "../device.ts";
import type { Backend } from "./backend.ts";
import type { Gpu, GpuModule, Pipeline } from "./gpujs.ts";
import type { Workers } from "./gpujs_workers.ts";
import type { Platform } from "./platform.ts";

/** How a plan was executed. */
export type Ran = Pick<Pipeline, "executorKind" | "fallbackReason" | "backend">;

/** gpu.js at work on a device, from when it is opened until it is lost or disposed of. */
export interface Session {
  readonly gpujs: GpuModule;
  readonly backend: Backend;
  readonly gpu: Gpu;
  readonly platform: Platform;
  readonly workers: Workers;
  /** How the last plan was executed. */
  last: Ran | null;
  /** Runs a call, after the others if calls must not overlap. */
  inTurn<T>(run: () => Promise<T>): Promise<T>;
}

/** Whether the requested device executed a plan; gpu.js may silently switch to another one. */
export function isItself({ platform }: Session, ran: Ran): boolean {
  return ran.backend === platform.reportedAs;
}

/** @param error the failure of a call, which may be due to the loss. */
export async function throwIfLost({ platform, backend: { name } }: Session, error?: unknown): Promise<void> {
  const why = await platform.lost(error);
  if (why) throw new DeviceLostError(`${name}: ${why}`, error === undefined ? undefined : { cause: error });
}

/** Throws if another device executed the plan. */
export function throwIfElsewhere(session: Session, ran: Ran): void {
  if (isItself(session, ran)) return;
  const { platform, backend: { name } } = session;
  throw new Error(
    `${name} (${platform.description}) cannot run this plan: gpu.js took ${ran.backend} instead` +
      (ran.fallbackReason === null ? "" : ` (${ran.fallbackReason})`),
  );
}

/** Makes a call. An error says which device failed, or that it was lost. */
export async function calling<T>(session: Session, call: () => Promise<T>): Promise<T> {
  const { platform, backend: { name } } = session;
  try {
    return await call();
  } catch (error) {
    await throwIfLost(session, error);
    throw new Error(`${name} (${platform.description}) failed: ${(error as Error)?.message ?? error}`, {
      cause: error,
    });
  }
}
