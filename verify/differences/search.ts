/** Which of many elements spoil the derivative along a direction: found by halving, without a look at all of them. */
import type { Verdict } from "../report/report.ts";
import { type Line, lineThrough, type Moves, type Position, type Range } from "./line.ts";
import type { Problem } from "./problem.ts";

/** The number of ranges to start with. */
const RANGES = 16;
/** Ranges of this many elements are looked at one by one. */
const FEW = 4;

/** The observation along a range of elements. */
export interface Suspicion {
  readonly verdict: Verdict;
  /** By how much the derivative is off. */
  readonly off: number;
}

/** A way to judge lines, and how often it may be used. */
export interface Search {
  /** Judges a line within another one along which the derivative is off by `within`. */
  judge(line: Line, within: number): Suspicion;
  /** The most lines to judge. */
  readonly lines: number;
  /** The most elements to find. */
  readonly elements: number;
}

/** The elements of ranges along which the derivative is not right, as far as the search may go. */
export function suspectsAlong(problem: Problem, moves: Moves, search: Search, off = Infinity): Position[] {
  const total = moves.reduce((sum, { length }) => sum + length, 0);
  const found: Position[] = [];
  const open: (Range & Suspicion)[] = [];
  /** Looks at parts of a range; the one that is taken next is the last one: one that is wrong, if there is one. */
  const look = (ranges: readonly Range[], within: number) => {
    const seen = ranges.map((range) => ({ ...range, ...search.judge(lineThrough(problem, moves, 1, range), within) }));
    open.push(...seen.filter(({ verdict }) => verdict !== "ok" && verdict !== "wrong"));
    open.push(...seen.filter(({ verdict }) => verdict === "wrong"));
  };
  const placeOf = (part: number) => Math.floor((total * part) / RANGES);
  const parts = Array.from({ length: RANGES }, (_, part) => ({ from: placeOf(part), to: placeOf(part + 1) }));
  look(parts, (2 * off) / RANGES);
  let left = search.lines - RANGES;
  for (let range = open.pop(); range && found.length < search.elements; range = open.pop()) {
    const { from, to } = range;
    if (to - from <= FEW) {
      for (let place = from; place < to; place++) found.push(positionOf(place, moves));
      continue;
    }
    if (left < 2) break;
    left -= 2;
    const middle = (from + to) >> 1;
    look([{ from, to: middle }, { from: middle, to }], range.off);
  }
  return found;
}

/** The element at a place, counted through all variables. */
function positionOf(place: number, moves: Moves): Position {
  let variable = 0;
  while (place >= moves[variable].length) place -= moves[variable++].length;
  return [variable, place];
}
