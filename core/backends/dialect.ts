/** How each backend writes kernels: how it reads arrays, how far its indices are exact, which functions it has. */
import { EXACT_IN_SINGLE } from "../kernel.ts";
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
  /** The function that is applied to each result of arithmetic: it rounds where a backend computes in doubles but stores float32. */
  readonly rounds: string | null;
  /**
   * Whether its compiler treats floats as real numbers. Values are then hidden from it, and numbers that are not finite are read from a
   * table.
   */
  readonly shader: boolean;
  /** Whether arrays are read by one flat index rather than by nested ones. */
  readonly flat: boolean;
  /** Indices are exact up to here. */
  readonly exactIndex: number;
  /** Whether it has `multiplyAdd(a, b, c)`, a * b + c rounded once, by which sums then add products. */
  readonly multiplyAdd: boolean;
  /** Constant arrays that kernels read as `this.constants.NAME`. */
  readonly tables: Readonly<Record<string, Float32Array>>;
  /** Numbers that kernels take as arguments, because compilers must not know them. */
  readonly opaque: Readonly<Record<string, number>>;
}

/**
 * Shader compilers treat floats as real numbers: they replace x * 0 and x - x by 0 for any x, and they reorder sums. They cannot do so
 * with a choice between two numbers if they do not know which is taken. Every value of an op, constants included, is therefore hidden
 * behind such a choice, and behind a second one where it would be recognised next to itself.
 */
export const HIDDEN: Readonly<Record<Hidden, string>> = { value: "always0", operand: "always1" };

const THREAD = ["this.thread.x", "this.thread.y", "this.thread.z"] as const;

/** gpu.js on the host, and the part that other backends share with it. */
export const common: Omit<Dialect, "name"> = {
  thread: THREAD,
  functions: base,
  double: false,
  rounds: null,
  shader: false,
  flat: false,
  exactIndex: EXACT_IN_SINGLE,
  multiplyAdd: false,
  tables: { numbers },
  opaque: {},
};

/** The backends whose kernels are shaders. */
export const shader: Omit<Dialect, "name"> = {
  ...common,
  functions: { ...base, ...shaderFunctions },
  shader: true,
  opaque: { [HIDDEN.value]: 1, [HIDDEN.operand]: 1 },
};

/** Those whose arrays are textures. */
export const textures: Omit<Dialect, "name"> = { ...shader, flat: true };
