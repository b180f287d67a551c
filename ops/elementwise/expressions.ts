/** Evaluates expressions. Where a condition is not known both sides are evaluated, and `where` chooses. */
import type { AssignmentExpression, CallExpression, Expression, Pattern, UpdateExpression } from "acorn";
import { binary, unary } from "./operators.ts";
import { type Binder, elementsOf, fieldsOf, keyOf, memberKey, partOf, takeApart } from "./patterns.ts";
import type { Scope } from "./scope.ts";
import type { FunctionNode, Range } from "./source.ts";
import {
  Callable,
  choose,
  type Condition,
  isUndefined,
  nameOf,
  Namespace,
  Torn,
  truthOf,
  type Value,
} from "./values.ts";

/** Makes the function of a tree in a scope. */
export type MakeFunction = (node: FunctionNode, scope: Scope) => Callable;

/** Evaluates expressions in a scope. */
export class Evaluator {
  readonly #makeFunction: MakeFunction;

  constructor(makeFunction: MakeFunction) {
    this.#makeFunction = makeFunction;
  }

  /** The value of an expression. */
  evaluate(node: Expression, scope: Scope): Value {
    switch (node.type) {
      case "Literal":
        return node.value as Value;
      case "Identifier":
        return scope.read(node.name, node);
      case "UnaryExpression":
        return unary(node.operator, this.evaluate(node.argument, scope), scope.at(node));
      case "BinaryExpression":
        return this.#operands(node.operator, [node.left as Expression, node.right], scope, node);
      case "LogicalExpression":
        return this.#logical(node.operator, this.evaluate(node.left, scope), () => this.evaluate(node.right, scope), {
          scope,
          range: node.left,
        });
      case "ConditionalExpression":
        return this.either(truthOf(this.evaluate(node.test, scope), scope.at(node.test)), scope, [
          () => this.evaluate(node.consequent, scope),
          () => this.evaluate(node.alternate, scope),
        ]);
      case "AssignmentExpression":
        return this.#assign(node, scope);
      case "UpdateExpression":
        return this.#update(node, scope);
      case "SequenceExpression":
        return node.expressions.map((each) => this.evaluate(each, scope)).at(-1);
      case "CallExpression":
        return this.#call(node, scope);
      default:
        return this.#group(node, scope);
    }
  }

  /** Arrays, objects, their parts, and functions. */
  #group(node: Expression, scope: Scope): Value {
    switch (node.type) {
      case "ArrayExpression":
        return this.#list(node.elements, scope);
      case "ObjectExpression": {
        const fields = new Map<string, Value>();
        for (const property of node.properties) {
          if (property.type === "SpreadElement") {
            const spread = fieldsOf(this.evaluate(property.argument, scope), scope.at(property));
            for (const [key, value] of spread) fields.set(key, value);
          } else {
            const key = String(keyOf(property, this.binder(scope)));
            fields.set(key, this.evaluate(property.value, scope));
          }
        }
        return fields;
      }
      case "MemberExpression": {
        const object = this.evaluate(node.object as Expression, scope);
        return partOf(object, memberKey(node, this.binder(scope)), scope.at(node));
      }
      case "ArrowFunctionExpression":
      case "FunctionExpression":
        return this.#makeFunction(node, scope);
      default:
        return scope.at(node).fail(`cannot read ${node.type}`);
    }
  }

  /** The values of elements or arguments, those of spread arrays among them. */
  #list(
    nodes: readonly (Expression | { type: "SpreadElement"; argument: Expression } | null)[],
    scope: Scope,
  ): Value[] {
    return nodes.flatMap((node) => {
      if (node === null) return [undefined];
      if (node.type !== "SpreadElement") return [this.evaluate(node, scope)];
      return elementsOf(this.evaluate(node.argument, scope), scope.at(node.argument));
    });
  }

  /** How patterns are taken apart in a scope: by default, their names are variables that are there. */
  binder(scope: Scope, bind: Binder["bind"] = (name, value, range) => scope.assign(name, value, range)): Binder {
    return { evaluate: (node) => this.evaluate(node, scope), at: (range) => scope.at(range), bind };
  }

  /** One of two results: both are computed if the condition is not known. */
  either(condition: boolean | Condition, scope: Scope, [taken, otherwise]: readonly [() => Value, () => Value]): Value {
    if (typeof condition === "boolean") return condition ? taken() : otherwise();
    const { state } = scope.shared;
    const [a, b] = [state.branch(taken), state.branch(otherwise)];
    state.merge(condition, a.changes, b.changes);
    return choose(condition, a.result, b.result);
  }

  #operands(operator: string, nodes: readonly [Expression, Expression], scope: Scope, range: Range): Value {
    const [a, b] = nodes.map((node) => this.evaluate(node, scope));
    return binary(operator, a, b, scope.at(range));
  }

  #logical(operator: string, left: Value, right: () => Value, { scope, range }: { scope: Scope; range: Range }): Value {
    if (left instanceof Torn) return scope.at(range).fail(left.reason);
    if (operator === "??") return left === null || isUndefined(left) ? right() : left;
    const truth = truthOf(left, scope.at(range));
    return this.either(truth, scope, operator === "&&" ? [right, () => left] : [() => left, right]);
  }

  #assign(node: AssignmentExpression, scope: Scope): Value {
    const { operator, left, right } = node;
    if (operator === "=") {
      const value = this.evaluate(right, scope);
      takeApart(left as Pattern, value, this.binder(scope));
      return value;
    }
    if (left.type !== "Identifier") return scope.at(left).fail("cannot assign to a part of an array or an object");
    const before = scope.read(left.name, left);
    const store = (value: Value) => {
      scope.assign(left.name, value, left);
      return value;
    };
    if (operator === "&&=" || operator === "||=" || operator === "??=") {
      const assigned = () => store(this.evaluate(right, scope));
      return this.#logical(operator.slice(0, -1), before, assigned, { scope, range: left });
    }
    return store(binary(operator.slice(0, -1), before, this.evaluate(right, scope), scope.at(node)));
  }

  #update({ operator, prefix, argument, ...range }: UpdateExpression, scope: Scope): Value {
    const site = scope.at(range);
    if (argument.type !== "Identifier") {
      return scope.at(argument).fail("cannot assign to a part of an array or an object");
    }
    const before = unary("+", scope.read(argument.name, argument), site);
    const after = binary(operator[0], before, 1, site);
    scope.assign(argument.name, after, argument);
    return prefix ? after : before;
  }

  #call(node: CallExpression, scope: Scope): Value {
    if (isNamed(node)) return this.evaluate(node.arguments[0] as Expression, scope);
    const value = this.evaluate(node.callee as Expression, scope);
    const fn = value instanceof Namespace ? value.callable : value;
    if (!(fn instanceof Callable)) {
      return scope.at(node.callee).fail(`cannot call ${scope.source.textOf(node.callee)}, which is ${nameOf(value)}`);
    }
    return fn.call(this.#list(node.arguments, scope), scope.at(node));
  }
}

/** A name that nobody declares and that is short, as minifiers make them, or esbuild's own. */
const NAMER = /^(__name\d*|[\w$]{1,3})$/;

/** Whether a call is one of esbuild's helper that gives a function a name: `__name(f, "f")`. Its value is the function. */
export function isNamed({ callee, arguments: args }: CallExpression): boolean {
  if (callee.type !== "Identifier" || !NAMER.test(callee.name) || args.length !== 2) return false;
  const [fn, name] = args;
  const isFunction = ["ArrowFunctionExpression", "FunctionExpression", "Identifier"].includes(fn.type);
  return isFunction && name.type === "Literal" && typeof name.value === "string";
}
