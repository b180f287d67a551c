/**
 * Trains a network that ONNX Runtime computes, with a loss and an optimiser of gpugrad.
 *
 *     npx tsx examples/interop/onnx.ts
 *
 * onnxruntime-web has no automatic differentiation: the way back is a graph of its own, which takes the gradient with respect to the predictions and gives
 * those by the weights. Here it is written by hand; tools that export training graphs write the same.
 */
import { argv } from "node:process";
import { pathToFileURL } from "node:url";
import * as ort from "onnxruntime-web";
import { adamW, crossEntropy, mul, random, realize, type Tensor, tensor, valueAndGrad, zeros } from "gpugrad";
import { ARMS, spiral } from "../points/spiral.ts";
import { type Node, onnxModel } from "./onnx_model.ts";

ort.env.wasm.numThreads = 1;

const node = (op: string, inputs: string, outputs: string, attributes?: Node["attributes"]): Node => ({
  op,
  inputs: inputs.split(" "),
  outputs: outputs.split(" "),
  attributes,
});
const overRows = { axes: [0], keepdims: 0 };

/** logits = tanh(x w1 + b1) w2 + b2. */
const FORWARD = onnxModel({
  inputs: ["x", "w1", "b1", "w2", "b2"],
  outputs: ["logits", "hidden"],
  nodes: [
    node("Gemm", "x w1 b1", "sums"),
    node("Tanh", "sums", "hidden"),
    node("Gemm", "hidden w2 b2", "logits"),
  ],
});

/** From the gradient g by the logits to those by the weights. */
const BACKWARD = onnxModel({
  inputs: ["x", "hidden", "w2", "g"],
  outputs: ["dw1", "db1", "dw2", "db2"],
  nodes: [
    node("Gemm", "hidden g", "dw2", { transA: 1 }),
    node("ReduceSum", "g", "db2", overRows),
    node("Gemm", "g w2", "dHidden", { transB: 1 }),
    // The derivative of tanh is 1 - hidden * hidden.
    node("Mul", "hidden hidden", "squares"),
    node("Mul", "dHidden squares", "less"),
    node("Sub", "dHidden less", "dSums"),
    node("Gemm", "x dSums", "dw1", { transA: 1 }),
    node("ReduceSum", "dSums", "db1", overRows),
  ],
});

/** A computed tensor for ONNX Runtime, which copies it into its own memory when it runs; here nothing is copied. */
async function toOrt(x: Tensor): Promise<ort.Tensor> {
  return new ort.Tensor("float32", await x.data({ copy: false }) as Float32Array, x.shape);
}

/** A result of ONNX Runtime: it was copied from its memory into an array that nobody else has, which the tensor keeps. */
function fromOrt({ data, dims }: ort.Tensor): Tensor {
  return tensor(data as Float32Array, dims, { copy: false });
}

/** The weights of the network. */
export interface Weights {
  readonly w1: Tensor;
  readonly b1: Tensor;
  readonly w2: Tensor;
  readonly b2: Tensor;
}

const HIDDEN = 24;
export const start: Weights = {
  w1: mul(random.normal(1, [2, HIDDEN]), 2),
  b1: zeros([HIDDEN]),
  w2: mul(random.normal(2, [HIDDEN, ARMS]), 0.2),
  b2: zeros([ARMS]),
};

/** Opens the network for the points; returns the function that gives the loss and its gradients with respect to the weights. */
export async function openNetwork(): Promise<(weights: Weights) => Promise<[loss: Tensor, gradients: Weights]>> {
  const [forward, backward] = await Promise.all([FORWARD, BACKWARD].map((model) => ort.InferenceSession.create(model)));
  const { points, arms } = spiral();
  const x = new ort.Tensor("float32", points, [arms.length, 2]);
  const lossOf = valueAndGrad((logits: Tensor) => crossEntropy(logits, arms));
  return async (weights) => {
    const [w1, b1, w2, b2] = await Promise.all([weights.w1, weights.b1, weights.w2, weights.b2].map(toOrt));
    const { logits, hidden } = await forward.run({ x, w1, b1, w2, b2 });
    const [loss, gradient] = lossOf(fromOrt(logits));
    await realize([loss, gradient]);
    const { dw1, db1, dw2, db2 } = await backward.run({ x, hidden, w2, g: await toOrt(gradient) });
    return [loss, { w1: fromOrt(dw1), b1: fromOrt(db1), w2: fromOrt(dw2), b2: fromOrt(db2) }];
  };
}

/** Trains; returns the loss before each step. */
export async function train(steps = 60): Promise<number[]> {
  const lossAndGradients = await openNetwork();
  const optimiser = adamW({ learningRate: 0.1 });
  let weights = start;
  let state = optimiser.init(weights);
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const [loss, gradients] = await lossAndGradients(weights);
    [weights, state] = optimiser.step(weights, gradients, state);
    await realize([weights, state]);
    losses.push(await loss.item());
  }
  return losses;
}

if (import.meta.url === pathToFileURL(argv[1]).href) console.log(await train());
