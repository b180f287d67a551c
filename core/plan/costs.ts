/** What it costs to compute a value, in additions. */
import type { Node } from "./node.ts";

/** The values that have arrays. */
export interface Stored {
  has(node: Node): boolean;
}

/** The input that a choice computes in a branch, unless it is read from an array. */
function guardedInput({ kernel, inputs }: Node, stored: Stored): Node | null {
  if (kernel.kind !== "elementwise" || !kernel.choice) return null;
  const guarded = inputs[kernel.choice.taken];
  return stored.has(guarded) ? null : guarded;
}

/** The values that others need, down to what has an array. */
function neededBy(nodes: readonly Node[], stored: Stored): Set<Node> {
  const seen = new Set(nodes);
  for (const node of seen) if (!stored.has(node)) node.inputs.forEach((input) => seen.add(input));
  return seen;
}

/** The cost of what a choice computes in its branch and nowhere else, 0 for other values. */
export function guardedCost(node: Node, withGuarded: boolean, stored: Stored): number {
  const guarded = guardedInput(node, stored);
  if (!guarded) return 0;
  const elsewhere = neededBy(node.inputs.filter((input) => input !== guarded), stored);
  return costOf(guarded, (n) => (stored.has(n) ? 1 : null), stored, { seen: elsewhere, withGuarded });
}

/**
 * Rough cost of evaluating one element, in additions; what is needed several times is computed once.
 *
 * @param readCost what reading a value costs, `null` where it is computed.
 * @param stored values that have arrays.
 * @param options `seen`: values that are there already;
 * `withGuarded`: whether what branches guard counts.
 */
export function costOf(
  node: Node,
  readCost: (node: Node) => number | null,
  stored: Stored,
  { seen = new Set<Node>(), withGuarded = true } = {},
): number {
  if (seen.has(node)) return 0;
  seen.add(node);
  let cost = 0;
  const stack = [node];
  while (stack.length > 0) {
    const top = stack.pop()!;
    const { kernel, inputs, size } = top;
    if (kernel.kind === "reduce") {
      const [input] = inputs;
      const each = 1 + (readCost(input) ?? costOf(input, readCost, stored, { seen, withGuarded }));
      cost += each * Math.max(1, input.size / Math.max(1, size));
      continue;
    }
    cost += kernel.kind === "elementwise" ? kernel.cost : kernel.kind === "gather" ? 1 : 0;
    // What is guarded counts in full: if it got an array, it would be computed for nothing.
    const guarded = guardedInput(top, stored);
    if (guarded && withGuarded) cost += guardedCost(top, true, stored);
    for (const input of inputs) {
      if (input === guarded || seen.has(input)) continue;
      seen.add(input);
      const read = readCost(input);
      if (read === null) stack.push(input);
      else cost += read;
    }
  }
  return cost;
}
