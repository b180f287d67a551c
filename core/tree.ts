/** Structures of tensors: arrays and plain objects, nested. */
import { isPlain, type Signature } from "./options.ts";
import { Tensor } from "./tensor.ts";

/** What is done with the parts of a structure. */
export interface Visitor<P, R> {
  /** Whether a value is a part, and not an array or object of such. */
  isPart(value: unknown): value is P;
  /** @param path the place of the part: `params.weights[0]`. */
  visit(part: P, path: string): R;
}

/**
 * Returns the same structure with something in place of each part.
 *
 * @param path names the structure in errors.
 * @throws if it holds anything else.
 */
export function mapParts<P, R>(call: Signature, path: string, tree: unknown, visitor: Visitor<P, R>): unknown {
  if (visitor.isPart(tree)) return visitor.visit(tree, path);
  // Array.from, since map passes over holes.
  if (Array.isArray(tree)) return Array.from(tree, (part, i) => mapParts(call, `${path}[${i}]`, part, visitor));
  if (typeof tree === "object" && tree !== null && isPlain(tree)) {
    return Object.fromEntries(
      Object.entries(tree).map(([name, part]) => [name, mapParts(call, `${path}.${name}`, part, visitor)]),
    );
  }
  throw call.wrong(path, "a tensor, or an array or object of tensors", tree);
}

const isTensor = (value: unknown): value is Tensor => value instanceof Tensor;

/** Returns the same structure with something in place of each tensor. @throws if it holds anything but tensors. */
export function mapTensors<R>(
  call: Signature,
  path: string,
  tree: unknown,
  visit: (tensor: Tensor, path: string) => R,
): unknown {
  return mapParts(call, path, tree, { isPart: isTensor, visit });
}

/** The tensors of a structure, in its order. @throws if it holds anything but tensors. */
export function tensorsOf(call: Signature, path: string, tree: unknown): Tensor[] {
  const tensors: Tensor[] = [];
  mapTensors(call, path, tree, (t) => tensors.push(t));
  return tensors;
}

/** Writes down a structure whose parts are tensors: the same text for the same structure, if `nameOf` says the same of its tensors. */
export function structureText(tree: unknown, nameOf: (tensor: Tensor) => string): string {
  if (tree instanceof Tensor) return nameOf(tree);
  if (Array.isArray(tree)) return `[${tree.map((part) => structureText(part, nameOf)).join(", ")}]`;
  const parts = Object.entries(tree as object).map(([name, part]) =>
    `${/^[a-z_]\w*$/i.test(name) ? name : JSON.stringify(name)}: ${structureText(part, nameOf)}`
  );
  return `{${parts.join(", ")}}`;
}
