/** Products that sums add without rounding them, where a target has fused multiply-add. */
import { build } from "../expression.ts";
import type { KernelOf } from "../kernel.ts";
import { Node } from "./node.ts";

/** Whether a reduction adds its elements up. */
export function isSum({ combine, position, identity }: KernelOf<"reduce">): boolean {
  const zero = build.literal(identity);
  const combined = combine(zero, zero, build);
  return !position && combined.kind === "call" && combined.name === "sum";
}

/** Whether a value is a product of two others. */
function isProduct({ kernel, inputs, attributes }: Node): boolean {
  if (kernel.kind !== "elementwise" || kernel.choice) return false;
  const args = Array.from({ length: inputs.length + (kernel.numbers?.length ?? 0) }, () => build.literal(1));
  const expression = kernel.expression(args, attributes, build);
  return expression.kind === "call" && expression.name === "mul";
}

/**
 * The values that sums add in place of products: the same products, which nothing else uses and which never have an array. So how a sum is
 * rounded follows from its ops alone, not from who else needs the products; a value that is computed in two places, or in two plans, would
 * else be above itself.
 */
export class Products {
  readonly #known = new Map<Node, Node>();

  /** What a sum adds in place of a value: the value itself, unless it is a product, or moved elements of one. */
  of(node: Node): Node {
    const moved: Node[] = [];
    let at = node;
    // Elements outside of the bounds of a product are none.
    while (!this.#known.has(at) && at.kernel.kind === "movement" && !at.kernel.fill) {
      moved.push(at);
      [at] = at.inputs;
    }
    let own = this.#known.get(at) ?? (isProduct(at) ? copyOf(at, at.inputs, true) : at);
    if (own === at) return node;
    this.#known.set(at, own);
    for (const movement of moved.reverse()) {
      this.#known.set(movement, own = copyOf(movement, [own, ...movement.inputs.slice(1)]));
    }
    return own;
  }
}

function copyOf({ name, kernel, shape, attributes }: Node, inputs: readonly Node[], isUnrounded = false): Node {
  return new Node(name, kernel, inputs, { shape, attributes, isUnrounded });
}
