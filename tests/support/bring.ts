/** Values of tensors that may stay on a device. */
import { realize, type RealizeOptions, type Tensor } from "../../mod.ts";

/** Computes tensors, also those in arrays and objects as {@link realize} does, and reads them: the host has their `value` afterwards. */
export async function bring(tensors: readonly object[], options?: RealizeOptions): Promise<void> {
  await realize(tensors, options);
  await Promise.all(tensorsIn(tensors).map((t) => t.held!.read()));
}

function tensorsIn(part: unknown): Tensor[] {
  if (typeof part !== "object" || part === null) return [];
  return "op" in part && "shape" in part ? [part as Tensor] : Object.values(part).flatMap(tensorsIn);
}
