/** A step of a plan becomes one JavaScript function: index expressions are evaluated, values computed where their loops are. */
import { add, constant, flatten, floorDiv, type Index, scale, variable } from "../affine.ts";
import type { Target } from "../backends/dialect.ts";
import type { Lowering } from "../op.ts";
import { broadcastIndex, isInside, movedIndex, movedShare, spread, threadIndex, unrollWidth } from "./access.ts";
import type { Work } from "./costs.ts";
import type { Node } from "./node.ts";
import { type Shape, sizeOf } from "../shape.ts";

/** Source that computes one array, one element a thread. */
export interface KernelText {
  /** Names of the arrays that it reads. */
  readonly parameters: readonly string[];
  /** Statements, and the expression of the element. */
  readonly lines: readonly string[];
  readonly result: string;
  /** The extent of the threads: x, then y and z where the kernel has them. */
  readonly extent: readonly number[];
  /** Loop iterations of one thread, nested loops multiplied. */
  readonly iterations: number;
  /** Names of the constant tables that it reads. */
  readonly tables: readonly string[];
  /** Names of the numbers that it takes after the arrays. */
  readonly opaque: readonly string[];
}

/** A kernel together with the graph's values that it reads and evaluates. */
export interface KernelSource extends KernelText {
  /** What the parameters stand for. */
  readonly args: readonly Node[];
  /** How often each value is evaluated in all threads together. */
  readonly evaluations: ReadonlyMap<Node, number>;
}

/** The extent of an array of this shape: x, y, z, as far as needed. */
export function extentOf(shape: Shape, target: Target): number[] {
  return spread(shape, target.extents).map((axes) => sizeOf(axes.map((a) => shape[a])));
}

/** A name for the element of a value at an index. */
function keyOf(node: Node, index: readonly Index[]): string {
  let key = String(node.order);
  for (const i of index) key += `|${i.key}`;
  return key;
}

interface Value {
  code: string;
  condition: boolean;
  depth: number;
}

/** Where statements go: a thread's body, a loop's or a branch's. */
class Scope {
  readonly lines: string[] = [];
  readonly memo = new Map<string, Value>();
  readonly parent: Scope | null;
  readonly depth: number;
  /** How often the statements run in all threads together. */
  readonly times: number;
  /**
   * For a branch the key of its condition, empty where it stands for no value. Values computed inside must stay inside: the condition
   * may guard them.
   */
  readonly branch: string | null;
  constructor(parent: Scope | null, depth: number, times: number, branch: string | null = null) {
    this.parent = parent;
    this.depth = depth;
    this.times = times;
    this.branch = branch;
  }

  /** Whether this is inside a branch with a condition. */
  holds(condition: string): boolean {
    return this.branch === condition || (this.parent?.holds(condition) ?? false);
  }
}

/** Conditions longer than this are computed once rather than repeated. */
const LONG_CONDITION = 60;
/** A number as source text. */
const LITERAL = /^\(?-?[\d.]+(e[-+]?\d+)?\)?$/;

/** Thrown where an index is too large to be exact on a backend. */
class IndexTooLarge extends Error {
  constructor(root: Node, target: Target, index: number) {
    super(
      `plan: "${root.name}" of shape [${
        root.shape.join(", ")
      }] needs the index ${index}, but on ${target.name} indices are exact ` +
        `only up to ${target.exactIndex}; split the tensor, or use the device "float64" or "cpu" (whose indices are exact, but ` +
        `whose values are float32 like all but those of "float64")`,
    );
    this.name = "IndexTooLarge";
  }
}

class Emitter {
  readonly args: Node[] = [];
  readonly evaluations = new Map<Node, number>();
  iterations = 0;
  #names = 0;
  readonly #root: Node;
  readonly #target: Target;
  readonly #work: Work;
  /** The names of hidden constants. */
  readonly #constants = new Map<string, string>();
  readonly #threads: number;
  readonly top: Scope;

  constructor(root: Node, target: Target, work: Work) {
    this.#root = root;
    this.#work = work;
    this.#target = target;
    this.#threads = root.size;
    this.top = new Scope(null, 0, root.size);
  }

  threadIndex(): Index[] {
    return threadIndex(this.#root.shape, this.#target.extents, this.#target.thread);
  }

  #name(prefix: string): string {
    return `${prefix}${this.#names++}`;
  }

  #bind(scope: Scope, code: string): string {
    if (/^[a-z]\w*$/i.test(code) && code !== "Infinity") return code;
    const name = this.#name("v");
    scope.lines.push(`const ${name} = ${code};`);
    return name;
  }

  #lowering(scope: Scope): Lowering {
    const target = this.#target;
    return {
      call: (name, ...args) => target.call(name, args, (code) => this.#bind(scope, code)),
      round: (code) => target.round(code),
      literal: (value) => target.literal(value),
    };
  }

  /** The innermost scope at or above `from` in which everything of this depth is known. */
  #scopeFor(depth: number, from: Scope): Scope {
    let scope = from;
    while (scope.branch === null && scope.depth > depth && scope.parent) scope = scope.parent;
    return scope;
  }

  #find(key: string, scope: Scope): Value | undefined {
    for (let s: Scope | null = scope; s; s = s.parent) {
      const value = s.memo.get(key);
      if (value) return value;
    }
    return undefined;
  }

  /** Source of an index. Quotients and remainders get names, so that they are computed once. */
  #index(index: Index, from: Scope): string {
    const largest = Math.max(Math.abs(index.min), Math.abs(index.max));
    if (largest > this.#target.exactIndex) throw new IndexTooLarge(this.#root, this.#target, largest);
    const parts: string[] = [];
    for (const { atom, coefficient } of index.terms) {
      let code: string;
      if (atom.kind === "variable") code = atom.key;
      else {
        const key = `#${atom.key}`;
        const scope = this.#scopeFor(atom.depth, from);
        const known = this.#find(key, scope);
        if (known) code = known.code;
        else {
          const of = this.#index(atom.of, scope);
          if (atom.kind === "quotient") code = this.#quotient(of, atom.by, atom.of.max, scope);
          else code = `(${of}) - ${atom.by} * ${this.#index(floorDiv(atom.of, atom.by), scope)}`;
          code = this.#bind(scope, code);
          scope.memo.set(key, { code, condition: false, depth: atom.depth });
        }
      }
      parts.push(coefficient === 1 ? code : `${code} * ${coefficient}`);
    }
    if (index.base !== 0 || parts.length === 0) parts.push(String(index.base));
    return parts.length === 1 ? parts[0] : `(${parts.join(" + ").replaceAll("+ -", "- ")})`;
  }

  /** `floor(of / by)` of an index up to `max`. */
  #quotient(of: string, by: number, max: number, scope: Scope): string {
    const { exactIndex } = this.#target;
    // Half an index keeps an approximate division on the right side of whole numbers, as long as halves can be told.
    if (max < exactIndex / 8) return `Math.floor((${of} + 0.5) / ${by})`;
    const near = this.#bind(scope, `Math.floor(${of} / ${by})`);
    const rest = this.#bind(scope, `${of} - ${near} * ${by}`);
    return `${near} + (${rest} >= ${by} ? 1.0 : (${rest} < 0.0 ? -1.0 : 0.0))`;
  }

  number(node: Node, index: readonly Index[], from: Scope): Value {
    const value = this.value(node, index, from);
    return value.condition ? { code: this.#truth(value.code), condition: false, depth: value.depth } : value;
  }

  /** A condition as a number. */
  #truth(condition: string): string {
    return this.#target.hide(`(${condition} ? 1.0 : 0.0)`);
  }

  /** What is computed with. Compilers know of a constant what is written, of a name nothing. */
  #operand({ code }: Value): string {
    if (!LITERAL.test(code)) return code;
    const hidden = this.#target.hide(code);
    if (hidden === code) return code;
    let name = this.#constants.get(code);
    if (!name) this.#constants.set(code, name = this.#bind(this.top, hidden));
    return name;
  }

  condition(node: Node, index: readonly Index[], from: Scope): Value {
    const value = this.value(node, index, from);
    return value.condition ? value : { code: `(${value.code} > 0.5)`, condition: true, depth: value.depth };
  }

  value(node: Node, index: readonly Index[], from: Scope): Value {
    const depth = index.reduce((deepest, i) => Math.max(deepest, i.depth), 0);
    const key = keyOf(node, index);
    const scope = this.#scopeFor(depth, from);
    const known = this.#find(key, scope);
    if (known) return known;
    this.evaluations.set(node, (this.evaluations.get(node) ?? 0) + scope.times);
    const read = node !== this.#root && this.#work.stored.has(node);
    const value = read ? this.#load(node, index, scope) : this.#compute(node, index, scope);
    value.depth = depth;
    scope.memo.set(key, value);
    return value;
  }

  #load(node: Node, index: readonly Index[], scope: Scope): Value {
    let arg = this.args.indexOf(node);
    if (arg < 0) arg = this.args.push(node) - 1;
    if (this.#target.flat) {
      const code = this.#bind(scope, `a${arg}[${this.#index(flatten(index, node.shape), scope)}]`);
      return { code, condition: false, depth: 0 };
    }
    const groups = spread(node.shape, this.#target.extents).map((axes) =>
      this.#index(flatten(axes.map((a) => index[a]), axes.map((a) => node.shape[a])), scope)
    );
    const code = this.#bind(scope, `a${arg}${groups.reverse().map((g) => `[${g}]`).join("")}`);
    return { code, condition: false, depth: 0 };
  }

  #compute(node: Node, index: readonly Index[], scope: Scope): Value {
    const { kernel } = node;
    switch (kernel.kind) {
      case "elementwise":
        return this.#elementwise(node, kernel, index, scope);
      case "movement":
        return this.#movement(node, kernel, index, scope);
      case "reduce":
        return this.#reduce(node, kernel, index, scope);
      case "gather":
        return this.#gather(node, kernel, index, scope);
      case "position": {
        const { start, step, index: at } = kernel.progression(index, node.attributes);
        const whole = Number.isInteger(start) && Number.isInteger(step);
        if (whole || step === 0) {
          const sum = step === 0 ? constant(0) : add(scale(at, step), constant(start));
          if (sum.terms.length === 0) return this.#plain(this.#target.literal(step === 0 ? start : sum.base));
          // Math.floor turns the integer of an index into a number of the kernel language.
          return this.#plain(this.#bind(scope, `Math.floor(${this.#index(sum, scope)})`));
        }
        const position = this.#bind(scope, `Math.floor(${this.#index(at, scope)})`);
        const { call, literal } = this.#lowering(scope);
        return this.#plain(this.#bind(scope, call("add", literal(start), call("mul", position, literal(step)))));
      }
      case "leaf":
        throw new Error("plan: a leaf has no kernel: it is read");
      default:
        return kernel satisfies never;
    }
  }

  #plain(code: string): Value {
    return { code, condition: false, depth: 0 };
  }

  #elementwise(
    node: Node,
    kernel: Extract<Node["kernel"], { kind: "elementwise" }>,
    index: readonly Index[],
    scope: Scope,
  ): Value {
    const indexOf = (i: number) => broadcastIndex(node.inputs[i].shape, index);
    const argument = (i: number, at: Scope): string => {
      const [input, own] = [node.inputs[i], indexOf(i)];
      return kernel.takes?.[i] === "condition"
        ? this.condition(input, own, at).code
        : this.#operand(this.number(input, own, at));
    };
    const evaluate = (): string => {
      const args = node.inputs.map((_, i) =>
        kernel.takes?.[i] === "condition" ? argument(i, scope) : this.#bindLong(argument(i, scope), scope)
      );
      if (kernel.numbers) {
        // Those that change from call to call are inputs; the others are attributes.
        const changing = args.splice(args.length - kernel.numbers.filter((name) => !(name in node.attributes)).length);
        for (const name of kernel.numbers) {
          const known = node.attributes[name];
          args.push(known === undefined ? changing.shift()! : this.#target.literal(known as number));
        }
      }
      return kernel.expression(args, node.attributes, this.#lowering(scope));
    };
    const { choice } = kernel;
    if (choice) {
      const key = keyOf(node.inputs[0], indexOf(0));
      // Inside a branch with the same condition there is nothing to choose.
      if (scope.holds(key)) return this.value(node.inputs[choice.taken], indexOf(choice.taken), scope);
      if (this.#work.isLazy(node)) {
        const test = argument(0, scope);
        const otherwise = argument(choice.otherwise, scope);
        const name = this.#name("t");
        const inner = new Scope(scope, scope.depth, scope.times, key);
        const code = argument(choice.taken, inner);
        scope.lines.push(`let ${name} = ${otherwise};`, `if (${test}) {`, ...inner.lines, `${name} = ${code};`, "}");
        return this.#plain(name);
      }
    }
    const code = evaluate();
    if (kernel.gives === "condition") {
      if (code.length <= LONG_CONDITION) return { code, condition: true, depth: 0 };
      return this.#plain(this.#bind(scope, this.#truth(code)));
    }
    return this.#plain(LITERAL.test(code) ? code : this.#bind(scope, code));
  }

  /** Expressions repeat their arguments: what is not a name or a literal gets a name. */
  #bindLong(code: string, scope: Scope): string {
    return code.includes("?") ? this.#bind(scope, code) : code;
  }

  #movement(
    node: Node,
    kernel: Extract<Node["kernel"], { kind: "movement" }>,
    index: readonly Index[],
    scope: Scope,
  ): Value {
    const [input] = node.inputs;
    const moved = movedIndex(node, kernel, index);
    if (!moved) return this.#plain(this.#target.literal(kernel.fill?.(node.attributes) ?? 0));
    const { source, bounds } = moved;
    if (bounds.length === 0) return this.value(input, source, scope);
    const tests = bounds.flatMap(({ axis, low, high }) => [
      ...(low ? [`${this.#index(source[axis], scope)} >= 0`] : []),
      ...(high ? [`${this.#index(source[axis], scope)} < ${input.shape[axis]}`] : []),
    ]);
    const name = this.#name("t");
    const inner = new Scope(scope, scope.depth, scope.times * movedShare(node), "");
    const value = this.number(input, source, inner);
    const fill = this.#operand(this.#plain(this.#target.literal(kernel.fill?.(node.attributes) ?? 0)));
    scope.lines.push(
      `let ${name} = ${fill};`,
      `if (${tests.join(" && ")}) {`,
      ...inner.lines,
      `${name} = ${this.#operand(value)};`,
      "}",
    );
    return this.#plain(name);
  }

  #gather(
    node: Node,
    kernel: Extract<Node["kernel"], { kind: "gather" }>,
    index: readonly Index[],
    scope: Scope,
  ): Value {
    const [source, positions] = node.inputs;
    const where = kernel.position(index, node.attributes, source.shape);
    const position = this.number(positions, where, scope);
    const code = this.#bind(scope, position.code);
    const size = source.shape[kernel.axis(node.attributes)];
    const at = variable(code, 0, size - 1, position.depth);
    if (isInside(node, kernel.axis(node.attributes))) {
      return this.value(source, kernel.source(index, at, node.attributes, source.shape), scope);
    }
    // An index that the device computed cannot be refused any more: what lies outside is NaN, which shows.
    const name = this.#name("t");
    const inner = new Scope(scope, scope.depth, scope.times, "");
    const value = this.number(source, kernel.source(index, at, node.attributes, source.shape), inner);
    scope.lines.push(
      `let ${name} = ${this.#target.literal(NaN)};`,
      `if (${code} >= 0.0 && ${code} < ${this.#target.literal(size)}) {`,
      ...inner.lines,
      `${name} = ${this.#operand(value)};`,
      "}",
    );
    return this.#plain(name);
  }

  #reduce(
    node: Node,
    kernel: Extract<Node["kernel"], { kind: "reduce" }>,
    index: readonly Index[],
    scope: Scope,
  ): Value {
    const [input] = node.inputs;
    const axes = node.attributes.axes as readonly number[];
    const sizes = axes.map((a) => input.shape[a]);
    const last = sizes.length - 1;
    const length = sizes.length === 0 ? 1 : sizes[last];
    const width = kernel.position ? 1 : unrollWidth(length, this.#work.isCheap(input));
    const accumulators = Array.from({ length: width }, () => this.#name("s"));
    for (const s of accumulators) scope.lines.push(`let ${s} = ${this.#target.literal(kernel.identity)};`);
    const best = kernel.position ? this.#name("p") : "";
    if (best) scope.lines.push(`let ${best} = 0.0;`);

    const accumulate = (at: readonly Index[], accumulator: string, inside: Scope): void => {
      let taken = 0, kept = 0;
      const own = input.shape.map((_, axis) => (axes.includes(axis) ? at[taken++] : index[kept++]));
      const element = this.#bindLong(this.#operand(this.number(input, own, inside)), inside);
      const combined = kernel.combine(accumulator, element, this.#lowering(inside));
      if (!kernel.position) {
        inside.lines.push(`${accumulator} = ${combined};`);
        return;
      }
      const position = this.#index(flatten(at, sizes), inside);
      inside.lines.push(`if (${combined}) {`, `${accumulator} = ${element};`, `${best} = ${position};`, "}");
    };

    const open = (axis: number, at: readonly Index[], inside: Scope): void => {
      if (axis > last) {
        accumulate(at, accumulators[0], inside);
        return;
      }
      const step = axis === last ? width : 1;
      const whole = sizes[axis] - (sizes[axis] % step);
      if (whole > step || axis !== last) {
        const name = this.#name("i");
        const trips = whole / step;
        this.iterations += (inside.times / this.#threads) * trips;
        const body = new Scope(inside, inside.depth + 1, inside.times * trips);
        const i = variable(name, 0, whole - step, body.depth);
        if (axis < last) open(axis + 1, [...at, i], body);
        else accumulators.forEach((s, u) => accumulate([...at, add(i, constant(u))], s, body));
        const update = step === 1 ? `${name}++` : `${name} += ${step}`;
        inside.lines.push(`for (let ${name} = 0; ${name} < ${whole}; ${update}) {`, ...body.lines, "}");
      } else {
        for (let u = 0; u < whole; u++) accumulate([...at, constant(u)], accumulators[u], inside);
      }
      if (axis === last) {
        for (let u = whole; u < sizes[axis]; u++) accumulate([...at, constant(u)], accumulators[u - whole], inside);
      }
    };
    open(0, [], scope);
    if (best) return this.#plain(this.#bind(scope, `${best} + 0.0`));
    let total = accumulators[0];
    for (const s of accumulators.slice(1)) total = this.#bind(scope, kernel.combine(total, s, this.#lowering(scope)));
    return this.#plain(this.#bind(scope, this.#target.hide(total)));
  }
}

/** Writes the kernel that computes a node, reading the other values that have arrays. */
export function emitKernel(root: Node, target: Target, work: Work): KernelSource {
  const emitter = new Emitter(root, target, work);
  const value = emitter.number(root, emitter.threadIndex(), emitter.top);
  const tables = new Set<string>();
  const opaque = new Set<string>();
  for (const line of [...emitter.top.lines, value.code]) {
    for (const [, name] of line.matchAll(/this\.constants\.(\w+)/g)) tables.add(name);
    for (const name of Object.keys(target.opaque)) if (line.includes(name)) opaque.add(name);
  }
  return {
    parameters: emitter.args.map((_, i) => `a${i}`),
    args: emitter.args,
    lines: emitter.top.lines,
    result: value.code,
    extent: extentOf(root.shape, target),
    evaluations: emitter.evaluations,
    iterations: emitter.iterations,
    tables: [...tables],
    opaque: [...opaque],
  };
}

function indent(lines: readonly string[], level: number): string {
  let text = "";
  for (const line of lines) {
    if (line.startsWith("}")) level--;
    text += `${"  ".repeat(level)}${line}\n`;
    if (line.endsWith("{")) level++;
  }
  return text;
}

/** The kernel as gpu.js takes it. */
export function kernelFunction(kernel: KernelText): string {
  return `function (${[...kernel.parameters, ...kernel.opaque].join(", ")}) {\n${
    indent([...kernel.lines, `return ${kernel.result};`], 1)
  }}`;
}

/** The same kernel as a function over flat arrays that fills `out`. */
export function kernelLoop(kernel: KernelText): { parameters: string[]; body: string } {
  const [nx, ny = 1, nz = 1] = kernel.extent;
  const lines = [
    "let cell = 0;",
    `for (let z = 0; z < ${nz}; z++) {`,
    `for (let y = 0; y < ${ny}; y++) {`,
    `for (let x = 0; x < ${nx}; x++) {`,
    ...kernel.lines,
    `out[cell++] = ${kernel.result};`,
    "}",
    "}",
    "}",
  ];
  return { parameters: ["out", ...kernel.parameters], body: indent(lines, 0) };
}
