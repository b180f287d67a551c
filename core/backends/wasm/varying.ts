/** The analysis of a kernel's locals before it is written: what they mean, and which differ between neighbouring threads. */
import type { Expression, Linear, Local } from "../../expression.ts";
import type { LoopForm, Statement } from "../../plan/form.ts";
import { BYTES, type Read } from "./indices.ts";
import type { Kind } from "./operands.ts";
import { isCondition, weightOf } from "./scalars.ts";

/** The locals of a kernel. */
export interface Locals {
  /** Whether a local differs between threads that are neighbours along x. */
  varies(local: Local): boolean;
  /** Whether an expression does. */
  differs(expression: Expression): boolean;
  kindOf(expression: Expression): Kind;
}

/** The threads of a kernel, and what they run. */
type Threads = Pick<LoopForm, "threads" | "body">;

/** The kind of each local by its number, and the numbers of those that vary. */
class Analysis implements Locals {
  readonly #kinds = new Map<number, Kind>();
  readonly #varying = new Set<number>();
  #changed = true;

  constructor({ threads, body }: Threads, isSingle: boolean) {
    for (const thread of threads) this.#kinds.set(thread.id, "whole");
    if (!isSingle && threads.length > 0) this.#varying.add(threads[0].id);
    // An assignment in a loop may reach statements before it.
    while (this.#changed) {
      this.#changed = false;
      this.#block(body, false);
    }
  }

  varies({ id }: Local): boolean {
    return this.#varying.has(id);
  }

  differs(expression: Expression): boolean {
    switch (expression.kind) {
      case "local":
        return this.varies(expression);
      case "literal":
        return false;
      case "read":
        return expression.at.some((at) => this.#differsAt(at));
      case "index":
      case "within":
      case "quotient":
        return this.#differsAt(expression.of);
      case "remainder":
        return this.#differsAt(expression.of) || this.#differsAt(expression.quotient);
      case "call":
        return expression.args.some((arg) => this.differs(arg));
      default:
        return expression satisfies never;
    }
  }

  kindOf(expression: Expression): Kind {
    switch (expression.kind) {
      case "local":
        return this.#kinds.get(expression.id) ?? "number";
      case "literal":
      case "read":
        return "number";
      case "index":
      case "quotient":
      case "remainder":
        return "whole";
      case "within":
        return "condition";
      case "call":
        return isCondition(expression.name) ? "condition" : "number";
      default:
        return expression satisfies never;
    }
  }

  #differsAt({ terms }: Linear): boolean {
    return terms.some(({ local }) => this.varies(local));
  }

  #mark({ id }: Local, differs: boolean): void {
    if (!differs || this.#varying.has(id)) return;
    this.#varying.add(id);
    this.#changed = true;
  }

  /** @param divided whether neighbouring threads may be divided over whether they run these statements. */
  #block(body: readonly Statement[], divided: boolean): void {
    for (const statement of body) this.#statement(statement, divided);
  }

  #statement(statement: Statement, divided: boolean): void {
    switch (statement.kind) {
      case "constant":
        this.#kinds.set(statement.local.id, "number");
        return;
      case "const":
      case "let": {
        const { local, value } = statement;
        this.#kinds.set(local.id, local.role === "position" ? "whole" : this.kindOf(value));
        return this.#mark(local, this.differs(value));
      }
      case "assign":
        return this.#mark(statement.local, divided || this.differs(statement.value));
      case "loop":
        this.#kinds.set(statement.counter.id, "whole");
        return this.#block(statement.body, divided);
      case "branch":
        return this.#block(statement.body, divided || statement.conditions.some((test) => this.differs(test)));
      default:
        return statement satisfies never;
    }
  }
}

/** @param isSingle whether there is one thread along x alone. */
export function localsOf(form: Threads, isSingle: boolean): Locals {
  return new Analysis(form, isSingle);
}

/** About how many instructions statements take in one vector. */
export function weightOfBody(body: readonly Statement[]): number {
  return body.reduce((sum, statement) => sum + weightOfStatement(statement), 0);
}

function weightOfStatement(statement: Statement): number {
  switch (statement.kind) {
    case "constant":
      return 0;
    case "const":
    case "let":
    case "assign":
      return weightOfExpression(statement.value);
    case "loop":
      return 2 + weightOfBody(statement.body);
    case "branch":
      return 2 +
        statement.conditions.reduce((sum, test) => sum + weightOfExpression(test), weightOfBody(statement.body));
    default:
      return statement satisfies never;
  }
}

/** About how many instructions an expression takes in one vector. */
export function weightOfExpression(expression: Expression): number {
  switch (expression.kind) {
    case "local":
    case "literal":
      return 0;
    case "read":
    case "index":
    case "within":
      return 2;
    case "quotient":
    case "remainder":
      return 6;
    case "call":
      return expression.args.reduce((sum, arg) => sum + weightOfExpression(arg), weightOf(expression.name));
    default:
      return expression satisfies never;
  }
}

/** Whether statements can run for threads that do not need them: no read that a condition guards, and little work. */
export function isHarmless(body: readonly Statement[]): boolean {
  return body.every((statement) => {
    if (statement.kind === "constant") return true;
    if (statement.kind === "loop" || statement.kind === "branch") return false;
    return !reads(statement.value) && weightOfExpression(statement.value) <= 4;
  });
}

function reads(expression: Expression): boolean {
  return expression.kind === "read" || (expression.kind === "call" && expression.args.some(reads));
}

/** Whether a loop is among statements, or in branches among them. */
export function hasLoop(body: readonly Statement[]): boolean {
  return body.some((statement) =>
    statement.kind === "loop" || (statement.kind === "branch" && hasLoop(statement.body))
  );
}

/** How far an index moves with a local. */
export function coefficientOf({ terms }: Linear, of: Local): number {
  return terms.find(({ local }) => local === of)?.coefficient ?? 0;
}

/** The reads of statements, without those of statements inside them. */
export function readsOf(body: readonly Statement[]): Read[] {
  return body.flatMap((statement) => {
    if (statement.kind === "constant" || statement.kind === "loop" || statement.kind === "branch") return [];
    return readsOfExpression(statement.value);
  });
}

/** The reads of an expression. */
export function readsOfExpression(expression: Expression): Read[] {
  if (expression.kind === "read") return [expression];
  return expression.kind === "call" ? expression.args.flatMap(readsOfExpression) : [];
}

/** Loops that compute no more than this for each element that they read wait for memory. */
const STREAMING = 8;
/** The first cache has sets of lines at distances of a page, and of each set this many. */
const [LINE, SPAN, WAYS] = [64, 4096, 8];

/**
 * Whether loops wait for memory, and what they read of a line stays in the cache until the next block of threads reads the rest of it. Narrow
 * blocks then read fewer parts of memory at a time, which caches foresee.
 */
export function isStreaming(body: readonly Statement[]): boolean {
  const { weight, reads, fits } = workOfLoops(body);
  return fits && reads > 0 && weight <= STREAMING * reads;
}

/** Whether loops compute little for each element that they read, or read none. */
export function isLight(body: readonly Statement[]): boolean {
  const { weight, reads } = workOfLoops(body);
  return weight <= STREAMING * reads;
}

/** About how many instructions the loops of a kernel have, how many reads, and whether what these read stays in the first cache. */
function workOfLoops(body: readonly Statement[]): { weight: number; reads: number; fits: boolean } {
  let [weight, reads, fits] = [0, 0, true];
  const visit = (statements: readonly Statement[], loop: (Statement & { readonly kind: "loop" }) | null): void => {
    for (const { at: [at] } of readsOf(statements)) {
      reads++;
      const distance = loop ? BYTES * coefficientOf(at, loop.counter) : 0;
      if (loop && Math.abs(distance) >= LINE) {
        const apart = Math.min(SPAN / LINE, SPAN / gcd(distance, SPAN));
        fits &&= loop.end <= WAYS * apart;
      }
    }
    for (const statement of statements) {
      if (statement.kind === "loop") visit(statement.body, statement);
      else if (statement.kind === "branch") visit(statement.body, loop);
      else weight += weightOfStatement(statement);
    }
  };
  for (const statement of body) if (statement.kind === "loop") visit(statement.body, statement);
  return { weight, reads, fits };
}

function gcd(a: number, b: number): number {
  return b === 0 ? Math.abs(a) : gcd(b, a % b);
}
