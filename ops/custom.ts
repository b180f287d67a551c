/** Functions with a derivative of one's own. */
import { boolean, describe, Signature, string } from "../core/options.ts";
import { type Op, opOf, type VjpContext } from "../core/op.ts";
import { record } from "../core/record.ts";
import { formatShape, sameShape } from "../core/shape.ts";
import { Tensor } from "../core/tensor.ts";
import { add, mul, sub } from "./arithmetic.ts";
import { asTensor, full, type TensorLike, zeros } from "./creation.ts";
import { hold, pullback } from "./grad.ts";
import { sum } from "./reduce.ts";

/** The arguments of the rule of {@link customVjp}. */
export interface CustomVjpContext {
  /** The cotangent of the output, of its shape. The rule must be linear in it. */
  readonly cotangent: Tensor;
  /** The inputs. */
  readonly inputs: readonly Tensor[];
  /** The output of `forward`. */
  readonly output: Tensor;
  /**
   * Multiplies the cotangent by a local derivative, which is recorded on demand: `times(() => cos(x))`. Where the result of the function
   * was not selected, by `where` for example, the product is 0 whatever the derivative is; `mul(cotangent, cos(x))` would be NaN where
   * the derivative is.
   */
  times(factor: () => Tensor): Tensor;
}

/** Options of {@link customVjp}. */
export interface CustomVjpOptions {
  /** The name on the tape, in errors and in reports; default that of `forward`, or "custom". */
  readonly name?: string;
  /**
   * Whether the derivative is meant to differ from that of `forward`, as a surrogate gradient; default false. A gradient check then takes
   * the rule as the derivative of this function, says so in its report, and checks all that is around it.
   */
  readonly surrogate?: boolean;
}

/** The gradients that a rule returns: for a function of one input a tensor, or else one for each input, `null` for none. */
export type CustomVjpResult = Tensor | readonly (Tensor | null)[];

const call = /* @__PURE__ */ new Signature<CustomVjpOptions>("customVjp(forward, vjp, options)", {
  name: string,
  surrogate: boolean,
});

/** The rule that a user wrote, checked and called once for each cotangent. */
class Rule {
  readonly #name: string;
  readonly #vjp: (context: CustomVjpContext) => CustomVjpResult;
  readonly #known = new WeakMap<Tensor, WeakMap<Tensor, readonly (Tensor | null)[]>>();
  /** The entries whose rule combines elements of the cotangent at different positions, or changes its shape. */
  readonly #mixes = new WeakSet<Tensor>();

  constructor(name: string, vjp: (context: CustomVjpContext) => CustomVjpResult) {
    this.#name = name;
    this.#vjp = vjp;
  }

  /** The gradients with respect to the inputs; `null` for those without. */
  gradients(context: CustomVjpContext): readonly (Tensor | null)[] {
    const { output, cotangent } = context;
    const byCotangent = this.#known.get(output) ?? new WeakMap();
    this.#known.set(output, byCotangent);
    const known = byCotangent.get(cotangent);
    if (known) return known;
    const gradients = this.#checked(this.#vjp(context), context.inputs);
    if (gradients.some((g) => g && mixes(g, cotangent))) this.#mixes.add(output);
    byCotangent.set(cotangent, gradients);
    return gradients;
  }

  /** The condition under which the cotangent of an input counts, given that of the output. */
  condition({ cotangent, output }: VjpContext, input: Tensor): Tensor {
    return this.#mixes.has(output) ? full(input.shape, true, { dtype: "bool" }) : cotangent;
  }

  #checked(result: CustomVjpResult, inputs: readonly Tensor[]): readonly (Tensor | null)[] {
    const gradients = result instanceof Tensor ? [result] : result;
    const expected = inputs.length === 1
      ? "a tensor, the gradient with respect to its input"
      : `an array of ${inputs.length} tensors, the gradients with respect to its inputs, or null for none`;
    if (!Array.isArray(gradients) || gradients.length !== inputs.length) {
      const advice = (result as unknown) instanceof Promise ? "; it is recorded, not run: it cannot be async" : "";
      throw this.#error(`expected vjp to return ${expected}, got ${describe(result)}${advice}`);
    }
    // Array.from, since forEach passes over holes.
    Array.from(gradients as readonly (Tensor | null | undefined)[], (g, k) => {
      if (g === null) return;
      if (!(g instanceof Tensor)) {
        throw this.#error(`expected vjp to return ${expected}, got ${describe(g)} as number ${k}`);
      }
      if (!sameShape(g.shape, inputs[k].shape)) {
        throw this.#error(
          `expected the gradient with respect to input ${k} of its shape ${formatShape(inputs[k].shape)}, got ${
            formatShape(g.shape)
          }`,
        );
      }
      if (g.dtype !== "float") {
        throw this.#error(`expected the gradient with respect to input ${k} of dtype float, got ${g.dtype}`);
      }
    });
    return gradients;
  }

  #error(message: string): Error {
    return new Error(`${this.#name}: ${message}`);
  }
}

/** Whether a gradient combines elements of the cotangent at different positions. */
function mixes(gradient: Tensor, cotangent: Tensor): boolean {
  const history = new Set([gradient]);
  // A set is visited in the order of insertion, what is added meanwhile included.
  for (const { inputs } of history) for (const input of inputs) if (input.id >= cotangent.id) history.add(input);
  const dependent = new Set([cotangent]);
  for (const entry of [...history].sort((a, b) => a.id - b.id)) {
    if (!entry.inputs.some((input) => dependent.has(input))) continue;
    if (opOf(entry).kernel.kind !== "elementwise" || !sameShape(entry.shape, cotangent.shape)) return true;
    dependent.add(entry);
  }
  return false;
}

/** The op of a function with this many inputs: its value is that of its first input, which `forward` made of the others. */
function customOp(name: string, count: number, rule: Rule, surrogate: boolean): Op {
  const gradient = (k: number) => (context: VjpContext): Tensor => {
    const inputs = context.inputs.slice(1);
    // Asked with the condition in place of the cotangent.
    if (context.cotangent.dtype === "bool") return rule.condition(context, inputs[k]);
    const own = { cotangent: context.cotangent, inputs, output: context.output, times: context.times };
    return rule.gradients(own)[k] ?? zeros(inputs[k].shape);
  };
  return {
    name,
    infer: ([y]) => ({ shape: y.shape, dtype: y.dtype }),
    kernel: { kind: "lowered", lower: ([y]) => y },
    vjp: [null, ...Array.from({ length: count }, (_, k) => gradient(k))],
    custom: surrogate ? { meant: (entry) => meant(entry, rule) } : {},
  };
}

/**
 * A function with the value of an entry whose derivative is what the rule says: y + L(x - x0), where y and x0 are held and L, the
 * transpose of the rule, is linear.
 */
function meant({ inputs: [y, ...inputs] }: Tensor, rule: Rule): Tensor {
  const held = inputs.map((x) => (x.dtype === "float" ? hold(x) : x));
  const cotangent = zeros(y.shape);
  const context = {
    cotangent,
    inputs: held,
    output: hold(y),
    times: (factor: () => Tensor) => mul(cotangent, factor()),
  };
  const terms = rule.gradients(context).flatMap((g, k) => (g ? [sum(mul(g, sub(inputs[k], held[k])))] : []));
  const [change] = terms.length === 0 ? [null] : pullback([[terms.reduce(add), full([], 1)]], [cotangent]).gradients;
  return change ? add(context.output, change) : context.output;
}

/**
 * A function of tensors with a derivative of one's own: a straight-through estimator, a gradient that is reversed or scaled, a formula
 * that is more accurate than what the ops of `forward` lead to. Like `jax.custom_vjp`. Both functions are made of ops, so the derivative
 * can be differentiated again.
 *
 * A gradient check compares the rule with `forward`; `{ surrogate: true }` says that they are meant to differ.
 *
 * @param forward takes tensors and returns one, `float`. Other tensors that it uses count as constant: {@link grad} throws if asked for a
 *   gradient with respect to one, unless it is detached.
 * @param vjp returns the gradients with respect to the inputs, each of its input's shape, from the cotangent of the output, in which it is linear.
 * @param options `name`: on the tape and in reports; `surrogate`: whether the derivative is meant to differ from that of `forward`.
 * @returns a function that takes what `forward` takes, tensors or their data.
 * @throws when called, if `forward` returns anything else; when differentiated, if `vjp` does not return the gradients with respect to all inputs.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { customVjp, exp, grad, log1p, mul, neg, round, sigmoid, sum, tensor } from "gpugrad";
 *
 * // Bengio et al., arXiv:1308.3432
 * const straightThrough = customVjp(round, ({ cotangent }) => cotangent, { surrogate: true });
 * // Ganin and Lempitsky, arXiv:1409.7495
 * const reversed = customVjp((x) => x, ({ cotangent }) => neg(cotangent), { surrogate: true });
 * const x = tensor([0.4, 1.7]);
 * assert.deepEqual(await grad(sum(straightThrough(x)), x).toArray(), [1, 1]);
 * assert.deepEqual(await grad(sum(reversed(mul(2, x))), x).toArray(), [-2, -2]);
 *
 * // softplus as it is written in papers; its own derivative is infinity / infinity for large x
 * const softplus = customVjp((x) => log1p(exp(x)), ({ inputs: [x], times }) => times(() => sigmoid(x)));
 * const large = tensor(800);
 * assert.equal(await grad(softplus(large), large).item(), 1);
 * ```
 */
export function customVjp<const T extends readonly Tensor[]>(
  forward: (...inputs: T) => Tensor,
  vjp: (context: CustomVjpContext) => CustomVjpResult,
  options: CustomVjpOptions = {},
): (...inputs: { [K in keyof T]: TensorLike }) => Tensor {
  call.check(arguments);
  if (typeof forward !== "function") throw call.wrong("forward", "a function of tensors", forward);
  if (typeof vjp !== "function") throw call.wrong("vjp", "a function, the rule of the derivative", vjp);
  const name = options.name ?? (forward.name || "custom");
  const rule = new Rule(name, vjp);
  const ops = new Map<number, Op>();
  return (...inputs) => {
    const own = new Signature(`${name}(...inputs)`);
    const tensors = inputs.map((x, i) => asTensor(own, `inputs[${i}]`, x));
    if (!tensors.some((t) => t.dtype === "float")) throw own.error("expected an input of dtype float, got none");
    const y: unknown = forward(...tensors as unknown as T);
    if (!(y instanceof Tensor) || y.dtype !== "float") {
      const advice = y instanceof Promise ? "; it is recorded, not run: it cannot be async" : "";
      throw own.error(`expected forward to return a tensor of dtype float, got ${describe(y)}${advice}`);
    }
    const count = tensors.length;
    if (!ops.has(count)) ops.set(count, customOp(name, count, rule, options.surrogate ?? false));
    return record(ops.get(count)!, [y, ...tensors]);
  };
}
