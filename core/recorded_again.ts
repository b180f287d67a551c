/** Whether a function that was recorded twice recorded the same: what it takes from around it may have changed in between. */
import type { Entry, TapeOp, Values } from "./entry.ts";
import { build, type Expression } from "./expression.ts";
import type { ElementwiseKernel } from "./kernel.ts";
import { loopOf } from "./loop.ts";
import { formatShape, sameShape } from "./shape.ts";
import { attributeText } from "./structure.ts";

/** The recording of one call of a function. */
export interface Recorded {
  /** The stand-ins for its inputs. */
  readonly inputs: readonly Entry[];
  readonly outputs: readonly Entry[];
  /** What it returned, in words: `a tensor`, or the structure of several. */
  readonly returned: string;
  /** Entries with lower numbers were there before. */
  readonly from: number;
}

/**
 * Says how two recordings of a function differ, in words; `null` if they compute the same. Ops that the function made anew count as the same
 * if names, attributes and formulas are; tensors if they have the same elements, or are recorded in the same way and have none yet.
 */
export async function differenceOf(kept: Recorded, again: Recorded): Promise<string | null> {
  const [was, is] = [kept.returned, again.returned];
  if (was !== is) return `it returns ${textAround(is, was)} where it returned ${textAround(was, is)}`;
  const comparison = new Comparison(kept, again);
  const difference = comparison.compare(kept.outputs, again.outputs);
  if (difference !== null) return difference;
  for (const [a, b] of comparison.unread) {
    const values = await Promise.all([a.held!.read(), b.held!.read()]);
    const element = otherElement(...values);
    if (element !== null) return comparison.ofValues(b, values, element);
  }
  return null;
}

/** How much of a long text is shown on either side of a place. */
const AROUND = 40;

/** A text, or if it is long the part of it in which it differs from another one. */
function textAround(text: string, other: string): string {
  let at = 0;
  while (at < text.length && text[at] === other[at]) at++;
  const [from, to] = [at - AROUND, at + AROUND];
  return `${from > 0 ? "..." : ""}${text.slice(Math.max(0, from), to)}${to < text.length ? "..." : ""}`;
}

class Comparison {
  /** Tensors whose elements are on a device. */
  readonly unread: [Entry, Entry][] = [];
  readonly #kept: Recorded;
  readonly #again: Recorded;
  /** The pairs that were compared. */
  readonly #seen = new Map<Entry, Entry[]>();
  readonly #pairs: [Entry, Entry][] = [];
  readonly #ops = new Map<TapeOp, TapeOp>();

  constructor(kept: Recorded, again: Recorded) {
    this.#kept = kept;
    this.#again = again;
    this.#match(kept.inputs, again.inputs);
  }

  compare(outputs: readonly Entry[], others: readonly Entry[]): string | null {
    this.#push(outputs, others);
    for (let pair = this.#pairs.pop(); pair; pair = this.#pairs.pop()) {
      const difference = this.#visit(...pair);
      if (difference !== null) return difference;
    }
    return null;
  }

  ofValues(entry: Entry, [was, is]: readonly [Values, Values], at: number): string {
    return `it uses ${this.#named(entry)} with ${is[at]} as element ${at} where that was ${was[at]}`;
  }

  /** Notes that entries stand for each other. */
  #match(as: readonly Entry[], bs: readonly Entry[]): void {
    as.forEach((a, i) => this.#seen.set(a, [bs[i]]));
  }

  #push(as: readonly Entry[], bs: readonly Entry[]): void {
    for (let i = as.length - 1; i >= 0; i--) this.#pairs.push([as[i], bs[i]]);
  }

  #visit(a: Entry, b: Entry): string | null {
    if (a === b && a.id < this.#kept.from) return null;
    const seen = this.#seen.get(a);
    if (seen?.includes(b)) return null;
    if (seen) seen.push(b);
    else this.#seen.set(a, [b]);
    const inputs = [this.#kept.inputs.indexOf(a), this.#again.inputs.indexOf(b)];
    if (inputs[0] !== inputs[1]) return this.#other(a, b);
    if (a.dtype !== b.dtype || !sameShape(a.shape, b.shape)) return this.#other(a, b);
    const decided = this.#byValue(a, b);
    return decided === undefined ? this.#byStructure(a, b) : decided;
  }

  /** Compares elements; `undefined` if they are not there. */
  #byValue(a: Entry, b: Entry): string | null | undefined {
    const [was, is] = [a.held, b.held];
    if (was === null || is === null) return undefined;
    if (was === is) return null;
    if (was.host === null || is.host === null) {
      this.unread.push([a, b]);
      return null;
    }
    const element = otherElement(was.host, is.host);
    return element === null ? null : this.ofValues(b, [was.host, is.host], element);
  }

  #byStructure(a: Entry, b: Entry): string | null {
    // Neither has elements that could be compared.
    if (a.op.kernel.kind === "leaf" || b.op.kernel.kind === "leaf") return this.#other(a, b);
    if (a.inputs.length !== b.inputs.length || !this.#sameOp(a, b)) return this.#other(a, b);
    this.#push(a.inputs, b.inputs);
    const [was, is] = [loopOf(a), loopOf(b)];
    if (was === null || is === null) return was === is ? this.#byAttributes(a, b) : this.#other(a, b);
    const [{ count, reverse }, parts] = [was.parts, is.parts];
    if (count !== parts.count) return `"${b.op.name}" runs ${parts.count} times where it ran ${count} times`;
    if (reverse !== parts.reverse) return this.#other(a, b);
    if (was.arguments.length !== is.arguments.length || was.returned.length !== is.returned.length) {
      return this.#other(a, b);
    }
    this.#match(was.arguments, is.arguments);
    this.#push(was.returned, is.returned);
    return null;
  }

  #byAttributes(a: Entry, b: Entry): string | null {
    for (const name of new Set([...Object.keys(a.attributes), ...Object.keys(b.attributes)])) {
      const [was, is] = [a.attributes[name], b.attributes[name]].map(attributeText);
      if (was === is) continue;
      return `it uses ${is} where it used ${was}, as ${name} of "${b.op.name}" of shape ${formatShape(b.shape)}`;
    }
    return null;
  }

  /** Whether entries have the same op, or ops that were made in the same way. */
  #sameOp(a: Entry, b: Entry): boolean {
    if (a.op === b.op || this.#ops.get(a.op) === b.op) return true;
    const [was, is] = [a.op.kernel, b.op.kernel];
    if (a.op.name !== b.op.name || was.kind !== is.kind) return false;
    if (was.kind === "elementwise" && is.kind === "elementwise" && !sameFormula(was, is, a, b)) return false;
    this.#ops.set(a.op, b.op);
    return true;
  }

  #other(a: Entry, b: Entry): string {
    const wasInput = this.#kept.inputs.includes(b);
    if (wasInput) return `it uses an input of its first call, of shape ${formatShape(b.shape)}, which it has kept`;
    return `it uses ${this.#named(b)} where it used ${named(a, a.id < this.#kept.from)}`;
  }

  #named(entry: Entry): string {
    return named(entry, entry.id < this.#again.from);
  }
}

function named(entry: Entry, isCaptured: boolean): string {
  const made = entry.op.kernel.kind === "leaf" ? "" : `, made by "${entry.op.name}"`;
  return `a${isCaptured ? " captured" : ""} tensor of dtype ${entry.dtype} and shape ${
    formatShape(entry.shape)
  }${made}`;
}

/** The number of the first element that differs; `null` if none does. */
function otherElement(as: Values, bs: Values): number | null {
  for (let i = 0; i < as.length; i++) if (!Object.is(as[i], bs[i])) return i;
  return null;
}

/** Whether two scalar functions are the same formula of their arguments. */
function sameFormula(was: ElementwiseKernel, is: ElementwiseKernel, a: Entry, b: Entry): boolean {
  if (String(was.numbers) !== String(is.numbers)) return false;
  const args = Array.from({ length: a.inputs.length + (was.numbers?.length ?? 0) }, (_, id): Expression => (
    { kind: "local", id, role: "value" }
  ));
  return sameExpression(was.expression(args, a.attributes, build), is.expression(args, b.attributes, build), new Map());
}

/** Whether expressions are the same. Parts that they share are compared once. */
function sameExpression(a: Expression, b: Expression, seen: Map<Expression, Expression>): boolean {
  if (a === b || seen.get(a) === b) return true;
  seen.set(a, b);
  if (a.kind !== "call" || b.kind !== "call") return attributeText(a) === attributeText(b);
  return a.name === b.name && a.args.length === b.args.length &&
    a.args.every((arg, i) => sameExpression(arg, b.args[i], seen));
}
