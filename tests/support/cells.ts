/**
 * How much is tried in each cell of the table of runtimes and devices. Every property is tried in full under Node, on `float64` and `cpu`.
 * All other cells run the same recording and planning over another engine or another compiler: inputs of each kind tell whether that one
 * is right, and more of them tell nothing that Node has not.
 */
import process from "node:process";
import { backendNamed } from "../../core/backends/list.ts";
import { runtime } from "../../core/runtime.ts";

/**
 * How much a cell tries: everything, inputs of each kind, or few, where to compile a kernel takes as long as many tests elsewhere. Least
 * are the backends of browsers whose shaders are those of headlessgl: the driver that stands in for a GPU there takes minutes for a plan
 * of the loss over few boxes, all of which is one loop.
 */
export type Extent = "full" | "some" | "few" | "least";

/** The fraction of a property's inputs, and how many there are at least. */
const INPUTS: Readonly<Record<Extent, readonly [share: number, least: number]>> = {
  full: [1, 1],
  some: [1 / 10, 3],
  few: [1 / 25, 2],
  least: [1 / 50, 1],
};

/** How much this runtime tries on a device, or without one. */
export function extentOf(device?: string): Extent {
  const backend = device === undefined ? undefined : backendNamed(device);
  if (backend?.computesOn === "gpu") return backend.runsIn.every((place) => place === "browser") ? "least" : "few";
  return runtime() === "node" && backend?.accuracy !== "polynomials" ? "full" : "some";
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
