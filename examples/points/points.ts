/**
 * Trains a small network to tell the arms of a spiral apart, with gpugrad alone.
 *
 *     npx tsx examples/points/points.ts
 */
import { argv } from "node:process";
import { pathToFileURL } from "node:url";
import * as g from "gpugrad";
import { ARMS, spiralTensors } from "./spiral.ts";

const HIDDEN = 24;
const { points, arms } = spiralTensors();
const start = {
  w1: g.mul(g.random.normal(1, [2, HIDDEN]), 2),
  b1: g.zeros([HIDDEN]),
  w2: g.mul(g.random.normal(2, [HIDDEN, ARMS]), 0.2),
  b2: g.zeros([ARMS]),
};

export type Network = typeof start;

export function forward({ w1, b1, w2, b2 }: Network): g.Tensor {
  return g.add(g.matmul(g.tanh(g.add(g.matmul(points, w1), b1)), w2), b2);
}

/** Trains; returns the loss before each step, and the part of the points that end in the right class. */
export async function fit(steps = 150): Promise<{ readonly losses: readonly number[]; readonly right: number }> {
  const lossOf = g.valueAndGrad((network: Network) => g.crossEntropy(forward(network), arms));
  const optimiser = g.adamW({ learningRate: g.schedules.cosine(0.1, { steps }) });
  let network = start;
  let state = optimiser.init(network);
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const [loss, gradients] = lossOf(network);
    [network, state] = optimiser.step(network, gradients, state);
    await g.realize([loss, network, state]);
    losses.push(await loss.item());
  }
  const right = g.equal(g.argmax(forward(network), 1), arms);
  return { losses, right: await g.mean(g.cast(right, "float")).item() };
}

if (import.meta.url === pathToFileURL(argv[1]).href) {
  const { losses, right } = await fit();
  losses.forEach((loss, step) => step % 10 === 0 && console.log(`step ${step}: loss ${loss.toFixed(4)}`));
  console.log(`${Math.round(100 * right)}% of the points are in the right class`);
}
