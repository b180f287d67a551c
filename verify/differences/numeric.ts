/**
 * Derivatives by finite differences, each with an estimate of its own error.
 *
 * An element is first tested with two steps: central differences, extrapolated (Richardson), and one-sided slopes. If
 * these disagree with each other or with the analytic derivative, a ladder of steps over many orders of magnitude is
 * computed. The ladder is read without regard to the analytic derivative: a value counts if three neighbouring rungs
 * agree (a plateau), never because a single step matches the expected value.
 */
import { largestOf } from "../arrays.ts";
import type { Verdict } from "../report/report.ts";

/** A function at a point, as needed by finite differences. */
export interface Problem {
  /** The values of the variables, perturbed in place. */
  readonly variables: readonly Float64Array[];
  /** The weights of the outputs: the derivative is that of the weighted sum. */
  readonly weights: readonly Float64Array[];
  /** The distance from 1 to the next number in the function's precision. */
  readonly epsilon: number;
  /**
   * The size of the numbers that the outputs are computed from, which may be small by cancellation; `null` if unknown.
   */
  readonly terms: number | null;
  /** The nearest number that a variable can hold. */
  round(x: number): number;
  /**
   * Takes all decisions at the current values and returns the analytic derivative by each variable; valid until the
   * next call.
   */
  settle(): readonly Float64Array[];
  /** The outputs at the current values, with the decisions of the last {@link settle}; valid until the next call. */
  evaluate(): readonly Float64Array[];
  /**
   * A bound on those rounding errors of the weighted sum that change when `move` moves the values away from the point
   * of the last {@link settle}; `null` if only the outputs are known.
   */
  rounding(move: () => void): number | null;
  /**
   * A bound on the rounding errors of a weighted sum of the analytic derivative; `null` if only its values are known.
   */
  gradientRounding(weights: readonly Float64Array[]): number | null;
}

/** A derivative with its verdict. */
export interface Judged {
  readonly analytic: number;
  readonly numeric: number;
  /** The error estimate of `numeric`. */
  readonly estimate: number;
  readonly verdict: Verdict;
}

/** The results for each element of a variable. */
export interface VariableResult {
  readonly analytic: Float64Array;
  readonly numeric: Float64Array;
  readonly estimate: Float64Array;
  readonly verdicts: Verdict[];
}

/** A line through the point, along which values move. */
export interface Line {
  /** The unit of the step sizes. */
  readonly size: number;
  /** How far values may be moved to see effects beyond the scale of their own size. */
  readonly reach: number;
  /** Moves the values by `t` along the line and returns the distance moved after rounding. */
  move(t: number): number;
  /** The directional derivative along the line for a given gradient. */
  along(gradient: readonly Float64Array[]): number;
  /** The weights of that derivative's terms. */
  weights(): readonly Float64Array[];
  /** The same if the terms had random signs: the typical size of a sum in which they may cancel. */
  usual(gradient: readonly Float64Array[]): number;
}

/** The resolution of a floating-point precision. */
interface Precision {
  /** The smaller of the first two steps, relative to the element. */
  readonly step: number;
  /** The smallest step of the ladder. */
  readonly smallest: number;
  /** A derivative is decided if it is known to this fraction of itself... */
  readonly resolution: number;
  /** ...or to this fraction of the typical derivative of its variable... */
  readonly fraction: number;
  /** ...or if it is 0 as far as can be seen, to this fraction of the sum's terms relative to the element. */
  readonly zero: number;
}

const DOUBLE: Precision = { step: 2 ** -12, smallest: 2 ** -44, resolution: 1e-4, fraction: 1e-8, zero: 1e-10 };
const SINGLE: Precision = { step: 2 ** -6, smallest: 2 ** -20, resolution: 2e-2, fraction: 1e-4, zero: 0 };

/** Rounding errors of a weighted sum, in units of `epsilon` times its largest terms. */
const ROUNDINGS = 8;
/** Rounding errors of the analytic derivative, in units of `epsilon` times itself. */
const ANALYTIC_ROUNDINGS = 64;
/** Central differences with two steps must agree to this relative tolerance before they are extrapolated. */
const AGREE = 0.01;
/** The ratio between neighbouring steps of the ladder. */
const RATIO = 4;
const LONGEST_LADDER = 40;
/** For this many of the shortest steps, slopes differ by rounding alone. */
const SHORTEST = 4;
/** The growth factor of the steps that search for any change. */
const FAR = 256;
/** A gap between the one-sided slopes must exceed rounding by this factor to count. */
const GAP = 20;

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);
/** Which half of a double holds the exponent. */
const high = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 1 : 0;

/** The largest power of two not larger than a number, for steps that add without rounding: its exponent alone. */
function powerBelow(x: number): number {
  double[0] = x;
  words[high] &= 0x7ff00000;
  words[1 - high] = 0;
  // Subnormal numbers, which have no exponent, are replaced by the smallest normal one.
  return double[0] || 2 ** -1022;
}

/** The scale of a variable's values: the largest magnitude, or 1 if all are 0. */
export function scaleOf(values: Float64Array): number {
  const largest = largestOf(values);
  return largest > 0 ? powerBelow(largest) : 1;
}

/** The unit of an element's steps: its own size, or its variable's scale if it is 0. */
export function sizeOf(x: number, scale: number): number {
  return x === 0 || !Number.isFinite(x) ? scale : powerBelow(x);
}

/** One step of the ladder. */
interface Rung {
  readonly step: number;
  readonly central: number;
  /** The distance between the one-sided slopes. */
  readonly gap: number;
  /** The steeper of them. */
  readonly slope: number;
  /** The largest error that rounding may add to a slope. */
  noise: number;
}

/** A value on which three neighbouring rungs agree. */
interface Plateau {
  readonly value: number;
  readonly estimate: number;
}

/** Differentiates a problem numerically at a point. */
export class Differences {
  readonly problem: Problem;
  readonly #precision: Precision;
  /** The analytic derivative at the point. */
  analytic: Float64Array[] = [];
  #outputs: Float64Array[] = [];
  /** The size of the terms that changed in the last evaluation. */
  #mass = 0;
  /** The size of all terms at the point. */
  #total = 0;
  /** Whether any output has changed since this was last reset. */
  #changed = false;
  /** The result of the last test of a line. */
  #numeric = 0;
  #estimate = 0;
  /** Whether any step of the last ladder changed an output. */
  #moved = false;
  /** Whether the last ladder's noise is a bound rather than an estimate from the outputs. */
  #roundingKnown = false;

  constructor(problem: Problem) {
    this.problem = problem;
    this.#precision = problem.epsilon > 1e-10 ? SINGLE : DOUBLE;
    this.settle();
  }

  /** Makes the current values the point. */
  settle(): void {
    this.analytic = this.problem.settle().map((values) => values.slice());
    this.#outputs = this.problem.evaluate().map((values) => values.slice());
    this.#total = 0;
    this.#outputs.forEach((values, k) => {
      const weight = this.problem.weights[k];
      for (let i = 0; i < values.length; i++) this.#total += Math.abs(weight[i] * values[i]);
    });
  }

  /** The outputs at the point. */
  get outputs(): readonly Float64Array[] {
    return this.#outputs;
  }

  /** The size of the terms of the weighted sum at the point, or of the numbers they are computed from. */
  get total(): number {
    return Math.max(this.#total, this.problem.terms ?? 0);
  }

  /** The difference of the weighted sum from its value at the point. Differences are taken before they are summed. */
  #change(): number {
    const now = this.problem.evaluate();
    const { weights } = this.problem;
    let change = 0, mass = 0;
    let some = false;
    for (let k = 0; k < now.length; k++) {
      const here = now[k], there = this.#outputs[k], weight = weights[k];
      for (let i = 0; i < here.length; i++) {
        const difference = here[i] - there[i];
        if (difference === 0) continue;
        change += weight[i] * difference;
        mass += Math.abs(weight[i]) * Math.max(Math.abs(here[i]), Math.abs(there[i]));
        some = true;
      }
    }
    // If nothing changed, rounding may have swallowed the change.
    this.#mass = some ? mass : this.#total;
    this.#changed ||= some;
    return change;
  }

  /** The change of the weighted sum after a move; the caller moves the values back. */
  changeAt(line: Line, t: number): number {
    line.move(t);
    return this.#change();
  }

  /** The size of the terms that made up the last change, or of all terms if nothing changed. */
  get mass(): number {
    return this.#mass;
  }

  /**
   * Tests a line with two steps. Returns whether this proves the derivative right, and if so sets `numeric` and
   * `estimate`.
   */
  #look(line: Line, analytic: number): boolean {
    const { epsilon } = this.problem;
    const h = this.#precision.step * line.size;
    this.#changed = false;
    const up = line.move(2 * h), changeUp = this.#change();
    let mass = this.#mass;
    const down = line.move(-2 * h), changeDown = this.#change();
    mass = Math.max(mass, this.#mass);
    const upHalf = line.move(h), changeUpHalf = this.#change();
    const downHalf = line.move(-h), changeDownHalf = this.#change();
    line.move(0);
    if (!this.#changed && analytic === 0) {
      this.#numeric = this.#estimate = 0;
      return true;
    }
    const coarse = (changeUp - changeDown) / (up - down);
    const fine = (changeUpHalf - changeDownHalf) / (upHalf - downHalf);
    const noise = (ROUNDINGS * epsilon * mass) / h;
    const spread = Math.abs(fine - coarse);
    const numeric = (4 * fine - coarse) / 3;
    this.#numeric = numeric;
    this.#estimate = spread + noise + ANALYTIC_ROUNDINGS * epsilon * Math.abs(numeric);
    // If the function is smooth here, the gap between its one-sided slopes halves with the step.
    const gap = Math.abs(changeUp / up - changeDown / down);
    const gapHalf = Math.abs(changeUpHalf / upHalf - changeDownHalf / downHalf);
    return Math.abs(analytic - numeric) <= this.#estimate &&
      spread <= AGREE * Math.abs(numeric) + noise &&
      gapHalf <= 0.75 * gap + noise;
  }

  /** Whether an error is small relative to the derivative, to typical derivatives, or to terms that cancel to 0. */
  #decided(estimate: number, derivative: number, usual: number, size: number): boolean {
    const { resolution, fraction, zero } = this.#precision;
    return estimate <= Math.max(resolution * derivative, fraction * usual) ||
      (this.problem.terms !== null && derivative <= estimate && estimate <= zero * (this.total / size));
  }

  /** Computes the ladder, longest step first; rungs at which the function is not finite are `null`. */
  #climb(line: Line): (Rung | null)[] {
    const { epsilon } = this.problem;
    const bottom = line.size * this.#precision.smallest;
    const known = this.problem.rounding(() => line.move(line.size / 64));
    this.#roundingKnown = known !== null;
    const rounding = known !== null && Number.isFinite(known) ? known : 0;
    const rungs: (Rung | null)[] = [];
    const top = Math.min(Math.max(line.size, line.reach) / RATIO, bottom * RATIO ** LONGEST_LADDER);
    this.#moved = false;
    for (let step = top; step >= bottom; step /= RATIO) {
      this.#changed = false;
      const up = line.move(step), changeUp = this.#change();
      let mass = this.#mass;
      const down = line.move(-step), changeDown = this.#change();
      mass = Math.max(mass, this.#mass);
      const central = (changeUp - changeDown) / (up - down);
      const [forward, backward] = [changeUp / up, changeDown / down];
      const rung = {
        step,
        central,
        gap: Math.abs(forward - backward),
        slope: Math.max(Math.abs(forward), Math.abs(backward)),
        noise: (ROUNDINGS * epsilon * mass + rounding) / step,
      };
      this.#moved ||= this.#changed;
      // With rounding unknown, a step that changes nothing although longer ones did is uninformative: it may stay
      // within one step of a rounding staircase.
      const silent = !this.#roundingKnown && this.#moved && !this.#changed;
      rungs.push(Number.isFinite(central) && !silent ? rung : null);
    }
    line.move(0);
    // The rounding observed, which may exceed the estimate from the outputs.
    const shortest = rungs.filter((rung) => rung !== null).slice(-SHORTEST);
    let seen = 0;
    for (let j = 0; j + 1 < shortest.length; j++) {
      const [a, b] = [shortest[j], shortest[j + 1]];
      seen = Math.max(seen, Math.abs(a.central - b.central) * b.step);
    }
    for (const rung of rungs) if (rung) rung.noise = Math.max(rung.noise, seen / rung.step);
    return rungs;
  }

  /** Whether the outputs depend on the values: a step that changes nothing may have been swallowed by rounding. */
  #changesFarAway(line: Line): boolean {
    this.#changed = false;
    for (let step = FAR * line.size; step < FAR ** 8 * line.size && !this.#changed; step *= FAR) {
      this.changeAt(line, step);
    }
    line.move(0);
    return this.#changed;
  }

  /** Whether the one-sided slopes stay apart however short the step: for a smooth function the gap closes. */
  #isKink(rungs: readonly (Rung | null)[]): boolean {
    const known = rungs.filter((r) => r !== null);
    const last = known.findLastIndex((r) => r.gap > GAP * r.noise);
    if (last < 2) return false;
    const [a, b, c] = known.slice(last - 2, last + 1).map((r) => r.gap);
    // The kink lies next to the point, not at it, if a shorter step would still show the gap but does not.
    const shorter = known[last + 1];
    if (shorter && c > GAP * shorter.noise) return false;
    return [b / a, c / b].every((ratio) => ratio > 0.7 && ratio < 1.4);
  }

  /** The plateaus of a ladder, longest steps first. */
  #plateaus(rungs: readonly (Rung | null)[]): Plateau[] {
    const found: Plateau[] = [];
    const square = RATIO * RATIO;
    for (let j = 2; j < rungs.length; j++) {
      const [a, b, c] = [rungs[j - 2], rungs[j - 1], rungs[j]];
      if (!a || !b || !c) continue;
      const coarse = (square * b.central - a.central) / (square - 1);
      const value = (square * c.central - b.central) / (square - 1);
      const estimate = 2 * Math.abs(value - coarse) + Math.abs(c.central - b.central) / 50 + 2 * c.noise +
        ANALYTIC_ROUNDINGS * this.problem.epsilon * Math.abs(value);
      found.push({ value, estimate });
    }
    return found;
  }

  /** Judges the derivative along a line from a ladder of steps. `usual` is the size of the neighbouring derivatives. */
  #ponder(line: Line, analytic: number, usual: number): Judged {
    const judged = this.#read(line, analytic, usual);
    if (judged.verdict === "wrong") return this.#doubt(judged, line, usual);
    if (judged.verdict !== "noise" || Math.max(line.size, line.reach) >= 1) return judged;
    // Functions of tiny numbers mostly change on the scale of 1, where rounding matters less.
    const larger = { ...line, size: 1, reach: 1 };
    const again = this.#read(larger, analytic, usual);
    return again.verdict === "wrong" ? this.#doubt(again, larger, usual) : again;
  }

  /** Before calling a derivative wrong, tests whether rounding of the analytic one explains the difference. */
  #doubt(judged: Judged, line: Line, usual: number): Judged {
    const { analytic, numeric } = judged;
    const rounding = this.problem.gradientRounding(line.weights());
    if (rounding === null || !Number.isFinite(rounding)) return judged;
    const estimate = judged.estimate + rounding;
    if (!(Math.abs(analytic - numeric) <= estimate)) return judged;
    const size = Math.max(Math.abs(analytic), Math.abs(numeric));
    return { ...judged, estimate, verdict: this.#decided(estimate, size, usual, line.size) ? "ok" : "noise" };
  }

  #read(line: Line, analytic: number, usual: number): Judged {
    const rungs = this.#climb(line);
    const judged = (verdict: Verdict, { value, estimate }: Plateau): Judged => ({
      analytic,
      numeric: value,
      estimate,
      verdict,
    });
    const plateaus = this.#plateaus(rungs);
    if (!this.#moved && !this.#roundingKnown && this.#changesFarAway(line)) {
      return judged("noise", { value: 0, estimate: Infinity });
    }
    const best = plateaus.reduce<Plateau>((a, b) => (b.estimate < a.estimate ? b : a), {
      value: NaN,
      estimate: Infinity,
    });
    if (this.#isKink(rungs)) return judged("kink", best);
    const secant = rungs.find((r) => r !== null)?.slope ?? 0;
    const size = (p: Plateau) => Math.max(Math.abs(p.value), Math.abs(Number.isFinite(analytic) ? analytic : 0));
    const firm = plateaus.filter((p) => this.#decided(p.estimate, size(p), Math.max(usual, secant), line.size));
    if (firm.length === 0) return judged("noise", best);
    const chosen = firm.reduce((a, b) => (b.estimate < a.estimate ? b : a));
    const apart = (a: Plateau, b: Plateau) => Math.abs(a.value - b.value) > 2 * (a.estimate + b.estimate);
    const agrees = (p: Plateau) => Math.abs(analytic - p.value) <= p.estimate;
    if (!firm.some((p) => apart(p, chosen))) return judged(agrees(chosen) ? "ok" : "wrong", chosen);
    // The function looks different at different scales. With rounding known, the derivative is the one of the shortest
    // steps; without, they may see only the staircase of rounding.
    if (this.#roundingKnown) {
      const last = firm[firm.length - 1];
      const same = firm.slice(firm.findLastIndex((p) => apart(p, last)) + 1);
      const near = same.reduce((a, b) => (b.estimate < a.estimate ? b : a));
      return judged(agrees(near) ? "ok" : "wrong", near);
    }
    return judged(firm.some(agrees) ? "noise" : "wrong", chosen);
  }

  /** The line of one element. */
  element(variable: number, index: number, scale: number): Line {
    const values = this.problem.variables[variable];
    const { problem } = this;
    const here = values[index];
    return {
      size: sizeOf(here, scale),
      reach: scale,
      move: (t) => {
        values[index] = problem.round(here + t);
        return values[index] - here;
      },
      along: (gradient) => gradient[variable][index],
      weights: () =>
        problem.variables.map(({ length }, k) => {
          const weights = new Float64Array(length);
          if (k === variable) weights[index] = 1;
          return weights;
        }),
      usual: () => 0,
    };
  }

  /** A random direction through all variables: each element moves by its own size, up or down. */
  direction(random: () => number): Line {
    const moves = this.problem.variables.map((values) => {
      const scale = scaleOf(values);
      const by = new Float64Array(values.length);
      for (let i = 0; i < by.length; i++) {
        // A sign and three more bits, so that the move adds to the value without rounding.
        const bits = Math.floor(random() * 16);
        by[i] = (bits < 8 ? -1 : 1) * sizeOf(values[i], scale) * (1 + (bits & 7) / 8);
      }
      return by;
    });
    return this.#through(moves, 1);
  }

  /** The line along which some elements move together, all by the same amount. */
  together(elements: readonly (readonly [variable: number, index: number])[]): Line {
    const moves = this.problem.variables.map((values) => new Float64Array(values.length));
    let size = 0;
    for (const [variable, index] of elements) {
      const values = this.problem.variables[variable];
      size = Math.max(size, sizeOf(values[index], scaleOf(values)));
      moves[variable][index] = 1;
    }
    return this.#through(moves, size);
  }

  #through(moves: readonly Float64Array[], size: number): Line {
    const { problem } = this;
    const here = problem.variables.map((values) => values.slice());
    return {
      size,
      reach: size,
      move: (t) => {
        problem.variables.forEach((values, k) => {
          const from = here[k], by = moves[k];
          for (let i = 0; i < values.length; i++) {
            values[i] = by[i] === 0 ? from[i] : problem.round(from[i] + t * by[i]);
          }
        });
        return t;
      },
      along: (gradient) => {
        let sum = 0;
        gradient.forEach((values, k) => {
          for (let i = 0; i < values.length; i++) if (moves[k][i] !== 0) sum += values[i] * moves[k][i];
        });
        return sum;
      },
      weights: () => moves,
      usual: (gradient) => {
        let squares = 0;
        gradient.forEach((values, k) => {
          for (let i = 0; i < values.length; i++) if (moves[k][i] !== 0) squares += (values[i] * moves[k][i]) ** 2;
        });
        return Math.sqrt(squares);
      },
    };
  }

  /** Judges the derivative along a line. */
  judge(line: Line): Judged {
    const analytic = line.along(this.analytic);
    const usual = line.usual(this.analytic);
    if (this.#look(line, analytic)) {
      const [numeric, estimate] = [this.#numeric, this.#estimate];
      if (this.#decided(estimate, Math.max(Math.abs(analytic), Math.abs(numeric)), usual, line.size)) {
        return { analytic, numeric, estimate, verdict: "ok" };
      }
    }
    return this.#ponder(line, analytic, usual);
  }

  /** Judges the derivative by each element of a variable. */
  elements(variable: number): VariableResult {
    const values = this.problem.variables[variable];
    const scale = scaleOf(values);
    const analytic = this.analytic[variable].slice();
    const numeric = new Float64Array(values.length);
    const estimate = new Float64Array(values.length);
    const agree = new Uint8Array(values.length);
    let usual = 0;
    for (let i = 0; i < values.length; i++) {
      agree[i] = this.#look(this.element(variable, i, scale), analytic[i]) ? 1 : 0;
      numeric[i] = this.#numeric;
      estimate[i] = this.#estimate;
      if (estimate[i] <= AGREE * Math.abs(numeric[i])) usual = Math.max(usual, Math.abs(numeric[i]));
    }
    const verdicts = Array.from(values, (_, i): Verdict => {
      const size = Math.max(Math.abs(analytic[i]), Math.abs(numeric[i]));
      if (agree[i] && this.#decided(estimate[i], size, usual, sizeOf(values[i], scale))) return "ok";
      const judged = this.#ponder(this.element(variable, i, scale), analytic[i], usual);
      numeric[i] = judged.numeric;
      estimate[i] = judged.estimate;
      return judged.verdict;
    });
    return { analytic, numeric, estimate, verdicts };
  }
}
