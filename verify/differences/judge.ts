/** Judges a whole gradient by finite differences: element by element, along directions, at ties and beside kinks. */
import type { Verdict } from "../report/report.ts";
import { allowConventions, allowRounding, judgedAgain } from "./allowances.ts";
import { judgeFinely } from "./fine.ts";
import { kinkFindings, markFindings, missingFindings, tieFindings, togetherFindings, type Words } from "./findings.ts";
import { type Line, lineThrough, type Moves, movesByEffect, movesBySize, type Position } from "./line.ts";
import type { Differences, Judged } from "./numeric.ts";
import { scaleOf } from "./precision.ts";
import type { Differentiated } from "./problem.ts";
import { isWrong, type JudgedAll, note, offOf, untested } from "./results.ts";
import { suspectsAlong, type Suspicion } from "./search.ts";
import { isTooSlow, taylorFinding, taylorRate } from "./taylor.ts";

export type { JudgedAll, Words };

/** How a gradient is judged. */
export interface JudgeOptions {
  /** `full` judges each element; `fast` a few directions, and elements where one fails. */
  readonly mode: "full" | "fast";
  /** The number of random directions of each make in fast mode. */
  readonly directions: number;
  /** How many times an element on a kink is moved off it. */
  readonly resamples: number;
}

/** In fast mode, where a direction fails, all elements are looked at if they are no more than this. */
const ALL = 1024;
/** Otherwise the function is called this many times, each element counted, in search of those that make it fail. */
const WORK = 1e8;
/** How often it is called for the first steps along a line, and for all steps. */
const FIRST_STEPS = 6;
const ALL_STEPS = 50;
/** The most elements that are judged alone for each reason. */
const FEW = 64;
/** On kinks, a few will do: all elements of the same values are taken to be on kinks, too. */
const FEW_KINKS = 8;
/** The parts of the elements whose effects are left as they are when the others' are reduced to them. */
const QUANTILES = [0.5, 0.1];
/** All effects together must be this many times what rounding does to the function. */
const CLEAR = 2 ** 14;

/** Compares an analytic gradient with finite differences. */
export function judgeGradient(
  differences: Differences,
  words: Words,
  random: () => number,
  options: JudgeOptions,
): JudgedAll {
  const { variables } = differences.problem;
  const total = variables.reduce((sum, { length }) => sum + length, 0);
  if (total === 0) return { elements: variables.map(() => null), directions: [], findings: [] };
  const strange = strangeOf(differences.analytic);
  const moves = without(movesBySize(differences.problem, random), strange);
  const rate = taylorRate(differences, lineThrough(differences.problem, moves));
  let elements: (Differentiated | null)[] = variables.map(() => null);
  let directions: Judged[] = [];
  if (options.mode === "fast") {
    const along = directionsOf(differences, moves, strange, { random, count: options.directions });
    directions = along.map((by) => differences.judgeClosely(lineThrough(differences.problem, by)));
    if (directions.some(({ verdict }) => verdict !== "ok") || strange.length > 0 || isTooSlow(rate)) {
      elements = total <= ALL
        ? variables.map((_, k) => differences.elements(k))
        : searched(differences, { along, directions, strange });
      allowConventions(differences, elements, random);
      directions = judgedAgain(differences, along, directions, { elements, random });
      // Where each element has been judged, directions that decide nothing say nothing more.
      if (total <= ALL) directions = directions.filter(({ verdict }) => verdict === "ok" || verdict === "wrong");
    }
  } else {
    elements = variables.map((_, k) => differences.elements(k));
    allowConventions(differences, elements, random);
  }
  directions = allowRounding(differences, elements, directions);
  if (!isWrong({ elements, directions, findings: [] })) {
    const fine = judgeFinely(differences, elements, { random, mode: options.mode });
    directions = [...directions, ...fine.directions];
    const some = fine.elements.length > 0
      ? elements.map((result, k) => result ?? untested(differences.analytic)[k])
      : [];
    for (const { at, judged } of fine.elements) note(some, at, judged);
    if (some.length > 0) elements = some;
  }
  const findings = [
    ...tieFindings(differences, elements, words, random),
    ...kinkFindings(differences, elements, words, { random, attempts: options.resamples }),
    ...markFindings(elements, words),
    ...missingFindings(elements, words),
  ];
  if (isTooSlow(rate) && isTooSlow(taylorRate(differences, lineThrough(differences.problem, past(moves, elements))))) {
    findings.push(...togetherFindings(differences, { elements, directions, findings }, words, random));
  }
  const judged = { elements, directions, findings };
  return rate === null ? judged : { ...judged, findings: [...findings, taylorFinding(rate, isWrong(judged))] };
}

/** The elements whose derivative is not a number, or infinite. */
function strangeOf(gradient: readonly Float64Array[]): Position[] {
  const found: Position[] = [];
  gradient.forEach((values, k) => {
    for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) found.push([k, i]);
  });
  return found;
}

/** Moves that leave some elements where they are. */
function without(moves: Moves, elements: readonly Position[]): Moves {
  for (const [k, i] of elements) moves[k][i] = 0;
  return moves;
}

/** Moves that leave elements where they are that are on kinks by themselves, or noise: what is not smooth is no wonder there. */
function past(moves: Moves, elements: readonly (Differentiated | null)[]): Moves {
  return moves.map((by, k) =>
    by.map((x, i) => (elements[k]?.bends.has(i) || elements[k]?.verdicts[i] === "noise" ? 0 : x))
  );
}

/** The directions of fast mode: half of them move elements by their size, half so that they have even effects. */
function directionsOf(
  { problem, analytic, total }: Differences,
  first: Moves,
  strange: readonly Position[],
  { random, count }: { random: () => number; count: number },
): Moves[] {
  const elements = problem.variables.reduce((sum, { length }) => sum + length, 0);
  const least = (CLEAR * problem.epsilon * total) / Math.sqrt(elements);
  return Array.from({ length: count }, (_, d) => [
    d === 0 ? first : without(movesBySize(problem, random), strange),
    without(
      movesByEffect(problem, analytic, { quantile: QUANTILES[d % QUANTILES.length], least }, random),
      strange,
    ),
  ]).flat();
}

/** The state of fast mode before it looks for the elements that make a direction fail. */
interface Failed {
  readonly along: readonly Moves[];
  readonly directions: readonly Judged[];
  readonly strange: readonly Position[];
}

/** Looks for the elements that make directions fail, and judges those. */
function searched(
  differences: Differences,
  { along, directions, strange }: Failed,
): Differentiated[] {
  const { problem } = differences;
  const total = problem.variables.reduce((sum, { length }) => sum + length, 0);
  const first = (verdict: Verdict) => directions.findIndex((judged) => judged.verdict === verdict);
  const wrong = first("wrong"), kink = first("kink");
  const suspects = wrong < 0 && kink >= 0
    ? suspectsAlong(problem, along[kink], {
      judge: (line) => ({ verdict: differences.glance(line).verdict, off: 0 }),
      lines: WORK / (FIRST_STEPS * total),
      elements: FEW_KINKS,
    })
    : suspectsAlong(
      problem,
      along[Math.max(0, wrong)],
      {
        judge: (line, within) => suspicionOf(differences, line, within),
        lines: WORK / (ALL_STEPS * total),
        elements: FEW,
      },
      wrong < 0 ? 0 : offOf(directions[wrong]),
    );
  return judgeAlone(differences, [...strange.slice(0, FEW), ...suspects.slice(0, FEW)]);
}

/** Judges a line by its first steps, if they are exact enough to find a part of what is off, and by all otherwise. */
function suspicionOf(differences: Differences, line: Line, within: number): Suspicion {
  const first = differences.glance(line);
  const off = offOf(first);
  if (first.estimate <= within / 16) return { verdict: off > within / 4 ? "wrong" : "ok", off };
  const judged = differences.judgeClosely(line);
  return { verdict: judged.verdict, off: offOf(judged) };
}

/** Judges some elements alone; the others stay untested. */
function judgeAlone(differences: Differences, positions: readonly Position[]): Differentiated[] {
  const { variables } = differences.problem;
  const results = untested(differences.analytic);
  for (const [k, i] of positions) {
    if (results[k].verdicts[i] !== "untested") continue;
    note(results, [k, i], differences.judge(differences.element(k, i, scaleOf(variables[k]))));
  }
  return results;
}
