/** Kernels as text: the loop form in the dialect of a backend. Only the spelling is decided here. */
import { type Expression, type Linear, type Local, PREFIX } from "../expression.ts";
import type { LoopForm, LoopKernel, Statement } from "../plan/form.ts";
import { type Dialect, HIDDEN } from "./dialect.ts";
import { type Code, type Hidden, inTable, Name, type Writer } from "./functions.ts";

/** Source that computes one array, one element per thread. */
export interface KernelText {
  /** Names of the arrays that it reads. */
  readonly parameters: readonly string[];
  /** Statements, indented, and the expression of the element. */
  readonly lines: readonly string[];
  readonly result: string;
  /** The extent of the threads: x, then y and z if the kernel has them. */
  readonly extent: readonly number[];
  /** Loop iterations of one thread, nested loops multiplied. */
  readonly iterations: number;
  /** Names of the constant tables that it reads. */
  readonly tables: readonly string[];
  /** Names of the numbers that it takes after the arrays. */
  readonly opaque: readonly string[];
}

/** The table of numbers that shaders cannot spell, and of powers of 2. */
const NUMBERS = "numbers";

/** Writes the statements of a kernel. */
export class Rendering implements Writer {
  readonly lines: string[] = [];
  readonly tables = new Set<string>();
  readonly opaque = new Set<string>();
  readonly #dialect: Dialect;
  /** The source that stands for each local, by its number. */
  readonly #codes: Code[] = [];
  #names = 0;
  #indent = "";

  constructor(dialect: Dialect, threads: readonly Local[]) {
    this.#dialect = dialect;
    threads.forEach((local, axis) => (this.#codes[local.id] = new Name(dialect.thread[axis])));
  }

  // Statements

  statements(body: readonly Statement[]): void {
    for (const statement of body) this.statement(statement);
  }

  statement(statement: Statement): void {
    switch (statement.kind) {
      case "constant":
        return this.define(statement.local, this.#constant(statement.value));
      case "const":
        return this.define(statement.local, this.bind(this.expression(statement.value)));
      case "let": {
        const value = this.expression(statement.value);
        const name = this.declare(statement.local);
        return this.line(`let ${name} = ${value};`);
      }
      case "assign": {
        const value = this.expression(statement.value);
        return this.line(`${this.codeOf(statement.local)} = ${value};`);
      }
      case "loop": {
        const { end, step } = statement;
        const i = this.declare(statement.counter);
        const update = step === 1 ? `${i}++` : `${i} += ${step}`;
        return this.#block(`for (let ${i} = 0; ${i} < ${end}; ${update}) {`, statement.body);
      }
      case "branch": {
        const conditions = statement.conditions.map((condition) => this.expression(condition));
        return this.#block(`if (${this.#all(conditions)}) {`, statement.body);
      }
      default:
        return unknownPart(statement);
    }
  }

  line(text: string): void {
    this.lines.push(this.#indent + text);
  }

  #block(head: string, body: readonly Statement[]): void {
    this.line(head);
    const around = this.#indent;
    this.#indent += "  ";
    this.statements(body);
    this.#indent = around;
    this.line("}");
  }

  /** Gives a local a name. */
  declare(local: Local): Name {
    const name = new Name(`${PREFIX[local.role]}${this.#names++}`);
    this.define(local, name);
    return name;
  }

  /** Writes this source wherever the local is used. */
  define(local: Local, code: Code): void {
    this.#codes[local.id] = code;
  }

  /** A number of the program. Compilers know the value of a literal, not that of a name. */
  #constant(value: number): Code {
    const { shader } = this.#dialect;
    const literal = this.literal(value);
    return shader && inTable(value) === null ? this.bind(this.hide(literal)) : literal;
  }

  // Expressions

  expression(expression: Expression): Code {
    switch (expression.kind) {
      case "local":
        return this.codeOf(expression);
      case "literal":
        return this.literal(expression.value);
      case "read":
        return `a${expression.argument}${expression.at.map((at) => `[${this.linear(at)}]`).join("")}`;
      case "index":
        return this.linear(expression.of);
      case "quotient":
        return this.#quotient(this.linear(expression.of), expression.by, expression.most);
      case "remainder":
        return `(${this.linear(expression.of)}) - ${expression.by} * ${this.linear(expression.quotient)}`;
      case "within":
        return this.#within(this.linear(expression.of), expression.low, expression.end);
      case "call":
        return this.call(expression.name, ...expression.args.map((arg) => this.expression(arg)));
      default:
        return unknownPart(expression);
    }
  }

  codeOf(local: Local): Code {
    const code = this.#codes[local.id];
    if (code === undefined) throw new Error(`render: local ${local.id} is used before it is declared`);
    return code;
  }

  linear({ base, terms }: Linear): string {
    if (terms.length === 0) return String(base);
    let text = "";
    for (const { local, coefficient } of terms) {
      if (text) text += " + ";
      text += coefficient === 1 ? this.codeOf(local) : `${this.codeOf(local)} * ${coefficient}`;
    }
    if (base !== 0) text += base < 0 ? ` - ${-base}` : ` + ${base}`;
    return base === 0 && terms.length === 1 ? text : `(${text})`;
  }

  /** `floor(of / by)` of a whole number up to `most`. */
  #quotient(of: string, by: number, most: number): string {
    // Half an index keeps an approximate division on the right side of whole numbers, as long as halves are exact.
    if (most < this.#dialect.exactIndex / 8) return `Math.floor((${of} + 0.5) / ${by})`;
    const near = this.bind(`Math.floor(${of} / ${by})`);
    const rest = this.bind(`${of} - ${near} * ${by}`);
    return `${near} + (${rest} >= ${by} ? 1.0 : (${rest} < 0.0 ? -1.0 : 0.0))`;
  }

  #within(of: string, low: boolean, end: number | null): Code {
    const tests: string[] = [];
    if (low) tests.push(`${of} >= 0`);
    if (end !== null) tests.push(`${of} < ${end}`);
    return this.#all(tests);
  }

  /** Whether all conditions hold. */
  #all(conditions: readonly Code[]): Code {
    return conditions.reduce((all, condition) => this.call("and", all, condition));
  }

  // The writer of scalar functions

  call(name: string, ...args: Code[]): Code {
    const { functions, name: backend } = this.#dialect;
    if (!Object.hasOwn(functions, name)) throw new Error(`render: backend ${backend} has no scalar function "${name}"`);
    return functions[name].write(args, this);
  }

  bind(code: Code): Name {
    if (code instanceof Name) return code;
    const name = new Name(`${PREFIX.value}${this.#names++}`);
    this.line(`const ${name} = ${code};`);
    return name;
  }

  step(code: Code): Code {
    // SwiftShader takes four times as long to compile a polynomial that is one expression.
    return this.#dialect.shader ? this.bind(code) : code;
  }

  round(code: Code): Code {
    const { rounds } = this.#dialect;
    return rounds === null ? code : `${rounds}(${code})`;
  }

  literal(value: number): Code {
    const { shader, double } = this.#dialect;
    const at = shader ? inTable(value) : null;
    if (at !== null) return this.power(String(at));
    if (Number.isNaN(value)) return double ? new Name("NaN") : "(0.0 / 0.0)";
    if (value === Infinity) return "Infinity";
    if (value === -Infinity) return "(-Infinity)";
    const stored = double ? value : Math.fround(value);
    if (Object.is(stored, -0)) return "(-0.0)";
    // Whole numbers below 1e21 are spelled without a point, which would make them integers.
    const text = Number.isInteger(stored) && Math.abs(stored) < 1e21 ? `${stored}.0` : String(stored);
    return stored < 0 ? `(${text})` : text;
  }

  hide(code: Code, as: Hidden = "value"): Code {
    if (!this.#dialect.shader) return code;
    const name = HIDDEN[as];
    this.opaque.add(name);
    return `(${name} > 0.0 ? ${code} : ${name})`;
  }

  power(index: Code): Code {
    this.tables.add(NUMBERS);
    return `this.constants.${NUMBERS}[${index}]`;
  }
}

function unknownPart(part: never): never {
  throw new Error(`render: there is no such part of a kernel: ${JSON.stringify(part)}`);
}

/** The input of a rendering: a kernel, or its form alone with as many arguments as it reads. */
type Rendered = LoopForm & Pick<LoopKernel, "iterations"> & { readonly args: readonly unknown[] };

/** Writes a kernel in a backend's dialect. */
export function render(kernel: Rendered, dialect: Dialect): KernelText {
  const rendering = new Rendering(dialect, kernel.threads);
  rendering.statements(kernel.body);
  const result = String(rendering.expression(kernel.result));
  return {
    parameters: kernel.args.map((_, i) => `a${i}`),
    lines: rendering.lines,
    result,
    extent: kernel.extent,
    iterations: kernel.iterations,
    tables: [...rendering.tables],
    opaque: Object.keys(dialect.opaque).filter((name) => rendering.opaque.has(name)),
  };
}

/** The same as {@link render}, written when somebody asks for the text: some backends compile the loop form instead. */
export function renderLater(
  { args, extent, threads, body, result, iterations }: Rendered,
  dialect: Dialect,
): KernelText {
  const kernel = { args: args.map(() => null), extent, threads, body, result, iterations };
  let text: KernelText | null = null;
  const written = () => text ??= render(kernel, dialect);
  return {
    extent,
    iterations,
    parameters: args.map((_, i) => `a${i}`),
    get lines() {
      return written().lines;
    },
    get result() {
      return written().result;
    },
    get tables() {
      return written().tables;
    },
    get opaque() {
      return written().opaque;
    },
  };
}

function indented(lines: readonly string[], by: string): string {
  return lines.map((line) => `${by}${line}\n`).join("");
}

/** The kernel as gpu.js takes it. */
export function renderFunction(kernel: KernelText): string {
  return `function (${[...kernel.parameters, ...kernel.opaque].join(", ")}) {\n${
    indented([...kernel.lines, `return ${kernel.result};`], "  ")
  }}`;
}

/** The same kernel as a function over flat arrays that fills `out`. */
export function renderLoop(kernel: KernelText): { parameters: string[]; body: string } {
  const body = overCells(kernel.extent, [...kernel.lines, `out[cell++] = ${kernel.result};`]);
  return { parameters: ["out", ...kernel.parameters], body };
}

/** Statements that run for each thread, `x`, `y` and `z`, one after the other; `cell` starts at 0. */
export function overCells([nx, ny = 1, nz = 1]: readonly number[], statements: readonly string[]): string {
  const lines = [
    "let cell = 0;",
    `for (let z = 0; z < ${nz}; z++) {`,
    `  for (let y = 0; y < ${ny}; y++) {`,
    `    for (let x = 0; x < ${nx}; x++) {`,
    ...statements.map((line) => `      ${line}`),
    "    }",
    "  }",
    "}",
  ];
  return indented(lines, "");
}
