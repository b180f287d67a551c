/** From a value of the graph to loops: index expressions are evaluated, values computed in the outermost loops that know their indices. */
import { add, constant, type Division, flatten, type Index, resolved, scale, variable } from "../affine.ts";
import { build, type Expression, type Linear, type Local, PREFIX, type Role } from "../expression.ts";
import {
  type Block,
  blockFor,
  broadcastIndex,
  elementIndex,
  isInside,
  movedIndex,
  movedShare,
  type Parts,
  partsOf,
  type Rows,
  spread,
  stepsOf,
  threadIndex,
  tripsOf,
} from "./access.ts";
import type { Work } from "./costs.ts";
import { decided, type Range, simplified } from "./decided.ts";
import { type KernelOf, numberFrom } from "../kernel.ts";
import type { Layout, LoopKernel, Statement } from "./form.ts";
import type { Node } from "./node.ts";
import type { Shape } from "../shape.ts";

/** The elements along some axes. */
function lengthOf(axes: readonly number[], shape: Shape): number {
  let length = 1;
  for (const axis of axes) length *= shape[axis];
  return length;
}

/** The extent of an array of this shape: x, y, z, as far as needed. */
export function extentOf(shape: Shape, { extents }: Pick<Layout, "extents">, rows: Rows = "long"): number[] {
  return spread(shape, extents, rows).map((axes) => lengthOf(axes, shape));
}

/** Thrown if an index is too large to be exact on a backend. */
class IndexTooLarge extends Error {
  constructor(root: Node, { name, exactIndex }: Layout, index: number) {
    super(
      `plan: "${root.name}" of shape [${
        root.shape.join(", ")
      }] needs the index ${index}, but on ${name} indices are exact ` +
        `only up to ${exactIndex}; split the tensor, or use the device "float64" or "cpu" (whose indices are exact, but ` +
        `whose values are float32 like all but those of "float64")`,
    );
    this.name = "IndexTooLarge";
  }
}

/** A value at a place. */
interface Value {
  readonly expression: Expression;
  readonly condition: boolean;
  /** How many loops deep it is known. */
  readonly depth: number;
}

/** The element of a value at an index. There is one for each index, so that places are compared as objects. */
class Place {
  readonly index: readonly Index[];
  readonly depth: number;
  /** The values that are known here, each in a scope. */
  readonly known = new Map<Node, Known<Value>[]>();
  constructor(index: readonly Index[]) {
    this.index = index;
    let depth = 0;
    for (const i of index) if (i.depth > depth) depth = i.depth;
    this.depth = depth;
  }
}

/** Places by the numbers of their indices. */
interface Places {
  place: Place | null;
  next: Map<number, Places> | null;
}

/** Something that is known in a scope and all within it. */
interface Known<T> {
  readonly scope: Scope;
  readonly value: T;
}

/** A condition that a branch tests: an input of a choice, somewhere. */
interface Test {
  readonly node: Node;
  readonly place: Place;
}

/** A block of statements: the body of a thread, a loop or a branch. */
class Scope implements Block<Scope> {
  readonly statements: Statement[] = [];
  readonly parent: Scope | null;
  readonly depth: number;
  /** How often the statements run in all threads together. */
  readonly times: number;
  /**
   * The condition of a branch, or `true` if it is not a value of the graph. Values computed inside must stay inside, since the
   * condition may guard them.
   */
  readonly branch: Test | true | null;
  constructor(parent: Scope | null, depth: number, times: number, branch: Test | true | null = null) {
    this.parent = parent;
    this.depth = depth;
    this.times = times;
    this.branch = branch;
  }

  get isBranch(): boolean {
    return this.branch !== null;
  }

  /** A branch in this scope. */
  guarded(test: Test | true, share = 1): Scope {
    return new Scope(this, this.depth, this.times * share, test);
  }
}

/** Whether a scope is inside a branch that tests this. */
function isTested(inner: Scope, node: Node, place: Place): boolean {
  for (let scope: Scope | null = inner; scope; scope = scope.parent) {
    const { branch } = scope;
    if (branch !== null && branch !== true && branch.node === node && branch.place === place) return true;
  }
  return false;
}

/** Looks a value up in a scope and those around it. */
function find<T>(known: readonly Known<T>[] | undefined, inner: Scope): T | undefined {
  if (!known) return undefined;
  for (const { scope, value } of known) {
    for (let own: Scope | null = inner; own; own = own.parent) if (own === scope) return value;
  }
  return undefined;
}

/** A reduction while its loops are written. */
interface Reduction {
  readonly kernel: KernelOf<"reduce">;
  readonly input: Node;
  /** The index of the result. */
  readonly place: Place;
  /** For each axis of the input whether it is reduced. */
  readonly reduced: readonly boolean[];
  /** The lengths of the axes that are. */
  readonly sizes: readonly number[];
  readonly accumulators: readonly Local[];
  /** The parts that are summed for themselves. */
  readonly parts: Parts | null;
  /** The position of the best element, if that is the result. */
  readonly best: Local | null;
}

/** Some elements of an axis. */
interface Run {
  readonly first: Index;
  readonly size: number;
}

const ZERO = constant(0);

class Lowering {
  readonly args: Node[] = [];
  readonly evaluations = new Map<Node, number>();
  readonly threads: Local[] = [];
  readonly top: Scope;
  readonly rows: Rows;
  iterations = 0;
  readonly #root: Node;
  readonly #work: Work;
  readonly #layout: Layout;
  #count = 0;
  /** The locals that index expressions name. */
  readonly #locals = new Map<string, Local>();
  readonly #constants = new Map<number | "-0", Local>();
  readonly #numbers = new Map<string, number>();
  readonly #numberOf = new Map<Index, number>();
  readonly #places: Places = { place: null, next: null };
  /** How the axes of arrays are spread over x, y and z. */
  readonly #spreads = new Map<Shape, number[][]>();
  /** Quotients and remainders that have names. */
  readonly #divisions = new Map<string, Known<Local>[]>();
  /** What is known of constants and positions. */
  readonly #ranges = new Map<Local, Range>();
  readonly #rangeOf = (local: Local): Range | undefined => this.#ranges.get(local);

  constructor(root: Node, work: Work, layout: Layout, rows: Rows) {
    this.#root = root;
    this.#work = work;
    this.#layout = layout;
    this.top = new Scope(null, 0, root.size);
    this.rows = rows;
  }

  /** The value of the root in a thread. */
  result(): Expression {
    return this.#number(this.#root, this.#place(this.#threadIndex()), this.top).expression;
  }

  #threadIndex(): Index[] {
    const { extents } = this.#layout;
    return threadIndex(this.#root.shape, { extents, rows: this.rows }, (_, length) => {
      const thread = this.#local("thread");
      this.threads.push(thread);
      return this.#variable(thread, length, 0);
    });
  }

  /** How many quotients and remainders are computed. */
  get divisions(): number {
    let count = 0;
    for (const known of this.#divisions.values()) count += known.length;
    return count;
  }

  // Names and places

  #local(role: Role): Local {
    return { kind: "local", id: this.#count++, role };
  }

  /** A local as an index expression with values below `end`. */
  #variable(local: Local, end: number, depth: number): Index {
    // Keys put the terms of sums in order.
    const key = PREFIX[local.role] + String(local.id).padStart(6, "0");
    this.#locals.set(key, local);
    return variable(key, 0, end - 1, depth);
  }

  /** A number for an index expression, the same for equal ones. */
  #idOf(index: Index): number {
    let id = this.#numberOf.get(index);
    if (id !== undefined) return id;
    id = this.#numbers.get(index.key);
    if (id === undefined) this.#numbers.set(index.key, id = this.#numbers.size);
    this.#numberOf.set(index, id);
    return id;
  }

  #place(index: readonly Index[]): Place {
    let at = this.#places;
    for (const i of index) {
      const id = this.#idOf(i);
      at.next ??= new Map();
      let next = at.next.get(id);
      if (!next) at.next.set(id, next = { place: null, next: null });
      at = next;
    }
    return at.place ??= new Place(index);
  }

  /** Returns the index at which an input of an elementwise op is read. Axes of length 1 are broadcast. */
  #broadcast(shape: Shape, place: Place): Place {
    const index = broadcastIndex(shape, place.index);
    return index === place.index ? place : this.#place(index);
  }

  // Statements

  #bind(scope: Scope, value: Expression): Local {
    if (value.kind === "local") return value;
    const local = this.#local("value");
    scope.statements.push({ kind: "const", local, value });
    return local;
  }

  #declare(scope: Scope, role: Role, value: Expression): Local {
    const local = this.#local(role);
    scope.statements.push({ kind: "let", local, value });
    return local;
  }

  /** A number of the program as an operand. */
  #constant(value: number): Local {
    const key = Object.is(value, -0) ? "-0" : value;
    let local = this.#constants.get(key);
    if (!local) {
      this.#constants.set(key, local = this.#local("value"));
      if (!Number.isNaN(value)) this.#ranges.set(local, { min: value, max: value });
      this.top.statements.push({ kind: "constant", local, value });
    }
    return local;
  }

  #operand({ expression }: Value): Expression {
    return expression.kind === "literal" ? this.#constant(expression.value) : expression;
  }

  /** An index. Quotients and remainders get names, so that they are computed once. */
  #linear(index: Index, from: Scope): Linear {
    const largest = Math.max(Math.abs(index.min), Math.abs(index.max));
    if (largest > this.#layout.exactIndex) throw new IndexTooLarge(this.#root, this.#layout, largest);
    const plain = resolved(index);
    const terms: { local: Local; coefficient: number }[] = [];
    for (const { atom, coefficient } of plain.terms) {
      const local = atom.kind === "variable" ? this.#locals.get(atom.key)! : this.#division(atom, from);
      terms.push({ local, coefficient });
    }
    return { base: plain.base, terms };
  }

  #division(atom: Division, from: Scope): Local {
    const scope = blockFor(atom.depth, from);
    let known = this.#divisions.get(atom.key);
    const found = find(known, scope);
    if (found) return found;
    if (!known) this.#divisions.set(atom.key, known = []);
    const of = this.#linear(atom.of, scope);
    const { by } = atom;
    const value = this.#bind(
      scope,
      atom.kind === "quotient"
        ? { kind: "quotient", of, by, most: atom.of.max }
        : { kind: "remainder", of, by, quotient: this.#linear(atom.quotient, scope) },
    );
    known.push({ scope, value });
    return value;
  }

  // Values

  #number(node: Node, place: Place, from: Scope): Value {
    const value = this.#value(node, place, from);
    if (!value.condition) return value;
    return { expression: build.call("truth", value.expression), condition: false, depth: value.depth };
  }

  #condition(node: Node, place: Place, from: Scope): Expression {
    const { expression, condition } = this.#value(node, place, from);
    return condition ? expression : build.call("holds", expression);
  }

  #value(node: Node, place: Place, from: Scope): Value {
    const scope = blockFor(place.depth, from);
    let known = place.known.get(node);
    const found = find(known, scope);
    if (found) return found;
    if (!known) place.known.set(node, known = []);
    this.evaluations.set(node, (this.evaluations.get(node) ?? 0) + scope.times);
    const read = node !== this.#root && this.#work.stored.has(node);
    const value = read ? this.#read(node, place, scope) : this.#compute(node, place, scope);
    known.push({ scope, value });
    return value;
  }

  #read(node: Node, { index, depth }: Place, scope: Scope): Value {
    let argument = this.args.indexOf(node);
    if (argument < 0) argument = this.args.push(node) - 1;
    const { shape } = node;
    const at = this.#layout.flat ? [this.#linear(flatten(index, shape), scope)] : this.#nested(index, shape, scope);
    return this.#plain(this.#bind(scope, { kind: "read", argument, at }), depth);
  }

  /** An index for each of z, y and x. */
  #nested(index: readonly Index[], shape: Shape, scope: Scope): Linear[] {
    let groups = this.#spreads.get(shape);
    if (!groups) this.#spreads.set(shape, groups = spread(shape, this.#layout.extents));
    const at: Linear[] = [];
    for (const axes of groups) {
      let flat = ZERO;
      for (const axis of axes) flat = add(scale(flat, shape[axis]), index[axis]);
      at.push(this.#linear(flat, scope));
    }
    return at.reverse();
  }

  #plain(expression: Expression, depth: number): Value {
    return { expression, condition: false, depth };
  }

  #compute(node: Node, place: Place, scope: Scope): Value {
    const { kernel } = node;
    switch (kernel.kind) {
      case "elementwise":
        return this.#elementwise(node, kernel, place, scope);
      case "movement":
        return this.#movement(node, kernel, place, scope);
      case "reduce":
        return this.#reduce(node, kernel, place, scope);
      case "search":
        return this.#search(node, kernel, place, scope);
      case "gather":
        return this.#gather(node, kernel, place, scope);
      case "position":
        return this.#position(node, kernel, place, scope);
      case "leaf":
      case "routine":
        throw new Error(`plan: a ${kernel.kind} has no loops: its result is read`);
      default:
        return kernel satisfies never;
    }
  }

  /** An argument of an elementwise op. */
  #argument(node: Node, kernel: KernelOf<"elementwise">, i: number, at: { place: Place; scope: Scope }): Expression {
    const input = node.inputs[i];
    const place = this.#broadcast(input.shape, at.place);
    return kernel.takes?.[i] === "condition"
      ? this.#condition(input, place, at.scope)
      : this.#operand(this.#number(input, place, at.scope));
  }

  #elementwise(node: Node, kernel: KernelOf<"elementwise">, place: Place, scope: Scope): Value {
    const { choice } = kernel;
    if (choice) {
      const test: Test = { node: node.inputs[0], place: this.#broadcast(node.inputs[0].shape, place) };
      // Inside a branch with the same condition there is nothing to choose.
      if (isTested(scope, test.node, test.place)) {
        const taken = node.inputs[choice.taken];
        return this.#value(taken, this.#broadcast(taken.shape, place), scope);
      }
      const condition = this.#argument(node, kernel, 0, { place, scope });
      const holds = decided(condition, this.#rangeOf);
      if (holds !== null) {
        const chosen = node.inputs[holds ? choice.taken : choice.otherwise];
        return this.#value(chosen, this.#broadcast(chosen.shape, place), scope);
      }
      if (this.#work.isLazy(node)) {
        const otherwise = this.#argument(node, kernel, choice.otherwise, { place, scope });
        const inner = scope.guarded(test);
        const taken = this.#argument(node, kernel, choice.taken, { place, scope: inner });
        return this.#branch(scope, inner, { conditions: [condition], otherwise, taken }, place.depth);
      }
    }
    const evaluated = this.#evaluate(node, kernel, place, scope);
    const expression = kernel.returns === "condition" ? simplified(evaluated, this.#rangeOf) : evaluated;
    if (kernel.returns === "condition") {
      const holds = decided(expression, this.#rangeOf);
      if (holds !== null) return this.#plain(build.literal(Number(holds)), place.depth);
      if (operands(expression) <= this.#work.costs.longCondition) {
        return { expression, condition: true, depth: place.depth };
      }
      return this.#plain(this.#bind(scope, build.call("truth", expression)), place.depth);
    }
    return this.#plain(expression.kind === "literal" ? expression : this.#bind(scope, expression), place.depth);
  }

  /** A value that is computed only if conditions hold. */
  #branch(
    scope: Scope,
    inner: Scope,
    { conditions, otherwise, taken }: { conditions: readonly Expression[]; otherwise: Expression; taken: Expression },
    depth: number,
  ): Value {
    const local = this.#declare(scope, "choice", otherwise);
    inner.statements.push({ kind: "assign", local, value: taken });
    scope.statements.push({ kind: "branch", conditions, body: inner.statements });
    return this.#plain(local, depth);
  }

  #evaluate(node: Node, kernel: KernelOf<"elementwise">, place: Place, scope: Scope): Expression {
    const args: Expression[] = [];
    for (let i = 0; i < node.inputs.length; i++) {
      const argument = this.#argument(node, kernel, i, { place, scope });
      args.push(kernel.takes?.[i] === "condition" ? argument : this.#once(argument, scope));
    }
    if (kernel.numbers) {
      // Those that change from call to call are inputs; the others are attributes.
      const changing = args.splice(args.length - kernel.numbers.filter((name) => !(name in node.attributes)).length);
      for (const name of kernel.numbers) {
        const known = node.attributes[name];
        args.push(known === undefined ? changing.shift()! : build.literal(numberFrom(known)));
      }
    }
    return kernel.expression(args, node.attributes, build);
  }

  /** Functions repeat their arguments: a choice between 1 and 0 gets a name. */
  #once(argument: Expression, scope: Scope): Expression {
    return argument.kind === "call" ? this.#bind(scope, argument) : argument;
  }

  #position(node: Node, kernel: KernelOf<"position">, place: Place, scope: Scope): Value {
    const { start, step, index } = kernel.progression(place.index, node.attributes);
    if (step === 0) return this.#plain(build.literal(start), place.depth);
    if (Number.isInteger(start) && Number.isInteger(step)) {
      const sum = add(scale(index, step), constant(start));
      if (sum.terms.length === 0) return this.#plain(build.literal(sum.base), place.depth);
      const local = this.#bind(scope, this.#whole(sum, scope));
      this.#ranges.set(local, sum);
      return this.#plain(local, place.depth);
    }
    const position = this.#bind(scope, this.#whole(index, scope));
    const { call, literal } = build;
    const value = call("add", literal(start), call("mul", position, literal(step)));
    return this.#plain(this.#bind(scope, value), place.depth);
  }

  /** An index as a number to compute with. */
  #whole(index: Index, scope: Scope): Expression {
    return build.call("floor", { kind: "index", of: this.#linear(index, scope) });
  }

  /** Where the input of a movement is read. */
  #moved(node: Node, kernel: KernelOf<"movement">, place: Place, scope: Scope): ReturnType<typeof movedIndex> {
    return movedIndex(node, kernel, place.index, (of) => {
      const { expression, depth } = this.#number(of, this.#place([]), scope);
      return this.#variable(this.#bind(scope, expression), of.bound!, depth);
    });
  }

  #movement(node: Node, kernel: KernelOf<"movement">, place: Place, scope: Scope): Value {
    const [input] = node.inputs;
    const moved = this.#moved(node, kernel, place, scope);
    if (!moved) return this.#plain(build.literal(kernel.fill?.(node.attributes) ?? 0), place.depth);
    const { source, bounds } = moved;
    if (bounds.length === 0) return this.#value(input, this.#place(source), scope);
    const conditions = bounds.map(({ axis, of, low, high }): Expression => {
      return { kind: "within", of: this.#linear(of, scope), low, end: high ? input.shape[axis] : null };
    });
    const inner = scope.guarded(true, movedShare(node));
    const value = this.#number(input, this.#place(source), inner);
    const otherwise = this.#constant(kernel.fill?.(node.attributes) ?? 0);
    return this.#branch(scope, inner, { conditions, otherwise, taken: this.#operand(value) }, place.depth);
  }

  #gather(node: Node, kernel: KernelOf<"gather">, place: Place, scope: Scope): Value {
    const [source, positions] = node.inputs;
    const where = this.#place(kernel.position(place.index, node.attributes, source.shape));
    const position = this.#number(positions, where, scope);
    const local = this.#bind(scope, position.expression);
    const size = source.shape[kernel.axis(node.attributes)];
    const at = this.#variable(local, size, position.depth);
    const from = this.#place(kernel.source(place.index, at, node.attributes, source.shape));
    if (isInside(node, kernel.axis(node.attributes))) return this.#value(source, from, scope);
    // An index computed on the device can no longer be refused: elements outside are NaN, which is visible.
    const inner = scope.guarded(true);
    const taken = this.#operand(this.#number(source, from, inner));
    const conditions = [build.call("isPosition", local, build.literal(size))];
    return this.#branch(scope, inner, { conditions, otherwise: build.literal(NaN), taken }, place.depth);
  }

  /** Halves the range of places until one is left. */
  #search(node: Node, kernel: KernelOf<"search">, place: Place, scope: Scope): Value {
    const [input, from, to] = node.inputs;
    const axis = kernel.axis(node.attributes);
    const size = input.shape[axis];
    const end = (of: Node) => {
      const value = this.#operand(this.#number(of, this.#broadcast(of.shape, place), scope));
      return this.#declare(scope, "position", value);
    };
    const [low, high] = [end(from), end(to)];
    const { call } = build;
    this.#loop(scope, stepsOf(node, kernel), 1, (_, body) => {
      const middle = this.#bind(body, call("middle", low, high));
      const at = this.#variable(middle, size, body.depth);
      const holds = this.#condition(input, this.#place(place.index.toSpliced(axis, 0, at)), body);
      // Where the place was found early, the element there is none that is searched.
      const isAfter = this.#bind(body, call("truth", call("and", call("below", middle, high), holds)));
      body.statements.push(
        { kind: "assign", local: low, value: call("select", call("holds", isAfter), call("next", middle), low) },
        { kind: "assign", local: high, value: call("select", call("holds", isAfter), high, middle) },
      );
    });
    return this.#plain(this.#bind(scope, call("asNumber", low)), place.depth);
  }

  // Reductions

  #reduce(node: Node, kernel: KernelOf<"reduce">, place: Place, scope: Scope): Value {
    const [input] = node.inputs;
    const axes = kernel.axes(node.attributes);
    const sizes = axes.map((a) => input.shape[a]);
    const isTiled = !kernel.position && this.#work.isTiled(input, axes);
    const width = kernel.position || isTiled ? 1 : this.#work.accumulators(input, sizes.at(-1) ?? 1);
    const accumulators: Local[] = [];
    for (let u = 0; u < width; u++) {
      accumulators.push(this.#declare(scope, "accumulator", build.literal(kernel.identity)));
    }
    const best = kernel.position ? this.#declare(scope, "position", build.literal(0)) : null;
    const reduced = input.shape.map((_, axis) => axes.includes(axis));
    const parts = isTiled ? partsOf(sizes) : null;
    this.#loops({ kernel, input, place, reduced, sizes, accumulators, parts, best }, [], scope);
    if (best) return this.#plain(this.#bind(scope, build.call("asNumber", best)), place.depth);
    let total: Expression = accumulators[0];
    for (let u = 1; u < width; u++) {
      total = this.#bind(scope, kernel.combine(total, accumulators[u], build));
    }
    return this.#plain(this.#bind(scope, { kind: "call", name: "total", args: [total] }), place.depth);
  }

  /** The loops over the axes that follow those in `at`. */
  #loops(reduction: Reduction, at: readonly Index[], scope: Scope): void {
    const { sizes, parts, accumulators } = reduction;
    const axis = at.length;
    if (axis === sizes.length) return this.#accumulate(reduction, at, accumulators[0], scope);
    if (axis === parts?.axis) return this.#parts(reduction, at, parts, scope);
    this.#run(reduction, at, { first: ZERO, size: sizes[axis] }, scope);
  }

  /** The loops over some elements of an axis and over the axes after it. */
  #run(reduction: Reduction, at: readonly Index[], run: Run, scope: Scope): void {
    if (at.length === reduction.sizes.length - 1) return this.#lastLoop(reduction, at, run, scope);
    if (run.size === 1) return this.#loops(reduction, [...at, run.first], scope);
    this.#loop(scope, run.size, 1, (counter, body) => {
      this.#loops(reduction, [...at, add(run.first, counter)], body);
    });
  }

  /** A loop over the parts of an axis, each with an accumulator of its own, whose sum is added to that of the others. */
  #parts(reduction: Reduction, at: readonly Index[], { length }: Parts, scope: Scope): void {
    const { kernel, sizes, accumulators: [total] } = reduction;
    const size = sizes[at.length];
    const part = (run: Run, around: Scope) => {
      const local = this.#declare(around, "accumulator", build.literal(kernel.identity));
      this.#run({ ...reduction, parts: null, accumulators: [local] }, at, run, around);
      around.statements.push({ kind: "assign", local: total, value: kernel.combine(total, local, build) });
    };
    const whole = size - size % length;
    if (whole > length) this.#loop(scope, whole, length, (first, body) => part({ first, size: length }, body));
    else part({ first: ZERO, size: length }, scope);
    if (whole < size) part({ first: constant(whole), size: size - whole }, scope);
  }

  /** The innermost loop: an accumulator for each element of a step, and the elements that are left over. */
  #lastLoop(reduction: Reduction, at: readonly Index[], { first, size }: Run, scope: Scope): void {
    const { accumulators } = reduction;
    const step = accumulators.length;
    const whole = size - (size % step);
    const each = (from: Index, body: Scope) => {
      for (let u = 0; u < step; u++) {
        this.#accumulate(reduction, [...at, add(from, constant(u))], accumulators[u], body);
      }
    };
    if (tripsOf(size, step) > 0) this.#loop(scope, whole, step, (counter, body) => each(add(first, counter), body));
    else each(first, scope);
    for (let u = whole; u < size; u++) {
      this.#accumulate(reduction, [...at, add(first, constant(u))], accumulators[u - whole], scope);
    }
  }

  /** A loop; it stands after all that its body needs from around it. */
  #loop(scope: Scope, end: number, step: number, write: (counter: Index, body: Scope) => void): void {
    const trips = end / step;
    this.iterations += (scope.times / this.top.times) * trips;
    const body = new Scope(scope, scope.depth + 1, scope.times * trips);
    const counter = this.#local("counter");
    write(this.#variable(counter, end - step + 1, body.depth), body);
    scope.statements.push({ kind: "loop", counter, end, step, body: body.statements });
  }

  /**
   * The factors of an element that is an unrounded product; `null` if it is none. Where a movement has bounds, which some places need not
   * test, the product is an element like others.
   */
  #factors(node: Node, place: Place, from: Scope): readonly Expression[] | null {
    const { kernel } = node;
    if (kernel.kind === "movement" && !kernel.fill && !this.#work.stored.has(node)) {
      const { source } = this.#moved(node, kernel, place, from)!;
      return this.#factors(node.inputs[0], this.#place(source), from);
    }
    if (kernel.kind !== "elementwise" || !node.isUnrounded) return null;
    const scope = blockFor(place.depth, from);
    this.evaluations.set(node, (this.evaluations.get(node) ?? 0) + scope.times);
    const product = this.#evaluate(node, kernel, place, scope);
    return product.kind === "call" ? product.args : null;
  }

  #accumulate(reduction: Reduction, at: readonly Index[], accumulator: Local, scope: Scope): void {
    const { kernel, input, place, reduced, sizes, best } = reduction;
    const own = this.#place(elementIndex(reduced, at, place.index));
    const factors = this.#factors(input, own, scope);
    if (factors) {
      const value = build.call("multiplyAdd", ...factors, accumulator);
      scope.statements.push({ kind: "assign", local: accumulator, value });
      return;
    }
    const element = this.#once(this.#operand(this.#number(input, own, scope)), scope);
    const combined = kernel.combine(accumulator, element, build);
    if (!best) {
      scope.statements.push({ kind: "assign", local: accumulator, value: combined });
      return;
    }
    const of = this.#linear(flatten(at, sizes), scope);
    const body: Statement[] = [
      { kind: "assign", local: accumulator, value: element },
      { kind: "assign", local: best, value: { kind: "index", of } },
    ];
    scope.statements.push({ kind: "branch", conditions: [combined], body });
  }
}

/** The names, literals and indices in an expression; a number that is tested counts as one. */
function operands(expression: Expression): number {
  if (expression.kind !== "call") return 1;
  return expression.args.reduce((count, arg) => count + operands(arg), 0);
}

/** The kernel that computes a node, reading the other values that have arrays. */
export function lowerToLoops(root: Node, work: Work, layout: Layout): LoopKernel {
  const { lowering, result } = lower(root, work, layout);
  return {
    name: root.name,
    shape: root.shape,
    extent: extentOf(root.shape, layout, lowering.rows),
    threads: lowering.threads,
    args: lowering.args,
    body: lowering.top.statements,
    result,
    evaluations: lowering.evaluations,
    iterations: lowering.iterations,
  };
}

/** Threads in rows of the length that divides least, of those that there can be. */
function lower(root: Node, work: Work, layout: Layout): { lowering: Lowering; result: Expression } {
  let best: { lowering: Lowering; result: Expression } | null = null;
  for (const rows of work.rowsFor(root)) {
    if (best?.lowering.divisions === 0) break;
    const lowering = new Lowering(root, work, layout, rows);
    const result = lowering.result();
    if (!best || lowering.divisions < best.lowering.divisions) best = { lowering, result };
  }
  return best!;
}
