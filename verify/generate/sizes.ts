/** Sizes of axes, ranks and lists: small ones, and those at which errors begin. */
import fc from "fast-check";

/** How often sizes are telling, or any; they are small otherwise. */
const [TELLING, ANY] = [0.3, 0.1];
/** Loops are unrolled, and work is split, by powers of two from this one on. */
const FIRST_POWER = 8;

/** The sizes at which errors begin: at and beside the bounds, and at and beside powers of two. */
function tellingSizes(min: number, max: number): number[] {
  const found = [min, min + 1, max - 1, max];
  for (let power = FIRST_POWER; power - 1 <= max; power *= 2) found.push(power - 1, power, power + 1);
  return [...new Set(found)].filter((n) => n >= min && n <= max);
}

/** Sizes that shrink to the simplest one, through those above it; those below it shrink to any above. */
class Sizes extends fc.Arbitrary<number> {
  readonly #small: readonly number[];
  readonly #telling: readonly number[];
  readonly #all: fc.Arbitrary<number>;
  /** Sizes by how simple they are: the simplest and those above it, ascending, then those below it. */
  readonly #places: fc.Arbitrary<number>;
  readonly #sizeAt: (place: number) => number;
  readonly #placeOf: (size: number) => number;

  constructor(small: readonly number[], min: number, max: number) {
    super();
    this.#small = small.filter((n) => n >= min && n <= max);
    this.#telling = max > Math.max(...small) ? tellingSizes(min, max) : [];
    this.#all = fc.integer({ min, max });
    const simplest = this.#small[0] ?? min;
    this.#places = fc.nat(max - min);
    this.#sizeAt = (place) => simplest + place <= max ? simplest + place : max - place;
    this.#placeOf = (size) => size >= simplest ? size - simplest : max - size;
  }

  override generate(random: fc.Random): fc.Value<number> {
    const pick = (list: readonly number[]) => list[random.nextInt(0, list.length - 1)];
    const kind = this.#telling.length > 0 ? random.nextDouble() : 1;
    if (kind < ANY) return this.#all.generate(random, undefined);
    const isTelling = kind < ANY + TELLING || this.#small.length === 0;
    return new fc.Value(pick(isTelling ? this.#telling : this.#small), undefined);
  }

  override canShrinkWithoutContext(value: unknown): value is number {
    return this.#all.canShrinkWithoutContext(value);
  }

  override shrink(size: number, context: unknown): fc.Stream<fc.Value<number>> {
    return this.#places.shrink(this.#placeOf(size), context)
      .map(({ value, context }) => new fc.Value(this.#sizeAt(value), context));
  }
}

/**
 * Generates sizes between two bounds, each of which is reached.
 *
 * @param small the sizes that are drawn most, repeated by how often; the first of them within the bounds is the simplest.
 */
export function sizes(small: readonly number[], min: number, max: number): fc.Arbitrary<number> {
  return new Sizes(small, min, max);
}
