/**
 * Whether a gradient that is right at a point is so beside it, too. The second order compares the gradient's own gradient with how the
 * gradient changes; one that is wrong all around, but 0 as it should be at this very point, would pass.
 */
import { Differences, scaleOf } from "../differences/numeric.ts";
import { numberText } from "../report/advice.ts";
import type { Finding } from "../report/report.ts";
import { equalised, sign, sizesOf } from "./directions.ts";
import { type Direction, Duals } from "./duals.ts";
import { TapeJudge } from "./judge.ts";
import type { TapeProblem } from "./problem.ts";

/** How far inputs move at first, relative to their sizes, the ratio between moves, and how many there are. */
const FAR = 2 ** -8;
const RATIO = 8;
const MOVES = 6;
/** What is off grows with the distance, up to this factor: else it has no part in the derivative of the gradient. */
const STEADY = 2;

/** The gradient along a direction at a point nearby, if it is wrong there. */
interface Off {
  readonly analytic: number;
  readonly numeric: number;
}

/** The same, and how far away that point is, relative to the sizes of inputs. */
interface Near extends Off {
  readonly distance: number;
}

/** The shorter of the first two neighbouring distances at which what is off is in proportion to them; `null` if it is nowhere. */
function growing(offAt: (distance: number) => Off | null, isLast: boolean): Near | null {
  let far: Off | null = null;
  for (let move = 0, distance = FAR; move < MOVES; move++, distance /= RATIO) {
    const near = offAt(distance);
    if (!near && !isLast) return null;
    // It may be off nearer to the point alone: that is looked at on one scale, for the time it takes.
    if (!near) {
      far = null;
      continue;
    }
    const growth = far ? (far.analytic - far.numeric) / (near.analytic - near.numeric) : 0;
    if (growth > RATIO / STEADY && growth < RATIO * STEADY) return { ...near, distance };
    far = near;
  }
  return null;
}

/** Finds out whether a gradient departs from that of its function in proportion to the distance from the point; `null` if it does not. */
export function besideFinding(problem: TapeProblem, random: () => number): Finding | null {
  const duals = Duals.of(problem);
  if (!duals) return null;
  const differences = new Differences(problem);
  const judge = new TapeJudge(problem, differences, duals);
  const here = problem.variables.map((values) => values.slice());
  const sizes = sizesOf(problem.variables);
  // By its own size a number that is almost 0 hardly moves, and many functions of small numbers change on the scale of 1.
  const all = (sizeOf: (values: Float64Array) => number) =>
    here.map((values) => new Float64Array(values.length).fill(sizeOf(values)));
  let found: Near | null = null;
  const scales = [sizes, all(scaleOf), all((values) => Math.max(1, scaleOf(values)))];
  for (const by of scales) {
    const moves = by.map((own) => own.map((size) => sign(random) * (0.5 + random()) * size));
    let along: Direction | null = null;
    found = growing((distance) => {
      problem.variables.forEach((values, k) => {
        for (let i = 0; i < values.length; i++) values[i] = here[k][i] + distance * moves[k][i];
      });
      differences.settle();
      along ??= equalised({ variables: problem.variables, analytic: differences.analytic }, random);
      const { verdict, analytic, numeric } = judge.direction(along);
      return verdict === "wrong" ? { analytic, numeric } : null;
    }, by === scales.at(-1));
    if (found) break;
  }
  problem.variables.forEach((values, k) => values.set(here[k]));
  differences.settle();
  if (!found) return null;
  const { distance, analytic, numeric } = found;
  return {
    check: "beside the point",
    severity: "error",
    message:
      `the gradient is right at this point and wrong around it: with inputs moved by some ${
        numberText(distance, 2)
      } of their size, its derivative along a direction is ${analytic}, expected ${numeric}; what is off grows with the ` +
      "distance, so its own gradient is that of another function",
  };
}
