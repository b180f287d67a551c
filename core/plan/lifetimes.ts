/** How long the arrays of a plan are needed. */
import type { Plan, Source } from "./plan.ts";

/** The different indices of the sources from leaves or from steps. */
export function indicesFrom(from: "leaf" | "step", sources: readonly Source[]): number[] {
  return [...new Set(sources.flatMap((source) => source.from === from ? [source.index] : []))];
}

/** The leaves that kernels read. */
export function leavesRead({ steps }: Plan): number[] {
  return indicesFrom("leaf", steps.flatMap(({ args }) => args));
}

/** For each step the leaves or steps that nothing reads after it, and that are no results. A step that nothing reads is its own last. */
export function lastReads(from: "leaf" | "step", { steps, results }: Plan): number[][] {
  const last = new Map<number, number>();
  steps.forEach(({ args }, i) => {
    if (from === "step") last.set(i, i);
    for (const index of indicesFrom(from, args)) last.set(index, i);
  });
  for (const index of indicesFrom(from, results)) last.delete(index);
  const after = steps.map((): number[] => []);
  for (const [index, step] of last) after[step].push(index);
  return after;
}
