/** Plans every case with the version of gpugrad in a folder; run by `replay.ts` through `dump_process.ts`. */
import picomatch from "picomatch";
import type { Tensor } from "../../mod.ts";
import { casesFor } from "./cases.ts";
import { textsOf, type Tree } from "./tree.ts";

/** The texts of a plan by label, or the reason under `error` why there is none. */
export type Texts = Readonly<Record<string, string>>;

/** All texts: by case, then by target. */
export type Dump = Readonly<Record<string, Readonly<Record<string, Texts>>>>;

/** Selects the cases and targets of a dump. */
export interface Filter {
  /** A glob over case names, or a part of a name. */
  readonly only?: string;
  readonly targets: readonly string[];
}

/** Plans the selected cases. */
export function dump(tree: Tree, { only, targets }: Filter): Dump {
  const matches = only === undefined ? () => true : matcher(only);
  const all: Record<string, Record<string, Texts>> = {};
  for (const { name, record } of casesFor(tree)) {
    if (!matches(name)) continue;
    all[name] = {};
    const recorded = attempt(record);
    for (const target of targets) {
      all[name][target] = "error" in recorded ? recorded : textsFor(tree, recorded.value, target);
    }
  }
  return all;
}

function textsFor(tree: Tree, outputs: readonly Tensor[], target: string): Texts {
  const texts = attempt(() => textsOf(tree.plan(outputs, target)));
  return "error" in texts ? texts : texts.value;
}

function attempt<T>(run: () => T): { value: T } | { error: string } {
  try {
    return { value: run() };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

function matcher(only: string): (name: string) => boolean {
  return /[*?[{]/.test(only) ? picomatch(only) : (name) => name.includes(only);
}
