/** Unroll-and-jam: a kernel for several threads along an outer axis at once, which share what does not depend on that axis. */
import type { Expression, Linear, Local } from "../../expression.ts";
import type { LoopForm, Statement } from "../../plan/form.ts";
import { coefficientOf, hasLoop, localsOf, readsOf, weightOfExpression } from "./varying.ts";

/** A kernel for `rows` neighbours along one axis. */
export interface Jammed {
  readonly body: readonly Statement[];
  /** The elements, one for each row. */
  readonly results: readonly Expression[];
}

/** The axis whose threads run together, and how many. */
export interface Jam {
  /** 1 for y, 2 for z. */
  readonly axis: number;
  readonly rows: number;
}

/** Rows that run together: their accumulators and what they share have to fit into 16 registers. */
const ROWS = [4, 3, 2];
/** The share of the work that must be shared. */
const WORTH = 0.15;

/** How a local differs between the rows of a tile: not at all, by the number of the row, or in any way. */
type Variation = "same" | "counts" | "any";

/** Finds out how locals differ between rows, where the first row of a tile is a multiple of their number. */
class Variations {
  readonly #rows: number;
  readonly #of = new Map<number, Variation>();
  #changed = true;

  constructor({ threads, body }: LoopForm, { axis, rows }: Jam) {
    this.#rows = rows;
    this.#of.set(threads[axis].id, "counts");
    while (this.#changed) {
      this.#changed = false;
      this.#block(body, false);
    }
  }

  of({ id }: Local): Variation {
    return this.#of.get(id) ?? "same";
  }

  differs(expression: Expression): boolean {
    switch (expression.kind) {
      case "local":
        return this.of(expression) !== "same";
      case "literal":
        return false;
      case "read":
        return expression.at.some((at) => this.#differsAt(at));
      case "quotient":
        return this.#differsAt(expression.of) && !this.#isSame(expression.of, expression.by);
      case "remainder":
        return this.#differsAt(expression.of) || this.#differsAt(expression.quotient);
      case "index":
      case "within":
        return this.#differsAt(expression.of);
      case "call":
        return expression.args.some((arg) => this.differs(arg));
      default:
        return expression satisfies never;
    }
  }

  #differsAt({ terms }: Linear): boolean {
    return terms.some(({ local }) => this.of(local) !== "same");
  }

  /** Whether a quotient is the same in all rows: the tile begins at a multiple of their number, and none is crossed. */
  #isSame({ base, terms }: Linear, by: number): boolean {
    const isMultiple = (n: number) => n % this.#rows === 0;
    let counting = 0;
    for (const { local, coefficient } of terms) {
      const variation = this.of(local);
      if (variation === "any" || (variation === "counts" && coefficient !== 1)) return false;
      if (variation === "counts") counting++;
      else if (!isMultiple(coefficient)) return false;
    }
    return counting === 1 && isMultiple(by) && isMultiple(base);
  }

  #variationOf(value: Expression): Variation {
    if (!this.differs(value)) return "same";
    if (value.kind !== "remainder") return "any";
    const counts = this.#isSame(value.of, value.by) && !this.#differsAt(value.quotient);
    return counts ? "counts" : "any";
  }

  #mark({ id }: Local, variation: Variation): void {
    const before = this.#of.get(id) ?? "same";
    if (before === "any" || before === variation || variation === "same") return;
    this.#of.set(id, variation);
    this.#changed = true;
  }

  /** @param divided whether rows may be divided over whether they run these statements. */
  #block(body: readonly Statement[], divided: boolean): void {
    for (const statement of body) {
      switch (statement.kind) {
        case "constant":
          break;
        case "const":
          this.#mark(statement.local, this.#variationOf(statement.value));
          break;
        case "let":
        case "assign":
          if (divided || this.differs(statement.value)) this.#mark(statement.local, "any");
          break;
        case "loop":
          this.#block(statement.body, divided);
          break;
        case "branch":
          this.#block(statement.body, divided || statement.conditions.some((test) => this.differs(test)));
          break;
        default:
          statement satisfies never;
      }
    }
  }
}

/** A local, plus a number. */
function shifted(local: Local, plus: number): Linear {
  return { base: plus, terms: [{ local, coefficient: 1 }] };
}

/** The local that a sum consists of alone, if it does. */
function localOf({ base, terms: [term, ...others] }: Linear): Local | undefined {
  return base === 0 && others.length === 0 && term?.coefficient === 1 ? term.local : undefined;
}

/** The statements of a kernel with other locals, or sums of them, and other arguments in place of its own, as those of one row of a tile. */
export class Row {
  readonly #substitutes = new Map<number, Linear>();
  readonly #fresh: (local: Local) => Local;
  readonly #arguments: readonly number[] | null;

  /**
   * @param fresh makes locals.
   * @param args the numbers that arguments get; by default those that they have.
   */
  constructor(fresh: (local: Local) => Local, args: readonly number[] | null = null) {
    this.#fresh = fresh;
    this.#arguments = args;
  }

  /** @param by another local, or a sum of locals for one that only indices need. */
  substitute({ id }: Local, by: Local | Linear): void {
    this.#substitutes.set(id, "terms" in by ? by : shifted(by, 0));
  }

  /** A local of its own. */
  own(local: Local): Local {
    const own = this.#fresh(local);
    this.substitute(local, own);
    return own;
  }

  expression(expression: Expression): Expression {
    switch (expression.kind) {
      case "local": {
        const known = this.#substitutes.get(expression.id);
        return known ? localOf(known) ?? { kind: "index", of: known } : expression;
      }
      case "literal":
        return expression;
      case "read": {
        const argument = this.#arguments?.[expression.argument] ?? expression.argument;
        return { ...expression, argument, at: expression.at.map((at) => this.linear(at)) };
      }
      case "index":
      case "within":
      case "quotient":
        return { ...expression, of: this.linear(expression.of) };
      case "remainder":
        return { ...expression, of: this.linear(expression.of), quotient: this.linear(expression.quotient) };
      case "call":
        return { ...expression, args: expression.args.map((arg) => this.expression(arg)) };
      default:
        return expression satisfies never;
    }
  }

  /** A sum of locals; terms of the same local are one. */
  protected linear({ base, terms }: Linear): Linear {
    let sum = base;
    const coefficients = new Map<Local, number>();
    const add = (local: Local, more: number) => coefficients.set(local, (coefficients.get(local) ?? 0) + more);
    for (const { local, coefficient } of terms) {
      const known = this.#substitutes.get(local.id);
      if (!known) add(local, coefficient);
      sum += coefficient * (known?.base ?? 0);
      for (const own of known?.terms ?? []) add(own.local, coefficient * own.coefficient);
    }
    const left = [...coefficients].filter(([, coefficient]) => coefficient !== 0);
    return { base: sum, terms: left.map(([local, coefficient]) => ({ local, coefficient })) };
  }

  /** A statement with all that is in it. */
  statement(statement: Statement): Statement {
    switch (statement.kind) {
      case "constant":
        return { ...statement, local: this.own(statement.local) };
      case "const":
      case "let": {
        const value = this.expression(statement.value);
        return { ...statement, local: this.own(statement.local), value };
      }
      case "assign": {
        const known = this.#substitutes.get(statement.local.id);
        return {
          ...statement,
          local: known && localOf(known) || statement.local,
          value: this.expression(statement.value),
        };
      }
      case "loop":
        return { ...statement, counter: this.own(statement.counter), body: this.block(statement.body) };
      case "branch": {
        const conditions = statement.conditions.map((condition) => this.expression(condition));
        return { ...statement, conditions, body: this.block(statement.body) };
      }
      default:
        return statement satisfies never;
    }
  }

  block(body: readonly Statement[]): Statement[] {
    return body.map((statement) => this.statement(statement));
  }
}

/** Writes the statements of all rows. */
class Jamming {
  readonly #variations: Variations;
  readonly #rows: readonly Row[];

  constructor(form: LoopForm, jam: Jam) {
    let next = 1 + largestId(form);
    const fresh = (local: Local): Local => ({ ...local, id: next++ });
    this.#variations = new Variations(form, jam);
    this.#rows = Array.from({ length: jam.rows }, () => new Row(fresh));
    const thread = form.threads[jam.axis];
    this.#rows.forEach((row, plus) => row.substitute(thread, shifted(thread, plus)));
  }

  results(result: Expression): Expression[] {
    return this.#rows.map((row) => row.expression(result));
  }

  /**
   * Statements in which rows differ are written row by row, up to an assignment: what a row computes is used before the next row's, which
   * spares registers.
   */
  block(body: readonly Statement[]): Statement[] {
    const written: Statement[] = [];
    let own: Statement[] = [];
    const flush = () => {
      for (const row of this.#rows) for (const statement of own) written.push(row.statement(statement));
      own = [];
    };
    body.forEach((statement, i) => {
      if (this.#isOwn(statement)) {
        own.push(statement);
        if (statement.kind === "assign" && body[i + 1]?.kind !== "assign") flush();
        return;
      }
      // A statement that may change a value the rows have yet to read waits for them.
      if (statement.kind !== "const" && statement.kind !== "constant") flush();
      written.push(this.#shared(statement));
    });
    flush();
    return written;
  }

  #isOwn(statement: Statement): boolean {
    const variations = this.#variations;
    switch (statement.kind) {
      case "constant":
        return false;
      case "const":
      case "let":
      case "assign":
        return variations.of(statement.local) === "any";
      case "loop":
        return false;
      case "branch":
        return statement.conditions.some((condition) => variations.differs(condition));
      default:
        return statement satisfies never;
    }
  }

  #shared(statement: Statement): Statement {
    if (statement.kind === "loop" || statement.kind === "branch") {
      return { ...statement, body: this.block(statement.body) };
    }
    // The first row's, to which the others add their number.
    if (statement.kind === "const" && this.#variations.of(statement.local) === "counts") {
      this.#rows.forEach((row, plus) => row.substitute(statement.local, shifted(statement.local, plus)));
    }
    return statement;
  }
}

function largestId({ threads, body }: LoopForm): number {
  let largest = threads.reduce((most, { id }) => Math.max(most, id), -1);
  const visit = (statements: readonly Statement[]): void => {
    for (const statement of statements) {
      if (statement.kind === "loop") largest = Math.max(largest, statement.counter.id);
      else if (statement.kind !== "branch") largest = Math.max(largest, statement.local.id);
      if (statement.kind === "loop" || statement.kind === "branch") visit(statement.body);
    }
  };
  visit(body);
  return largest;
}

/**
 * The work in loops, and how much of it is the same in all rows: vectors, since scalars are computed once for many threads anyway. Where there
 * are no loops, but branches that all rows take together, the work outside of branches: they are left out for most threads.
 */
function sharedWork(form: LoopForm, jam: Jam): { all: number; shared: number } {
  const variations = new Variations(form, jam);
  const locals = localsOf(form, false);
  const work = { all: 0, shared: 0 };
  const isDecided = form.body.some((statement) =>
    statement.kind === "branch" && statement.conditions.some((test) => locals.differs(test)) &&
    !statement.conditions.some((test) => variations.differs(test))
  );
  const outside = isDecided && !hasLoop(form.body) ? 1 : 0;
  const visit = (body: readonly Statement[], times: number, isShared: boolean): void => {
    const count = (value: Expression, same: boolean) => {
      const weight = times * weightOfExpression(value);
      work.all += weight;
      if (same && locals.differs(value)) work.shared += weight;
    };
    for (const statement of body) {
      if (statement.kind === "loop") {
        visit(statement.body, Math.max(1, times) * Math.ceil(statement.end / statement.step), isShared);
      } else if (statement.kind === "branch") {
        const same = isShared && !statement.conditions.some((test) => variations.differs(test));
        for (const test of statement.conditions) count(test, same);
        visit(statement.body, outside ? 0 : times, same);
      } else if (statement.kind !== "constant") {
        count(statement.value, isShared && !variations.differs(statement.value));
      }
    }
  };
  visit(form.body, outside, true);
  return work;
}

function hasQuotient(body: readonly Statement[]): boolean {
  return body.some((statement) =>
    statement.kind === "loop" || statement.kind === "branch"
      ? hasQuotient(statement.body)
      : statement.kind === "const" && statement.value.kind === "quotient"
  );
}

/** How many rows of an axis run together; `undefined` if none can. */
function rowsOf(length: number, isDivided: boolean): number | undefined {
  const [most] = ROWS;
  const even = ROWS.find((rows) => length % rows === 0);
  // Tiles that overlap do not begin at multiples.
  if (isDivided) return even;
  // Then the last tile repeats little work.
  return length >= 3 * most ? most : even ?? ROWS.find((rows) => rows <= length);
}

/** Whether rows read side by side what a row reads apart, as in a transposed array: together they read vectors. */
function isTransposed({ threads, body }: LoopForm, axis: number): boolean {
  return !hasLoop(body) &&
    readsOf(body).some(({ at: [at] }) => coefficientOf(at, threads[0]) > 1 && coefficientOf(at, threads[axis]) === 1);
}

/** The axis along which threads share most of the work; `null` if it is not worth it. */
export function chooseJam(form: LoopForm): Jam | null {
  let best: Jam | null = null;
  let most = WORTH;
  const isDivided = hasQuotient(form.body);
  for (let axis = 1; axis < form.threads.length; axis++) {
    const rows = rowsOf(form.extent[axis], isDivided);
    if (rows === undefined) continue;
    const { all, shared } = sharedWork(form, { axis, rows });
    const share = isTransposed(form, axis) ? 1 : all === 0 ? 0 : shared / all;
    if (share > most) [best, most] = [{ axis, rows }, share];
  }
  return best;
}

/** A kernel for several rows at once. */
export function jammed(form: LoopForm, jam: Jam): Jammed {
  const jamming = new Jamming(form, jam);
  const body = jamming.block(form.body);
  return { body, results: jamming.results(form.result) };
}
