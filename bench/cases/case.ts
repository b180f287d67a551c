/** A case of the bench: one problem, and side by side how users of each peer would write it. */
import type * as tf from "@tensorflow/tfjs";
import type { Tensor } from "../../mod.ts";

export type Data = Float32Array | Int32Array;
export type DataType = "float32" | "int32";

/** An input: an array of numbers with a shape. */
export interface Input {
  readonly shape: readonly number[];
  readonly data: Data;
}

/** The sizes of a case, such as its batch. */
export type Sizes = Readonly<Record<string, number>>;

/** The location of inputs before a call and of results after it. */
export type Mode = "resident" | "read" | "recording";
/** The modes that can be asked for. `recording` is what a call costs gpugrad before anything is computed. */
export const MODES: readonly Mode[] = ["resident", "read", "recording"];

type Jax = typeof import("@jax-js/jax");
type JaxArray = import("@jax-js/jax").numpy.Array;
type Tf = typeof tf;

/**
 * A function of a library's tensors that returns one result, or several. `host` are the inputs of the case as arrays, for what a library
 * takes from the host.
 */
type Of<T> = (inputs: readonly T[], host: readonly Input[]) => T | readonly T[];

/** The order of the axes that a library likes best, for all arrays of this many: inputs are given to it like that, and results come so. */
export type Layout = readonly number[];

/** How a peer's users would write a case, with the layout that it likes best, or why they cannot. */
export type Written<F> = F | { readonly run: F; readonly layout: Layout } | { readonly cannot: string };

/** Kernels of plain JavaScript: made once for its sizes, then called with the arrays of each call; returns all results. */
export type Plain = (sizes: Sizes) => (inputs: readonly Data[]) => readonly Data[];

/** The code of each peer. Where the case has gradients, functions return the scalar, and libraries differentiate. */
export interface Code {
  readonly gpugrad: (sizes: Sizes) => Of<Tensor>;
  /** Python text that defines `make(sizes)`, which returns a function of tensors. `torch`, `F` and `math` are known. */
  readonly torch: string;
  readonly torchLayout?: Layout;
  readonly tfjs?: Written<(tf: Tf, sizes: Sizes) => Of<tf.Tensor>>;
  readonly jax?: Written<(jax: Jax, sizes: Sizes) => Of<JaxArray>>;
  readonly jsPytorch?: Written<(torch: JsPytorch, sizes: Sizes) => Of<JsPytorchTensor>>;
  readonly javascript?: Written<Plain>;
}

/** The parts of js-pytorch that the bench uses; it declares few of their types. */
// deno-lint-ignore no-explicit-any
export type JsPytorchTensor = any;
// deno-lint-ignore no-explicit-any
export type JsPytorch = any;

export interface Case {
  readonly group: "loss" | "losses" | "ops";
  readonly name: string;
  /** Names the computation and its shapes. */
  readonly title: (sizes: Sizes) => string;
  /** Whether it is one of those that `--quick` takes. */
  readonly quick?: boolean;
  /** The sizes at which it is measured. */
  readonly sizes: readonly Sizes[];
  /** The inputs of a call. `random` gives numbers from 0 to 1. */
  readonly inputs: (sizes: Sizes, random: () => number) => readonly Input[] | Promise<readonly Input[]>;
  /** Inputs that are the same in each call, and stay where they are. */
  readonly constants?: readonly number[];
  /** The inputs by which the result is differentiated: results are then the value and these gradients. */
  readonly gradients?: readonly number[];
  /** The shapes of results where there are no gradients; default one of the shape of the first input. */
  readonly results?: (sizes: Sizes) => readonly (readonly number[])[];
  /** How far results may be apart; default 1e-3 of the largest number of each. */
  readonly tolerance?: number;
  /** The same for the value of a loss, which some libraries sum up in float32 one element after the other; default `tolerance`. */
  readonly valueTolerance?: number;
  /** The share of a result's elements that may be further apart, where rounding decides what is selected; default 0. */
  readonly mayDiffer?: number;
  readonly code: Code;
}

/** Targets of an image in the whole loss. */
export const PER_IMAGE = 8;

export const count = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** An input of random numbers. */
export function floats(shape: readonly number[], next: () => number): Input {
  const data = new Float32Array(count(shape));
  for (let i = 0; i < data.length; i++) data[i] = next();
  return { shape, data };
}

/** An input of random whole numbers below `end`. */
export function integers(shape: readonly number[], end: number, random: () => number): Input {
  const data = new Int32Array(count(shape));
  for (let i = 0; i < data.length; i++) data[i] = Math.floor(random() * end);
  return { shape, data };
}

/** An array whose axes are in another order. */
export function permuted({ shape, data }: Input, order: readonly number[]): Input {
  const to = order.map((axis) => shape[axis]);
  const strides = shape.map((_, axis) => count(shape.slice(axis + 1)));
  const steps = order.map((axis) => strides[axis]);
  const out = new (data.constructor as new (length: number) => Data)(data.length);
  const fill = (axis: number, from: number, at: number) => {
    if (axis === to.length) return void (out[at] = data[from]);
    const stride = count(to.slice(axis + 1));
    for (let i = 0; i < to[axis]; i++) fill(axis + 1, from + i * steps[axis], at + i * stride);
  };
  fill(0, 0, 0);
  return { shape: to, data: out };
}
