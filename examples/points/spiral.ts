/** Points on the arms of a spiral, which no straight line separates. */
import { type Tensor, tensor } from "gpugrad";

/** The number of arms, each a class. */
export const ARMS = 3;
const EACH = 40;

/** The points, `[120, 2]`, and the arm of each, `[120]`. */
export interface Points {
  readonly points: Float32Array;
  readonly arms: Int32Array;
}

export function spiral(): Points {
  const points: number[] = [];
  const arms: number[] = [];
  for (let arm = 0; arm < ARMS; arm++) {
    for (let i = 0; i < EACH; i++) {
      const radius = (i + 1) / EACH;
      // A sine of many turns scatters the points without a generator.
      const angle = 2 * Math.PI * (arm / ARMS + 0.6 * radius) + 0.2 * Math.sin(97 * (i + arm));
      points.push(radius * Math.cos(angle), radius * Math.sin(angle));
      arms.push(arm);
    }
  }
  return { points: new Float32Array(points), arms: new Int32Array(arms) };
}

/** The same as tensors. */
export function spiralTensors(): { readonly points: Tensor; readonly arms: Tensor } {
  const { points, arms } = spiral();
  return { points: tensor(points, [arms.length, 2]), arms: tensor(arms) };
}
