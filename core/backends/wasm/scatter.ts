/** Sums of updates at indices, as kernels in WebAssembly: added one after the other in doubles, so that many do not lose their digits. */
import type { ScatterRoutine } from "../../routine.ts";
import { Code, extract, f32, f32x4, f64, i32, load, op, shuffle, type Value, type Variable } from "./code.ts";
import type { WrittenKernel } from "./kernel.ts";
import { hasWideRows, writeSegments } from "./segments.ts";
import { fill, grouped, partOf, scatterArrays, step } from "./walks.ts";

/** Columns that are added together: a line of the cache. */
const COLUMNS = 16;
const DOUBLE = 8;

/** A part of the result while its kernel is written: some columns of one of the outer places. */
interface Part {
  /** Addresses of the first index, of the first update (`null` if each is 1), of the first result, of what is added to and of the sums. */
  readonly indices: Value;
  readonly updates: Value | null;
  readonly out: Value;
  readonly base: Value | null;
  readonly sums: Value;
  /** How many columns it has, and at most. */
  readonly columns: Value;
  readonly most: number;
}

/** Writes a kernel that adds up updates. */
export function writeScatter(name: string, routine: ScatterRoutine): WrittenKernel {
  if (hasWideRows(routine)) return writeSegments(name, routine);
  const code = new Code(name, ["i32", "i32", "i32"]);
  const { outer, places, inner, updates, isSharedOuter, isSharedInner } = routine;
  const { out, base, indices, updates: values, room } = scatterArrays(code, routine);
  const most = Math.min(inner, COLUMNS);
  const [count, words] = [outer * Math.ceil(inner / most), 2 * places * most];
  const { units, perUnit, workspace } = grouped(code, { count, words, address: room }, (part, sums) => {
    const { whole: place, first: column, many } = partOf(code, part, { length: inner, most });
    const columnsOfIndices = isSharedInner ? 1 : inner;
    const own = isSharedOuter ? indices : step(indices, place, 4 * updates * columnsOfIndices);
    const ofPart = (array: Value) => code.bind(step(step(array, place, 4 * places * inner), column, 4));
    addAll(code, routine, {
      indices: code.bind(isSharedInner ? own : step(own, column, 4)),
      updates: values && code.bind(step(step(values, place, 4 * updates * inner), column, 4)),
      out: ofPart(out),
      base: base && ofPart(base),
      sums,
      columns: many,
      most,
    });
  });
  const weight = (updates * 12 + places * 4) * (isSharedInner ? Math.max(1, most / 4) : most);
  return { code, units, weight: perUnit * weight, workspace };
}

function addAll(code: Code, routine: ScatterRoutine, part: Part): void {
  const { places, inner, updates } = routine;
  const { sums, columns, most } = part;
  const isWhole = most === inner;
  /** Goes through the sums, as far as those of neighbouring places follow each other in the result. */
  const rows = (array: Value, body: (array: Value, sums: Value, count: Value) => void): void => {
    if (isWhole) return body(array, sums, i32(places * most));
    code.count(i32(0), i32(places), 1, (place) => {
      body(step(array, place, 4 * inner), step(sums, place, DOUBLE * most), columns);
    });
  };
  if (part.base) rows(part.base, (from, to, count) => widen(code, to, from, count));
  else fill(code, { from: sums, words: 2 * places * most, value: f32(0) });
  if (inner === 1) addSingle(code, { places, updates }, part);
  else addColumns(code, routine, part);
  rows(part.out, (to, from, count) => round(code, to, from, count));
}

/** Begins this many sums with numbers, four at a time. */
function widen(code: Code, to: Value, from: Value, count: Value): void {
  const [sums, numbers] = [code.bind(to), code.bind(from)];
  const whole = code.bind(op("i32.and", count, i32(-4)));
  code.count(i32(0), whole, 4, (i) => {
    const four = code.bind(load("v128.load", step(numbers, i, 4)));
    const at = code.bind(step(sums, i, DOUBLE));
    code.store("v128.store", at, op("f64x2.promote_low_f32x4", four));
    code.store("v128.store", at, op("f64x2.promote_low_f32x4", shuffle(four, four, [2, 3, 0, 1])), 2 * DOUBLE);
  });
  code.count(whole, count, 1, (i) => {
    const one = op("f64.promote_f32", load("f32.load", step(numbers, i, 4)));
    code.store("f64.store", step(sums, i, DOUBLE), one);
  });
}

/** Indices that are looked at together. */
const TOGETHER = 4;

/** Adds updates of one column: several indices at a time, if all of them are places. */
function addSingle(
  code: Code,
  { places, updates }: Pick<ScatterRoutine, "places" | "updates">,
  part: Part,
): void {
  const { sums } = part;
  const whole = updates - updates % TOGETHER;
  const updateAt = (i: Value) => part.updates && step(part.updates, i, 4);
  const one = (i: Value): void =>
    ifPlace(code, load("f32.load", step(part.indices, i, 4)), places, (place) => {
      addOne(code, step(sums, place, DOUBLE), updateAt(i));
    });
  code.count(i32(0), i32(whole), TOGETHER, (i) => {
    const indices = code.bind(load("v128.load", step(part.indices, i, 4)));
    const isPlace = op("v128.and", op("f32x4.ge", indices, f32x4(0)), op("f32x4.lt", indices, f32x4(places)));
    const all = () => {
      const to = code.bind(op("i32x4.shl", op("i32x4.trunc_sat_f32x4_s", indices), i32(Math.log2(DOUBLE))));
      for (let lane = 0; lane < TOGETHER; lane++) {
        const update = updateAt(i);
        addOne(code, op("i32.add", sums, extract("i32x4", to, lane)), update && step(update, i32(lane), 4));
      }
    };
    code.if(op("i32x4.all_true", isPlace), all, () => {
      for (let lane = 0; lane < TOGETHER; lane++) one(code.bind(op("i32.add", i, i32(lane))));
    });
  });
  for (let i = whole; i < updates; i++) one(i32(i));
}

function addColumns(code: Code, { places, inner, updates, isSharedInner }: ScatterRoutine, part: Part): void {
  const { indices, sums, columns, most } = part;
  const width = isSharedInner ? 1 : inner;
  code.count(i32(0), i32(updates), 1, (i) => {
    const update = part.updates && code.bind(step(part.updates, i, 4 * inner));
    const index = code.bind(step(indices, i, 4 * width));
    if (isSharedInner) {
      return ifPlace(code, load("f32.load", index), places, (place) => {
        addRow(code, { to: code.bind(step(sums, place, DOUBLE * most)), update, columns });
      });
    }
    code.count(
      i32(0),
      columns,
      1,
      (column) =>
        ifPlace(code, load("f32.load", step(index, column, 4)), places, (place) => {
          addOne(code, step(step(sums, place, DOUBLE * most), column, DOUBLE), update && step(update, column, 4));
        }),
    );
  });
}

/** Rounds this many sums, four at a time. */
function round(code: Code, to: Value, from: Value, count: Value): void {
  const [sums, out] = [code.bind(from), code.bind(to)];
  const whole = code.bind(op("i32.and", count, i32(-4)));
  code.count(i32(0), whole, 4, (i) => {
    const at = code.bind(step(sums, i, DOUBLE));
    const two = (offset: number) => op("f32x4.demote_f64x2_zero", load("v128.load", at, offset));
    code.store("v128.store", step(out, i, 4), shuffle(two(0), two(2 * DOUBLE), [0, 1, 4, 5]));
  });
  code.count(whole, count, 1, (i) => {
    code.store("f32.store", step(out, i, 4), op("f32.demote_f64", load("f64.load", step(sums, i, DOUBLE))));
  });
}

/** Runs the body if an index is a place. NaN is none. */
function ifPlace(code: Code, index: Value, places: number, body: (place: Value) => void): void {
  const own = code.bind(index);
  const isPlace = op("i32.and", op("f32.ge", own, f32(0)), op("f32.lt", own, f32(places)));
  code.if(isPlace, () => body(code.bind(op("i32.trunc_sat_f32_u", own))));
}

function addOne(code: Code, to: Value, update: Value | null): void {
  const at = code.bind(to);
  const amount = update ? op("f64.promote_f32", load("f32.load", update)) : f64(1);
  code.store("f64.store", at, op("f64.add", load("f64.load", at), amount));
}

/** Adds the columns of an update, two at a time. */
function addRow(
  code: Code,
  { to, update, columns }: { readonly to: Value; readonly update: Value | null; readonly columns: Value },
): void {
  if (columns.kind === "number" && columns.value === 1) return addOne(code, to, update);
  const even = code.bind(op("i32.and", columns, i32(-2)));
  code.count(i32(0), even, 2, (column: Variable) => {
    const at = code.bind(step(to, column, DOUBLE));
    const two = update
      ? op("f64x2.promote_low_f32x4", load("v128.load64_zero", step(update, column, 4)))
      : op("f64x2.splat", f64(1));
    code.store("v128.store", at, op("f64x2.add", load("v128.load", at), two));
  });
  code.if(op("i32.ne", even, columns), () => addOne(code, step(to, even, DOUBLE), update && step(update, even, 4)));
}
