/** Random numbers that follow from a key and a position alone. */
import { arrayOf, finite, type Kind, kind, Signature, whole } from "../core/options.ts";
import { shapeOrThrow } from "../core/record.ts";
import { broadcastShapes, formatShape, sameShape, type Shape, sizeOf } from "../core/shape.ts";
import type { Tensor } from "../core/tensor.ts";
import { less } from "./comparison.ts";
import { asTensor, checkCountable, tensor, tensorKind, type TensorLike } from "./creation.ts";

/** The key of random numbers: a whole number from 0 as a seed, or two of 32 bits, as `random.split` and `random.foldIn` return. */
export type Key = number | readonly [number, number];

const WORD = 2 ** 32;

const seed = /* @__PURE__ */ whole(0, Number.MAX_SAFE_INTEGER);
const word = /* @__PURE__ */ whole(0, WORD - 1);
const words = /* @__PURE__ */ arrayOf(word, "two whole numbers from 0 to 2^32 - 1");
const wholeFrom0 = /* @__PURE__ */ whole(0);
const keyKind: Kind<Key> = /* @__PURE__ */ kind(
  "a whole number from 0 or two of 32 bits",
  "0",
  (v) => seed.accepts(v) || (words.accepts(v) && v.length === 2),
);

/** Two words of 32 bits. */
type Words = readonly [number, number];

function wordsOf(call: Signature, key: unknown): Words {
  if (!keyKind.accepts(key)) throw call.wrong("key", keyKind.expected, key);
  return typeof key === "number" ? [Math.floor(key / WORD), key % WORD] : key;
}

const ROTATIONS = [13, 15, 26, 6, 17, 29, 16, 24];
/** Makes three words out of two that are never all zero. */
const PARITY = 0x1bd11bda;

/** Threefry-2x32 with 20 rounds: two random words for a key and a counter of two words. */
export function threefry([k0, k1]: Words, [c0, c1]: Words): Words {
  const key = [k0 | 0, k1 | 0, (k0 ^ k1 ^ PARITY) | 0];
  let a = (c0 + key[0]) | 0;
  let b = (c1 + key[1]) | 0;
  for (let round = 0; round < 20; round++) {
    const turn = ROTATIONS[round % 8];
    a = (a + b) | 0;
    b = ((b << turn) | (b >>> (32 - turn))) ^ a;
    if (round % 4 !== 3) continue;
    const injection = (round + 1) / 4;
    a = (a + key[injection % 3]) | 0;
    b = (b + key[(injection + 1) % 3] + injection) | 0;
  }
  return [a >>> 0, b >>> 0];
}

/** The uses of a key: each has a stream of its own, so that the same key for two uses gives numbers unlike each other. */
const STREAMS = { numbers: 0, order: 1, split: 2, fold: 3 } as const;

/** An array for the elements of a shape. Throws if the host has no room for it. */
function arrayFor(call: Signature, shape: Shape): Float32Array {
  try {
    return new Float32Array(sizeOf(shape));
  } catch (cause) {
    const error = call.error(`expected a shape that fits into memory, got ${formatShape(shape)} with ${sizeOf(shape)}`);
    error.cause = cause;
    throw error;
  }
}

/** A tensor of numbers that follow from the words at their positions. */
function draw(call: Signature, shape: Shape, key: Words, number: (words: Words) => number): Tensor {
  const values = arrayFor(call, shape);
  for (let i = 0; i < values.length; i++) {
    // Positions beyond 32 bits count in the upper word, next to the stream.
    values[i] = number(threefry(key, [i % WORD, STREAMS.numbers + 4 * Math.floor(i / WORD)]));
  }
  return tensor(values, shape);
}

/** A number in [0, 1) of 24 bits: as many as float32 has. */
const unit = ([a]: Words) => (a >>> 8) / 2 ** 24;

const splitCall = /* @__PURE__ */ new Signature("random.split(key, count)");

function split(key: Key, count = 2): Key[] {
  splitCall.check(arguments);
  const from = wordsOf(splitCall, key);
  if (!wholeFrom0.accepts(count)) throw splitCall.wrong("count", wholeFrom0.expected, count);
  return Array.from({ length: count }, (_, i) => threefry(from, [i, STREAMS.split]));
}

const foldCall = /* @__PURE__ */ new Signature("random.foldIn(key, data)");

function foldIn(key: Key, data: number): Key {
  foldCall.check(arguments);
  const from = wordsOf(foldCall, key);
  if (!word.accepts(data)) throw foldCall.wrong("data", word.expected, data);
  return threefry(from, [data, STREAMS.fold]);
}

/** Options of `random.uniform`. */
export interface UniformOptions {
  /** The lower end, which can occur; default 0. */
  readonly min?: number;
  /** The upper end, which can occur by rounding alone; default 1. */
  readonly max?: number;
}

const uniformCall = /* @__PURE__ */ new Signature<UniformOptions>("random.uniform(key, shape, options)", {
  min: finite,
  max: finite,
});

function uniform(key: Key, shape: Shape, options?: UniformOptions): Tensor {
  uniformCall.check(arguments);
  const from = wordsOf(uniformCall, key);
  const { min = 0, max = 1 } = options ?? {};
  if (min > max) throw uniformCall.error(`expected min <= max, got ${min} and ${max}`);
  return draw(uniformCall, shapeOrThrow(uniformCall, shape), from, (words) => min + unit(words) * (max - min));
}

const normalCall = /* @__PURE__ */ new Signature("random.normal(key, shape)");

function normal(key: Key, shape: Shape): Tensor {
  normalCall.check(arguments);
  const from = wordsOf(normalCall, key);
  return draw(normalCall, shapeOrThrow(normalCall, shape), from, ([a, b]) => {
    const radius = Math.sqrt(-2 * Math.log((a + 0.5) / WORD));
    return radius * Math.cos((2 * Math.PI * b) / WORD);
  });
}

/** Options of `random.bernoulli`. */
export interface BernoulliOptions {
  /** The probability of true, broadcast to the shape; default 0.5. */
  readonly p?: TensorLike;
}

const bernoulliCall = /* @__PURE__ */ new Signature<BernoulliOptions>("random.bernoulli(key, shape, options)", {
  p: tensorKind,
});

function bernoulli(key: Key, shape: Shape, options?: BernoulliOptions): Tensor {
  bernoulliCall.check(arguments);
  const from = wordsOf(bernoulliCall, key);
  const target = shapeOrThrow(bernoulliCall, shape);
  const p = asTensor(bernoulliCall, "p", options?.p ?? 0.5);
  const common = broadcastShapes([p.shape, target]);
  if (!common || !sameShape(common, target)) {
    throw bernoulliCall.error(`expected p to broadcast to ${formatShape(target)}, got ${formatShape(p.shape)}`);
  }
  const given = typeof options?.p === "number" ? [options.p] : p.value;
  const wrong = given?.find((value) => !(value >= 0 && value <= 1));
  if (wrong !== undefined) throw bernoulliCall.error(`expected p to be probabilities from 0 to 1, got ${wrong}`);
  return less(draw(bernoulliCall, target, from, unit), p);
}

const permutationCall = /* @__PURE__ */ new Signature("random.permutation(key, count)");

function permutation(key: Key, count: number): Tensor {
  permutationCall.check(arguments);
  const from = wordsOf(permutationCall, key);
  if (!wholeFrom0.accepts(count)) throw permutationCall.wrong("count", wholeFrom0.expected, count);
  checkCountable(permutationCall, count, "a count");
  const order = Float32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const [a, b] = threefry(from, [i, STREAMS.order]);
    // 53 bits, so that no place is preferred by more than 2^-29.
    const j = Math.floor(((a * 2 ** 21 + (b >>> 11)) / 2 ** 53) * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return tensor(order, [count], { dtype: "int" });
}

/**
 * Random numbers that follow from a key and a position alone, by Threefry-2x32 (Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3,
 * 2011). The host computes them and rounds them to float32, so they are the same on every device, and those of a longer tensor begin with
 * those of a shorter one. The same key gives the same numbers: `split` and `foldIn` make new keys. A function
 * for `compile` takes random numbers as an argument: those that it draws inside are drawn once.
 */
export interface Random {
  /**
   * Normally distributed numbers with mean 0 and standard deviation 1, by the transform of Box and Muller: up to 6.7 in size.
   *
   * @param key a whole number from 0, or a key.
   * @param shape the shape.
   * @returns float. It has no derivative.
   * @throws if the key or the shape is none.
   *
   * @example
   * ```ts
   * import { strict as assert } from "node:assert";
   * import { mean, random } from "gpugrad";
   *
   * assert.ok(Math.abs(await mean(random.normal(1, [10000])).item()) < 0.05);
   * ```
   */
  normal(key: Key, shape: Shape): Tensor;
  /**
   * Evenly distributed numbers, by default multiples of 2^-24 from 0 to below 1.
   *
   * @param key a whole number from 0, or a key.
   * @param shape the shape.
   * @param options `min`: the lower end, default 0. `max`: the upper end, default 1.
   * @returns float. It has no derivative.
   * @throws if the key or the shape is none, or the ends are out of order.
   *
   * @example
   * ```ts
   * import { strict as assert } from "node:assert";
   * import { random } from "gpugrad";
   *
   * const x = random.uniform(1, [100], { min: -1 });
   * assert.ok((await x.data()).every((value) => value >= -1 && value < 1));
   * ```
   */
  uniform(key: Key, shape: Shape, options?: UniformOptions): Tensor;
  /**
   * Truth values, each true with a given probability: whether the `uniform` number of the same key and place is below it.
   *
   * @param key a whole number from 0, or a key.
   * @param shape the shape.
   * @param options `p`: the probability of true, a number or a tensor that broadcasts to the shape; default 0.5.
   * @returns bool. It has no derivative.
   * @throws if the key or the shape is none, or the probability does not broadcast to it.
   *
   * @example
   * ```ts
   * import { strict as assert } from "node:assert";
   * import { random } from "gpugrad";
   *
   * assert.deepEqual(await random.bernoulli(1, [2, 2], { p: [0, 1] }).toArray(), [[false, true], [false, true]]);
   * ```
   */
  bernoulli(key: Key, shape: Shape, options?: BernoulliOptions): Tensor;
  /**
   * The whole numbers from 0 in random order, each order alike. `take(x, random.permutation(key, n))` shuffles rows.
   *
   * @param key a whole number from 0, or a key.
   * @param count how many, at most 2^24.
   * @returns int, shape `[count]`.
   * @throws if the key is none, or the count is not a whole number from 0 to 2^24.
   *
   * @example
   * ```ts
   * import { strict as assert } from "node:assert";
   * import { random, sort } from "gpugrad";
   *
   * assert.deepEqual(await sort(random.permutation(1, 4)).toArray(), [0, 1, 2, 3]);
   * ```
   */
  permutation(key: Key, count: number): Tensor;
  /**
   * New keys, independent of each other and of the numbers that the key itself gives.
   *
   * @param key a whole number from 0, or a key.
   * @param count how many, default 2.
   * @throws if the key is none, or the count is not a whole number from 0.
   *
   * @example
   * ```ts
   * import { strict as assert } from "node:assert";
   * import { random } from "gpugrad";
   *
   * const [a, b] = random.split(7);
   * assert.notDeepEqual(await random.uniform(a, [2]).toArray(), await random.uniform(b, [2]).toArray());
   * ```
   */
  split(key: Key, count?: number): Key[];
  /**
   * The key for a key and a number, such as the step of a loop.
   *
   * @param key a whole number from 0, or a key.
   * @param data a whole number from 0 to 2^32 - 1.
   * @throws if the key is none, or the number is not whole.
   *
   * @example
   * ```ts
   * import { strict as assert } from "node:assert";
   * import { random } from "gpugrad";
   *
   * const noise = (step: number) => random.normal(random.foldIn(1, step), [3]);
   * assert.deepEqual(await noise(5).toArray(), await noise(5).toArray());
   * assert.notDeepEqual(await noise(5).toArray(), await noise(6).toArray());
   * ```
   */
  foldIn(key: Key, data: number): Key;
}

/** Random numbers that follow from keys. See {@link Random}. */
export const random: Random = { normal, uniform, bernoulli, permutation, split, foldIn };
