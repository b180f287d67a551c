/** Panels: what all rows of a unit read alike, copied in the order in which their loops read it. */
import type { Linear, Local } from "../../expression.ts";
import type { Statement } from "../../plan/form.ts";
import type { Read } from "./indices.ts";
import { readsOf } from "./varying.ts";

/** The reads of a kernel that are copied. */
export interface Panels {
  /** How many elements each thread of a row has in them. */
  readonly slots: number;
  /** For each of the reads the place among them. */
  readonly of: ReadonlyMap<Read, Linear>;
}

/** A loop, with those around it. */
interface Around {
  readonly counter: Local;
  readonly step: number;
  readonly trips: number;
}

/**
 * Finds the reads that differ along x and are made in loops, at the same places in all rows.
 *
 * @param x the thread that varies.
 * @param fixed locals, besides x and counters, that have one value in a unit and are known where it begins.
 */
export function panelsOf(body: readonly Statement[], x: Local, fixed: readonly Local[]): Panels {
  const of = new Map<Read, Linear>();
  let slots = 0;
  const visit = (statements: readonly Statement[], around: readonly Around[]): void => {
    const counters = around.map(({ counter }) => counter);
    const isKnown = (local: Local) => local === x || fixed.includes(local) || counters.includes(local);
    const reads = around.length === 0
      ? []
      : readsOf(statements).filter(({ at: [{ terms }] }) =>
        terms.some(({ local }) => local === x) && terms.every(({ local }) => isKnown(local))
      );
    if (reads.length > 0) slots += place(reads, around, slots, of);
    for (const statement of statements) {
      if (statement.kind !== "loop" || statement.end <= 0) continue;
      const { counter, step, end } = statement;
      visit(statement.body, [...around, { counter, step, trips: Math.ceil(end / step) }]);
    }
  };
  visit(body, []);
  return { slots, of };
}

/** Places reads one behind the other for each time that their loop runs. Returns how many places that makes. */
function place(reads: readonly Read[], around: readonly Around[], from: number, of: Map<Read, Linear>): number {
  const step = around.at(-1)!.step;
  // As many as a multiple of the step, so that each counter moves by a whole number of places.
  let size = Math.ceil(reads.length / step) * step;
  const terms: { local: Local; coefficient: number }[] = [];
  for (const { counter, step, trips } of around.toReversed()) {
    if (size % step !== 0) return 0;
    terms.push({ local: counter, coefficient: size / step });
    size *= trips;
  }
  reads.forEach((read, i) => of.set(read, { base: from + i, terms }));
  return size;
}
