/**
 * Blocks of runs, the unit that shards share out. Each block of a check has its own seed, so that any machine can run
 * it, and the reports of all shards merge into the report of a single run.
 */
import { VERDICTS } from "./report/advice.ts";
import type { BlockReport, CheckReport, RunReport, Verdict } from "./report/report.ts";

/**
 * Runs per block: few, so that shards get equal parts, but more than one, because arbitraries draw small values in the
 * first runs.
 */
const RUNS = 10;

/** A block of runs of one check. */
export interface Block {
  readonly name: string;
  readonly index: number;
  readonly seed: number;
  readonly runs: number;
}

/** Which share of the blocks to run: shard `index`, counted from 1, of `count`. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** Derives a seed from another seed, a name and an index: FNV-1a, as a signed 32-bit number. */
function seedFor(seed: number, name: string, index: number): number {
  let hash = 0x811c9dc5;
  for (const character of `${seed}:${name}:${index}`) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193);
  return hash | 0;
}

/** The blocks of all checks, or only a shard's, by the names of the checks. */
export function shareOut(
  checks: readonly { readonly name: string; readonly runs: number }[],
  seed: number,
  shard: Shard | null,
): Map<string, Block[]> {
  const shared = new Map<string, Block[]>();
  let number = 0;
  for (const { name, runs } of checks) {
    const blocks: Block[] = [];
    for (let index = 0; index * RUNS < runs; index++) {
      // Blocks are dealt out in turn, so that neighbours, which cost the same, go to different shards.
      const mine = shard === null || number % shard.count === shard.index - 1;
      if (mine) {
        blocks.push({ name, index, seed: seedFor(seed, name, index), runs: Math.min(RUNS, runs - index * RUNS) });
      }
      number++;
    }
    if (blocks.length > 0) shared.set(name, blocks);
  }
  return shared;
}

/** Adds up counts. */
function sumCounts(all: readonly Readonly<Record<Verdict, number>>[]): Record<Verdict, number> {
  return Object.fromEntries(
    [...VERDICTS].reverse().map((v) => [v, all.reduce((sum, counts) => sum + counts[v], 0)]),
  ) as Record<Verdict, number>;
}

/** Whether a check ends with this block: a wrong gradient or an error needs no more runs. */
function isLast({ verdict, error }: CheckReport): boolean {
  return verdict === "wrong" || error !== null;
}

/** The worst of several verdicts. */
function worstOf(verdicts: readonly CheckReport["verdict"][]): CheckReport["verdict"] {
  return (["wrong", "undecided"] as const).find((verdict) => verdicts.includes(verdict)) ?? "ok";
}

/** The block whose report represents the check: the first of the worst, or the last if all are right. */
function shownOf(blocks: readonly BlockReport[]): BlockReport {
  const verdict = worstOf(blocks.map((block) => block.verdict));
  return verdict === "ok" ? blocks[blocks.length - 1] : blocks.find((block) => block.verdict === verdict)!;
}

/** Runs the blocks of one check in order until one settles it, and combines their reports. */
export async function runBlocks(
  blocks: readonly Block[],
  run: (block: Block) => Promise<CheckReport>,
): Promise<CheckReport> {
  const done: { block: BlockReport; report: CheckReport }[] = [];
  for (const block of blocks) {
    const report = await run(block);
    const { verdict, runs, counts } = report;
    done.push({ block: { index: block.index, verdict, runs, counts }, report });
    if (isLast(report)) break;
  }
  const reports = done.map(({ block }) => block);
  const shown = shownOf(reports);
  const last = done[done.length - 1].report;
  return combine(
    blocks[0].name,
    reports,
    last.error === null ? done.find(({ block }) => block === shown)!.report : last,
  );
}

function combine(name: string, blocks: readonly BlockReport[], { report, replay, error }: CheckReport): CheckReport {
  return {
    name,
    verdict: worstOf(blocks.map((block) => block.verdict)),
    runs: blocks.reduce((sum, { runs }) => sum + runs, 0),
    counts: sumCounts(blocks.map((block) => block.counts)),
    report,
    replay,
    error,
    blocks,
  };
}

/** Merges the reports of all shards of a run into the report that a single run would have produced. */
export function mergeRuns(shards: readonly RunReport[]): RunReport {
  if (shards.length === 0) throw new Error("merge: expected reports, got none");
  const [{ file, seed, shard: first }] = shards;
  const count = first?.count ?? 1;
  const found = new Map<number, RunReport>();
  for (const run of shards) {
    const index = run.shard?.index ?? 1;
    if ((run.shard?.count ?? 1) !== count) {
      throw new Error(`merge: expected shards of one run, got one of ${count} and one of ${run.shard?.count ?? 1}`);
    }
    if (run.seed !== seed) throw new Error(`merge: expected shards of one run, got the seeds ${seed} and ${run.seed}`);
    if (found.has(index)) throw new Error(`merge: shard ${index} of ${count} is given twice`);
    found.set(index, run);
  }
  for (let index = 1; index <= count; index++) {
    if (!found.has(index)) throw new Error(`merge: shard ${index} of ${count} is missing`);
  }
  const parts = new Map<string, CheckReport[]>();
  for (const { checks } of shards) {
    for (const check of checks) parts.set(check.name, [...(parts.get(check.name) ?? []), check]);
  }
  const names = [...parts.keys()].sort((a, b) => (a < b ? -1 : 1));
  return { version: 1, file, seed, shard: null, checks: names.map((name) => mergeChecks(name, parts.get(name)!)) };
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
  return combine(name, blocks, end >= 0 && last.error !== null ? last : owners.get(shownOf(blocks))!);
}
