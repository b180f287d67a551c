/**
 * Custom gradients of TensorFlow.js, checked as plain functions of arrays: one that is right, and one that is not.
 *
 *     gpugrad check examples/libraries/tfjs.ts
 */
import * as tf from "@tensorflow/tfjs";
import { check, type PlainFunction, tensors } from "gpugrad/verify";

await tf.setBackend("cpu");

/** log(1 + exp(x)) without overflow, with a gradient of its own. */
function softplus(x: tf.Tensor, gradient: (dy: tf.Tensor, x: tf.Tensor) => tf.Tensor): tf.Tensor {
  return tf.customGrad((input) => {
    const x = input as tf.Tensor;
    const value = tf.add(tf.relu(x), tf.log1p(tf.exp(tf.neg(tf.abs(x)))));
    return { value, gradFunc: (dy: tf.Tensor) => gradient(dy, x) };
  })(x);
}

/** The mean of a function of each element, as a function of arrays, with the gradient that `tf.grad` finds. */
function plain(f: (x: tf.Tensor) => tf.Tensor): PlainFunction {
  const loss = (x: tf.Tensor) => tf.mean(f(x));
  const gradient = tf.grad(loss);
  return {
    value: ([x]) => tf.tidy(() => loss(tf.tensor1d(x as Float32Array)).dataSync()[0]),
    gradient: ([x]) => [tf.tidy(() => gradient(tf.tensor1d(x as Float32Array)).dataSync())],
  };
}

// TensorFlow.js computes in float32.
const options = { precision: "float32", names: ["x"], runs: 10 } as const;

export const right = check(plain((x) => softplus(x, (dy, x) => tf.mul(dy, tf.sigmoid(x)))), tensors([[3]]), options);
// The factor of the mean, which follows it, is forgotten.
export const wrong = check(plain((x) => softplus(x, (_dy, x) => tf.sigmoid(x))), tensors([[3]]), options);
