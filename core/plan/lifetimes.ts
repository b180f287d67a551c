/** How long the arrays of a plan are needed. */
import { inOrder, isLoop, type LoopStep, type Plan, type Source, type Step } from "./plan.ts";

/** The different indices of the sources from leaves or from steps. */
export function indicesFrom(from: "leaf" | "step", sources: readonly Source[]): number[] {
  return [...new Set(sources.flatMap((source) => source.from === from ? [source.index] : []))];
}

function readsOf(step: Step | LoopStep): Source[] {
  return isLoop(step) ? step.args.map(({ source }) => source) : [...step.args];
}

/** The leaves that kernels and loops read. */
export function leavesRead(plan: Plan): number[] {
  return indicesFrom("leaf", inOrder(plan).flatMap(readsOf));
}

/**
 * For each step and each loop the arrays that nothing reads after it, and that are no results. An array that nothing reads at all is listed
 * where it is made.
 */
export interface Unread {
  readonly steps: readonly (readonly Source[])[];
  readonly loops: readonly (readonly Source[])[];
}

/** A source as text, for maps. */
export function sourceName(source: Source): string {
  switch (source.from) {
    case "empty":
      return "empty";
    case "loop":
      return `loop ${source.index} ${source.result}`;
    case "leaf":
    case "step":
      return `${source.from} ${source.index}`;
    default:
      return source satisfies never;
  }
}

/** Finds out how long arrays are needed: those of leaves, of steps and of loops. */
export function unread(plan: Plan): Unread {
  const { steps, loops = [], results } = plan;
  const last = new Map<string, { readonly source: Source; readonly at: Source[] }>();
  const after = { steps: steps.map((): Source[] => []), loops: loops.map((): Source[] => []) };
  const note = (source: Source, at: Source[]): void => {
    if (source.from !== "empty") last.set(sourceName(source), { source, at });
  };
  let passed = 0;
  for (const step of inOrder(plan)) {
    const index = isLoop(step) ? loops.indexOf(step) : passed++;
    const at = isLoop(step) ? after.loops[index] : after.steps[index];
    for (const source of readsOf(step)) note(source, at);
    if (isLoop(step)) step.shapes.forEach((_, result) => note({ from: "loop", index, result }, at));
    else note({ from: "step", index }, at);
  }
  for (const source of results) last.delete(sourceName(source));
  for (const { source, at } of last.values()) at.push(source);
  return after;
}

/** For each step the steps that nothing reads after it, and that are no results. */
export function lastReads(plan: Plan): number[][] {
  return unread(plan).steps.map((sources) => indicesFrom("step", sources));
}
