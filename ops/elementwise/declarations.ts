/** Which names statements and patterns declare. */
import type { AnyNode, BlockStatement, Pattern, Statement, VariableDeclaration } from "acorn";

/** The names in a pattern. */
export function namesIn(pattern: Pattern): string[] {
  switch (pattern.type) {
    case "Identifier":
      return [pattern.name];
    case "AssignmentPattern":
      return namesIn(pattern.left);
    case "RestElement":
      return namesIn(pattern.argument);
    case "ArrayPattern":
      return pattern.elements.flatMap((element) => (element ? namesIn(element) : []));
    case "ObjectPattern":
      return pattern.properties.flatMap((property) =>
        namesIn(property.type === "RestElement" ? property.argument : property.value)
      );
    default:
      return [];
  }
}

/** The names of a declaration. */
export function declaredBy(declaration: VariableDeclaration): string[] {
  return declaration.declarations.flatMap(({ id }) => namesIn(id));
}

/** The names of `let` and `const` among statements. */
export function lexical(statements: readonly Statement[]): string[] {
  return statements.flatMap((s) => (s.type === "VariableDeclaration" && s.kind !== "var" ? declaredBy(s) : []));
}

/** The names of `var` anywhere in a body, without those of functions in it. */
export function hoisted(body: BlockStatement): string[] {
  const names: string[] = [];
  const visit = (node: Statement): void => {
    if (node.type === "VariableDeclaration" && node.kind === "var") names.push(...declaredBy(node));
    for (const inner of statementsIn(node)) visit(inner);
  };
  visit(body);
  return names;
}

/** The statements within one. */
function statementsIn(node: Statement): Statement[] {
  switch (node.type) {
    case "BlockStatement":
      return node.body;
    case "IfStatement":
      return node.alternate ? [node.consequent, node.alternate] : [node.consequent];
    case "ForStatement":
      return node.init?.type === "VariableDeclaration" ? [node.init, node.body] : [node.body];
    case "ForOfStatement":
      return node.left.type === "VariableDeclaration" ? [node.left, node.body] : [node.body];
    case "WhileStatement":
    case "DoWhileStatement":
    case "LabeledStatement":
      return [node.body];
    case "SwitchStatement":
      return node.cases.flatMap(({ consequent }) => consequent);
    default:
      return [];
  }
}

/** Whether something is a node of a tree. */
export function isNode(value: unknown): value is AnyNode {
  return typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";
}
