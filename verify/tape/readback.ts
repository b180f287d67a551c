/**
 * Values that a function reads back leave the tape: what becomes of them on the host has no derivative. The function is called again at
 * moved points, and its results are compared with what the tape of the first call gives there.
 */
import type { Tensor } from "../../core/tensor.ts";
import { numberText } from "../report/advice.ts";
import { scaleOf, sizeOf } from "../differences/numeric.ts";
import type { Input } from "../inputs.ts";
import type { Finding } from "../report/report.ts";
import { compute, prepare } from "./oracle.ts";
import { difference, recordCall, type Recording, STALE, type TensorFunction } from "./recording.ts";

/** How far inputs move, relative to the size of each element, largest first. */
const MOVES = [2 ** -8, 2 ** -10, 2 ** -12];
/** A difference must be this fraction of the terms to count. */
const SEEN = 1e-10;
/** The share of the whole change of the function below which a difference may be the noise of a computation in float32. */
const NOTABLE = 1e-4;

/** The weighted sum of outputs, and the size of its terms. */
function weighted(outputs: readonly ArrayLike<number>[], weights: readonly ArrayLike<number>[]): [number, number] {
  let sum = 0, size = 0;
  outputs.forEach((values, k) => {
    for (let i = 0; i < values.length; i++) {
      sum += weights[k][i] * values[i];
      size += Math.abs(weights[k][i] * values[i]);
    }
  });
  return [sum, size];
}

/** The inputs, each element moved by a fraction of its size, up or down. */
function moved(inputs: readonly Input[], by: number, signs: readonly Int8Array[]): Input[] {
  return inputs.map((input, k) => {
    if (input.dtype !== "float") return input;
    const values = input.values.slice();
    const scale = scaleOf(values);
    for (let i = 0; i < values.length; i++) values[i] += by * signs[k][i] * sizeOf(values[i], scale);
    return { ...input, values };
  });
}

/** What a second call shows. */
export interface Again {
  /** Why the function is not deterministic; `null` if it is. */
  readonly random: string | null;
  /** Whether a call at another point records another tape, although the function is deterministic. */
  readonly readsBack: boolean;
  /** Whether it uses what it computed from the inputs of an earlier call, and so does not depend on its own. */
  readonly stale: boolean;
}

/** Random directions in which the elements of inputs move. */
function signsFor(inputs: readonly Input[], random: () => number): Int8Array[] {
  return inputs.map(({ values: { length } }) => {
    const signs = new Int8Array(length);
    for (let i = 0; i < length; i++) signs[i] = random() < 0.5 ? -1 : 1;
    return signs;
  });
}

/**
 * Calls the function a second time. At another point it records the same tape, but for the values of its inputs, unless it is random or
 * values that it read back went into it; a third call, at the same point, tells one from the other.
 */
export async function callAgain(
  f: TensorFunction,
  inputs: readonly Input[],
  first: Recording,
  random: () => number,
): Promise<Again> {
  let moves = false;
  try {
    moves = difference(first, await recordCall(f, moved(inputs, MOVES[0], signsFor(inputs, random)))) === null;
  } catch {
    // It may refuse other values.
  }
  if (moves) return { random: null, readsBack: false, stale: false };
  const same = difference(first, await recordCall(f, inputs));
  const stale = same === STALE;
  return { random: stale ? null : same, readsBack: same === null, stale };
}

/** What a moved call shows: the difference from the tape's replay, and the whole change from the point itself. */
interface Seen {
  readonly by: number;
  readonly difference: number;
  readonly change: number;
  /** Whether the difference is more than rounding. */
  readonly clear: boolean;
}

/**
 * Calls the function at moved points. Returns `null` if it agrees with the tape of `recording` there.
 *
 * @param weights the weights of the outputs.
 */
export async function readBack(
  f: TensorFunction,
  inputs: readonly Input[],
  { recording, weights }: { recording: Recording; weights: readonly ArrayLike<number>[] },
  random: () => number,
): Promise<Finding | null> {
  const signs = signsFor(inputs, random);
  const [here] = weighted(compute(recording.outputs), weights);
  const replay = replayOf(recording);
  const seen: Seen[] = [];
  for (const by of MOVES) {
    const at = moved(inputs, by, signs);
    let outputs: readonly Tensor[];
    try {
      ({ outputs } = await recordCall(f, at));
    } catch {
      // The function may refuse other values; then nothing is known.
      return null;
    }
    if (outputs.length !== recording.outputs.length || outputs.some(({ size }, k) => size !== weights[k].length)) {
      return null;
    }
    const [fresh, size] = weighted(compute(outputs), weights);
    const [old] = weighted(replay(at), weights);
    const difference = fresh - old;
    seen.push({ by, difference, change: fresh - here, clear: Math.abs(difference) > SEEN * size });
    if (!seen[0].clear) return null;
  }
  return findingOf(seen);
}

/** Computes the outputs of a recording at other values of its leaves. */
function replayOf({ leaves, outputs }: Recording): (at: readonly Input[]) => Float64Array[] {
  const arrays = new Map(leaves.map((t) => [t, Float64Array.from(t.value!)]));
  const plan = prepare(outputs, arrays);
  return (at) => {
    leaves.forEach((t, k) => arrays.get(t)!.set(at[k].values));
    return plan.run().map((values) => values.slice());
  };
}

function findingOf(seen: readonly Seen[]): Finding | null {
  const last = seen[seen.length - 1];
  // A branch on a value that was read differs only far from the point; where it does not, the tape is that of the function.
  if (!last.clear) return null;
  const notable = seen.every(({ difference, change }) => Math.abs(difference) > NOTABLE * Math.abs(change));
  if (!notable) return null;
  const slopes = seen.map(({ by, difference }) => difference / by);
  const steady = slopes.slice(1).every((slope, i) => slope / slopes[i] > 0.5 && slope / slopes[i] < 2);
  const what = "a value that the function reads back changes its result off the tape";
  if (steady) {
    const share = numberText(Math.abs(last.difference / last.change), 2);
    return {
      check: "read back",
      severity: "error",
      message:
        `${what}: called again with all inputs moved by ${
          numberText(last.by, 2)
        } of their size, it differs from its tape by ` +
        `${numberText(last.difference, 3)}, ${share} of the whole change, and in proportion to the move`,
    };
  }
  return {
    check: "read back",
    severity: "warning",
    message:
      `called again with all inputs slightly moved, the function differs from its tape, but not in proportion to the move: ` +
      "it reads a value back and branches on it, or it is not deterministic",
  };
}
