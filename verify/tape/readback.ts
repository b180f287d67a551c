/**
 * Values that a function reads back leave the tape: what becomes of them on the host has no derivative. The function is called again at
 * moved points, and its results are compared with what the tape of the first call gives there.
 */
import type { Tensor } from "../../core/tensor.ts";
import type { Input } from "../inputs.ts";
import { numberText } from "../report/advice.ts";
import type { Finding } from "../report/report.ts";
import { messageOf } from "../usage.ts";
import { type Course, coursesFor, movedAlong } from "./courses.ts";
import { compute, prepare } from "./oracle.ts";
import { difference, recordCall, type Recording, STALE, type TensorFunction } from "./recording.ts";

/** The ratio between the steps along a course, and how many there are. */
const RATIO = 4;
const COUNT = 7;
/** A difference must be this fraction of the terms to be more than their rounding, and this to be more than rounding on the way to them. */
const SEEN = 1e-13;
const PLAIN = 1e-10;
/** How many differences in a row say how they fall with the step. */
const ENOUGH = 3;
/** How far the power of the step with which a difference falls may be from a whole number. */
const WHOLE = 0.2;
/** Changes too small to be seen do not matter below this fraction of the derivative. */
const NOTHING = 1e-3;

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

/** A course along which a function can be called, and the longest step. */
interface Accepted {
  readonly course: Course;
  readonly step: number;
}

/** The results of calling the function again. */
export interface Again {
  /** Why the function is not deterministic; `null` if it is. */
  readonly random: string | null;
  /** Whether a call at another point records another tape, or none, although the function is deterministic. */
  readonly readsBack: boolean;
  /** Whether it uses what it computed from the inputs of an earlier call, and so does not depend on its own. */
  readonly stale: boolean;
  /** A point at which it can be called again; `null` if it refuses all other points. */
  readonly accepted: Accepted | null;
  /** How it refuses other points. */
  readonly refusal: string | null;
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
  let accepted: Accepted | null = null;
  let refusal: string | null = null;
  for (const [course, step] of coursesFor(inputs, random)) {
    try {
      const call = await recordCall(f, movedAlong(inputs, course, step));
      accepted = { course, step };
      if (difference(first, call) === null) return { random: null, readsBack: false, stale: false, accepted, refusal };
      break;
    } catch (error) {
      refusal = messageOf(error);
    }
  }
  const same = difference(first, await recordCall(f, inputs));
  const stale = same === STALE;
  return { random: stale ? null : same, readsBack: same === null, stale, accepted, refusal };
}

/** The function as it was examined. */
export interface Compared {
  readonly recording: Recording;
  /** The weights of the outputs. */
  readonly weights: readonly ArrayLike<number>[];
  /** The derivative of the weighted sum by each input, where there is one. */
  readonly gradients: readonly (ArrayLike<number> | null)[];
  /** The order of the derivative that is checked. */
  readonly order: 1 | 2;
}

/** How a call at a moved point differs from the tape's replay, and the least difference that exceeds rounding. */
interface Seen {
  readonly step: number;
  readonly by: number;
  readonly least: number;
}

/** Calls a function along a course, and replays its tape. */
class Follower {
  readonly #f: TensorFunction;
  readonly #inputs: readonly Input[];
  readonly #compared: Compared;
  readonly #replay: (at: readonly Input[]) => readonly Float64Array[];

  constructor(f: TensorFunction, inputs: readonly Input[], compared: Compared) {
    this.#f = f;
    this.#inputs = inputs;
    this.#compared = compared;
    this.#replay = replayOf(compared.recording);
  }

  /** Returns `null` where the function refuses the point, or its outputs have other shapes. */
  async at(course: Course, step: number): Promise<Seen | null> {
    const { weights } = this.#compared;
    const at = movedAlong(this.#inputs, course, step);
    let outputs: readonly Tensor[];
    try {
      ({ outputs } = await recordCall(this.#f, at));
    } catch {
      return null;
    }
    if (outputs.length !== weights.length || outputs.some(({ size }, k) => size !== weights[k].length)) return null;
    const [fresh, size] = weighted(compute(outputs), weights);
    const [old] = weighted(this.#replay(at), weights);
    return { step, by: fresh - old, least: SEEN * size };
  }
}

/** Computes the outputs of a recording at other values of its leaves. */
function replayOf({ leaves, outputs }: Recording): (at: readonly Input[]) => readonly Float64Array[] {
  const arrays = new Map(leaves.map((t) => [t, Float64Array.from(t.value!)]));
  const plan = prepare(outputs, arrays);
  return (at) => {
    leaves.forEach((t, k) => arrays.get(t)!.set(at[k].values));
    return plan.run();
  };
}

function isClear({ by, least }: Seen): boolean {
  return Math.abs(by) > least;
}

const WHAT = "a value that the function reads back changes its result off the tape";

function finding(severity: Finding["severity"], message: string): Finding {
  return { check: "read back", severity, message };
}

/**
 * Calls the function at moved points. Returns `null` if it agrees with its tape there, or differs by nothing that a derivative sees.
 */
export async function readBack(
  f: TensorFunction,
  inputs: readonly Input[],
  compared: Compared,
  { accepted, refusal }: Again,
): Promise<Finding | null> {
  if (!accepted) {
    return finding(
      "warning",
      "the function refuses all other points, so whether values that it reads back have a part in its result is not known: " +
        refusal,
    );
  }
  const { course, step: longest } = accepted;
  const follower = new Follower(f, inputs, compared);
  const seen: Seen[] = [];
  for (let j = 0, step = longest; j < COUNT; j++, step /= RATIO) {
    const one = await follower.at(course, step);
    // A branch of other shapes, or of other results, ends somewhere.
    if (one === null) seen.length = 0;
    else seen.push(one);
    if (one && !isClear(one)) break;
  }
  const clear = seen.filter(isClear);
  const last = clear.at(-1);
  if (!last || clear.length < ENOUGH) return unseen(compared, course, seen);
  // A branch on a value that was read differs far from the point only.
  if (clear.length < seen.length && Math.abs(last.by) / RATIO > RATIO * seen.at(-1)!.least) return null;
  const powers = clear.slice(-ENOUGH).slice(1).map(({ by }, i) =>
    Math.log(clear[clear.length - ENOUGH + i].by / by) / Math.log(RATIO)
  );
  const power = Math.round(powers[0]);
  if (powers.some((p) => !(Math.abs(p - power) < WHOLE && power > 0))) {
    if (powers.every((p) => p > compared.order + WHOLE)) return null;
    return Math.abs(last.by) > PLAIN / SEEN * last.least ? unsteady() : unseen(compared, course, seen);
  }
  if (power > compared.order) return null;
  // On the other side the tape may be off by as much in the other sense: the function has a kink, and its derivative is between.
  const behind = await follower.at(course, -last.step);
  if (power === 1 && behind && isClear(behind) && behind.by * last.by > 0) return unsteady();
  return finding(
    "error",
    `${WHAT}: called again with inputs moved by some ${
      numberText(last.step, 2)
    } of their size, it differs from its tape by ` +
      `${numberText(last.by, 3)}, and in proportion to ${
        power === 1 ? "the move" : "its square, which the second derivative sees"
      }`,
  );
}

function unsteady(): Finding {
  return finding(
    "warning",
    "called again with inputs slightly moved, the function differs from its tape, but not in proportion to the move: " +
      "it reads a value back and branches on it, or it is not deterministic",
  );
}

/** Returns a finding if too little was seen, unless anything that could hide is negligible beside the derivative. */
function unseen({ gradients }: Compared, course: Course, seen: readonly Seen[]): Finding | null {
  const first = seen.at(0);
  let terms = 0;
  gradients.forEach((g, k) => {
    for (let i = 0; g && i < g.length; i++) terms += Math.abs(g[i] * course[k][i]);
  });
  if (!first || !(terms > 0) || first.least <= NOTHING * terms * first.step) return null;
  return finding(
    "warning",
    "whether values that the function reads back have a part in its result cannot be seen: its terms are too large beside its derivative",
  );
}
