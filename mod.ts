/**
 * Loss functions that run on GPUs and differentiate to any order: a tape of tensors that is computed by kernels on GPUs, in WebAssembly
 * or in float64 for comparison, the SSD detection loss, and optimisers.
 *
 * @module
 */
export {
  type Attributes,
  type DataArray,
  type DataOptions,
  type DType,
  type Entry,
  type NestedArray,
  type TapeOp,
  Tensor,
  type Values,
} from "./core/tensor.ts";
export type { DeviceChoice, RealizeOptions } from "./core/device_names.ts";
export type { Shape } from "./core/shape.ts";
export type { CompositeFunction, OpFunction, WithComposite, WithOp } from "./ops/define/op.ts";
export type { Binary, Comparison, Logical, Unary } from "./ops/define/scalar.ts";
export type { Axes, AxesReduction, ReduceOptions } from "./ops/define/reduction.ts";
export {
  arange,
  type CreationOptions,
  full,
  type NestedData,
  ones,
  onesLike,
  tensor,
  type TensorLike,
  type TensorOptions,
  type TypedData,
  zeros,
  zerosLike,
} from "./ops/creation.ts";
export { abs, add, div, mul, neg, sign, square, sub } from "./ops/arithmetic.ts";
export { cast } from "./ops/cast.ts";
export {
  equal,
  greater,
  greaterEqual,
  less,
  lessEqual,
  logicalAnd,
  logicalNot,
  logicalOr,
  notEqual,
} from "./ops/comparison.ts";
export {
  atan,
  ceil,
  cos,
  erf,
  exp,
  expm1,
  floor,
  log,
  log10,
  log1p,
  log2,
  pow,
  round,
  sigmoid,
  sin,
  sqrt,
  tanh,
  trunc,
} from "./ops/functions.ts";
export { acos, asin, atan2, tan } from "./ops/circular.ts";
export { acosh, asinh, atanh, cosh, sinh } from "./ops/hyperbolic.ts";
export { cbrt, hypot } from "./ops/roots.ts";
export { clamp, maximum, minimum, relu, where } from "./ops/selection.ts";
export { all, any, argmax, argmin, logSumExp, max, mean, min, prod, sum } from "./ops/reduce.ts";
export {
  broadcastTo,
  concat,
  flip,
  pad,
  type Range,
  reshape,
  slice,
  squeeze,
  stack,
  transpose,
  unsqueeze,
  type Widths,
} from "./ops/movement.ts";
export { gather, oneHot, scatterAdd, take } from "./ops/indexing.ts";
export { argsort, type Ordering, type OrderOptions, rank, sort, topK, topKMask } from "./ops/ordering.ts";
export { digamma, lgamma, polygamma } from "./ops/gamma.ts";
export { isFinite, isNaN } from "./ops/finite.ts";
export { eye, linspace } from "./ops/grids.ts";
export { split, tile } from "./ops/tiling.ts";
export { standardDeviation, variance, type VarianceOptions } from "./ops/statistics.ts";
export {
  norm,
  normalize,
  type NormalizeOptions,
  type NormOptions,
  pairwiseDistance,
  type PairwiseDistanceOptions,
} from "./ops/norms.ts";
export { gelu, type GeluOptions, logSigmoid, logSoftmax, softmax, softplus } from "./ops/activations.ts";
export { cumprod, cumsum, type CumulativeOptions, logCumSumExp } from "./ops/scans.ts";
export {
  avgPool2d,
  type AvgPool2dOptions,
  conv2d,
  type Conv2dOptions,
  maxPool2d,
  type MaxPool2dOptions,
  type Pair,
} from "./ops/convolution.ts";
export { type BernoulliOptions, type Key, type Random, random, type UniformOptions } from "./ops/random.ts";
export { scan, type ScanOptions, type Tensors } from "./ops/recurrence.ts";
export { diag, trace } from "./ops/diagonals.ts";
export { einsum } from "./ops/einsum.ts";
export { matmul } from "./ops/linear_algebra.ts";
export {
  elementwise,
  type ElementwiseArgument,
  type ElementwiseArguments,
  type ElementwiseOptions,
  type FormulaConstant,
} from "./ops/elementwise.ts";
export { customVjp, type CustomVjpContext, type CustomVjpOptions, type CustomVjpResult } from "./ops/custom.ts";
export {
  type Argnums,
  type ByArguments,
  type CotangentsOf,
  hessian,
  hvp,
  jacobian,
  jvp,
  type TensorsOfAll,
  type TransformOptions,
  valueAndGrad,
  type ValueAndGradOptions,
  vjp,
} from "./ops/transforms.ts";
export type { TensorsOf, TensorTree } from "./ops/tree.ts";
export { backward, detach, type DetachOptions, grad, type GradOptions, hold } from "./ops/grad.ts";
export { type AvailableDevice, availableDevices, useDevice } from "./core/devices.ts";
export { compile, type Compiled, realize } from "./core/realize.ts";
export { type Device, DeviceLostError, type PassedOver } from "./core/device.ts";
export {
  inspect,
  type InspectedLoop,
  type InspectedStep,
  type Inspection,
  type InspectOptions,
  type PlanTime,
  type StepTime,
} from "./core/inspect.ts";
export * from "./loss/mod.ts";
export * from "./optim/mod.ts";
