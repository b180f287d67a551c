/**
 * Groups of kernels that run part by part: all of them for some columns, then all for the next ones, so that what one of them reads or writes
 * is in the cache for those after it.
 */
import type { Linear, Local } from "../../expression.ts";
import type { LoopForm, Statement } from "../../plan/form.ts";
import { sourceName } from "../../plan/lifetimes.ts";
import { type LoopStep, type Plan, sizeOfSource, type Source, type Step } from "../../plan/plan.ts";
import { sizeOf } from "../../shape.ts";
import { BYTES, type Read } from "./indices.ts";
import { chooseJam } from "./jam.ts";
import { batchOf, type Columns } from "./own.ts";
import { stripsOf } from "./strips.ts";
import { readsOf, readsOfExpression } from "./varying.ts";

/** Steps that follow one another and run part by part. */
export interface Group {
  readonly first: number;
  readonly count: number;
  /** What a unit of each of them takes, and which arrays are the thread's own. */
  readonly columns: readonly Columns[];
}

/** The columns that kernels share: arrays are read as `[batch, rows, nx]`, each with rows of its own. */
interface Shape {
  readonly nx: number;
  readonly batch: number;
}

/** What a part touches stays in the second cache, which has at least so many bytes. */
const CACHE = 2 ** 18;
/** Fewer columns than this would read too little of a row at a time. */
const FEWEST = 128;
/** Parts are whole lines of the cache, and whole blocks of threads, of any kernel. */
const BLOCK = 64;
const WIDEST_BLOCK = 16;
/** Parts get narrower where there would be fewer for threads to share. */
const ENOUGH = 16;
/** Arrays are in the cache anyway unless they have so many bytes. */
const LARGE = 2 ** 20;

/** A kernel as rows of columns. */
interface Member {
  readonly step: Step;
  readonly form: LoopForm;
  /** The threads that count those of the batch. */
  readonly batch: readonly Local[];
}

/** The ways in which a kernel may be seen as columns. */
function shapesOf({ extent: [nx = 1, ny = 1, nz = 1] }: LoopForm): Shape[] {
  return [...new Set([ny * nz, nz])].map((batch) => ({ nx, batch }));
}

/** A step as a member of a group; `null` if its threads are laid out in another way. */
function memberOf(step: Step, { nx, batch }: Shape): Member | null {
  const { form } = step;
  if (!form || form.extent[0] !== nx) return null;
  // Tiles copy what their rows share, which other units do.
  if (chooseJam(form)) return null;
  const threads = batchOf(form, batch);
  return threads && { step, form, batch: threads };
}

/** The reads of a kernel, and the largest values of its threads and counters. */
class Reads {
  readonly all: Read[] = [];
  readonly most = new Map<Local, number>();

  constructor({ threads, extent, body, result }: LoopForm) {
    threads.forEach((thread, axis) => this.most.set(thread, extent[axis] - 1));
    this.#block(body);
    this.all.push(...readsOfExpression(result));
  }

  #block(body: readonly Statement[]): void {
    this.all.push(...readsOf(body));
    for (const part of body) {
      if (part.kind === "loop") this.most.set(part.counter, (Math.ceil(part.end / part.step) - 1) * part.step);
      if (part.kind === "loop" || part.kind === "branch") this.#block(part.body);
      if (part.kind === "branch") this.all.push(...part.conditions.flatMap(readsOfExpression));
    }
  }
}

/** Whether a thread reads elements of its own column and batch alone, of an array of so many rows. */
function isOwn({ base, terms }: Linear, { form: { threads: [x] }, batch }: Member, { nx, rows, most }: {
  readonly nx: number;
  readonly rows: number;
  readonly most: ReadonlyMap<Local, number>;
}): boolean {
  let [low, high, hasX, counted] = [base, base, false, 0];
  if (base % nx !== 0) return false;
  const threads = batch.filter((thread) => most.get(thread)! > 0);
  for (const { local, coefficient } of terms) {
    if (local === x) {
      if (coefficient !== 1) return false;
      hasX = true;
    } else if (batch.includes(local)) {
      if (coefficient !== rows * nx * (local === batch[1] ? most.get(batch[0])! + 1 : 1)) return false;
      counted += threads.includes(local) ? 1 : 0;
    } else {
      const end = most.get(local);
      if (end === undefined || coefficient % nx !== 0) return false;
      low += Math.min(0, coefficient * end);
      high += Math.max(0, coefficient * end);
    }
  }
  return hasX && counted === threads.length && low >= 0 && high <= (rows - 1) * nx;
}

/** Whether what a member reads of those before it is of its own columns. */
function follows(member: Member, before: ReadonlySet<number>, plan: Plan, { nx, batch }: Shape): boolean {
  const { step: { args }, form } = member;
  const { all, most } = new Reads(form);
  return all.every(({ argument, at: [at] }) => {
    const source = args[argument];
    if (source.from !== "step" || !before.has(source.index)) return true;
    return isOwn(at, member, { nx, rows: sizeOf(plan.steps[source.index].shape) / (batch * nx), most });
  });
}

/** The longest run of steps from one on that share columns. */
function run(plan: Plan, first: number, end: number, columns: Shape): Member[] {
  const members: Member[] = [];
  const before = new Set<number>();
  for (let i = first; i < end; i++) {
    const member = memberOf(plan.steps[i], columns);
    if (!member || !follows(member, before, plan, columns)) break;
    members.push(member);
    before.add(i);
  }
  return members;
}

/** The arrays that a step reads and writes, and their bytes. */
function touched(plan: Plan, index: number): Map<string, number> {
  const sources: Source[] = [...plan.steps[index].args, { from: "step", index }];
  return new Map(sources.map((source) => [sourceName(source), BYTES * sizeOfSource(plan, source)]));
}

/** The group of some steps without those at its ends that share nothing large; `null` if nobody does. */
function worthwhile(plan: Plan, first: number, members: readonly Member[], shape: Shape): Group | null {
  const arrays = members.map((_, k) => touched(plan, first + k));
  const users = new Map<string, number>();
  for (const own of arrays) for (const [name] of own) users.set(name, (users.get(name) ?? 0) + 1);
  const shares = arrays.map((own) => [...own].some(([name, bytes]) => bytes >= LARGE && users.get(name)! > 1));
  const [from, to] = [shares.indexOf(true), shares.lastIndexOf(true)];
  if (from < 0) return null;
  const kept = members.slice(from, to + 1);
  const width = widthOf(new Map(arrays.slice(from, to + 1).flatMap((own) => [...own])), kept, shape);
  if (width < FEWEST) return null;
  return {
    first: first + from,
    count: kept.length,
    columns: columnsFor(plan, first + from, kept, { ...shape, width }),
  };
}

/** How many columns a part has: fewer than {@link FEWEST} if too few fit. */
function widthOf(arrays: ReadonlyMap<string, number>, members: readonly Member[], { nx, batch }: Shape): number {
  const columns = batch * nx;
  const bytes = [...arrays.values()].reduce((sum, own) => sum + (own >= BYTES * columns ? own / columns : 0), 0);
  const widest = Math.min(...members.map(({ form }) => stripsOf(form)?.threads ?? Infinity));
  const most = Math.min(CACHE / bytes, widest, Math.max(FEWEST, Math.ceil(columns / ENOUGH)), nx + BLOCK - 1);
  let width = Math.floor(most / BLOCK) * BLOCK;
  // The last part has a whole block, too.
  while (width >= FEWEST && nx % width > 0 && nx % width < WIDEST_BLOCK) width -= WIDEST_BLOCK;
  return width;
}

/** What units take. Arrays that nobody else reads have a part of a thread's own memory in place of an array. */
function columnsFor(
  plan: Plan,
  first: number,
  members: readonly Member[],
  { nx, batch, width }: Shape & { readonly width: number },
): Columns[] {
  const isInside = (index: number) => index >= first && index < first + members.length;
  const { steps, loops = [], results } = plan;
  const readers = [
    ...results,
    ...steps.flatMap(({ args }, index) => isInside(index) ? [] : args),
    ...loops.flatMap(({ args }) => args.map(({ source }) => source)),
  ];
  const outside = new Set(readers.map(sourceName));
  const places = new Map<number, number>();
  let own = 0;
  members.forEach(({ step }, k) => {
    const index = first + k;
    if (outside.has(sourceName({ from: "step", index }))) return;
    places.set(index, own);
    own += sizeOf(step.shape) / (batch * nx) * width;
  });
  return members.map(({ step }, k) => ({
    width,
    batch,
    own,
    out: places.get(first + k) ?? null,
    args: step.args.map((source) => source.from === "step" ? places.get(source.index) ?? null : null),
  }));
}

/** What units of the kernel of a step take, if it is in a group. */
export function columnsOf(groups: readonly Group[], index: number): Columns | undefined {
  const group = groups.find(({ first, count }) => index >= first && index < first + count);
  return group?.columns[index - group.first];
}

/** The groups of plans, which are asked for again for the text of each step. */
const known = new WeakMap<Plan, readonly Group[]>();

/** The groups of a plan, in order. */
export function groupsOf(plan: Plan): readonly Group[] {
  let groups = known.get(plan);
  if (!groups) known.set(plan, groups = findGroups(plan));
  return groups;
}

function findGroups(plan: Plan): Group[] {
  const groups: Group[] = [];
  const { steps, loops = [] } = plan;
  if (!steps.some((_, index) => [...touched(plan, index).values()].some((bytes) => bytes >= LARGE))) return groups;
  for (let i = 0; i < steps.length;) {
    const end = Math.min(steps.length, ...loops.map(({ before }: LoopStep) => before).filter((before) => before > i));
    const { form } = steps[i];
    const found = (form ? shapesOf(form) : []).map((columns) => ({ columns, members: run(plan, i, end, columns) }));
    const [longest] = found.sort((a, b) => b.members.length - a.members.length);
    const count = longest?.members.length ?? 0;
    const group = count > 1 ? worthwhile(plan, i, longest.members, longest.columns) : null;
    if (group) groups.push(group);
    i = group ? group.first + group.count : i + Math.max(1, count);
  }
  return groups;
}
