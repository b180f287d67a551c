/** The equivalents that docs/coming-from.md lists in gpugrad, PyTorch and TensorFlow.js, as programs over the same inputs. */
import type * as tfjs from "@tensorflow/tfjs";
import * as g from "../../../mod.ts";
import type { Tensor } from "../../../mod.ts";

export type Tf = typeof tfjs;
type Results<T> = T | readonly T[];

/** One claim. The names are those of pytorch.py, whose inputs are the same. */
interface Case {
  readonly ours: () => Results<Tensor>;
  readonly tf?: (tf: Tf, t: ReturnType<typeof tfInputs>) => Results<tfjs.Tensor>;
}

export const X = [[1, -2, 0.5], [4, 4, -1.5]];
const Y = [[0.25, 1, -3], [2, 4, 6]];
const V = [3, -1, 3, NaN, 2];
const CUBE = [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]];
const IMAGE = Array.from({ length: 16 }, (_, i) => i - 7);
const KERNEL = [1, -2, 0.5, 3];

export function tfInputs(tf: Tf): Record<"x" | "y" | "cube" | "image" | "kernel", tfjs.Tensor> {
  return {
    x: tf.tensor(X),
    y: tf.tensor(Y),
    cube: tf.tensor(CUBE),
    // TensorFlow.js has channels last, and kernels as [height, width, in, out].
    image: tf.tensor(IMAGE, [1, 4, 4, 1]),
    kernel: tf.tensor(KERNEL, [2, 2, 1, 1]),
  };
}

const x = g.tensor(X), y = g.tensor(Y), cube = g.tensor(CUBE), v = g.tensor(V);
const image = g.tensor(IMAGE, [1, 1, 4, 4]), kernel = g.tensor(KERNEL, [1, 1, 2, 2]);
const cubes = (x: Tensor) => g.sum(g.mul(g.pow(x, 3), y));
const squares = (x: Tensor) => g.mul(g.square(x), y);

/** The sum of the accumulated gradient, from a leaf that asks for it. */
function accumulated(): Tensor {
  const leaf = g.tensor(X, undefined, { requiresGrad: true });
  g.backward(cubes(leaf));
  return leaf.grad!;
}

export const CASES: Readonly<Record<string, Case>> = {
  add: { ours: () => g.add(x, y), tf: (tf, t) => tf.add(t.x, t.y) },
  mul: { ours: () => g.mul(x, y), tf: (tf, t) => tf.mul(t.x, t.y) },
  grad: {
    ours: () => g.grad(cubes(x), [x]),
    tf: (tf, t) => tf.grad((x: tfjs.Tensor) => tf.sum(tf.mul(tf.pow(x, 3), t.y)))(t.x),
  },
  backward: { ours: accumulated },
  vjp: {
    ours: () => {
      const [value, pullback] = g.vjp(squares, x);
      return [value, ...pullback(y)];
    },
  },
  jvp: { ours: () => g.jvp(squares, [x], [y]) },
  hvp: { ours: () => g.hvp(cubes, [x], [y])[0] },
  jacobian: { ours: () => g.jacobian(squares)(x) },
  hessian: { ours: () => g.hessian(cubes)(x) },
  detach: { ours: () => g.grad(g.sum(g.mul(x, g.detach(x))), [x]) },
  sum: { ours: () => g.sum(x, 1, { keepDims: true }), tf: (tf, t) => tf.sum(t.x, 1, true) },
  max: { ours: () => g.max(x, 1), tf: (tf, t) => tf.max(t.x, 1) },
  where: {
    ours: () => g.where(g.greater(x, 0), x, y),
    tf: (tf, t) => tf.where(tf.greater(t.x, 0), t.x, t.y),
  },
  clamp: { ours: () => g.clamp(x, -1, 2), tf: (tf, t) => tf.clipByValue(t.x, -1, 2) },
  gather: { ours: () => g.gather(x, [[2, 0], [1, 1]], 1) },
  take: { ours: () => g.take(x, [1, 0, 1], 0), tf: (tf, t) => tf.gather(t.x, [1, 0, 1]) },
  slice: { ours: () => g.slice(x, [[1, 3], null]), tf: (tf, t) => tf.slice(t.x, [1, 0], [1, -1]) },
  unsqueeze: { ours: () => g.unsqueeze(x, 1), tf: (tf, t) => tf.expandDims(t.x, 1) },
  squeeze: { ours: () => g.squeeze(g.unsqueeze(x, 1), 1), tf: (tf, t) => tf.squeeze(tf.expandDims(t.x, 1), [1]) },
  concat: { ours: () => g.concat([x, y], 1), tf: (tf, t) => tf.concat([t.x, t.y], 1) },
  stack: { ours: () => g.stack([x, y], 1), tf: (tf, t) => tf.stack([t.x, t.y], 1) },
  split: { ours: () => g.split(x, [1, 2], 1), tf: (tf, t) => tf.split(t.x, [1, 2], 1) },
  transpose: { ours: () => g.transpose(cube, [0, 2, 1]), tf: (tf, t) => tf.transpose(t.cube, [0, 2, 1]) },
  matmul: { ours: () => g.matmul(x, g.transpose(y)), tf: (tf, t) => tf.matMul(t.x, tf.transpose(t.y)) },
  einsum: { ours: () => g.einsum("ij,kj->ik", [x, y]), tf: (tf, t) => tf.einsum("ij,kj->ik", t.x, t.y) },
  conv2d: {
    ours: () => g.conv2d(image, kernel),
    tf: (tf, t) =>
      tf.transpose(tf.conv2d(t.image as tfjs.Tensor4D, t.kernel as tfjs.Tensor4D, 1, "valid"), [0, 3, 1, 2]),
  },
  maxPool2d: {
    ours: () => g.maxPool2d(image, 2, { stride: 1 }),
    tf: (tf, t) => tf.transpose(tf.maxPool(t.image as tfjs.Tensor4D, 2, 1, "valid"), [0, 3, 1, 2]),
  },
  avgPool2d: {
    ours: () => g.avgPool2d(image, 2, { stride: 1 }),
    tf: (tf, t) => tf.transpose(tf.avgPool(t.image as tfjs.Tensor4D, 2, 1, "valid"), [0, 3, 1, 2]),
  },
  diag: { ours: () => [g.diag(x, 1), g.diag([2, 0])] },
  trace: { ours: () => g.trace(x) },
  topK: {
    ours: () => {
      const { values, indices } = g.topK([3, -1, 5, NaN, 2], 2);
      return [values, indices];
    },
  },
  sort: { ours: () => [g.sort(v), g.argsort(v)] },
  argsort: { ours: () => g.argsort(v) },
  scan: {
    ours: () => {
      const [, sums] = g.scan((carry: Tensor, row: Tensor) => [g.add(carry, row), g.add(carry, row)], g.zeros([3]), x);
      return sums;
    },
  },
  crossEntropy: {
    ours: () => g.crossEntropy(x, [2, 0]),
    tf: (tf, t) => tf.losses.softmaxCrossEntropy(tf.oneHot([2, 0], 3), t.x),
  },
  binaryCrossEntropyWithLogits: {
    ours: () => g.binaryCrossEntropyWithLogits(x, g.sigmoid(y)),
    tf: (tf, t) => tf.losses.sigmoidCrossEntropy(tf.sigmoid(t.y), t.x),
  },
  smoothL1: { ours: () => g.smoothL1(x, y, { beta: 0.5 }) },
  huber: {
    ours: () => g.huber(x, y, { delta: 0.5 }),
    tf: (tf, t) => tf.losses.huberLoss(t.y, t.x, undefined, 0.5),
  },
  step: {
    ours: () => {
      const [inputs, wanted, w] = [g.tensor([[1, 2], [3, 4]]), g.tensor([[1], [2]]), g.tensor([[0], [0]])];
      const [loss, slope] = g.valueAndGrad((w: Tensor) => g.smoothL1(g.matmul(inputs, w), wanted))(w);
      return [loss, g.sub(w, g.mul(slope, 0.1))];
    },
    tf: (tf) => {
      const [inputs, wanted] = [tf.tensor2d([[1, 2], [3, 4]]), tf.tensor2d([[1], [2]])];
      const w = tf.tensor2d([[0], [0]]);
      const f = (w: tfjs.Tensor) => tf.losses.huberLoss(wanted, tf.matMul(inputs, w)).asScalar();
      const { value, grad } = tf.valueAndGrad(f)(w);
      return [value, w.sub(grad.mul(0.1))];
    },
  },
};

/** What the names stand for in what the page writes with other ops. */
export const WRITTEN: Readonly<Record<string, Tensor>> = {
  x,
  y,
  p: g.clamp(y, 0, 1),
  w: y,
  rows: g.tensor([1, 0, 1], [3], { dtype: "int" }),
  a: g.slice(x, [0]),
  b: g.slice(y, [0]),
  v: g.tensor([3, -1, 5, 0.5, 2]),
};
