/**
 * Derivatives of first and second order against central differences on the oracle. Small on purpose: `verify/` has the real one,
 * but what it is made of must not be checked by itself.
 */
import type { DType, Tensor } from "../../mod.ts";
import { add, compile, grad, mul, sum, tensor } from "../../mod.ts";
import { randomFrom } from "./draw.ts";
import { largestOf } from "./compare.ts";

/** A point at which to check. */
export interface LeafPoint {
  readonly shape: readonly number[];
  readonly values: readonly number[];
  readonly dtype?: DType;
}

/** Elements of each tensor that are perturbed at most, chosen at random. */
const ELEMENTS = 6;
/** The larger of the two steps, for values up to 1; larger values take larger steps. */
const STEP = 2 ** -10;
/** An estimate that is off by more than this part of the largest derivative decides nothing. */
const UNCERTAIN = 1e-3;

type Evaluate = (...leaves: Tensor[]) => Promise<readonly Tensor[]>;

interface Derivative {
  readonly element: number;
  readonly value: number;
  /** How far `value` may be off: the estimate of the extrapolation. */
  readonly estimate: number;
  /** The same for rounding alone. */
  readonly floor: number;
}

/** The derivatives of `sum(weights * outputs)` by some elements of one leaf. */
async function differences(
  evaluate: Evaluate,
  weights: readonly (readonly number[])[],
  leaves: readonly Tensor[],
  leaf: number,
  values: readonly number[],
  random: () => number,
): Promise<Derivative[]> {
  const found: Derivative[] = [];
  for (const element of pickElements(values.length, random)) {
    const at = values[element];
    const step = STEP * 2 ** Math.max(0, Math.floor(Math.log2(Math.abs(at) + 1e-30)));
    let magnitude = 0;
    const total = async (offset: number): Promise<number> => {
      const moved = values.slice();
      moved[element] = at + offset;
      const inputs = leaves.slice();
      inputs[leaf] = tensor(Float64Array.from(moved), [...leaves[leaf].shape]);
      let sum = 0;
      for (const [k, output] of (await evaluate(...inputs)).entries()) {
        const data = output.value!;
        for (let i = 0; i < data.length; i++) {
          sum += weights[k][i] * data[i];
          magnitude = Math.max(magnitude, Math.abs(weights[k][i] * data[i]) * data.length);
        }
      }
      return sum;
    };
    const slope = async (h: number) => (await total(h) - await total(-h)) / ((at + h) - (at - h));
    const [coarse, fine] = [await slope(step), await slope(step / 2)];
    const value = (4 * fine - coarse) / 3;
    found.push({
      element,
      value,
      estimate: Math.abs(fine - coarse) / 3,
      floor: 1e-9 * Math.abs(value) + 32 * Number.EPSILON * magnitude / step + 1e-12,
    });
  }
  return found;
}

function pickElements(count: number, random: () => number): number[] {
  const all = Array.from({ length: count }, (_, i) => i);
  while (all.length > ELEMENTS) all.splice(Math.floor(random() * all.length), 1);
  return all;
}

/** Signed, and none near zero: a sum with ones hides errors. */
function weightsFor(count: number, random: () => number): number[] {
  return Array.from({ length: count }, () => Math.fround((random() < 0.5 ? -1 : 1) * (0.5 + random())));
}

function compareWith(analytic: ArrayLike<number>, numeric: readonly Derivative[], what: string): string[] {
  const scale = largestOf(numeric.map((d) => d.value));
  const problems: string[] = [];
  for (const { element, value, estimate, floor } of numeric) {
    const given = analytic[element];
    if (!(Math.abs(given - value) <= estimate + floor)) {
      problems.push(
        `${what}, element ${element}: the rule gives ${given}, differences give ${value} +- ${estimate + floor}`,
      );
    } else if (estimate > UNCERTAIN * scale + 100 * floor) {
      problems.push(
        `${what}, element ${element}: differences (${value} +- ${estimate}) cannot decide here; is it a kink?`,
      );
    }
  }
  return problems;
}

/**
 * What is wrong with the derivatives of a function at a point: nothing, where the list is empty; `null` where the function has no
 * finite value, so that there is nothing to check. Order 1 checks the derivative by each leaf, order 2 the derivatives of that by
 * each leaf and by the cotangent.
 */
export async function gradientProblems(
  apply: (leaves: readonly Tensor[]) => Tensor,
  point: readonly LeafPoint[],
  seed: number,
  order: 1 | 2,
): Promise<string[] | null> {
  const random = randomFrom(seed);
  const leaves = point.map(({ shape, values, dtype }) => tensor(Float64Array.from(values), [...shape], { dtype }));
  const floats = point.flatMap(({ dtype = "float" }, i) => (dtype === "float" ? [i] : []));
  const options = { device: "float64" };
  const value = compile((...xs: Tensor[]) => [apply(xs)], options);
  const [output] = await value(...leaves);
  if (!output.value!.every(Number.isFinite)) return null;
  const weights = weightsFor(output.size, random);
  const cotangent = tensor(Float64Array.from(weights), [...output.shape]);
  const gradients = (c: Tensor, xs: readonly Tensor[]): Tensor[] =>
    grad(apply(xs), floats.map((i) => xs[i]), c, { allowUnused: true });
  const first = compile((c: Tensor, ...xs: Tensor[]) => gradients(c, xs), options);
  const analytic = await first(cotangent, ...leaves);

  const problems: string[] = [];
  floats.forEach((i, k) => {
    const { shape, dtype } = analytic[k];
    if (dtype !== "float" || shape.join() !== point[i].shape.join()) {
      problems.push(`input ${i}: the gradient is ${dtype} of shape [${shape}], expected float of [${point[i].shape}]`);
    }
  });
  if (problems.length > 0) return problems;

  if (order === 1) {
    for (const [k, i] of floats.entries()) {
      const numeric = await differences(value, [weights], leaves, i, point[i].values, random);
      problems.push(...compareWith(analytic[k].value!, numeric, `input ${i}`));
    }
    return problems;
  }

  // sum of d * gradient, for random d: its derivatives by the cotangent and by each leaf.
  const directions = floats.map((i) => weightsFor(leaves[i].size, random));
  const steps = floats.map((i, k) => tensor(Float64Array.from(directions[k]), [...leaves[i].shape]));
  const second = compile((c: Tensor, ...xs: Tensor[]) => {
    const gs = gradients(c, xs);
    const scalar = gs.map((g, k) => sum(mul(g, steps[k]))).reduce((a, b) => add(a, b));
    return grad(scalar, [c, ...floats.map((i) => xs[i])], undefined, { allowUnused: true });
  }, options);
  if (floats.length === 0) return problems;
  const analytic2 = await second(cotangent, ...leaves);
  const all = [cotangent, ...leaves];
  for (const [k, i] of [0, ...floats.map((i) => i + 1)].entries()) {
    const values = i === 0 ? weights : point[i - 1].values;
    const numeric = await differences(first, directions, all, i, values, random);
    problems.push(
      ...compareWith(
        analytic2[k].value!,
        numeric,
        i === 0 ? "second order, cotangent" : `second order, input ${i - 1}`,
      ),
    );
  }
  return problems;
}
