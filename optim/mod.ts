/**
 * Optimisers, schedules of their rates, and clipping. Everything here is exported by the main entry point as well.
 *
 * @module
 */
export { adamW, type AdamWOptions } from "./adamw.ts";
export { clipByNorm, type ClipByNormOptions } from "./clip.ts";
export type { Optimiser, OptimiserState } from "./optimiser.ts";
/** Schedules of learning rates. */
export * as schedules from "./schedules.ts";
export type { Schedule } from "./schedules.ts";
export { sgd, type SgdOptions } from "./sgd.ts";
