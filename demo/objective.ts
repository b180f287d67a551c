/** The loss of a batch of predictions, its gradients and its decisions. */
import { DefaultBoxes, type DeviceChoice, grad, realize, SSDLoss, type Tensor, tensor } from "../mod.ts";
import { ENCODING, LOGIT_ROWS, type Network, type RawOutput } from "./network.ts";
import { type Photograph, targetsOf } from "./photographs.ts";

/** Predictions for several photographs, concatenated, and their faces. */
export interface Batch {
  readonly images: number;
  /** `[images, 4, boxes]` */
  readonly locations: Float32Array;
  /** `[images, 3, boxes]` */
  readonly logits: Float32Array;
  readonly targets: readonly (readonly number[])[];
}

/** The loss and its gradients at some predictions. */
export interface Evaluation {
  readonly loss: number;
  /** In the order of `componentNames`. */
  readonly components: readonly number[];
  readonly dLocations: Float32Array | Float64Array;
  readonly dLogits: Float32Array | Float64Array;
}

/** The decisions of the loss about one image's default boxes. */
export interface Decisions {
  /** Default boxes matched to a face. */
  readonly positives: readonly number[];
  /** Negatives that were mined as the hardest. */
  readonly mined: readonly number[];
  /** For each default box, the row of the face that it is matched to, or -1. */
  readonly target: ArrayLike<number>;
}

/** The network's default boxes and the loss over them. */
export interface Objective {
  readonly boxes: DefaultBoxes;
  readonly criterion: SSDLoss;
}

/** Makes the loss over a network's own default boxes, with the settings of the SSD paper. */
export function objectiveFor(network: Network): Objective {
  const boxes = DefaultBoxes.from(network.defaultBoxes, ENCODING);
  return { boxes, criterion: new SSDLoss(boxes, { alpha: 1, iouThreshold: 0.5, negPosRatio: 3 }) };
}

/** Makes one batch of the network's outputs for several photographs. */
export function batchOf(photographs: readonly Photograph[], outputs: readonly RawOutput[]): Batch {
  return {
    images: photographs.length,
    locations: joined(outputs.map((o) => o.locations)),
    logits: joined(outputs.map((o) => o.logits)),
    targets: targetsOf(photographs),
  };
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Records loss, components and both gradients; nothing is computed yet. */
export function record(
  { boxes, criterion }: Objective,
  { images, locations, logits, targets }: Batch,
): [loss: Tensor, components: Tensor, dLocations: Tensor, dLogits: Tensor] {
  const x = tensor(locations, [images, 4, boxes.count]);
  const c = tensor(logits, [images, LOGIT_ROWS, boxes.count]);
  const { loss, components } = criterion.forward([x, c], targets);
  const [dx, dc] = grad(loss, [x, c]);
  return [loss, components, dx, dc];
}

/** Computes all of it in one plan, forward and backward together. */
export async function evaluate(objective: Objective, batch: Batch, device?: DeviceChoice): Promise<Evaluation> {
  const recorded = record(objective, batch);
  await realize(recorded, { device });
  const [loss, components, dx, dc] = recorded;
  return {
    loss: await loss.item({ device }),
    components: Array.from(await components.data({ device })),
    dLocations: await dx.data({ device }) as Float32Array,
    dLogits: await dc.data({ device }) as Float32Array,
  };
}

/** Returns matching and mining for each image of a batch. A negative was mined if its logits have a gradient. */
export async function decide(
  { boxes, criterion }: Objective,
  { images, targets }: Batch,
  { dLogits }: Evaluation,
): Promise<Decisions[]> {
  const matches = criterion.matchDefaultBoxes(targets, images);
  await realize([matches.target, matches.positive]);
  const target = await matches.target.data();
  const positive = await matches.positive.data();
  const { count } = boxes;
  return Array.from({ length: images }, (_, image) => {
    const own = positive.subarray(image * count, (image + 1) * count);
    const counts = countingBoxes(dLogits.subarray(image * LOGIT_ROWS * count, (image + 1) * LOGIT_ROWS * count), count);
    return {
      positives: indices(count, (i) => own[i] === 1),
      mined: indices(count, (i) => own[i] === 0 && counts[i] === 1),
      target: target.subarray(image * count, (image + 1) * count),
    };
  });
}

/** Marks the default boxes of one image that count in classification: 1 if any of the logits has a gradient. */
export function countingBoxes(dLogits: ArrayLike<number>, count: number): Uint8Array {
  const counts = new Uint8Array(count);
  for (let i = 0; i < dLogits.length; i++) if (dLogits[i] !== 0) counts[i % count] = 1;
  return counts;
}

function indices(count: number, wanted: (i: number) => boolean): number[] {
  return Array.from({ length: count }, (_, i) => i).filter(wanted);
}

/** The Euclidean norm. */
export function norm(values: Iterable<number>): number {
  let squares = 0;
  for (const v of values) squares += v * v;
  return Math.sqrt(squares);
}

/**
 * The gradient norm at each default box of a photograph evaluated by itself, over its four locations and its logits.
 */
export function gradientPerBox({ dLocations, dLogits }: Evaluation, count: number): Float64Array {
  const squares = new Float64Array(count);
  for (const part of [dLocations, dLogits]) part.forEach((v, i) => (squares[i % count] += v * v));
  return squares.map(Math.sqrt);
}
