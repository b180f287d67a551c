/** Code shared by the kernels that go through whole arrays. */
import type { ScatterRoutine } from "../../routine.ts";
import { type Code, i32, load, op, select, type Value, type Variable } from "./code.ts";

/** A whole number of 64 bits, small enough to be exact. */
export function i64(value: number): Value {
  return { kind: "number", type: "i64", value };
}

/** So many elements behind an address. */
export function step(address: Value, elements: Value, bytes: number): Value {
  if (elements.kind === "number") {
    return elements.value === 0 ? address : op("i32.add", address, i32(elements.value * bytes));
  }
  const shift = Math.log2(bytes);
  const distance = Number.isInteger(shift) ? op("i32.shl", elements, i32(shift)) : op("i32.mul", elements, i32(bytes));
  return op("i32.add", address, shift === 0 ? elements : distance);
}

/** Writes a number into this many words, perhaps none. */
export function fill(
  code: Code,
  { from, words, value }: { readonly from: Value; readonly words: number; readonly value: Value },
): void {
  const vectors = words - words % 4;
  const begin = code.bind(from);
  const vector = code.bind(op("f32x4.splat", value));
  code.count(begin, step(begin, i32(vectors), 4), 16, (at) => code.store("v128.store", at, vector));
  for (let i = vectors; i < words; i++) code.store("f32.store", begin, value, 4 * i);
}

/** Adds one to a counter in memory. */
export function increment(code: Code, at: Value, offset = 0): void {
  code.store("i32.store", at, op("i32.add", load("i32.load", at, offset), i32(1)), offset);
}

/** One of the parts that something is divided into, all of `most` but for the last one. */
export interface Part {
  /** Which of the things that are divided it is a part of. */
  readonly whole: Value;
  readonly first: Value;
  readonly many: Value;
}

/** The part of a number, where each whole of this length has as many parts as it takes. */
export function partOf(
  code: Code,
  number: Value,
  { length, most }: { readonly length: number; readonly most: number },
): Part {
  const parts = i32(Math.ceil(length / most));
  const isWhole = most >= length;
  const whole = code.bind(isWhole ? number : op("i32.div_u", number, parts));
  const first = isWhole ? i32(0) : code.bind(op("i32.mul", op("i32.rem_u", number, parts), i32(most)));
  if (length % most === 0) return { whole, first, many: i32(most) };
  const left = op("i32.sub", i32(length), first);
  return { whole, first, many: code.bind(select(op("i32.lt_s", left, i32(most)), left, i32(most))) };
}

/** Arrays of a kernel that adds up updates. */
export interface ScatterArrays {
  readonly out: Value;
  /** The array that updates are added to; `null` for 0. */
  readonly base: Value | null;
  readonly indices: Value;
  /** `null` if each is 1. */
  readonly updates: Value | null;
  readonly room: Value;
}

/** The addresses of these arrays, in the order in which a kernel gets them. */
export function scatterArrays(code: Code, { name, isCounting }: ScatterRoutine): ScatterArrays {
  let k = 0;
  const next = () => code.bind(load("i32.load", code.parameters[2], 4 * k++));
  return {
    out: next(),
    base: name === "scatterOnto" ? next() : null,
    indices: next(),
    updates: isCounting ? null : next(),
    room: next(),
  };
}

/** At most this many units, since each has memory of its own: fewer if that is more than this many words, but enough for a few threads. */
const MOST_UNITS = 32;
const FEW_UNITS = 4;
const MOST_WORDS = 2 ** 24;

/** A task that is repeated, with memory to work in. */
interface Grouping {
  readonly count: number;
  /** Words that one time takes, and the address of those of all units. */
  readonly words: number;
  readonly address: Value;
}

/** Shares out what is to be done several times among units, which do it one after the other in the same memory. */
export function grouped(
  code: Code,
  { count, words, address }: Grouping,
  body: (place: Variable, room: Value) => void,
): { units: number; perUnit: number; workspace: number } {
  const [from, to] = code.parameters;
  const most = Math.min(MOST_UNITS, Math.max(FEW_UNITS, Math.floor(MOST_WORDS / words)));
  const perUnit = Math.ceil(count / most);
  const units = Math.ceil(count / perUnit);
  code.count(from, to, 1, (unit) => {
    const room = code.bind(step(address, unit, 4 * words));
    const first = code.bind(op("i32.mul", unit, i32(perUnit)));
    const end = code.bind(op("i32.add", first, i32(perUnit)));
    code.count(
      first,
      code.bind(select(op("i32.lt_s", end, i32(count)), end, i32(count))),
      1,
      (place) => body(place, room),
    );
  });
  return { units, perUnit, workspace: units * words };
}
