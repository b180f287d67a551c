/** Evidence for a gradient against that of steps: verdicts that are taken back. */
import { isBetweenNeighbours, kinksOf } from "./kinks.ts";
import { lineThrough, type Moves, type Position } from "./line.ts";
import type { Differences, Judged } from "./numeric.ts";
import { scaleOf, sizeOf } from "./precision.ts";
import type { Differentiated } from "./problem.ts";
import { isWrong, offOf } from "./results.ts";

/** The most elements on kinks whose neighbours are looked at. */
const FEW = 64;

/** Takes back verdicts on kinks at which the gradient is right by convention. */
export function allowConventions(
  differences: Differences,
  elements: readonly (Differentiated | null)[],
  random: () => number,
): void {
  let left = FEW;
  elements.forEach((result, k) => {
    for (const [i, bend] of result?.bends ?? []) {
      if (result!.verdicts[i] !== "wrong" || !Number.isFinite(result!.analytic[i]) || left-- <= 0) continue;
      if (isBetweenNeighbours(differences, { at: [k, i], bend }, random)) result!.verdicts[i] = "kink";
    }
  });
}

/** Rounding may be this many times what is seen of it. */
const UNSEEN = 8;

/**
 * Takes back verdicts on derivatives so small that all they do is lost in the rounding that others show: what is added
 * to a large number and lost there leaves a function that is smooth, and has another derivative.
 */
export function allowRounding(
  differences: Differences,
  elements: readonly (Differentiated | null)[],
  directions: readonly Judged[],
): Judged[] {
  if (!isWrong({ elements, directions, findings: [] })) return [...directions];
  const { variables } = differences.problem;
  const scales = variables.map(scaleOf);
  const telling = mostTelling(differences, (k, i) => elements[k]?.verdicts[i] !== "wrong");
  const rounding = telling ? differences.roundingAlong(differences.element(...telling, scales[telling[0]])) : 0;
  elements.forEach((result, k) =>
    result?.verdicts.forEach((verdict, i) => {
      const off = Math.abs(result.analytic[i] - result.numeric[i]);
      if (verdict !== "wrong" || !(off * Math.max(scales[k], 1) <= UNSEEN * rounding)) return;
      result.verdicts[i] = "noise";
      result.marks.set(i, "staircase");
    })
  );
  return directions.map((judged) =>
    judged.verdict === "wrong" && offOf(judged) <= UNSEEN * rounding
      ? { ...judged, verdict: "noise", mark: "staircase" }
      : judged
  );
}

/** The element that has the largest effect on the function, among those that may be taken; `null` if none has any. */
function mostTelling(
  { problem, analytic }: Differences,
  mayTake: (variable: number, index: number) => boolean,
): Position | null {
  let most: Position | null = null, largest = 0;
  problem.variables.forEach((values, k) => {
    const scale = scaleOf(values);
    for (let i = 0; i < values.length; i++) {
      const effect = Math.abs(analytic[k][i]) * sizeOf(values[i], scale);
      if (!(effect > largest && effect < Infinity) || !mayTake(k, i)) continue;
      most = [k, i];
      largest = effect;
    }
  });
  return most;
}

/**
 * Judges directions that failed once more, past the elements that are not decided: those on kinks, and all others of the
 * same values, because of several kinks that act at once a direction tells nothing; and those that are noise.
 */
export function judgedAgain(
  differences: Differences,
  along: readonly Moves[],
  directions: readonly Judged[],
  elements: readonly (Differentiated | null)[],
): Judged[] {
  const { problem } = differences;
  const kinks = problem.variables.map(() => new Set<number>());
  for (const { at: [k, i] } of kinksOf(elements)) kinks[k].add(problem.variables[k][i]);
  const isOpen = (k: number, i: number) =>
    kinks[k].has(problem.variables[k][i]) || elements[k]?.verdicts[i] === "noise";
  const isAnyOpen = problem.variables.some((values, k) => values.some((_, i) => isOpen(k, i)));
  if (!isAnyOpen) return [...directions];
  return directions.map((judged, d) => {
    if (judged.verdict === "ok") return judged;
    const past = along[d].map((by, k) => by.map((x, i) => (isOpen(k, i) ? 0 : x)));
    return past.some((by) => by.some((x) => x !== 0))
      ? differences.judgeClosely(lineThrough(problem, past))
      : { ...judged, verdict: judged.verdict === "wrong" ? "noise" : judged.verdict };
  });
}
