/** Arrays and objects: their parts, and the patterns that take them apart. */
import type { Expression, MemberExpression, ObjectPattern, Pattern } from "acorn";
import type { Range, Site } from "./source.ts";
import { type Fields, Given, isUndefined, nameOf, Namespace, numberOf, Torn, type Value } from "./values.ts";

/** The elements of an array. */
export function elementsOf(value: Value, site: Site): readonly Value[] {
  if (Array.isArray(value)) return value;
  if (value instanceof Given && value.length !== null) {
    return Array.from({ length: value.length }, (_, i) => value.part(i));
  }
  return site.fail(`expected an array to take apart, got ${nameOf(value)}`);
}

/** The fields of an object. */
export function fieldsOf(value: Value, site: Site): Fields {
  if (value instanceof Map) return value;
  const keys = value instanceof Given && value.length === null ? value.keys() : null;
  if (value instanceof Given && keys) return new Map(keys.map((key) => [key, value.part(key)]));
  return site.fail(`expected an object to take apart, got ${nameOf(value)}`);
}

/** A part of an array, an object or a namespace. */
export function partOf(value: Value, key: string | number, site: Site): Value {
  if (value instanceof Torn) return site.fail(value.reason);
  if (value instanceof Namespace) return value.member(String(key), site);
  if (value instanceof Map) return (value as Fields).get(String(key));
  const isArray = Array.isArray(value) || (value instanceof Given && value.length !== null);
  if (isArray && key === "length") return elementsOf(value, site).length;
  if (isArray && /^\d+$/.test(String(key))) return elementsOf(value, site)[Number(key)];
  if (value instanceof Given && value.length === null && value.keys()) return value.part(key);
  return site.fail(`expected an array or an object to read ${JSON.stringify(key)} of, got ${nameOf(value)}`);
}

/** The functions that destructuring needs of the evaluator. */
export interface Binder {
  evaluate(node: Expression): Value;
  /** Gives a name its value. */
  bind(name: string, value: Value, range: Range): void;
  at(range: Range): Site;
}

/** The key of a property or a member. */
export function keyOf(
  node: { readonly computed: boolean; readonly key: MemberExpression["property"] },
  { evaluate, at }: Pick<Binder, "evaluate" | "at">,
): string | number {
  const { key, computed } = node;
  if (!computed && key.type === "Identifier") return key.name;
  if (key.type === "Literal" && typeof key.value === "string") return key.value;
  if (key.type === "PrivateIdentifier") return at(key).fail("cannot read a private field");
  const index = numberOf(evaluate(key), at(key));
  return typeof index === "number" ? index : at(key).fail("cannot index by a tensor; gather and take do");
}

/** The key that a member is read by. */
export function memberKey(node: MemberExpression, binder: Pick<Binder, "evaluate" | "at">): string | number {
  return keyOf({ computed: node.computed, key: node.property }, binder);
}

/** Binds the names of a pattern to the parts of a value. */
export function takeApart(pattern: Pattern, value: Value, binder: Binder): void {
  switch (pattern.type) {
    case "Identifier":
      return binder.bind(pattern.name, value, pattern);
    case "AssignmentPattern":
      return takeApart(pattern.left, isUndefined(value) ? binder.evaluate(pattern.right) : value, binder);
    case "ArrayPattern": {
      const elements = elementsOf(value, binder.at(pattern));
      pattern.elements.forEach((element, i) => {
        if (element?.type === "RestElement") takeApart(element.argument, elements.slice(i), binder);
        else if (element) takeApart(element, value instanceof Given ? value.part(i) : elements[i], binder);
      });
      return;
    }
    case "ObjectPattern":
      return takeFields(pattern, value, binder);
    default:
      return binder.at(pattern).fail("cannot assign to a part of an array or an object, which stay as they are");
  }
}

function takeFields(pattern: ObjectPattern, value: Value, binder: Binder): void {
  // The members of Math are not counted up: each is looked for.
  const rest = new Map(value instanceof Namespace ? [] : fieldsOf(value, binder.at(pattern)));
  for (const property of pattern.properties) {
    if (property.type === "RestElement") takeApart(property.argument, rest, binder);
    else {
      const key = String(keyOf(property, binder));
      takeApart(property.value, value instanceof Map ? rest.get(key) : partOf(value, key, binder.at(property)), binder);
      rest.delete(key);
    }
  }
}
