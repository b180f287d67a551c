/** Every op and composite that can be tested: what the modules of ops/ export with a domain. */
import { accuracyOf, type Entry, type Op } from "../../core/op.ts";
import { record } from "../../core/record.ts";
import * as arithmetic from "../../ops/arithmetic.ts";
import * as circular from "../../ops/circular.ts";
import * as cast from "../../ops/cast.ts";
import * as comparison from "../../ops/comparison.ts";
import * as activations from "../../ops/activations.ts";
import * as linear_algebra from "../../ops/linear_algebra.ts";
import * as losses from "../../ops/losses.ts";
import * as convolution from "../../ops/convolution.ts";
import * as creation from "../../ops/creation.ts";
import * as diagonals from "../../ops/diagonals.ts";
import * as einsum from "../../ops/einsum.ts";
import * as finite from "../../ops/finite.ts";
import * as functions from "../../ops/functions.ts";
import * as gamma from "../../ops/gamma.ts";
import * as grad from "../../ops/grad.ts";
import * as hyperbolic from "../../ops/hyperbolic.ts";
import * as indexing from "../../ops/indexing.ts";
import * as movement from "../../ops/movement.ts";
import * as ordering from "../../ops/ordering.ts";
import * as grids from "../../ops/grids.ts";
import * as norms from "../../ops/norms.ts";
import * as roots from "../../ops/roots.ts";
import * as statistics from "../../ops/statistics.ts";
import * as tiling from "../../ops/tiling.ts";
import * as reduce from "../../ops/reduce.ts";
import * as scans from "../../ops/scans.ts";
import * as selection from "../../ops/selection.ts";

/** The modules of ops/ that export ops. */
export const modules: Readonly<Record<string, object>> = {
  arithmetic,
  functions,
  circular,
  hyperbolic,
  roots,
  comparison,
  selection,
  cast,
  reduce,
  movement,
  indexing,
  ordering,
  activations,
  losses,
  einsum,
  finite,
  gamma,
  grids,
  norms,
  convolution,
  scans,
  statistics,
  tiling,
  linear_algebra,
  diagonals,
  creation,
  grad,
};

/** A function with a record. */
export interface Recorded {
  readonly op?: Op;
  readonly composite?: Entry;
}

/** The record of an exported value, `null` if it has none. */
export function recordOf(value: unknown): Recorded | null {
  return typeof value === "function" && ("op" in value || "composite" in value) ? value as Recorded : null;
}

/** Returns the part of an exported value that the suite tests; `null` if it is neither an op with a domain nor a composite. */
export function entryOf(value: unknown): Entry | null {
  const { op, composite } = recordOf(value) ?? {};
  if (composite) return composite;
  if (!op?.domain) return null;
  const { name, vjp, domain, parameters, reference } = op;
  return {
    name,
    apply: (inputs, attributes) => record(op, inputs, attributes),
    differentiable: vjp !== null && vjp.some((rule) => rule !== null),
    domain,
    accuracy: accuracyOf(op),
    parameters,
    reference,
  };
}

const entries = new Map<string, Entry>();
for (const [module, exported] of Object.entries(modules)) {
  for (const value of Object.values(exported)) {
    const entry = entryOf(value);
    if (!entry) continue;
    if (entries.has(entry.name)) throw new Error(`ops/${module}.ts: there are two ops named "${entry.name}"`);
    entries.set(entry.name, entry);
  }
}

/** Every op and composite, by name. */
export function registry(): ReadonlyMap<string, Entry> {
  return entries;
}
