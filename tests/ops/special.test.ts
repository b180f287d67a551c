/** Special values: halves, zeros, infinities, NaN, ties, indices that turn out to be out of range. On every backend. */
import { test } from "node:test";
import {
  abs,
  add,
  argmax,
  argmin,
  cast,
  ceil,
  clamp,
  crossEntropy,
  div,
  equal,
  exp,
  floor,
  gather,
  greater,
  greaterEqual,
  less,
  lessEqual,
  log,
  log1p,
  logSumExp,
  max,
  maximum,
  mean,
  min,
  minimum,
  mul,
  notEqual,
  oneHot,
  pow,
  prod,
  rank,
  relu,
  round,
  scatterAdd,
  sigmoid,
  sign,
  softmax,
  sort,
  sqrt,
  sub,
  sum,
  take,
  tanh,
  type Tensor,
  tensor,
  topK,
  topKMask,
  where,
} from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { kernelsOf } from "../support/cells.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { assertClose, assertSame } from "./compare.ts";

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const whole = tensor([-2, -1.5, -0.5, 0, 0.5, 1.5, 2.5, 1e7, -inf, inf]);
const odd = tensor([nan, -inf, -1, 0, 1, inf]);
const ties = tensor([1, 3, 3, nan, 3]);
/** Indices that are only known once computed. */
const computed = (...values: number[]) => cast(mul(tensor(values), 1), "int");

const exact: Record<string, [build: () => Tensor, expected: number[]]> = {
  "floor": [() => floor(whole), [-2, -2, -1, 0, 0, 1, 2, 1e7, -inf, inf]],
  "ceil": [() => ceil(whole), [-2, -1, 0, 0, 1, 2, 3, 1e7, -inf, inf]],
  "round rounds halves to even": [() => round(tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 2.4, 2.6, 1e7])), [
    -2,
    -2,
    0,
    0,
    2,
    2,
    2,
    3,
    1e7,
  ]],
  "round leaves large numbers and the one below a half": [
    () => round(tensor([0.49999997, 8388609, 16777215, -8388607, 2 ** 100])),
    [0, 8388609, 16777215, -8388607, 2 ** 100],
  ],
  "round leaves infinities": [() => round(odd), [nan, -inf, -1, 0, 1, inf]],
  "sign": [() => sign(odd), [nan, -1, -1, 0, 1, 1]],
  "abs": [() => abs(odd), [nan, inf, 1, 0, 1, inf]],
  "relu": [() => relu(tensor([-inf, -1, 0, 1, inf, nan])), [0, 0, 0, 1, inf, nan]],
  "clamp": [() => clamp(odd, -0.5, 0.5), [nan, -0.5, -0.5, 0, 0.5, 0.5]],
  "clamp to one value": [() => clamp(tensor([-1, 5, 9]), 5, 5), [5, 5, 5]],
  "division by 0": [() => div(tensor([1, -1, 0]), 0), [inf, -inf, nan]],
  "division by a computed 0": [() => div(tensor([1, -1, 0, 1]), tensor([0, 0, 0, -0])), [inf, -inf, nan, -inf]],
  "sqrt": [() => sqrt(odd), [nan, nan, nan, 0, 1, inf]],
  "tanh of NaN and infinities": [() => where(equal(abs(odd), 1), 7, tanh(odd)), [nan, -1, 7, 0, 7, 1]],
  "log1p of NaN and infinities": [() => log1p(tensor([nan, -inf, -1, inf])), [nan, nan, -inf, inf]],
  "pow of NaN and infinities": [
    () => pow(tensor([nan, 2, inf, -inf, -inf, 0.5, 0, -8]), tensor([1, nan, 2, 3, 2, inf, -1, 0.5])),
    [nan, nan, inf, -inf, inf, 0, inf, nan],
  ],
  "log": [() => log(odd), [nan, nan, nan, -inf, 0, inf]],
  "exp of the largest and smallest": [() => exp(tensor([-inf, inf, 0, nan])), [0, inf, 1, nan]],
  "tanh and sigmoid level off": [
    () => add(tanh(tensor([-50, 0, 50])), mul(sigmoid(tensor([-200, 0, 200])), 10)),
    [-1, 5, 11],
  ],
  "a power of 0": [() => pow(tensor([0, 0, 2, -2]), tensor([0, 2, 0, 3])), [1, 0, 1, -8]],
  "maximum is NaN if either operand is": [() => maximum(odd, 0), [nan, 0, 0, 0, 1, inf]],
  "minimum is NaN if either operand is": [() => minimum(0, odd), [nan, -inf, -1, 0, 0, 0]],
  "equal": [() => cast(equal(odd, odd), "int"), [0, 1, 1, 1, 1, 1]],
  "notEqual": [() => cast(notEqual(odd, odd), "int"), [1, 0, 0, 0, 0, 0]],
  "less": [() => cast(less(odd, 0), "int"), [0, 1, 1, 0, 0, 0]],
  "lessEqual": [() => cast(lessEqual(odd, 0), "int"), [0, 1, 1, 1, 0, 0]],
  "greater": [() => cast(greater(odd, 0), "int"), [0, 0, 0, 0, 1, 1]],
  "greaterEqual": [() => cast(greaterEqual(odd, 0), "int"), [0, 0, 0, 1, 1, 1]],
  "0 and -0 are equal": [() => cast(equal(tensor([0, -0]), tensor([-0, 0])), "int"), [1, 1]],
  "where does not mix in the branch it does not take": [
    () => where(tensor([true, false]), tensor([1, nan]), tensor([inf, 2])),
    [1, 2],
  ],
  "where of an expensive branch": [() => where(greater(odd, 0), log(log(odd)), 7), [7, 7, 7, 7, -inf, inf]],
  "max is NaN if an element is": [() => max(ties), [nan]],
  "min is NaN if an element is": [() => min(ties), [nan]],
  "max of infinities": [() => max(tensor([[-inf, -inf], [inf, 1]]), 1), [-inf, inf]],
  "argmax takes the lowest of equals": [() => argmax(tensor([1, 3, 3, 2])), [1]],
  "argmin takes the lowest of equals": [() => argmin(tensor([2, 1, 3, 1])), [1]],
  "argmax takes NaN, the first one": [() => argmax(ties), [3]],
  "argmax takes NaN before infinity": [() => argmax(tensor([1, inf, nan, nan])), [2]],
  "argmin takes NaN, the first one": [() => argmin(ties), [3]],
  "argmin takes NaN before minus infinity": [() => argmin(tensor([-inf, 1, nan, nan])), [2]],
  "argmax of only minus infinities": [() => argmax(tensor([-inf, -inf])), [0]],
  "argmin of only infinities": [() => argmin(tensor([inf, inf, inf])), [0]],
  "argmax of one": [() => argmax(tensor([[5], [6]]), 1), [0, 0]],
  "prod with 0": [() => prod(tensor([[2, 0, 3], [4, 5, 6]]), 1), [0, 120]],
  "sum with infinities": [() => sum(tensor([[inf, 1], [inf, -inf]]), 1), [inf, nan]],
  "mean of NaN": [() => mean(ties), [nan]],
  "logSumExp of minus infinities": [() => logSumExp(tensor([[-inf, -inf], [-inf, 0]]), 1), [-inf, 0]],
  "logSumExp of an infinity": [() => logSumExp(tensor([[inf, 0], [1000, -inf]]), 1), [inf, 1000]],
  "logSumExp of NaN": [() => logSumExp(tensor([1, nan])), [nan]],
  "softmax of large numbers": [() => softmax(tensor([1000, -1000, -inf]), 0), [1, 0, 0]],
  "crossEntropy of large numbers": [() => crossEntropy(tensor([[0, 1000]]), tensor(new Int32Array([0]))), [1000]],
  "log1p of a small number": [() => log1p(tensor([2 ** -70])), [2 ** -70]],
  "sort puts NaN last": [() => sort(ties), [1, 3, 3, 3, nan]],
  "sort descending puts NaN first": [() => sort(ties, 0, { descending: true }), [nan, 3, 3, 3, 1]],
  "sort with infinities": [() => sort(tensor([inf, nan, -inf, 0])), [-inf, 0, inf, nan]],
  "rank puts NaN above infinity": [() => rank(tensor([nan, inf, nan, -inf, inf])), [3, 1, 4, 0, 2]],
  "topK takes NaN before infinity": [() => topK(tensor([inf, nan, 3]), 2).values, [nan, inf]],
  "topKMask takes NaN before infinity": [() => cast(topKMask(tensor([inf, nan, 3]), 1), "int"), [0, 1, 0]],
  "topK with NaN": [() => topK(ties, 2).values, [nan, 3]],
  "topKMask takes the lower index among equals": [() => cast(topKMask(tensor([3, 1, 3, 3]), 2), "int"), [1, 0, 1, 0]],
  "topKMask of minus infinities": [() => cast(topKMask(tensor([-inf, 0, -inf, -inf]), 3), "int"), [1, 1, 1, 0]],
  "gather at a computed index outside is NaN": [() => gather(tensor([5, 6]), computed(0, 1, 2, -1), 0), [
    5,
    6,
    nan,
    nan,
  ]],
  "take at a computed index outside is NaN": [() => take(tensor([[5], [6]]), computed(1, 7)), [6, nan]],
  "scatterAdd at a computed index outside adds nothing": [
    () => scatterAdd(tensor([5, 6]), computed(0, 2, -1, 0), tensor([1, 2, 3, 4]), 0),
    [10, 6],
  ],
  "oneHot of a computed index outside is all zeros": [() => oneHot(computed(1, 2, -1), 2), [0, 1, 0, 0, 0, 0]],
  "integers up to 2^24": [() => sub(add(tensor(2 ** 24 - 1, [], { dtype: "int" }), 1), 1), [2 ** 24 - 1]],
  "a cast of large numbers": [() => cast(tensor([4194303.5, -4194303.5, 8388609]), "int"), [
    4194303,
    -4194303,
    8388609,
  ]],
};

const range = Float32Array.from({ length: 20_001 }, (_, i) => -87 + (i * 175) / 20_000);

/** Rounded results: the value, and the relative error allowed in float32. */
const rounded: Record<string, [build: () => Tensor, expected: number[], relative: number]> = {
  "exp near its limits": [
    () => exp(tensor([88, -87, -10, 1e-6, 20])),
    [88, -87, -10, Math.fround(1e-6), 20].map(Math.exp),
    4e-7,
  ],
  "exp over its whole range": [() => exp(tensor(range)), Array.from(range, Math.exp), 2e-7],
  "sigmoid at both ends": [
    () => sigmoid(tensor([-80, -10, 10])),
    [-80, -10, 10].map((v) => 1 / (1 + Math.exp(-v))),
    1e-6,
  ],
  "logSumExp of equal numbers": [() => logSumExp(tensor([50, 50, 50, 50])), [50 + Math.log(4)], 2e-7],
};

for (const { device, on, extent } of await devicesUnderTest()) {
  const exactly = kernelsOf(extent, Object.entries(exact));
  const closely = kernelsOf(extent, Object.entries(rounded));
  let built: Promise<Map<string, Tensor>> | undefined;
  /** All of them are computed in one plan: that takes less time than a plan for each. */
  const valuesOf = async (name: string): Promise<ArrayLike<number>> => {
    built ??= (async () => {
      const tensors = new Map([...exactly, ...closely].map(([name, [build]]) => [name, build()]));
      await bring([...tensors.values()], { device });
      return tensors;
    })();
    return (await built).get(name)!.value!;
  };
  for (const [name, [, expected]] of exactly) {
    test(...on(name), async () => assertSame(await valuesOf(name), expected, name));
  }
  for (const [name, [, expected, relative]] of closely) {
    test(...on(name), async () => {
      assertClose(await valuesOf(name), expected, (e) => Math.abs(e) * relative, name);
    });
  }
}
