/** Executes statements. A branch that returns, or leaves a loop, does so for the elements where its condition holds. */
import type {
  BlockStatement,
  Expression,
  ForOfStatement,
  ForStatement,
  Statement,
  SwitchStatement,
  VariableDeclaration,
} from "acorn";
import { declaredBy, hoisted, lexical } from "./declarations.ts";
import { Evaluator } from "./expressions.ts";
import { binary } from "./operators.ts";
import { elementsOf, takeApart } from "./patterns.ts";
import type { Scope } from "./scope.ts";
import type { FunctionNode, Range } from "./source.ts";
import type { Values } from "./state.ts";
import { both, Callable, choose, type Condition, eitherOf, not, truthOf, type Value } from "./values.ts";

/** The most iterations of a loop. */
const LONGEST_LOOP = 1000;

/** The most calls that are open at once. */
const DEEPEST = 200;

/** A way out of a function or a loop, for the elements where its condition holds. */
interface Exit {
  readonly kind: "return" | "break" | "continue";
  /** Which statement it leaves, `undefined` for the innermost loop, or switch if it is a break. */
  readonly label?: string;
  readonly when: true | Condition;
  /** The returned value. */
  readonly value?: Value;
  /** The variables that had changed. */
  readonly state: Values;
}

/** A call of a function that is being executed. */
interface Activation {
  /** The exits so far, in their order: of two whose conditions hold, the first was taken. */
  readonly exits: Exit[];
  /** The journal that was opened when it began. */
  readonly journal: number;
}

/** A statement that can be left, while it is executed. */
interface Leaving {
  /** How many exits there were when it began. */
  readonly from: number;
  /** The journal that was opened when it began. */
  readonly journal: number;
  /** Which exits leave it. */
  leaves(exit: Exit): boolean;
}

/** A loop. */
interface Loop {
  readonly node: Range;
  readonly body: Statement;
  /** Goes on to an iteration, by its number. Returns its scope, or `null` if there is none. */
  advance(count: number): Scope | null;
  /** The condition under which an iteration runs. */
  readonly test: Expression | null;
  /** Whether the first iteration runs without the condition. */
  readonly runsOnce: boolean;
}

/** One condition or another, known or not. */
function orElse(a: boolean | Condition, b: boolean | Condition): boolean | Condition {
  if (typeof a === "boolean") return a || b;
  return typeof b === "boolean" ? b || a : eitherOf(a, b);
}

function opposite(condition: boolean | Condition): boolean | Condition {
  return typeof condition === "boolean" ? !condition : not(condition);
}

/** Runs the functions of a formula. */
export class Executor {
  readonly #expressions = new Evaluator((node, scope) => this.functionOf(node, scope));
  #depth = 0;

  /** The function of a tree, which sees the variables of a scope. */
  functionOf(node: FunctionNode, scope: Scope): Callable {
    const name = node.type === "ArrowFunctionExpression" ? "" : node.id?.name ?? "";
    const callable = new Callable(name || "of the formula", (args, site) => {
      if (this.#depth === DEEPEST) {
        site.fail(`expected at most ${DEEPEST} calls within each other, as a recursion that ends`);
      }
      this.#depth++;
      const result = this.#enter(node, args, scope, callable);
      this.#depth--;
      return result;
    });
    return callable;
  }

  #enter(node: FunctionNode, args: readonly Value[], outer: Scope, self: Callable): Value {
    const scope = outer.inner();
    const { state } = scope.shared;
    const journal = state.open();
    if (node.type === "FunctionExpression" && node.id) scope.declare(node.id.name, self);
    const declare = this.#expressions.binder(scope, (name, value) => scope.declare(name, value));
    node.params.forEach((parameter, i) => {
      if (parameter.type === "RestElement") takeApart(parameter.argument, args.slice(i), declare);
      else takeApart(parameter, args[i], declare);
    });
    const activation: Activation = { exits: [], journal };
    const value = node.body.type === "BlockStatement"
      ? this.#body(node.body, scope, activation)
      : this.#expressions.evaluate(node.body, scope);
    state.close();
    return value;
  }

  /** Executes the body of a function. Returns what it returns. */
  #body(body: BlockStatement, outer: Scope, activation: Activation): Value {
    // The variables of a body may have the names of parameters.
    const scope = outer.inner();
    for (const name of hoisted(body)) scope.declare(name, outer.has(name) ? outer.read(name, body) : undefined);
    const isLive = this.#block(body.body, scope, activation);
    const all: Leaving = { from: 0, journal: activation.journal, leaves: () => true };
    const exits = this.#settle(all, scope, activation, isLive).reverse();
    if (exits.length === 0) return undefined;
    const [last, ...earlier] = exits;
    const start = isLive ? choose(last.when as Condition, last.value, undefined) : last.value;
    return earlier.reduce((value, exit) => choose(exit.when as Condition, exit.value, value), start);
  }

  /** Executes statements with the variables that they declare. Returns whether any element goes on after them. */
  #block(statements: readonly Statement[], scope: Scope, activation: Activation): boolean {
    this.#announce(statements, scope);
    return this.#sequence(statements, scope, activation);
  }

  /** Declares the names of statements in their scope. */
  #announce(statements: readonly Statement[], scope: Scope): void {
    scope.announce(lexical(statements));
    for (const statement of statements) {
      if (statement.type === "FunctionDeclaration") scope.declare(statement.id.name, this.functionOf(statement, scope));
    }
  }

  #sequence(statements: readonly Statement[], scope: Scope, activation: Activation): boolean {
    return statements.every((statement) => this.#execute(statement, scope, activation));
  }

  /** Executes a statement. Returns whether any element goes on after it. */
  #execute(node: Statement, scope: Scope, activation: Activation): boolean {
    switch (node.type) {
      case "ExpressionStatement":
        this.#evaluate(node.expression, scope);
        return true;
      case "VariableDeclaration":
        this.#declare(node, scope);
        return true;
      case "ReturnStatement":
        return this.#exit(activation, scope, {
          kind: "return",
          value: node.argument ? this.#evaluate(node.argument, scope) : undefined,
        });
      case "BreakStatement":
        return this.#exit(activation, scope, { kind: "break", label: node.label?.name });
      case "ContinueStatement":
        return this.#exit(activation, scope, { kind: "continue", label: node.label?.name });
      case "IfStatement":
        return this.#branch(truthOf(this.#evaluate(node.test, scope), scope.at(node.test)), scope, activation, [
          () => this.#execute(node.consequent, scope, activation),
          () => !node.alternate || this.#execute(node.alternate, scope, activation),
        ]);
      case "BlockStatement":
        return this.#block(node.body, scope.inner(), activation);
      case "EmptyStatement":
      case "FunctionDeclaration":
        return true;
      default:
        return this.#leavable(node, scope, activation, []);
    }
  }

  #declare({ kind, declarations }: VariableDeclaration, scope: Scope): void {
    const declare = (name: string, value: Value) => scope.declare(name, value);
    const binder = this.#expressions.binder(scope, kind === "var" ? undefined : declare);
    for (const { id, init } of declarations) {
      if (init) takeApart(id, this.#evaluate(init, scope), binder);
      else if (kind !== "var") takeApart(id, undefined, binder);
    }
  }

  /** Leaves a function or a loop, wherever this is executed. */
  #exit(activation: Activation, scope: Scope, exit: Partial<Exit> & Pick<Exit, "kind">): false {
    activation.exits.push({ when: true, ...exit, state: scope.shared.state.since(activation.journal) });
    return false;
  }

  /** Executes one of two statements, or both if the condition is not known. */
  #branch(
    condition: boolean | Condition,
    scope: Scope,
    { exits }: Activation,
    [taken, otherwise]: readonly [() => boolean, () => boolean],
  ): boolean {
    if (typeof condition === "boolean") return condition ? taken() : otherwise();
    const { state } = scope.shared;
    const from = exits.length;
    const a = state.branch(taken);
    const middle = exits.length;
    const b = state.branch(otherwise);
    for (let i = from; i < exits.length; i++) {
      exits[i] = { ...exits[i], when: both(i < middle ? condition : not(condition), exits[i].when) };
    }
    if (a.result && b.result) state.merge(condition, a.changes, b.changes);
    else if (a.result || b.result) state.apply(a.result ? a.changes : b.changes);
    return a.result || b.result;
  }

  /** Executes each case for the elements that match it, and for those that come from the case before. */
  #switch({ discriminant, cases }: SwitchStatement, outer: Scope, activation: Activation): boolean {
    const value = this.#evaluate(discriminant, outer);
    const scope = outer.inner();
    this.#announce(cases.flatMap(({ consequent }) => consequent), scope);
    const matches = this.#matches(value, cases, scope);
    let isIn: boolean | Condition = false;
    for (const [i, { consequent }] of cases.entries()) {
      isIn = orElse(isIn, matches[i]);
      let goesOn = true;
      const isLive = this.#branch(isIn, scope, activation, [
        () => (goesOn = this.#sequence(consequent, scope, activation)),
        () => true,
      ]);
      if (!isLive) return false;
      // Elements that only some condition made leave are settled with the exits.
      if (!goesOn) isIn = false;
    }
    return true;
  }

  /** The condition under which each case is the first to match, the default if none does. A test is evaluated where those before it failed. */
  #matches(value: Value, cases: SwitchStatement["cases"], scope: Scope): (boolean | Condition)[] {
    let isFound: boolean | Condition = false;
    const matches = cases.map(({ test }) => {
      if (!test) return false;
      const site = scope.at(test);
      const isSame = () => binary("===", value, this.#evaluate(test, scope), site);
      const match = truthOf(this.#expressions.either(isFound, scope, [() => false, isSame]), site);
      isFound = orElse(isFound, match);
      return match;
    });
    return matches.map((match, i) => cases[i].test ? match : opposite(isFound));
  }

  /** Ends a statement that was left by some exits: its variables are those of the exits where they were taken. Returns these exits. */
  #settle({ from, journal, leaves }: Leaving, scope: Scope, { exits }: Activation, isLive: boolean): Exit[] {
    const taken: Exit[] = [];
    let gone: Condition | null = null;
    for (const exit of exits.splice(from)) {
      if (!leaves(exit)) exits.push(gone ? { ...exit, when: both(not(gone), exit.when) } : exit);
      else {
        taken.push(exit);
        // Elements that took this exit skip everything later; an exit without a condition ends the block.
        if (exit.when !== true) gone = gone ? eitherOf(gone, exit.when) : exit.when;
      }
    }
    let isReached = isLive;
    for (const { when, state } of [...taken].reverse()) {
      scope.shared.state.settle(journal, isReached ? when : true, state);
      isReached = true;
    }
    return taken;
  }

  /** Executes what a break can leave, with its labels. */
  #leavable(node: Statement, scope: Scope, activation: Activation, labels: readonly string[]): boolean {
    if (node.type === "LabeledStatement") {
      return this.#leavable(node.body, scope, activation, [...labels, node.label.name]);
    }
    const { state } = scope.shared;
    const loop = this.#loopOf(node, scope);
    const has = (label: string | undefined, isInnermost: boolean) =>
      label === undefined ? isInnermost : labels.includes(label);
    const canBreak = loop !== null || node.type === "SwitchStatement";
    const outer: Leaving = {
      from: activation.exits.length,
      journal: state.open(),
      leaves: ({ kind, label }) => kind === "break" && has(label, canBreak),
    };
    const isLive = loop
      ? this.#repeat(loop, scope, activation, ({ kind, label }) => kind === "continue" && has(label, true))
      : node.type === "SwitchStatement"
      ? this.#switch(node, scope, activation)
      : this.#execute(node, scope, activation);
    const isLeft = this.#settle(outer, scope, activation, isLive).length > 0;
    state.close();
    return isLive || isLeft;
  }

  /** Repeats a body as long as any element goes on. */
  #repeat(loop: Loop, outer: Scope, activation: Activation, leaves: Leaving["leaves"]): boolean {
    const { state } = outer.shared;
    for (let count = 0;; count++) {
      const scope = loop.advance(count);
      if (!scope || !this.#goesOn(loop, scope, activation, count)) return true;
      const round: Leaving = { from: activation.exits.length, journal: state.open(), leaves };
      const isLive = this.#execute(loop.body, scope, activation);
      const isContinued = this.#settle(round, scope, activation, isLive).length > 0;
      state.close();
      if (!isLive && !isContinued) return false;
    }
  }

  /**
   * Whether any element goes on to an iteration. A condition that is not known is a way out of the loop, for the elements where it fails;
   * the loop itself ends by something that is known, as `i < 3 && x > i` does.
   */
  #goesOn({ node, test, runsOnce }: Loop, scope: Scope, activation: Activation, count: number): boolean {
    if (test && (count > 0 || !runsOnce)) {
      const truth = truthOf(this.#evaluate(test, scope), scope.at(test));
      if (truth === false) return false;
      if (truth !== true) this.#exit(activation, scope, { kind: "break", when: not(truth) });
    }
    if (count < LONGEST_LOOP) return true;
    return scope.source.fail(
      test ?? node,
      `expected a loop that ends within ${LONGEST_LOOP} iterations whatever the tensors are, as i < 10 && x > i does`,
    );
  }

  /** The loop that a statement is, `null` if it is none. */
  #loopOf(node: Statement, scope: Scope): Loop | null {
    switch (node.type) {
      case "ForStatement":
        return this.#counting(node, scope.inner());
      case "ForOfStatement":
        return this.#over(node, scope);
      case "WhileStatement":
      case "DoWhileStatement": {
        const { test, body, type } = node;
        return { node, body, test, runsOnce: type === "DoWhileStatement", advance: () => scope };
      }
      default:
        return null;
    }
  }

  #counting(node: ForStatement, head: Scope): Loop {
    const { init, test, update, body } = node;
    let scope = head;
    const begin = () => {
      if (init?.type === "VariableDeclaration") {
        if (init.kind !== "var") head.announce(declaredBy(init));
        this.#declare(init, head);
      } else if (init) this.#evaluate(init, head);
    };
    return {
      node,
      body,
      test: test ?? null,
      runsOnce: false,
      advance: (count) => {
        if (count === 0) begin();
        else {
          // Each iteration has variables of its own, which functions may see.
          scope = scope.copy();
          if (update) this.#evaluate(update, scope);
        }
        return scope;
      },
    };
  }

  #over(node: ForOfStatement, scope: Scope): Loop {
    const elements = elementsOf(this.#evaluate(node.right, scope), scope.at(node.right));
    const { left, body } = node;
    return {
      node,
      body,
      test: null,
      runsOnce: false,
      advance: (count) => {
        if (count === elements.length) return null;
        const inner = scope.inner();
        const declares = left.type === "VariableDeclaration" && left.kind !== "var";
        const declare = (name: string, value: Value) => inner.declare(name, value);
        const pattern = left.type === "VariableDeclaration" ? left.declarations[0].id : left;
        takeApart(pattern, elements[count], this.#expressions.binder(inner, declares ? declare : undefined));
        return inner;
      },
    };
  }

  #evaluate(node: Expression, scope: Scope): Value {
    return this.#expressions.evaluate(node, scope);
  }
}
