/** Kernels of groups, some of whose arrays are a thread's own: one part of the columns at a time. */
import type { Expression, Linear, Local } from "../../expression.ts";
import type { LoopForm, Statement } from "../../plan/form.ts";

/** The part of its threads that a unit takes: neighbours along x, all rows of them, in one of the batch. */
export interface Columns {
  readonly width: number;
  /** How many there are; the outermost axis, unless it is 1. */
  readonly batch: number;
  /** How many elements of a thread's own memory stand for arrays. Each has its rows of the part, one behind the other. */
  readonly own: number;
  /** Where the result is in it; `null` if it is an array. */
  readonly out: number | null;
  /** The same for each argument. */
  readonly args: readonly (number | null)[];
}

/** The threads that count those of the batch. All but x, where that makes as many; otherwise y counts rows. */
export function batchOf({ extent: [, ny = 1, nz = 1], threads }: LoopForm, batch: number): readonly Local[] | null {
  if (ny * nz === batch) return threads.slice(1);
  return nz === batch ? threads.slice(2) : null;
}

/** The rows of a kernel that a unit computes. */
export function rowsOf(
  { extent: [, ny = 1, nz = 1] }: Pick<LoopForm, "extent">,
  { batch }: Pick<Columns, "batch">,
): number {
  return ny * nz / batch;
}

/** The kernel with rows of a part in place of those of arrays, where arguments are the thread's own. */
export function withOwn(form: LoopForm, columns: Columns): LoopForm {
  const { args, width } = columns;
  if (args.every((place) => place === null)) return form;
  const { threads: [x], extent: [nx] } = form;
  const batch = batchOf(form, columns.batch)!;
  const inPart = ({ base, terms }: Linear): Linear => ({
    base: base / nx * width,
    terms: terms.filter(({ local }) => !batch.includes(local)).map(({ local, coefficient }) => {
      return { local, coefficient: local === x ? 1 : coefficient / nx * width };
    }),
  });
  const expression = (of: Expression): Expression => {
    if (of.kind === "call") return { ...of, args: of.args.map(expression) };
    return of.kind === "read" && args[of.argument] !== null ? { ...of, at: of.at.map(inPart) } : of;
  };
  const statement = (of: Statement): Statement => {
    switch (of.kind) {
      case "constant":
        return of;
      case "const":
      case "let":
      case "assign":
        return { ...of, value: expression(of.value) };
      case "loop":
        return { ...of, body: of.body.map(statement) };
      case "branch":
        return { ...of, conditions: of.conditions.map(expression), body: of.body.map(statement) };
      default:
        return of satisfies never;
    }
  };
  return { ...form, body: form.body.map(statement), result: expression(form.result) };
}
