/** Joint kernels: several kernels of the same threads and loops as one with several results, which reads and computes once what they share. */
import type { Expression, Linear, Local } from "../../expression.ts";
import type { LoopForm, Statement } from "../../plan/form.ts";
import { Row } from "./jam.ts";

/** A kernel with one result or several. */
export interface Joint extends LoopForm {
  /** The elements of further arrays. Default none. */
  readonly others?: readonly Expression[];
}

/** A kernel to be joined. */
export interface Part {
  readonly form: LoopForm;
  /** For each of its arguments the number that it gets; default the one that it has. */
  readonly args?: readonly number[];
}

/** All elements that a thread of a kernel computes. */
export function resultsOf({ result, others = [] }: Joint): readonly Expression[] {
  return [result, ...others];
}

/**
 * Joins kernels. Each computes what it does alone, in the same order.
 *
 * @returns `null` if their threads or their loops differ.
 */
export function joined(parts: readonly Part[]): Joint | null {
  const [{ form: { extent, threads: axes } }] = parts;
  if (parts.some(({ form }) => form.extent.join() !== extent.join())) return null;
  let next = 0;
  const fresh = (local: Local): Local => ({ ...local, id: next++ });
  const threads = axes.map(fresh);
  const rows = parts.map(({ form, args }) => {
    const row = new Row(fresh, args ?? null);
    form.threads.forEach((thread, axis) => row.substitute(thread, threads[axis]));
    return row;
  });
  const body = new Joining(rows, fresh).block(parts.map(({ form }) => form.body), new Map());
  if (!body) return null;
  const [result, ...others] = parts.map(({ form }, k) => rows[k].expression(form.result));
  return { extent, threads, body, result, others };
}

type Loop = Statement & { readonly kind: "loop" };

/** Statements up to a loop, and that loop; behind the last one there is none. */
interface Stretch {
  readonly before: readonly Statement[];
  readonly loop: Loop | null;
}

function stretches(body: readonly Statement[]): Stretch[] {
  const all: Stretch[] = [];
  let before: Statement[] = [];
  for (const statement of body) {
    if (statement.kind === "loop") {
      all.push({ before, loop: statement });
      before = [];
    } else before.push(statement);
  }
  return [...all, { before, loop: null }];
}

/** Writes the statements of all kernels, a loop once for all of them. */
class Joining {
  readonly #rows: readonly Row[];
  readonly #fresh: (local: Local) => Local;

  constructor(rows: readonly Row[], fresh: (local: Local) => Local) {
    this.#rows = rows;
    this.#fresh = fresh;
  }

  /** @param known the values that are known around these statements, by what they are. */
  block(bodies: readonly (readonly Statement[])[], known: ReadonlyMap<string, Local>): Statement[] | null {
    const all = bodies.map(stretches);
    const [first] = all;
    if (all.some(({ length }) => length !== first.length)) return null;
    const written: Statement[] = [];
    const own = new Map(known);
    for (let i = 0; i < first.length; i++) {
      all.forEach((stretch, k) => this.#statements(stretch[i].before, this.#rows[k], { written, known: own }));
      const loops = all.flatMap((stretch) => stretch[i].loop ?? []);
      if (loops.length === 0) continue;
      const loop = this.#loop(loops, own);
      if (!loop) return null;
      written.push(loop);
    }
    return written;
  }

  #loop(loops: readonly Loop[], known: ReadonlyMap<string, Local>): Loop | null {
    const [{ end, step, counter: first }] = loops;
    if (loops.some((loop) => loop.end !== end || loop.step !== step)) return null;
    const counter = this.#fresh(first);
    loops.forEach((loop, k) => this.#rows[k].substitute(loop.counter, counter));
    const body = this.block(loops.map((loop) => loop.body), known);
    return body && { kind: "loop", counter, end, step, body };
  }

  #statements(
    statements: readonly Statement[],
    row: Row,
    { written, known }: { readonly written: Statement[]; readonly known: Map<string, Local> },
  ): void {
    for (const statement of statements) {
      const name = nameOf(statement, row);
      const same = name === null ? undefined : known.get(name);
      if (same && "local" in statement) {
        row.substitute(statement.local, same);
        continue;
      }
      const own = row.statement(statement);
      written.push(own);
      if (name !== null && "local" in own) known.set(name, own.local);
    }
  }
}

/** Names a value that never changes by what it is computed from; `null` for all other statements. */
function nameOf(statement: Statement, row: Row): string | null {
  if (statement.kind === "constant") return Object.is(statement.value, -0) ? "-0" : `${statement.value}`;
  return statement.kind === "const" ? textOf(row.expression(statement.value)) : null;
}

/** Locals that assignments change: what is computed from them differs from one place to the next. */
const CHANGING: readonly Local["role"][] = ["accumulator", "position", "choice"];

/** An expression as text; `null` if it may change. */
function textOf(expression: Expression): string | null {
  switch (expression.kind) {
    case "local":
      return CHANGING.includes(expression.role) ? null : `l${expression.id}`;
    case "literal":
      return Object.is(expression.value, -0) ? "-0" : `${expression.value}`;
    case "read": {
      const at = expression.at.map(linearText);
      return at.includes(null) ? null : `a${expression.argument}[${at}]`;
    }
    case "index":
    case "quotient":
    case "remainder":
    case "within": {
      const of = linearText(expression.of);
      return of && `${expression.kind} of ${of} ${immediatesOf(expression)}`;
    }
    case "call": {
      const args = expression.args.map(textOf);
      return args.includes(null) ? null : `${expression.name}(${args})`;
    }
    default:
      return expression satisfies never;
  }
}

/** What there is besides the whole number that an expression is made of. */
function immediatesOf(
  expression: Expression & { readonly kind: "index" | "quotient" | "remainder" | "within" },
): string {
  switch (expression.kind) {
    case "index":
      return "";
    case "quotient":
      return `${expression.by} ${expression.most}`;
    case "remainder":
      // The quotient follows from these.
      return `${expression.by}`;
    case "within":
      return `${expression.low} ${expression.end}`;
    default:
      return expression satisfies never;
  }
}

function linearText({ base, terms }: Linear): string | null {
  if (terms.some(({ local }) => CHANGING.includes(local.role))) return null;
  const sorted = [...terms].sort((a, b) => a.local.id - b.local.id);
  return [base, ...sorted.map(({ local, coefficient }) => `${coefficient}l${local.id}`)].join("+");
}
