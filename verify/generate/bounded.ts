/** Arbitraries with a limit on filtering: a fast-check filter that rejects everything would draw forever. */
import fc from "fast-check";
import { UsageError } from "../usage.ts";

/**
 * The most random numbers that one generated value may take; a filter that needs more rejects practically everything.
 */
const MOST_DRAWS = 2 ** 21;

/** The same random numbers, up to a limit. */
function counted(random: fc.Random, refuse: () => never): fc.Random {
  let left = MOST_DRAWS;
  const count = () => left-- > 0 || refuse();
  const bounded: { [name in keyof fc.Random]: fc.Random[name] } = {
    clone: () => counted(random.clone(), refuse),
    next: (bits) => (count(), random.next(bits)),
    nextBoolean: () => (count(), random.nextBoolean()),
    nextInt: (...bounds: [] | [number, number]) => (count(), random.nextInt(...bounds as [number, number])),
    nextBigInt: (min, max) => (count(), random.nextBigInt(min, max)),
    nextDouble: () => (count(), random.nextDouble()),
    getState: () => random.getState(),
  };
  return bounded as fc.Random;
}

/** Whether a value generates values as fast-check's arbitraries do, whichever copy of fast-check made it. */
export function isArbitrary(value: unknown): value is fc.Arbitrary<unknown> {
  const { generate, shrink } = (value ?? {}) as Partial<fc.Arbitrary<unknown>>;
  return typeof generate === "function" && typeof shrink === "function";
}

/** The expected value in errors about arbitraries. */
export const ARBITRARY = "an arbitrary of fast-check, such as tensors([[2, 3]])";

class Bounded<T> extends fc.Arbitrary<T> {
  readonly #inner: fc.Arbitrary<T>;
  readonly #refuse: () => never;

  constructor(inner: fc.Arbitrary<T>, refuse: () => never) {
    super();
    this.#inner = inner;
    this.#refuse = refuse;
  }

  override generate(random: fc.Random, bias: number | undefined): fc.Value<T> {
    return this.#inner.generate(counted(random, this.#refuse), bias);
  }

  override canShrinkWithoutContext(value: unknown): value is T {
    return this.#inner.canShrinkWithoutContext(value);
  }

  override shrink(value: T, context: unknown): fc.Stream<fc.Value<T>> {
    return this.#inner.shrink(value, context);
  }
}

/**
 * Returns an arbitrary of the same values that throws if a filter within rejects everything, rather than hanging. A
 * filter over an arbitrary that draws no random numbers, such as `fc.constant`, cannot be interrupted.
 */
export function bounded<T>(arbitrary: fc.Arbitrary<T>, caller: string): fc.Arbitrary<T> {
  return new Bounded(arbitrary, () => {
    throw new UsageError(
      `${caller}: the arbitrary generates nothing to check: one of its filters rejected everything in ` +
        `${MOST_DRAWS} random numbers; generate valid values directly (bounds, map) rather than filtering`,
    );
  });
}
