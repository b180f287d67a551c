/** Losses that users write, with their gradients: of boxes, of embeddings and of images. */
import * as g from "../../mod.ts";
import { type Case, floats, type Input, type Sizes } from "./case.ts";

/** Boxes `x1, y1, x2, y2`. */
function boxes(count: number, random: () => number): Input {
  const data = new Float32Array(4 * count);
  for (let i = 0; i < count; i++) {
    const x = random(), y = random();
    data.set([x, y, x + 0.05 + 0.4 * random(), y + 0.05 + 0.4 * random()], 4 * i);
  }
  return { shape: [count, 4], data };
}

const giou: Case = {
  group: "losses",
  name: "GIoU",
  title: ({ boxes }) => `GIoU of ${boxes} pairs of boxes, mean, with gradient`,
  quick: true,
  sizes: [{ boxes: 8 * 8732 }],
  inputs: ({ boxes: count }, random) => [boxes(count, random), boxes(count, random)],
  gradients: [0],
  code: {
    gpugrad: () => ([a, b]) => g.iouLoss(a, b, { kind: "giou", format: "xyxy", reduction: "mean" }),
    torch: `
from torchvision.ops import generalized_box_iou_loss
def make(sizes):
    return lambda inputs: generalized_box_iou_loss(inputs[0], inputs[1], reduction="mean")
`,
    tfjs: (tf) => ([a, b]) => {
      const [ax1, ay1, ax2, ay2] = tf.split(a, 4, 1), [bx1, by1, bx2, by2] = tf.split(b, 4, 1);
      const area = (w: typeof ax1, h: typeof ax1) => tf.mul(w, h);
      const both = area(
        tf.relu(tf.sub(tf.minimum(ax2, bx2), tf.maximum(ax1, bx1))),
        tf.relu(tf.sub(tf.minimum(ay2, by2), tf.maximum(ay1, by1))),
      );
      const union = tf.sub(
        tf.add(area(tf.sub(ax2, ax1), tf.sub(ay2, ay1)), area(tf.sub(bx2, bx1), tf.sub(by2, by1))),
        both,
      );
      const hull = area(
        tf.sub(tf.maximum(ax2, bx2), tf.minimum(ax1, bx1)),
        tf.sub(tf.maximum(ay2, by2), tf.minimum(ay1, by1)),
      );
      const giou = tf.sub(tf.div(both, union), tf.div(tf.sub(hull, union), hull));
      return tf.mean(tf.sub(1, giou));
    },
    jax: ({ numpy: np }) => ([a, b]) => {
      const [ax1, ay1, ax2, ay2] = np.split(a, 4, 1), [bx1, by1, bx2, by2] = np.split(b, 4, 1);
      const side = (low: typeof ax1, high: typeof ax1) => np.maximum(high.sub(low), 0);
      const both = side(np.maximum(ax1.ref, bx1.ref), np.minimum(ax2.ref, bx2.ref))
        .mul(side(np.maximum(ay1.ref, by1.ref), np.minimum(ay2.ref, by2.ref)));
      const areas = ax2.ref.sub(ax1.ref).mul(ay2.ref.sub(ay1.ref)).add(bx2.ref.sub(bx1.ref).mul(by2.ref.sub(by1.ref)));
      const union = areas.sub(both.ref);
      const hull = np.maximum(ax2, bx2).sub(np.minimum(ax1, bx1)).mul(np.maximum(ay2, by2).sub(np.minimum(ay1, by1)));
      return np.mean(hull.ref.sub(union.ref).div(hull).sub(both.div(union)).add(1));
    },
  },
};

const NOT_WRITTEN = { cannot: "is not written in plain JavaScript" };

const infoNce: Case = {
  group: "losses",
  name: "InfoNCE",
  title: ({ rows, features }) => `InfoNCE of two views, [${rows}, ${features}] each, with both gradients`,
  quick: true,
  sizes: [{ rows: 512, features: 512 }],
  inputs: ({ rows, features }, random) => [
    floats([rows, features], () => random() * 2 - 1),
    floats([rows, features], () => random() * 2 - 1),
  ],
  gradients: [0, 1],
  code: {
    gpugrad({ rows }) {
      const own = g.arange(rows);
      return ([a, b]) =>
        g.crossEntropy(g.div(g.matmul(g.normalize(a, 1), g.transpose(g.normalize(b, 1))), 0.1), g.cast(own, "int"), {
          axis: 1,
        });
    },
    torch: `
def make(sizes):
    own = torch.arange(sizes["rows"])
    def run(inputs):
        a, b = F.normalize(inputs[0], dim=1), F.normalize(inputs[1], dim=1)
        return F.cross_entropy(a @ b.T / 0.1, own.to(a.device))
    return run
`,
    tfjs: (tf, { rows }) => {
      const own = tf.keep(tf.eye(rows));
      return ([a, b]) => {
        const unit = (x: typeof a) => tf.div(x, tf.sqrt(tf.sum(tf.square(x), 1, true)));
        const logits = tf.div(tf.matMul(unit(a) as typeof own, unit(b) as typeof own, false, true), 0.1);
        return tf.neg(tf.div(tf.sum(tf.mul(own, tf.logSoftmax(logits))), rows));
      };
    },
    jax: ({ numpy: np, nn }, { rows }) => ([a, b]) => {
      const unit = (x: typeof a) => x.ref.div(np.sqrt(np.sum(np.square(x), 1, { keepdims: true })));
      const logits = np.matmul(unit(a), unit(b).transpose()).div(0.1);
      return np.sum(np.eye(rows).mul(nn.logSoftmax(logits, 1))).div(-rows);
    },
    javascript: NOT_WRITTEN,
  },
};

const barlow: Case = {
  group: "losses",
  name: "Barlow Twins",
  title: ({ rows, features }) => `Barlow Twins of two views, [${rows}, ${features}] each, with both gradients`,
  quick: true,
  sizes: [{ rows: 512, features: 512 }],
  inputs: infoNce.inputs,
  gradients: [0, 1],
  code: {
    gpugrad({ rows, features }) {
      const own = g.eye(features);
      const standard = (x: g.Tensor) =>
        g.div(g.sub(x, g.mean(x, 0)), g.sqrt(g.add(g.variance(x, 0, { correction: 0 }), 1e-5)));
      return ([a, b]) => {
        const correlation = g.div(g.matmul(g.transpose(standard(a)), standard(b)), rows);
        const weight = g.add(g.mul(own, 1 - 0.005), 0.005);
        return g.sum(g.mul(weight, g.square(g.sub(correlation, own))));
      };
    },
    torch: `
def make(sizes):
    rows, features = sizes["rows"], sizes["features"]
    def standard(x):
        return (x - x.mean(dim=0)) / torch.sqrt(x.var(dim=0, unbiased=False) + 1e-5)
    def run(inputs):
        correlation = standard(inputs[0]).T @ standard(inputs[1]) / rows
        own = torch.eye(features, device=correlation.device)
        return ((own * (1 - 0.005) + 0.005) * (correlation - own).square()).sum()
    return run
`,
    tfjs: (tf, { rows, features }) => {
      const own = tf.keep(tf.eye(features));
      return ([a, b]) => {
        const standard = (x: typeof a) => {
          const centred = tf.sub(x, tf.mean(x, 0));
          return tf.div(centred, tf.sqrt(tf.add(tf.mean(tf.square(centred), 0), 1e-5))) as typeof own;
        };
        const correlation = tf.div(tf.matMul(standard(a), standard(b), true), rows);
        const weight = tf.add(tf.mul(own, 1 - 0.005), 0.005);
        return tf.sum(tf.mul(weight, tf.squaredDifference(correlation, own)));
      };
    },
    jax: ({ numpy: np }, { rows, features }) => ([a, b]) => {
      const standard = (x: typeof a) => {
        const centred = x.ref.sub(np.mean(x, 0));
        return centred.ref.div(np.sqrt(np.mean(np.square(centred), 0).add(1e-5)));
      };
      const correlation = np.matmul(standard(a).transpose(), standard(b)).div(rows);
      const weight = np.eye(features).mul(1 - 0.005).add(0.005);
      return np.sum(weight.mul(np.square(correlation.sub(np.eye(features)))));
    },
    javascript: NOT_WRITTEN,
  },
};

const images = ({ batch, side }: Sizes, random: () => number): Input[] => [
  floats([batch, 1, side, side], random),
  floats([batch, 1, side, side], random),
];

const ssim: Case = {
  group: "losses",
  name: "SSIM",
  title: ({ batch, side }) => `1 - SSIM of images [${batch}, 1, ${side}, ${side}], windows of 7, with gradient`,
  quick: true,
  sizes: [{ batch: 8, side: 256 }],
  inputs: images,
  gradients: [0],
  code: {
    gpugrad: () => ([x, y]) => {
      const blur = (z: g.Tensor) => g.avgPool2d(z, 7, { stride: 1 });
      const mx = blur(x), my = blur(y);
      const vx = g.sub(blur(g.square(x)), g.square(mx)), vy = g.sub(blur(g.square(y)), g.square(my));
      const both = g.sub(blur(g.mul(x, y)), g.mul(mx, my));
      const top = g.mul(g.add(g.mul(g.mul(mx, my), 2), 1e-4), g.add(g.mul(both, 2), 9e-4));
      const bottom = g.mul(g.add(g.add(g.square(mx), g.square(my)), 1e-4), g.add(g.add(vx, vy), 9e-4));
      return g.sub(1, g.mean(g.div(top, bottom)));
    },
    torch: `
def make(sizes):
    def blur(x):
        return F.avg_pool2d(x, 7, stride=1)
    def run(inputs):
        x, y = inputs
        mx, my = blur(x), blur(y)
        vx, vy, both = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
        top = (2 * mx * my + 1e-4) * (2 * both + 9e-4)
        return 1 - (top / ((mx * mx + my * my + 1e-4) * (vx + vy + 9e-4))).mean()
    return run
`,
    tfjs: {
      layout: [0, 2, 3, 1],
      run: (tf) => ([x, y]) => {
        const blur = (z: typeof x) => tf.avgPool(z as import("@tensorflow/tfjs").Tensor4D, 7, 1, "valid");
        const mx = blur(x), my = blur(y);
        const vx = tf.sub(blur(tf.square(x)), tf.square(mx)), vy = tf.sub(blur(tf.square(y)), tf.square(my));
        const both = tf.sub(blur(tf.mul(x, y)), tf.mul(mx, my));
        const top = tf.mul(tf.add(tf.mul(tf.mul(mx, my), 2), 1e-4), tf.add(tf.mul(both, 2), 9e-4));
        const bottom = tf.mul(tf.add(tf.add(tf.square(mx), tf.square(my)), 1e-4), tf.add(tf.add(vx, vy), 9e-4));
        return tf.sub(1, tf.mean(tf.div(top, bottom)));
      },
    },
    jax: { cannot: "is not written for jax-js" },
    javascript: NOT_WRITTEN,
  },
};

const totalVariation: Case = {
  group: "losses",
  name: "total variation",
  title: ({ batch, side }) => `total variation of images [${batch}, 1, ${side}, ${side}], with gradient`,
  quick: true,
  sizes: [{ batch: 8, side: 512 }],
  inputs: (sizes, random) => images(sizes, random).slice(0, 1),
  gradients: [0],
  // The gradient is a sum of signs.
  code: {
    gpugrad: () => ([x]) => {
      const down = g.sub(g.slice(x, [[0, null], [0, null], [1, null]]), g.slice(x, [[0, null], [0, null], [0, -1]]));
      const right = g.sub(
        g.slice(x, [[0, null], [0, null], [0, null], [1, null]]),
        g.slice(x, [[0, null], [0, null], [0, null], [0, -1]]),
      );
      return g.add(g.mean(g.abs(down)), g.mean(g.abs(right)));
    },
    torch: `
def make(sizes):
    def run(inputs):
        x, = inputs
        return (x[:, :, 1:] - x[:, :, :-1]).abs().mean() + (x[..., 1:] - x[..., :-1]).abs().mean()
    return run
`,
    tfjs: (tf, { batch, side }) => ([x]) => {
      const part = (z: typeof x, begin: number[], size: number[]) => tf.slice(z, begin, size);
      const rows = [batch, 1, side - 1, side], columns = [batch, 1, side, side - 1], zero = [0, 0, 0, 0];
      const down = tf.sub(part(x, [0, 0, 1, 0], rows), part(x, zero, rows));
      const right = tf.sub(part(x, [0, 0, 0, 1], columns), part(x, zero, columns));
      return tf.add(tf.mean(tf.abs(down)), tf.mean(tf.abs(right)));
    },
    jax: ({ numpy: np }) => ([x]) => {
      const down = x.ref.slice([], [], [1]).sub(x.ref.slice([], [], [0, -1]));
      const right = x.ref.slice([], [], [], [1]).sub(x.slice([], [], [], [0, -1]));
      return np.mean(np.abs(down)).add(np.mean(np.abs(right)));
    },
    javascript({ batch, side }) {
      const gradient = new Float32Array(batch * side * side);
      const weight = 1 / (batch * side * (side - 1));
      return ([x]) => {
        let sum = 0;
        gradient.fill(0);
        for (let image = 0, at = 0; image < batch; image++) {
          for (let row = 0; row < side; row++) {
            for (let column = 0; column < side; column++, at++) {
              if (row + 1 < side) {
                const d = x[at + side] - x[at], s = Math.sign(d) * weight;
                sum += Math.abs(d);
                gradient[at + side] += s;
                gradient[at] -= s;
              }
              if (column + 1 < side) {
                const d = x[at + 1] - x[at], s = Math.sign(d) * weight;
                sum += Math.abs(d);
                gradient[at + 1] += s;
                gradient[at] -= s;
              }
            }
          }
        }
        return [Float32Array.of(sum * weight), gradient];
      };
    },
  },
};

export const otherLosses: readonly Case[] = [giou, infoNce, barlow, ssim, totalVariation];
