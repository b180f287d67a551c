/** Values of tensors that may stay on a device. */
import { realize, type RealizeOptions, type Tensor } from "../../mod.ts";

/** Computes tensors and reads them: the host has their `value` afterwards. */
export async function bring(tensors: readonly Tensor[], options?: RealizeOptions): Promise<void> {
  await realize(tensors, options);
  await Promise.all(tensors.map((t) => t.held!.read()));
}
