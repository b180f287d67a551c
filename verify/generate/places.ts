/** Lists of numbers that shrink together where they can. */
import fc from "fast-check";

/** The state of a list that is being shrunk. */
interface Context {
  /** The block to go on with. */
  readonly block: number;
  /** The contexts of the elements. */
  readonly each: readonly unknown[];
}

/** The blocks of a list of this many elements that are set to 0 at once: all, the second half, the second quarter, ... */
function blocksOf(length: number): [from: number, to: number][] {
  const blocks: [number, number][] = [[0, length]];
  for (let to = length; to > 1; to = Math.ceil(to / 2)) blocks.push([Math.ceil(to / 2), to]);
  return blocks;
}

/**
 * Lists of whole numbers that shrink to 0: many at once, since often few of them matter; equal ones together, since a tie
 * may be what matters; then one by one. `fc.array` shrinks each element once, in order, and alone.
 */
class Places extends fc.Arbitrary<number[]> {
  readonly #length: number;
  readonly #element: fc.Arbitrary<number>;
  readonly #list: fc.Arbitrary<number[]>;

  constructor(length: number, min: number, max: number) {
    super();
    this.#length = length;
    this.#element = fc.integer({ min, max });
    this.#list = fc.array(this.#element, { minLength: length, maxLength: length });
  }

  override generate(random: fc.Random, bias: number | undefined): fc.Value<number[]> {
    return new fc.Value(this.#list.generate(random, bias).value, undefined);
  }

  override canShrinkWithoutContext(value: unknown): value is number[] {
    return this.#list.canShrinkWithoutContext(value);
  }

  override shrink(list: number[], context: unknown): fc.Stream<fc.Value<number[]>> {
    const known = context as Context | undefined;
    return fc.stream(this.#simpler(list, known ?? { block: 0, each: [] }));
  }

  *#simpler(list: readonly number[], { block, each }: Context): IterableIterator<fc.Value<number[]>> {
    const blocks = blocksOf(this.#length);
    const changed = (change: (x: number, i: number) => number, block: number, more: readonly unknown[] = each) =>
      new fc.Value(list.map(change), { block, each: more });
    for (let b = block; b < blocks.length; b++) {
      const [from, to] = blocks[b];
      if (list.slice(from, to).every((x) => x === 0)) continue;
      yield changed(
        (x, i) => (i >= from && i < to ? 0 : x),
        b + 1,
        each.map((c, i) => i >= from && i < to ? undefined : c),
      );
    }
    for (const value of new Set(list)) {
      const equal = [...list.keys()].filter((i) => list[i] === value);
      if (value === 0 || equal.length < 2) continue;
      for (const { value: simpler } of this.#element.shrink(value, undefined)) {
        yield changed(
          (x) => (x === value ? simpler : x),
          blocks.length,
          each.map((c, i) => list[i] === value ? undefined : c),
        );
      }
    }
    for (const [i, value] of list.entries()) {
      for (const { value: simpler, context } of this.#element.shrink(value, each[i])) {
        const contexts = Array.from(list, (_, k) => (k === i ? context : each[k]));
        yield changed((x, k) => (k === i ? simpler : x), blocks.length, contexts);
      }
    }
  }
}

/** Generates lists of whole numbers between two bounds, which shrink to 0. */
export function places(length: number, min: number, max: number): fc.Arbitrary<number[]> {
  return new Places(length, min, max);
}
