/** The gradient over some of the points: what each worker computes, and what a single process computes with all of them. */
import { add, crossEntropy, matmul, realize, tanh, type Tensor, tensor, useDevice, valueAndGrad } from "gpugrad";

/** The weights of a network with one hidden layer. */
export interface Weights<T> {
  readonly w1: T;
  readonly b1: T;
  readonly w2: T;
  readonly b2: T;
}

/** An array as it is sent between threads. */
export interface Sent {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Some of the points, `[n, 2]`, the class of each, `[n]`, and the weights. */
export interface Task {
  readonly points: Float32Array;
  readonly arms: Int32Array;
  readonly weights: Weights<Sent>;
}

/** The mean loss over the points of a task, its gradient with respect to the weights, and the number of points. */
export interface Share {
  readonly loss: number;
  readonly gradients: Weights<Sent>;
  readonly count: number;
}

/** Copies a tensor out. */
export async function send(x: Tensor): Promise<Sent> {
  return { shape: x.shape, data: Float32Array.from(await x.data()) };
}

/** Makes a tensor of what was sent. */
export function receive({ shape, data }: Sent): Tensor {
  return tensor(data, shape);
}

/** Computes the mean loss over the points of a task and its gradient. */
export async function shareOf({ points, arms, weights }: Task): Promise<Share> {
  const x = tensor(points, [arms.length, 2]);
  const lossOf = valueAndGrad(({ w1, b1, w2, b2 }: Weights<Tensor>) =>
    crossEntropy(add(matmul(tanh(add(matmul(x, w1), b1)), w2), b2), arms)
  );
  const { w1, b1, w2, b2 } = weights;
  const [loss, gradients] = lossOf({ w1: receive(w1), b1: receive(b1), w2: receive(w2), b2: receive(b2) });
  await realize([loss, gradients]);
  const [d1, e1, d2, e2] = await Promise.all([gradients.w1, gradients.b1, gradients.w2, gradients.b2].map(send));
  return { loss: await loss.item(), gradients: { w1: d1, b1: e1, w2: d2, b2: e2 }, count: arms.length };
}

/** The function that piscina calls in each worker, on a device that needs no driver. */
export default async function work(task: Task): Promise<Share> {
  await useDevice("wasm");
  return await shareOf(task);
}
