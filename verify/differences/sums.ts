/** The weighted sum of a problem's outputs, and how it changes. */
import type { Line } from "./line.ts";
import type { Problem } from "./problem.ts";

/** The weighted sum of the outputs, relative to its value at a point. */
export class Sums {
  readonly problem: Problem;
  /** The outputs at the point. */
  outputs: Float64Array[] = [];
  /** The size of the terms that changed in the last evaluation, or of all terms if none did. */
  mass = 0;
  /** Whether any output has changed since this was last reset. */
  changed = false;
  /** How often the outputs, or their gradient away from the point, were computed. */
  calls = 0;
  #total = 0;

  constructor(problem: Problem) {
    this.problem = problem;
  }

  /** Makes the current values the point. */
  settle(): void {
    this.outputs = this.problem.evaluate().map((values) => values.slice());
    let total = 0;
    for (let k = 0; k < this.outputs.length; k++) {
      const values = this.outputs[k], weight = this.problem.weights[k];
      for (let i = 0; i < values.length; i++) total += Math.abs(weight[i] * values[i]);
    }
    this.#total = total;
  }

  /** The size of the terms of the weighted sum at the point, or of the numbers they are computed from. */
  get total(): number {
    return Math.max(this.#total, this.problem.terms ?? 0);
  }

  /** The difference of the weighted sum from its value at the point. Differences are taken before they are summed. */
  change(): number {
    const now = this.problem.evaluate();
    this.calls++;
    const { weights } = this.problem;
    let change = 0, mass = 0;
    let some = false;
    for (let k = 0; k < now.length; k++) {
      const here = now[k], there = this.outputs[k], weight = weights[k];
      for (let i = 0; i < here.length; i++) {
        const difference = here[i] - there[i];
        if (difference === 0) continue;
        change += weight[i] * difference;
        mass += Math.abs(weight[i]) * Math.max(Math.abs(here[i]), Math.abs(there[i]));
        some = true;
      }
    }
    // If nothing changed, rounding may have swallowed the change.
    this.mass = some ? mass : this.#total;
    this.changed ||= some;
    return change;
  }

  /** The change after a move; the caller moves the values back. */
  changeAt(line: Line, t: number): number {
    line.move(t);
    return this.change();
  }

  /** The slope along a line at the current values, as the gradient says; not a number if it is known only at the point. */
  slope(line: Line): number {
    this.calls++;
    const { gradient } = this.problem;
    return gradient ? line.along(gradient()) : NaN;
  }
}
