/** Predictions of a network that was not trained: noise around the default boxes. */
import { randomFrom } from "../verify/random.ts";
import { DEFAULT_BOXES } from "./boxes.ts";

/** Locations `[4, boxes]` and logits `[classes + 1, boxes]`, row-major. */
export interface Predictions {
  readonly locations: Float32Array;
  readonly logits: Float32Array;
}

/** The background is the likeliest guess. */
const BACKGROUND = 1.5;

/** Noise that depends on the seed alone. */
export function randomPredictions(seed: number, classes: number): Predictions {
  const normal = normals(seed);
  const { length: count } = DEFAULT_BOXES;
  return {
    locations: Float32Array.from({ length: 4 * count }, () => 0.9 * normal()),
    logits: Float32Array.from(
      { length: (classes + 1) * count },
      (_, i) => normal() + (i < count ? BACKGROUND : 0),
    ),
  };
}

/** Predictions of which some elements are changed: `l` or `c` and the position, with the value. */
export function edited({ locations, logits }: Predictions, changes: Iterable<readonly [string, number]>): Predictions {
  const result = { locations: Float32Array.from(locations), logits: Float32Array.from(logits) };
  for (const [key, value] of changes) {
    const values = key[0] === "l" ? result.locations : result.logits;
    const at = Number(key.slice(1));
    if (at < values.length) values[at] = value;
  }
  return result;
}

/** Normally distributed numbers, by Box and Muller. */
function normals(seed: number): () => number {
  const uniform = randomFrom(seed * 0x9e3779b9);
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}
