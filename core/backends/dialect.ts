/** How each backend writes kernels: how it reads arrays, how far its indices are exact, which functions it has. */
import { base, type Hidden, numbers, type ScalarFunctions, shaderFunctions } from "./functions.ts";

/** How a backend spells kernels. */
export interface Dialect {
  readonly name: string;
  /** Names of the thread's coordinates x, y, z. */
  readonly thread: readonly [string, string, string];
  /** The scalar functions that it has. */
  readonly functions: ScalarFunctions;
  /** Whether literals, and all results, are doubles; they are rounded to float32 elsewhere. */
  readonly double: boolean;
  /** Whether it computes in doubles what it stores as float32: then each result of arithmetic is rounded. */
  readonly rounds: boolean;
  /**
   * Whether its compiler takes floats for real numbers, so that values have to be hidden from it, and numbers that are not finite come from
   * a table.
   */
  readonly shader: boolean;
  /** Indices are exact up to here. */
  readonly exactIndex: number;
  /** Constant arrays that kernels read as `this.constants.NAME`. */
  readonly tables: Readonly<Record<string, Float32Array>>;
  /** Numbers that kernels take as arguments, because compilers must not know them. */
  readonly opaque: Readonly<Record<string, number>>;
}

/** A backend as the planner sees it. */
export interface Target extends Dialect {
  /** Whether arrays are read by one flat index rather than by nested ones. */
  readonly flat: boolean;
  /** The most threads along x, y and z; what does not fit is laid out along x alone. Empty: everything is. */
  readonly extents: readonly number[];
  /** Whole numbers that it stores as values are exact up to here. */
  readonly exactValue: number;
  /** Arrays that one kernel can read. */
  readonly maxArguments: number;
  /** Whether constant tables count among them. */
  readonly tablesAreArguments: boolean;
  /** Conditions with more operands than this are computed once rather than repeated. */
  readonly longCondition: number;
}

/** Whole numbers up to here are exact in float32. */
const EXACT_IN_SINGLE = 2 ** 24;

/**
 * Shader compilers take floats for real numbers: x * 0 and x - x are 0 for them whatever x is, and sums are put together in another
 * order. They have no such rule for what is one of two numbers, for all they know. So every value of an op is hidden behind such a
 * choice, constants too; and behind another one where it would be recognised beside itself.
 */
export const HIDDEN: Readonly<Record<Hidden, string>> = { value: "always0", operand: "always1" };

const THREAD = ["this.thread.x", "this.thread.y", "this.thread.z"] as const;

/** gpu.js on the host, and what the others have in common with it. */
export const common: Omit<Target, "name"> = {
  thread: THREAD,
  functions: base,
  double: false,
  rounds: false,
  shader: false,
  flat: false,
  extents: [Infinity, Infinity, Infinity],
  exactIndex: EXACT_IN_SINGLE,
  exactValue: EXACT_IN_SINGLE,
  // Seven arrays and the output are the eight storage buffers that WebGPU guarantees.
  maxArguments: 7,
  tablesAreArguments: false,
  longCondition: 6,
  tables: { numbers },
  opaque: {},
};

/** The backends whose kernels are shaders. */
export const shader: Omit<Target, "name"> = {
  ...common,
  functions: { ...base, ...shaderFunctions },
  shader: true,
  // Operands of comparisons are hidden, which is work.
  longCondition: 3,
  opaque: { [HIDDEN.value]: 1, [HIDDEN.operand]: 1 },
};

/** Those whose arrays are textures. */
export const textures: Omit<Target, "name"> = { ...shader, flat: true, extents: [] };
