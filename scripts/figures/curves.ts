/** Losses and gradients over an argument, computed on the float64 device. */
import { grad, realize, sum, type Tensor, tensor } from "../../mod.ts";
import type { Curve } from "./draw.ts";

/** Evenly spaced numbers, both ends included, and besides them those on both sides of where there is a jump or a bend. */
export function spaced(from: number, to: number, jumps: readonly number[] = [], count = 97): number[] {
  const even = Array.from({ length: count }, (_, i) => Number((from + (to - from) * i / (count - 1)).toFixed(6)));
  const besides = jumps.flatMap((at) => [at - 1e-6, at + 1e-6]);
  return [...new Set([...even, ...besides])].sort((a, b) => a - b);
}

/** The curve of a loss whose elements are independent of each other: `[n]` arguments, `[n]` losses. */
export async function curve(
  name: string,
  x: readonly number[],
  loss: (x: Tensor) => Tensor,
): Promise<Curve> {
  const moving = tensor([...x]);
  const losses = loss(moving);
  const slopes = grad(sum(losses), moving, undefined, { allowUnused: true });
  await realize([losses, slopes]);
  return { name, losses: [...await losses.data()], gradients: [...await slopes.data()] };
}

/** A loss, and the derivative of it that is drawn. */
export interface Point {
  readonly loss: Tensor;
  readonly slope: Tensor;
}

/** The curve of a loss of many inputs, of which one number moves. */
export async function curveByPoint(
  name: string,
  x: readonly number[],
  point: (x: number) => Point,
): Promise<Curve> {
  const losses: number[] = [];
  const gradients: number[] = [];
  for (const at of x) {
    const { loss, slope } = point(at);
    await realize([loss, slope]);
    losses.push(await loss.item());
    gradients.push(await slope.item());
  }
  return { name, losses, gradients };
}
