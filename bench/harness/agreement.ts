/** Whether contestants computed the same. */

/** The results of one contestant for the same inputs. */
export interface Computed {
  readonly label: string;
  readonly results: readonly Float32Array[];
}

export interface Tolerance {
  /** How far elements may be apart, relative to the largest of the result. */
  readonly tolerance: number;
  /** The same for the first result. */
  readonly valueTolerance: number;
  /** The share of elements that may be further apart. */
  readonly mayDiffer: number;
}

/** Says how the results of two contestants differ, `null` if they agree. */
export function disagreement(one: Computed, other: Computed, allowed: Tolerance): string | null {
  const problem = differenceOf(one.results, other.results, allowed);
  return problem === null ? null : `${one.label} and ${other.label} differ: ${problem}`;
}

function differenceOf(
  ours: readonly Float32Array[],
  theirs: readonly Float32Array[],
  allowed: Tolerance,
): string | null {
  if (ours.length !== theirs.length) return `${ours.length} and ${theirs.length} results`;
  for (let i = 0; i < ours.length; i++) {
    const tolerance = i === 0 ? allowed.valueTolerance : allowed.tolerance;
    const problem = apart(ours[i], theirs[i], { ...allowed, tolerance });
    if (problem !== null) return `result ${i}: ${problem}`;
  }
  return null;
}

function apart(a: Float32Array, b: Float32Array, { tolerance, mayDiffer }: Tolerance): string | null {
  if (a.length !== b.length) return `${a.length} and ${b.length} elements`;
  let largest = 0;
  for (let i = 0; i < b.length; i++) if (Math.abs(b[i]) > largest && Number.isFinite(b[i])) largest = Math.abs(b[i]);
  const limit = tolerance * largest;
  let wrong = 0, at = -1;
  for (let i = 0; i < a.length; i++) {
    if (a[i] === b[i] || Math.abs(a[i] - b[i]) <= limit || (a[i] !== a[i] && b[i] !== b[i])) continue;
    wrong++;
    if (at < 0) at = i;
  }
  if (wrong <= mayDiffer * a.length) return null;
  return `${wrong} of ${a.length} elements, first element ${at}: ${a[at]} and ${b[at]}`;
}
