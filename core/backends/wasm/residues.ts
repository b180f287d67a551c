/**
 * Kernels over a narrow last axis, whose threads along x tell their row and column by a quotient and a remainder: written for whole rows, one
 * result for each column. Neighbouring threads then do the same, and branches by column are decided before the kernel runs.
 */
import type { Expression, Linear, Local } from "../../expression.ts";
import type { LoopForm, Statement } from "../../plan/form.ts";
import { joined, type Joint } from "./joint.ts";
import { LANES } from "./operands.ts";
import { hasLoop, weightOfBody } from "./varying.ts";

/** The most columns that a row may have. */
const WIDEST = 64;
/** The kernel is at most about this many instructions long. */
const LONGEST = 1000;

/** The values of whole numbers that follow from the row of a thread, for one column. */
class Column {
  readonly #known = new Map<number, Linear>();

  constructor(x: Local, { base, by }: { readonly base: number; readonly by: number }) {
    this.#known.set(x.id, { base, terms: [{ local: x, coefficient: by }] });
  }

  block(body: readonly Statement[]): Statement[] {
    return body.flatMap((statement) => this.#statement(statement));
  }

  #statement(statement: Statement): Statement[] {
    switch (statement.kind) {
      case "constant":
        return [statement];
      case "const": {
        const value = this.expression(statement.value);
        const isDivision = statement.value.kind === "quotient" || statement.value.kind === "remainder";
        if (!isDivision || value.kind !== "index") return [{ ...statement, value }];
        this.#known.set(statement.local.id, value.of);
        return [];
      }
      case "let":
      case "assign":
        return [{ ...statement, value: this.expression(statement.value) }];
      case "loop":
        return [{ ...statement, body: this.block(statement.body) }];
      case "branch": {
        const conditions = statement.conditions.map((condition) => this.expression(condition));
        const open = conditions.filter((condition) => truthOf(condition) === null);
        if (conditions.some((condition) => truthOf(condition) === false)) return [];
        const body = this.block(statement.body);
        return open.length === 0 ? body : [{ ...statement, conditions: open, body }];
      }
      default:
        return statement satisfies never;
    }
  }

  expression(expression: Expression): Expression {
    switch (expression.kind) {
      case "local": {
        const of = this.#known.get(expression.id);
        return of ? { kind: "index", of } : expression;
      }
      case "literal":
        return expression;
      case "read":
        return { ...expression, at: expression.at.map((at) => this.#linear(at)) };
      case "index":
      case "within":
        return { ...expression, of: this.#linear(expression.of) };
      case "quotient":
      case "remainder":
        return this.#division(expression);
      case "call":
        return { ...expression, args: expression.args.map((arg) => this.expression(arg)) };
      default:
        return expression satisfies never;
    }
  }

  #division(division: Expression & { readonly kind: "quotient" | "remainder" }): Expression {
    const { by } = division;
    const of = this.#linear(division.of);
    const quotient = Math.floor(of.base / by);
    if (of.terms.some(({ coefficient }) => coefficient % by !== 0)) {
      return division.kind === "quotient"
        ? { ...division, of }
        : { ...division, of, quotient: this.#linear(division.quotient) };
    }
    if (division.kind === "remainder") return { kind: "index", of: { base: of.base - by * quotient, terms: [] } };
    const terms = of.terms.map(({ local, coefficient }) => ({ local, coefficient: coefficient / by }));
    return { kind: "index", of: { base: quotient, terms } };
  }

  #linear({ base, terms }: Linear): Linear {
    let sum = base;
    const coefficients = new Map<Local, number>();
    const add = (local: Local, more: number) => coefficients.set(local, (coefficients.get(local) ?? 0) + more);
    for (const { local, coefficient } of terms) {
      const known = this.#known.get(local.id);
      if (!known) add(local, coefficient);
      sum += coefficient * (known?.base ?? 0);
      for (const own of known?.terms ?? []) add(own.local, coefficient * own.coefficient);
    }
    const left = [...coefficients].filter(([, coefficient]) => coefficient !== 0);
    return { base: sum, terms: left.map(([local, coefficient]) => ({ local, coefficient })) };
  }
}

/** Whether a condition holds, if that is known. */
function truthOf(condition: Expression): boolean | null {
  if (condition.kind !== "within" || condition.of.terms.length > 0) return null;
  const { of: { base }, low, end } = condition;
  return (!low || base >= 0) && (end === null || base < end);
}

/** The numbers by which statements divide the thread along x. */
function divisors(body: readonly Statement[], x: Local): Set<number> {
  return new Set(body.flatMap((statement) => {
    if (statement.kind !== "const") return [];
    const { value } = statement;
    if (value.kind !== "quotient" && value.kind !== "remainder") return [];
    const { base, terms: [term, ...others] } = value.of;
    return base === 0 && others.length === 0 && term?.local === x && term.coefficient === 1 ? [value.by] : [];
  }));
}

/**
 * A kernel for whole rows, with a result for each column; `null` if its threads are not divided into rows of few columns, or if it would be too
 * long.
 */
export function residuesOf(form: LoopForm): Joint | null {
  const { extent: [nx = 1], threads, body } = form;
  if (nx === 1 || hasLoop(body)) return null;
  const found = [...divisors(body, threads[0])].filter((by) => by <= WIDEST && nx % by === 0 && nx / by >= LANES);
  // The widest rows first: what is divided by a part of them is known, too.
  for (const by of found.sort((a, b) => b - a)) {
    const whole = joined(Array.from({ length: by }, (_, base) => ({ form: columnOf(form, { base, by }) })));
    if (whole && weightOfBody(whole.body) <= LONGEST) return whole;
  }
  return null;
}

/** A kernel for one column of rows. */
function columnOf(
  { extent: [nx, ...outer], threads, body, result }: LoopForm,
  at: { readonly base: number; readonly by: number },
): LoopForm {
  const column = new Column(threads[0], at);
  return { extent: [nx / at.by, ...outer], threads, body: column.block(body), result: column.expression(result) };
}
