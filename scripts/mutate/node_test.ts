/** `node:test` in a bundle of tests that one process runs again and again: declared tests are collected, not run. */

type Body = () => unknown;

/** A test that a bundle declares. */
export interface Declared {
  readonly name: string;
  readonly body: Body;
}

/** The key under which a bundle leaves its tests for the runner. */
export const DECLARED = Symbol.for("gpugrad.mutate.declared");

/** Declares a test. */
export function test(name: string, ...rest: [Body] | [{ skip?: string | false }, Body]): void {
  const body = rest.at(-1) as Body;
  const { skip = false } = rest.length === 2 ? rest[0] : {};
  if (skip === false) (globalThis as unknown as Record<symbol, Declared[]>)[DECLARED].push({ name, body });
}
