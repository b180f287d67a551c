/** Compares two dumps kernel by kernel; the same change in many places is reported once. */
import type { Dump, Texts } from "./dump.ts";
import { difference, type Hunk, hunksBetween, shapeOf } from "./hunks.ts";

/** How many kernels of a target are unchanged, changed, new and gone. */
export interface Tally {
  same: number;
  changed: number;
  new: number;
  gone: number;
}

/** The subject of a change: a kernel, a plan (its order, leaves and results), or a case that one side cannot plan. */
export type Subject = "kernel" | "plan" | "case";

/** The place of a change. */
export interface Place {
  readonly name: string;
  readonly target: string;
  /** The kernel's label; empty for plans and cases. */
  readonly label: string;
}

/** A change and all places where it is the same. */
export interface Change {
  readonly kind: "changed" | "new" | "gone";
  readonly subject: Subject;
  /** The difference in the first place. */
  readonly hunks: readonly Hunk[];
  /** A remark: why there is no plan, or that only names changed. */
  readonly note: string;
  readonly places: Place[];
}

/** The differences between two dumps. */
export interface Comparison {
  readonly tallies: ReadonlyMap<string, Tally>;
  /** Most frequent first. */
  readonly changes: readonly Change[];
}

const NAMES_ALONE = "the names of variables alone";

type Found = Omit<Change, "places"> & { readonly label?: string };

/** Compares two dumps. */
export function compare(before: Dump, after: Dump): Comparison {
  const tallies = new Map<string, Tally>();
  const changes = new Map<string, Change>();
  for (const name of keysOf(before, after)) {
    const [old, now] = [before[name] ?? {}, after[name] ?? {}];
    for (const target of keysOf(old, now)) {
      const tally = tallies.get(target) ?? { same: 0, changed: 0, new: 0, gone: 0 };
      tallies.set(target, tally);
      for (const { label = "", ...change } of comparePlans(old[target], now[target], tally)) {
        const { kind, subject, note, hunks } = change;
        // Renumbered names differ in many ways, none of which matters.
        const key = [kind, subject, note, note === NAMES_ALONE ? "" : shapeOf(hunks)].join("\n");
        const known = changes.get(key) ?? { ...change, places: [] };
        known.places.push({ name, target, label });
        changes.set(key, known);
      }
    }
  }
  return { tallies, changes: [...changes.values()].sort((a, b) => b.places.length - a.places.length) };
}

function keysOf(...objects: readonly object[]): string[] {
  return [...new Set(objects.flatMap((object) => Object.keys(object)))];
}

const MISSING: Texts = { error: "there is no such case" };

/** The changes of one plan; counts its kernels. */
function comparePlans(before: Texts = MISSING, after: Texts = MISSING, tally: Tally): Found[] {
  if (before.error !== undefined || after.error !== undefined) return compareFailures(before, after, tally);
  const found: Found[] = [];
  for (const label of keysOf(before, after)) {
    const subject: Subject = label === "plan" ? "plan" : "kernel";
    const change = compareTexts(before[label], after[label]);
    if (subject === "kernel") tally[change?.kind ?? "same"]++;
    if (change) found.push({ subject, label: subject === "plan" ? "" : label, ...change });
  }
  return found;
}

/** Targets share many texts, and so do cases. */
const differences = new Map<string, ReturnType<typeof difference>>();

function differenceOnce(before: string, after: string): ReturnType<typeof difference> {
  const key = `${before}\0${after}`;
  let known = differences.get(key);
  if (!known) differences.set(key, known = difference(before, after));
  return known;
}

function compareTexts(before: string | undefined, after: string | undefined): Omit<Found, "subject"> | null {
  if (before === after) return null;
  if (before === undefined) return { kind: "new", note: "", hunks: hunksBetween("", after!) };
  if (after === undefined) return { kind: "gone", note: "", hunks: hunksBetween(before, "") };
  const { hunks, namesAlone } = differenceOnce(before, after);
  return { kind: "changed", note: namesAlone ? NAMES_ALONE : "", hunks };
}

/** A case without a plan on one side or on both. */
function compareFailures(before: Texts, after: Texts, tally: Tally): Found[] {
  if (before.error === after.error) return [];
  const kernels = (texts: Texts) => Object.keys(texts).length - 1;
  if (before.error === undefined) {
    tally.gone += kernels(before);
    return [{ kind: "gone", subject: "case", note: after.error, hunks: [] }];
  }
  if (after.error === undefined) {
    tally.new += kernels(after);
    return [{ kind: "new", subject: "case", note: `before: ${before.error}`, hunks: [] }];
  }
  return [{ kind: "changed", subject: "case", note: "no plan", hunks: hunksBetween(before.error, after.error) }];
}
