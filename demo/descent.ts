/** The loss followed downhill: gradient descent on the predictions themselves. */
import { LOGIT_ROWS } from "./network.ts";
import { type Batch, type Decisions, evaluate, type Evaluation, type Objective } from "./objective.ts";
import { withProgress } from "./progress.ts";
import { uniform } from "./random.ts";

const SEED = 300;
const STEPS = 40;
/** How far predictions are shifted: locations each by up to this, to either side, but by no less than half; logits by up to this. */
const SHIFT = { locations: 3, logits: 5 };
/** Step sizes for gradients of one image's sums, whose elements reach 1. */
const RATE = { locations: 0.5, logits: 3 };

/** What came of the descent. */
export interface Descent {
  readonly start: Batch;
  readonly end: Batch;
  /** The loss before the first step and after each. */
  readonly losses: readonly Evaluation[];
}

/** Moves predictions away from where they are, repeatably. */
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
 * Plain gradient descent. The loss divides by an image's positives and by the images, so gradients are multiplied by both: a step
 * then means the same at every element.
 */
export async function descend(objective: Objective, start: Batch, decisions: readonly Decisions[]): Promise<Descent> {
  const { count } = objective.boxes;
  const { images } = start;
  const scale = decisions.map(({ positives }) => images * positives.length);
  let batch = start;
  const losses: Evaluation[] = [await evaluate(objective, batch)];
  await withProgress("Downhill", Array.from({ length: STEPS }), async () => {
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
