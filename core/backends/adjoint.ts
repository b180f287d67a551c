/**
 * The dual numbers of `dual.ts` transposed: from adjoints of the results to those of the leaves (Griewank and Walther, "Evaluating
 * Derivatives", chapter 3). A plan's kernels run forwards over values, then backwards over adjoints, each by the partial derivatives of
 * `partials.ts`. One run gives the derivatives with respect to all elements of all leaves.
 */
import type { Expression, Local } from "../expression.ts";
import type { LoopForm, Statement } from "../plan/form.ts";
import type { Plan, Source, Step } from "../plan/plan.ts";
import type { Routine } from "../routine.ts";
import { sizeOf } from "../shape.ts";
import { type Kernel, kernelOf, type Rounding, roundingOf } from "./float64.ts";
import { type Code, Name } from "./functions.ts";
import { adjointsOfRoutine, movingArgument } from "./host_routines.ts";
import { Moving } from "./moving.ts";
import { type Coefficient, isSum, type Rule, rules } from "./partials.ts";
import { overCells, Rendering } from "./render.ts";

/** Options of {@link compileAdjoint}. */
export interface AdjointOptions {
  /** Which leaves of the plan move, by position; only these have adjoints. */
  readonly moving: readonly boolean[];
  /** Returns a number near 0 by which a result x of arithmetic, of adjoints too, is off, relative to it. Default none is. */
  readonly jitter?: (x: number) => number;
}

/** A plan that runs backwards, too. */
export interface AdjointPlan {
  /** Memory that its code takes, in bytes. */
  readonly bytes: number;
  /** Fixes the arrays that it reads. Separate bindings share nothing. */
  bind(leaves: readonly Float64Array[]): BoundAdjoint;
}

/** A plan with the arrays that it reads. */
export interface BoundAdjoint {
  /** The values of the results, the same arrays at each run. */
  readonly results: readonly Float64Array[];
  /** The adjoints of the leaves, `null` for those that do not move. The arrays are the same at each run. */
  readonly adjoints: readonly (Float64Array | null)[];
  /**
   * Computes values and adjoints from the current contents of the arrays. Ties are taken as `branch` takes them; an adjoint of 0 passes
   * nothing on, not even NaN.
   *
   * @param weights the adjoints of the results.
   */
  run(weights: readonly Float64Array[]): void;
}

type BackwardKernel = (stack: number[], seeds: Float64Array, ...arrays: Float64Array[]) => void;

/** A step of the plan. */
interface AdjointStep {
  readonly values: Kernel;
  /** Adds to the adjoints of arguments; `null` if nothing that moves reaches the step. */
  readonly backward: BackwardKernel | null;
  readonly bytes: number;
  readonly size: number;
  readonly args: readonly Source[];
  /** The arguments that move. */
  readonly moving: readonly Source[];
}

/**
 * Turns a plan for `float64` into functions that compute adjoints.
 *
 * @throws {NoDual} if a scalar function has no known derivative.
 */
export function compileAdjoint(plan: Plan, { moving, jitter }: AdjointOptions): AdjointPlan {
  if (moving.length !== plan.leaves.length) {
    throw new Error(
      `compileAdjoint: moving has ${moving.length} elements, expected one for each of ${plan.leaves.length} leaves`,
    );
  }
  const rounding = roundingOf(jitter);
  const steps: AdjointStep[] = [];
  const moves = (source: Source): boolean =>
    source.from === "leaf" ? moving[source.index] : source.from === "step" && steps[source.index].backward !== null;
  for (const step of plan.steps) steps.push(compileStep(step, moves, rounding));
  const leafSizes = plan.leaves.map(({ size }, i) => (moving[i] ? size : null));
  const { results } = plan;
  return {
    bytes: steps.reduce((sum, { bytes }) => sum + bytes, 0),
    bind: (leaves) => bind({ steps, results, leafSizes, moves }, leaves),
  };
}

function compileStep(step: Step, moves: (source: Source) => boolean, rounding: Rounding): AdjointStep {
  const { form, name, args, routine } = step;
  if (routine) return routineStep(step, routine, moves, rounding);
  if (!form) throw new Error(`compileAdjoint: the step "${name}" has no loop form; expected a plan for float64`);
  const { run, bytes } = kernelOf(step, rounding);
  const argumentsMove = args.map(moves);
  const rendering = new AdjointRendering(form, argumentsMove, rounding);
  const known = { values: run, size: sizeOf(step.shape), args };
  if (!rendering.moves(form.result)) return { ...known, backward: null, bytes, moving: [] };
  const body = rendering.body(form);
  const parameters = [STACK, SEEDS, ...args.map((_, i) => `a${i}`)];
  argumentsMove.forEach((is, i) => is && parameters.push(`g${i}`));
  return {
    ...known,
    backward: rounding.compile(parameters, body) as unknown as BackwardKernel,
    bytes: bytes + 2 * body.length,
    moving: args.filter(moves),
  };
}

function routineStep(
  step: Step,
  routine: Routine,
  moves: (source: Source) => boolean,
  rounding: Rounding,
): AdjointStep {
  const { args, shape } = step;
  const { run, bytes } = kernelOf(step, rounding);
  const known = { values: run, bytes, size: sizeOf(shape), args };
  const moving = movingArgument(routine);
  if (moving === null || !moves(args[moving])) return { ...known, backward: null, moving: [] };
  const backward: BackwardKernel = (_, from, ...rest) => {
    adjointsOfRoutine(
      routine,
      { arrays: rest.slice(0, args.length), from, to: rest[args.length] },
      rounding.sumOfTangents,
    );
  };
  return { ...known, backward, moving: [args[moving]] };
}

interface Compiled {
  readonly steps: readonly AdjointStep[];
  readonly results: readonly Source[];
  /** The number of elements of each leaf that moves. */
  readonly leafSizes: readonly (number | null)[];
  moves(source: Source): boolean;
}

function bind({ steps, results, leafSizes, moves }: Compiled, leaves: readonly Float64Array[]): BoundAdjoint {
  const none = new Float64Array(0);
  const outputs = steps.map(({ size }) => new Float64Array(size));
  const stepAdjoints = steps.map(({ size, backward }) => backward ? new Float64Array(size) : none);
  const leafAdjoints = leafSizes.map((size) => (size === null ? null : new Float64Array(size)));
  const valuesOf = (source: Source): Float64Array =>
    source.from === "leaf" ? leaves[source.index] : source.from === "step" ? outputs[source.index] : none;
  const adjointsOf = (source: Source): Float64Array =>
    source.from === "leaf" ? leafAdjoints[source.index]! : source.from === "step" ? stepAdjoints[source.index] : none;
  const forwards = steps.map(({ values, args }, i) => {
    const arrays = args.map(valuesOf);
    return () => values(outputs[i], ...arrays);
  });
  const stack: number[] = [];
  const backwards = steps.flatMap(({ backward, args, moving }, i) => {
    if (!backward) return [];
    const arrays = [...args.map(valuesOf), ...moving.map(adjointsOf)];
    return [() => backward(stack, stepAdjoints[i], ...arrays)];
  }).reverse();
  return {
    results: results.map(valuesOf),
    adjoints: leafAdjoints,
    run: (weights) => {
      for (const forward of forwards) forward();
      for (const adjoints of stepAdjoints) adjoints.fill(0);
      for (const adjoints of leafAdjoints) adjoints?.fill(0);
      results.forEach((source, k) => {
        if (!moves(source)) return;
        const adjoints = adjointsOf(source);
        for (let i = 0; i < adjoints.length; i++) adjoints[i] += weights[k][i];
      });
      for (const backward of backwards) backward();
    },
  };
}

const STACK = "stack";
const SEEDS = "seeds";
const SEED = new Name("seed");

/** The locals that statements assign to. */
function assignedIn(body: readonly Statement[], found = new Set<Local>()): Set<Local> {
  for (const statement of body) {
    if (statement.kind === "assign") found.add(statement.local);
    else if (statement.kind === "loop" || statement.kind === "branch") assignedIn(statement.body, found);
  }
  return found;
}

/** The locals that statements declare, those of loops and branches left out. */
function declaredIn(body: readonly Statement[]): Local[] {
  return body.flatMap((statement) => statement.kind === "const" || statement.kind === "let" ? [statement.local] : []);
}

/** Those locals that change in statements but live outside of them. */
function changedBy(body: readonly Statement[]): Local[] {
  const own = new Set<Local>();
  const declare = (inner: readonly Statement[]): void => {
    for (const local of declaredIn(inner)) own.add(local);
    for (const statement of inner) {
      if (statement.kind === "loop" || statement.kind === "branch") declare(statement.body);
    }
  };
  declare(body);
  return [...assignedIn(body)].filter((local) => !own.has(local));
}

/** Whether an assignment adds to a local. */
function isAddition({ local, value }: Assignment): boolean {
  return value.kind === "call" && isSum(rules[value.name]) && value.args[0] === local;
}

/** The locals that are only added to: their values on the way do not matter. */
function sumsOf(body: readonly Statement[]): Set<Local> {
  const sums = assignedIn(body);
  const visit = (inner: readonly Statement[]): void => {
    for (const statement of inner) {
      if (statement.kind === "loop" || statement.kind === "branch") visit(statement.body);
      else if (statement.kind === "assign" && !isAddition(statement)) sums.delete(statement.local);
    }
  };
  visit(body);
  return sums;
}

/** The values that a statement needs to run backwards. */
interface Saved {
  /** The locals that it changed and that are set back. */
  readonly locals: readonly Local[];
  /** Names of their values before it; none if these are on the stack, for each iteration of a loop. */
  readonly before: readonly Name[];
  /** Whether a branch was taken. */
  readonly taken?: Name;
}

type SavedBy = ReadonlyMap<Statement, Saved>;
type Loop = Extract<Statement, { kind: "loop" }>;
type Branch = Extract<Statement, { kind: "branch" }>;
type Assignment = Extract<Statement, { kind: "assign" }>;
type Call = Extract<Expression, { kind: "call" }>;

/**
 * Writes the statements of a kernel, and then in reverse order those of adjoints. Constants of a block are known when it runs backwards;
 * what changed is set back, and the bodies of loops and branches are computed again.
 */
class AdjointRendering extends Rendering {
  readonly #moving: Moving;
  /** The names of adjoints, by the numbers of locals. */
  readonly #adjoints: Name[] = [];
  readonly #sums: ReadonlySet<Local>;
  /** Sums whose values do not matter at this place. */
  #idle: ReadonlySet<Local> = new Set();

  constructor(form: LoopForm, argumentsMove: readonly boolean[], { dialect }: Rounding) {
    super(dialect, form.threads);
    this.#moving = new Moving(form, argumentsMove);
    this.#sums = sumsOf(form.body);
  }

  /** Whether an expression has an adjoint. */
  moves(expression: Expression): boolean {
    return this.#moving.has(expression);
  }

  /** The whole kernel. */
  body(form: LoopForm): string {
    this.line(`const ${SEED} = ${SEEDS}[cell++];`);
    this.line(`if (${SEED} === 0.0) continue;`);
    this.#bothWays(form.body, () => this.#pass(form.result, SEED));
    return overCells(form.extent, this.lines);
  }

  /** A block forwards and backwards; `turn` is what happens in between. */
  #bothWays(body: readonly Statement[], turn = () => {}): void {
    const saved = this.#forwards(body);
    for (const local of declaredIn(body)) {
      if (!this.#moving.has(local)) continue;
      const name = new Name(`b${local.id}`);
      this.#adjoints[local.id] = name;
      this.line(`let ${name} = 0.0;`);
    }
    turn();
    for (let i = body.length - 1; i >= 0; i--) this.#backwards(body[i], saved);
  }

  // Forwards

  /** Writes statements so that they can run backwards afterwards. */
  #forwards(body: readonly Statement[]): SavedBy {
    const saved = new Map<Statement, Saved>();
    for (const statement of body) {
      if (statement.kind === "assign") saved.set(statement, this.#save([statement.local]));
      else if (statement.kind === "branch") {
        const taken = this.bind(this.#all(statement.conditions));
        saved.set(statement, { ...this.#save(changedBy(statement.body)), taken });
        if (this.#matters(statement.body)) this.#within(`if (${taken}) {`, () => this.statements(statement.body));
        continue;
      } else if (statement.kind === "loop") {
        if (this.#concerns(statement.body)) {
          saved.set(statement, this.#loop(statement));
          continue;
        }
        saved.set(statement, this.#save(changedBy(statement.body)));
      }
      this.statement(statement);
    }
    return saved;
  }

  /** Names the values of those locals that are set back. */
  #save(changed: readonly Local[]): Saved {
    const locals = changed.filter((local) => !this.#sums.has(local));
    return { locals, before: locals.map((local) => this.bind(String(this.codeOf(local)))) };
  }

  #restore({ locals, before }: Saved): void {
    locals.forEach((local, k) => this.line(`${this.codeOf(local)} = ${before[k]};`));
  }

  override statement(statement: Statement): void {
    if (statement.kind === "assign" && this.#idle.has(statement.local)) return;
    if ((statement.kind === "loop" || statement.kind === "branch") && !this.#matters(statement.body)) return;
    super.statement(statement);
  }

  /** Whether statements change anything that is needed after them. */
  #matters(body: readonly Statement[]): boolean {
    return changedBy(body).some((local) => !this.#idle.has(local));
  }

  #all(conditions: readonly Expression[]): Code {
    return conditions.map((condition) => this.expression(condition)).reduce((all, one) => this.call("and", all, one));
  }

  /** A loop that keeps the values that its iterations start from. */
  #loop({ counter, end, step, body }: Loop): Saved {
    const locals = changedBy(body).filter((local) => !this.#sums.has(local));
    if (this.#matters(body)) {
      const i = this.declare(counter);
      this.#within(`for (let ${i} = 0; ${i} < ${end}; ${i} += ${step}) {`, () => {
        for (const local of locals) this.line(`${STACK}.push(${this.codeOf(local)});`);
        this.statements(body);
      });
    }
    return { locals, before: [] };
  }

  #within(head: string, write: () => void): void {
    this.line(head);
    write();
    this.line("}");
  }

  // Backwards

  #backwards(statement: Statement, saved: SavedBy): void {
    switch (statement.kind) {
      case "constant":
        return;
      case "const":
        return this.#pass(statement.value, this.#adjoints[statement.local.id], this.codeOf(statement.local));
      case "let":
        return this.#pass(statement.value, this.#adjoints[statement.local.id]);
      case "assign":
        return this.#assigned(statement, saved.get(statement)!);
      case "loop":
        return this.#loopBack(statement, saved.get(statement)!);
      case "branch":
        return this.#branchBack(statement, saved.get(statement)!);
      default:
        return statement satisfies never;
    }
  }

  /** Whether adjoints pass through statements. */
  #concerns(body: readonly Statement[]): boolean {
    return changedBy(body).some((local) => this.#moving.has(local));
  }

  #assigned({ local, value }: Assignment, saved: Saved): void {
    const adjoint = this.#adjoints[local.id];
    if (this.#sums.has(local)) {
      // The sum so far has the same adjoint.
      return this.#moving.has(local) ? this.#pass((value as Call).args[1], adjoint) : undefined;
    }
    this.#restore(saved);
    if (!this.#moving.has(local)) return;
    const own = this.bind(String(adjoint));
    this.line(`${adjoint} = 0.0;`);
    this.#pass(value, own);
  }

  #branchBack({ body }: Branch, saved: Saved): void {
    this.#restore(saved);
    if (this.#concerns(body)) this.#within(`if (${saved.taken}) {`, () => this.#again(body));
  }

  #loopBack({ counter, end, step, body }: Loop, saved: Saved): void {
    if (!this.#concerns(body)) return this.#restore(saved);
    const i = this.declare(counter);
    const last = Math.floor((end - 1) / step) * step;
    this.#within(`for (let ${i} = ${last}; ${i} >= 0; ${i} -= ${step}) {`, () => {
      for (const local of [...saved.locals].reverse()) this.line(`${this.codeOf(local)} = ${STACK}.pop();`);
      this.#again(body);
    });
  }

  /** The body of a loop or a branch once more, forwards and backwards. */
  #again(body: readonly Statement[]): void {
    const before = this.#idle;
    this.#idle = new Set([...before, ...changedBy(body).filter((local) => this.#sums.has(local))]);
    this.#bothWays(body);
    this.#idle = before;
  }

  // Adjoints

  /** Passes the adjoint of an expression on to what it is made of. */
  #pass(expression: Expression, adjoint: Code, result?: Code): void {
    if (!this.#moving.has(expression)) return;
    switch (expression.kind) {
      case "local":
        return this.#add(this.#adjoints[expression.id], adjoint);
      case "read": {
        const at = this.bind(this.linear(expression.at[0]));
        return this.#add(`g${expression.argument}[${at}]`, adjoint);
      }
      case "call":
        return this.#called(rules[expression.name], expression, adjoint, result);
      case "literal":
      case "index":
      case "quotient":
      case "remainder":
      case "within":
        throw new Error(`compileAdjoint: an expression of kind "${expression.kind}" has no adjoint`);
      default:
        return expression satisfies never;
    }
  }

  #add(to: Code, adjoint: Code): void {
    this.line(`${to} = ${this.round(`(${to} + ${adjoint})`)};`);
  }

  #called(rule: Rule, call: Call, adjoint: Code, result?: Code): void {
    const own = this.bind(adjoint);
    switch (rule.kind) {
      case "smooth":
        return this.#smooth(rule, call, own, result);
      case "choice":
        return this.#either(this.expression(call.args[0]), call.args[1], call.args[2], own);
      case "extreme": {
        const [a, b] = call.args.map((arg) => this.#operand(arg));
        return this.#either(`${a} ${rule.of === "max" ? ">=" : "<="} ${b}`, call.args[0], call.args[1], own);
      }
      case "size": {
        const x = this.#operand(call.args[0]);
        return this.#pass(call.args[0], `(${x} < 0.0 ? -${own} : ${own})`);
      }
      case "constant":
        throw new Error(`compileAdjoint: "${call.name}" has no adjoint`);
      default:
        return rule satisfies never;
    }
  }

  #either(condition: Code, first: Expression, second: Expression, adjoint: Name): void {
    this.line(`if (${condition}) {`);
    this.#pass(first, adjoint);
    this.line("} else {");
    this.#pass(second, adjoint);
    this.line("}");
  }

  /** The value of an argument, which may be repeated. */
  #operand(expression: Expression): Code {
    const value = this.expression(expression);
    return expression.kind === "call" || expression.kind === "read" ? this.bind(value) : value;
  }

  #smooth(
    { coefficients }: Extract<Rule, { kind: "smooth" }>,
    { name, args }: Call,
    adjoint: Name,
    known?: Code,
  ): void {
    const moving = args.map((arg) => this.#moving.has(arg));
    // An argument that does not move may be a condition elsewhere, but none of a smooth function is.
    const values = args.map((arg) => this.#operand(arg));
    let result: Name | null = known instanceof Name ? known : null;
    const named = (): Name => result ??= this.bind(this.call(name, ...values));
    const call = {
      args: values,
      get result() {
        return named();
      },
      writer: this,
    };
    args.forEach((arg, i) => {
      if (moving[i]) this.#pass(arg, this.#scaled(coefficients[i](call), adjoint));
    });
  }

  #scaled(by: Coefficient, adjoint: Name): Code {
    if (by === 1) return adjoint;
    if (by === -1) return `(-${adjoint})`;
    const product = this.round("over" in by ? `(${adjoint} / ${by.over})` : `(${by.times} * ${adjoint})`);
    // Nothing came from a value that was computed and not selected, whatever its derivative.
    return this.bind(`(${adjoint} === 0.0 ? 0.0 : ${product})`);
  }
}
