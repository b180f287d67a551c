/** Values of tensors that may stay on a device. */
import { realize, type RealizeOptions, Tensor } from "../../mod.ts";

/** Computes tensors, or trees of them, and reads them: the host has their `value` afterwards. */
export async function bring(tensors: readonly object[], options?: RealizeOptions): Promise<void> {
  await realize(tensors, options);
  await Promise.all(tensorsIn(tensors).map((t) => t.held!.read()));
}

function tensorsIn(part: unknown): Tensor[] {
  if (part instanceof Tensor) return [part];
  return typeof part === "object" && part !== null ? Object.values(part).flatMap(tensorsIn) : [];
}
