/**
 * Blocks of runs, the unit that shards share out. The inputs of a block depend on the run's seed and the block's number
 * alone, so that any machine can run it, and the reports of all shards merge into the report of a single run.
 */
import { totalOf, VERDICTS } from "./report/advice.ts";
import type { BlockReport, CheckReport, GradcheckReport, RunReport, Verdict } from "./report/report.ts";

/**
 * Runs per block: few, so that shards get equal parts, but more than one, because arbitraries draw small values in the
 * first runs.
 */
const RUNS = 10;

/** A block of runs of one check. */
export interface Block {
  readonly index: number;
  readonly runs: number;
}

/** Which share of the blocks to run: shard `index`, counted from 1, of `count`. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** The seed of a block's inputs, from that of the run: FNV-1a, as a signed 32-bit number. */
export function seedOf(seed: number, block: number): number {
  let hash = 0x811c9dc5;
  for (const character of `${seed}:${block}`) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193);
  return hash | 0;
}

/** The blocks of a number of runs. */
export function blocksOf(runs: number): Block[] {
  return Array.from(
    { length: Math.ceil(runs / RUNS) },
    (_, index) => ({ index, runs: Math.min(RUNS, runs - index * RUNS) }),
  );
}

/** The blocks of all checks, or only a shard's, by the names of the checks. */
export function shareOut(
  checks: readonly { readonly name: string; readonly runs: number }[],
  shard: Shard | null,
): Map<string, Block[]> {
  const shared = new Map<string, Block[]>();
  let number = 0;
  for (const { name, runs } of checks) {
    // Blocks are dealt out in turn, so that neighbours, which cost the same, go to different shards.
    const mine = blocksOf(runs).filter(() => number++ % (shard?.count ?? 1) === (shard?.index ?? 1) - 1);
    if (mine.length > 0) shared.set(name, mine);
  }
  return shared;
}

/** The totals of several runs. */
export interface Sums {
  readonly runs: number;
  readonly counts: Readonly<Record<Verdict, number>>;
  /** How many of the runs decided nothing. */
  readonly undecided: number;
  /** How many elements they left without a verdict. */
  readonly open: number;
}

/** No runs. */
export const NOTHING: Sums = {
  runs: 0,
  counts: { ok: 0, wrong: 0, kink: 0, noise: 0, untested: 0 },
  undecided: 0,
  open: 0,
};

/** The sums over one run. In fast mode directions stand for the elements. */
export function sumsOf({ verdict, mode, counts }: GradcheckReport): Sums {
  const open = verdict === "undecided" ? totalOf(counts) : counts.noise + (mode === "full" ? counts.untested : 0);
  return { runs: 1, counts, undecided: verdict === "undecided" ? 1 : 0, open };
}

/** Adds up sums. */
export function addSums(all: readonly Sums[]): Sums {
  const total = (of: (sums: Sums) => number) => all.reduce((sum, sums) => sum + of(sums), 0);
  return {
    runs: total(({ runs }) => runs),
    counts: Object.fromEntries(
      [...VERDICTS].reverse().map((v) => [v, total(({ counts }) => counts[v])]),
    ) as Record<Verdict, number>,
    undecided: total(({ undecided }) => undecided),
    open: total(({ open }) => open),
  };
}

/** The verdict on runs none of which is wrong: undecided where most of them were, or most of their elements. */
export function verdictOf({ runs, counts, undecided, open }: Sums): "ok" | "undecided" {
  return runs > 0 && 2 * undecided <= runs && 2 * open <= totalOf(counts) ? "ok" : "undecided";
}

/** The sums of a block that has been reported; reports of earlier versions count elements alone. */
function sumsOfBlock({ runs, counts, verdict, undecided, open }: BlockReport): Sums {
  return {
    runs,
    counts,
    undecided: undecided ?? (verdict === "undecided" ? runs : 0),
    open: open ?? (verdict === "undecided" ? totalOf(counts) : 0),
  };
}

/** Whether a check ends with this block: a wrong gradient or an error needs no more runs. */
function isLast({ verdict, error }: CheckReport): boolean {
  return verdict === "wrong" || error !== null;
}

/** The block whose report represents the check: the first of the worst, or the last if all are right. */
function shownOf(blocks: readonly BlockReport[]): BlockReport {
  const first = (["wrong", "undecided"] as const).find((verdict) => blocks.some((block) => block.verdict === verdict));
  return blocks.find((block) => block.verdict === first) ?? blocks[blocks.length - 1];
}

/**
 * Runs the blocks of one check in order until one settles it, and combines their reports. `run` can ask for the report
 * of the check so far, given that of its unfinished block.
 */
export async function runBlocks(
  name: string,
  blocks: readonly Block[],
  run: (block: Block, soFar: (unfinished: CheckReport) => CheckReport) => Promise<CheckReport>,
): Promise<CheckReport> {
  const started = performance.now();
  const done: { block: BlockReport; report: CheckReport }[] = [];
  const place = ({ index }: Block, report: CheckReport) => {
    const { verdict, runs, counts, undecided, open } = report;
    return { block: { index, verdict, runs, counts, undecided, open }, report };
  };
  const combined = (all: typeof done) => {
    const reports = all.map(({ block }) => block);
    const last = all[all.length - 1].report;
    const shown = shownOf(reports);
    const owner = last.error === null ? all.find(({ block }) => block === shown)!.report : last;
    return { ...combine(name, reports, owner), milliseconds: performance.now() - started };
  };
  for (const block of blocks) {
    const report = await run(block, (unfinished) => combined([...done, place(block, unfinished)]));
    done.push(place(block, report));
    if (isLast(report)) break;
  }
  return combined(done);
}

function combine(name: string, blocks: readonly BlockReport[], { report, replay, error }: CheckReport): CheckReport {
  const sums = addSums(blocks.map(sumsOfBlock));
  const wrong = blocks.some(({ verdict }) => verdict === "wrong");
  const verdict = wrong ? "wrong" : error === null ? verdictOf(sums) : "undecided";
  return { name, verdict, ...sums, report, replay, error, blocks };
}

/** Merges the reports of all shards of a run into the report that a single run would have produced. */
export function mergeRuns(shards: readonly RunReport[]): RunReport {
  if (shards.length === 0) throw new Error("merge: expected reports, got none");
  const [one] = shards;
  const count = one.shard?.count ?? 1;
  const found = new Set<number>();
  for (const run of shards) {
    requireSame(one, run);
    const index = run.shard?.index ?? 1;
    if (found.has(index)) throw new Error(`merge: shard ${index} of ${count} is given twice`);
    found.add(index);
  }
  for (let index = 1; index <= count; index++) {
    if (!found.has(index)) throw new Error(`merge: shard ${index} of ${count} is missing`);
  }
  const parts = new Map<string, CheckReport[]>();
  for (const { checks } of shards) {
    for (const check of checks) parts.set(check.name, [...(parts.get(check.name) ?? []), check]);
  }
  const names = [...parts.keys()].sort((a, b) => (a < b ? -1 : 1));
  return { ...one, shard: null, checks: names.map((name) => mergeChecks(name, parts.get(name)!)) };
}

/** Throws if two reports are not of shards of one run. */
function requireSame(one: RunReport, other: RunReport): void {
  const differ = (a: string, b: string) => new Error(`merge: expected shards of one run, got ${a} and ${b}`);
  const count = ({ shard }: RunReport) => shard?.count ?? 1;
  if (count(one) !== count(other)) throw differ(`one of ${count(one)}`, `one of ${count(other)}`);
  if (one.seed !== other.seed) throw differ(`the seeds ${one.seed}`, String(other.seed));
  // The folders may differ from machine to machine.
  const file = (run: RunReport) => run.file.split(/[\\/]/).at(-1);
  if (file(one) !== file(other)) throw differ(`checks of ${one.file}`, `of ${other.file}`);
  const [first, second] = [one.options?.checks ?? {}, other.options?.checks ?? {}];
  for (const name of new Set([...Object.keys(first), ...Object.keys(second)])) {
    requireSameOptions(name, first[name], second[name]);
  }
}

/** Throws if a check was asked for with other options. */
function requireSameOptions(
  check: string,
  one: Readonly<Record<string, unknown>> | undefined,
  other: Readonly<Record<string, unknown>> | undefined,
): void {
  const text = (options: typeof one, key: string) => {
    const value = options?.[key];
    return value === undefined ? `without ${key}` : `with ${key} ${JSON.stringify(value)}`;
  };
  if (!one || !other) throw new Error(`merge: expected shards of one run, but ${check} is not checked by all of them`);
  for (const key of new Set([...Object.keys(one), ...Object.keys(other)])) {
    if (JSON.stringify(one[key]) === JSON.stringify(other[key])) continue;
    throw new Error(
      `merge: expected shards of one run, got ${check} once ${text(one, key)} and once ${text(other, key)}`,
    );
  }
}

function mergeChecks(name: string, parts: readonly CheckReport[]): CheckReport {
  if (parts.length === 1) return parts[0];
  const owners = new Map<BlockReport, CheckReport>();
  for (const part of parts) {
    if (!part.blocks) throw new Error(`merge: the report of ${name} does not list its blocks of runs`);
    for (const block of part.blocks) owners.set(block, part);
  }
  const all = [...owners.keys()].sort((a, b) => a.index - b.index);
  // A single run would have ended with the first block that settles the check; later blocks of other shards do not
  // count.
  const end = all.findIndex((block) => {
    const part = owners.get(block)!;
    return block.verdict === "wrong" || (part.error !== null && block === part.blocks!.at(-1));
  });
  const blocks = end < 0 ? all : all.slice(0, end + 1);
  const last = owners.get(blocks[blocks.length - 1])!;
  const owner = end >= 0 && last.error !== null ? last : owners.get(shownOf(blocks))!;
  const milliseconds = parts.reduce((sum, part) => sum + (part.milliseconds ?? 0), 0);
  return { ...combine(name, blocks, owner), milliseconds };
}
