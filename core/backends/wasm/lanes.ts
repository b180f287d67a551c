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
 * - `Lanes` (`lanes/arithmetic.ts`) writes arithmetic shortly, and takes fused multiply-add where the engine has it: a product is rounded
 *   if it is bound before it is added.
 * - Choices are masks: `op("v128.bitselect", a, b, mask)` is `a` where the mask (a comparison) has ones. Rare cases can be skipped by
 *   `code.if(op("v128.any_true", mask), () => ...)`, which sets a `code.variable("v128", value)`.
 * - Results must not depend on the other lanes, so that they are the same however elements are distributed over lanes and threads.
 * - A function may call another one of these by name: `LANE_FUNCTIONS.exp(code, [x])`.
 *
 * The functions are those of `core/backends/functions.ts` under the same names. One that is missing here is called lane by lane from the
 * host, as `Math.NAME` in doubles, rounded to float32.
 */
import { Code, type Instruction, type Value } from "./code.ts";
import type { LaneFunction } from "./lanes/arithmetic.ts";
import { atan, cos, sin } from "./lanes/circular.ts";
import { exp, expm1, sigmoid, tanh } from "./lanes/exponentials.ts";
import { lgamma } from "./lanes/gamma.ts";
import { log, log1p, log2 } from "./lanes/logarithms.ts";
import { erf } from "./lanes/normal.ts";
import { pow } from "./lanes/powers.ts";
import type { LaneName } from "./lane_ulps.ts";

export type { LaneFunction };

const functions: Readonly<Record<LaneName, LaneFunction>> = {
  exp,
  expm1,
  sigmoid,
  tanh,
  log,
  log2,
  log1p,
  sin,
  cos,
  atan,
  pow,
  erf,
  lgamma,
};

/** The functions in lanes, by name. How exact they are stands in `lane_ulps.ts`. */
export const LANE_FUNCTIONS: Readonly<Record<string, LaneFunction>> = functions;

const weights = new Map<string, number>();

/** How many instructions a function takes for one vector. Instructions for rare cases, which are skipped, do not count. */
export function weightInLanes(name: string): number {
  let weight = weights.get(name);
  if (weight === undefined) {
    const code = new Code(name, ["v128", "v128"], "v128");
    code.return(LANE_FUNCTIONS[name](code, code.parameters));
    weight = code.body.reduce(
      (sum, instruction) => sum + weightOfInstruction(instruction),
      weightOfValue(code.result!),
    );
    weights.set(name, weight);
  }
  return weight;
}

function weightOfInstruction(instruction: Instruction): number {
  if (instruction.kind === "set") return weightOfValue(instruction.value);
  return instruction.kind === "if" ? 1 + weightOfValue(instruction.condition) : 0;
}

function weightOfValue(value: Value): number {
  if (!("args" in value)) return 0;
  return value.args.reduce((sum, arg) => sum + weightOfValue(arg), 1);
}
