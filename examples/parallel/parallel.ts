/**
 * Trains a small network with gradients that several workers compute, each over its part of the points.
 *
 *     npx tsx examples/parallel/parallel.ts
 *
 * A mean over all points is the mean of the parts' means, weighted by how many points each has, and so is its gradient. Only weights and
 * gradients travel; the points of a part could stay with its worker. The pool is piscina's, of Node's worker threads.
 */
import { argv } from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Piscina } from "piscina";
import { adamW, mul, random, realize, schedules, type Tensor, zeros } from "gpugrad";
import { ARMS, spiral } from "../points/spiral.ts";
import { receive, send, type Sent, type Share, type Task, type Weights } from "./shard.ts";

const HIDDEN = 24;

/** The weights before the first step. */
export const start: Weights<Tensor> = {
  w1: mul(random.normal(1, [2, HIDDEN]), 2),
  b1: zeros([HIDDEN]),
  w2: mul(random.normal(2, [HIDDEN, ARMS]), 0.2),
  b2: zeros([ARMS]),
};

/** Starts a pool of workers. */
export function openPool(workers: number): Piscina<Task, Share> {
  return new Piscina<Task, Share>({
    filename: fileURLToPath(new URL("./worker.mjs", import.meta.url)),
    minThreads: workers,
    maxThreads: workers,
  });
}

/** Applies a function to each of the weights. */
async function each<T, U>({ w1, b1, w2, b2 }: Weights<T>, f: (array: T) => U | Promise<U>): Promise<Weights<U>> {
  return { w1: await f(w1), b1: await f(b1), w2: await f(w2), b2: await f(b2) };
}

/** Divides the points into parts of as equal sizes as they go: part i has every n-th point, from i. */
export function divide(parts: number): Omit<Task, "weights">[] {
  const { points, arms } = spiral();
  return Array.from({ length: parts }, (_, part) => {
    const rows = Array.from(arms.keys()).filter((row) => row % parts === part);
    return {
      points: Float32Array.from(rows.flatMap((row) => [points[2 * row], points[2 * row + 1]])),
      arms: Int32Array.from(rows, (row) => arms[row]),
    };
  });
}

/** The loss and the gradient over all points, from those of parts. */
export function merge(shares: readonly Share[]): Share {
  const count = shares.reduce((sum, share) => sum + share.count, 0);
  const mean = (name: keyof Weights<Sent>): Sent => {
    const { shape, data } = shares[0].gradients[name];
    const value = (i: number) => shares.reduce((sum, share) => sum + share.count * share.gradients[name].data[i], 0);
    return { shape, data: Float32Array.from(data, (_, i) => value(i) / count) };
  };
  return {
    loss: shares.reduce((sum, share) => sum + share.count * share.loss, 0) / count,
    gradients: { w1: mean("w1"), b1: mean("b1"), w2: mean("w2"), b2: mean("b2") },
    count,
  };
}

/** Computes the loss and its gradient with respect to the weights with a pool, each part in one of its workers. */
export async function gradientsOver(
  pool: Piscina<Task, Share>,
  parts: readonly Omit<Task, "weights">[],
  network: Weights<Tensor>,
): Promise<Share> {
  const weights = await each(network, send);
  return merge(await Promise.all(parts.map((part) => pool.run({ ...part, weights }))));
}

/** Trains; returns the loss before each step. */
export async function train(workers: number, steps = 60): Promise<readonly number[]> {
  const pool = openPool(workers);
  try {
    const parts = divide(workers);
    const optimiser = adamW({ learningRate: schedules.cosine(0.1, { steps }) });
    let network = start;
    let state = optimiser.init(network);
    const losses: number[] = [];
    for (let step = 0; step < steps; step++) {
      const { loss, gradients } = await gradientsOver(pool, parts, network);
      [network, state] = optimiser.step(network, await each(gradients, receive), state);
      await realize([network, state]);
      losses.push(loss);
    }
    return losses;
  } finally {
    await pool.destroy();
  }
}

if (import.meta.url === pathToFileURL(argv[1]).href) {
  const losses = await train(2);
  losses.forEach((loss, step) => step % 10 === 0 && console.log(`step ${step}: loss ${loss.toFixed(4)}`));
}
