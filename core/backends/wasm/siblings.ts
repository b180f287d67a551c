/** Siblings: reductions over the same elements, which one kernel computes together. */
import type { Statement } from "../../plan/form.ts";
import { sourceName } from "../../plan/lifetimes.ts";
import type { Plan, Source, Step } from "../../plan/plan.ts";
import { columnsOf, type Group, groupsOf } from "./groups.ts";
import { chooseJam } from "./jam.ts";
import { joined, type Joint } from "./joint.ts";
import { weightOfBody } from "./varying.ts";

/** Steps that one kernel computes, where the first of them is. */
export interface Siblings {
  readonly steps: readonly number[];
  readonly form: Joint;
  /** What the kernel reads. */
  readonly args: readonly Source[];
  readonly iterations: number;
}

/** The accumulators of more steps would not fit into registers. */
const MOST = 4;
/** Steps that are looked at. */
const NEAR = 32;
/** The loops of all have at most this part of the instructions that they have apart. */
const WORTH = 0.85;

/** Whether all that a step reads is there before another step. */
function isReady({ args }: Step, before: number, { loops = [] }: Plan): boolean {
  return args.every((source) => {
    if (source.from === "step") return source.index < before;
    return source.from !== "loop" || loops[source.index].before <= before;
  });
}

/** About how many instructions the loops of a kernel take in one turn. */
function weightOfLoops(body: readonly Statement[]): number {
  return weightOfBody(body.filter(({ kind }) => kind === "loop"));
}

/** The kernel of some steps; `null` if it is not worth it. */
function together(plan: Plan, steps: readonly number[]): Siblings | null {
  const all = steps.map((index) => plan.steps[index]);
  const args = [...new Map(all.flatMap((step) => step.args).map((source) => [sourceName(source), source])).values()];
  const isShared = args.length < all.reduce((sum, step) => sum + step.args.length, 0);
  if (!isShared) return null;
  const numbers = new Map(args.map((source, i) => [sourceName(source), i]));
  const parts = all.map((step) => ({
    form: step.form!,
    args: step.args.map((source) => numbers.get(sourceName(source))!),
  }));
  const form = joined(parts);
  if (!form) return null;
  const apart = parts.reduce((sum, part) => sum + weightOfLoops(part.form.body), 0);
  if (weightOfLoops(form.body) > WORTH * apart) return null;
  return { steps, form, args, iterations: Math.max(...all.map(({ kernel }) => kernel.iterations)) };
}

/** The siblings of plans, which are asked for again for the text of each step. */
const known = new WeakMap<Plan, readonly Siblings[]>();

/** The siblings of a plan. No kernel of a group has any: it finds in the cache what others read. */
export function siblingsOf(plan: Plan): readonly Siblings[] {
  let siblings = known.get(plan);
  if (!siblings) known.set(plan, siblings = findSiblings(plan, groupsOf(plan)));
  return siblings;
}

/** What computes a step together with others, if anything does. */
export function siblingsWith(plan: Plan, index: number): Siblings | undefined {
  return siblingsOf(plan).find(({ steps }) => steps.includes(index));
}

function findSiblings(plan: Plan, groups: readonly Group[]): Siblings[] {
  const found: Siblings[] = [];
  const taken = new Set<number>();
  const candidates = plan.steps.flatMap(({ form, kernel }, index) =>
    form && kernel.iterations > 0 && weightOfLoops(form.body) > 0 && !columnsOf(groups, index) && !chooseJam(form)
      ? [index]
      : []
  );
  for (const [i, first] of candidates.entries()) {
    if (taken.has(first)) continue;
    const near = candidates.slice(i + 1, i + 1 + NEAR);
    const others = near.filter((index) => !taken.has(index) && isReady(plan.steps[index], first, plan));
    const siblings = most(plan, [first], others);
    if (!siblings) continue;
    found.push(siblings);
    for (const index of siblings.steps) taken.add(index);
  }
  return found;
}

/** The most steps that a step and some others can be computed with; `null` if there are none. */
function most(plan: Plan, steps: readonly number[], others: readonly number[]): Siblings | null {
  if (steps.length === MOST) return null;
  for (const index of others) {
    const siblings = together(plan, [...steps, index]);
    // One that shares nothing with the first may share something with this one.
    if (siblings) return most(plan, siblings.steps, others.filter((other) => other !== index)) ?? siblings;
  }
  return null;
}
