/** Checks what a formula is made of when it is read, so that what cannot be recorded is refused before it is called. */
import type {
  AnyNode,
  AssignmentExpression,
  BlockStatement,
  CallExpression,
  Expression,
  MemberExpression,
  Pattern,
  Statement,
  SwitchStatement,
  UpdateExpression,
  VariableDeclaration,
} from "acorn";
import { nearest } from "../../core/options.ts";
import { GLOBALS, problemWithMath } from "./builtins.ts";
import { hoisted, isNode, lexical, namesIn } from "./declarations.ts";
import { isNamed } from "./expressions.ts";
import type { FunctionNode, Range, Source } from "./source.ts";

/** The parts of a formula, for errors. */
const MADE_OF =
  "a formula has numbers, arithmetic, conditions, loops of constant length, and calls of Math and of functions";

/** Constructs that are read. Their parts are checked in turn. */
const READ: ReadonlySet<string> = /* @__PURE__ */ new Set([
  "ArrayExpression",
  "BinaryExpression",
  "BreakStatement",
  "ConditionalExpression",
  "ContinueStatement",
  "DoWhileStatement",
  "EmptyStatement",
  "ExpressionStatement",
  "IfStatement",
  "LabeledStatement",
  "LogicalExpression",
  "ObjectExpression",
  "ReturnStatement",
  "SequenceExpression",
  "SpreadElement",
  "UnaryExpression",
  "VariableDeclarator",
  "WhileStatement",
]);

/** Constructs that are not, in words, and what to write instead. */
const REFUSED: Readonly<Record<string, string>> = {
  AwaitExpression: "await",
  ChainExpression: "?.",
  ClassDeclaration: "a class",
  ClassExpression: "a class",
  ForInStatement: "for ... in; for ... of goes over an array",
  ImportExpression: "import",
  MetaProperty: "new.target and import.meta",
  NewExpression: "new",
  Super: "super",
  TaggedTemplateExpression: "a template",
  TemplateLiteral: "a template",
  ThisExpression: "this; pass what is needed as an argument or a constant",
  ThrowStatement: "throw",
  TryStatement: "try",
  YieldExpression: "yield",
};

type Kind = "const" | "variable";

/** The names that a scope declares. */
class Names {
  readonly #kinds = new Map<string, Kind>();
  readonly #outer: Names | null;

  constructor(outer: Names | null) {
    this.#outer = outer;
  }

  add(names: Iterable<string>, kind: Kind): void {
    for (const name of names) this.#kinds.set(name, kind);
  }

  find(name: string): Kind | undefined {
    return this.#kinds.get(name) ?? this.#outer?.find(name);
  }
}

/** Checks a function. Throws an error that shows what cannot be read. */
export function checkFunction(node: FunctionNode, source: Source, constants: readonly string[]): void {
  new Checker(source, constants).functionBody(node, new Names(null));
}

class Checker {
  readonly #source: Source;
  readonly #constants: readonly string[];

  constructor(source: Source, constants: readonly string[]) {
    this.#source = source;
    this.#constants = constants;
  }

  functionBody(node: FunctionNode, outer: Names): void {
    if (node.async) this.#source.fail(node, "cannot read an async function; a formula is computed at once");
    if (node.generator) this.#source.fail(node, "cannot read a generator function, which has no single result");
    const names = new Names(outer);
    if (node.type === "FunctionExpression" && node.id) names.add([node.id.name], "const");
    names.add(node.params.flatMap(namesIn), "variable");
    for (const parameter of node.params) this.#pattern(parameter, names);
    if (node.body.type !== "BlockStatement") return this.#visit(node.body, names);
    const inner = new Names(names);
    inner.add(hoisted(node.body), "variable");
    this.#statements(node.body.body, inner);
  }

  /** Checks statements with the names that they declare. */
  #statements(statements: readonly Statement[], names: Names): void {
    for (const statement of statements) {
      if (statement.type === "FunctionDeclaration") names.add([statement.id.name], "variable");
      else if (statement.type === "VariableDeclaration") this.#names(statement, names);
    }
    for (const statement of statements) this.#visit(statement, names);
  }

  #names(declaration: VariableDeclaration, names: Names): void {
    if (declaration.kind === "var") return;
    names.add(lexical([declaration]), declaration.kind === "const" ? "const" : "variable");
  }

  #visit(node: AnyNode, names: Names): void {
    switch (node.type) {
      case "Identifier":
        return this.#name(node.name, node, names);
      case "Literal":
        return this.#literal(node.value, node);
      case "ArrowFunctionExpression":
      case "FunctionExpression":
      case "FunctionDeclaration":
        return this.functionBody(node as FunctionNode, names);
      case "BlockStatement":
        return this.#statements((node as BlockStatement).body, new Names(names));
      case "ForStatement":
      case "ForOfStatement":
        return this.#loop(node, new Names(names));
      case "SwitchStatement":
        return this.#switch(node, names);
      case "VariableDeclaration":
        return this.#declaration(node, names);
      case "AssignmentExpression":
      case "UpdateExpression":
        return this.#assignment(node, names);
      case "MemberExpression":
        return this.#member(node, names);
      case "CallExpression":
        return this.#call(node, names);
      default:
        return this.#other(node, names);
    }
  }

  #other(node: AnyNode, names: Names): void {
    if (!READ.has(node.type)) {
      this.#source.fail(node, `cannot read ${REFUSED[node.type] ?? node.type}; ${MADE_OF}`);
    }
    if (node.type === "UnaryExpression" && (node.operator === "typeof" || node.operator === "delete")) {
      this.#source.fail(node, `cannot read ${node.operator}; ${MADE_OF}`);
    }
    if (node.type === "ExpressionStatement" && "directive" in node && node.directive !== undefined) return;
    if (node.type === "BreakStatement" || node.type === "ContinueStatement") return;
    if (node.type === "LabeledStatement") return this.#visit(node.body, names);
    if (node.type === "ObjectExpression") {
      for (const property of node.properties) this.#property(property, names);
      return;
    }
    for (const child of Object.values(node)) {
      for (const each of Array.isArray(child) ? child : [child]) if (isNode(each)) this.#visit(each, names);
    }
  }

  #property(property: AnyNode, names: Names): void {
    if (property.type !== "Property") return this.#visit(property, names);
    if (property.kind !== "init") this.#source.fail(property, `cannot read a ${property.kind}ter; ${MADE_OF}`);
    if (property.computed) this.#key(property.key, names);
    this.#visit(property.value, names);
  }

  /** A key in brackets: a string stands for a name. */
  #key(node: Expression, names: Names): void {
    if (node.type !== "Literal" || typeof node.value !== "string") this.#visit(node, names);
  }

  #literal(value: unknown, range: Range): void {
    if (typeof value === "number" || typeof value === "boolean" || value === null) return;
    const what = typeof value === "string"
      ? "a string"
      : typeof value === "bigint"
      ? "a bigint"
      : "a regular expression";
    this.#source.fail(range, `cannot read ${what}; ${MADE_OF}`);
  }

  #declaration(node: VariableDeclaration, names: Names): void {
    if (node.kind !== "var" && node.kind !== "let" && node.kind !== "const") {
      this.#source.fail(node, `cannot read ${node.kind}; ${MADE_OF}`);
    }
    for (const { id, init } of node.declarations) {
      this.#pattern(id, names);
      if (init) this.#visit(init, names);
    }
  }

  #loop(node: Extract<AnyNode, { type: "ForStatement" | "ForOfStatement" }>, names: Names): void {
    const head = node.type === "ForStatement" ? node.init : node.left;
    if (node.type === "ForOfStatement" && node.await) this.#source.fail(node, `cannot read for await; ${MADE_OF}`);
    if (head?.type === "VariableDeclaration") this.#names(head, names);
    if (node.type === "ForOfStatement") {
      if (head!.type === "VariableDeclaration") this.#pattern((head as VariableDeclaration).declarations[0].id, names);
      else this.#target(head as Pattern, names);
      this.#visit(node.right, names);
    } else {
      for (const part of [node.init, node.test, node.update]) if (part) this.#visit(part, names);
    }
    this.#visit(node.body, names);
  }

  /** All cases are one block. */
  #switch({ discriminant, cases }: SwitchStatement, names: Names): void {
    this.#visit(discriminant, names);
    const inner = new Names(names);
    this.#statements(cases.flatMap(({ consequent }) => consequent), inner);
    for (const { test } of cases) if (test) this.#visit(test, inner);
  }

  /** A pattern that declares its names: the defaults and keys in it. */
  #pattern(pattern: Pattern, names: Names, target?: (name: Pattern) => void): void {
    switch (pattern.type) {
      case "AssignmentPattern":
        this.#pattern(pattern.left, names, target);
        return this.#visit(pattern.right, names);
      case "RestElement":
        return this.#pattern(pattern.argument, names, target);
      case "ArrayPattern":
        for (const element of pattern.elements) if (element) this.#pattern(element, names, target);
        return;
      case "ObjectPattern":
        for (const property of pattern.properties) {
          if (property.type !== "RestElement" && property.computed) this.#key(property.key, names);
          this.#pattern(property.type === "RestElement" ? property : property.value, names, target);
        }
        return;
      default:
        target?.(pattern);
    }
  }

  #assignment(node: AssignmentExpression | UpdateExpression, names: Names): void {
    const target = (node.type === "UpdateExpression" ? node.argument : node.left) as Pattern;
    this.#target(target, names);
    if (node.type === "AssignmentExpression") this.#visit(node.right, names);
  }

  /** Checks the target of an assignment. */
  #target(pattern: Pattern, names: Names): void {
    this.#pattern(pattern, names, (target) => {
      if (target.type !== "Identifier") {
        this.#coverage(this.#source.textOf(target), target);
        return this.#source.fail(target, "cannot assign to a part of an array or an object, which stay as they are");
      }
      const kind = names.find(target.name);
      if (kind === "variable") return;
      if (kind === undefined) this.#name(target.name, target, names);
      this.#source.fail(target, `cannot assign to ${target.name}, which is constant`);
    });
  }

  #member(node: MemberExpression, names: Names): void {
    const { object, property, computed } = node;
    if (property.type === "PrivateIdentifier") this.#source.fail(node, `cannot read a private field; ${MADE_OF}`);
    this.#visit(object, names);
    if (computed) this.#key(property as Expression, names);
    else if (object.type === "Identifier" && object.name === "Math" && this.#isGlobal("Math", names)) {
      const problem = property.type === "Identifier" ? problemWithMath(property.name) : null;
      if (problem) this.#source.fail(node, problem);
    }
  }

  #call(node: CallExpression, names: Names): void {
    if (isNamed(node) && !this.#isKnown((node.callee as { name: string }).name, names)) {
      return this.#visit(node.arguments[0], names);
    }
    this.#coverage(this.#source.textOf(node.callee), node);
    this.#visit(node.callee, names);
    for (const argument of node.arguments) this.#visit(argument, names);
  }

  #isGlobal(name: string, names: Names): boolean {
    return names.find(name) === undefined && !this.#constants.includes(name) && GLOBALS.includes(name);
  }

  #isKnown(name: string, names: Names): boolean {
    return names.find(name) !== undefined || this.#constants.includes(name) || GLOBALS.includes(name);
  }

  /** Counters of coverage tools, which write them into functions. */
  #coverage(text: string, range: Range): void {
    if (/^(cov_\w+|stry\w+)\b/.test(text) || text.includes("__coverage__")) {
      this.#source.fail(
        range,
        "cannot read the counters that a coverage tool wrote into the function; exclude it from the coverage",
      );
    }
  }

  #name(name: string, range: Range, names: Names): void {
    if (this.#isKnown(name, names)) return;
    if (name === "arguments") this.#source.fail(range, "cannot read arguments; (...xs) => has them as an array");
    this.#coverage(name, range);
    const constants = this.#constants;
    const near = nearest(name, constants);
    const hint = near
      ? `; did you mean ${near}?`
      : constants.length > 0
      ? `; the constants are ${constants.join(", ")}. A bundler that renames variables does not rename constants`
      : "";
    this.#source.fail(
      range,
      `expected ${name} to be declared in the function or passed as { constants: { ${name} } }${hint}`,
    );
  }
}
