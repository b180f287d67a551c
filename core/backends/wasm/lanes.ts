/**
 * Scalar functions in lanes: four float32 at a time.
 *
 * A function writes its instructions where it is called, so that neighbouring calls overlap and constants are shared; nothing is called
 * at run time. It is given the code of the function under construction and its operands, which are bound (locals or numbers: using one
 * several times costs nothing), and returns the value. Operands are vectors of four lanes (`v128`, as `f32x4`). All instructions that it
 * needs are made by `code.ts`:
 *
 *     const twice: LaneFunction = (code, [x]) => {
 *       const half = code.bind(op("f32x4.mul", x, code.keep(f32x4(0.5))));
 *       return op("f32x4.add", half, half);
 *     };
 *
 * - `op(name, ...operands)` is an instruction by its name in the text format; `opcodes.ts` has those that there are.
 * - `code.bind(value)` computes a value once and names it; a value that is used twice without is computed twice.
 * - `code.keep(f32x4(c))` and `code.keep(i32x4(c))` are constants, made once at the beginning of the function and shared by all calls.
 * - Choices are masks: `op("v128.bitselect", a, b, mask)` is `a` where the mask (a comparison) has ones. Rare cases can be skipped by
 *   `code.if(op("v128.any_true", mask), () => ...)`, which sets a `code.variable("v128", value)`.
 * - Results must not depend on the other lanes, so that they are the same however elements are distributed over lanes and threads.
 * - A function may call another one of these by name: `LANE_FUNCTIONS.exp(code, [x])`.
 *
 * The functions are those of `core/backends/functions.ts` under the same names. One that is missing here is called lane by lane from the
 * host, as `Math.NAME` in doubles, rounded to float32.
 */
import type { Code, Value } from "./code.ts";

/** Writes a function of vectors of four float32. */
export type LaneFunction = (code: Code, operands: readonly Value[]) => Value;

/** The functions in lanes, by name. */
export const LANE_FUNCTIONS: Readonly<Record<string, LaneFunction>> = {};
