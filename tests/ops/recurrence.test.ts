/** Recurrences by scan, compared with plain loops: linear ones, those over several tensors, CTC, soft-DTW and Sinkhorn. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  add,
  concat,
  exp,
  grad,
  logSumExp,
  matmul,
  mul,
  neg,
  scan,
  slice,
  stack,
  sub,
  sum,
  take,
  tanh,
  type Tensor,
  tensor,
  transpose,
  useDevice,
  zeros,
} from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { assertGradients } from "../../verify/mod.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { checkProperty } from "../support/property.ts";
import { assertClose } from "./compare.ts";

await useDevice("float64");

const number = fc.double({ min: -2, max: 2, noNaN: true }).map(Math.fround);
const near = (expected: number) => 1e-12 * Math.max(1, Math.abs(expected));

for (const { device, on, single, extent } of await devicesUnderTest()) {
  test(...on("a linear recurrence and its gradients are those of a loop, in both directions"), async () => {
    const input = fc.record({
      pairs: fc.array(fc.tuple(number, number), { minLength: 1, maxLength: 9 }),
      reverse: fc.boolean(),
    });
    await checkProperty(input, async ({ pairs, reverse }) => {
      const [a, b] = [0, 1].map((k) => tensor(pairs.map((pair) => pair[k])));
      const step = (carry: Tensor, [factor, term]: readonly Tensor[]): [Tensor, Tensor] => {
        const next = add(mul(carry, factor), term);
        return [next, next];
      };
      const first = tensor(0.5);
      const [last, ys] = scan(step, first, [a, b], { reverse });
      const results = [last, ys, ...grad(last, [first, a, b])];
      await bring(results, { device });
      const n = pairs.length;
      const order = pairs.map((_, i) => (reverse ? n - 1 - i : i));
      const values = new Array<number>(n);
      const before = new Array<number>(n);
      let carry = 0.5;
      for (const i of order) {
        before[i] = carry;
        carry = values[i] = carry * pairs[i][0] + pairs[i][1];
      }
      // Backwards: how the last carry depends on each.
      let slope = 1;
      const [byA, byB] = [new Array<number>(n), new Array<number>(n)];
      for (const i of order.toReversed()) {
        byB[i] = slope;
        byA[i] = slope * before[i];
        slope *= pairs[i][0];
      }
      const largest = Math.max(1, ...values.map(Math.abs), ...byA.map(Math.abs), ...byB.map(Math.abs));
      [[carry], values, [slope], byA, byB].forEach((expected, k) => {
        assertClose(results[k].value!, expected, () => (single ? 1e-5 : 1e-13) * largest, `result ${k}`);
      });
    }, { runs: 20, extent });
  });
}

test("the carry and the results may be several tensors, one or none [float64]", async () => {
  const [[sums, products], ys] = scan(
    ([s, p]: readonly Tensor[], x: Tensor): [Tensor[], Tensor[]] => [[add(s, x), mul(p, x)], [s, mul(p, 2)]],
    [zeros([2]), tensor([1, 1])],
    tensor([[1, 2], [3, 4], [5, 6]]),
  );
  assert.deepEqual(await sums.toArray(), [9, 12]);
  assert.deepEqual(await products.toArray(), [15, 48]);
  assert.deepEqual(await ys[0].toArray(), [[0, 0], [1, 2], [4, 6]]);
  assert.deepEqual(await ys[1].toArray(), [[2, 2], [2, 4], [6, 16]]);
  const [power, none] = scan((x: Tensor) => [mul(x, x), null], tensor(3), 2);
  assert.deepEqual([await power.item(), none], [81, null]);
  const [same, nothing] = scan((c: Tensor, x: Tensor) => [c, stack([x, x])], tensor(3), zeros([0, 2]));
  assert.deepEqual([await same.item(), nothing.shape], [3, [0, 2, 2]]);
});

/** The logarithm of the probability of all paths that spell labels, blanks (class 0) between, one after the other. */
function ctc(logits: number[][], labels: number[]): number {
  let total = 0;
  const visit = (t: number, path: number[], probability: number): void => {
    if (t < logits.length) {
      logits[t].forEach((score, k) => visit(t + 1, [...path, k], probability + score));
      return;
    }
    const spelt = path.filter((k, i) => k !== path[i - 1]).filter((k) => k !== 0);
    if (spelt.join() === labels.join()) total += Math.exp(probability);
  };
  visit(0, [], 0);
  return Math.log(total);
}

const NONE = -1e9;

/** The same by a recurrence over states: blank, label, blank, label, ..., blank. */
function ctcByScan(logits: Tensor, labels: readonly number[]): Tensor {
  const states = [0, ...labels.flatMap((k) => [k, 0])];
  const skips = tensor(states.map((k, s) => (s > 1 && k !== 0 && k !== states[s - 2] ? 0 : NONE)));
  const before = (x: Tensor, by: number) => concat([tensor(new Array(by).fill(NONE)), slice(x, [[0, -by]])]);
  const start = tensor(states.map((_, s) => (s === 0 ? 0 : NONE)));
  const [last] = scan(
    (alpha: Tensor, scores: Tensor) => {
      const ways = stack([alpha, before(alpha, 1), add(before(alpha, 2), skips)]);
      return [add(logSumExp(ways, 0), take(scores, states)), null];
    },
    start,
    logits,
  );
  return logSumExp(slice(last, [[-2, null]]));
}

test("CTC by scan is the sum over all paths, and its gradient is right to the second order [float64]", async () => {
  const scores = [[0.2, -0.5, 0.1], [-1, 0.3, 0.8], [0.4, 0.6, -0.2], [0.1, 0.9, -0.7]];
  for (const labels of [[1], [1, 2], [1, 1], [2, 1]]) {
    const found = await ctcByScan(tensor(scores), labels).item();
    assert.ok(Math.abs(found - ctc(scores, labels)) <= near(found), labels.join());
  }
  await assertGradients((x: Tensor) => ctcByScan(x, [1, 2]), [scores], { order: 2, mode: "fast" });
});

test("soft-DTW by scan over antidiagonals is that of a table [float64]", async () => {
  const [n, m] = [4, 3];
  const cost = Array.from(
    { length: n },
    (_, i) => Array.from({ length: m }, (_, j) => Math.abs(Math.sin(3 * i - 2 * j))),
  );
  const table = Array.from({ length: n + 1 }, () => new Array<number>(m + 1).fill(Infinity));
  table[0][0] = 0;
  for (let i = 1; i <= n; i++) {
    for (let j = 1; j <= m; j++) {
      const soft = [table[i - 1][j], table[i][j - 1], table[i - 1][j - 1]].reduce((s, v) => s + Math.exp(-v), 0);
      table[i][j] = cost[i - 1][j - 1] - Math.log(soft);
    }
  }
  // One row after the other; within a row, one element after the other.
  const byScan = (costs: Tensor) => {
    const far = tensor(1e9);
    const firstRow = concat([tensor([0]), tensor(new Array(m).fill(1e9))]);
    const [last] = scan(
      (above: Tensor, row: Tensor) => {
        const [, cells] = scan(
          ([left]: readonly Tensor[], [c, up, corner]: readonly Tensor[]): [Tensor[], Tensor] => {
            const cell = sub(c, logSumExp(neg(stack([left, up, corner])), 0));
            return [[cell], cell];
          },
          [far],
          [row, slice(above, [[1, null]]), slice(above, [[0, -1]])],
        );
        return [concat([tensor([1e9]), cells]), null];
      },
      firstRow,
      costs,
    );
    return slice(last, [-1]);
  };
  const found = await byScan(tensor(cost)).item();
  assert.ok(Math.abs(found - table[n][m]) <= near(found));
  await assertGradients(byScan, [cost], { mode: "fast" });
});

test("Sinkhorn's iteration by scan reaches both marginals, and recurrent networks have right gradients [float64]", async () => {
  const sinkhorn = (costs: Tensor) => {
    const scores = neg(costs);
    const [[f, g]] = scan(
      ([, g]: readonly Tensor[]): [Tensor[], null] => {
        const rows = neg(logSumExp(add(scores, g), 1, { keepDims: true }));
        return [[rows, neg(logSumExp(add(scores, rows), 0, { keepDims: true }))], null];
      },
      [zeros([3, 1]), zeros([1, 3])],
      30,
    );
    return exp(add(add(scores, f), g));
  };
  const plan = sinkhorn(tensor([[0.3, 1, 0.2], [0.7, 0.1, 0.9], [0.4, 0.8, 0.5]]));
  for (const axis of [0, 1]) assertClose(await sum(plan, axis).data(), [1, 1, 1], () => 1e-12, "a marginal");
  const network = (w: Tensor, xs: Tensor) =>
    scan((h: Tensor, x: Tensor) => [tanh(add(matmul(transpose(w), h), x)), null], zeros([2]), xs)[0];
  await assertGradients(network, [[[0.5, -1], [0.7, 0.2]], [[1, 2], [0.5, -1], [0, 1]]], { order: 2, mode: "fast" });
});
