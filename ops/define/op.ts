/** How ops and composites become functions that users call. */
import type { Entry, Op } from "../../core/op.ts";
import { type Declared, Signature } from "../../core/options.ts";
import type { Attributes, Tensor } from "../../core/tensor.ts";

// deno-lint-ignore no-explicit-any
type TensorFunction = (...args: any[]) => Tensor | readonly Tensor[] | { readonly values: Tensor };

/** The property of a function that records an op. */
export interface WithOp {
  /** @internal */
  readonly op: Op;
}

/** The property of a function that is made of ops. */
export interface WithComposite {
  /** @internal */
  readonly composite: Entry;
}

/** A function that users call, with the record of the op that it records. */
export type OpFunction<F> = F & WithOp;

/** A function that users call and that is made of ops, with the facts that it is tested by. */
export type CompositeFunction<F> = F & WithComposite;

/** A call as text, `exp(x)`, and its options if the last parameter takes some. */
export type Call<O extends object> = string | readonly [text: string, options: Declared<O>];

/** The signature of a call. */
function signatureOf<O extends object>(call: Call<O>): Signature<O> {
  return typeof call === "string" ? new Signature<O>(call) : new Signature<O>(...call);
}

/** Puts a record on a function. It is not enumerable, so that consoles print the function alone. */
function withRecord<F extends TensorFunction, K extends string, R extends { readonly name: string }>(
  fn: F,
  key: K,
  record: R,
): F & { readonly [key in K]: R } {
  Object.defineProperty(fn, "name", { value: record.name, configurable: true });
  Object.defineProperty(fn, key, { value: record });
  return fn as F & { readonly [key in K]: R };
}

/** Defines an op whose function takes further arguments. */
export function structured<F extends TensorFunction, A extends Attributes, O extends object>(
  op: Op<A>,
  call: Call<O>,
  make: (op: Op<A>, call: Signature<O>) => F,
): OpFunction<F> {
  return withRecord(make(op, signatureOf(call)), "op", op as Op);
}

/** Defines a composite: a function made of ops, without a derivative rule. */
export function composite<F extends TensorFunction, A extends Attributes, O extends object>(
  entry: Entry<A>,
  call: Call<O>,
  make: (call: Signature<O>) => F,
): CompositeFunction<F> {
  return withRecord(make(signatureOf(call)), "composite", entry as Entry);
}
