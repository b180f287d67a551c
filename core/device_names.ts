/** Devices by name, and how a call chooses one. */
import { type Declared, kind, oneOf } from "./options.ts";

/** Where a computation runs: a device's name or the device itself. */
export type DeviceChoice = string | { readonly name: string };

/** Options of everything that computes. */
export interface RealizeOptions {
  /** The device to compute on; the default is the one that `useDevice` chose. */
  readonly device?: DeviceChoice;
}

/** The devices that compute on a GPU, the most capable first. */
export const GPU_DEVICES = ["webgpu", "webgl2", "webgl", "headlessgl"] as const;
/** The devices that compute on the host, the fastest first. */
export const HOST_DEVICES = ["webasm", "cpu", "float64"] as const;
/** Every device, by name. */
export const DEVICE_NAMES = [...GPU_DEVICES, ...HOST_DEVICES] as const;

/** What names a device. */
export const deviceName = oneOf("auto", ...DEVICE_NAMES);

/** The options of everything that computes. */
export const realizeOptions: Declared<RealizeOptions> = {
  device: kind(
    `${deviceName.expected}, or a device of useDevice()`,
    '"cpu"',
    (v) => deviceName.accepts(typeof v === "object" && v !== null ? (v as { name?: unknown }).name : v),
  ),
};
