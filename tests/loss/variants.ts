// Variants of the SSD loss as plain data, with the loss as plain loops over numbers, without gpugrad.
import fc from "fast-check";
import type { SSDLossOptions } from "../../mod.ts";
import { terms } from "../../mod.ts";
import { crossEntropies, iou, type Scene } from "./reference.ts";

/** A choice of each switch. */
export interface Variant {
  matching: { bipartite: number | null } | {
    threshold: number;
    inclusive: boolean;
    minimumForced: number;
    ignoreFrom?: number;
  };
  localisation: { beta: number } | { kind: "iou" | "giou" };
  classification:
    | { weighted: boolean; labelSmoothing: number }
    | { gamma: number; alpha: number; activation: "softmax" | "sigmoid" };
  mining: null | {
    ratio: number;
    minimum: number;
    score: "loss" | "background";
    scope: "image" | "batch";
    countPositivesOnce: boolean;
  };
  normaliser: "imagePositives" | "batchPositives" | "images" | "none";
  withoutPositives: "nothing" | "negatives";
  weights: { localisation: number; classification: number };
  targetWeights: boolean;
}

/** Overlaps of boxes with coordinates on a grid, often exactly: they decide whether a threshold is inclusive. */
const share = fc.constantFrom(0, 0.125, 0.25, 0.5);

export const variants: fc.Arbitrary<Variant> = fc.record({
  matching: fc.oneof(
    fc.record({
      threshold: fc.constantFrom(0.25, 0.5),
      inclusive: fc.boolean(),
      minimumForced: share,
      ignoreFrom: fc.option(fc.constantFrom(0, 0.125, 0.25), { nil: undefined }),
    }),
    fc.record({ bipartite: fc.option(fc.constantFrom(0.25, 0.5)) }),
  ),
  localisation: fc.oneof(
    fc.record({ beta: fc.constantFrom(0, 0.5, 1) }),
    fc.record({ kind: fc.constantFrom("iou" as const, "giou" as const) }),
  ),
  classification: fc.oneof(
    fc.record({ weighted: fc.boolean(), labelSmoothing: fc.constantFrom(0, 0.1) }),
    fc.record({
      gamma: fc.constantFrom(0, 1.5, 2),
      alpha: fc.constantFrom(-1, 0.25),
      activation: fc.constantFrom("softmax" as const, "sigmoid" as const),
    }),
  ),
  mining: fc.option(
    fc.record({
      ratio: fc.constantFrom(1, 2.5, 3),
      minimum: fc.constantFrom(0, 4),
      score: fc.constantFrom("loss" as const, "background" as const),
      scope: fc.constantFrom("image" as const, "batch" as const),
      countPositivesOnce: fc.boolean(),
    }),
  ),
  normaliser: fc.constantFrom("imagePositives" as const, "batchPositives" as const, "images" as const, "none" as const),
  withoutPositives: fc.constantFrom("nothing" as const, "negatives" as const),
  weights: fc.record({ localisation: fc.constantFrom(1, 2), classification: fc.constantFrom(0.5, 1) }),
  targetWeights: fc.boolean(),
});

const classWeight = (c: number) => 1 + c / 4;
export const targetWeight = (row: number) => 0.5 + (row % 3);

/** The options that choose a variant. */
export function optionsOf(variant: Variant, { numClasses }: Scene): SSDLossOptions {
  const { matching, localisation, classification, mining } = variant;
  const { normaliser, withoutPositives, weights } = variant;
  const weight = Array.from({ length: numClasses + 1 }, (_, c) => classWeight(c));
  return {
    matching: "bipartite" in matching
      ? terms.bipartite({ threshold: matching.bipartite })
      : terms.bestOverlap(matching),
    localisation: "kind" in localisation ? terms.boxIou(localisation) : terms.smoothL1(localisation),
    classification: "gamma" in classification ? terms.focal(classification) : terms.crossEntropy({
      labelSmoothing: classification.labelSmoothing,
      ...(classification.weighted ? { weight } : {}),
    }),
    mining: mining ? terms.hardest(mining) : terms.allNegatives(),
    normaliser,
    withoutPositives,
    weights,
  };
}

interface Matched {
  /** The row of each default box's target, -1 for none. */
  target: number[];
  ignored: boolean[];
}

function match({ matching }: Variant, scene: Scene, image: number): Matched {
  const rows = scene.targets.flatMap((target, row) => (target[0] === image ? [row] : []));
  const overlaps = rows.map((row) => scene.boxes.map((box) => iou(scene.targets[row].slice(2), box)));
  const best = scene.boxes.map((_, i) => {
    let at = -1;
    rows.forEach((_, g) => (at = at < 0 || overlaps[g][i] > overlaps[at][i] ? g : at));
    return at;
  });
  const overlapOf = (i: number) => (best[i] < 0 ? -1 : overlaps[best[i]][i]);
  const target = scene.boxes.map(() => -1);
  if ("bipartite" in matching) {
    const { bipartite } = matching;
    const taken = new Set<number>();
    for (let step = 0; step < Math.min(rows.length, target.length); step++) {
      let pair: [number, number] | null = null;
      rows.forEach((_, g) =>
        overlaps[g].forEach((overlap, i) => {
          if (taken.has(g) || target[i] >= 0) return;
          if (!pair || overlap > overlaps[pair[0]][pair[1]]) pair = [g, i];
        })
      );
      const [g, i] = pair!;
      taken.add(g);
      target[i] = rows[g];
    }
    if (bipartite !== null) target.forEach((t, i) => t < 0 && overlapOf(i) > bipartite && (target[i] = rows[best[i]]));
    return { target, ignored: target.map(() => false) };
  }
  const { threshold, inclusive, minimumForced, ignoreFrom } = matching;
  target.forEach((_, i) => {
    const overlap = overlapOf(i);
    if (inclusive ? overlap >= threshold : overlap > threshold) target[i] = rows[best[i]];
  });
  rows.forEach((row, g) => {
    let at = 0;
    overlaps[g].forEach((overlap, i) => (at = overlap > overlaps[g][at] ? i : at));
    if (overlaps[g][at] >= minimumForced) target[at] = row;
  });
  return { target, ignored: target.map((t, i) => ignoreFrom !== undefined && t < 0 && overlapOf(i) >= ignoreFrom) };
}

/** The loss of classification of each default box. */
function classify({ classification }: Variant, scene: Scene, image: number, label: readonly number[]): number[] {
  const n = scene.boxes.length, classes = scene.numClasses + 1;
  const logit = (c: number, i: number) => scene.logits[(image * classes + c) * n + i];
  const of = (c: number) => crossEntropies(scene, image, label.map(() => c));
  if (!("gamma" in classification)) {
    const { weighted, labelSmoothing: smoothing } = classification;
    const weight = (c: number) => (weighted ? classWeight(c) : 1);
    const all = Array.from({ length: classes }, (_, c) => of(c));
    return label.map((own, i) => {
      const spread = all.reduce((sum, losses, c) => sum + weight(c) * losses[i], 0) / classes;
      return (1 - smoothing) * weight(own) * all[own][i] + smoothing * spread;
    });
  }
  const { gamma, alpha, activation } = classification;
  const factor = (positive: boolean) => (alpha < 0 ? 1 : positive ? alpha : 1 - alpha);
  if (activation === "softmax") {
    return crossEntropies(scene, image, label).map((loss, i) =>
      factor(label[i] > 0) * Math.max(0, 1 - Math.exp(-loss)) ** gamma * loss
    );
  }
  return label.map((own, i) => {
    let sum = 0;
    for (let c = 1; c < classes; c++) {
      const x = c === own ? logit(c, i) : -logit(c, i);
      const p = 1 / (1 + Math.exp(-x));
      const loss = Math.max(-x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
      sum += factor(c === own) * (1 - p) ** gamma * loss;
    }
    return sum;
  });
}

/** The loss of the location of the default box `i` of an image, matched to a row. */
function localise({ localisation }: Variant, scene: Scene, [image, i]: readonly [number, number], row: number): number {
  const n = scene.boxes.length;
  const predicted = [0, 1, 2, 3].map((k) => scene.locations[(image * 4 + k) * n + i]);
  const box = scene.boxes[i];
  const wanted = scene.targets[row].slice(2);
  if ("beta" in localisation) {
    const { beta } = localisation;
    return predicted.reduce((sum, x, k) => {
      const encoded = k < 2
        ? (wanted[k] - box[k]) / box[k + 2] / scene.scaleXy
        : Math.log(wanted[k] / box[k]) / scene.scaleWh;
      const d = Math.abs(x - encoded);
      return sum + (d < beta ? 0.5 * d * d / beta : d - 0.5 * beta);
    }, 0);
  }
  const decoded = predicted.map((x, k) =>
    k < 2 ? x * scene.scaleXy * box[k + 2] + box[k] : Math.exp(x * scene.scaleWh) * box[k]
  );
  const span = ([c, length]: number[]) => [c - length / 2, c + length / 2];
  const along = [0, 1].map((k) => {
    const [a, b] = [span([decoded[k], decoded[k + 2]]), span([wanted[k], wanted[k + 2]])];
    return {
      overlap: Math.max(0, Math.min(a[1], b[1]) - Math.max(a[0], b[0])),
      hull: Math.max(a[1], b[1]) - Math.min(a[0], b[0]),
      lengths: [a[1] - a[0], b[1] - b[0]],
    };
  });
  const intersection = along[0].overlap * along[1].overlap;
  const union = along[0].lengths[0] * along[1].lengths[0] + along[0].lengths[1] * along[1].lengths[1] - intersection;
  const hull = along[0].hull * along[1].hull;
  const loss = 1 - intersection / (union + 1e-7);
  return localisation.kind === "iou" ? loss : loss + (hull - union) / (hull + 1e-7);
}

/** Marks what is selected, given scores with positives set to 0; all images at once with the scope of the batch. */
function select(wanted: number, scores: readonly number[]): boolean[] {
  const order = scores.map((_, i) => i).sort((i, j) => scores[j] - scores[i] || i - j);
  const selected = scores.map(() => false);
  order.forEach((i, rank) => (selected[i] = rank < Math.min(wanted, scores.length)));
  return selected;
}

function mine(variant: Variant, scene: Scene, matched: readonly Matched[], losses: readonly number[][]): boolean[][] {
  const { mining } = variant;
  const positive = matched.map(({ target }) => target.map((row) => row >= 0));
  if (!mining) return positive.map((own, b) => own.map((p, i) => !p && !matched[b].ignored[i]));
  const { ratio, minimum, score, scope, countPositivesOnce } = mining;
  const scores = losses.map((own, b) => {
    const ranked = score === "loss" ? own : crossEntropies(scene, b, own.map(() => 0));
    return ranked.map((x, i) => (matched[b].ignored[i] ? -Infinity : positive[b][i] ? 0 : x));
  });
  const count = (b: number) => positive[b].filter(Boolean).length;
  const all = scope === "batch"
    ? select(Math.max(minimum, ratio * positive.reduce((sum, _, b) => sum + count(b), 0)), scores.flat())
    : scores.flatMap((own, b) => select(Math.max(minimum, ratio * count(b)), own));
  return positive.map((own, b) =>
    own.map((p, i) => all[b * own.length + i] && !matched[b].ignored[i] && !(countPositivesOnce && p))
  );
}

/** The loss of a variant. */
export function lossOf(variant: Variant, scene: Scene): number {
  const images = Array.from({ length: scene.batch }, (_, b) => b);
  const matched = images.map((b) => match(variant, scene, b));
  const labels = matched.map(({ target }) => target.map((row) => (row < 0 ? 0 : scene.targets[row][1] + 1)));
  const losses = images.map((b) => classify(variant, scene, b, labels[b]));
  const selected = mine(variant, scene, matched, losses);
  const weightOf = (row: number) => (variant.targetWeights ? targetWeight(row) : 1);
  const { weights, normaliser, withoutPositives } = variant;
  let total = 0, positives = 0;
  for (const b of images) {
    let [localisation, classification, count] = [0, 0, 0];
    matched[b].target.forEach((row, i) => {
      const weight = row < 0 ? 1 : weightOf(row);
      if (row >= 0) {
        count++;
        localisation += weight * localise(variant, scene, [b, i], row);
        classification += weight * losses[b][i];
      }
      if (selected[b][i]) classification += weight * losses[b][i];
    });
    positives += count;
    const own = weights.localisation * localisation + weights.classification * classification;
    if (count === 0 && withoutPositives === "nothing") continue;
    total += normaliser === "imagePositives" ? own / Math.max(1, count) / scene.batch : own;
  }
  if (normaliser === "batchPositives") return total / Math.max(1, positives);
  return normaliser === "images" ? total / scene.batch : total;
}
