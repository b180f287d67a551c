/**
 * Verification of gradients: on gpugrad's tape against dual numbers and finite differences, and against finite differences
 * with error estimates for plain functions.
 *
 * @module
 */
export { assertGradients, gradcheck, type GradcheckOptions, type TensorFunction } from "./gradcheck.ts";
export type { InputLike, TensorData } from "./inputs.ts";
export type { PlainArrays, PlainFunction, PlainPrecision } from "./plain.ts";
export { assertProperty, checkProperty, type PropertyOptions, type Sample } from "./property.ts";
export {
  type DefaultBoxLayout,
  defaultBoxLayouts,
  type DetectionScene,
  detectionScenes,
  type SceneOptions,
} from "./generate/detections.ts";
export { type Draw, drawFrom } from "./generate/draw.ts";
export { broadcastableShapes, type ShapeOptions, shapes } from "./generate/shapes.ts";
export { indices, permutations, tensors } from "./generate/tensors.ts";
export type { TensorOptions } from "./generate/values.ts";
export type {
  BlockReport,
  CheckReport,
  ElementReport,
  Finding,
  GradcheckReport,
  InputReport,
  RunOptions,
  RunReport,
  TapeEntryReport,
  Verdict,
  Witness,
} from "./report/report.ts";
export { type Check, check, type CheckOptions } from "./check.ts";
export type { TextOptions, TextStyle } from "./report/text.ts";
export { mergeRuns, parseReport, reportHtml, reportJson, reportText, runText } from "./reports.ts";
export { UsageError } from "./usage.ts";
