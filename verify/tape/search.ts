/** Finding the elements that matter among many. */
import type { Direction } from "./duals.ts";

/** The place of an element. */
export type Position = readonly [variable: number, index: number];

/** All elements of variables. */
export function positionsOf(variables: readonly ArrayLike<number>[]): Position[] {
  return variables.flatMap(({ length }, k) => Array.from({ length }, (_, i): Position => [k, i]));
}

/** A direction in which only some elements move, each as in another direction. */
export function restricted(direction: Direction, elements: readonly Position[]): Float64Array[] {
  const moves = direction.map(({ length }) => new Float64Array(length));
  for (const [k, i] of elements) moves[k][i] = direction[k][i];
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
  elements: readonly Position[],
  touches: (elements: readonly Position[]) => boolean,
  limit: number,
): Position[] {
  const found: Position[] = [];
  const open: (readonly Position[])[] = [elements];
  for (let tests = TESTS * limit; open.length > 0 && found.length < limit && tests > 0; tests--) {
    const group = open.pop()!;
    if (group.length === 0 || !touches(group)) continue;
    if (group.length === 1) {
      found.push(group[0]);
      continue;
    }
    const half = group.length >> 1;
    open.push(group.slice(half), group.slice(0, half));
  }
  return found;
}
