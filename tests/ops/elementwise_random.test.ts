/** Random formulas: their values by JavaScript itself, their derivatives by differences of it and by the checker. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { elementwise, grad, sum, type Tensor, tensor, useDevice } from "../../mod.ts";
import { gradcheck, reportText } from "../../verify/mod.ts";
import { checkProperty } from "../support/property.ts";
import { exact, formulas, smooth } from "./formulas.ts";

await useDevice("float64");

type Plain = (x: number, y: number) => number;

/** The function of a source. */
const functionOf = (source: string) => new Function(`return ${source}`)() as Plain;

const special = [NaN, 0, -0, Infinity, -Infinity, 1, -1, 0.5, -2.5, 3, 1e-9, 0.1, 7.25];
const pairs = special.flatMap((x) => special.map((y) => [x, y] as const));
const [xs, ys] = [0, 1].map((i) => Float64Array.from(pairs, (pair) => pair[i]));

test("a random formula has the values that JavaScript gives it, to the last digit [float64]", async () => {
  await checkProperty(formulas(exact), async (source) => {
    const f = functionOf(source);
    const values = await elementwise(f)(tensor(xs), tensor(ys)).data();
    pairs.forEach(([x, y], i) => {
      const expected = Number(f(x, y));
      // The sign of NaN does not exist, that of 0 does.
      assert.ok(Object.is(Number(values[i]), expected), `${source}\nof ${x}, ${y} is ${expected}, got ${values[i]}`);
    });
  }, { runs: 12 });
});

/** Points away from those where the numbers of formulas meet. */
const points = [[0.37, -1.21], [-0.83, 0.59], [1.93, 2.47], [-2.71, -0.13], [0.071, 1.117]] as const;

/** A central difference at a point along an input, `null` where the function is not smooth enough to say. */
function difference(f: Plain, point: readonly [number, number], input: 0 | 1): number | null {
  const at = (h: number) => {
    const moved = [...point] as [number, number];
    moved[input] += h;
    return Number(f(...moved));
  };
  const h = 1e-4;
  const center = at(0);
  const [wide, narrow] = [h, h / 2].map((step) => (at(step) - at(-step)) / (2 * step));
  const scale = 1 + Math.abs(narrow);
  const isSmooth = Math.abs(at(h / 2) - center - (center - at(-h / 2))) < 1e-2 * h * scale &&
    Math.abs(wide - narrow) < 1e-5 * scale;
  return isSmooth ? narrow : null;
}

/** An op as a function of two tensors with a result that depends on both. */
function dependent(f: Plain): (x: Tensor, y: Tensor) => Tensor {
  const source = f.toString();
  return elementwise(functionOf(`(x, y) => { const inner = ${source}; return +inner(x, y) + 0.1 * x - 0.1 * y; }`));
}

test("the derivatives of a random formula are those of differences [float64]", async () => {
  let [compared, tried] = [0, 0];
  await checkProperty(formulas(smooth), async (source) => {
    const f = functionOf(source);
    const op = dependent(f);
    const inputs = [0, 1].map((i) => tensor(points.map((point) => point[i])));
    const gradients = await Promise.all(grad(sum(op(inputs[0], inputs[1])), inputs).map((g) => g.data()));
    for (const input of [0, 1] as const) {
      points.forEach((point, i) => {
        tried++;
        const expected = difference(f, point, input);
        if (expected === null) return;
        compared++;
        const actual = gradients[input][i] - (input === 0 ? 0.1 : -0.1);
        const error = Math.abs(actual - expected) / (1 + Math.abs(expected));
        assert.ok(error < 1e-4, `${source}\nat ${point} by input ${input}: expected ${expected}, got ${actual}`);
      });
    }
  }, { runs: 8 });
  assert.ok(compared > tried / 2, `only ${compared} of ${tried} derivatives could be compared`);
});

test("the checker finds no wrong derivative of a random formula, of second order either [float64]", async () => {
  await checkProperty(formulas(smooth), async (source) => {
    const report = await gradcheck(dependent(functionOf(source)), points.slice(0, 2).map(([x, y]) => [x, y]), {
      order: 2,
      mode: "fast",
    });
    assert.notEqual(report.verdict, "wrong", `${source}\n${reportText(report)}`);
  }, { runs: 4 });
});
