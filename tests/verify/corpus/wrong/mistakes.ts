/** Functions whose author took a value off the tape: the gradient does not see what the value depends on. */
import {
  add,
  clamp,
  compile,
  detach,
  div,
  exp,
  max,
  mean,
  mul,
  relu,
  sigmoid,
  softmax,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
} from "../../../../mod.ts";
import { both, type Case, full, listed, matrix, positive, second, seeds, vector } from "../case.ts";

const readBack = listed("a value that is read back", ["wrong"], {
  "a factor that is an element": {
    f: async (x: Tensor) => {
      const [first] = await x.data();
      return sum(mul(x, first));
    },
    inputs: [vector],
    checks: seeds(3, both),
  },
  "a factor that is the function's own value": {
    f: (x: Tensor) => sum(mul(x, tensor(x.value!))),
    inputs: [vector],
    checks: both,
  },
  "a scale by the greatest element": {
    f: async (x: Tensor) => div(x, await max(x).item()),
    inputs: [vector],
    checks: both,
  },
  "a length by Math.hypot": {
    f: async (x: Tensor) => div(x, Math.hypot(...await x.data())),
    inputs: [vector],
    checks: both,
  },
  "a mean by a loop": {
    f: async (x: Tensor) => {
      let total = 0;
      for (const v of await x.data()) total += v;
      return sum(square(sub(x, total / x.size)));
    },
    inputs: [vector],
    because: "the derivative with respect to the mean vanishes, and the gradient is right",
    accepts: ["wrong", "undecided", "ok"],
  },
  "a mean by a loop, of cubes": {
    f: async (x: Tensor) => {
      let total = 0;
      for (const v of await x.data()) total += v;
      const d = sub(x, total / x.size);
      return sum(mul(d, square(d)));
    },
    inputs: [vector],
  },
  "weights from an array": {
    f: async (x: Tensor) => {
      const rows = await x.toArray() as number[][];
      return sum(mul(x, tensor(rows.map((row) => row.map((v) => Math.abs(v))))));
    },
    inputs: [matrix],
  },
  "softmax's denominator as a number": {
    f: async (x: Tensor) => div(exp(x), await sum(exp(x)).item()),
    inputs: [vector],
  },
  "a gradient clipped by a norm that is read back": {
    f: async (x: Tensor) => mul(x, Math.min(1, 1 / await sqrt(sum(square(x))).item())),
    inputs: [vector],
  },
  "another input is read back": {
    f: async (x: Tensor, y: Tensor) => mul(x, await y.item()),
    inputs: [vector, 2],
  },
  "an input is read back in float32": {
    f: async (x: Tensor) => sum(mul(x, tensor(Float32Array.from(await x.data())))),
    inputs: [vector],
  },
  "an intermediate value is read back": {
    f: async (x: Tensor) => {
      const attention = softmax(x);
      const weights = await attention.data();
      return sum(mul(tensor(weights), exp(x)));
    },
    inputs: [vector],
  },
  "a bias from a value that is read back": {
    f: async (x: Tensor) => exp(sub(x, Number(await mean(x).item()))),
    inputs: [vector],
  },
  "a value that is read back and rounded finely": {
    f: async (x: Tensor) => mul(x, Math.round(await sum(x).item() * 1e9) / 1e9),
    inputs: [vector],
  },
  "a product with a number printed and parsed": {
    f: async (x: Tensor) => mul(x, Number((await sum(x).item()).toFixed(12))),
    inputs: [vector],
  },
});

/** Throws unless a condition holds of the values. */
const checked = async (x: Tensor, holds: (values: number[]) => boolean) => {
  if (!holds([...await x.data()])) throw new Error("not such values");
};
const total = (values: number[]) => values.reduce((sum, v) => sum + v, 0);
const readBackHidden = listed("a value that is read back and hard to see", ["wrong"], {
  "by a weight of 1e-6": { f: async (x: Tensor) => mul(x, 1 + 1e-6 * await sum(x).item()), inputs: [vector] },
  "by a weight of 1e-8": { f: async (x: Tensor) => mul(x, 1 + 1e-8 * await sum(x).item()), inputs: [vector] },
  "a sum of two equal sizes": { f: async (x: Tensor) => add(x, await sum(x).item()), inputs: [[0, 0]], checks: both },
  "a cube root of what is 0": {
    f: async (x: Tensor) => mul(x, Math.cbrt(await sum(x).item())),
    inputs: [[1, -1]],
    accepts: ["wrong", "undecided"],
    because: "its derivative is infinite",
  },
  "beside 1e12": {
    f: async (x: Tensor) => add(1e12, sum(mul(x, (await x.data())[0]))),
    inputs: [vector],
    accepts: ["wrong", "undecided"],
    because: "the sum holds four digits",
  },
  "of numbers that must be within [0, 1]": {
    f: async (x: Tensor) => {
      await checked(x, (values) => values.every((v) => v >= 0 && v <= 1));
      return mul(x, (await x.data())[0]);
    },
    inputs: [[0, 0.5, 1]],
    checks: both,
  },
  "of numbers whose sum must be 1": {
    f: async (x: Tensor) => {
      await checked(x, (values) => Math.abs(total(values) - 1) < 1e-6);
      return mul(x, tensor(await x.data()));
    },
    inputs: [[0.2, 0.3, 0.5]],
    checks: seeds(2, both),
  },
  "of numbers whose sum must be 1 to the last digit": {
    f: async (x: Tensor) => {
      await checked(x, (values) => total(values) === 1);
      return mul(x, tensor(await x.data()));
    },
    inputs: [[0.25, 0.25, 0.5]],
  },
  "of no numbers but these": {
    f: async (x: Tensor) => {
      await checked(x, (values) => String(values) === String(vector));
      return mul(x, tensor(await x.data()));
    },
    inputs: [vector],
    accepts: ["undecided"],
    because: "the function cannot be called anywhere else",
  },
  "its square alone, at order 2": {
    f: async (x: Tensor) => mul(square(x), 1 + ((await x.data())[0] - 0.7) ** 2),
    inputs: [vector],
    checks: second,
  },
  "the mean of a variance, at order 2": {
    f: async (x: Tensor) => sum(square(sub(x, await mean(x).item()))),
    inputs: [vector],
    checks: second,
  },
  "a bound of a clamp": { f: async (x: Tensor) => clamp(x, -9, await mean(x).item()), inputs: [vector] },
  "by a function that was compiled": {
    f: async (x: Tensor) => mul(x, await compile((t) => exp(t))(x)),
    inputs: [vector],
  },
});

const detached = listed("a value that is detached", ["wrong"], {
  "a factor": { f: (x: Tensor) => mul(detach(x), x), inputs: [vector], checks: both },
  "everything": { f: (x: Tensor) => detach(exp(x)), inputs: [vector] },
  "one of two inputs": { f: (x: Tensor, y: Tensor) => mul(x, detach(y)), inputs: [vector, positive], checks: both },
  "attention's weights": { f: (x: Tensor) => sum(mul(detach(softmax(x)), square(x))), inputs: [vector] },
  "a gate": { f: (x: Tensor) => mul(x, detach(sigmoid(x))), inputs: [vector] },
  "a normaliser": { f: (x: Tensor) => div(x, detach(sqrt(sum(square(x))))), inputs: [vector] },
  "a mask that is soft": { f: (x: Tensor) => mul(clamp(detach(x), 0, 1), add(x, 1)), inputs: [vector] },
  "one of many elements' weights, along directions": {
    f: (x: Tensor) => mul(exp(x), add(1, mul(1e-3, detach(sum(x))))),
    inputs: [Array.from({ length: 60 }, (_, i) => Math.sin(i))],
    checks: both.slice(1),
  },
  "a sign that is a relu": { f: (x: Tensor) => mul(detach(relu(x)), x), inputs: [vector] },
});

let calls = 0;
let cached: Tensor | null = null;
const state = listed("a function that depends on more than its inputs", ["wrong", "undecided"], {
  "the number of its calls": {
    f: (x: Tensor) => mul(x, ++calls),
    inputs: [vector],
    checks: full,
    because: "it has no derivative to compare with",
  },
  "random numbers": {
    f: (x: Tensor) => mul(x, tensor(Array.from({ length: 5 }, () => Math.random()))),
    inputs: [vector],
    checks: both,
    because: "it has no derivative to compare with",
  },
  "the result of its first call": {
    f: (x: Tensor) => cached ??= exp(x),
    inputs: [vector],
    because: "the second call does not depend on its input",
  },
});

export const mistakes: readonly Case[] = [readBack, readBackHidden, detached, state].flat();
