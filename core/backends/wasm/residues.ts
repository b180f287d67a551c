/**
 * Kernels over a narrow last axis, whose threads along x tell their row and column by a quotient and a remainder: written for whole rows, one
 * result for each column. Neighbouring threads then do the same, and branches by column are decided before the kernel runs.
 */
import type { Expression, Local } from "../../expression.ts";
import type { LoopForm, Statement } from "../../plan/form.ts";
import { chooseJam, Row } from "./jam.ts";
import { joined, type Joint } from "./joint.ts";
import { LANES } from "./operands.ts";
import { hasLoop, weightOfBody } from "./varying.ts";

/** The most columns that a row may have. */
const WIDEST = 64;
/** The kernel is at most about this many instructions long. */
const LONGEST = 1000;

/** The statements for one column: whole numbers that follow from the row of a thread are not divided, nor such conditions tested. */
class Column extends Row {
  constructor(x: Local, { base, by }: { readonly base: number; readonly by: number }) {
    super((local) => local);
    this.substitute(x, { base, terms: [{ local: x, coefficient: by }] });
  }

  override block(body: readonly Statement[]): Statement[] {
    return body.flatMap((statement) => this.#statements(statement));
  }

  #statements(statement: Statement): Statement[] {
    if (statement.kind === "const") {
      const { value } = statement;
      const known = value.kind === "quotient" || value.kind === "remainder" ? this.expression(value) : null;
      if (known?.kind === "index") {
        this.substitute(statement.local, known.of);
        return [];
      }
    }
    const own = this.statement(statement);
    if (own.kind !== "branch") return [own];
    const truths = own.conditions.map(truthOf);
    if (truths.includes(false)) return [];
    const open = own.conditions.filter((_, i) => truths[i] === null);
    return open.length === 0 ? [...own.body] : [{ ...own, conditions: open }];
  }

  override expression(expression: Expression): Expression {
    return expression.kind === "quotient" || expression.kind === "remainder"
      ? this.#division(expression)
      : super.expression(expression);
  }

  #division(division: Expression & { readonly kind: "quotient" | "remainder" }): Expression {
    const { by } = division;
    const of = this.linear(division.of);
    if (of.terms.some(({ coefficient }) => coefficient % by !== 0)) return super.expression(division);
    const quotient = Math.floor(of.base / by);
    if (division.kind === "remainder") return { kind: "index", of: { base: of.base - by * quotient, terms: [] } };
    const terms = of.terms.map(({ local, coefficient }) => ({ local, coefficient: coefficient / by }));
    return { kind: "index", of: { base: quotient, terms } };
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
 * A kernel for whole rows, with a result for each column; `null` if its threads are not divided into rows of few columns, if several share work
 * as it is, or if it would be too long.
 */
export function residuesOf(form: LoopForm): Joint | null {
  const { extent: [nx = 1], threads, body } = form;
  if (nx === 1 || hasLoop(body)) return null;
  const found = [...divisors(body, threads[0])].filter((by) => by <= WIDEST && nx % by === 0 && nx / by >= LANES);
  if (found.length === 0 || chooseJam(form)) return null;
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
