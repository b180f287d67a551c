/** Finding the elements that matter among many. */
import type { Position } from "../differences/numeric.ts";
import type { Direction } from "./duals.ts";

export type { Position };

/** Some neighbours among the elements of all variables, counted through. */
export interface Group {
  readonly from: number;
  readonly to: number;
}

/** Visits the part of each variable that is in a group. */
export function eachPart(
  variables: readonly ArrayLike<number>[],
  { from, to }: Group,
  visit: (variable: number, from: number, to: number) => void,
): void {
  let start = 0;
  variables.forEach(({ length }, k) => {
    const [first, last] = [Math.max(from - start, 0), Math.min(to - start, length)];
    if (first < last) visit(k, first, last);
    start += length;
  });
}

/** A direction in which only the elements of a group move, each as in another direction. */
export function restricted(direction: Direction, group: Group): Float64Array[] {
  const moves = direction.map(({ length }) => new Float64Array(length));
  eachPart(direction, group, (k, from, to) => moves[k].set(direction[k].subarray(from, to), from));
  return moves;
}

/** How many tests a search may take for each element that it may find. */
const TESTS = 64;

/**
 * The elements that a test finds, at most `limit` of them: by halving groups for which it holds, so that few among many take few tests.
 * The number of tests is limited, too: a test may hold for groups and for none of their elements.
 *
 * @param touches whether the test holds for one of these elements or several together.
 */
export function involved(
  variables: readonly ArrayLike<number>[],
  touches: (group: Group) => boolean,
  limit: number,
): Position[] {
  const found: Position[] = [];
  const open: Group[] = [{ from: 0, to: variables.reduce((sum, { length }) => sum + length, 0) }];
  for (let tests = TESTS * limit; open.length > 0 && found.length < limit && tests > 0; tests--) {
    const group = open.pop()!;
    const { from, to } = group;
    if (from === to || !touches(group)) continue;
    if (to - from === 1) {
      eachPart(variables, group, (k, i) => found.push([k, i]));
      continue;
    }
    const half = (from + to) >> 1;
    open.push({ from: half, to }, { from, to: half });
  }
  return found;
}
