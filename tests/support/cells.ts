/**
 * How much is tried in each cell of the table of runtimes and devices. Every property is tried in full once, under Node on `float64`.
 * All other cells run the same recording and planning over another engine or another compiler: a few inputs of each kind tell whether
 * that one is right, and more of them tell nothing that Node has not.
 */
import process from "node:process";
import { backendNamed } from "../../core/backends/list.ts";
import { runtime } from "../../core/runtime.ts";
import { numberOf } from "./runner/turn.ts";

/**
 * How much a cell tries: everything, inputs of each kind, few, or least, where another cell tries the same compiler or driver: WebGPU in
 * Bun is the package that Node has, and the backends of browsers alone have the shaders of headlessgl. For the latter, the driver that
 * stands in for a GPU takes minutes for a plan of the loss over few boxes, all of which is one loop.
 */
export type Extent = "full" | "some" | "few" | "least";

/** The fraction of a property's inputs, and the fewest. */
const INPUTS: Readonly<Record<Extent, readonly [share: number, least: number]>> = {
  full: [1, 1],
  some: [1 / 10, 3],
  few: [1 / 50, 1],
  least: [1 / 50, 1],
};

/**
 * How much this runtime tries on a device, or without one.
 *
 * @param whole the device on which a property is tried in full; a property that is not about `float64` names another.
 */
export function extentOf(device?: string, whole = "float64"): Extent {
  const gpu = device !== undefined && backendNamed(device).computesOn === "gpu";
  if (gpu && (runtime() === "bun" || backendNamed(device).runsIn.every((place) => place === "browser"))) return "least";
  if (gpu || runtime() !== "node") return "few";
  return device === undefined || device === whole ? "full" : "some";
}

/** How many of the inputs of a property a cell tries. */
export function inputsOf(extent: Extent, runs: number): number {
  const [share, least] = INPUTS[extent];
  return Math.min(runs, Math.max(least, Math.ceil(runs * share)));
}

/** Whether a cell tries some of the examples alone; a run with more inputs than usual tries them all. */
export function isSampled(extent: Extent): boolean {
  return extent !== "full" && process.env.GPUGRAD_RUNS === undefined;
}

/** One of how many costly examples is tried. */
const EXAMPLES: Readonly<Record<Extent, number>> = { full: 1, some: 4, few: 8, least: 16 };

/** The examples of a list that a cell tries: all of them, or every fourth and fewer where each is costly and stands for the others. */
export function sampleOf<T>(extent: Extent, examples: readonly T[]): readonly T[] {
  return isSampled(extent) ? examples.filter((_, i) => i % EXAMPLES[extent] === 0) : examples;
}

/** The examples of a list that a cell tries where each costs a kernel or two: all but for `"least"`, which tries every fourth. */
export function kernelsOf<T>(extent: Extent, examples: readonly T[]): readonly T[] {
  return extent === "least" ? sampleOf("some", examples) : examples;
}

/** Devices that have the same driver and the same shaders, up to their dialect, take turns: of each four tests one runs on each. */
const TURNS: Readonly<Record<string, readonly [turn: number, other: string]>> = {
  "browser webgl": [0, "headlessgl in Node, whose plans are the same"],
  "browser webgl2": [1, "headlessgl in Node, whose plans are the same"],
  "browser webgpu": [0, "WebGPU in Node, which is Chromium's own as a package"],
  "bun webgpu": [1, "WebGPU in Node, which is the same package"],
};

/**
 * Where a test of a device runs instead, `undefined` if it runs here: tests that each kernel needs run everywhere, the others on one of two
 * devices that differ in what such tests do not see.
 */
export function elsewhere(name: string, device: string): string | undefined {
  const [turn, other] = TURNS[`${runtime()} ${device}`] ?? [];
  const { GPUGRAD_RUNS, GPUGRAD_SOAK } = process.env;
  if (turn === undefined || GPUGRAD_RUNS !== undefined || GPUGRAD_SOAK !== undefined) return undefined;
  return numberOf(name) % 4 === turn ? undefined : `on ${other}`;
}
