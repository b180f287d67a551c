/** Slopes over many steps, and the plateaus on which they agree. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { elementLine } from "../../verify/differences/line.ts";
import { Ladder } from "../../verify/differences/ladder.ts";
import { centralSlope, divergence, type Reader, sideSlope } from "../../verify/differences/plateau.ts";
import { precisionOf } from "../../verify/differences/precision.ts";
import { Sums } from "../../verify/differences/sums.ts";
import { curveAt, hashOf, ladderOf } from "./problem.ts";

const stepsOf = ({ step, length }: Ladder) => [...step.subarray(0, length)];
const EPSILON = 2 ** -52;

test("a ladder has the slopes of a parabola, for steps from a part of its element's size to the last digits [float64]", () => {
  const { ladder, line } = ladderOf(curveAt({ f: (x) => x * x }, 3));
  assert.deepEqual(stepsOf(ladder), Array.from({ length: 22 }, (_, k) => 2 ** (-1 - 2 * k)));
  assert.equal(line.move(0), 0);
  assert.equal(ladder.known, false);
  assert.equal(ladder.moved, true);
  stepsOf(ladder).forEach((step, k) => {
    const [up, down] = [Math.abs(ladder.up[k] - (6 + step)), Math.abs(ladder.down[k] - (6 - step))];
    assert.ok(Math.max(up, down) <= ladder.rounding[k], `${up} and ${down} at ${step}`);
    assert.equal(Math.abs(ladder.central[k] - 6) <= ladder.rounding[k], true);
    // Eight roundings of the larger of both values.
    assert.equal(ladder.rounding[k], 8 * EPSILON * (3 + step) ** 2 / step);
    assert.equal(ladder.noise[k] >= ladder.rounding[k] && ladder.noise[k] <= 2 * ladder.rounding[k], true);
  });
  // In float32 there are steps in between, and fewer of them.
  const single = ladderOf(curveAt({ f: (x) => Math.fround(x * x), single: true }, 3)).ladder;
  assert.deepEqual(stepsOf(single), Array.from({ length: 20 }, (_, k) => 2 ** (-k)));
});

test("a ladder reaches as far as its variable, or 1, and as near as an element of any size [float64]", () => {
  const ends = (at: number, scale: number, single = false) => {
    const problem = curveAt({ f: (x) => x, single }, at);
    const sums = new Sums(problem);
    sums.settle();
    const ladder = new Ladder(precisionOf(problem.epsilon));
    ladder.climb(elementLine(problem, [0, 0], scale), sums);
    return [ladder.step[0], ladder.step[ladder.length - 1], ladder.length];
  };
  assert.deepEqual(ends(1, 2 ** 10), [2 ** 8, 2 ** -44, 27]);
  assert.deepEqual(ends(2 ** -20, 2 ** -20), [2 ** -2, 2 ** -64, 32]);
  // A zero may have any size up to 1, beside large numbers or small ones.
  assert.deepEqual(ends(0, 2 ** 10), [2 ** 8, 2 ** -44, 27]);
  assert.deepEqual(ends(0, 2 ** -6), [2 ** -2, 2 ** -50, 25]);
  // No more steps than there is room for, and then those that are near.
  assert.deepEqual(ends(1, 2 ** 100), [2 ** 50, 2 ** -44, 48]);
  assert.deepEqual(ends(1, 2 ** 100, true), [2 ** 27, 2 ** -20, 48]);
});

test("rounding that is known adds to that of the outputs, and is computed where values have moved [float64]", () => {
  const problem = curveAt({ f: (x) => x, rounding: 2 ** -40 }, 1);
  let moved = 0;
  const rounding = (move: () => void) => {
    move();
    moved = problem.variables[0][0] - 1;
    return 2 ** -40;
  };
  const { ladder } = ladderOf({ ...problem, rounding });
  assert.equal(moved, 2 ** -6);
  assert.equal(ladder.known, true);
  assert.equal(ladder.rounding[0], (8 * EPSILON * 1.25 + 2 ** -40) / 0.25);
  const unknown = ladderOf(curveAt({ f: (x) => x, rounding: Infinity }, 1)).ladder;
  assert.equal(unknown.known, true);
  assert.equal(unknown.rounding[0], 8 * EPSILON * 1.25 / 0.25);
});

test("the size of a step's terms is the larger one of both sides, and that at the point where they are not finite [float64]", () => {
  const left = ladderOf(curveAt({ f: (x) => 4 - x }, 1)).ladder;
  assert.equal(left.rounding[0], 8 * EPSILON * 3.25 / 0.25);
  const { ladder } = ladderOf(curveAt({ f: (x) => (x > 1 ? Infinity : x) }, 1));
  assert.equal(ladder.rounding[0], 8 * EPSILON / 0.25);
  const beyond = ladderOf(curveAt({ f: (x) => (x < 1 ? Infinity : x) }, 1)).ladder;
  assert.equal(beyond.rounding[0], 8 * EPSILON / 0.25);
});

test("a ladder knows whether any step changed something, and the slope that the longest one sees [float64]", () => {
  const flat = ladderOf(curveAt({ f: () => 7 }, 1)).ladder;
  assert.deepEqual([flat.moved, flat.longest()], [false, 0]);
  const far = ladderOf(curveAt({ f: (x) => (x > 1.2 ? x : 1.2) }, 1)).ladder;
  assert.equal(far.moved, true);
  assert.equal(Math.abs(far.longest() - 0.2) < 1e-12, true);
  const below = ladderOf(curveAt({ f: (x) => (x < 0.8 ? -5 : 0) }, 1)).ladder;
  assert.equal(below.longest(), 20);
  // Where the function ends, the longest step is the longest that both sides have.
  const ends = ladderOf(curveAt({ f: (x) => (x > 1.1 ? NaN : 3 * x) }, 1)).ladder;
  assert.equal(ends.longest(), 3);
  assert.equal(ladderOf(curveAt({ f: (x) => (x === 1 ? 1 : NaN) }, 1)).ladder.longest(), 0);
  assert.equal(new Ladder(precisionOf(EPSILON)).longest(), 0);
});

test("rounding is seen in the shortest steps, of either side, and a kink is none [float64]", () => {
  for (const size of [1e-12, 1e-9, 1e-6]) {
    const bySide = [(x: number) => x > 1, (x: number) => x < 1].map((isNoisy) =>
      ladderOf(curveAt({ f: (x) => x + (isNoisy(x) ? size * hashOf(x) : 0) }, 1)).ladder
    );
    for (const ladder of bySide) {
      const last = ladder.length - 1;
      assert.ok(ladder.seen > size / 50 && ladder.seen < 8 * size, `${ladder.seen} of ${size}`);
      assert.equal(Math.abs(ladder.noise[last] * ladder.step[last] / (3 * ladder.seen) - 1) < 1e-12, true);
    }
  }
  const kink = ladderOf(curveAt({ f: (x) => Math.abs(x - 1) }, 1)).ladder;
  assert.equal(kink.seen <= 8 * EPSILON, true);
  // The slopes of short steps along a curve hardly differ.
  assert.equal(ladderOf(curveAt({ f: Math.exp }, 1)).ladder.seen <= 64 * EPSILON, true);
  // Only three pairs count: what further steps see is the function.
  const { ladder } = ladderOf(curveAt({ f: (x) => (Math.abs(x - 1) > 2 ** -37 ? 1 : 0) }, 1));
  assert.equal(ladder.seen, 0);
  // Steps that leave the domain have no slopes to compare.
  const gaps = ladderOf(curveAt({ f: (x) => (Math.abs(x - 1) < 2 ** -41 ? x : NaN) }, 1)).ladder;
  assert.equal(gaps.seen, 0);
  const hole = ladderOf(curveAt({ f: (x) => (x > 1 && x < 1 + 2 ** -39 ? NaN : x > 1 ? x + 2 ** -30 : x) }, 1)).ladder;
  assert.ok(Math.abs(hole.seen / 2 ** -30 - 0.75) < 0.01, `${hole.seen * 2 ** 30}`);
});

test("rounding that is raised counts where it is larger [float64]", () => {
  const { ladder } = ladderOf(curveAt({ f: (x) => x * x }, 3));
  const before = [...ladder.noise];
  ladder.raise(2 ** -30);
  stepsOf(ladder).forEach((step, k) => assert.equal(ladder.noise[k], 2 ** -30 / step));
  ladder.raise(2 ** -35);
  assert.equal(ladder.noise[0], 2 ** -30 / ladder.step[0]);
  assert.equal(before[0] < ladder.noise[0], true);
  assert.equal(ladder.noise[ladder.length], before[ladder.length]);
});

test("a function that is noise for the most part says nothing of slopes that its shortest steps may have [float64]", () => {
  const noise = (share: number) => ladderOf(curveAt({ f: (x) => x + share * hashOf(x) }, 1)).ladder;
  const { ladder } = ladderOf(curveAt({ f: (x) => hashOf(x) }, 1));
  const steepest = Math.max(
    ...[...ladder.up.subarray(0, ladder.length), ...ladder.down.subarray(0, ladder.length)].map(Math.abs),
  );
  assert.equal(ladder.isDrowned(1), true);
  assert.equal(ladder.isDrowned(-4 * steepest), true);
  assert.equal(ladder.isDrowned(16 * steepest), false);
  assert.equal(ladder.isDrowned(-16 * steepest), false);
  // Noise of a tenth of what the function does hides it; of a thousandth, it does not.
  assert.equal(noise(0.1).isDrowned(1), true);
  assert.equal(noise(1e-3).isDrowned(1), false);
  // A function that changes by its rounding alone is not noise: that much is known of it.
  assert.equal(ladderOf(curveAt({ f: (x) => 1 + 2 ** -52 * Math.round(hashOf(x)) }, 1)).ladder.isDrowned(1), false);
  assert.equal(ladderOf(curveAt({ f: Math.exp }, 1)).ladder.isDrowned(1), false);
  assert.equal(new Ladder(precisionOf(EPSILON)).isDrowned(1), false);
  // Beyond an edge there is nothing to compare with.
  assert.equal(ladderOf(curveAt({ f: (x) => (x > 1.01 ? Infinity : hashOf(x)) }, 1)).ladder.isDrowned(1), true);
});

test("the shortest step against a derivative is the last one whose slopes exclude it beyond rounding [float64]", () => {
  const line = ladderOf(curveAt({ f: (x) => x }, 1)).ladder;
  assert.equal(line.shortestAgainst(1), 0);
  for (const derivative of [1.5, 0.5]) assert.equal(line.shortestAgainst(derivative), line.step[line.length - 1]);
  for (const derivative of [1 + 1e-6, 1 - 1e-6]) {
    const k = stepsOf(line).indexOf(line.shortestAgainst(derivative));
    assert.equal(Math.abs(derivative - 1) > 2 * line.noise[k], true);
    assert.equal(Math.abs(derivative - 1) > 2 * line.noise[k + 1], false);
  }
  // A derivative between the slopes of a kink is not excluded.
  const kink = ladderOf(curveAt({ f: (x) => Math.abs(x - 1) }, 1)).ladder;
  assert.equal(kink.shortestAgainst(0.5), 0);
  assert.equal(kink.shortestAgainst(1.5) > 0 && kink.shortestAgainst(-1.5) > 0, true);
  // Slopes that are those of a jump exclude all but infinity.
  const jump = ladderOf(curveAt({ f: (x) => (x < 1 + 2 ** -20 ? 0 : 1) }, 1)).ladder;
  assert.equal(jump.shortestAgainst(-1), jump.step[jump.length - 1]);
});

/** A ladder whose slopes are given by the step, under rounding of at most `noise`, and of `jitter` in fact. */
function made(
  { up, down = up, noise = 0, jitter = noise, single = false }: {
    up: (step: number) => number;
    down?: (step: number) => number;
    noise?: number;
    jitter?: number;
    single?: boolean;
  },
): Reader {
  const epsilon = single ? 2 ** -23 : EPSILON;
  const ladder = new Ladder(precisionOf(epsilon));
  const { ratio, shortest } = ladder.precision;
  for (let step = 1 / ratio; step >= shortest; step /= ratio) {
    const k = ladder.length++;
    ladder.step[k] = step;
    ladder.up[k] = up(step) + jitter / step * hashOf(step);
    ladder.down[k] = down(step) + jitter / step * hashOf(-step);
    ladder.central[k] = (ladder.up[k] + ladder.down[k]) / 2;
    ladder.rounding[k] = ladder.noise[k] = noise / step;
  }
  return { ladder, epsilon, longest: Infinity };
}

const about = (value: number, expected: number, estimate: number, most: number) => {
  assert.ok(Math.abs(value - expected) <= estimate, `${value} is off ${expected} by more than ${estimate}`);
  assert.ok(estimate <= most, `${estimate} is more than ${most}`);
};

test("slopes of a curve approach its derivative, which is seen to within its estimate [float64]", () => {
  for (const single of [false, true]) {
    for (const noise of single ? [1e-7, 1e-5] : [1e-15, 1e-12, 1e-8]) {
      for (const sign of [1, -1]) {
        const reader = made({
          up: (h) => sign * (3 + h / 2 + h * h / 3),
          down: (h) => sign * (3 - h / 2 + h * h / 3),
          noise,
          single,
        });
        // Errors of order h^4 and of noise / h, at best.
        const central = centralSlope(reader);
        about(central.best.value, 3 * sign, central.best.estimate, (single ? 200 : 160) * noise ** 0.8);
        assert.equal(central.refuted, null);
        for (const side of ["up", "down"] as const) {
          const { best } = sideSlope(reader, side);
          about(best.value, 3 * sign, best.estimate, 600 * noise ** 0.66);
        }
      }
    }
  }
});

test("a plateau has no steps longer than asked for, and the shortest of its own is told [float64]", () => {
  const reader = made({ up: () => 3, noise: 1e-12, jitter: 0 });
  assert.equal(centralSlope(reader).best.step, reader.ladder.step[2]);
  const near = centralSlope({ ...reader, longest: 2 ** -10 }).best;
  assert.equal(near.step, 2 ** -10);
  assert.equal(near.estimate > centralSlope(reader).best.estimate, true);
  const none = centralSlope({ ...reader, longest: 2 ** -60 }).best;
  assert.deepEqual([none.value, none.estimate, none.step], [NaN, Infinity, 0]);
});

test("what shorter steps contradict is no derivative, and is told if it could be seen [float64]", () => {
  // Long steps see 1, short ones 2, in between there is a jump.
  const other = made({ up: (h) => (h > 1e-5 ? 1 : 2), noise: 1e-14 });
  const { best, refuted } = centralSlope(other);
  about(best.value, 2, best.estimate, 1e-4);
  about(refuted!.value, 1, refuted!.estimate, 1e-6);
  const side = sideSlope(other, "down");
  about(side.best.value, 2, side.best.estimate, 1e-4);
  assert.notEqual(side.refuted, null);
  // Rounding so large that short steps do not agree on anything still excludes what lies beyond it.
  const steep = made({ up: (h) => (h > 1e-5 ? 1 : 1e4 * h ** -0.5), noise: 1e-14 });
  assert.equal(Math.round(centralSlope(steep).refuted!.value), 1);
  assert.equal(!(centralSlope(steep).best.estimate < 1), true);
  const below = made({ up: (h) => (h > 1e-5 ? 1 : -1e4 * h ** -0.5), noise: 1e-14 });
  assert.equal(!(centralSlope(below).best.estimate < 1), true);
  // Within rounding, shorter steps contradict nothing.
  const muddy = made({ up: (h) => (h > 1e-5 ? 1 : 1 + 1e-9 / h), noise: 1e-9 });
  about(centralSlope(muddy).best.value, 1, centralSlope(muddy).best.estimate, 1e-3);
  // A shorter step excludes only central slopes that do not lie between its sides.
  const kink = made({ up: (h) => (h > 1e-5 ? 1 : 3), down: (h) => (h > 1e-5 ? 1 : -3), noise: 1e-14 });
  about(centralSlope(kink).best.value, 1, centralSlope(kink).best.estimate, 1e-6);
  assert.equal(Math.round(sideSlope(kink, "up").best.value), 3);
});

test("sides that do not close in on each other have no common slope [float64]", () => {
  const kink = made({ up: () => 1, down: () => -1, noise: 1e-14 });
  assert.equal(centralSlope(kink).best.estimate, Infinity);
  about(sideSlope(kink, "up").best.value, 1, sideSlope(kink, "up").best.estimate, 1e-11);
  about(sideSlope(kink, "down").best.value, -1, sideSlope(kink, "down").best.estimate, 1e-11);
  // Gaps that fall by three quarters from step to step are closing, if slowly.
  const closes = (factor: number) => made({ up: (h) => 1 + h ** factor, down: (h) => 1 - h ** factor, noise: 1e-14 });
  assert.equal(centralSlope(closes(0.25)).best.estimate < 1e-4, true);
  assert.equal(centralSlope(closes(0.15)).best.estimate > 1e-3, true);
  // A side that is not finite has no slope.
  const ends = made({ up: (h) => (h > 1e-3 ? NaN : 1), noise: 1e-14 });
  about(centralSlope(ends).best.value, 1, centralSlope(ends).best.estimate, 1e-8);
  assert.equal(centralSlope(made({ up: () => NaN, down: () => 1, noise: 1e-14 })).best.estimate, Infinity);
});

test("slopes that grow without bound do so by a power or a logarithm of the step, to either sign [float64]", () => {
  for (const single of [false, true]) {
    const noise = single ? 1e-9 : 1e-17;
    const of = (up: (h: number) => number) => divergence(made({ up, down: () => 1, noise, single }).ladder, "up");
    for (const power of [-0.3, -0.5, -2 / 3, -0.9]) {
      assert.equal(of((h) => h ** power), 1, `${power}`);
      assert.equal(of((h) => -(h ** power)), -1, `${power}`);
    }
    assert.equal(of((h) => -Math.log(h)), 1);
    assert.equal(of((h) => Math.log(h)), -1);
    assert.equal(divergence(made({ up: () => 1, down: (h) => h ** -0.5, noise, single }).ladder, "down"), 1);
    assert.equal(divergence(made({ up: () => 1, down: (h) => h ** -0.5, noise, single }).ladder, "up"), 0);
    // Neither what approaches a slope, nor a jump, nor what turns.
    assert.equal(of((h) => 1 + h ** 0.5), 0);
    assert.equal(of((h) => 1 / h), 0);
    assert.equal(of((h) => Math.cos(Math.log(h)) * h ** -0.5), 0);
    assert.equal(of((h) => (h < 4e-5 ? 100 : h ** -0.5)), 0);
    assert.equal(of(() => 1), 0);
  }
  // A growth that rounding may be is none.
  assert.equal(divergence(made({ up: (h) => h ** -0.5, noise: 1e-6 }).ladder, "up"), 0);
  const short = made({ up: (h) => h ** -0.5 }).ladder;
  short.length = 9;
  assert.equal(divergence(short, "up"), 0);
});
