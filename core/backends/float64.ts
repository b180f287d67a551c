/** The oracle: a plan's kernels as plain JavaScript over Float64Arrays. */
import { interleaved, type LoopStep, type Plan, type Source, type Step } from "../plan/plan.ts";
import type { ResultKind } from "../loop.ts";
import { assertFunctionsOfText, needsOfPolicy, RUNTIMES } from "../runtime.ts";
import { sizeOf } from "../shape.ts";
import type { Values } from "../entry.ts";
import type { Backend, CompiledPlan, Driver } from "./backend.ts";
import { common, type Dialect } from "./dialect.ts";
import { commonLimits, hostCosts } from "./budgets.ts";
import type { ScalarFunction, ScalarFunctions } from "./functions.ts";
import { type Addition, runRoutine } from "./host_routines.ts";
import { render, renderLoop } from "./render.ts";
import { millisecondsOf } from "./timing.ts";

/** A kernel: fills the first array from the others. */
export type Kernel = (...arrays: Float64Array[]) => void;

/** Options of {@link compileForHost}. */
export interface HostOptions {
  /**
   * Returns a number near 0 by which a result of arithmetic is off, relative to it, to see how rounding propagates. Sums and products of
   * whole numbers are exact and stay so: positions are computed with them. Default none is off.
   */
  readonly jitter?: (x: number) => number;
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
  /** Runs kernel by kernel, each several times, and returns the milliseconds of each, and of each loop after them. */
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
  /** Adds up values, or what is always rounded: tangents and adjoints. */
  readonly sum: Addition;
  readonly sumOfTangents: Addition;
}

const addition: Addition = (a, b) => a + b;

const doubles: Rounding = {
  dialect,
  compile: (parameters, body) => new Function(...parameters, body) as Kernel,
  sum: addition,
  sumOfTangents: addition,
};

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
export function roundingOf(jitter?: (x: number) => number): Rounding {
  if (!jitter) return doubles;
  const jittered = (x: number, a = NaN, b = NaN): number => {
    const exact = Number.isInteger(a) && Number.isInteger(b) && Number.isSafeInteger(x);
    if (exact || x === 0) return x;
    const by = jitter(x);
    return x * (1 + by) + by * LEAST_NORMAL;
  };
  return {
    dialect: jitteredDialect(),
    compile: (parameters, body) => {
      const made = new Function(JITTERED, `return function (${parameters.join(", ")}) {\n${body}}`);
      return made(jittered) as Kernel;
    },
    sum: (a, b) => jittered(a + b, a, b),
    sumOfTangents: (a, b) => jittered(a + b),
  };
}

/** The kernel of a step, which reads the arrays of the step's arguments, and the bytes of its code. */
export function kernelOf(step: Step, rounding: Rounding): { run: Kernel; bytes: number } {
  const { form, kernel, args, name, routine } = step;
  if (routine) return { run: (...arrays) => runRoutine(routine, arrays, rounding.sum), bytes: 0 };
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
  needs: (runtime) => needsOfPolicy(runtime, "'unsafe-eval'"),
  dialect,
  forms: true,
  loops: true,
  routines: ["order", "scatter"],
  costs: hostCosts,
  limits: { ...commonLimits, name: "float64", exactValue: Number.MAX_SAFE_INTEGER },
  accuracy: "host double",
  arrays: Float64Array,
  driver: () => {
    assertFunctionsOfText();
    return Promise.resolve(driver);
  },
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
export function compileForHost(plan: Plan, options: HostOptions = {}): HostPlan {
  return new HostProgram(plan, roundingOf(options.jitter));
}

class HostProgram implements HostPlan {
  readonly bytes: number;
  readonly #kernels: readonly { readonly run: Kernel; readonly bytes: number }[];
  /** The bodies of the loops. */
  readonly #bodies: readonly HostProgram[];
  // Forms are larger than kernels, and compiled plans are kept for long.
  readonly #steps: readonly Pick<Step, "shape" | "args">[];
  readonly #loops: readonly Omit<LoopStep, "body">[];
  readonly #results: readonly Source[];

  constructor({ steps, loops = [], results }: Plan, rounding: Rounding) {
    this.#kernels = steps.map((step) => kernelOf(step, rounding));
    this.#bodies = loops.map(({ body }) => new HostProgram(body, rounding));
    this.#steps = steps.map(({ shape, args }) => ({ shape, args }));
    this.#loops = loops.map(({ body: _, ...loop }) => loop);
    this.#results = results;
    this.bytes = [...this.#kernels, ...this.#bodies].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  bind(leaves: readonly Float64Array[]): BoundPlan {
    const outputs = this.#steps.map(({ shape }) => new Float64Array(sizeOf(shape)));
    const made = this.#loops.map(({ shapes }) => shapes.map((shape) => new Float64Array(sizeOf(shape))));
    const none = new Float64Array(0);
    const get = (source: Source): Float64Array => {
      if (source.from === "leaf") return leaves[source.index];
      if (source.from === "step") return outputs[source.index];
      return source.from === "loop" ? made[source.index][source.result] : none;
    };
    const kernels = this.#kernels.map(({ run }, i) => {
      const arrays = [outputs[i], ...this.#steps[i].args.map(get)];
      return () => run(...arrays);
    });
    const loops = this.#loops.map((loop, i) => boundLoop(loop, this.#bodies[i], made[i], get));
    const calls = interleaved(kernels, loops, this.#loops);
    const results = this.#results.map(get);
    return {
      results,
      run: () => {
        for (let i = 0; i < calls.length; i++) calls[i]();
        return results;
      },
      profile: () => [...kernels, ...loops].map(millisecondsOf),
    };
  }
}

/** Arrays up to this length are copied element by element, which takes less time than a call. */
const FEW = 16;

function copy(to: Float64Array, from: Float64Array): void {
  if (to.length > FEW) to.set(from);
  else for (let i = 0; i < to.length; i++) to[i] = from[i];
}

/** A loop: its body is bound once, to arrays that receive the rows and the carries of each time. */
function boundLoop(
  { count, reverse, args, results }: Omit<LoopStep, "body">,
  body: HostProgram,
  made: readonly Float64Array[],
  get: (source: Source) => Float64Array,
): () => void {
  const sources = args.map(({ source }) => get(source));
  const sizeOfRow = (i: number) => sources[i].length / count;
  const leaves = args.map(({ as }, i) =>
    as === "whole" ? sources[i] : new Float64Array(as === "row" ? sizeOfRow(i) : sources[i].length)
  );
  const bound = body.bind(leaves);
  const rows = args.flatMap(({ as }, i) => as === "row" ? [i] : []);
  const carries = args.flatMap((arg, i) =>
    arg.as === "carry" ? [{ own: leaves[i], next: arg.next, first: sources[i] }] : []
  );
  const held = new Set(carries.map(({ own }) => own));
  // The next carry may be another one as it was.
  const moves = carries.flatMap(({ own, next }) => {
    const from = bound.results[next];
    return from === own ? [] : [{ own, from, before: held.has(from) ? new Float64Array(own.length) : null }];
  });
  return () => {
    for (const { own, first } of carries) copy(own, first);
    results.forEach(({ as }, k) => as === "summed" && made[k].fill(0));
    for (let t = 0; t < count; t++) {
      const place = reverse ? count - 1 - t : t;
      for (const i of rows) copyRow(leaves[i], sources[i], place);
      const returned = bound.run();
      for (let k = 0; k < results.length; k++) keep(results[k].as, made[k], returned[results[k].of], place);
      for (const { from, before } of moves) if (before) copy(before, from);
      for (const { own, from, before } of moves) copy(own, before ?? from);
    }
  };
}

function copyRow(to: Float64Array, from: Float64Array, place: number): void {
  const { length } = to;
  const start = place * length;
  if (length > FEW) to.set(from.subarray(start, start + length));
  else for (let i = 0; i < length; i++) to[i] = from[start + i];
}

/** Keeps what the body returned. */
function keep(as: ResultKind, made: Float64Array, returned: Float64Array, place: number): void {
  const { length } = returned;
  if (as === "last") copy(made, returned);
  else if (as === "summed") { for (let i = 0; i < length; i++) made[i] += returned[i]; }
  else if (length > FEW) made.set(returned, place * length);
  else for (let i = 0; i < length; i++) made[place * length + i] = returned[i];
}

function compile(plan: Plan): CompiledPlan {
  const compiled = compileForHost(plan);
  const { bytes } = compiled;
  const arrays = bytesOfArrays(plan);
  return {
    bytes,
    run(leaves) {
      const values = leaves.map(asFloat64);
      return Promise.resolve([...bound(arrays, () => compiled.bind(values)).run()]);
    },
    profile: (leaves) => bound(arrays, () => compiled.bind(leaves.map(asFloat64))).profile(),
    dispose: () => {},
  };
}

/** The bytes of the arrays that a plan computes. */
function bytesOfArrays({ steps, loops = [] }: Plan): number {
  const shapes = [...steps.map(({ shape }) => shape), ...loops.flatMap((loop) => loop.shapes)];
  return shapes.reduce((sum, shape) => sum + 8 * sizeOf(shape), 0) +
    loops.reduce((sum, { body }) => sum + bytesOfArrays(body), 0);
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
