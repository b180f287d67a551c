/** The devices that tests run on. */
import { homesOf, runtime } from "../../core/runtime.ts";
import { type AvailableDevice, availableDevices } from "../../mod.ts";

/** The devices that this runtime can have, and why one is missing: a missing driver is reported, a missing browser is not. */
export async function devicesUnderTest(): Promise<AvailableDevice[]> {
  return (await availableDevices()).filter(({ name }) => homesOf(name)?.includes(runtime()) ?? true);
}
