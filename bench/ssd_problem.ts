/** The problem of the benchmarks: SSD300, 80 classes, eight targets per image, the same numbers in each run. */
import { type DefaultBoxes, grad, SSDLoss, type Tensor, tensor } from "../mod.ts";

export const classes = 80;
export const perImage = 8;

/** A generator of the same numbers in each run. */
function generator(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function median(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[times.length >> 1];
}

/** The loss of a batch of predictions and targets. */
export class Problem {
  readonly loc: Float32Array;
  readonly logits: Float32Array;
  readonly targets: number[][] = [];
  readonly #loss: SSDLoss;
  /** The predictions, which are tensors before timing starts, as they are for PyTorch. */
  #leaves!: [Tensor, Tensor];
  readonly #sizes: readonly [batch: number, boxes: number];

  constructor(defaultBoxes: DefaultBoxes, batch: number) {
    const random = generator(1);
    const boxes = defaultBoxes.count;
    this.loc = Float32Array.from({ length: batch * 4 * boxes }, () => random() - 0.5);
    this.logits = Float32Array.from({ length: batch * (classes + 1) * boxes }, () => random() * 4 - 2);
    for (let image = 0; image < batch; image++) {
      for (let g = 0; g < perImage; g++) {
        const w = 0.05 + random() * 0.4, h = 0.05 + random() * 0.4;
        const center = [w / 2 + random() * (1 - w), h / 2 + random() * (1 - h)];
        this.targets.push([image, Math.floor(random() * classes), ...center, w, h].map(Math.fround));
      }
    }
    this.#loss = new SSDLoss(defaultBoxes, { alpha: 1, iouThreshold: 0.5, negPosRatio: 3 });
    this.#sizes = [batch, boxes];
    this.renew();
  }

  /** Makes tensors of the predictions, which no device has seen. */
  renew(): void {
    const [batch, boxes] = this.#sizes;
    this.#leaves = [
      tensor(this.loc, [batch, 4, boxes], { copy: false }),
      tensor(this.logits, [batch, classes + 1, boxes], { copy: false }),
    ];
  }

  /** Records the loss, both gradients and the components of the loss. */
  record(): readonly [total: Tensor, gradLoc: Tensor, gradLogits: Tensor, components: Tensor] {
    const { loss, components } = this.#loss.forward(this.#leaves, this.targets);
    const [gradLoc, gradLogits] = grad(loss, this.#leaves);
    return [loss, gradLoc, gradLogits, components];
  }
}
