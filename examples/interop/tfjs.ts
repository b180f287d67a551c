/**
 * Trains a network of TensorFlow.js with a loss of gpugrad: predictions go in, their gradient comes back.
 *
 *     npx tsx examples/interop/tfjs.ts
 *
 * A loss of gpugrad is awaited, so `tf.customGrad`, whose function returns its value at once, cannot hold it. The way back is a surrogate:
 * the gradient of sum(predictions * g) by the weights, with g held constant, is the gradient of the loss if g is that by the predictions.
 * The network runs twice a step, once for the predictions and once under the surrogate; with dropout, both have to drop the same.
 */
import { argv } from "node:process";
import { pathToFileURL } from "node:url";
import * as tf from "@tensorflow/tfjs";
import { crossEntropy, realize, type Tensor, tensor, valueAndGrad } from "gpugrad";
import { ARMS, spiral } from "../points/spiral.ts";

/**
 * The values of a tensor of TensorFlow.js, without a further copy: its backend `cpu` hands out its own array, which never changes; `wasm` and
 * the GPU backends copy from their memory to an array that nobody else has.
 */
export async function fromTfjs(x: tf.Tensor): Promise<Tensor> {
  return tensor(await x.data() as Float32Array, x.shape, { copy: false });
}

/** The values of a computed tensor as one of TensorFlow.js. Both hold the same array; neither changes it. */
export async function toTfjs(x: Tensor): Promise<tf.Tensor> {
  return tf.tensor(await x.data({ copy: false }) as Float32Array, [...x.shape], "float32");
}

/** The value of a loss of the predictions of a model, and its gradients with respect to the model's weights, by their names. */
export async function lossAndGradients(
  predict: () => tf.Tensor,
  lossOf: (predictions: Tensor) => Tensor,
): Promise<{ readonly loss: number; readonly gradients: tf.NamedTensorMap }> {
  const predictions = tf.tidy(predict);
  const [loss, gradient] = valueAndGrad(lossOf)(await fromTfjs(predictions));
  await realize([loss, gradient]);
  const g = await toTfjs(gradient);
  const { value: surrogate, grads: gradients } = tf.variableGrads(() => tf.sum(tf.mul(predict(), g)) as tf.Scalar);
  tf.dispose([predictions, g, surrogate]);
  return { loss: await loss.item(), gradients };
}

/** The points, and a network for them, the same at every start. */
export function problem(): { readonly predict: () => tf.Tensor; readonly arms: Int32Array } {
  const { points, arms } = spiral();
  const inputs = tf.tensor2d(points, [arms.length, 2]);
  const dense = (units: number, seed: number, activation?: "tanh") =>
    tf.layers.dense({ units, activation, kernelInitializer: tf.initializers.glorotNormal({ seed }) });
  const model = tf.sequential({
    layers: [tf.layers.inputLayer({ inputShape: [2] }), dense(24, 1, "tanh"), dense(ARMS, 2)],
  });
  return { predict: () => model.apply(inputs) as tf.Tensor, arms };
}

/** Trains; returns the loss before each step. */
export async function train(steps = 60): Promise<number[]> {
  await tf.setBackend("cpu");
  const { predict, arms } = problem();
  const optimiser = tf.train.adam(0.1);
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const { loss, gradients } = await lossAndGradients(predict, (predictions) => crossEntropy(predictions, arms));
    optimiser.applyGradients(Object.entries(gradients).map(([name, tensor]) => ({ name, tensor })));
    tf.dispose(gradients);
    losses.push(loss);
  }
  return losses;
}

if (import.meta.url === pathToFileURL(argv[1]).href) console.log(await train());
