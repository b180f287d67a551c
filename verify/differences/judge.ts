/** Judges a whole gradient by finite differences: element by element, along directions, at ties and beside kinks. */
import type { Finding, Verdict } from "../report/report.ts";
import { groupsOf, isBetweenNeighbours, judgeBeside, judgeTie, kinksOf } from "./kinks.ts";
import { type Line, lineThrough, type Moves, movesByEffect, movesBySize, type Position } from "./line.ts";
import type { Differences, Judged } from "./numeric.ts";
import { scaleOf } from "./precision.ts";
import type { Differentiated, Mark } from "./problem.ts";
import { suspectsAlong, type Suspicion } from "./search.ts";
import { isTooSlow, taylorFinding, taylorRate } from "./taylor.ts";

/** How a gradient is judged. */
export interface JudgeOptions {
  /** `full` judges each element; `fast` a few directions, and elements where one fails. */
  readonly mode: "full" | "fast";
  /** The number of random directions of each make in fast mode. */
  readonly directions: number;
  /** How many times an element on a kink is moved off it. */
  readonly resamples: number;
}

/** The result of comparing an analytic gradient with finite differences. */
export interface JudgedAll {
  readonly elements: (Differentiated | null)[];
  readonly directions: Judged[];
  readonly findings: Finding[];
}

/** How messages refer to elements. */
export interface Words {
  /** The name of an input. */
  name(variable: number): string;
  /** The name of an element. */
  element(variable: number, index: number): string;
}

/** In fast mode, where a direction fails, all elements are looked at if they are no more than this. */
const ALL = 1024;
/** Otherwise the function is called so many times, each element counted, in search of those that make it fail. */
const WORK = 1e8;
/** How often it is called for the first steps along a line, and for all steps. */
const FIRST_STEPS = 6;
const ALL_STEPS = 50;
/** The most elements that are judged alone for each reason. */
const FEW = 64;
/** On kinks, a few will do: all elements of the same values are taken to be on kinks, too. */
const FEW_KINKS = 8;
/** Parts of the largest effects at which directions even them out. */
const QUANTILES = [0.5, 0.1];

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
      directions = pastKinks(differences, along, directions, elements);
    }
  } else elements = variables.map((_, k) => differences.elements(k));

  allowConventions(differences, elements, random);
  const findings = [
    ...tieFindings(differences, elements, words, random),
    ...kinkFindings(differences, elements, words, { random, attempts: options.resamples }),
    ...markFindings(elements, words),
    ...missingFindings(elements, words),
  ];
  const judged = { elements, directions, findings };
  return rate === null ? judged : { ...judged, findings: [...findings, taylorFinding(rate, isWrong(judged))] };
}

/** Whether anything is wrong. */
export function isWrong({ elements, directions, findings }: JudgedAll): boolean {
  return findings.some(({ severity }) => severity === "error") ||
    directions.some(({ verdict }) => verdict === "wrong") ||
    elements.some((e) => e?.verdicts.includes("wrong"));
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

/** The directions of fast mode: half of them move elements by their size, half so that they have even effects. */
function directionsOf(
  { problem, analytic }: Differences,
  first: Moves,
  strange: readonly Position[],
  { random, count }: { random: () => number; count: number },
): Moves[] {
  return Array.from({ length: count }, (_, d) => [
    d === 0 ? first : without(movesBySize(problem, random), strange),
    without(movesByEffect(problem, analytic, QUANTILES[d % QUANTILES.length], random), strange),
  ]).flat();
}

/** What fast mode knows before it looks for the elements that make a direction fail. */
interface Failed {
  readonly along: readonly Moves[];
  readonly directions: readonly Judged[];
  readonly strange: readonly Position[];
}

/** Takes back verdicts on kinks at which the gradient is right by convention. */
function allowConventions(
  differences: Differences,
  elements: readonly (Differentiated | null)[],
  random: () => number,
): void {
  let left = FEW;
  elements.forEach((result, k) => {
    for (const i of result?.bends.keys() ?? []) {
      if (result!.verdicts[i] !== "wrong" || !Number.isFinite(result!.analytic[i]) || left-- <= 0) continue;
      if (isBetweenNeighbours(differences, [k, i], random)) result!.verdicts[i] = "kink";
    }
  });
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

/** By how much a derivative is off. */
function offOf({ analytic, numeric }: Judged): number {
  return Math.abs(analytic - numeric);
}

/** Judges a line by its first steps, if they are exact enough to find a part of what is off, and by all otherwise. */
function suspicionOf(differences: Differences, line: Line, within: number): Suspicion {
  const first = differences.glance(line);
  const off = offOf(first);
  if (first.estimate <= within / 16) return { verdict: off > within / 4 ? "wrong" : "ok", off };
  const judged = differences.judgeClosely(line);
  return { verdict: judged.verdict, off: offOf(judged) };
}

/**
 * Judges directions that failed once more where elements are on kinks, past those and all others of the same values: of
 * several kinks that act at once, a direction tells nothing.
 */
function pastKinks(
  differences: Differences,
  along: readonly Moves[],
  directions: readonly Judged[],
  elements: readonly (Differentiated | null)[],
): Judged[] {
  const { problem } = differences;
  const kinks = problem.variables.map(() => new Set<number>());
  for (const { at: [k, i] } of kinksOf(elements)) kinks[k].add(problem.variables[k][i]);
  if (kinks.every(({ size }) => size === 0)) return [...directions];
  return directions.map((judged, d) => {
    if (judged.verdict === "ok") return judged;
    const past = along[d].map((by, k) => by.map((x, i) => (kinks[k].has(problem.variables[k][i]) ? 0 : x)));
    return differences.judgeClosely(lineThrough(problem, past));
  });
}

/** Judges some elements alone; the others stay untested. */
function judgeAlone(differences: Differences, positions: readonly Position[]): Differentiated[] {
  const { variables } = differences.problem;
  const results = variables.map((values, k): Differentiated => ({
    analytic: differences.analytic[k].slice(),
    numeric: new Float64Array(values.length).fill(NaN),
    estimate: new Float64Array(values.length).fill(Infinity),
    verdicts: new Array(values.length).fill("untested"),
    marks: new Map(),
    bends: new Map(),
  }));
  for (const [k, i] of positions) {
    if (results[k].verdicts[i] !== "untested") continue;
    const { numeric, estimate, verdict, mark, bend } = differences.judge(
      differences.element(k, i, scaleOf(variables[k])),
    );
    results[k].numeric[i] = numeric;
    results[k].estimate[i] = estimate;
    results[k].verdicts[i] = verdict;
    if (mark) results[k].marks.set(i, mark);
    if (bend !== undefined) results[k].bends.set(i, bend);
  }
  return results;
}

/** Formats elements as text, the first few by name. */
function listed(elements: readonly Position[], words: Words): string {
  const shown = elements.slice(0, 4).map(([k, i]) => words.element(k, i));
  return shown.join(", ") + (elements.length > shown.length ? ` and ${elements.length - shown.length} more` : "");
}

/** Where the gradient is wrong at ties. */
function tieFindings(
  differences: Differences,
  elements: readonly (Differentiated | null)[],
  words: Words,
  random: () => number,
): Finding[] {
  return groupsOf(differences, kinksOf(elements)).flatMap((tie): Finding[] => {
    const wrong = judgeTie(differences, tie, random);
    if (!wrong) return [];
    const { analytic, numeric, bend } = wrong.judged;
    const right = bend === undefined
      ? `the derivative is ${numeric}`
      : `the one-sided derivatives are ${numeric - bend / 2} and ${numeric + bend / 2}`;
    const by = wrong.moves.slice(0, 4).join(", ") + (wrong.moves.length > 4 ? ", ..." : "");
    const message = `${listed(wrong.elements, words)} are tied; when they move together, by ${by}, ${right}, ` +
      `but your gradient gives ${analytic}`;
    return [{ check: "ties", severity: "error", message }];
  });
}

/** What the gradient is on kinks and beside them. */
function kinkFindings(
  differences: Differences,
  elements: readonly (Differentiated | null)[],
  words: Words,
  { random, attempts }: { random: () => number; attempts: number },
): Finding[] {
  const kinks = kinksOf(elements);
  if (kinks.length === 0) return [];
  const { right, wrong } = judgeBeside(differences, kinks, random, attempts);
  const one = kinks.length === 1;
  const beside = right.length === 0
    ? ""
    : `; ${one ? "a short step aside" : `a short step aside, at ${right.length} of them,`} it is the derivative`;
  const message = `${listed(kinks.map(({ at }) => at), words)} ${one ? "lies" : "lie"} on a kink: your gradient is ` +
    `between the one-sided derivatives there${beside}`;
  return [
    { check: "kink", severity: "info", message },
    ...wrong.slice(0, 4).map(({ at: [k, i], value, judged }): Finding => ({
      check: "kink",
      severity: "error",
      message:
        `beside the kink at ${words.element(k, i)}, where it is ${value}, the derivative is ${judged.numeric}, ` +
        `but your gradient is ${judged.analytic}`,
    })),
  ];
}

/** Findings on infinite derivatives, on elements at the end of a domain and on staircases. */
function markFindings(elements: readonly (Differentiated | null)[], words: Words): Finding[] {
  const marked = (mark: Mark, only?: (result: Differentiated, i: number) => boolean) =>
    elements.flatMap((result, k) =>
      result
        ? [...result.marks].filter(([i, m]) => m === mark && (!only || only(result, i))).map(([i]) => [k, i] as const)
        : []
    );
  const findings: Finding[] = [];
  const say = (check: string, at: Position[], message: (shown: string, one: boolean) => string) => {
    if (at.length === 0) return;
    findings.push({ check, severity: "warning", message: message(listed(at, words), at.length === 1) });
  };
  const isEdge = ({ numeric }: Differentiated, i: number) => Number.isNaN(numeric[i]);
  say(
    "infinite",
    marked("infinite"),
    (shown) => `the derivative by ${shown} is infinite: the slopes grow without bound as steps get shorter`,
  );
  say(
    "domain",
    [...marked("edge"), ...marked("infinite", isEdge)],
    (shown, one) =>
      `the function is not finite a short step away from ${shown}: ${
        one ? "it lies" : "they lie"
      } at the end of its domain`,
  );
  say(
    "staircase",
    marked("staircase", (result, i) => result.verdicts[i] === "noise"),
    (shown, one) =>
      `the function is a staircase along ${shown}: ${one ? "its" : "their"} steps may be the rounding of terms that ` +
      "cancel, or the function's own, and then the derivative is 0 between them",
  );
  return findings;
}

/** Inputs that the function depends on and that get no gradient. */
function missingFindings(elements: readonly (Differentiated | null)[], words: Words): Finding[] {
  return elements.flatMap((result, k): Finding[] => {
    if (!result || !result.verdicts.includes("wrong") || result.analytic.some((x) => x !== 0)) return [];
    const message = `your gradient by ${words.name(k)} is 0 everywhere, although the function depends on it`;
    return [{ check: "missing gradient", severity: "error", message }];
  });
}
