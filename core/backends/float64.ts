/** The oracle: a plan's kernels as plain JavaScript over Float64Arrays. */
import type { Plan, Source, Step } from "../plan/plan.ts";
import { RUNTIMES } from "../runtime.ts";
import { sizeOf } from "../shape.ts";
import type { Values } from "../entry.ts";
import type { Backend, CompiledPlan, Driver } from "./backend.ts";
import { common, type Dialect } from "./dialect.ts";
import { commonLimits, hostCosts } from "./budgets.ts";
import type { ScalarFunction, ScalarFunctions } from "./functions.ts";
import { render, renderLoop } from "./render.ts";

/** A kernel: fills the first array from the others. */
export type Kernel = (...arrays: Float64Array[]) => void;

/** Options of {@link compileForHost}. */
export interface HostOptions {
  /**
   * Returns a number near 0 by which a result of arithmetic is off, relative to it, to see how rounding propagates. Sums and products of
   * whole numbers are exact and stay so: positions are computed with them. Default none is off.
   */
  readonly jitter?: () => number;
}

/** A plan that the host runs, without waiting for anything. */
export interface HostPlan {
  /** Memory that its code takes, in bytes. */
  readonly bytes: number;
  /** Fixes the arrays that it reads. Separate bindings share nothing. */
  bind(leaves: readonly Float64Array[]): BoundPlan;
}

/** A plan with the arrays that it reads. */
export interface BoundPlan {
  /** The arrays that results go to, the same at each run; empty of meaning before the first one. */
  readonly results: readonly Float64Array[];
  /** Computes the results from the current contents of the arrays and returns them. */
  run(): readonly Float64Array[];
  /** Runs kernel by kernel, each several times, and returns the milliseconds of each. */
  profile(): number[];
}

const dialect: Dialect = {
  ...common,
  name: "float64",
  thread: ["x", "y", "z"],
  double: true,
  flat: true,
  exactIndex: Number.MAX_SAFE_INTEGER,
};

/** How kernels round: as doubles do, or with an additional error. */
export interface Rounding {
  readonly dialect: Dialect;
  /** Makes a function. */
  compile(parameters: readonly string[], body: string): Kernel;
}

const doubles: Rounding = { dialect, compile: (parameters, body) => new Function(...parameters, body) as Kernel };

const JITTERED = "jittered";
/** Smaller numbers have fewer digits, so that their rounding is not relative to them. */
const LEAST_NORMAL = 2 ** -1022;

/** Sums and products tell the errors whether they are exact. */
const jitteredSums: ScalarFunctions = Object.fromEntries(
  ["add", "sub", "mul", "sum", "product"].map((name): [string, ScalarFunctions[string]] => {
    const operator = { sub: "-", mul: "*", product: "*" }[name] ?? "+";
    const write: ScalarFunction["write"] = (args, w) => {
      // Operands occur twice: without names, nested sums would double at each level.
      const [a, b] = args.map((arg) => w.bind(arg));
      return `${JITTERED}(${a} ${operator} ${b}, ${a}, ${b})`;
    };
    return [name, { write }];
  }),
);

function jitteredDialect(): Dialect {
  return { ...dialect, rounds: JITTERED, functions: { ...dialect.functions, ...jitteredSums } };
}

/** Returns how kernels round if results of arithmetic are off as {@link HostOptions.jitter} says. */
export function roundingOf(jitter?: () => number): Rounding {
  if (!jitter) return doubles;
  const jittered = (x: number, a = NaN, b = NaN): number => {
    const exact = Number.isInteger(a) && Number.isInteger(b) && Number.isSafeInteger(x);
    if (exact || x === 0) return x;
    const by = jitter();
    return x * (1 + by) + by * LEAST_NORMAL;
  };
  return {
    dialect: jitteredDialect(),
    compile: (parameters, body) => {
      const made = new Function(JITTERED, `return function (${parameters.join(", ")}) {\n${body}}`);
      return made(jittered) as Kernel;
    },
  };
}

/** The kernel of a step, which reads the arrays of the step's arguments, and the bytes of its code. */
export function kernelOf(step: Step, rounding: Rounding): { run: Kernel; bytes: number } {
  const { form, kernel, args, name } = step;
  let text = kernel;
  if (rounding !== doubles) {
    if (!form) throw new Error(`float64: the step "${name}" has no loop form to render again`);
    text = render({ ...form, args, iterations: kernel.iterations }, rounding.dialect);
  }
  const { parameters, body } = renderLoop(text);
  return { run: rounding.compile(parameters, body), bytes: 2 * body.length };
}

export const float64: Backend = {
  name: "float64",
  computesOn: "host",
  runsIn: RUNTIMES,
  needs: () => null,
  dialect,
  forms: true,
  costs: hostCosts,
  limits: { ...commonLimits, name: "float64", exactValue: Number.MAX_SAFE_INTEGER },
  accuracy: "host double",
  arrays: Float64Array,
  driver: () => Promise.resolve(driver),
};

const driver: Driver = {
  backend: () => "float64",
  executor: () => "host",
  fallbackReason: () => null,
  description: () => "JavaScript",
  compile,
  reopen: () => Promise.resolve(),
  dispose: () => {},
};

/** Turns a plan for {@link float64} into functions. */
export function compileForHost(plan: Plan, { jitter }: HostOptions = {}): HostPlan {
  const rounding = roundingOf(jitter);
  const kernels = plan.steps.map((step) => kernelOf(step, rounding));
  const shapes = plan.steps.map(({ shape }) => shape);
  // Forms are larger than kernels, and compiled plans are kept for long.
  const sources = plan.steps.map(({ args }) => args);
  const { results: wanted } = plan;
  return {
    bytes: kernels.reduce((sum, { bytes }) => sum + bytes, 0),
    bind(leaves) {
      const outputs = shapes.map((shape) => new Float64Array(sizeOf(shape)));
      const get = (source: Source): Float64Array =>
        source.from === "leaf"
          ? leaves[source.index]
          : source.from === "step"
          ? outputs[source.index]
          : new Float64Array(0);
      const calls = sources.map((args, i) => [outputs[i], ...args.map(get)]);
      const results = wanted.map(get);
      return {
        results,
        run: () => {
          for (let i = 0; i < kernels.length; i++) kernels[i].run(...calls[i]);
          return results;
        },
        profile: () => kernels.map(({ run }, i) => millisecondsOf(() => run(...calls[i]))),
      };
    },
  };
}

function compile(plan: Plan): CompiledPlan {
  const { bytes, bind } = compileForHost(plan);
  const arrays = plan.steps.reduce((sum, { shape }) => sum + 8 * sizeOf(shape), 0);
  return {
    bytes,
    run(leaves) {
      const values = leaves.map(asFloat64);
      return Promise.resolve([...bound(arrays, () => bind(values)).run()]);
    },
    profile: (leaves) => bound(arrays, () => bind(leaves.map(asFloat64))).profile(),
    dispose: () => {},
  };
}

/** Clocks are coarse: a call is repeated until so many milliseconds have passed. */
const LONG_ENOUGH = 1;
/** The number of repetitions. The shortest counts: the others were interrupted or not yet optimised. */
const TIMES = 3;

/** Returns the milliseconds of a call. */
function millisecondsOf(call: () => void): number {
  let best = Infinity;
  for (let i = 0; i < TIMES; i++) {
    for (let repeats = 1;; repeats *= 2) {
      const start = performance.now();
      for (let k = 0; k < repeats; k++) call();
      const elapsed = performance.now() - start;
      if (elapsed < LONG_ENOUGH) continue;
      best = Math.min(best, elapsed / repeats);
      break;
    }
  }
  return best;
}

/** Binds a plan. If memory is refused, the error states how much was requested. */
function bound(bytes: number, bind: () => BoundPlan): BoundPlan {
  try {
    return bind();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new Error(`float64: out of memory: the arrays of this plan take ${bytes} bytes`, { cause: error });
  }
}

/** Returns the values as float64, converted if necessary. */
export function asFloat64(values: Values): Float64Array {
  return values instanceof Float64Array ? values : Float64Array.from(values);
}
