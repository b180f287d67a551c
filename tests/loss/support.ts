// Helpers for tests of the loss: running it, and comparing numbers.
import assert from "node:assert/strict";
import { DefaultBoxes, grad, realize, SSDLoss, type SSDLossOptions, tensor } from "../../mod.ts";
import { isSampled } from "../support/cells.ts";
import { devicesUnderTest, type DeviceUnderTest } from "../support/devices.ts";
import type { Scene } from "./reference.ts";

/** The devices that plans of the loss over few boxes are tried on. */
export async function devicesOfLoss(): Promise<DeviceUnderTest[]> {
  return (await devicesUnderTest()).filter(({ extent }) => extent !== "least" || !isSampled(extent));
}

/** The options of the loss among the fields of a scene. */
export function optionsOf({ alpha, iouThreshold, negPosRatio }: Scene): SSDLossOptions {
  return { alpha, iouThreshold, negPosRatio };
}

/** The result of the loss, as numbers. */
export interface Run {
  total: number;
  components: number[];
  gradLocations: Float64Array;
  gradLogits: Float64Array;
  /** By image: the target's row (-1 for none), class and flag of each default box. */
  target: number[][];
  label: number[][];
  positive: boolean[][];
}

/** The loss, its gradients and its matches, computed in one plan. */
export async function runLoss(scene: Scene, device: string, boxes?: DefaultBoxes): Promise<Run> {
  const { batch, numClasses, scaleXy, scaleWh } = scene;
  const defaultBoxes = boxes ?? DefaultBoxes.from(scene.boxes, { scaleXy, scaleWh });
  const n = defaultBoxes.count;
  const criterion = new SSDLoss(defaultBoxes, optionsOf(scene));
  const locations = tensor(Float64Array.from(scene.locations), [batch, 4, n]);
  const logits = tensor(Float64Array.from(scene.logits), [batch, numClasses + 1, n]);
  const { loss, components } = criterion.forward([locations, logits], scene.targets);
  const [gradLocations, gradLogits] = grad(loss, [locations, logits]);
  const { target, label, positive } = criterion.matchDefaultBoxes(scene.targets, batch);
  await realize([loss, components, gradLocations, gradLogits, target, label, positive], { device });
  return {
    total: await loss.item({ device }),
    components: [...await components.data({ device })],
    gradLocations: Float64Array.from(await gradLocations.data({ device })),
    gradLogits: Float64Array.from(await gradLogits.data({ device })),
    target: await target.toArray({ device }) as number[][],
    label: await label.toArray({ device }) as number[][],
    positive: await positive.toArray({ device }) as boolean[][],
  };
}

/** How closely numbers must agree: to a fraction of the larger one, or of `scale` if that is larger. */
export type Tolerance = number | { readonly relative: number; readonly scale: number };

/** Asserts that two numbers agree. */
export function close(actual: number, expected: number, tolerance: Tolerance, what: string): void {
  const { relative, scale } = typeof tolerance === "number" ? { relative: tolerance, scale: 0 } : tolerance;
  const bound = relative * Math.max(Math.abs(actual), Math.abs(expected), scale);
  if (Object.is(actual, expected) || Math.abs(actual - expected) <= bound) return;
  assert.fail(`${what}: expected ${expected}, got ${actual}, off by ${Math.abs(actual - expected)}, allowed ${bound}`);
}

/** Asserts that two arrays agree element by element. */
export function allClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
  what: string,
): void {
  assert.equal(actual.length, expected.length, `${what}: length`);
  for (let i = 0; i < actual.length; i++) close(actual[i], expected[i], tolerance, `${what}[${i}]`);
}
