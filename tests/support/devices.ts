/** The devices that tests run on. */
import { backends } from "../../core/backends/list.ts";
import { runtime } from "../../core/runtime.ts";
import { availableDevices } from "../../mod.ts";
import { type Extent, extentOf } from "./cells.ts";
import { skip } from "./skip.ts";

/** A device that tests run on, or are skipped on. */
export interface DeviceUnderTest {
  readonly device: string;
  readonly available: boolean;
  /** The name and the options of a test on it; the test is skipped if the device is missing. */
  on(text: string): ReturnType<typeof skip>;
  /** Whether it computes in float32. */
  readonly single: boolean;
  /** Whether it is a GPU: quotients may be off in the last place. */
  readonly gpu: boolean;
  /** How much is tried on it here. */
  readonly extent: Extent;
}

/** The devices that this runtime can have; if a driver is missing, the tests are skipped with the reason. */
export async function devicesUnderTest(): Promise<DeviceUnderTest[]> {
  const here = backends.filter(({ runsIn }) => runsIn.includes(runtime()));
  const found = new Map((await availableDevices()).map((device) => [device.name, device]));
  return here.map(({ name, arrays, computesOn }) => {
    const { available, reason } = found.get(name)!;
    return {
      device: name,
      available,
      on: (text) => skip(`${text} [${name}]`, reason),
      single: arrays === Float32Array,
      gpu: computesOn === "gpu",
      extent: extentOf(name),
    };
  });
}
