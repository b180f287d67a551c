/** The ops and composites that there are. */
import type { Entry, Op } from "./op.ts";
import { record } from "./record.ts";

const entries = new Map<string, Entry>();

/** Everything that is registered, by name: what the suite goes through. */
export function registry(): ReadonlyMap<string, Entry> {
  return entries;
}

/** Adds a composite to the registry: a function made of ops that has no rule of its own. */
export function register(entry: Entry): void {
  if (entries.has(entry.name)) throw new Error(`register: "${entry.name}" is registered already`);
  entries.set(entry.name, entry);
}

/** Defines an op and registers it. */
export function defineOp(op: Op): Op {
  if (op.domain) {
    register({
      name: op.name,
      apply: (inputs, attributes) => record(op, inputs, attributes),
      differentiable: op.vjp !== null && op.vjp.some((rule) => rule !== null),
      domain: op.domain,
    });
  }
  return op;
}
