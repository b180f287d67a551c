/**
 * Sums of rows of updates at indices, as kernels in WebAssembly: the updates of each place are listed first, in their order, and then added in
 * doubles, many columns at a time, so that each row of the result is written once.
 */
import type { ScatterRoutine } from "../../routine.ts";
import { Code, f32, f32x4, f64, i32, load, op, shuffle, type Value, type Variable } from "./code.ts";
import type { WrittenKernel } from "./kernel.ts";
import { fill, grouped, increment, partOf, scatterArrays, step } from "./walks.ts";

/** Columns that are added together: a line of the cache. */
const WIDE = 16;
const NARROW = 4;
/** All units go through all indices. They may where a row of updates has this many times the columns. */
const COLUMNS_PER_RANGE = 16;
const MOST_RANGES = 8;

/** Whether rows are wide enough. */
export function hasWideRows({ inner, isSharedInner, isCounting }: ScatterRoutine): boolean {
  return isSharedInner && !isCounting && inner >= NARROW;
}

/** Some places of one of the outer ones, while their kernel is written. */
interface Range {
  /** The first place, and how many there are. */
  readonly first: Value;
  readonly many: Value;
  /** Addresses of the first index, of the first update, and of the first result. */
  readonly indices: Value;
  readonly updates: Value;
  readonly out: Value;
  /** The array that updates are added to; `null` for 0. */
  readonly base: Value | null;
  /** Addresses of where the lists of the places end, after the place before the first, and of the lists. */
  readonly ends: Value;
  readonly lists: Value;
}

/** Writes a kernel that adds up rows of updates. */
export function writeSegments(name: string, routine: ScatterRoutine): WrittenKernel {
  const code = new Code(name, ["i32", "i32", "i32"]);
  const { outer, places, inner, updates, isSharedOuter } = routine;
  const { out, base, indices, updates: values, room } = scatterArrays(code, routine);
  const wanted = Math.max(1, Math.min(MOST_RANGES, Math.floor(inner / COLUMNS_PER_RANGE), places));
  const most = Math.ceil(places / wanted);
  const ranges = Math.ceil(places / most);
  const [count, words] = [outer * ranges, most + 1 + updates];
  const { units, perUnit, workspace } = grouped(code, { count, words, address: room }, (part, ends) => {
    const { whole: place, first, many } = partOf(code, part, { length: places, most });
    const ofRange = (array: Value) => code.bind(step(step(array, place, 4 * places * inner), first, 4 * inner));
    const range: Range = {
      first,
      many,
      indices: isSharedOuter ? indices : code.bind(step(indices, place, 4 * updates)),
      updates: code.bind(step(values!, place, 4 * updates * inner)),
      out: ofRange(out),
      base: base && ofRange(base),
      ends,
      lists: code.bind(step(ends, i32(most + 1), 4)),
    };
    listUpdates(code, range, routine, most);
    addRows(code, range, inner);
  });
  return {
    code,
    units,
    weight: perUnit * (updates * (8 + 2 * inner / ranges) + most * inner),
    workspace,
  };
}

/** Lists the updates of each place, as distances in bytes from the first one. */
function listUpdates(
  code: Code,
  { first, many, indices, ends, lists }: Range,
  { updates, inner }: ScatterRoutine,
  most: number,
): void {
  fill(code, { from: ends, words: most + 1, value: f32(0) });
  const start = code.bind(op("f32.convert_i32_u", first));
  const end = code.bind(op("f32.convert_i32_u", op("i32.add", first, many)));
  /** Runs the body with the address of where the list of an index ends, if it is one of the places. */
  const each = (body: (at: Value, i: Variable) => void): void =>
    code.count(i32(0), i32(updates), 1, (i) => {
      const index = code.bind(load("f32.load", step(indices, i, 4)));
      // NaN is no place.
      code.if(op("i32.and", op("f32.ge", index, start), op("f32.lt", index, end)), () => {
        const place = op("i32.sub", op("i32.trunc_sat_f32_u", index), first);
        body(code.bind(step(ends, place, 4)), i);
      });
    });
  each((at) => increment(code, at, 4));
  const sum = code.variable("i32", i32(0));
  code.count(i32(0), many, 1, (place) => {
    const at = code.bind(step(ends, place, 4));
    code.set(sum, op("i32.add", sum, load("i32.load", at)));
    code.store("i32.store", at, sum);
  });
  // The starts of lists move to their ends.
  each((at, i) => {
    const next = code.bind(load("i32.load", at));
    code.store("i32.store", step(lists, next, 4), op("i32.mul", i, i32(4 * inner)));
    code.store("i32.store", at, op("i32.add", next, i32(1)));
  });
}

function addRows(code: Code, { many, updates, out, base, ends, lists }: Range, inner: number): void {
  const begin = code.variable("i32", lists);
  code.count(i32(0), many, 1, (place) => {
    const end = code.bind(step(lists, load("i32.load", step(ends, place, 4)), 4));
    const row = code.bind(step(out, place, 4 * inner));
    const own = base && code.bind(step(base, place, 4 * inner));
    const single = code.bind(op("i32.eq", op("i32.sub", end, begin), i32(4)));
    const columns = (write: (place: Columns, column: Value) => void): void => {
      const wide = inner - inner % WIDE;
      const part = (column: Value, width: number) =>
        write({ to: code.bind(step(row, column, 4)), onto: own && code.bind(step(own, column, 4)), width }, column);
      code.count(i32(0), i32(wide), WIDE, (column) => part(column, WIDE));
      // The last four may have been written before, in the same way.
      for (let column = wide; column < inner; column += NARROW) part(i32(Math.min(column, inner - NARROW)), NARROW);
    };
    code.if(
      single,
      () => {
        const from = code.bind(op("i32.add", updates, load("i32.load", begin)));
        columns((place, column) => addOne(code, place, code.bind(step(from, column, 4))));
      },
      () => columns((place, column) => addUp(code, place, { updates, begin, end, column })),
    );
    code.set(begin, end);
  });
}

/** Neighbouring elements of the result: their address, that of what is added to, and how many they are. */
interface Columns {
  readonly to: Value;
  readonly onto: Value | null;
  readonly width: number;
}

/** Adds a single update. The sum of two numbers is rounded the same as if they were doubles first. */
function addOne(code: Code, { to, onto, width }: Columns, from: Value): void {
  for (let i = 0; i < width; i += 4) {
    const own = onto ? load("v128.load", onto, 4 * i) : f32x4(0);
    code.store("v128.store", to, op("f32x4.add", own, load("v128.load", from, 4 * i)), 4 * i);
  }
}

/** The updates of a place, and the first column of theirs that is added. */
interface Listed {
  readonly updates: Value;
  readonly begin: Variable;
  readonly end: Value;
  readonly column: Value;
}

function addUp(code: Code, { to, onto, width }: Columns, { updates, begin, end, column }: Listed): void {
  const two = (from: Value, i: number) => op("f64x2.promote_low_f32x4", load("v128.load64_zero", from, 8 * i));
  const sums = Array.from(
    { length: width / 2 },
    (_, i) => code.variable("v128", onto ? two(onto, i) : op("f64x2.splat", f64(0))),
  );
  const first = code.bind(step(updates, column, 4));
  code.count(begin, end, 4, (at) => {
    const from = code.bind(op("i32.add", first, load("i32.load", at)));
    sums.forEach((sum, i) => code.set(sum, op("f64x2.add", sum, two(from, i))));
  });
  for (let i = 0; i < sums.length; i += 2) {
    const [low, high] = [sums[i], sums[i + 1]].map((sum) => op("f32x4.demote_f64x2_zero", sum));
    code.store("v128.store", to, shuffle(low, high, [0, 1, 4, 5]), 8 * i);
  }
}
