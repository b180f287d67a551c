/** Gradient descent on the predictions themselves. */
import { LOGIT_ROWS } from "./network.ts";
import { type Batch, type Decisions, evaluate, type Evaluation, type Objective } from "./objective.ts";
import { withProgress } from "./progress.ts";
import { uniform } from "./random.ts";

const SEED = 300;
const STEPS = 40;
/**
 * The size of the initial shift: each location moves by half of this up to this, to either side; each logit by up to
 * this.
 */
const SHIFT = { locations: 3, logits: 5 };
/** Step sizes for gradients of one image's sums, whose elements reach 1. */
const RATE = { locations: 0.5, logits: 3 };

/** The result of the descent. */
export interface Descent {
  readonly start: Batch;
  readonly end: Batch;
  /** The loss before the first step and after each step. */
  readonly losses: readonly Evaluation[];
}

/** Shifts predictions away from their values, deterministically. */
export function shifted(batch: Batch): Batch {
  const random = uniform(SEED);
  const sign = () => (random() < 0.5 ? -1 : 1);
  return {
    ...batch,
    locations: batch.locations.map((v) => v + sign() * SHIFT.locations * (0.5 + random() / 2)),
    logits: batch.logits.map((v) => v + sign() * SHIFT.logits * random()),
  };
}

/**
 * Plain gradient descent. The loss divides by each image's positives and by the number of images, so gradients are
 * multiplied by both: a step then means the same for every element.
 */
export async function descend(objective: Objective, start: Batch, decisions: readonly Decisions[]): Promise<Descent> {
  const { count } = objective.boxes;
  const { images } = start;
  const scale = decisions.map(({ positives }) => images * positives.length);
  let batch = start;
  const losses: Evaluation[] = [await evaluate(objective, batch)];
  await withProgress("Gradient descent", Array.from({ length: STEPS }), async () => {
    const { dLocations, dLogits } = losses[losses.length - 1];
    const step = (values: Float32Array, gradient: ArrayLike<number>, rows: number, rate: number) =>
      values.map((v, i) => v - rate * scale[Math.floor(i / (rows * count))] * gradient[i]);
    batch = {
      ...batch,
      locations: step(batch.locations, dLocations, 4, RATE.locations),
      logits: step(batch.logits, dLogits, LOGIT_ROWS, RATE.logits),
    };
    losses.push(await evaluate(objective, batch));
  });
  return { start, end: batch, losses };
}
