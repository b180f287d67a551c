/** The source of a function: its tree, and errors that show the place that they are about. */
import {
  type ArrowFunctionExpression,
  type FunctionDeclaration,
  type FunctionExpression,
  parseExpressionAt,
} from "acorn";

/** The tree of a function, however it was written. */
export type FunctionNode = ArrowFunctionExpression | FunctionDeclaration | FunctionExpression;

/** A range of the source that was parsed. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** The place of an evaluation in the source, for errors about it. */
export interface Site {
  /** Throws an error that shows this place. */
  fail(message: string): never;
}

/** The longest part of a line that an error shows; a minifier writes a program in one line. */
const WIDEST = 100;

/** The text of a function. */
export class Source {
  /** The beginning of error messages. */
  readonly #call: string;
  /** Which function it is: "the function" that was passed, or a helper. */
  readonly #which: string;
  readonly #text: string;
  /** How many characters were put before the text so that it parses. */
  readonly #before: number;

  constructor(call: string, which: string, text: string, before: number) {
    this.#call = call;
    this.#which = which;
    this.#text = text;
    this.#before = before;
  }

  /** The text of a range. */
  textOf({ start, end }: Range): string {
    return this.#text.slice(start - this.#before, end - this.#before);
  }

  /** Throws an error that shows a range of the source. */
  fail(range: Range, message: string): never {
    const [start, end] = [range.start - this.#before, range.end - this.#before];
    const lineStart = this.#text.lastIndexOf("\n", start - 1) + 1;
    const lineEnd = (this.#text.indexOf("\n", start) + 1 || this.#text.length + 1) - 1;
    const [number, column] = [this.#text.slice(0, lineStart).split("\n").length, start - lineStart];
    const line = this.#text.slice(lineStart, lineEnd).trimEnd();
    // Only the part of a long line around the range.
    const from = line.length > WIDEST ? Math.max(0, Math.min(column - WIDEST / 2, line.length - WIDEST)) : 0;
    const shown = line.slice(from, from + WIDEST).replaceAll("\t", " ");
    const carets = "^".repeat(Math.max(1, Math.min(end - start, from + shown.length - column)));
    const label = `  ${number} | `;
    throw new Error(
      [
        `${this.#call}: ${message} (line ${number}, column ${column + 1} of ${this.#which})`,
        `${label}${shown}`,
        `${" ".repeat(label.length - 2)}| ${" ".repeat(column - from)}${carets}`,
      ].join("\n"),
    );
  }
}

/** A function that was read. */
export interface ReadFunction {
  readonly node: FunctionNode;
  readonly source: Source;
}

/**
 * Reads the source of a function.
 *
 * @param call what errors begin with.
 * @param which the function in words, as errors name it: "the function".
 * @throws if the function has no source, as native and bound functions, or is a class.
 */
export function readFunction(call: string, which: string, fn: (...args: never[]) => unknown): ReadFunction {
  const text = Function.prototype.toString.call(fn);
  const refuse = (reason: string): never => {
    throw new Error(`${call}: cannot read ${which}: ${reason}`);
  };
  if (/\{\s*\[(native code|bytecode)\]\s*\}\s*$/.test(text)) {
    return refuse("it has no source, as native and bound functions have none; write (x) => ... around it");
  }
  if (/^class\b/.test(text)) return refuse("it is a class");
  const parsed = parse(text) ?? parseMethod(text);
  if (typeof parsed === "string") return refuse(`its source does not parse: ${parsed}`);
  const source = new Source(call, which, text, parsed.before);
  return { node: parsed.node, source };
}

interface Parsed {
  readonly node: FunctionNode;
  readonly before: number;
}

/** Parses an expression; `null` if it is no function, or more than one. */
function parse(text: string): Parsed | null {
  try {
    const node = parseExpressionAt(text, 0, { ecmaVersion: "latest" });
    const isFunction = node.type === "ArrowFunctionExpression" || node.type === "FunctionExpression";
    return isFunction && node.end === text.length ? { node, before: 0 } : null;
  } catch {
    return null;
  }
}

/** Parses a method as a class has it; returns the parser's complaint if it is none. */
function parseMethod(text: string): Parsed | string {
  const before = "(class{";
  try {
    const outer = parseExpressionAt(`${before}${text}})`, 0, { ecmaVersion: "latest" });
    const member = outer.type === "ClassExpression" ? outer.body.body[0] : undefined;
    if (member?.type !== "MethodDefinition") return "it is no function";
    return { node: member.value, before: before.length };
  } catch (error) {
    return (error as Error).message.replace(/ \(\d+:\d+\)$/, "");
  }
}
