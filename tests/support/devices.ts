/** The devices that tests run on. */
import process from "node:process";
import { backends } from "../../core/backends/list.ts";
import { chosenDevice } from "../../core/devices.ts";
import { runtime } from "../../core/runtime.ts";
import { elsewhere, type Extent, extentOf } from "./cells.ts";
import { skip } from "./skip.ts";

/** A device that tests run on, or are skipped on. */
export interface DeviceUnderTest {
  readonly device: string;
  readonly available: boolean;
  /**
   * The name and the options of a test on it; the test is skipped if the device is missing, and also where another device with the same
   * driver runs it.
   *
   * @param why why it does not run here, if it does not.
   */
  on(text: string, why?: string): ReturnType<typeof skip>;
  /** The same for tests of single kernels, which no other device can stand for. */
  onEach(text: string): ReturnType<typeof skip>;
  /** Whether it computes in float32. */
  readonly single: boolean;
  /** Whether it is a GPU: quotients may be off in the last place. */
  readonly gpu: boolean;
  /** How much is tried on it here. */
  readonly extent: Extent;
}

/** Why a device does not work here. */
async function problemOf(device: string): Promise<string | undefined> {
  try {
    await chosenDevice(device);
    return undefined;
  } catch (error) {
    const { message, cause } = error as Error;
    return cause instanceof Error ? cause.message : message;
  }
}

/**
 * The devices that this runtime can have; if a driver is missing, the tests are skipped with the reason. Where the tests of one device
 * alone are run, as `GPUGRAD_DEVICE` says, no other is started.
 */
export async function devicesUnderTest(): Promise<DeviceUnderTest[]> {
  const { GPUGRAD_DEVICE: only } = process.env;
  const here = backends.filter(({ name, runsIn }) => runsIn.includes(runtime()) && (!only || name === only));
  const reasons = await Promise.all(here.map(({ name }) => problemOf(name)));
  return here.map(({ name, arrays, computesOn }, i) => {
    const reason = reasons[i];
    return {
      device: name,
      available: reason === undefined,
      on: (text, why) => skip(`${text} [${name}]`, reason ?? why ?? elsewhere(text, name)),
      onEach: (text) => skip(`${text} [${name}]`, reason),
      single: arrays === Float32Array,
      gpu: computesOn === "gpu",
      extent: extentOf(name),
    };
  });
}
