/** Computations of whole arrays that write anywhere in their result, for which some backends have kernels of their own. Plain data. */

/**
 * Orders the elements of each row, `[rows, length]`: NaN as the largest, and of equals the one at the lower place first. The result is
 *
 * - `places`: where the first `keep` elements were, `[rows, keep]`,
 * - `ranks`: for each element how many come before it, but `keep` for all that are not among the first, `[rows, length]`, or
 * - `mask`: 1 for those among the first, 0 for all others, `[rows, length]`. How many these are, rounded up, stands in a second array, `[rows]`.
 */
export interface OrderRoutine {
  readonly name: "order";
  readonly result: "places" | "ranks" | "mask";
  readonly rows: number;
  readonly length: number;
  readonly keep: number;
  readonly descending: boolean;
}

/**
 * Adds up updates, the second array, `[outer, updates, inner]`, at the places that the first array, of indices, names:
 * `[outer, places, inner]`. The indices have the shape of the updates, but for axes of length 1 where they are shared. Updates of an index
 * that is no place are left out. Updates of one place are added in order.
 */
export interface ScatterRoutine {
  /** `scatterOnto` adds them to a base, which comes before the other arrays and has the shape of the result. */
  readonly name: "scatter" | "scatterOnto";
  readonly outer: number;
  readonly places: number;
  readonly inner: number;
  readonly updates: number;
  readonly isSharedOuter: boolean;
  readonly isSharedInner: boolean;
  /** Whether each update is 1, and there is no array of them. */
  readonly isCounting: boolean;
}

export type Routine = OrderRoutine | ScatterRoutine;

/** How many different whole numbers from 0 its result may be; `null` if it may be anything. */
export function boundOfRoutine(routine: Routine): number | null {
  if (routine.name !== "order") return null;
  return routine.result === "places" ? routine.length : routine.result === "ranks" ? routine.keep + 1 : 2;
}

/** A description for people to read. */
export function routineText({ name, ...rest }: Routine): string {
  return `${name} ${Object.entries(rest).map(([key, value]) => `${key}=${value}`).join(" ")}`;
}
