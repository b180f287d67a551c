/**
 * Errors that only fits see: those of single elements in digits that steps do not tell from rounding. All elements that
 * are not known to be otherwise move together, so that a few fits speak for all; where one is off, its elements are
 * searched.
 */
import type { Verdict } from "../report/report.ts";
import {
  lineThrough,
  type Moves,
  movesByEffect,
  movesByScale,
  movesBySize,
  movesUphill,
  type Position,
} from "./line.ts";
import { isBetweenBranches } from "./neighbours.ts";
import type { Differences, Fitted, Judged } from "./numeric.ts";
import { scaleOf } from "./precision.ts";
import type { Differentiated } from "./problem.ts";
import { suspectsAlong } from "./search.ts";

/** The most values of a fit, for each element in either mode, and all together. */
const POINTS = { full: 16, fast: 4 };
const FEWEST_POINTS = 256;
const MOST_POINTS = { full: 4096, fast: 1024 };
/** The function is called up to this part of the times that it has been called so far... */
const SHARE = 0.2;
/** ...but at least this many times, each element counted. */
const LEAST_WORK = 2e6;
/** The same for a search. */
const SEARCH = 1e8;
/** The most elements that are judged alone. */
const FEW = 64;
/** The part of the elements whose effects are left as they are when the others' are reduced to them. */
const QUANTILE = 0.1;
/** All effects together must be this many times what rounding does to the function. */
const CLEAR = 2 ** 14;

/** The results of fits. */
export interface Fine {
  readonly elements: readonly { readonly at: Position; readonly judged: Judged }[];
  /** Directions that are wrong although no element is seen to be. */
  readonly directions: readonly Judged[];
}

/** How closely to look. */
export interface Closeness {
  readonly random: () => number;
  readonly mode: "full" | "fast";
}

/** The verdicts that fits may still change, but for noise. */
const RIGHT: readonly Verdict[] = ["ok", "untested"];

/** Judges all elements that are right, untested or noise by fits along random directions. */
export function judgeFinely(
  differences: Differences,
  elements: readonly (Differentiated | null)[],
  { random, mode }: Closeness,
): Fine {
  const { problem, analytic } = differences;
  const found = new Map<string, Fine["elements"][number]>();
  const directions: Judged[] = [];
  const total = problem.variables.reduce((sum, { length }) => sum + length, 0);
  const budget = Math.max(SHARE * differences.calls, LEAST_WORK / total);
  const most = Math.min(MOST_POINTS[mode], Math.max(FEWEST_POINTS, POINTS[mode] * total), budget / 2);
  const points = 2 ** Math.floor(Math.log2(most));
  if (problem.terms !== null || points < FEWEST_POINTS) return { elements: [], directions };
  const end = differences.calls + budget;
  /** Moves of the elements of some verdicts that nothing else is known of. */
  const movesOf = (moves: Moves, verdicts: readonly Verdict[]) =>
    moves.map((by, k) => by.map((x, i) => (isAmong(verdicts, k, i) ? x : 0)));
  const isAmong = (verdicts: readonly Verdict[], k: number, i: number) => {
    const result = elements[k];
    return verdicts.includes(result?.verdicts[i] ?? "untested") && !result?.marks.has(i) && !result?.bends.has(i) &&
      Number.isFinite(analytic[k][i]) && !found.has(`${k} ${i}`);
  };
  const hasNoise = analytic.some((values, k) => values.some((_, i) => isAmong(["noise"], k, i)));
  const least = (CLEAR * problem.epsilon * differences.total) / Math.sqrt(total);
  const bySize = [
    () => movesUphill(problem, analytic, random),
    () => movesByEffect(problem, analytic, { quantile: QUANTILE, least }, random),
    () => movesBySize(problem, random),
  ];
  const byScale = [1, 2].map(() => () => movesByScale(problem, random));
  for (const make of [...bySize, ...byScale]) {
    if (differences.calls + points > end) break;
    const all = make();
    // Fits may decide where steps cannot; but there are none along chaos.
    let moves = movesOf(all, hasNoise ? [...RIGHT, "noise"] : RIGHT);
    let fitted = fitAll(differences, moves, points);
    const isTogether = hasNoise && fitted !== null;
    if (hasNoise && !fitted) fitted = fitAll(differences, moves = movesOf(all, RIGHT), points);
    if (fitted?.verdict !== "wrong") continue;
    const suspects = suspectsOf(differences, moves, fitted, points);
    for (const one of suspects) found.set(one.at.join(" "), one);
    // Far beyond their own size, small elements may do anything, and so may noise: that speaks against none but those that
    // are seen alone.
    if (suspects.length > 0 || byScale.includes(make) || isTogether) continue;
    const judged = differences.judgedByFit(lineThrough(problem, moves), fitted);
    const excluded = { ...judged, lineHere: () => lineThrough(problem, moves) };
    // Through a point where branches meet the function may be smooth, and its gradient that of another branch.
    if (judged.verdict === "wrong" && !isBetweenBranches(differences, excluded, random)) {
      directions.push(judged);
    }
  }
  return { elements: [...found.values()], directions };
}

/** Judges a direction by a fit; `null` if nothing moves, or the function is not smooth along it. */
function fitAll(differences: Differences, moves: Moves, points: number): Fitted | null {
  const { problem, analytic } = differences;
  const line = lineThrough(problem, moves);
  const count = moves.reduce((sum, by) => sum + by.reduce((n, x) => n + (x === 0 ? 0 : 1), 0), 0);
  if (count === 0) return null;
  return differences.fit(line, { points, goal: differences.goal * line.usual(analytic) / Math.sqrt(count) });
}

/** The elements that make a direction be off, as far as they are seen to be wrong by themselves. */
function suspectsOf(
  differences: Differences,
  moves: Moves,
  fitted: Fitted,
  points: number,
): Fine["elements"][number][] {
  const { problem } = differences;
  const total = problem.variables.reduce((sum, { length }) => sum + length, 0);
  const how = { points, goal: fitted.off / 8, widest: 2 * fitted.window };
  const positions = suspectsAlong(problem, moves, {
    judge: (line) => {
      const part = differences.fit(line, how);
      return part ? { verdict: part.verdict, off: part.off } : { verdict: "noise", off: 0 };
    },
    lines: SEARCH / (2 * points * total),
    elements: FEW,
  });
  return positions.flatMap((at) => {
    const [k, i] = at;
    if (moves[k][i] === 0) return [];
    const line = differences.element(k, i, scaleOf(problem.variables[k]));
    const part = differences.fit(line, { points, goal: differences.goal * Math.abs(differences.analytic[k][i]) });
    if (part?.verdict !== "wrong") return [];
    const judged = differences.judgedByFit(line, part);
    return judged.verdict === "wrong" ? [{ at, judged }] : [];
  });
}
