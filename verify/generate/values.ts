/** Values of generated tensors. */
import fc from "fast-check";
import { arrayOf, boolean, type Declared, finite, numberIn, oneOf, type Signature } from "../../core/options.ts";
import type { DType } from "../../core/tensor.ts";
import { randomFrom } from "../random.ts";
import { UsageError } from "../usage.ts";
import { requireOrder } from "./arguments.ts";
import { places } from "./places.ts";

/** Numbers between two bounds are multiples of this fraction of their distance, so that they shrink in few steps. */
const CELLS = 4096;
/** The number of values that are drawn one by one, so that they shrink. */
const DRAWN = 32;
/** Distinct numbers get this many cells each, so that neighbours stay apart. */
const CELLS_EACH = 8;
/** Distinct numbers keep this fraction of a cell from an end of the domain that lies between two cells. */
const APART = 0.6;
/** One in this many of the values that are not drawn one by one is an end of the domain. */
const ENDS = 32;

/** How many of the elements of generated tensors are rounded to whole numbers, one of these at random: those are where kinks and ties are. */
const WHOLE = [0, 0, 0, 0, 0, 1 / 4, 1 / 4, 1];

/** The domain and dtype of generated tensors. */
export interface TensorOptions {
  /** The smallest value, default -3. */
  readonly min?: number;
  /** The largest value, default 3. */
  readonly max?: number;
  /** Values to stay away from, such as kinks and the ends of a domain. */
  readonly avoid?: readonly number[];
  /** The distance to keep from them, default 0.05. */
  readonly clearance?: number;
  /** Whether all values must differ, by a margin and across all tensors, so that there are no ties; default false. */
  readonly distinct?: boolean;
  /** The dtype, default `"float"`. */
  readonly dtype?: DType;
}

/** The kinds of the options. */
export const valueKinds: Declared<TensorOptions> = {
  min: finite,
  max: finite,
  avoid: arrayOf(finite, "numbers"),
  clearance: numberIn(0, Infinity),
  distinct: boolean,
  dtype: oneOf("float", "int", "bool"),
};

/** Supplies values for a number of elements that is only known later. */
export type Supply = (count: number) => number[];

/** The next float32 above or below a float32. */
function nextFloat(x: number, direction: 1 | -1): number {
  if (x === 0) return direction * 2 ** -149;
  const bits = new DataView(new ArrayBuffer(4));
  bits.setFloat32(0, x);
  bits.setInt32(0, bits.getInt32(0) + (x > 0 ? direction : -direction));
  return bits.getFloat32(0);
}

/** The values that may be drawn: those of some cells and the ends of the domain, ascending. */
interface Values {
  readonly all: readonly number[];
  /** The place of the value nearest to the one that everything shrinks to. */
  readonly nearest: number;
  readonly ends: readonly number[];
}

/** The numbers within bounds and away from those to avoid. */
class Domain {
  readonly #isFloat: boolean;
  readonly #least: number;
  readonly #most: number;
  /** The number that everything shrinks to: 0, or the bound nearest to it. */
  readonly #origin: number;
  readonly #options: Required<Omit<TensorOptions, "distinct">>;

  constructor(call: Signature, { dtype = "float", avoid = [], clearance = 0.05, ...bounds }: TensorOptions) {
    const [lowest, highest] = dtype === "bool" ? [0, 1] : [-3, 3];
    const { min = lowest, max = highest } = bounds;
    requireOrder(call, { min, max });
    this.#options = { min, max, avoid, clearance, dtype };
    this.#isFloat = dtype === "float";
    [this.#least, this.#most] = this.#isFloat ? [min, max] : [Math.ceil(min), Math.floor(max)];
    this.#origin = Math.min(this.#most, Math.max(this.#least, 0));
  }

  #allows(x: number): boolean {
    const { min, max, avoid, clearance } = this.#options;
    return x >= min && x <= max && avoid.every((a) => Math.abs(x - a) >= clearance);
  }

  /** The first allowed value from `x` on, of those nearby. */
  #from(x: number, direction: 1 | -1): number[] {
    let value = this.#isFloat ? Math.fround(x) : direction > 0 ? Math.ceil(x) : Math.floor(x);
    for (let step = 0; step < 3; step++) {
      if (this.#allows(value)) return [value];
      value = this.#isFloat ? nextFloat(value, direction) : value + direction;
    }
    return [];
  }

  /** The values at the bounds and beside those to avoid. */
  #ends(): number[] {
    const { avoid, clearance } = this.#options;
    return [
      ...this.#from(this.#least, 1),
      ...this.#from(this.#most, -1),
      ...avoid.flatMap((a) => [...this.#from(a - clearance, -1), ...this.#from(a + clearance, 1)]),
    ];
  }

  /** The values of a number of cells, at a distance from each other if they are to be distinct. */
  divide(wanted: number, distinct: boolean): Values {
    const [least, most, origin] = [this.#least, this.#most, this.#origin];
    const range = most - least;
    if (range === 0) {
      const all = [least].filter((x) => this.#allows(x));
      return { all, nearest: 0, ends: all };
    }
    const width = this.#isFloat ? range / wanted : Math.max(1, Math.floor(range / wanted));
    const apart = distinct ? APART * width : 0;
    const ends: number[] = [];
    for (const x of this.#ends()) if (ends.every((end) => Math.abs(x - end) > apart)) ends.push(x);
    const values = new Set(ends);
    const [below, above] = [Math.floor((origin - least) / width), Math.floor((most - origin) / width)];
    for (let cell = -below; cell <= above; cell++) {
      const x = this.#isFloat ? Math.fround(origin + cell * width) : origin + cell * width;
      if (this.#allows(x) && ends.every((end) => Math.abs(x - end) > apart)) values.add(x);
    }
    const all = [...values].sort((a, b) => a - b);
    let nearest = 0;
    all.forEach((x, i) => {
      if (Math.abs(x - origin) < Math.abs(all[nearest] - origin)) nearest = i;
    });
    return { all, nearest, ends };
  }

  /** The whole number nearest to an allowed value, if it is allowed, too; otherwise the value. */
  whole(x: number): number {
    const nearest = Math.round(x) + 0;
    return this.#allows(nearest) ? nearest : x;
  }

  /** Explains that nothing is allowed. */
  empty(): UsageError {
    const { min, max, avoid, clearance, dtype } = this.#options;
    return new UsageError(
      `tensors: there is nothing to draw: no ${dtype} between ${min} and ${max}` +
        (avoid.length > 0 ? ` is at least ${clearance} away from ${avoid.join(", ")}` : ""),
    );
  }

  /** So many distinct values, in random order. */
  distinct(count: number, random: () => number): number[] {
    for (let each = CELLS_EACH; each < CELLS; each *= 2) {
      const all = [...this.divide(each * count, true).all];
      if (all.length < count) continue;
      for (let i = 0; i < count; i++) {
        const j = i + Math.floor(random() * (all.length - i));
        [all[i], all[j]] = [all[j], all[i]];
      }
      return all.slice(0, count);
    }
    const { min, max } = this.#options;
    throw new UsageError(`tensors: there are no ${count} distinct values between ${min} and ${max}`);
  }
}

/**
 * Generates values within a domain. The first ones are drawn independently of the shape, so that shape and values
 * shrink independently; if more are needed, all come from a seed.
 */
export function supplyOf(call: Signature, options: TensorOptions): fc.Arbitrary<Supply> {
  const { distinct = false, dtype = "float" } = options;
  const domain = new Domain(call, options);
  const { all, nearest, ends } = domain.divide(distinct && dtype === "float" ? CELLS_EACH * DRAWN : CELLS, distinct);
  if (all.length === 0) throw domain.empty();
  // Counted from the value nearest to the origin, so that elements shrink towards it.
  const bounds = { min: -nearest, max: all.length - 1 - nearest };
  const length = Math.min(DRAWN, all.length);
  const chosen = distinct
    ? fc.uniqueArray(fc.integer(bounds), { minLength: length, maxLength: length })
    : places(DRAWN, bounds.min, bounds.max);
  const drawn = chosen.map((list) => list.map((i) => all[nearest + i]));

  const one = (random: () => number): number => {
    const from = ends.length > 0 && random() < 1 / ENDS ? ends : all;
    return from[Math.floor(random() * from.length)];
  };
  const seeded = (count: number, random: () => number): number[] =>
    distinct ? domain.distinct(count, random) : Array.from({ length: count }, () => one(random));
  return fc.tuple(drawn, fc.noShrink(fc.nat()), fc.noShrink(fc.nat()))
    .map(([first, seed, choice]) => (count) => {
      const values = count <= first.length ? first.slice(0, count) : seeded(count, randomFrom(seed));
      const share = WHOLE[choice % WHOLE.length];
      if (distinct || share === 0) return values;
      const random = randomFrom(choice);
      return values.map((x) => (random() < share ? domain.whole(x) : x));
    });
}
