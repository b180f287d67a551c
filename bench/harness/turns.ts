/** Times contestants in turns, after all have computed the same. */
import { caseSeed, type Row, type Shared } from "./row.ts";
import type { Contestant } from "./contestant.ts";
import { type Computed, disagreement } from "./agreement.ts";
import type { Ready, Refusal } from "./protocol.ts";
import { median, summarise, type Summary } from "./statistics.ts";

/** How long and how often is measured. */
export interface Effort {
  /** Turns that each contestant gets. */
  readonly rounds: number;
  /** Milliseconds of a turn; at least one call fits. */
  readonly turn: number;
  /** Milliseconds after which a contestant has no more turns in a row. */
  readonly most: number;
  /** Milliseconds of calls before the first turn, in which compilers learn. */
  readonly warmUp: number;
}

/** How one contestant did in a row. */
export type Outcome =
  & { readonly label: string }
  & (Refusal | Summary & { readonly cpu: number | null; readonly first: number });

export interface Measured {
  readonly outcomes: readonly Outcome[];
  /** How results differ; nothing is timed then. */
  readonly mismatches: readonly string[];
}

interface Taking {
  readonly contestant: Contestant;
  readonly first: number;
  readonly samples: number[];
  readonly cpu: number[];
  spent: number;
  refusal: string | null;
}

/** Measures one row: every contestant prepares it, results are compared, then all are timed in turns. */
export async function measureRow(
  row: Row,
  contestants: readonly Contestant[],
  shared: Shared,
  effort: Effort,
): Promise<Measured> {
  const refused = new Map<string, string>();
  const taking: Taking[] = [];
  const mismatches: string[] = [];
  let reference: Computed | null = null;
  const { tolerance = 1e-3, valueTolerance = tolerance, mayDiffer = 0 } = row.subject;
  const order = await shared.orderFor(row, caseSeed(row));
  for (const contestant of contestants) {
    const { label, kind } = contestant;
    const answer: Ready | Refusal = await contestant.prepare({ ...order, prefix: "result-" });
    if ("cannot" in answer) {
      refused.set(label, answer.cannot);
      continue;
    }
    const results = await shared.results(answer.results);
    taking.push({ contestant, first: answer.first, samples: [], cpu: [], spent: 0, refusal: null });
    // A limit computes nothing.
    if (kind === "limit") continue;
    const computed = { label, results };
    const difference = reference === null
      ? null
      : disagreement(computed, reference, { tolerance, valueTolerance, mayDiffer });
    if (difference !== null) mismatches.push(difference);
    reference ??= computed;
  }
  if (mismatches.length === 0) await takeTurns(taking, effort);
  await Promise.all(taking.map(({ contestant }) => contestant.release()));
  for (const { contestant, refusal } of taking) if (refusal !== null) refused.set(contestant.label, refusal);
  const timed = new Map(taking.filter(({ samples }) => samples.length > 0).map((one) => [one.contestant.label, one]));
  const outcomes = contestants.flatMap(({ label }): Outcome[] => {
    const cannot = refused.get(label), one = timed.get(label);
    if (cannot !== undefined) return [{ label, cannot }];
    if (!one) return [];
    const cpu = one.cpu.length === 0 ? null : median(one.cpu);
    return [{ label, ...summarise(one.samples), cpu, first: one.first }];
  });
  return { outcomes, mismatches };
}

/** Each contestant runs for a moment, then the next; the order turns round, so that nobody always follows the same one. */
async function takeTurns(taking: readonly Taking[], { rounds, turn, most, warmUp }: Effort): Promise<void> {
  // The first call, which compiles, says little of those after it; but what takes seconds needs no warm-up.
  for (const one of taking) if (one.first < 20 * warmUp) await warm(one, warmUp);
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? taking : [...taking].reverse();
    for (const one of order) {
      if (one.refusal !== null || one.spent > most) continue;
      const known = one.samples.length > 0 ? median(one.samples) : turn;
      const start = performance.now();
      const times = await one.contestant.run(Math.max(1, Math.min(20, Math.round(turn / known))));
      one.spent += performance.now() - start;
      if ("cannot" in times) one.refusal = times.cannot;
      else {
        one.samples.push(...times.samples);
        if (times.cpu !== null) one.cpu.push(times.cpu);
      }
    }
  }
}

/** Runs until a moment has passed, and no longer than it takes. */
async function warm(one: Taking, milliseconds: number): Promise<void> {
  const start = performance.now();
  for (
    let times = 1;
    performance.now() - start < milliseconds && one.refusal === null;
    times = Math.min(2 * times, 64)
  ) {
    const answer = await one.contestant.run(times);
    if ("cannot" in answer) one.refusal = answer.cannot;
  }
}
