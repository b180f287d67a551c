/**
 * The oracle over dual numbers: each value together with its tangents, the derivatives along some directions. A plan for `float64` computes
 * its values as ever, operation by operation, and beside them tangents by the rules in `partials.ts`.
 */
import type { Expression } from "../expression.ts";
import type { LoopForm, Statement } from "../plan/form.ts";
import type { Plan, Source, Step } from "../plan/plan.ts";
import { sizeOf } from "../shape.ts";
import { kernelOf, type Rounding, roundingOf } from "./float64.ts";
import { type Code, Name } from "./functions.ts";
import { type Coefficient, type Rule, rules } from "./partials.ts";
import { overCells, Rendering } from "./render.ts";
import { directions, intervals, type Tangent, type Tangents, type Ties, zeros } from "./tangents.ts";

export type { Ties } from "./tangents.ts";

/** Options of {@link compileDual}. */
export interface DualOptions {
  /** Which leaves of the plan move, by position; values computed from others alone carry no tangent. */
  readonly moving: readonly boolean[];
  /** How many directions at once, default 1. */
  readonly lanes?: number;
  /** How ties are taken, default `branch`. `hull` takes a single direction; its tangents are intervals. */
  readonly ties?: Ties;
  /** Returns a number near 0 by which a result of arithmetic, of tangents too, is off, relative to it. Default none is. */
  readonly jitter?: () => number;
}

/** A plan over dual numbers. */
export interface DualPlan {
  /** Memory that its code takes, in bytes. */
  readonly bytes: number;
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
  /** Computes both from the current contents of the arrays. Allocates nothing. */
  run(): void;
}

/** Thrown if a plan calls a scalar function whose derivative is not known. */
export class NoDual extends Error {
  override readonly name = "NoDual";
}

type Kernel = (...arrays: Float64Array[]) => void;

/** A step of the plan as a function of the arrays for its values and tangents and then of those of its arguments. */
interface DualStep {
  readonly run: Kernel;
  readonly bytes: number;
  /** Whether it has tangents. */
  readonly moves: boolean;
  /** The arguments whose tangents it takes. */
  readonly moving: readonly Source[];
}

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
  if (ties === "hull" && lanes !== 1) throw new Error(`compileDual: expected 1 lane with ties as hull, got ${lanes}`);
  const tangents = ties === "hull" ? intervals : directions(lanes, ties === "ahead");
  const steps: DualStep[] = [];
  const moves = (source: Source): boolean =>
    source.from === "leaf" ? moving[source.index] : source.from === "step" && steps[source.index].moves;
  for (const step of plan.steps) steps.push(dualStep(step, moves, tangents, roundingOf(jitter)));
  return {
    bytes: steps.reduce((sum, { bytes }) => sum + bytes, 0),
    bind: (leaves, along) => bind({ plan, steps, moves, width: tangents.width }, leaves, along),
  };
}

function dualStep(step: Step, moves: (source: Source) => boolean, tangents: Tangents, rounding: Rounding): DualStep {
  const argumentsMove = step.args.map(moves);
  const form = formOf(step);
  const rendering = new DualRendering(form, { argumentsMove, tangents, rounding });
  if (!rendering.moves(form.result)) {
    return { ...kernelOf(step, rounding), moves: false, moving: [] };
  }
  const body = rendering.body(form);
  const parameters = [
    ...["out", "tangents"],
    ...step.args.map((_, i) => `a${i}`),
    ...argumentsMove.flatMap((is, i) => is ? [`d${i}`] : []),
  ];
  const bytes = 2 * body.length;
  return { run: rounding.compile(parameters, body) as Kernel, bytes, moves: true, moving: step.args.filter(moves) };
}

function formOf({ form, name }: Step): LoopForm {
  if (!form) throw new Error(`compileDual: the step "${name}" has no loop form; expected a plan for float64`);
  return form;
}

interface Compiled {
  readonly plan: Plan;
  readonly steps: readonly DualStep[];
  moves(source: Source): boolean;
  readonly width: number;
}

function bind(
  { plan, steps, moves, width }: Compiled,
  leaves: readonly Float64Array[],
  along: readonly (Float64Array | null)[],
): BoundDual {
  const none = new Float64Array(0);
  const sizes = plan.steps.map(({ shape }) => sizeOf(shape));
  const outputs = sizes.map((size) => new Float64Array(size));
  const outputTangents = steps.map((step, i) => step.moves ? new Float64Array(sizes[i] * width) : none);
  const valuesOf = (source: Source): Float64Array =>
    source.from === "leaf" ? leaves[source.index] : source.from === "step" ? outputs[source.index] : none;
  const tangentsOf = (source: Source): Float64Array => {
    if (source.from !== "leaf") return source.from === "step" ? outputTangents[source.index] : none;
    const expected = plan.leaves[source.index].size * width;
    const given = along[source.index];
    if (given?.length === expected) return given;
    const got = given ? `${given.length}` : "none";
    throw new Error(`compileDual: expected ${expected} numbers as the tangents of leaf ${source.index}, got ${got}`);
  };
  const calls = plan.steps.map((step, i) => [
    outputs[i],
    ...steps[i].moves ? [outputTangents[i]] : [],
    ...step.args.map(valuesOf),
    ...steps[i].moving.map(tangentsOf),
  ]);
  return {
    results: plan.results.map(valuesOf),
    tangents: plan.results.map((source) => moves(source) ? tangentsOf(source) : null),
    run: () => {
      for (let i = 0; i < steps.length; i++) steps[i].run(...calls[i]);
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
  readonly rounding: Rounding;
}

/** Writes the statements of a kernel and, beside those of values that move, statements of their tangents. */
class DualRendering extends Rendering {
  readonly #settings: DualSettings;
  /** The locals that move, by their numbers. */
  readonly #moving = new Set<number>();
  /** Their tangents, by the same numbers. */
  readonly #tangentOf: Tangent[] = [];

  constructor(form: LoopForm, settings: DualSettings) {
    super(settings.rounding.dialect, form.threads);
    this.#settings = settings;
    // An accumulator may move because of what is assigned to it later, and so may what was computed from it before.
    for (let before = -1; before < this.#moving.size;) {
      before = this.#moving.size;
      this.#spread(form.body);
    }
  }

  /** Notes the locals that move. */
  #spread(body: readonly Statement[]): void {
    for (const statement of body) {
      if (statement.kind === "loop" || statement.kind === "branch") this.#spread(statement.body);
      else if (statement.kind !== "constant" && this.moves(statement.value)) this.#moving.add(statement.local.id);
    }
  }

  /** Whether an expression has a tangent. */
  moves(expression: Expression): boolean {
    switch (expression.kind) {
      case "local":
        return this.#moving.has(expression.id);
      case "read":
        return this.#settings.argumentsMove[expression.argument];
      case "call": {
        const { name, args } = expression;
        const moving = args.map((arg) => this.moves(arg));
        if (!moving.includes(true)) return false;
        if (!Object.hasOwn(rules, name)) throw new NoDual(`compileDual: the derivative of "${name}" is not known`);
        return rules[name].kind !== "constant";
      }
      default:
        return false;
    }
  }

  /** The whole kernel. */
  body(form: LoopForm): string {
    this.statements(form.body);
    const { value, tangent } = this.#dual(form.result);
    const { width } = this.#settings.tangents;
    const stores = tangent!.map((t, k) => `tangents[${offset("cell", width, k)}] = ${t};`);
    return overCells(form.extent, [...this.lines, ...stores, `out[cell++] = ${value};`]);
  }

  override statement(statement: Statement): void {
    switch (statement.kind) {
      case "const":
      case "let":
      case "assign":
        if (this.#moving.has(statement.local.id)) return this.#moved(statement);
        return super.statement(statement);
      default:
        return super.statement(statement);
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
        const { width } = this.#settings.tangents;
        const at = this.bind(this.linear(expression.at[0]));
        const { argument } = expression;
        const tangent = Array.from({ length: width }, (_, k) => `d${argument}[${offset(String(at), width, k)}]`);
        return { value: `a${argument}[${at}]`, tangent };
      }
      case "call":
        return this.#called(rules[expression.name], expression.name, expression.args.map((arg) => this.#operand(arg)));
      default:
        throw new Error(`compileDual: an expression of kind "${expression.kind}" has no tangent`);
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
        return { value, tangent: tangents.extreme(rule.of, [args[0].value, args[1].value], [a, b]) };
      case "size":
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
      const by = this.#rounded(coefficients[i](call));
      return [tangents.scaled(by, tangent, this)];
    });
    return { value: result ?? value, tangent: terms.reduce((sum, term) => tangents.sum(sum, term, this)) };
  }

  /** A coefficient that is more than an operand or a result is rounded. */
  #rounded(by: Coefficient): Coefficient {
    if (by === 1 || by === -1) return by;
    if ("over" in by) return by.over instanceof Name ? by : { over: this.round(by.over) };
    return by.times instanceof Name ? by : { times: this.round(by.times) };
  }
}

/** The place of a number of a tangent. */
function offset(at: string, width: number, k: number): string {
  if (width === 1) return at;
  return k === 0 ? `${at} * ${width}` : `${at} * ${width} + ${k}`;
}
