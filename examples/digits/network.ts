/** A small SSD network in TensorFlow.js: convolutions of 3 by 3, with heads at two levels. */
import { createRequire } from "node:module";
import { join, sep } from "node:path";
import type * as TF from "@tensorflow/tfjs";
import { DefaultBoxes } from "../../mod.ts";
import { packageFolder } from "../../demo/network.ts";
import { uniform } from "../../demo/random.ts";
import { CLASSES, mixed, type Scene, SIDE } from "./scenes.ts";

const tf = createRequire(import.meta.url)("@tensorflow/tfjs") as typeof TF;

/** Starts TensorFlow.js on its WebAssembly backend; has to be awaited before a {@link Network} computes. */
export async function startNetwork(): Promise<void> {
  const require = createRequire(import.meta.url);
  const wasm = require("@tensorflow/tfjs-backend-wasm") as typeof import("@tensorflow/tfjs-backend-wasm");
  wasm.setWasmPaths(join(packageFolder("@tensorflow/tfjs-backend-wasm"), "dist") + sep);
  if (!(await tf.setBackend("wasm"))) throw new Error("tfjs' WebAssembly backend does not start");
  await tf.ready();
}

/** The parts of a prediction for one default box: four locations, then the logits of background and classes. */
export const PARTS = 4 + 1 + CLASSES;
/**
 * For each level, the shapes of the default boxes in a cell: height in pixels, and width relative to it. Each shape has a classifier of its
 * own, which learns from the digits that match it; so few shapes learn sooner than many.
 */
const SHAPES = [
  [[18, 0.7], [25, 0.7]],
  [[34, 0.7]],
];
const HEAD_DEVIATION = 0.01;
const LEVELS = SHAPES.length;

/** Filters `[3, 3, in, out]` and bias `[out]` of each layer, then of each head. */
export type Weights = readonly Float32Array[];

/** The network: a function of weights, which it does not hold, and scenes. */
export class Network {
  readonly defaultBoxes: DefaultBoxes;
  /** The shape of each array of the weights. */
  readonly shapes: readonly (readonly number[])[];
  readonly #blocks: readonly (readonly number[])[];
  /** The number of layers, without heads. */
  readonly #layers: number;

  /** @param blocks the channels of the layers of each block. Between blocks is pooling; heads are on the last two blocks. */
  constructor(blocks: readonly (readonly number[])[]) {
    this.#blocks = blocks;
    const channels = blocks.flat();
    this.#layers = channels.length;
    const first = blocks.length - LEVELS;
    this.defaultBoxes = DefaultBoxes.from(SHAPES.flatMap((shapes, i) => boxesOf(shapes, SIDE >> (first + i))));
    const layer = (from: number, to: number) => [[3, 3, from, to], [to]];
    this.shapes = [
      ...channels.flatMap((to, i) => layer(i === 0 ? 1 : channels[i - 1], to)),
      ...SHAPES.flatMap((shapes, i) => layer(blocks[first + i].at(-1)!, shapes.length * PARTS)),
    ];
  }

  /**
   * Weights to begin with: normal, for layers with the variance of He et al. (2015), for heads a small one, so that no class is preferred;
   * and biases of 0.
   */
  initialWeights(seed: number): Float32Array[] {
    return this.shapes.map((shape, i) => {
      const random = uniform(mixed(seed, i));
      const spread = i < 2 * this.#layers ? Math.sqrt(2 / (9 * shape[2])) : HEAD_DEVIATION;
      const deviation = shape.length === 1 ? 0 : spread;
      return Float32Array.from({ length: size(shape) }, () => deviation * normal(random));
    });
  }

  /** The predictions for scenes, `[scenes, PARTS, boxes]`. */
  predict(weights: Weights, scenes: readonly Scene[]): Float32Array {
    const [predictions] = values(() => [this.#forward(pixelsOf(scenes), this.#tensors(weights))]);
    return predictions;
  }

  /**
   * The gradients with respect to the weights, from the gradient with respect to the predictions. The loss is computed in between, asynchronously, and TensorFlow.js
   * differentiates a synchronous function only; so the predictions are computed once more.
   */
  gradients(weights: Weights, scenes: readonly Scene[], byPredictions: Float32Array): Float32Array[] {
    return values(() => {
      const pixels = pixelsOf(scenes);
      const gradient = tf.tensor3d(byPredictions, [scenes.length, PARTS, this.defaultBoxes.count]);
      const forward = (...tensors: TF.Tensor[]) => this.#forward(pixels, tensors);
      return tf.grads(forward)(this.#tensors(weights), gradient);
    });
  }

  #tensors(weights: Weights): TF.Tensor[] {
    return weights.map((values, i) => tf.tensor(values, [...this.shapes[i]]));
  }

  #forward(pixels: TF.Tensor4D, weights: readonly TF.Tensor[]): TF.Tensor3D {
    const convolved = (x: TF.Tensor4D, i: number) => convolve(x, weights[2 * i] as TF.Tensor4D);
    const biased = (x: TF.Tensor4D, i: number) => tf.add(x, weights[2 * i + 1]) as TF.Tensor4D;
    const pooled = (x: TF.Tensor4D) => tf.maxPool(x, 2, 2, "valid");
    const heads: TF.Tensor[] = [];
    let x = pixels;
    let layer = 0;
    this.#blocks.forEach((channels, i) => {
      const level = i - (this.#blocks.length - LEVELS);
      channels.forEach((_, k) => {
        x = convolved(x, layer);
        // Pooling before the bias gives the same as afterwards, and leaves a quarter to do.
        if (level < 0 && k === channels.length - 1) x = pooled(x);
        x = tf.relu(biased(x, layer++));
      });
      if (level < 0) return;
      const head = this.#layers + level;
      heads.push(tf.reshape(biased(convolved(x, head), head), [x.shape[0], -1, PARTS]));
      if (level < LEVELS - 1) x = pooled(x);
    });
    return tf.transpose(tf.concat(heads, 1), [0, 2, 1]) as TF.Tensor3D;
  }
}

/** Reads what a function computes, and disposes of it; `tidy` itself would look for tensors in every array that it returns. */
function values(compute: () => TF.Tensor[]): Float32Array[] {
  const tensors = tf.tidy(compute);
  const arrays = tensors.map((t) => t.dataSync() as Float32Array);
  tf.dispose(tensors);
  return arrays;
}

/** The default boxes of a level: all shapes of the first cell, then of the next. */
function boxesOf(shapes: readonly (readonly number[])[], cells: number): number[][] {
  return Array.from({ length: cells * cells }, (_, cell) => [
    (cell % cells + 0.5) / cells,
    (Math.floor(cell / cells) + 0.5) / cells,
  ]).flatMap(([cx, cy]) => shapes.map(([height, ratio]) => [cx, cy, height * ratio / SIDE, height / SIDE]));
}

/** A batch of scenes, from -1 to 1. */
function pixelsOf(scenes: readonly Scene[]): TF.Tensor4D {
  const all = new Float32Array(scenes.length * SIDE * SIDE);
  scenes.forEach(({ pixels }, i) => all.set(pixels.map((v) => 2 * v - 1), i * SIDE * SIDE));
  return tf.tensor4d(all, [scenes.length, SIDE, SIDE, 1]);
}

/**
 * A convolution with filters of 3 by 3 whose gradients are convolutions, too. TensorFlow.js has no gradient with respect to the filters in WebAssembly,
 * and is five times as slow by the input.
 */
export function convolve(x: TF.Tensor4D, filters: TF.Tensor4D): TF.Tensor4D {
  const byInput = (dy: TF.Tensor4D, w: TF.Tensor4D) =>
    tf.conv2d(dy, tf.transpose(tf.reverse(w, [0, 1]), [0, 1, 3, 2]), 1, "same");
  // Channels take the place of the batch: what is summed over are scenes and places.
  const byFilters = (dy: TF.Tensor4D, x: TF.Tensor4D) => {
    const sums = tf.conv2d(
      tf.transpose(x, [3, 1, 2, 0]) as TF.Tensor4D,
      tf.transpose(dy, [1, 2, 0, 3]) as TF.Tensor4D,
      1,
      [[0, 0], [1, 1], [1, 1], [0, 0]],
    );
    return tf.transpose(sums, [1, 2, 0, 3]);
  };
  return tf.customGrad((...inputs: unknown[]) => {
    const [x, w, save] = inputs as [TF.Tensor4D, TF.Tensor4D, TF.GradSaveFunc];
    save([x, w]);
    return {
      value: tf.conv2d(x, w, 1, "same"),
      gradFunc: (dy: TF.Tensor, [x, w]: TF.Tensor[]) => [
        byInput(dy as TF.Tensor4D, w as TF.Tensor4D),
        byFilters(dy as TF.Tensor4D, x as TF.Tensor4D),
      ],
    };
  })(x, filters) as TF.Tensor4D;
}

/** A normal number (Box and Muller). */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function size(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}
