/** Devices by name, and how a call chooses one. */
import { backends } from "./backends/list.ts";
import { type Declared, kind, oneOf } from "./options.ts";

/** The device of a computation: its name or the device itself. */
export type DeviceChoice = string | { readonly name: string };

/** Options of everything that computes. */
export interface RealizeOptions {
  /** The device to compute on; the default is the one that `useDevice` chose. */
  readonly device?: DeviceChoice;
}

/** The names of devices. */
export const deviceName = oneOf("auto", ...backends.map(({ name }) => name));

/** The options of everything that computes. */
export const realizeOptions: Declared<RealizeOptions> = {
  device: kind(
    `${deviceName.expected}, or a device of useDevice()`,
    '"cpu"',
    (v) => deviceName.accepts(typeof v === "object" && v !== null ? (v as { name?: unknown }).name : v),
  ),
};
