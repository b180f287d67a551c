/** Einstein's summation convention. */
import type { Case, Draw, Entry } from "../core/op.ts";
import type { Signature } from "../core/options.ts";
import { formatShape } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import { mul } from "./arithmetic.ts";
import { asTensor, type TensorLike } from "./creation.ts";
import { composite, type CompositeFunction } from "./define/op.ts";
import { diagonalOf } from "./diagonals.ts";
import { reshape, transpose } from "./movement.ts";
import { sum } from "./reduce.ts";

/** A tensor whose axes have labels: letters, and `...0`, `...1` for those of an ellipsis, counted from the last. */
interface Labelled {
  readonly x: Tensor;
  readonly labels: readonly string[];
}

/** The labels of each operand and of the result. */
interface Equation {
  readonly operands: readonly Labelled[];
  readonly result: readonly string[];
}

/** The labels of a term, the ellipsis as one. */
function termOf(call: Signature, equation: string, term: string): string[] {
  if (!/^[A-Za-z]*(\.\.\.)?[A-Za-z]*$/.test(term)) {
    throw call.error(
      `expected letters and at most one "..." in each term of the equation, got "${term}" in "${equation}"`,
    );
  }
  return term.match(/\.\.\.|[A-Za-z]/g) ?? [];
}

/** Reads an equation for given operands. */
function read(call: Signature, equation: string, tensors: readonly Tensor[]): Equation {
  const sides = equation.replace(/\s/g, "").split("->");
  const terms = sides[0].split(",").map((term) => termOf(call, equation, term));
  if (sides.length > 2) throw call.error(`expected at most one "->" in the equation, got "${equation}"`);
  if (terms.length !== tensors.length) {
    throw call.error(`expected ${terms.length} operands for the equation "${equation}", got ${tensors.length}`);
  }
  const operands = tensors.map((x, i): Labelled => {
    const free = x.shape.length - terms[i].filter((label) => label !== "...").length;
    if (free < 0 || (free > 0 && !terms[i].includes("..."))) {
      throw call.error(
        `expected operand ${i} to have the axes "${terms[i].join("")}", got shape ${formatShape(x.shape)}`,
      );
    }
    const dots = Array.from({ length: free }, (_, k) => `...${free - 1 - k}`);
    return { x, labels: terms[i].flatMap((label) => (label === "..." ? dots : [label])) };
  });
  const all = operands.flatMap(({ labels }) => labels);
  const most = Math.max(0, ...all.filter((label) => label.startsWith(".")).map((label) => Number(label.slice(3)) + 1));
  const dots = Array.from({ length: most }, (_, k) => `...${most - 1 - k}`);
  // Without an arrow the result has the labels that occur once, in alphabetical order, after the ellipsis.
  const once = [...new Set(all)].filter((label) =>
    !label.startsWith(".") && all.indexOf(label) === all.lastIndexOf(label)
  );
  const given = sides.length === 2 ? termOf(call, equation, sides[1]) : ["...", ...once.sort()];
  const result = given.flatMap((label) => (label === "..." ? dots : [label]));
  for (const label of result) {
    if (!all.includes(label) || result.indexOf(label) !== result.lastIndexOf(label)) {
      throw call.error(`expected each label of the result once, and in an operand, got "${label}" in "${equation}"`);
    }
  }
  return { operands, result };
}

/** Throws if a label stands for axes of different lengths, other than 1. */
function checkSizes(call: Signature, operands: readonly Labelled[]): void {
  const sizes = new Map<string, number>();
  for (const { x, labels } of operands) {
    labels.forEach((label, a) => {
      const [n, before = 1] = [x.shape[a], sizes.get(label)];
      if (n !== before && n !== 1 && before !== 1) {
        const name = label.startsWith(".") ? "..." : label;
        throw call.error(`expected axes of one length for "${name}", got ${before} and ${n}`);
      }
      if (before === 1) sizes.set(label, n);
    });
  }
}

/** Takes the diagonal of axes that share a label. */
function diagonal(call: Signature, { x, labels }: Labelled): Labelled {
  const second = labels.findIndex((label, a) => labels.indexOf(label) < a);
  if (second < 0) return { x, labels };
  const first = labels.indexOf(labels[second]);
  const n = x.shape[first];
  if (x.shape[second] !== n) {
    throw call.error(`expected axes of one length for "${labels[first]}", got ${n} and ${x.shape[second]}`);
  }
  const rest = labels.map((_, a) => a).filter((a) => a !== first && a !== second);
  const line = diagonalOf(transpose(x, [...rest, first, second]));
  return diagonal(call, { x: line, labels: [...rest.map((a) => labels[a]), labels[first]] });
}

/** Sums over the axes whose labels are not wanted. */
function reduced({ x, labels }: Labelled, wanted: ReadonlySet<string>): Labelled {
  const axes = labels.flatMap((label, a) => (wanted.has(label) ? [] : [a]));
  return axes.length === 0 ? { x, labels } : { x: sum(x, axes), labels: labels.filter((label) => wanted.has(label)) };
}

/** A tensor with axes in the order of labels; those that it lacks have length 1. */
function aligned({ x, labels }: Labelled, order: readonly string[]): Tensor {
  const moved = transpose(x, order.filter((label) => labels.includes(label)).map((label) => labels.indexOf(label)));
  return reshape(moved, order.map((label) => (labels.includes(label) ? x.shape[labels.indexOf(label)] : 1)));
}

/** The product of two, summed over what is not wanted. */
function contracted(a: Labelled, b: Labelled, wanted: ReadonlySet<string>): Labelled {
  const order = [...new Set([...a.labels, ...b.labels])];
  // Summed labels last: neighbouring elements are then combined in one loop.
  order.sort((p, q) => Number(!wanted.has(p)) - Number(!wanted.has(q)));
  return reduced({ x: mul(aligned(a, order), aligned(b, order)), labels: order }, wanted);
}

/** Equations, and the axes of the operands by their labels. */
const equations: readonly (readonly [equation: string, ...terms: string[]])[] = [
  ["ij,jk->ik", "ij", "jk"],
  ["bij,bkj->bik", "bij", "bkj"],
  ["i,j", "i", "j"],
  ["ii->i", "ii"],
  ["iji->j", "iji"],
  ["ij->ji", "ij"],
  ["ij->", "ij"],
  ["...i,i->...", "bi", "i"],
  ["i...,ij->...j", "ib", "ij"],
  ["ij,jk,kl->il", "ij", "jk", "kl"],
  ["ij,j,i->", "ij", "j", "i"],
];

function equationCase(draw: Draw): Case<{ readonly equation: string }> {
  const [equation, ...terms] = draw.pick(equations);
  const sizes = new Map([..."bijkl"].map((label) => [label, draw.int(0, 3)]));
  const inputs = terms.map((term) => ({ shape: [...term].map((label) => sizes.get(label)!) }));
  return { inputs, attributes: { equation } };
}

/**
 * Sums products of elements by Einstein's convention, as NumPy and PyTorch write it: a letter for each axis, the terms of the operands
 * separated by commas, and the axes of the result after `->`. Axes that the result lacks are summed over. A letter twice in one term is a
 * diagonal, `...` stands for axes that broadcast. Several operands are multiplied from left to right.
 *
 * @param equation such as `bij,bjk->bik`. Without an arrow the result has the letters that occur once, in alphabetical order.
 * @param operands tensors with the axes of the terms.
 * @throws if the equation cannot be read, or the operands do not have its axes.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { einsum, tensor } from "gpugrad";
 *
 * const x = tensor([[1, 2], [3, 4]]);
 * assert.deepEqual(await einsum("ij,j->i", [x, [1, 10]]).toArray(), [21, 43]);
 * assert.equal(await einsum("ii", [x]).item(), 5);
 * ```
 */
export const einsum: CompositeFunction<
  (equation: string, operands: readonly TensorLike[]) => Tensor
> = /* @__PURE__ */ composite(
  {
    name: "einsum",
    apply: (operands, { equation }) => einsum(equation, operands),
    differentiable: true,
    domain: equationCase,
    accuracy: "sum",
  } satisfies Entry<{ readonly equation: string }>,
  "einsum(equation, operands)",
  (call) =>
    function einsum(equation, operands) {
      if (operands instanceof Tensor) throw call.unwrapped(arguments, 1, "an array of tensors");
      call.check(arguments);
      if (typeof equation !== "string") throw call.wrong("equation", 'an equation such as "ij,jk->ik"', equation);
      if (!Array.isArray(operands)) throw call.wrong("operands", "an array of tensors", operands);
      const tensors = Array.from(operands, (x, i) => asTensor(call, `operands[${i}]`, x));
      const { operands: given, result } = read(call, equation, tensors);
      const parts = given.map((part) => diagonal(call, part));
      checkSizes(call, parts);
      const wanted = (after: number) => new Set([...result, ...parts.slice(after).flatMap(({ labels }) => labels)]);
      const alone = (part: Labelled, i: number) =>
        reduced(part, new Set([...result, ...parts.filter((_, k) => k !== i).flatMap(({ labels }) => labels)]));
      const product = parts.map(alone).reduce((a, b, i) => contracted(a, b, wanted(i + 1)));
      return aligned(reduced(product, new Set(result)), result);
    },
);
