/**
 * Custom gradients of jax-js, checked as plain functions of arrays: one that is right, and one that is not.
 *
 *     gpugrad check examples/libraries/jax_js.ts
 */
import { defaultDevice, grad, init, jit, lax, numpy as np } from "@jax-js/jax";
import { check, type PlainFunction, tensors } from "gpugrad/verify";

type Scalar = (x: np.Array) => np.Array;

// jax-js refers to Float16Array, which Node has since version 24.
if (!("Float16Array" in globalThis)) Object.assign(globalThis, { Float16Array: class {} });
await init("cpu");
defaultDevice("cpu");

/** The value of one function with the slope of another: `x - stopGradient(x)` is 0 with a derivative of 1. */
function withSlope(f: Scalar, slope: Scalar): Scalar {
  return (x) => {
    const step = x.ref.sub(lax.stopGradient(x.ref));
    return lax.stopGradient(f(x.ref)).add(lax.stopGradient(slope(x)).mul(step));
  };
}

/** log(cosh(x)) without overflow. */
const logCosh: Scalar = (x) => np.logaddexp(x.ref, np.negative(x)).sub(Math.LN2);

const smooth = withSlope(logCosh, np.tanh);
/** The slope of cosh, not of its logarithm. */
const steep = withSlope(logCosh, np.sinh);

/** A function of jax-js as a function of arrays, with the gradient that `grad` finds. */
function plain(f: Scalar): PlainFunction {
  const loss = jit((x: np.Array) => np.sum(f(x)));
  const gradient = jit(grad(loss));
  const array = (x: ArrayLike<number>) => np.array(Array.from(x), { dtype: np.float64 });
  return {
    value: ([x]) => loss(array(x)).item() as number,
    gradient: ([x]) => [gradient(array(x)).dataSync() as Float64Array],
  };
}

export const right = check(plain(smooth), tensors([[3]]), { names: ["x"], runs: 10 });
export const wrong = check(plain(steep), tensors([[3]]), { names: ["x"], runs: 10 });
