/** The loop form: a kernel as statements over typed values. It stands between the graph and the text of a backend. */
import { type Expression, type Linear, type Local, PREFIX } from "../expression.ts";
import { formatShape, type Shape } from "../shape.ts";
import type { Node } from "./node.ts";

/** A statement of a kernel. A local is declared before it is used, in the same block or in one around it. */
export type Statement =
  /** Declares a number of the program. A backend may write it wherever the local is used. */
  | { readonly kind: "constant"; readonly local: Local; readonly value: number }
  /** Declares a local that never changes. */
  | { readonly kind: "const"; readonly local: Local; readonly value: Expression }
  /** Declares a local that assignments change. */
  | { readonly kind: "let"; readonly local: Local; readonly value: Expression }
  | { readonly kind: "assign"; readonly local: Local; readonly value: Expression }
  /** Runs the body with the counter at 0, `step`, 2 * `step` and so on, below `end`. */
  | {
    readonly kind: "loop";
    readonly counter: Local;
    readonly end: number;
    readonly step: number;
    readonly body: readonly Statement[];
  }
  /** Runs the body if all conditions hold. */
  | { readonly kind: "branch"; readonly conditions: readonly Expression[]; readonly body: readonly Statement[] };

/** How one array is computed, one element per thread. Plain data, which keeps no graph alive. */
export interface LoopForm {
  /** How many threads there are along x, y and z, as far as there are axes for them. */
  readonly extent: readonly number[];
  /** The coordinates of a thread: x, y and z. */
  readonly threads: readonly Local[];
  readonly body: readonly Statement[];
  /** The element. */
  readonly result: Expression;
}

/** A kernel that computes one array. */
export interface LoopKernel extends LoopForm {
  /** The op whose result it stores, and the shape. */
  readonly name: string;
  readonly shape: Shape;
  /** The arrays that it reads. */
  readonly args: readonly Node[];
  /** How often each value of the graph is evaluated in all threads together. */
  readonly evaluations: ReadonlyMap<Node, number>;
  /** Loop iterations of one thread, nested loops multiplied. */
  readonly iterations: number;
}

/** How a backend lays arrays and threads out. */
export interface Layout {
  /** The name of the backend in error messages. */
  readonly name: string;
  /** Whether arrays are read by one flat index rather than by nested ones. */
  readonly flat: boolean;
  /** The most threads along x, y and z; a shape that does not fit is laid out along x alone. Empty: all shapes are. */
  readonly extents: readonly number[];
  /** Indices are exact up to here. */
  readonly exactIndex: number;
}

/**
 * A kernel as pseudo-code, for people rather than for a compiler. `:=` declares or changes a variable, `=` names a value,
 * `aN` is the array of argument N, and functions have the names under which backends know them.
 */
export function describe(kernel: LoopKernel): string {
  const axes = kernel.extent.map((n, axis) => `${"xyz"[axis]} < ${n}`).join(", ");
  const names = new Map<Local, string>(kernel.threads.map((local, axis) => [local, "xyz"[axis]]));
  return [
    `${kernel.name} ${formatShape(kernel.shape)} for each ${axes}`,
    ...kernel.args.map((node, i) => `  a${i} is ${node.name} ${formatShape(node.shape)}`),
    ...lines(kernel.body, "  ", names),
    `  result ${textOf(kernel.result, names)}`,
  ].join("\n");
}

type Names = Map<Local, string>;

function lines(body: readonly Statement[], indent: string, names: Names): string[] {
  return body.flatMap((statement) => linesOf(statement, indent, names));
}

function linesOf(statement: Statement, indent: string, names: Names): string[] {
  switch (statement.kind) {
    case "constant":
      return [`${indent}${nameOf(statement.local, names)} = ${numberText(statement.value)}`];
    case "const":
      return [`${indent}${nameOf(statement.local, names)} = ${textOf(statement.value, names)}`];
    case "let":
    case "assign":
      return [`${indent}${nameOf(statement.local, names)} := ${textOf(statement.value, names)}`];
    case "loop": {
      const { counter, end, step, body } = statement;
      const head = `for ${nameOf(counter, names)} < ${end}${step === 1 ? "" : ` step ${step}`}`;
      return [`${indent}${head}`, ...lines(body, `${indent}  `, names)];
    }
    case "branch": {
      const conditions = statement.conditions.map((condition) => textOf(condition, names)).join(" and ");
      return [`${indent}if ${conditions}`, ...lines(statement.body, `${indent}  `, names)];
    }
    default:
      return unknownPart(statement);
  }
}

function nameOf(local: Local, names: Names): string {
  let name = names.get(local);
  if (name === undefined) names.set(local, name = `${PREFIX[local.role]}${names.size}`);
  return name;
}

function textOf(expression: Expression, names: Names): string {
  switch (expression.kind) {
    case "local":
      return nameOf(expression, names);
    case "literal":
      return numberText(expression.value);
    case "read":
      return `a${expression.argument}[${expression.at.map((at) => linearText(at, names)).join(", ")}]`;
    case "index":
      return linearText(expression.of, names);
    case "quotient":
      return `(${linearText(expression.of, names)}) / ${expression.by}`;
    case "remainder":
      return `(${linearText(expression.of, names)}) % ${expression.by}`;
    case "within": {
      const { low, end } = expression;
      return `${low ? "0 <= " : ""}${linearText(expression.of, names)}${end === null ? "" : ` < ${end}`}`;
    }
    case "call":
      return `${expression.name}(${expression.args.map((arg) => textOf(arg, names)).join(", ")})`;
    default:
      return unknownPart(expression);
  }
}

function numberText(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

function linearText({ base, terms }: Linear, names: Names): string {
  if (terms.length === 0) return String(base);
  const parts = terms.map(({ local, coefficient }) =>
    coefficient === 1 ? nameOf(local, names) : `${coefficient} ${nameOf(local, names)}`
  );
  if (base !== 0) parts.push(String(base));
  return parts.join(" + ");
}

function unknownPart(part: never): never {
  throw new Error(`describe: there is no such part of a kernel: ${JSON.stringify(part)}`);
}
