/** Runs the loop form as it is, without text: what tests compare rendered kernels with. */
import type { Expression, Linear, Local } from "../../core/expression.ts";
import { extentOf } from "../../core/plan/loops.ts";
import type { Layout, LoopKernel, Statement } from "../../core/plan/form.ts";

type Value = number | boolean;
type Function = (...args: number[]) => Value;

/** Scalar functions, written down apart from the backends. */
const functions: Readonly<Record<string, Function>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  neg: (x) => -x,
  equal: (a, b) => a === b,
  notEqual: (a, b) => a !== b,
  less: (a, b) => a < b,
  lessEqual: (a, b) => a <= b,
  greater: (a, b) => a > b,
  greaterEqual: (a, b) => a >= b,
  and: (a, b) => Boolean(a) && Boolean(b),
  or: (a, b) => Boolean(a) || Boolean(b),
  not: (x) => !x,
  select: (condition, a, b) => condition ? a : b,
  sum: (a, x) => a + x,
  product: (a, x) => a * x,
  above: (a, b) => a > b,
  below: (a, b) => a < b,
  anyOf: Math.max,
  allOf: Math.min,
  max: Math.max,
  min: Math.min,
  position: (part, each, within) => part * each + within,
  truth: (condition) => condition ? 1 : 0,
  holds: (x) => x > 0.5,
  isPosition: (x, size) => x >= 0 && x < size,
  asNumber: (x) => x,
  middle: (low, high) => Math.floor((low + high) / 2),
  next: (x) => x + 1,
  upTo: (x, last) => (x < last ? x : last),
  from0: (x) => (x > 0 ? x : 0),
  held: (x) => x,
  total: (x) => x,
  abs: Math.abs,
  floor: Math.floor,
  ceil: Math.ceil,
  trunc: Math.trunc,
  sign: Math.sign,
  roundHalfEven: (x) => {
    const low = Math.floor(x);
    return x - low > 0.5 || (x - low === 0.5 && low % 2 !== 0) ? low + 1 : low;
  },
};

class Thread {
  readonly #kernel: LoopKernel;
  readonly #args: readonly Float64Array[];
  /** For each argument the strides of x, y and z. */
  readonly #strides: readonly (readonly number[])[];
  readonly #locals = new Map<Local, Value>();
  iterations = 0;

  constructor(kernel: LoopKernel, args: readonly Float64Array[], layout: Layout) {
    this.#kernel = kernel;
    this.#args = args;
    this.#strides = kernel.args.map((node) => {
      const [x, y = 1] = extentOf(node.shape, layout);
      return layout.flat ? [1] : [1, x, x * y];
    });
  }

  run(coordinates: readonly number[]): number {
    this.#locals.clear();
    this.#kernel.threads.forEach((local, axis) => this.#locals.set(local, coordinates[axis]));
    this.#all(this.#kernel.body);
    return this.#number(this.#kernel.result);
  }

  #all(body: readonly Statement[]): void {
    for (const statement of body) this.#statement(statement);
  }

  #statement(statement: Statement): void {
    switch (statement.kind) {
      case "constant":
        this.#locals.set(statement.local, statement.value);
        return;
      case "const":
      case "let":
        this.#locals.set(statement.local, this.#value(statement.value));
        return;
      case "assign":
        if (!this.#locals.has(statement.local)) throw new Error("assigned before it was declared");
        this.#locals.set(statement.local, this.#value(statement.value));
        return;
      case "loop":
        for (let i = 0; i < statement.end; i += statement.step) {
          this.iterations++;
          this.#locals.set(statement.counter, i);
          this.#all(statement.body);
        }
        return;
      case "branch":
        if (statement.conditions.every((condition) => this.#value(condition))) this.#all(statement.body);
        return;
    }
  }

  #value(expression: Expression): Value {
    switch (expression.kind) {
      case "local": {
        const value = this.#locals.get(expression);
        if (value === undefined) throw new Error(`${expression.role} ${expression.id} is used before it is declared`);
        return value;
      }
      case "literal":
        return expression.value;
      case "read": {
        const { argument, at } = expression;
        const strides = this.#strides[argument];
        const place = at.reduce((sum, index, k) => sum + strides[at.length - 1 - k] * this.#linear(index), 0);
        const value = this.#args[argument][place];
        if (value === undefined) throw new Error(`element ${place} of argument ${argument} does not exist`);
        return value;
      }
      case "index":
        return this.#linear(expression.of);
      case "quotient": {
        const of = this.#linear(expression.of);
        if (of > expression.most) throw new Error(`${of} is more than ${expression.most}`);
        return Math.floor(of / expression.by);
      }
      case "remainder":
        return this.#linear(expression.of) - expression.by * this.#linear(expression.quotient);
      case "within": {
        const of = this.#linear(expression.of);
        return (!expression.low || of >= 0) && (expression.end === null || of < expression.end);
      }
      case "call": {
        const { name, args } = expression;
        if (!functions[name]) throw new Error(`no function ${name}`);
        return functions[name](...args.map((arg) => this.#value(arg) as number));
      }
    }
  }

  #number(expression: Expression): number {
    const value = this.#value(expression);
    if (typeof value !== "number") throw new Error(`expected a number, got ${value}`);
    return value;
  }

  #linear({ base, terms }: Linear): number {
    return terms.reduce((sum, { local, coefficient }) => sum + coefficient * this.#number(local), base);
  }
}

/** The array that a kernel computes, and the loop iterations of all threads. */
export function runLoops(
  kernel: LoopKernel,
  args: readonly Float64Array[],
  layout: Layout,
): { values: Float64Array; iterations: number } {
  const [nx, ny = 1, nz = 1] = kernel.extent;
  const values = new Float64Array(nx * ny * nz);
  const thread = new Thread(kernel, args, layout);
  for (let cell = 0; cell < values.length; cell++) {
    values[cell] = thread.run([cell % nx, Math.floor(cell / nx) % ny, Math.floor(cell / (nx * ny))]);
  }
  return { values, iterations: thread.iterations };
}
