/** The functions in lanes beside their definitions. */
import { ulpOf } from "../../bench/accuracy/measure.ts";
import { LANE_FUNCTIONS, type LaneFunction } from "../../core/backends/wasm/lanes.ts";
import { LANE_ULPS } from "../../core/backends/wasm/lane_ulps.ts";
import { expOfNegative } from "../../core/backends/wasm/lanes/exponentials.ts";
import { erf, lgamma } from "../../mod.ts";

/** A definition, in doubles. */
type Definition = (x: number, y: number) => number;

const byDefinition: Readonly<Record<string, Definition>> = {
  // Not 1 / (1 + e^-x), which overflows where the value is still subnormal.
  sigmoid: (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x))),
  erf: (x) => erf.op.reference!([x], {}),
  lgamma: (x) => lgamma.op.reference!([x], {}),
};

/** A function in lanes, and what it should be. */
export interface Case {
  readonly name: string;
  readonly write: LaneFunction;
  /** How exact it is said to be, in units in the last place. */
  readonly ulps: number;
  readonly f: Definition;
  readonly arity: number;
  /** Whether it is only defined up to 0. */
  readonly isNegative?: boolean;
}

function caseOf(name: string): Case {
  const math = Math as unknown as Record<string, Definition>;
  const f = byDefinition[name] ?? math[name];
  return { name, write: LANE_FUNCTIONS[name], ulps: LANE_ULPS[name], f, arity: f.length };
}

/** The functions in lanes. */
export const cases: readonly Case[] = [
  ...Object.keys(LANE_FUNCTIONS).map(caseOf),
  {
    name: "expOfNegative",
    write: (code, [x]) => expOfNegative(code, [x]),
    ulps: LANE_ULPS.exp,
    f: Math.exp,
    arity: 1,
    isNegative: true,
  },
];

/** The largest finite float32. */
export const LARGEST = (2 - 2 ** -23) * 2 ** 127;
/** Halfway to the number that float32 has no room for. */
const OVERFLOW = (2 - 2 ** -24) * 2 ** 127;

/** Whether a result is right: rounded to float32, infinities where that has no room, and 0 of the right sign. */
export function isRight(actual: number, expected: number, ulps: number): boolean {
  if (Object.is(actual, Math.fround(expected))) return true;
  if (Number.isNaN(expected) || expected === 0) return false;
  if (Math.abs(expected) > LARGEST) return Math.abs(expected) < OVERFLOW * (1 + ulps * 2 ** -24) && actual === LARGEST;
  const rounded = Number.isFinite(actual) ? actual : Math.sign(actual) * 2 ** 128;
  return Math.abs(rounded - expected) <= ulps * ulpOf(expected);
}
