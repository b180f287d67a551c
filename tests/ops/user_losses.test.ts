/** Losses as users write them, of ops that meet nowhere else: their values by plain loops, their gradients by the checker, and they are learnt. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as g from "../../mod.ts";
import { assertGradients } from "../../verify/mod.ts";

await g.useDevice("float64");

const { add, div, grad, log, mul, sub, sum } = g;
type Rows = number[][];
const rowsOf = async (x: g.Tensor) => await x.toArray() as Rows;
const close = (actual: number, expected: number) =>
  assert.ok(Math.abs(actual - expected) <= 1e-9 * (1 + Math.abs(expected)), `${actual}, not ${expected}`);

/** Whether gradient descent brings a loss down to a part of what it was. */
async function assertLearnt(f: (x: g.Tensor) => g.Tensor, start: g.Tensor, rate: number, part: number): Promise<void> {
  let x = start;
  const first = await f(x).item();
  for (let step = 0; step < 30; step++) {
    const loss = f(x);
    x = g.detach(sub(x, mul(grad(loss, x), rate)));
    await g.realize([loss, x]);
  }
  const last = await f(x).item();
  assert.ok(last < part * first, `${first} to ${last}`);
}

/** ListMLE (Xia et al., 2008): the likelihood of the order by relevance. */
function listMle(scores: g.Tensor, relevance: g.Tensor): g.Tensor {
  const sorted = g.gather(scores, g.argsort(relevance, -1, { descending: true }), -1);
  return g.mean(sum(sub(g.logCumSumExp(sorted, -1, { reverse: true }), sorted), -1));
}

test("a listwise ranking loss [float64]", async () => {
  const [scores, relevance] = [g.random.normal(1, [3, 5]), g.random.normal(2, [3, 5])];
  const [s, r] = [await rowsOf(scores), await rowsOf(relevance)];
  let expected = 0;
  r.forEach((row, i) => {
    const order = row.map((_, j) => j).sort((a, b) => row[b] - row[a]);
    order.forEach((j, place) => {
      const rest = order.slice(place).reduce((total, k) => total + Math.exp(s[i][k]), 0);
      expected += (Math.log(rest) - s[i][j]) / 3;
    });
  });
  close(await listMle(scores, relevance).item(), expected);
  await assertGradients((x) => listMle(x, relevance), [scores], { order: 2 });
  await assertLearnt((x) => listMle(x, relevance), scores, 1, 0.5);
});

/** A sliced Wasserstein distance (Bonneel et al., 2015) of point clouds. */
function slicedWasserstein(x: g.Tensor, y: g.Tensor, key: number): g.Tensor {
  const directions = g.normalize(g.random.normal(key, [x.shape[1], 6]), 0);
  return g.mean(g.square(sub(g.sort(g.matmul(x, directions), 0), g.sort(g.matmul(y, directions), 0))));
}

test("a sliced Wasserstein distance [float64]", async () => {
  const [x, y] = [g.random.normal(3, [8, 2]), add(g.random.normal(4, [8, 2]), [2, -1])];
  const directions = await rowsOf(g.normalize(g.random.normal(7, [2, 6]), 0));
  const [p, q] = [await rowsOf(x), await rowsOf(y)];
  let expected = 0;
  for (let k = 0; k < 6; k++) {
    const along = (points: Rows) =>
      points.map(([a, b]) => a * directions[0][k] + b * directions[1][k]).sort((a, b) => a - b);
    const [us, vs] = [along(p), along(q)];
    us.forEach((u, i) => expected += (u - vs[i]) ** 2 / 48);
  }
  close(await slicedWasserstein(x, y, 7).item(), expected);
  await assertGradients((x, y) => slicedWasserstein(x, y, 7), [x, y]);
  await assertLearnt((x) => slicedWasserstein(x, y, 7), x, 4, 0.1);
});

const MARGIN = 0.2;

/** A triplet loss with semi-hard negatives (Schroff et al., 2015): the nearest that is further than the positive, else the furthest. */
function triplet(embedding: g.Tensor, labels: readonly number[]): g.Tensor {
  const unit = g.normalize(embedding);
  const distances = g.pairwiseDistance(g.unsqueeze(unit, 1), g.unsqueeze(unit, 0));
  const same = g.equal(g.unsqueeze(labels as number[], 1), labels as number[]);
  const positive = g.logicalAnd(same, g.equal(g.eye(labels.length), 0));
  const [toPositive, toNegative] = [g.unsqueeze(distances, 2), g.unsqueeze(distances, 1)];
  const isNegative = g.unsqueeze(g.logicalNot(same), 1);
  const isFurther = g.logicalAnd(isNegative, g.greater(toNegative, toPositive));
  const nearest = g.min(g.where(isFurther, toNegative, Infinity), 2);
  const furthest = g.max(g.where(isNegative, toNegative, -Infinity), 2);
  const losses = g.relu(add(sub(distances, g.where(g.any(isFurther, 2), nearest, furthest)), MARGIN));
  return div(sum(g.where(positive, losses, 0)), sum(g.cast(positive, "float")));
}

test("a triplet loss with semi-hard negatives [float64]", async () => {
  const labels = [0, 0, 1, 1, 2, 2];
  const embedding = g.random.normal(5, [6, 3]);
  const rows = (await rowsOf(embedding)).map((row) => row.map((v) => v / Math.hypot(...row)));
  const distance = (i: number, j: number) => Math.hypot(...rows[i].map((v, k) => v - rows[j][k] + 1e-6));
  const all: number[] = [];
  for (const [a, label] of labels.entries()) {
    for (const [p, other] of labels.entries()) {
      if (p === a || other !== label) continue;
      const negatives = labels.flatMap((l, n) => (l === label ? [] : [distance(a, n)]));
      const further = negatives.filter((d) => d > distance(a, p));
      const chosen = further.length > 0 ? Math.min(...further) : Math.max(...negatives);
      all.push(Math.max(0, distance(a, p) - chosen + MARGIN));
    }
  }
  close(await triplet(embedding, labels).item(), all.reduce((a, b) => a + b) / all.length);
  await assertGradients((x) => triplet(x, labels), [embedding]);
  await assertLearnt((x) => triplet(x, labels), embedding, 1, 0.5);
});

/** The negative log-likelihood of Student's t distribution, but for a constant: of the residual, its scale and the degrees of freedom. */
function student(residual: g.Tensor, logScale: g.Tensor, degrees: g.Tensor): g.Tensor {
  const half = mul(add(degrees, 1), 0.5);
  const normaliser = add(sub(g.lgamma(mul(degrees, 0.5)), g.lgamma(half)), mul(0.5, log(degrees)));
  const z = div(residual, g.exp(logScale));
  return g.mean(add(add(normaliser, logScale), mul(half, g.log1p(div(g.square(z), degrees)))));
}

test("a likelihood with a scale and a shape that are learnt [float64]", async () => {
  // With one degree of freedom it is Cauchy's, with many the normal distribution.
  const [residual, logScale] = [g.tensor([0.5, -2, 0.1]), g.tensor(0.3)];
  const cauchy = [0.5, -2, 0.1].reduce((total, r) => total + Math.log1p((r / Math.exp(0.3)) ** 2) + 0.3, 0) / 3;
  close(await student(residual, logScale, g.tensor(1)).item() - 0.5 * Math.log(Math.PI), cauchy);
  const normal = [0.5, -2, 0.1].reduce((total, r) => total + (r / Math.exp(0.3)) ** 2 / 2 + 0.3, 0) / 3;
  const far = await student(residual, logScale, g.tensor(1e9)).item() - 0.5 * Math.log(2);
  assert.ok(Math.abs(far - normal) < 1e-5, `${far}, not ${normal}`);
  await assertGradients(student, [residual, logScale, g.tensor(2.5)], { order: 2 });
});
