/** Elementwise ops. */
import * as g from "../../mod.ts";
import { type Case, type Code, type Data, floats, type Sizes } from "./case.ts";

type Tf = typeof import("@tensorflow/tfjs");
type TfTensor = import("@tensorflow/tfjs").Tensor;
type Jax = typeof import("@jax-js/jax");
type JaxArray = import("@jax-js/jax").numpy.Array;
type Np = Jax["numpy"];

const SHAPE = [8, 81, 8732];

/** An op as each library has it, of `x` and `y`. Text is Python and JavaScript. */
interface Elementwise {
  readonly gpugrad: (x: g.Tensor, y: g.Tensor) => g.Tensor;
  readonly torch: string;
  readonly tfjs: ((tf: Tf, x: TfTensor, y: TfTensor) => TfTensor) | string;
  readonly jax: ((np: Np, x: JaxArray, y: JaxArray, jax: Jax) => JaxArray) | string;
  readonly js: string | { readonly cannot: string };
  /** js-pytorch, where it has the op. */
  readonly jsPytorch?: Code["jsPytorch"];
  readonly from?: number;
  readonly to?: number;
  /** How many inputs; default 1. */
  readonly inputs?: 1 | 2;
  readonly quick?: boolean;
}

/** A loop over typed arrays, compiled for one formula alone. */
function loop(formula: string): (inputs: readonly Data[]) => readonly Data[] {
  const second = /\by\b/.test(formula) ? ", y = b[i]" : "";
  const make = new Function(
    "out",
    `return ([a, b]) => { for (let i = 0; i < a.length; i++) { const x = a[i]${second}; out[i] = ${formula}; } return [out]; };`,
  );
  let run: ((inputs: readonly Data[]) => readonly Data[]) | null = null;
  return (inputs) => (run ??= make(new Float32Array(inputs[0].length)))!(inputs);
}

const codeOf = ({ gpugrad, torch, tfjs, jax, js, jsPytorch }: Elementwise): Code => ({
  gpugrad: () => ([x, y]) => gpugrad(x, y),
  torch: `
def make(sizes):
    def run(inputs):
        x, y = inputs[0], inputs[-1]
        return ${torch}
    return run
`,
  tfjs: typeof tfjs === "string" ? { cannot: tfjs } : (tf) => ([x, y]) => tfjs(tf, x, y),
  jax: typeof jax === "string" ? { cannot: jax } : (all) => ([x, y]) => jax(all.numpy, x, y, all),
  jsPytorch: jsPytorch ?? { cannot: "has no such op" },
  javascript: typeof js === "string" ? () => loop(js) : js,
});

const NO_OP = "has no such op";

const OPS: Readonly<Record<string, Elementwise>> = {
  add: {
    gpugrad: g.add,
    torch: "x + y",
    tfjs: (tf, x, y) => tf.add(x, y),
    jax: (np, x, y) => np.add(x, y),
    js: "x + y",
    jsPytorch: (torch) => ([x, y]) => torch.add(x, y),
    inputs: 2,
  },
  mul: {
    gpugrad: g.mul,
    torch: "x * y",
    tfjs: (tf, x, y) => tf.mul(x, y),
    jax: (np, x, y) => np.multiply(x, y),
    js: "x * y",
    jsPytorch: (torch) => ([x, y]) => torch.mul(x, y),
    inputs: 2,
    quick: true,
  },
  div: {
    gpugrad: g.div,
    torch: "x / y",
    tfjs: (tf, x, y) => tf.div(x, y),
    jax: (np, x, y) => np.trueDivide(x, y),
    js: "x / y",
    jsPytorch: (torch) => ([x, y]) => torch.div(x, y),
    inputs: 2,
    from: 0.5,
  },
  maximum: {
    gpugrad: g.maximum,
    torch: "torch.maximum(x, y)",
    tfjs: (tf, x, y) => tf.maximum(x, y),
    jax: (np, x, y) => np.maximum(x, y),
    js: "x > y ? x : y",
    inputs: 2,
  },
  "where, greater": {
    gpugrad: (x, y) => g.where(g.greater(x, y), x, 0),
    torch: "torch.where(x > y, x, torch.zeros_like(x))",
    tfjs: (tf, x, y) => tf.where(tf.greater(x, y), x, tf.zerosLike(x)),
    jax: (np, x, y) => np.where(np.greater(x.ref, y), x, 0),
    js: "x > y ? x : 0",
    inputs: 2,
  },
  abs: {
    gpugrad: g.abs,
    torch: "torch.abs(x)",
    tfjs: (tf, x) => tf.abs(x),
    jax: (np, x) => np.abs(x),
    js: "Math.abs(x)",
  },
  square: {
    gpugrad: g.square,
    torch: "torch.square(x)",
    tfjs: (tf, x) => tf.square(x),
    jax: (np, x) => np.square(x),
    js: "x * x",
  },
  sqrt: {
    gpugrad: g.sqrt,
    torch: "torch.sqrt(x)",
    tfjs: (tf, x) => tf.sqrt(x),
    jax: (np, x) => np.sqrt(x),
    js: "Math.sqrt(x)",
    jsPytorch: (torch) => ([x]) => torch.sqrt(x),
    from: 0,
  },
  clamp: {
    gpugrad: (x) => g.clamp(x, -1, 1),
    torch: "torch.clamp(x, -1, 1)",
    tfjs: (tf, x) => tf.clipByValue(x, -1, 1),
    jax: (np, x) => np.clip(x, -1, 1),
    js: "x < -1 ? -1 : x > 1 ? 1 : x",
  },
  floor: {
    gpugrad: g.floor,
    torch: "torch.floor(x)",
    tfjs: (tf, x) => tf.floor(x),
    jax: (np, x) => np.floor(x),
    js: "Math.floor(x)",
  },
  relu: {
    gpugrad: g.relu,
    torch: "F.relu(x)",
    tfjs: (tf, x) => tf.relu(x),
    jax: (_, x, __, jax) => jax.nn.relu(x),
    js: "x > 0 ? x : 0",
  },
  exp: {
    gpugrad: g.exp,
    torch: "torch.exp(x)",
    tfjs: (tf, x) => tf.exp(x),
    jax: (np, x) => np.exp(x),
    js: "Math.exp(x)",
    jsPytorch: (torch) => ([x]) => torch.exp(x),
    quick: true,
  },
  expm1: {
    gpugrad: g.expm1,
    torch: "torch.expm1(x)",
    tfjs: NO_OP + " on wasm",
    jax: (np, x) => np.expm1(x),
    js: "Math.expm1(x)",
  },
  log: {
    gpugrad: g.log,
    torch: "torch.log(x)",
    tfjs: (tf, x) => tf.log(x),
    jax: (np, x) => np.log(x),
    js: "Math.log(x)",
    jsPytorch: (torch) => ([x]) => torch.log(x),
    from: 0.1,
    quick: true,
  },
  log1p: {
    gpugrad: g.log1p,
    torch: "torch.log1p(x)",
    tfjs: NO_OP + " on wasm",
    jax: (np, x) => np.log1p(x),
    js: "Math.log1p(x)",
    from: -0.5,
  },
  tanh: {
    gpugrad: g.tanh,
    torch: "torch.tanh(x)",
    tfjs: (tf, x) => tf.tanh(x),
    jax: (np, x) => np.tanh(x),
    js: "Math.tanh(x)",
    quick: true,
  },
  sigmoid: {
    gpugrad: g.sigmoid,
    torch: "torch.sigmoid(x)",
    tfjs: (tf, x) => tf.sigmoid(x),
    jax: (_, x, __, jax) => jax.nn.sigmoid(x),
    js: "1 / (1 + Math.exp(-x))",
    quick: true,
  },
  softplus: {
    gpugrad: g.softplus,
    torch: "F.softplus(x)",
    tfjs: (tf, x) => tf.add(tf.relu(x), tf.log(tf.add(1, tf.exp(tf.neg(tf.abs(x)))))),
    jax: (_, x, __, jax) => jax.nn.softplus(x),
    js: "(x > 0 ? x : 0) + Math.log1p(Math.exp(-Math.abs(x)))",
  },
  gelu: {
    gpugrad: (x) => g.gelu(x),
    torch: "F.gelu(x)",
    tfjs: (tf, x) => tf.mul(tf.mul(0.5, x), tf.add(1, tf.erf(tf.mul(x, Math.SQRT1_2)))),
    jax: (_, x, __, jax) => jax.nn.gelu(x, { approximate: false }),
    js: { cannot: "has no erf" },
  },
  sin: {
    gpugrad: g.sin,
    torch: "torch.sin(x)",
    tfjs: (tf, x) => tf.sin(x),
    jax: (np, x) => np.sin(x),
    js: "Math.sin(x)",
    quick: true,
  },
  cos: {
    gpugrad: g.cos,
    torch: "torch.cos(x)",
    tfjs: (tf, x) => tf.cos(x),
    jax: (np, x) => np.cos(x),
    js: "Math.cos(x)",
  },
  atan: {
    gpugrad: g.atan,
    torch: "torch.atan(x)",
    tfjs: (tf, x) => tf.atan(x),
    jax: (np, x) => np.atan(x),
    js: "Math.atan(x)",
  },
  "pow 2.5": {
    gpugrad: (x) => g.pow(x, 2.5),
    torch: "torch.pow(x, 2.5)",
    tfjs: (tf, x) => tf.pow(x, 2.5),
    jax: (np, x) => np.power(x, 2.5),
    js: "x ** 2.5",
    jsPytorch: { cannot: "multiplies x^2.5 as x * x * x" },
    from: 0,
    quick: true,
  },
};

export const elementwiseOps: readonly Case[] = Object.entries(OPS).map(([name, op]): Case => ({
  group: "ops",
  name,
  title: ({ d0, d1, d2 }: Sizes) => `${name} of [${d0}, ${d1}, ${d2}]`,
  quick: op.quick,
  sizes: [{ d0: SHAPE[0], d1: SHAPE[1], d2: SHAPE[2] }],
  inputs({ d0, d1, d2 }, random) {
    const { from = -4, to = 4, inputs = 1 } = op;
    return Array.from({ length: inputs }, () => floats([d0, d1, d2], () => from + (to - from) * random()));
  },
  code: codeOf(op),
}));
