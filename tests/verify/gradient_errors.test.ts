/** How large the errors of a gradient are taken to be, of which only the values are known. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { GradientErrors } from "../../verify/differences/gradient_errors.ts";
import { hashOf } from "./problem.ts";

type Gradient = (x: readonly Float64Array[]) => readonly (readonly number[])[];

/** The errors of a gradient at a point, and the places at which it was computed. */
function errorsOf(
  at: readonly (readonly number[])[],
  gradient: Gradient,
  { tolerance = 0, single = false, here = gradient }: { tolerance?: number; single?: boolean; here?: Gradient } = {},
) {
  const variables = at.map((values) => Float64Array.from(values));
  const places: number[][] = [];
  const errors = new GradientErrors(
    { variables, epsilon: single ? 2 ** -23 : 2 ** -52, round: single ? Math.fround : (x) => x },
    here(variables).map((g) => Float64Array.from(g)),
    () => {
      places.push(variables.flatMap((values) => [...values]));
      return gradient(variables);
    },
    tolerance,
  );
  assert.deepEqual(variables.map((values) => [...values]), at);
  /** The error of one element, or of a sum of all with weights. */
  const of = (weights: number | readonly number[], kink = false) => {
    let next = 0;
    const all = typeof weights === "number" ? at.flat().map((_, i) => (i === weights ? 1 : 0)) : weights;
    return errors.of(at.map((values) => Float64Array.from(values, () => all[next++])), kink);
  };
  return { of, places };
}

const near = (actual: number, expected: number, part = 1e-12) =>
  assert.ok(Math.abs(actual - expected) <= part * Math.abs(expected), `${actual}, expected ${expected}`);
const constant = (...slopes: number[]): Gradient => () => [slopes];

test("a gradient that does not jump is exact to half the digits of a double, or as it claims [float64]", () => {
  const exact = errorsOf([[1, 2]], constant(3.1, -7.3));
  near(exact.of(0), 3.1 * 2 ** -24);
  near(exact.of(1), 7.3 * 2 ** -24);
  near(exact.of([0, -2]), 14.6 * 2 ** -24);
  near(exact.of(0, true), 3.1 * 2 ** -24);
  near(errorsOf([[1, 2]], constant(3.1, -7.3), { tolerance: 1e-3 }).of(1), 7.3e-3);
  near(errorsOf([[1, 2]], constant(3.1, -7.3), { tolerance: 1e-9 }).of(1), 7.3 * 2 ** -24);
});

test("a gradient in float32 is less exact, whether that was said or shows in its digits [float64]", () => {
  const single = 64 * 2 ** -24;
  const long = Math.fround(3.1), longer = Math.fround(-7.3);
  near(errorsOf([[1, 2]], constant(3.1, -7.3), { single: true }).of(0), 3.1 * single);
  near(errorsOf([[1, 2]], constant(long, longer)).of(0), long * single);
  // One long number of float32 is enough, and one that is none is enough against it.
  near(errorsOf([[1, 2]], constant(0.5, long)).of(0), 0.5 * single);
  near(errorsOf([[1, 2]], constant(long, 3.1)).of(0), long * 2 ** -24);
  // Short numbers and zeros are numbers of any precision.
  near(errorsOf([[1, 2]], constant(0.5, 3)).of(0), 0.5 * 2 ** -24);
  near(errorsOf([[1, 2]], constant(0, 96)).of(1), 96 * 2 ** -24);
  assert.equal(errorsOf([[1, 2]], constant(NaN, long)).of(1) > long * 2 ** -22, true);
});

test("errors of many elements add up as if by chance, but for what they have in common [float64]", () => {
  const e = 2 ** -24;
  near(errorsOf([[1, 2]], constant(3, 4)).of([1, 1]), 3 * 5 * e + 7 * e);
  near(errorsOf([[1, 2]], constant(3, -4)).of([1, 1]), 3 * 5 * e + e);
  near(errorsOf([[1], [2]], () => [[3], [4]]).of([1, -1]), 3 * 5 * e + e);
  near(errorsOf([[1, 2, 5]], constant(3, 4, 9)).of([2, 1, 0]), 3 * Math.sqrt(52) * e + 10 * e);
  assert.equal(errorsOf([[1, 2]], constant(3, 4)).of([0, 0]), 0);
});

test("how a gradient jumps where its inputs hardly move is its error, but for kinks [float64]", () => {
  for (const size of [1e-3, 1e-6]) {
    const noisy: Gradient = ([x]) => [[Math.PI + size * hashOf(x[0] + 3 * x[1]), Math.E]];
    const { of } = errorsOf([[1.5, -2]], noisy);
    assert.ok(of(0) > size && of(0) < 8 * size + 1e-5, `${of(0)} of ${size}`);
    near(of(1), Math.E * 2 ** -24);
    near(of(0, true), noisy([Float64Array.of(1.5, -2)])[0][0] * 2 ** -24, 1e-9);
  }
  // The value at the point itself may be an exception, which is an error of another kind.
  const exception = errorsOf([[1, 1]], constant(3.1, 5.3), { here: constant(9.1, 5.3) });
  near(exception.of(0), 9.1 * 2 ** -24);
  // From one side of an element to the other, a derivative jumps at a kink.
  for (const at of [1, -1, 0]) {
    near(errorsOf([[at, 2]], ([x]) => [[x[0] > at ? 3.1 : -3.1, 5.3]]).of(0), 3.1 * 2 ** -24);
  }
  // An error that jumps where another element is on a kink, or elements are tied, is no rounding either.
  for (const jumps of [(x: ArrayLike<number>) => x[0] > 1, (x: ArrayLike<number>) => x[1] > 2 * x[0]]) {
    near(errorsOf([[1, 2, 3]], ([x]) => [[3.1, jumps(x) ? 5.3 : 4.3, 3.1]]).of(1), 4.3 * 2 ** -24);
  }
  // A value that is not finite is no jump.
  near(
    errorsOf([[1, 2]], ([x]) => [[x[1] > 2 ? Infinity : 3.1, 5.3]], { here: constant(3.1, 5.3) }).of(0),
    3.1 * 2 ** -24,
  );
});

test("inputs move by a few units in their last place, on two opposite rays, and then a little further [float64]", () => {
  for (const single of [false, true]) {
    const at = [1.5, -12, 0, 2 ** -10];
    const { places } = errorsOf([at], constant(1.1, 2.1, 3.1, 4.1), { single });
    const sizes = [1, 8, 8, 2 ** -10];
    const unit = single ? 2 ** -23 : 2 ** -52;
    const moves = places.map((place) => place.map((x, i) => (x - at[i]) / sizes[i]));
    assert.equal(moves.length, 16);
    const steps = new Set<number>();
    for (let move = 0; move < 4; move++) {
      moves[move].forEach((by, i) => {
        steps.add(Math.abs(moves[0][i]) / unit);
        assert.equal(by, (move + 1) * moves[0][i]);
        assert.equal(moves[move + 4][i], -by);
      });
    }
    assert.equal([...steps].every((step) => [1, 2, 3].includes(step)) && steps.size > 1, true);
    const further = moves.slice(8).flat();
    assert.equal(further.every((by) => Math.abs(by) <= 2 ** -8), true);
    assert.equal(Math.max(...further) > 2 ** -9 && Math.min(...further) < -(2 ** -9), true);
  }
  // A gradient in float32 of inputs in doubles moves by the units of float32.
  const { places } = errorsOf([[1]], constant(Math.fround(3.1)));
  assert.equal(Math.abs(places[0][0] - 1) >= 2 ** -23, true);
});

test("a gradient of which large terms cancelled is a multiple of what is left of their digits [float64]", () => {
  const left = (grain: number): Gradient => ([x]) => [[Math.round(1000 * x[0] / grain) * grain, 5.3]];
  for (const grain of [2 ** -3, 2 ** -8, 2 ** -12]) {
    const { of } = errorsOf([[0.7, 1]], left(grain));
    near(of(0), 700 * 2 ** -24 + 4 * grain, 1e-3);
    // Such digits are no kink's.
    near(of(0, true), 700 * 2 ** -24, 1e-3);
  }
  // A gradient that is merely coarse, or the same all around, has all its digits.
  assert.ok(errorsOf([[0.07, 1]], left(8)).of(0) < 1e-5, "a coarse one");
  near(
    errorsOf([[0.7, 1]], ([x]) => [[x[0] > 0.7 ? 0.5 : 1, 5.3]], { here: constant(0.5, 5.3) }).of(0),
    0.5 * 2 ** -24,
  );
  near(errorsOf([[0.7, 1]], constant(0.75, 5.3)).of(0), 0.75 * 2 ** -24);
  // The digits of the element itself, which moves around, do not count for those beside it.
  near(errorsOf([[0.7, 1]], left(2 ** -8)).of(1), 5.3 * 2 ** -24);
});
