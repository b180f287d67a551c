/** The whole SSD loss with both gradients. */
import { DefaultBoxes, SSDLoss } from "../../mod.ts";
import { lossOfJax } from "./loss_jax.ts";
import { lossOfTfjs } from "./loss_tfjs.ts";
import { type Case, floats, type Input, PER_IMAGE, type Sizes } from "./case.ts";

/** SSD300 with 80 classes. */
const ssd300 = (batch: number): Sizes => ({ batch, boxes: 8732, classes: 80 });

/** Default boxes of SSD300, or as many boxes of a grid. */
function boxesOf(boxes: number): DefaultBoxes {
  const preset = new DefaultBoxes(DefaultBoxes.presets["ssd300-coco"]);
  if (preset.count === boxes) return preset;
  const across = Math.ceil(Math.sqrt(boxes));
  return DefaultBoxes.from(Array.from({ length: boxes }, (_, i) => {
    const side = 1.5 / across;
    return [(i % across + 0.5) / across, (Math.floor(i / across) + 0.5) / across, side, side * (1 + i % 3 / 2)];
  }));
}

async function inputs({ batch, boxes, classes }: Sizes, random: () => number): Promise<Input[]> {
  const rows: number[] = [];
  const loc = floats([batch, 4, boxes], () => random() - 0.5);
  const logits = floats([batch, classes + 1, boxes], () => random() * 4 - 2);
  for (let image = 0; image < batch; image++) {
    for (let g = 0; g < PER_IMAGE; g++) {
      const w = 0.05 + random() * 0.4, h = 0.05 + random() * 0.4;
      rows.push(image, Math.floor(random() * classes), w / 2 + random() * (1 - w), h / 2 + random() * (1 - h), w, h);
    }
  }
  const defaults = Float32Array.from(await boxesOf(boxes).cxcywh.data({ device: "float64" }));
  return [
    loc,
    logits,
    { shape: [boxes, 4], data: defaults },
    { shape: [rows.length / 6, 6], data: Float32Array.from(rows) },
  ];
}

export const loss: Case = {
  group: "loss",
  name: "loss",
  title: ({ batch, boxes, classes }) =>
    `SSD, ${boxes} boxes, ${classes} classes, ${PER_IMAGE} targets an image, batch ${batch}`,
  quick: true,
  sizes: [ssd300(1), ssd300(8), ssd300(32)],
  inputs,
  constants: [2],
  gradients: [0, 1],
  // Rounding decides which of two boxes is the hardest: 81 elements each.
  mayDiffer: 1e-3,
  code: {
    gpugrad({ boxes }) {
      const criterion = new SSDLoss(boxesOf(boxes), { alpha: 1, iouThreshold: 0.5, negPosRatio: 3 });
      return ([loc, logits], host) => criterion.forward([loc, logits], host[3].data).loss;
    },
    torch: `
from ssd_definition import ssd_loss
def make(sizes):
    return lambda inputs: ssd_loss(*inputs)
`,
    tfjs: { layout: [0, 2, 1], run: lossOfTfjs },
    jax: lossOfJax,
  },
};
