/**
 * The oracle over dual numbers: each value together with its tangents, the derivatives along some directions. A plan for `float64` computes
 * its values as ever, operation by operation, and beside them tangents by the rules in `partials.ts`.
 */
import type { Expression } from "../expression.ts";
import type { LoopForm, Statement } from "../plan/form.ts";
import type { Plan, Source, Step } from "../plan/plan.ts";
import type { Routine } from "../routine.ts";
import { sizeOf } from "../shape.ts";
import { kernelOf, type Rounding, roundingOf } from "./float64.ts";
import { type Code, Name, type Writer } from "./functions.ts";
import { movingArgument, tangentsOfRoutine } from "./host_routines.ts";
import { Moving } from "./moving.ts";
import { type Coefficient, type Rule, rules } from "./partials.ts";
import { overCells, Rendering } from "./render.ts";
import { directions, intervals, STATES, type Tangent, type Tangents, TIED, type Ties, zeros } from "./tangents.ts";

export { NoDual } from "./moving.ts";
export type { Ties } from "./tangents.ts";

/** Options of {@link compileDual}. */
export interface DualOptions {
  /** Which leaves of the plan move, by position; values computed from others alone carry no tangent. */
  readonly moving: readonly boolean[];
  /** How many directions at once, default 1. */
  readonly lanes?: number;
  /** How ties are taken, default `branch`. `apart` and `hull` take a single direction; the tangents of `hull` are intervals. */
  readonly ties?: Ties;
  /** Returns a number near 0 by which a result x of arithmetic, of tangents too, is off, relative to it. Default none is. */
  readonly jitter?: (x: number) => number;
}

/** A plan over dual numbers. */
export interface DualPlan {
  /** Memory that its code takes, in bytes. */
  readonly bytes: number;
  /** Whether tangents depend on how ties are taken: there is a maximum, a minimum or an absolute value of something that moves. */
  readonly ties: boolean;
  /**
   * Fixes the arrays that it reads. Separate bindings share nothing.
   *
   * @param leaves the values of the leaves.
   * @param tangents their tangents, `[element * lanes + lane]`, needed for those that move. For ties as `hull` there are two numbers for each
   * element, the ends of an interval, both the same for a direction.
   */
  bind(leaves: readonly Float64Array[], tangents: readonly (Float64Array | null)[]): BoundDual;
}

/** A plan with the arrays that it reads. */
export interface BoundDual {
  /** The values of the results. The arrays are the same at each run and empty of meaning before the first one. */
  readonly results: readonly Float64Array[];
  /** The tangents of the results, laid out as those of the leaves; `null` where nothing that moves reaches the result. */
  readonly tangents: readonly (Float64Array | null)[];
  /**
   * Whether operands tied in the last run and had different tangents, for ties as `branch`: otherwise tangents are the same however ties
   * are taken.
   */
  readonly tied: boolean;
  /**
   * For ties as `apart`: says at random how each is taken in the next run.
   *
   * @param share how many of them take the first operand, or what `abs` is of, from 0 for none to 1 for all.
   */
  takeApart(random: () => number, share: number): void;
  /** Computes both from the current contents of the arrays. Allocates nothing. */
  run(): void;
}

/**
 * Kernels with more characters than this are rendered for fewer directions at once and run several times: V8 optimizes no function of more
 * than 60 KB of bytecode, which is some 140,000 characters, and others run forty times slower.
 */
const LONGEST = 100_000;

/** A step of the plan. */
interface DualStep {
  /**
   * A function of the arrays for its values and tangents, of those of its arguments, of the one that says whether ties matter, and of the
   * first direction if it takes some at a time.
   */
  readonly run: DualKernel;
  readonly bytes: number;
  /** Whether it has tangents. */
  readonly moves: boolean;
  /** Whether its tangents depend on how ties are taken. */
  readonly ties: boolean;
  /** The number of elements. */
  readonly size: number;
  readonly args: readonly Source[];
  /** The arguments whose tangents it takes. */
  readonly moving: readonly Source[];
  /** The first directions of its runs; `null` if it takes all at once. */
  readonly parts: readonly number[] | null;
}

type DualKernel = (...args: (Float64Array | number)[]) => void;

/**
 * Turns a plan for `float64` into functions over dual numbers.
 *
 * @throws {NoDual} if a scalar function has no known derivative.
 */
export function compileDual(plan: Plan, options: DualOptions): DualPlan {
  const { moving, lanes = 1, ties = "branch", jitter } = options;
  if (moving.length !== plan.leaves.length) {
    throw new Error(
      `compileDual: moving has ${moving.length} elements, expected one for each of ${plan.leaves.length} leaves`,
    );
  }
  if (!(Number.isInteger(lanes) && lanes >= 1)) {
    throw new Error(`compileDual: expected a number of lanes, got ${lanes}`);
  }
  if ((ties === "hull" || ties === "apart") && lanes !== 1) {
    throw new Error(`compileDual: expected 1 lane with ties as ${ties}, got ${lanes}`);
  }
  const compiler = new DualCompiler(lanes, ties, jitter);
  const steps: DualStep[] = [];
  const moves = (source: Source): boolean =>
    source.from === "leaf" ? moving[source.index] : source.from === "step" && steps[source.index].moves;
  for (const step of plan.steps) steps.push(compiler.step(step, moves));
  const compiled: Compiled = {
    steps,
    results: plan.results,
    leafSizes: plan.leaves.map(({ size }) => size),
    moves,
    width: compiler.width,
  };
  return {
    bytes: steps.reduce((sum, { bytes }) => sum + bytes, 0),
    ties: steps.some(({ ties }) => ties),
    bind: (leaves, along) => bind(compiled, leaves, along),
  };
}

/** Compiles the steps of a plan. */
class DualCompiler {
  readonly #lanes: number;
  readonly #ties: Ties;
  readonly #rounding: Rounding;
  /** Whether kernels may compute values several times: jittered ones would differ. */
  readonly #mayRepeat: boolean;

  constructor(lanes: number, ties: Ties, jitter: DualOptions["jitter"]) {
    this.#lanes = lanes;
    this.#ties = ties;
    this.#rounding = roundingOf(jitter);
    this.#mayRepeat = !jitter;
  }

  /** The numbers of a tangent. */
  get width(): number {
    return this.#tangents(this.#lanes).width;
  }

  step(step: Step, moves: (source: Source) => boolean): DualStep {
    const { form, name, args, routine } = step;
    if (routine) return this.#routine(step, routine, moves);
    if (!form) throw new Error(`compileDual: the step "${name}" has no loop form; expected a plan for float64`);
    const argumentsMove = args.map(moves);
    const size = sizeOf(step.shape);
    const rendering = this.#rendering(form, argumentsMove, this.#lanes);
    if (!rendering.moves(form.result)) {
      const { run, bytes } = kernelOf(step, this.#rounding);
      return { run: run as DualKernel, bytes, moves: false, ties: false, size, args, moving: [], parts: null };
    }
    let body = rendering.body(form);
    const lanes = this.#atOnce(body.length);
    if (lanes < this.#lanes) body = this.#rendering(form, argumentsMove, lanes).body(form);
    const parameters = ["out", "tangents", ...args.map((_, i) => `a${i}`)];
    argumentsMove.forEach((is, i) => is && parameters.push(`d${i}`));
    return {
      run: this.#rounding.compile([...parameters, TIED, FIRST], body) as DualKernel,
      bytes: 2 * body.length,
      moves: true,
      ties: rendering.ties,
      size,
      args,
      moving: args.filter(moves),
      parts: lanes < this.#lanes ? Array.from({ length: this.#lanes / lanes }, (_, i) => i * lanes) : null,
    };
  }

  #routine(step: Step, routine: Routine, moves: (source: Source) => boolean): DualStep {
    const { args, shape } = step;
    const { sumOfTangents } = this.#rounding;
    const { run, bytes } = kernelOf(step, this.#rounding);
    const known = { bytes, ties: false, size: sizeOf(shape), args, parts: null };
    const moving = movingArgument(routine);
    if (moving === null || !moves(args[moving])) return { ...known, run: run as DualKernel, moves: false, moving: [] };
    const { width } = this;
    const both = (out: Float64Array, to: Float64Array, ...rest: Float64Array[]): void => {
      const arrays = rest.slice(0, args.length);
      run(out, ...arrays);
      tangentsOfRoutine(routine, { arrays, from: rest[args.length], to, width }, sumOfTangents);
    };
    return { ...known, run: both as DualKernel, moves: true, moving: [args[moving]] };
  }

  #tangents(lanes: number): Tangents {
    return this.#ties === "hull" ? intervals : directions(lanes, this.#ties);
  }

  #rendering(form: LoopForm, argumentsMove: readonly boolean[], lanes: number): DualRendering {
    return new DualRendering(form, {
      argumentsMove,
      tangents: this.#tangents(lanes),
      stride: this.width,
      rounding: this.#rounding,
    });
  }

  /** How many directions a kernel takes at once, if it has this many characters for all of them. */
  #atOnce(length: number): number {
    const all = this.#lanes;
    // Where the first direction decides, the others cannot go without it.
    if (length <= LONGEST || !this.#mayRepeat || this.#ties === "first") return all;
    for (let lanes = all - 1; lanes > 0; lanes--) {
      if (all % lanes === 0 && length * lanes <= LONGEST * all) return lanes;
    }
    return all;
  }
}

interface Compiled {
  readonly steps: readonly DualStep[];
  readonly results: readonly Source[];
  readonly leafSizes: readonly number[];
  moves(source: Source): boolean;
  readonly width: number;
}

function bind(
  { steps, results, leafSizes, moves, width }: Compiled,
  leaves: readonly Float64Array[],
  along: readonly (Float64Array | null)[],
): BoundDual {
  const none = new Float64Array(0);
  const tied = new Float64Array(3);
  const outputs = steps.map(({ size }) => new Float64Array(size));
  const outputTangents = steps.map((step) => step.moves ? new Float64Array(step.size * width) : none);
  const valuesOf = (source: Source): Float64Array =>
    source.from === "leaf" ? leaves[source.index] : source.from === "step" ? outputs[source.index] : none;
  const tangentsOf = (source: Source): Float64Array => {
    if (source.from !== "leaf") return source.from === "step" ? outputTangents[source.index] : none;
    const expected = leafSizes[source.index] * width;
    const given = along[source.index];
    if (given?.length === expected) return given;
    const got = given ? `${given.length}` : "none";
    throw new Error(`compileDual: expected ${expected} numbers as the tangents of leaf ${source.index}, got ${got}`);
  };
  const calls = steps.flatMap((step, i) => {
    const written = step.moves ? [outputs[i], outputTangents[i]] : [outputs[i]];
    const arrays = [...written, ...step.args.map(valuesOf), ...step.moving.map(tangentsOf)];
    if (step.moves) arrays.push(tied);
    return step.parts ? step.parts.map((first) => [...arrays, first]) : [arrays];
  });
  const kernels = steps.flatMap(({ run, parts }) => new Array<DualKernel>(parts?.length ?? 1).fill(run));
  return {
    results: results.map(valuesOf),
    tangents: results.map((source) => moves(source) ? tangentsOf(source) : null),
    get tied() {
      return tied[0] !== 0;
    },
    takeApart: (random, share) => {
      tied[1] = 1 + Math.floor(random() * (STATES - 1));
      tied[2] = share * STATES;
    },
    run: () => {
      tied[0] = 0;
      for (let i = 0; i < kernels.length; i++) kernels[i](...calls[i]);
    },
  };
}

/** A value and its tangent; `null` if it does not move. */
interface Dual {
  readonly value: Code;
  readonly tangent: Tangent | null;
}

interface DualSettings {
  /** For each argument whether it moves. */
  readonly argumentsMove: readonly boolean[];
  readonly tangents: Tangents;
  /** The numbers of a tangent in the arrays: more than the kernel writes if it takes some directions at a time. */
  readonly stride: number;
  readonly rounding: Rounding;
}

/** The name of the first direction in kernels that take some at a time. */
const FIRST = "lane";

/** Writes the statements of a kernel and, beside those of values that move, statements of their tangents. */
class DualRendering extends Rendering {
  /** Whether it has written anything that depends on how ties are taken. */
  ties = false;
  readonly #settings: DualSettings;
  readonly #moving: Moving;
  /** The tangents of locals that move, by their numbers. */
  readonly #tangentOf: Tangent[] = [];

  constructor(form: LoopForm, settings: DualSettings) {
    super(settings.rounding.dialect, form.threads);
    this.#settings = settings;
    this.#moving = new Moving(form, settings.argumentsMove);
  }

  /** Whether an expression has a tangent. */
  moves(expression: Expression): boolean {
    return this.#moving.has(expression);
  }

  /** The whole kernel. */
  body(form: LoopForm): string {
    this.statements(form.body);
    const { value, tangent } = this.#dual(form.result);
    const stores = tangent!.map((t, k) => `tangents[${this.#place("cell", k)}] = ${t};`);
    return overCells(form.extent, [...this.lines, ...stores, `out[cell++] = ${value};`]);
  }

  override statement(statement: Statement): void {
    switch (statement.kind) {
      case "const":
      case "let":
      case "assign":
        if (this.#moving.has(statement.local)) return this.#moved(statement);
        return super.statement(statement);
      case "constant":
      case "loop":
      case "branch":
        return super.statement(statement);
      default:
        return statement satisfies never;
    }
  }

  #moved({ kind, local, value }: Extract<Statement, { kind: "const" | "let" | "assign" }>): void {
    const { tangents } = this.#settings;
    const dual = this.#dual(value);
    const tangent = dual.tangent ?? zeros(tangents);
    if (kind === "const") {
      this.define(local, this.bind(dual.value));
      this.#tangentOf[local.id] = tangent.map((t) => this.bind(t));
    } else if (kind === "let") {
      const name = this.declare(local);
      this.line(`let ${name} = ${dual.value};`);
      const names = tangent.map((_, k) => new Name(`${name}d${k}`));
      names.forEach((own, k) => this.line(`let ${own} = ${tangent[k]};`));
      this.#tangentOf[local.id] = names;
    } else {
      const next = tangents.coupled ? tangent.map((t) => this.bind(t)) : tangent;
      // The value last: tangents depend on the one before.
      next.forEach((t, k) => this.line(`${this.#tangentOf[local.id][k]} = ${t};`));
      this.line(`${this.codeOf(local)} = ${dual.value};`);
    }
  }

  #dual(expression: Expression): Dual {
    if (!this.moves(expression)) return { value: this.expression(expression), tangent: null };
    switch (expression.kind) {
      case "local":
        return { value: this.codeOf(expression), tangent: this.#tangentOf[expression.id] };
      case "read": {
        const at = this.bind(this.linear(expression.at[0]));
        const { argument } = expression;
        const tangent = zeros(this.#settings.tangents).map((_, k) => `d${argument}[${this.#place(at, k)}]`);
        return { value: `a${argument}[${at}]`, tangent };
      }
      case "call":
        return this.#called(rules[expression.name], expression.name, expression.args.map((arg) => this.#operand(arg)));
      case "literal":
      case "index":
      case "quotient":
      case "remainder":
      case "within":
        throw new Error(`compileDual: an expression of kind "${expression.kind}" has no tangent`);
      default:
        return expression satisfies never;
    }
  }

  /** An argument of a function, which may repeat it. */
  #operand(expression: Expression): Dual {
    const { value, tangent } = this.#dual(expression);
    if (expression.kind !== "call") return { value, tangent };
    return { value: this.bind(value), tangent: tangent?.map((t) => this.bind(t)) ?? null };
  }

  #called(rule: Rule, name: string, args: readonly Dual[]): Dual {
    const { tangents } = this.#settings;
    const value = this.call(name, ...args.map((arg) => arg.value));
    const [a, b, c] = args.map((arg) => arg.tangent ?? zeros(tangents));
    switch (rule.kind) {
      case "choice":
        return { value, tangent: b.map((t, k) => `(${args[0].value} ? ${t} : ${c[k]})`) };
      case "extreme":
        this.ties = true;
        return { value, tangent: tangents.extreme(rule.of, [args[0].value, args[1].value], [a, b]) };
      case "size":
        this.ties = true;
        return { value, tangent: tangents.size(args[0].value, a) };
      case "smooth":
        return this.#smooth(rule.coefficients, args, value);
      case "constant":
        throw new Error(`compileDual: "${name}" has no tangent`);
      default:
        return rule satisfies never;
    }
  }

  #smooth(coefficients: Extract<Rule, { kind: "smooth" }>["coefficients"], args: readonly Dual[], value: Code): Dual {
    const { tangents } = this.#settings;
    // Named only where a derivative uses it: the sum of a reduction is assigned as it is.
    let result: Name | null = null;
    const named = (): Name => result ??= this.bind(value);
    const call = {
      args: args.map((arg) => arg.value),
      get result() {
        return named();
      },
      writer: this,
    };
    const terms = args.flatMap(({ tangent }, i) => {
      if (!tangent) return [];
      const by = rounded(coefficients[i](call), call.args, this);
      return [tangents.scaled(by, tangent, this)];
    });
    return { value: result ?? value, tangent: terms.reduce((sum, term) => tangents.sum(sum, term, this)) };
  }

  /** The place of a number of a tangent in its array. */
  #place(at: Code, k: number): string {
    const { tangents: { width }, stride } = this.#settings;
    const terms = [stride === 1 ? `${at}` : `${at} * ${stride}`];
    if (width < stride) terms.push(FIRST);
    if (k > 0) terms.push(String(k));
    return terms.join(" + ");
  }
}

/** Rounds a coefficient, unless it is an operand or the result as it is. */
function rounded(by: Coefficient, values: readonly Code[], writer: Writer): Coefficient {
  if (by === 1 || by === -1) return by;
  const [name, code] = "over" in by ? ["over", by.over] as const : ["times", by.times] as const;
  if (code instanceof Name || values.includes(code)) return by;
  return name === "over" ? { over: writer.round(code) } : { times: writer.round(code) };
}
