/** Strips: kernels whose loops go from row to row of an array run each turn for many blocks of threads, which reads the rows in order. */
import type { Expression, Linear, Local } from "../../expression.ts";
import type { LoopForm, Statement } from "../../plan/form.ts";
import type { Read } from "./indices.ts";
import { type Joint, resultsOf } from "./joint.ts";
import { coefficientOf, hasLoop, isLight, type Locals, localsOf, readsOf } from "./varying.ts";

type Loop = Statement & { readonly kind: "loop" };

/** Some of the statements of a kernel, which all blocks of a strip run before any of them runs the next ones. */
export interface Phase {
  /** The loops around them, outermost first: all blocks run each turn before the next one begins. Those of other phases are none. */
  readonly loops: readonly Loop[];
  readonly body: readonly Statement[];
  /** The locals that vary and that other phases declared. */
  readonly takes: readonly Local[];
  /** Those that vary, that it declares or changes, and that other phases take. */
  readonly leaves: readonly Local[];
}

/** A kernel in phases. */
export interface Strips {
  /** Statements that do not vary: they run once for the strip. */
  readonly shared: readonly Statement[];
  readonly phases: readonly Phase[];
  /** For each local that is kept between phases where its elements are: after those of so many others. */
  readonly slots: ReadonlyMap<Local, number>;
  /** The locals among them that assignments change. */
  readonly changing: ReadonlySet<Local>;
  /** The threads of a strip. */
  readonly threads: number;
}

/** Rows that a loop reads: as many streams as caches foresee do without strips. */
const FEWEST_ROWS = 32;
/** Threads of a strip. Fewer would read too little of a row at a time. */
const [NARROWEST, WIDEST] = [256, 1024];
/** Strips get narrower where there would be fewer for threads to share. */
const ENOUGH_STRIPS = 16;
/** They are so many threads, or a multiple: whole blocks. */
const BLOCK = 64;
/** What is kept between phases, and is at most so many elements, stays in the first cache. */
const KEPT = 4096;

/** The loops of a nest without anything between them; `null` if there is. */
function nestOf(loop: Loop): readonly Loop[] | null {
  const [first, ...others] = loop.body;
  if (first?.kind === "loop" && others.length === 0) {
    const inner = nestOf(first);
    return inner && [loop, ...inner];
  }
  return hasLoop(loop.body) ? null : [loop];
}

/** Whether statements, or those of branches in them, have such a read. */
function isRead(body: readonly Statement[], isSuch: (read: Read) => boolean): boolean {
  return readsOf(body).some(isSuch) || body.some((part) => part.kind === "branch" && isRead(part.body, isSuch));
}

/** The loops whose turns go from row to row of an array that threads along x read side by side; `null` if they do not. */
function rowsOf(statement: Statement, x: Local): readonly Loop[] | null {
  if (statement.kind !== "loop" || statement.end <= 0) return null;
  const loops = nestOf(statement);
  if (!loops || loops.reduce((rows, { end }) => rows * end, 1) < FEWEST_ROWS) return null;
  const { counter, body } = loops.at(-1)!;
  const isRow = ({ at: [at] }: Read) => coefficientOf(at, x) === 1 && Math.abs(coefficientOf(at, counter)) >= NARROWEST;
  return isRead(body, isRow) ? loops : null;
}

/** The locals that expressions and statements name. */
class Named {
  readonly locals = new Set<Local>();

  constructor(body: readonly Statement[], results: readonly Expression[]) {
    this.#block(body);
    for (const result of results) this.#expression(result);
  }

  #linear({ terms }: Linear): void {
    for (const { local } of terms) this.locals.add(local);
  }

  #expression(expression: Expression): void {
    switch (expression.kind) {
      case "local":
        this.locals.add(expression);
        return;
      case "literal":
        return;
      case "read":
        return expression.at.forEach((at) => this.#linear(at));
      case "remainder":
        this.#linear(expression.quotient);
        return this.#linear(expression.of);
      case "index":
      case "within":
      case "quotient":
        return this.#linear(expression.of);
      case "call":
        return expression.args.forEach((arg) => this.#expression(arg));
      default:
        return expression satisfies never;
    }
  }

  #block(body: readonly Statement[]): void {
    for (const statement of body) {
      if (statement.kind === "loop" || statement.kind === "branch") this.#block(statement.body);
      if (statement.kind === "branch") statement.conditions.forEach((condition) => this.#expression(condition));
      if (statement.kind === "assign") this.locals.add(statement.local);
      if (statement.kind === "const" || statement.kind === "let" || statement.kind === "assign") {
        this.#expression(statement.value);
      }
    }
  }
}

/** The locals that statements assign to. */
function assigned(body: readonly Statement[]): Local[] {
  return body.flatMap((statement) => {
    if (statement.kind === "assign") return [statement.local];
    return statement.kind === "loop" || statement.kind === "branch" ? assigned(statement.body) : [];
  });
}

/** The statements of a kernel, shared ones apart and the others in phases; `null` if something is not shared that is to be. */
function divide(
  { threads: [x], body }: LoopForm,
  locals: Locals,
): { shared: Statement[]; parts: Pick<Phase, "loops" | "body">[] } | null {
  const shared: Statement[] = [];
  const parts: { readonly loops: readonly Loop[]; readonly body: Statement[] }[] = [{ loops: [], body: [] }];
  for (const statement of body) {
    const isShared = statement.kind === "constant" || (statement.kind === "const" && !locals.varies(statement.local));
    if (isShared) {
      shared.push(statement);
      continue;
    }
    if (statement.kind === "let" && !locals.varies(statement.local)) return null;
    const loops = rowsOf(statement, x);
    if (!loops) parts.at(-1)!.body.push(statement);
    else parts.push({ loops, body: [...loops.at(-1)!.body] }, { loops: [], body: [] });
  }
  return { shared, parts };
}

/**
 * Divides a kernel into phases; `null` if no loop of it goes through many rows, or if it waits for memory anyway, or too much would have to
 * be kept.
 */
export function stripsOf(form: Joint): Strips | null {
  const { extent: [nx = 1, ...outer], body } = form;
  if (nx < NARROWEST || isLight(body)) return null;
  const divided = divide(form, localsOf(form, false));
  if (!divided || divided.parts.length === 1) return null;
  const { shared, parts } = divided;
  const named = parts.map(({ body }, i) => new Named(body, i === parts.length - 1 ? resultsOf(form) : []).locals);
  const declared = parts.map(({ loops, body }) =>
    loops.length > 0 ? [] : body.flatMap((part) => part.kind === "const" || part.kind === "let" ? [part.local] : [])
  );
  const takes = named.map((locals, i) =>
    declared.slice(0, i).flatMap((own) => own.filter((local) => locals.has(local)))
  );
  const kept = [...new Set(takes.flat())];
  const most = Math.floor(KEPT / Math.max(1, kept.length) / BLOCK) * BLOCK;
  if (most < NARROWEST) return null;
  const wanted = Math.ceil(outer.reduce((a, b) => a * b, nx) / ENOUGH_STRIPS / BLOCK) * BLOCK;
  return {
    shared,
    phases: parts.map((part, i) => {
      const changed = new Set(assigned(part.body));
      return { ...part, takes: takes[i], leaves: kept.filter((own) => declared[i].includes(own) || changed.has(own)) };
    }),
    slots: new Map(kept.map((local, i) => [local, i])),
    changing: new Set(parts.flatMap(({ body }) => body.flatMap((part) => part.kind === "let" ? [part.local] : []))),
    threads: Math.min(most, WIDEST, Math.max(NARROWEST, wanted)),
  };
}
