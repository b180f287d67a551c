// The reference of the tests: the SSD loss as plain loops over numbers, without gpugrad.

/** All inputs of the loss. */
export interface Scene {
  /** cx, cy, w, h of each default box. */
  boxes: readonly (readonly number[])[];
  scaleXy: number;
  scaleWh: number;
  batch: number;
  numClasses: number;
  alpha: number;
  iouThreshold: number;
  negPosRatio: number;
  /** Row-major over [batch, 4, boxes]. */
  locations: ArrayLike<number>;
  /** Row-major over [batch, numClasses + 1, boxes]. */
  logits: ArrayLike<number>;
  /** image, label, cx, cy, w, h. */
  targets: readonly (readonly number[])[];
}

/** The decisions about one image; each list has an entry for each default box. */
export interface Decisions {
  /** The row of the target, -1 for none. */
  target: number[];
  /** The target's label + 1, or 0 for background. */
  label: number[];
  /** How many times the cross-entropy counts: 0, 1, or 2 for positives that are also mined. */
  weight: number[];
}

/** The value of the loss and its gradients, given decisions. */
export interface Values {
  total: number;
  smoothL1: number;
  closs: number;
  /** By image. */
  smoothL1OfImage: number[];
  clossOfImage: number[];
  gradLocations: Float64Array;
  gradLogits: Float64Array;
}

/** Rounds each result of arithmetic to float32, or not at all. */
type Round = (x: number) => number;
const exact: Round = (x) => x;

/** IoU of two boxes given by centre and size, with each operation rounded, in the order that decides ties. */
export function iou(a: readonly number[], b: readonly number[], r: Round = exact): number {
  const edges = (box: readonly number[], axis: number): [number, number] => {
    const half = r(r(box[axis + 2]) / 2);
    return [r(r(box[axis]) - half), r(r(box[axis]) + half)];
  };
  let intersection = 1, areaA = 1, areaB = 1;
  for (const axis of [0, 1]) {
    const [lowA, highA] = edges(a, axis);
    const [lowB, highB] = edges(b, axis);
    const overlap = Math.max(0, r(Math.min(highA, highB) - Math.max(lowA, lowB)));
    intersection = r(intersection * overlap);
    areaA = r(areaA * r(highA - lowA));
    areaB = r(areaB * r(highB - lowB));
  }
  const union = r(r(r(areaA + areaB) - intersection) + r(1e-9));
  return r(intersection / union);
}

/** The target of each default box of an image, as a row of `targets`, -1 for none. */
export function match(scene: Scene, image: number, r: Round = exact): number[] {
  const rows = scene.targets.map((_, row) => row).filter((row) => scene.targets[row][0] === image);
  const matched = scene.boxes.map((box) => {
    let best = -1, bestIou = -Infinity;
    for (const row of rows) {
      const overlap = iou(scene.targets[row].slice(2), box, r);
      if (overlap > bestIou) [best, bestIou] = [row, overlap];
    }
    return bestIou > r(scene.iouThreshold) ? best : -1;
  });
  for (const row of rows) {
    let best = 0, bestIou = -Infinity;
    scene.boxes.forEach((box, i) => {
      const overlap = iou(scene.targets[row].slice(2), box, r);
      if (overlap > bestIou) [best, bestIou] = [i, overlap];
    });
    matched[best] = row; // later targets overwrite earlier ones
  }
  return matched;
}

/** Log-sum-exp and the logits of one default box. */
function classifierOf(scene: Scene, image: number, box: number): { logits: number[]; lse: number } {
  const classes = scene.numClasses + 1, n = scene.boxes.length;
  const logits = Array.from({ length: classes }, (_, c) => scene.logits[(image * classes + c) * n + box]);
  const most = Math.max(...logits);
  return { logits, lse: most + Math.log(logits.reduce((s, x) => s + Math.exp(x - most), 0)) };
}

/** The cross-entropies of an image's default boxes. */
export function crossEntropies(scene: Scene, image: number, label: readonly number[]): number[] {
  return label.map((c, i) => {
    const { logits, lse } = classifierOf(scene, image, i);
    return lse - logits[c];
  });
}

/** Marks the mined default boxes: 1 or 0 each. */
export function mine(scene: Scene, image: number, label: readonly number[], r: Round = exact): number[] {
  const hardness = crossEntropies(scene, image, label).map((value, i) => (label[i] > 0 ? 0 : value));
  const positives = label.filter((c) => c > 0).length;
  const wanted = Math.min(r(r(scene.negPosRatio) * positives), label.length);
  const order = label.map((_, i) => i).sort((i, j) => hardness[j] - hardness[i] || i - j);
  const mined = label.map(() => 0);
  order.forEach((box, rank) => (mined[box] = rank < wanted ? 1 : 0));
  return mined;
}

/**
 * The distance between the hardest default box that is not mined and the easiest that is; Infinity if all or none are
 * mined. Below the precision of a device, rounding decides which is mined.
 */
export function miningMargin(
  scene: Scene,
  image: number,
  { label, weight }: Pick<Decisions, "label" | "weight">,
): number {
  const losses = crossEntropies(scene, image, label);
  // Equal logits have equal losses in any arithmetic, and positives are always 0: such ties do not depend on rounding.
  const kind = label.map((c, i) => (c > 0 ? "positive" : classifierOf(scene, image, i).logits.join()));
  const hardness = label.map((c, i) => (c > 0 ? 0 : losses[i]));
  const mined = label.map((c, i) => weight[i] - (c > 0 ? 1 : 0) > 0);
  let margin = Infinity;
  for (let i = 0; i < label.length; i++) {
    for (let j = 0; j < label.length; j++) {
      if (mined[i] && !mined[j] && kind[i] !== kind[j]) margin = Math.min(margin, hardness[i] - hardness[j]);
    }
  }
  return margin;
}

/** All decisions, by image. */
export function decide(scene: Scene, { single = false } = {}): Decisions[] {
  const r = single ? Math.fround : exact;
  return Array.from({ length: scene.batch }, (_, image) => {
    const target = match(scene, image, r);
    const label = target.map((row) => (row < 0 ? 0 : scene.targets[row][1] + 1));
    const mined = mine(scene, image, label, r);
    return { target, label, weight: label.map((c, i) => (c > 0 ? 1 : 0) + mined[i]) };
  });
}

/** Loss and gradients for fixed decisions. */
export function evaluate(scene: Scene, decisions: readonly Decisions[]): Values {
  const { batch, alpha, boxes } = scene;
  const n = boxes.length, classes = scene.numClasses + 1;
  const gradLocations = new Float64Array(batch * 4 * n);
  const gradLogits = new Float64Array(batch * classes * n);
  const smoothL1OfImage: number[] = [], clossOfImage: number[] = [];
  let total = 0;
  decisions.forEach(({ target, label, weight }, image) => {
    const positives = target.filter((row) => row >= 0).length;
    const share = positives > 0 ? 1 / (positives * batch) : 0;
    let smoothL1 = 0, closs = 0;
    for (let i = 0; i < n; i++) {
      if (target[i] >= 0) {
        const wanted = scene.targets[target[i]].slice(2);
        for (let k = 0; k < 4; k++) {
          const encoded = k < 2
            ? (wanted[k] - boxes[i][k]) / boxes[i][k + 2] / scene.scaleXy
            : Math.log(wanted[k] / boxes[i][k]) / scene.scaleWh;
          const at = (image * 4 + k) * n + i;
          const d = scene.locations[at] - encoded;
          smoothL1 += Math.abs(d) < 1 ? 0.5 * d * d : Math.abs(d) - 0.5;
          gradLocations[at] = (2 - alpha) * share * Math.max(-1, Math.min(1, d));
        }
      }
      if (weight[i] > 0) {
        const { logits, lse } = classifierOf(scene, image, i);
        closs += weight[i] * (lse - logits[label[i]]);
        for (let c = 0; c < classes; c++) {
          const slope = Math.exp(logits[c] - lse) - (c === label[i] ? 1 : 0);
          gradLogits[(image * classes + c) * n + i] = alpha * share * weight[i] * slope;
        }
      }
    }
    smoothL1OfImage.push(smoothL1);
    clossOfImage.push(closs);
    total += share * ((2 - alpha) * smoothL1 + alpha * closs);
  });
  const mean = (values: number[]) => values.reduce((s, x) => s + x, 0) / batch;
  return {
    total,
    smoothL1: mean(smoothL1OfImage),
    closs: mean(clossOfImage),
    smoothL1OfImage,
    clossOfImage,
    gradLocations,
    gradLogits,
  };
}

/** The scene rounded to float32. */
export function inSingle(scene: Scene): Scene {
  return {
    ...scene,
    boxes: scene.boxes.map((box) => box.map(Math.fround)),
    targets: scene.targets.map((row) => row.map(Math.fround)),
    locations: Float32Array.from(scene.locations),
    logits: Float32Array.from(scene.logits),
  };
}

/** The cross-entropies of an image that count for given labels, and how close rounding is to mining others. */
export function hardMiningLoss(
  scene: Scene,
  image: number,
  label: number[],
  { single = false } = {},
): { closs: number; margin: number } {
  const mined = mine(scene, image, label, single ? Math.fround : exact);
  const weight = label.map((c, i) => (c > 0 ? 1 : 0) + mined[i]);
  const closs = crossEntropies(scene, image, label).reduce((sum, value, i) => sum + value * weight[i], 0);
  return { closs, margin: miningMargin(scene, image, { label, weight }) };
}
