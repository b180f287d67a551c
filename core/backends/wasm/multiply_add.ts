/** Whether the engine has fused multiply-add: an instruction of relaxed SIMD, which rounds once or twice as the engine likes. */
import { environmentVariable } from "../../runtime.ts";

/** The switch: "0" for products that are rounded before they are added, as on engines without. */
const VARIABLE = "GPUGRAD_FMA";

/** A module whose `f(x, y, z)` is `f32x4.relaxed_madd` of x, y and z in each lane, lane 0 of it. */
// deno-fmt-ignore
const MODULE = [
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
  1, 8, 1, 0x60, 3, 0x7d, 0x7d, 0x7d, 1, 0x7d,
  3, 2, 1, 0,
  7, 5, 1, 1, 0x66, 0, 0,
  10, 22, 1, 20, 0,
  0x20, 0, 0xfd, 19, 0x20, 1, 0xfd, 19, 0x20, 2, 0xfd, 19, 0xfd, 0x85, 2, 0xfd, 31, 0, 0x0b,
];

/** Whether the engine has the instruction, and rounds once. */
export function fuses(): boolean {
  try {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(Uint8Array.from(MODULE)));
    const f = exports.f as (x: number, y: number, z: number) => number;
    // The square of 1 + 2^-12 is 1 + 2^-11 + 2^-24, whose last bit float32 lacks.
    return f(1 + 2 ** -12, 1 + 2 ** -12, -1 - 2 ** -11) === 2 ** -24;
  } catch {
    // The opcode is unknown, or the page forbids WebAssembly: then the device does not work either, and says so.
    return false;
  }
}

let known: boolean | null = null;

/**
 * Whether kernels take fused multiply-add. Asked once, when the first plan is made: until then the global `GPUGRAD_FMA` or, where there is
 * none, the environment variable can be set to 0.
 */
export function hasMultiplyAdd(): boolean {
  return known ??= isWanted((globalThis as Record<string, unknown>)[VARIABLE] ?? environmentVariable(VARIABLE)) &&
    fuses();
}

/** Whether a setting of the switch, perhaps none, leaves it on. */
export function isWanted(setting: unknown): boolean {
  return Number(setting ?? 1) !== 0;
}
