/** Tables of numbers, accepted in several forms. */
import { describe } from "../core/options.ts";
import { formatShape } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import type { TypedData } from "../ops/creation.ts";

/** Rows of numbers: a tensor `[n, columns]` whose value the host knows, a typed array of `n * columns` numbers, or an array of rows. */
export type Rows = Tensor | TypedData | readonly ArrayLike<number>[];

/** Returns the numbers in row-major order and the number of rows. Throws if they do not form rows. */
export function readRows(
  caller: string,
  name: string,
  rows: Rows,
  columns: number,
): { data: ArrayLike<number>; count: number } {
  if (rows instanceof Tensor) {
    const { shape, value } = rows;
    if (shape.length !== 2 || shape[1] !== columns) {
      throw new Error(`${caller}: expected ${name} of shape [n, ${columns}], got ${formatShape(shape)}`);
    }
    if (rows.size === 0) return { data: [], count: 0 };
    if (value === null) {
      throw new Error(
        `${caller}: expected ${name} to have a value that the host knows, got ${rows}: \`await ${name}.data()\` first`,
      );
    }
    return { data: value, count: shape[0] };
  }
  if (ArrayBuffer.isView(rows) && !(rows instanceof DataView)) {
    const data = rows as unknown as ArrayLike<number>;
    if (data.length % columns !== 0) {
      throw new Error(`${caller}: expected ${name} to have a multiple of ${columns} numbers, got ${data.length}`);
    }
    return { data, count: data.length / columns };
  }
  if (!Array.isArray(rows)) {
    throw new Error(
      `${caller}: expected ${name} to be a tensor, a typed array or an array of rows, got ${describe(rows)}`,
    );
  }
  const data = new Float64Array(rows.length * columns);
  // Array.from, because forEach skips holes.
  Array.from(rows, (row: unknown, i) => {
    const isList = Array.isArray(row) || (ArrayBuffer.isView(row) && !(row instanceof DataView));
    const length = isList ? (row as ArrayLike<number>).length : undefined;
    if (length !== columns) {
      const got = length === undefined ? describe(row) : `${length}`;
      throw new Error(`${caller}: expected ${name} to have ${columns} numbers in each row, got ${got} in row ${i}`);
    }
    for (let k = 0; k < columns; k++) {
      const value = (row as ArrayLike<number>)[k];
      if (typeof value !== "number") {
        throw new Error(`${caller}: expected ${name} to be numbers, got ${describe(value)} in row ${i}, column ${k}`);
      }
      data[i * columns + k] = value;
    }
  });
  return { data, count: rows.length };
}
