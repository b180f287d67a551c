/** How each backend writes kernels: how it reads arrays, how far its indices are exact, which functions it has. */
import { base, inTable, numbers, type ScalarFunction, type Writer } from "./functions.ts";

/** A backend as the emitter sees it. */
export interface Target extends Writer {
  readonly name: string;
  /** Names of the thread's coordinates x, y, z. */
  readonly thread: readonly [string, string, string];
  /** Whether arrays are read by one flat index rather than by nested ones. */
  readonly flat: boolean;
  /** The most threads along x, y and z; what does not fit is laid out along x alone. Empty: everything is. */
  readonly extents: readonly number[];
  /** Indices are exact up to here. */
  readonly exactIndex: number;
  /** Whole numbers that it stores as values are exact up to here. */
  readonly exactValue: number;
  /** Arrays that one kernel can read. */
  readonly maxArguments: number;
  /** Whether constant tables count among them. */
  readonly tablesAreArguments: boolean;
  /** Constant arrays that the functions read as `this.constants.NAME`. */
  readonly tables: Readonly<Record<string, Float32Array>>;
  /** Numbers that kernels take as arguments, because compilers must not know them. */
  readonly opaque: Readonly<Record<string, number>>;
}

/** Whole numbers up to here are exact in float32. */
const EXACT_IN_SINGLE = 2 ** 24;

/**
 * Shader compilers take floats for real numbers: x * 0 and x - x are 0 for them whatever x is, and sums are put together in another
 * order. They have no such rule for what is one of two numbers, for all they know. So every value of an op is hidden behind such a
 * choice, constants too; and behind another one where it would be recognised beside itself.
 */
const HIDDEN = { value: "always0", operand: "always1" } as const;

type Options =
  & { functions?: Record<string, ScalarFunction>; shader?: boolean; double?: boolean }
  & Partial<
    Pick<Target, "round" | "flat" | "extents" | "exactIndex" | "maxArguments" | "tablesAreArguments">
  >;

/** The target of a backend. Its kernels compute with `double`s or in float32; by default those of plain JavaScript. */
export function target(name: string, options: Options): Target {
  const functions: Record<string, ScalarFunction> = { ...base, ...options.functions };
  const { double = false } = options;
  const number = (value: number): string => {
    const stored = double ? value : Math.fround(value);
    let text = String(stored);
    if (/^-?\d+$/.test(text)) text += ".0";
    return stored < 0 || Object.is(stored, -0) ? `(${Object.is(stored, -0) ? "-0.0" : text})` : text;
  };
  const self: Target = {
    name,
    thread: double ? ["x", "y", "z"] : ["this.thread.x", "this.thread.y", "this.thread.z"],
    flat: options.flat ?? false,
    extents: options.extents ?? [Infinity, Infinity, Infinity],
    exactIndex: options.exactIndex ?? EXACT_IN_SINGLE,
    exactValue: double ? Number.MAX_SAFE_INTEGER : EXACT_IN_SINGLE,
    // Seven arrays and the output are the eight storage buffers that WebGPU guarantees.
    maxArguments: 7,
    tablesAreArguments: options.tablesAreArguments ?? false,
    call(fn, args, bind) {
      const known = functions[fn];
      if (!known) throw new Error(`lower: backend ${name} has no scalar function "${fn}"`);
      return known(args, bind, self);
    },
    round: options.round ?? ((code) => code),
    literal(value) {
      const at = options.shader ? inTable(value) : null;
      if (at !== null) return `this.constants.numbers[${at}]`;
      if (Number.isFinite(value)) return number(value);
      if (Number.isNaN(value)) return double ? "NaN" : "(0.0 / 0.0)";
      return value > 0 ? "Infinity" : "(-Infinity)";
    },
    hide(code, choice = "value") {
      return options.shader ? `(${HIDDEN[choice]} > 0.0 ? ${code} : ${HIDDEN[choice]})` : code;
    },
    tables: { numbers },
    opaque: options.shader ? { [HIDDEN.value]: 1, [HIDDEN.operand]: 1 } : {},
  };
  return self;
}
