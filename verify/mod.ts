/**
 * Verification of gradients against finite differences with error estimates, on gpugrad's tape and for plain functions.
 *
 * @module
 */
export { assertGradients, gradcheck, type GradcheckOptions, type TensorFunction } from "./gradcheck.ts";
export type { InputLike, TensorData } from "./inputs.ts";
export type { PlainArrays, PlainFunction, PlainPrecision } from "./plain.ts";
export { assertProperty, checkProperty, type PropertyOptions, type Sample } from "./property.ts";
export {
  broadcastableShapes,
  type DefaultBoxLayout,
  defaultBoxLayouts,
  type DetectionScene,
  detectionScenes,
  drawFrom,
  indices,
  permutations,
  type SceneOptions,
  type ShapeOptions,
  shapes,
  type TensorOptions,
  tensors,
} from "./generate/arbitraries.ts";
export type {
  BlockReport,
  CheckReport,
  ElementReport,
  Finding,
  GradcheckReport,
  InputReport,
  RunReport,
  TapeEntryReport,
  Verdict,
} from "./report/report.ts";
export { type Check, check, type CheckOptions } from "./check.ts";
export type { TextOptions, TextStyle } from "./report/text.ts";
export { mergeRuns, parseReport, reportHtml, reportJson, reportText, runText } from "./reports.ts";
export { UsageError } from "./usage.ts";
