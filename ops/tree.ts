/** Structures of tensors: arrays and plain objects, nested, as programs keep parameters in. */
import { describe, type Signature } from "../core/options.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import { mapParts } from "../core/tree.ts";
import { asTensor, isTyped, type NestedData, tensor, type TensorLike } from "./creation.ts";

/** A tensor, the data of one, or arrays and plain objects of such parts, as in `{ weights, biases: [b1, b2] }`. */
export type TensorTree = TensorLike | readonly TensorTree[] | { readonly [name: string]: TensorTree };

/** The structure of a {@link TensorTree}, with a tensor in place of each part. */
export type TensorsOf<T> = T extends Tensor | NestedData ? Tensor
  : T extends object ? { -readonly [K in keyof T]: TensorsOf<T[K]> }
  : Tensor;

/** Whether nested arrays hold nothing but numbers and booleans, and thus stand for one tensor. */
function isData(value: unknown): boolean {
  return typeof value === "number" || typeof value === "boolean" || isTyped(value) ||
    (Array.isArray(value) && value.every(isData));
}

/** A structure taken apart. */
export interface Flat {
  /** Its name in errors. */
  readonly name: string;
  readonly leaves: readonly Tensor[];
  /** The place of each within the structure: `.weights[0]`. */
  readonly paths: readonly string[];
}

const isPart = (value: unknown): value is TensorLike => value instanceof Tensor || isData(value);

/** Returns the same structure with something in place of each tensor or its data. */
export function mapTree<R>(
  call: Signature,
  path: string,
  tree: unknown,
  visit: (part: TensorLike, path: string) => R,
): unknown {
  return mapParts(call, path, tree, { isPart, visit });
}

/** Takes a structure apart; `path` names it in errors. */
export function flattenTree(call: Signature, path: string, tree: unknown): Flat {
  const leaves: Tensor[] = [];
  const paths: string[] = [];
  mapTree(call, path, tree, (part, at) => {
    // A leaf, since asTensor would make a constant, of dtype int if it is whole.
    leaves.push(typeof part === "number" ? tensor(part) : asTensor(call, at, part));
    paths.push(at.slice(path.length));
  });
  return { name: path, leaves, paths };
}

/** Returns the same structure with these tensors in place of its own, in the order of {@link flattenTree}. */
export function fillTree(call: Signature, path: string, tree: unknown, tensors: readonly Tensor[]): unknown {
  let at = 0;
  return mapTree(call, path, tree, () => tensors[at++]);
}

/** Takes a structure apart that has to be like another one: the same names, lengths and shapes. */
export function flattenLike(call: Signature, path: string, tree: unknown, like: Flat): Flat {
  const flat = flattenTree(call, path, tree);
  const off = like.paths.findIndex((at, i) => flat.paths[i] !== at);
  if (off >= 0) {
    throw call.error(
      `expected ${path} to be like ${like.name}, with a tensor at ${path}${like.paths[off]}, got ${describe(tree)}`,
    );
  }
  const more = flat.paths[like.paths.length];
  if (more !== undefined) {
    throw call.error(`expected ${path} to be like ${like.name}, got a tensor at ${path}${more} besides`);
  }
  flat.leaves.forEach(({ shape }, i) => {
    const expected = like.leaves[i].shape;
    if (sameShape(shape, expected)) return;
    throw call.error(`expected ${path}${flat.paths[i]} of shape ${formatShape(expected)}, got ${formatShape(shape)}`);
  });
  return flat;
}
