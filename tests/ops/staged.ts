/**
 * Programs computed op by op: the value of each step is read back before the next one, and so is each cotangent. No plan has more than one
 * step, so what is fused, shared or computed twice in a plan of the whole program has no part in the result.
 */
import { type DType, grad, type Tensor, tensor } from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { randomFrom } from "../../verify/random.ts";
import { isExact } from "../../verify/tape/tolerances.ts";
import { largestOf } from "./compare.ts";
import { type Program, weightsOf } from "./programs.ts";
import { registry } from "./registry.ts";

/** A value of a program on the host. */
interface Stage {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly data: Float64Array;
}

/** What a program computes. */
export interface Staged {
  /** One array for each output. */
  readonly outputs: readonly Float64Array[];
  /** The gradient of the weighted sum of the outputs by each leaf. */
  readonly gradients: readonly Float64Array[];
  /** The largest magnitude of all values and cotangents on the way; NaN if one is NaN. */
  readonly largest: number;
}

/** Errors in proportion to each element; those of all other ops are in proportion to the largest term. */
const ELEMENTWISE = new Set(["mul", "sin", "tanh", "sigmoid", "exp", "softmax"]);

/** Adds noise to numbers: at most `size` times each one, or times the largest of them and of `terms`. */
function disturb(data: Float64Array, size: number, random: () => number, terms?: readonly Float64Array[]): void {
  if (size === 0) return;
  const largest = terms && Math.max(largestOf(data), ...terms.map(largestOf));
  for (let i = 0; i < data.length; i++) data[i] += size * (2 * random() - 1) * (largest ?? Math.abs(data[i]));
}

const leaf = ({ shape, dtype, data }: Stage): Tensor =>
  tensor(dtype === "bool" ? Array.from(data, (x) => x !== 0) : data, [...shape], { dtype });

const isFloat = ({ dtype }: { readonly dtype: DType }) => dtype === "float";

/** A program with the values of its leaves and steps. */
class Stages {
  readonly values: Stage[];
  largest = 0;
  readonly #program: Program;
  readonly #noise: number;
  readonly #random: () => number;

  constructor(program: Program, noise: number, seed: number) {
    this.#program = program;
    this.#noise = noise;
    this.#random = randomFrom(seed);
    this.values = program.leaves.map(({ shape, values }) => ({
      shape,
      dtype: "float",
      data: Float64Array.from(values),
    }));
  }

  #note(data: Float64Array): void {
    for (const x of data) if (!(Math.abs(x) <= this.largest)) this.largest = Math.abs(x);
  }

  async forwards(): Promise<void> {
    for (const { op, inputs, attributes } of this.#program.steps) {
      const given = inputs.map((i) => this.values[i]);
      const { apply, accuracy } = registry().get(op)!;
      const y = apply(given.map(leaf), attributes);
      await bring([y], { device: "float64" });
      const data = Float64Array.from(y.value!);
      const terms = ELEMENTWISE.has(op) ? undefined : given.map(({ data }) => data);
      if (!isExact(accuracy, y.dtype)) disturb(data, this.#noise, this.#random, terms);
      this.values.push({ shape: y.shape, dtype: y.dtype, data });
      this.#note(data);
    }
  }

  /** The cotangents of the leaves. */
  async backwards(): Promise<Float64Array[]> {
    const { leaves, steps, outputs } = this.#program;
    const cotangents = this.values.map(({ data }) => new Float64Array(data.length));
    const add = (to: number, part: ArrayLike<number>) => cotangents[to].forEach((x, i, all) => all[i] = x + part[i]);
    const weights = weightsOf(
      this.#program,
      outputs.map((i) => ({ ...this.values[i], size: this.values[i].data.length })),
    );
    outputs.forEach((to, i) => isFloat(this.values[to]) && add(to, weights[i]));
    for (let step = steps.length - 1; step >= 0; step--) {
      const { op, inputs, attributes } = steps[step];
      const at = leaves.length + step;
      const tensors = inputs.map((i) => leaf(this.values[i]));
      const [xs, into] = [tensors.filter(isFloat), inputs.filter((i) => isFloat(this.values[i]))];
      if (!isFloat(this.values[at]) || cotangents[at].every((x) => x === 0)) continue;
      const y = registry().get(op)!.apply(tensors, attributes);
      const parts = grad(y, xs, leaf({ ...this.values[at], data: cotangents[at] }), { allowUnused: true });
      await bring(parts, { device: "float64" });
      parts.forEach((part, i) => {
        const data = Float64Array.from(part.value!);
        disturb(data, this.#noise, this.#random, [data]);
        this.#note(data);
        add(into[i], data);
      });
    }
    return cotangents.slice(0, leaves.length);
  }
}

/**
 * Computes a program and the gradient of its weighted outputs op by op on `float64`.
 *
 * @param noise how far each value and cotangent that is rounded is off, in proportion to its magnitude; 0 for none.
 * @param seed the seed of the noise.
 */
export async function inStages(program: Program, noise = 0, seed = 0): Promise<Staged> {
  const stages = new Stages(program, noise, seed);
  await stages.forwards();
  const gradients = await stages.backwards();
  return { outputs: program.outputs.map((i) => stages.values[i].data), gradients, largest: stages.largest };
}
