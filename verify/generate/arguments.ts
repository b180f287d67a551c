/** Checks of the arguments of arbitraries. */
import type { Kind, Signature } from "../../core/options.ts";

/** Throws if an argument is not of its kind. */
export function requireKind<T>(call: Signature, name: string, expected: Kind<T>, value: unknown): void {
  if (!expected.accepts(value)) throw call.wrong(name, expected.expected, value);
}

/** Throws if a minimum exceeds its maximum, which leaves nothing in between. */
export function requireOrder(call: Signature, bounds: Readonly<Record<string, number>>): void {
  const [[least, low], [most, high]] = Object.entries(bounds);
  if (low > high) throw call.error(`expected ${least} <= ${most}, got ${low} and ${high}`);
}
