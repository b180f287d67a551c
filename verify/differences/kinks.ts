/** Elements at which the function has a kink: which of them act together, and what the gradient is beside them. */
import { lineThrough, movesBySize, movesTogether, type Position } from "./line.ts";
import { isBetweenBranches } from "./neighbours.ts";
import type { Differences, Judged } from "./numeric.ts";
import { scaleOf, sizeOf } from "./precision.ts";
import type { Differentiated } from "./problem.ts";

/** An element on a kink. */
export interface Kink {
  readonly at: Position;
  /** By how much the slope increases from below the point to above. */
  readonly bend: number;
}

/** The most kinks of which it is found out which act together: the work grows with their square. */
const EXAMINED = 32;
/** The most kinks that are looked at from nearby. */
const MOVED = 64;
/** Fewer of both where the function takes long: for each, it is called this many times, each element counted. */
const WORK = 3e7;
/** How often it is called for each pair of kinks, and for each kink moved aside. */
const PER_PAIR = 6;
const PER_MOVE = 15;
/** The most random directions in which each group of them moves. */
const DIRECTIONS = 8;
/** The bend of an element depends on another one that changes it by this fraction. */
const DEPENDS = 0.5;

/** How far elements move, relative to themselves: to see their bend, and aside, to see that of another one. */
function stepsOf({ problem }: Differences): { bend: number; aside: number } {
  return problem.epsilon > 1e-10 ? { bend: 2 ** -7, aside: 2 ** -3 } : { bend: 2 ** -14, aside: 2 ** -7 };
}

/** The number of elements of all variables. */
function sizeOfAll({ problem }: Differences): number {
  return problem.variables.reduce((sum, { length }) => sum + length, 0);
}

/** By how much the slope with respect to an element increases from below its value to above it. */
function bendOf(differences: Differences, [variable, index]: Position): number {
  const { variables } = differences.problem;
  const line = differences.element(variable, index, scaleOf(variables[variable]));
  const step = stepsOf(differences).bend * line.size;
  const here = differences.changeAt(line, 0);
  const up = line.move(step);
  const slopeUp = (differences.changeAt(line, step) - here) / up;
  const down = line.move(-step);
  const slopeDown = (differences.changeAt(line, -step) - here) / down;
  line.move(0);
  return slopeUp - slopeDown;
}

/** Groups of kinks that are ties: where one element moves, the kink of another one moves away from its value. */
export function groupsOf(differences: Differences, kinks: readonly Kink[]): Kink[][] {
  const { variables } = differences.problem;
  const { aside } = stepsOf(differences);
  const some = kinks.slice(0, Math.min(EXAMINED, Math.sqrt(WORK / (PER_PAIR * sizeOfAll(differences)))));
  const bends = some.map(({ at }) => bendOf(differences, at));
  const group = some.map((_, i) => i);
  some.forEach(({ at: [variable, index] }, i) => {
    const values = variables[variable];
    const here = values[index];
    for (const sign of [1, -1]) {
      const by = sign * aside * sizeOf(here, scaleOf(values));
      values[index] = differences.problem.round(here + by);
      some.forEach(({ at }, j) => {
        if (group[j] === group[i]) return;
        const bend = bendOf(differences, at);
        if (!(Math.abs(bend - bends[j]) > DEPENDS * Math.abs(bends[j]))) return;
        const [from, to] = [group[j], group[i]];
        group.forEach((g, k) => {
          if (g === from) group[k] = to;
        });
      });
      values[index] = here;
    }
  });
  const groups = new Map<number, Kink[]>();
  some.forEach((kink, i) => groups.set(group[i], [...(groups.get(group[i]) ?? []), kink]));
  return [...groups.values()].filter((members) => members.length > 1);
}

/** A group of tied elements along which the gradient is wrong. */
export interface WrongTie {
  readonly elements: readonly Position[];
  /** How far each element moves. */
  readonly moves: readonly number[];
  readonly judged: Judged;
}

/**
 * Judges the gradient at a tie by one-sided derivatives along random directions in which the tied elements move; `null`
 * if it is not wrong. Kinks of opposite sense are not judged: there, gradients that are right by convention add up to
 * something outside the one-sided derivatives.
 */
export function judgeTie(differences: Differences, tie: readonly Kink[], random: () => number): WrongTie | null {
  const { problem } = differences;
  const sense = Math.sign(tie[0].bend);
  if (tie.some(({ bend }) => Math.sign(bend) !== sense)) return null;
  const elements = tie.map(({ at }) => at);
  const isTied = problem.variables.map(({ length }) => new Uint8Array(length));
  for (const [variable, index] of elements) isTied[variable][index] = 1;
  let wrong: WrongTie | null = null;
  for (let d = 0; d <= DIRECTIONS; d++) {
    const { moves, size } = d === 0
      ? movesTogether(problem, elements)
      : { moves: movesBySize(problem, random).map((by, k) => by.map((x, i) => (isTied[k][i] ? x : 0))), size: 1 };
    const lineHere = () => lineThrough(problem, moves, size);
    const judged = differences.judge({ ...lineHere(), moving: "tied" });
    if (judged.bend !== undefined && Math.sign(judged.bend) !== sense) return null;
    if (judged.verdict !== "wrong" || wrong) continue;
    if (!isBetweenBranches(differences, { ...judged, lineHere }, random)) {
      wrong = {
        elements,
        moves: elements.map(([k, i]) => moves[k][i]),
        judged,
      };
    }
  }
  return wrong;
}

/** In how many random directions all elements move, and how many groups of equal ones move alone. */
const TOGETHER = 4;
const EQUAL = 8;

/** The elements that move together, those apart that are not decided alone, and which of them are equal. */
function movable(
  { problem, analytic }: Differences,
  results: readonly (Differentiated | null)[],
): { all: Position[]; equal: Position[][] } {
  const all: Position[] = [], groups = new Map<number, Position[]>();
  problem.variables.forEach((values, k) =>
    values.forEach((x, i) => {
      if (!Number.isFinite(analytic[k][i]) || results[k]?.verdicts[i] === "noise") return;
      all.push([k, i]);
      const group = groups.get(x);
      if (group) group.push([k, i]);
      else groups.set(x, [[k, i]]);
    })
  );
  return { all, equal: [...groups.values()].filter(({ length }) => length > 1 && length < all.length) };
}

/**
 * Judges the gradient where elements move together: all of them, those that are equal, and all at random; `null` if it is not wrong. Each
 * alone may show nothing of the branches that meet at the point.
 */
export function judgeTogether(
  differences: Differences,
  results: readonly (Differentiated | null)[],
  random: () => number,
): WrongTie | null {
  const { problem } = differences;
  const { all, equal } = movable(differences, results);
  if (all.length < 2) return null;
  const groups = [all, ...equal.slice(0, EQUAL)].map((elements) => ({ elements, ...movesTogether(problem, elements) }));
  const isMovable = problem.variables.map(({ length }) => new Uint8Array(length));
  for (const [k, i] of all) isMovable[k][i] = 1;
  for (let d = 0; d < TOGETHER; d++) {
    const moves = movesBySize(problem, random).map((by, k) => by.map((x, i) => (isMovable[k][i] ? x : 0)));
    groups.push({ elements: all, moves, size: 1 });
  }
  for (const { elements, moves, size } of groups) {
    const lineHere = () => lineThrough(problem, moves, size);
    const judged = differences.judgeClosely(lineHere());
    if (judged.verdict !== "wrong") continue;
    if (isBetweenBranches(differences, { ...judged, lineHere }, random)) continue;
    return { elements, moves: elements.map(([k, i]) => moves[k][i]), judged };
  }
  return null;
}

/** The findings beside kinks. */
export interface Beside {
  /** The elements whose gradient is right at nearby points, above or below. */
  readonly right: Position[];
  /** Those whose gradient is wrong at one, with their value there. */
  readonly wrong: { readonly at: Position; readonly value: number; readonly judged: Judged }[];
}

/** Moves elements off their kinks, one at a time, to either side, and judges them there. */
export function judgeBeside(
  differences: Differences,
  kinks: readonly Kink[],
  random: () => number,
  attempts: number,
): Beside {
  const found: Beside = { right: [], wrong: [] };
  if (attempts === 0 || kinks.length === 0) return found;
  for (const { at } of kinks.slice(0, Math.min(MOVED, WORK / (PER_MOVE * sizeOfAll(differences))))) {
    const judged = [1, -1].map((sign) => judgeMoved(differences, at, sign, { random, attempts }));
    const wrong = judged.find((side) => side?.judged.verdict === "wrong");
    if (wrong) found.wrong.push({ at, ...wrong });
    else if (judged.some((side) => side)) found.right.push(at);
  }
  differences.settle();
  return found;
}

/** Judges an element moved to a side; `null` if that decides nothing, however far it is moved. */
function judgeMoved(
  differences: Differences,
  [variable, index]: Position,
  sign: number,
  { random, attempts }: { random: () => number; attempts: number },
): { value: number; judged: Judged } | null {
  const values = differences.problem.variables[variable];
  const scale = scaleOf(values);
  const here = values[index];
  for (let attempt = 0; attempt < attempts; attempt++) {
    const value = differences.problem.round(here + sign * sizeOf(here, scale) * (0.05 + 0.1 * random()));
    values[index] = value;
    differences.settle();
    const judged = differences.judge(differences.element(variable, index, scale));
    values[index] = here;
    if (judged.verdict === "wrong" || judged.verdict === "ok") return { value, judged };
  }
  return null;
}

/** The elements on kinks among the results of all variables. */
export function kinksOf(elements: readonly (Differentiated | null)[]): Kink[] {
  return elements.flatMap((result, k) =>
    result
      ? [...result.bends].filter(([i]) => result.verdicts[i] === "kink").map(([i, bend]) => ({
        at: [k, i] as const,
        bend,
      }))
      : []
  );
}
