/**
 * Rows in order, as kernels in WebAssembly: a radix sort of keys with their places, from the lowest digit to the highest. Where only the first
 * elements count, those whose highest digit cannot be among them are left out before; a few are kept in order while the others pass by.
 */
import type { OrderRoutine } from "../../routine.ts";
import { Code, f32, i32, load, op, select, type Value, type Variable } from "./code.ts";
import type { WrittenKernel } from "./kernel.ts";
import { fill, grouped, i64, increment, step } from "./walks.ts";

/** Rows up to this long are sorted by insertion. */
const SHORT = 64;
/** Up to this many first elements are kept in order while the others pass by. */
const FEW = 8;
/** Bits of a digit, and the digits of a key. */
const BITS = 8;
const DIGITS = 4;
/** Bits of the digit by which elements are left out. It has to tell numbers of one magnitude apart, so it is longer. */
const HIGH_BITS = 11;
/** Words of the tables of counts, and of what stands before the pairs: less than any of them. */
const COUNTS = Math.max(DIGITS * 2 ** BITS, 2 ** HIGH_BITS);
const FRONT = 4;
/** Bytes of a key with its place: the key is the higher half. */
const PAIR = 8;

/** A row while its kernel is written. */
interface Row {
  /** Addresses of its elements, of its results, of the tables of counts, and of two arrays of pairs. */
  readonly elements: Value;
  readonly out: Value;
  readonly counts: Value;
  readonly pairs: Value;
  readonly others: Value;
  /** How many elements are asked for. */
  readonly keep: Value;
}

/** Writes a kernel that orders rows. */
export function writeOrder(name: string, routine: OrderRoutine): WrittenKernel {
  const code = new Code(name, ["i32", "i32", "i32"]);
  const { rows, length, keep, result } = routine;
  const isShort = length <= SHORT || isFew(routine);
  const counts = isShort ? 0 : COUNTS;
  const words = counts + FRONT + (isShort ? 2 : 4) * length;
  const array = (k: number) => code.bind(load("i32.load", code.parameters[2], 4 * k));
  const hasCount = result === "mask";
  const [out, x, k] = [array(0), array(1), hasCount ? array(2) : i32(0)];
  const wide = result === "places" ? keep : length;
  const { units, perUnit, workspace } = grouped(
    code,
    { count: rows, words, address: array(hasCount ? 3 : 2) },
    (row, room) => {
      const pairs = step(room, i32(counts + FRONT), 4);
      const own: Row = {
        elements: code.bind(step(x, row, 4 * length)),
        out: code.bind(step(out, row, 4 * wide)),
        counts: room,
        pairs: code.bind(pairs),
        others: code.bind(step(pairs, i32(length), PAIR)),
        keep: hasCount ? code.bind(countOf(load("f32.load", step(k, row, 4)), length)) : i32(keep),
      };
      writeRow(code, own, routine, isShort);
    },
  );
  const weight = isShort ? 3 * length : hasCount || keep < length ? 20 : 70;
  return { code, units, weight: perUnit * length * weight, workspace };
}

/** Whether few elements of a row are asked for. */
function isFew({ result, keep, length }: OrderRoutine): boolean {
  return result !== "mask" && keep < length && keep <= FEW;
}

/** A number of elements of a row: from 0 to all, none for NaN. */
function countOf(wanted: Value, length: number): Value {
  const most = op("f32.min", op("f32.ceil", wanted), f32(length));
  return op("i32.trunc_sat_f32_u", most);
}

function writeRow(code: Code, row: Row, routine: OrderRoutine, isShort: boolean): void {
  const { length, keep, result, descending } = routine;
  const keys = { code, row, length, descending };
  if (isFew(routine)) {
    keepFirst(keys, keep);
    return writeResult(code, row, { result, length, keep, sorted: row.pairs });
  }
  if (isShort) {
    each(keys, (key, i) => code.store("i64.store", step(row.pairs, i, PAIR), pairOf(key, i)));
    insertionSort(code, row, length);
    if (result === "mask") fill(code, { from: row.out, words: length, value: f32(0) });
    return writeResult(code, row, { result, length, keep, sorted: row.pairs });
  }
  if (result === "mask") return writeMask(keys);
  const count = code.variable("i32", i32(0));
  const last = keep < length ? lastDigit(keys).digit : null;
  each(keys, (key, i) => {
    code.store("i64.store", step(row.pairs, count, PAIR), pairOf(key, i));
    code.set(count, op("i32.add", count, last ? op("i32.le_u", highDigit(key), last) : i32(1)));
  });
  const sorted = radixSort(code, row, code.bind(count));
  writeResult(code, row, { result, length, keep, sorted });
}

/** The keys of a row. */
interface Keys {
  readonly code: Code;
  readonly row: Row;
  readonly length: number;
  readonly descending: boolean;
}

/** Goes through a row: whole numbers without a sign, in the order of the elements, and their places. */
function each({ code, row, length, descending }: Keys, body: (key: Value, i: Variable) => void): void {
  code.count(i32(0), i32(length), 1, (i) => {
    // Adding 0 makes -0 the same as 0.
    const x = code.bind(op("f32.add", load("f32.load", step(row.elements, i, 4)), f32(0)));
    const number = op("f32.eq", x, x);
    const bits = code.bind(select(number, op("i32.reinterpret_f32", x), i32(0x7fc00000)));
    const sign = op("i32.shr_s", bits, i32(31));
    // The bits of negative numbers count the other way.
    const key = op("i32.xor", bits, op("i32.or", sign, i32(0x80000000)));
    body(code.bind(descending ? op("i32.xor", key, i32(-1)) : key), i);
  });
}

function pairOf(key: Value, place: Value): Value {
  return op("i64.or", op("i64.shl", op("i64.extend_i32_u", key), i64(32)), op("i64.extend_i32_u", place));
}

function placeOf(pair: Value): Value {
  return op("i32.wrap_i64", pair);
}

function highDigit(key: Value): Value {
  return op("i32.shr_u", key, i32(32 - HIGH_BITS));
}

/** The highest digit of the last element that is asked for, and how many elements have a lower one. At least one is asked for. */
function lastDigit(keys: Keys): { digit: Value; before: Value } {
  const { code, row: { counts, keep } } = keys;
  fill(code, { from: counts, words: 2 ** HIGH_BITS, value: f32(0) });
  each(keys, (key) => {
    const at = code.bind(step(counts, highDigit(key), 4));
    increment(code, at);
  });
  const digit = code.variable("i32", i32(0));
  const sum = code.variable("i32", load("i32.load", counts));
  code.if(op("i32.lt_u", sum, keep), () =>
    code.loop(() => {
      code.set(digit, op("i32.add", digit, i32(1)));
      code.set(sum, op("i32.add", sum, load("i32.load", step(counts, digit, 4))));
      return op("i32.lt_u", sum, keep);
    }));
  return { digit: code.bind(digit), before: code.bind(op("i32.sub", sum, load("i32.load", step(counts, digit, 4)))) };
}

/** Writes 1 for the first elements: all with a lower highest digit than the last of them, and the first of those with the same one. */
function writeMask(keys: Keys): void {
  const { code, row, length } = keys;
  const all = (value: number) => fill(code, { from: row.out, words: length, value: f32(value) });
  const isSome = op("i32.and", op("i32.gt_s", row.keep, i32(0)), op("i32.lt_s", row.keep, i32(length)));
  const some = () => {
    const { digit, before } = lastDigit(keys);
    const count = code.variable("i32", i32(0));
    each(keys, (key, i) => {
      const own = code.bind(highDigit(key));
      const isFirst = op("i32.lt_u", own, digit);
      code.store("f32.store", step(row.out, i, 4), op("f32.convert_i32_u", isFirst));
      code.store("i64.store", step(row.pairs, count, PAIR), pairOf(key, i));
      code.set(count, op("i32.add", count, op("i32.eq", own, digit)));
    });
    const sorted = radixSort(code, row, code.bind(count));
    code.count(
      i32(0),
      op("i32.sub", row.keep, before),
      1,
      (i) => mark(code, row, load("i64.load", step(sorted, i, PAIR))),
    );
  };
  code.if(isSome, some, () => code.if(row.keep, () => all(1), () => all(0)));
}

function mark(code: Code, { out }: Row, pair: Value): void {
  code.store("f32.store", step(out, placeOf(pair), 4), f32(1));
}

/** The part of the sorted pairs that is written. */
interface Written extends Pick<OrderRoutine, "result" | "length" | "keep"> {
  readonly sorted: Value;
}

function writeResult(code: Code, row: Row, { result, length, keep, sorted }: Written): void {
  const { out } = row;
  if (result === "ranks" && keep < length) fill(code, { from: out, words: length, value: f32(keep) });
  code.count(i32(0), row.keep, 1, (i) => {
    const pair = load("i64.load", step(sorted, i, PAIR));
    if (result === "mask") return mark(code, row, pair);
    const [to, value] = result === "places" ? [i, placeOf(pair)] : [placeOf(pair), i];
    code.store("f32.store", step(out, to, 4), op("f32.convert_i32_u", value));
  });
}

/** Stores what nothing is less than before the pairs, so that no search goes on beyond the first. */
function guard(code: Code, { pairs }: Row): void {
  code.store("i64.store", op("i32.sub", pairs, i32(PAIR)), i64(0));
}

/** Puts a pair where it belongs among those before an address, which move up. The pair at the address is overwritten. */
function insert(code: Code, last: Value, pair: Value): void {
  const at = code.variable("i32", last);
  const before = () => load("i64.load", op("i32.sub", at, i32(PAIR)));
  code.if(op("i64.gt_u", before(), pair), () =>
    code.loop(() => {
      code.store("i64.store", at, before());
      code.set(at, op("i32.sub", at, i32(PAIR)));
      return op("i64.gt_u", before(), pair);
    }));
  code.store("i64.store", at, pair);
}

function insertionSort(code: Code, row: Row, length: number): void {
  guard(code, row);
  code.count(i32(1), i32(length), 1, (i) => {
    const at = code.bind(step(row.pairs, i, PAIR));
    insert(code, at, code.bind(load("i64.load", at)));
  });
}

/** Keeps the first elements in order: most of the others come after the last of them, and are passed by. */
function keepFirst(keys: Keys, keep: number): void {
  const { code, row } = keys;
  guard(code, row);
  for (let i = 0; i < keep; i++) code.store("i64.store", row.pairs, i64(-1), i * PAIR);
  const last = code.bind(step(row.pairs, i32(keep - 1), PAIR));
  each(keys, (key, i) => {
    const pair = code.bind(pairOf(key, i));
    code.if(op("i64.lt_u", pair, load("i64.load", last)), () => insert(code, last, pair));
  });
}

/** Sorts this many pairs. Returns the address of those in order. */
function radixSort(code: Code, { counts, pairs, others }: Row, count: Value): Value {
  const values = 2 ** BITS;
  const digitOf = (pair: Value, digit: number): Value =>
    op("i32.and", op("i32.wrap_i64", op("i64.shr_u", pair, i64(32 + digit * BITS))), i32(values - 1));
  const table = (digit: number): Value => code.bind(step(counts, i32(digit * values), 4));
  const tables = Array.from({ length: DIGITS }, (_, digit) => table(digit));
  fill(code, { from: counts, words: DIGITS * values, value: f32(0) });
  code.count(i32(0), count, 1, (i) => {
    const pair = code.bind(load("i64.load", step(pairs, i, PAIR)));
    tables.forEach((own, digit) => {
      const at = code.bind(step(own, digitOf(pair, digit), 4));
      increment(code, at);
    });
  });
  const [from, to] = [code.variable("i32", pairs), code.variable("i32", others)];
  tables.forEach((own, digit) => {
    // If all have the same digit they are in order.
    const first = load("i32.load", step(own, digitOf(load("i64.load", from), digit), 4));
    code.if(op("i32.ne", first, count), () => {
      const sum = code.variable("i32", i32(0));
      code.count(own, step(own, i32(values), 4), 4, (at) => {
        const many = code.bind(load("i32.load", at));
        code.store("i32.store", at, sum);
        code.set(sum, op("i32.add", sum, many));
      });
      code.count(i32(0), count, 1, (i) => {
        const pair = code.bind(load("i64.load", step(from, i, PAIR)));
        const at = code.bind(step(own, digitOf(pair, digit), 4));
        const place = code.bind(load("i32.load", at));
        code.store("i64.store", step(to, place, PAIR), pair);
        code.store("i32.store", at, op("i32.add", place, i32(1)));
      });
      const before = code.bind(op("i32.add", from, i32(0)));
      code.set(from, to);
      code.set(to, before);
    });
  });
  return code.bind(from);
}
