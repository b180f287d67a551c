/** Losses that users write, with their gradients: those over the logits of a detector. */
import * as g from "../../mod.ts";
import { type Case, type Code, count, type Data, floats, type Input, type Sizes } from "./case.ts";

const DETECTOR: Sizes = { batch: 8, classes: 81, boxes: 8732 };

/** Logits, and 1 for about one box in ten. */
function logitsAndTargets({ batch, classes, boxes }: Sizes, random: () => number): Input[] {
  const shape = [batch, classes, boxes];
  return [floats(shape, () => random() * 8 - 4), floats(shape, () => random() < 0.1 ? 1 : 0)];
}

/** A mean of a function of logit and target over all elements, with its derivative: statements that set `f` and `d`. */
function meanOf(statements: string): Code["javascript"] {
  return ({ batch, classes, boxes }) => {
    const run = new Function(
      "gradient",
      `return ([logits, targets]) => {
        let sum = 0;
        const n = logits.length;
        for (let i = 0; i < n; i++) {
          const x = logits[i], t = targets[i];
          let f = 0, d = 0;
          ${statements}
          sum += f;
          gradient[i] = d / n;
        }
        return [[sum / n], gradient];
      };`,
    )(new Float32Array(count([batch, classes, boxes]))) as (inputs: readonly Data[]) => [number[], Float32Array];
    return (inputs) => {
      const [value, gradient] = run(inputs);
      return [Float32Array.from(value), gradient];
    };
  };
}

/** The probability, and the cross entropy of it, without overflow. */
const SIGMOID = "const e = Math.exp(-Math.abs(x)), p = x >= 0 ? 1 / (1 + e) : e / (1 + e);";
const ENTROPY = "const ce = Math.max(x, 0) - x * t + Math.log1p(e);";

const overDetector = (name: string, code: Code, quick = false): Case => ({
  group: "losses",
  name,
  title: ({ batch, classes, boxes }) => `${name} of [${batch}, ${classes}, ${boxes}], mean, with gradient`,
  quick,
  sizes: [DETECTOR],
  inputs: logitsAndTargets,
  gradients: [0],
  // TensorFlow.js and jax-js add up five million numbers one after the other: they are 0.5 to 0.9 % off.
  valueTolerance: 0.02,
  code,
});

const focal = overDetector("focal", {
  gpugrad: () => ([x, t]) => g.sigmoidFocalLoss(x, t, { alpha: 0.25, gamma: 2, reduction: "mean" }),
  torch: `
from torchvision.ops import sigmoid_focal_loss
def make(sizes):
    return lambda inputs: sigmoid_focal_loss(inputs[0], inputs[1], alpha=0.25, gamma=2, reduction="mean")
`,
  tfjs: (tf) => ([x, t]) => {
    const p = tf.sigmoid(x);
    const ce = tf.losses.sigmoidCrossEntropy(t, x, undefined, 0, tf.Reduction.NONE);
    const off = tf.add(tf.mul(p, tf.sub(1, t)), tf.mul(tf.sub(1, p), t));
    const alpha = tf.add(tf.mul(0.25, t), tf.mul(0.75, tf.sub(1, t)));
    return tf.mean(tf.mul(alpha, tf.mul(ce, tf.square(off))));
  },
  jax: ({ numpy: np, nn }) => ([x, t]) => {
    const p = nn.sigmoid(x.ref);
    const ce = nn.softplus(x.ref).sub(x.mul(t.ref));
    const off = p.ref.mul(t.ref.mul(-2).add(1)).add(t.ref);
    p.dispose();
    return np.mean(t.mul(-0.5).add(0.75).mul(ce).mul(np.square(off)));
  },
  javascript: meanOf(`${SIGMOID} ${ENTROPY}
    const alpha = 0.25 * t + 0.75 * (1 - t), off = p * (1 - t) + (1 - p) * t;
    f = alpha * ce * off * off;
    d = alpha * ((p - t) * off * off + 2 * ce * off * (1 - 2 * t) * p * (1 - p));`),
}, true);

const bce = overDetector("BCE", {
  gpugrad: () => ([x, t]) => g.binaryCrossEntropyWithLogits(x, t),
  torch: `
def make(sizes):
    return lambda inputs: F.binary_cross_entropy_with_logits(inputs[0], inputs[1])
`,
  tfjs: (tf) => ([x, t]) => tf.losses.sigmoidCrossEntropy(t, x, undefined, 0, tf.Reduction.MEAN),
  jax: ({ numpy: np, nn }) => ([x, t]) => np.mean(nn.softplus(x.ref).sub(x.mul(t))),
  jsPytorch: (torch, { batch, classes, boxes }) => ([x, t]) => {
    const p = torch.pow(torch.add(torch.exp(torch.neg(x)), 1), -1);
    const positive = torch.mul(t, torch.log(p));
    const negative = torch.mul(torch.add(torch.neg(t), 1), torch.log(torch.add(torch.neg(p), 1)));
    return torch.neg(torch.mean(torch.reshape(torch.add(positive, negative), [1, batch * classes * boxes])));
  },
  javascript: meanOf(`${SIGMOID} ${ENTROPY} f = ce; d = p - t;`),
}, true);

const qualityFocal: Case = {
  ...overDetector("quality focal", {
    gpugrad: () => ([x, t]) => g.qualityFocalLoss(x, t, { beta: 2, reduction: "mean" }),
    torch: `
def make(sizes):
    def run(inputs):
        x, t = inputs
        return (F.binary_cross_entropy_with_logits(x, t, reduction="none") * (x.sigmoid() - t).square()).mean()
    return run
`,
    tfjs: (tf) => ([x, t]) =>
      tf.mean(
        tf.mul(
          tf.losses.sigmoidCrossEntropy(t, x, undefined, 0, tf.Reduction.NONE),
          tf.squaredDifference(tf.sigmoid(x), t),
        ),
      ),
    jax: ({ numpy: np, nn }) => ([x, t]) => {
      const off = nn.sigmoid(x.ref).sub(t.ref);
      return np.mean(nn.softplus(x.ref).sub(x.mul(t)).mul(np.square(off)));
    },
    javascript: meanOf(`${SIGMOID} ${ENTROPY} const off = p - t;
      f = ce * off * off; d = off * off * off + 2 * ce * off * p * (1 - p);`),
  }),
  inputs({ batch, classes, boxes }, random) {
    const shape = [batch, classes, boxes];
    return [floats(shape, () => random() * 8 - 4), floats(shape, () => random() < 0.1 ? random() : 0)];
  },
};

const heatMap: Case = {
  group: "losses",
  name: "heat-map focal",
  title: ({ batch, classes, side }) =>
    `CenterNet's focal of [${batch}, ${classes}, ${side}, ${side}], mean, with gradient`,
  sizes: [{ batch: 8, classes: 80, side: 128 }],
  inputs({ batch, classes, side }, random) {
    const shape = [batch, classes, side, side];
    return [
      floats(shape, () => random() * 8 - 6),
      floats(shape, () => random() < 0.001 ? 1 : random() < 0.1 ? 0.9 * random() : 0),
    ];
  },
  gradients: [0],
  valueTolerance: 0.02,
  code: {
    gpugrad: () => ([x, t]) => g.gaussianFocalLoss(x, t, { alpha: 2, beta: 4, reduction: "mean" }),
    torch: `
def make(sizes):
    def run(inputs):
        x, t = inputs
        p = torch.sigmoid(x)
        positive = -F.logsigmoid(x) * (1 - p) ** 2
        negative = -F.logsigmoid(-x) * p ** 2 * (1 - t) ** 4
        return torch.where(t == 1, positive, negative).mean()
    return run
`,
    tfjs: (tf) => ([x, t]) => {
      const p = tf.sigmoid(x);
      const entropy = (wanted: number) =>
        tf.losses.sigmoidCrossEntropy(tf.fill(x.shape, wanted), x, undefined, 0, tf.Reduction.NONE);
      const positive = tf.mul(entropy(1), tf.square(tf.sub(1, p)));
      const negative = tf.mul(
        tf.mul(entropy(0), tf.square(p)),
        tf.square(tf.square(tf.sub(1, t))),
      );
      return tf.mean(tf.where(tf.equal(t, 1), positive, negative));
    },
    jax: ({ numpy: np, nn }) => ([x, t]) => {
      const p = nn.sigmoid(x.ref);
      const positive = nn.softplus(x.ref.neg()).mul(np.square(p.ref.neg().add(1)));
      const negative = nn.softplus(x).mul(np.square(p)).mul(np.square(np.square(t.ref.neg().add(1))));
      return np.mean(np.where(np.equal(t, 1), positive, negative));
    },
    javascript: ({ batch, classes, side }) =>
      (meanOf(`${SIGMOID} const log1pe = Math.log1p(e);
        if (t === 1) {
          const l = Math.max(-x, 0) + log1pe, q = 1 - p;
          f = l * q * q; d = -q * q * q - 2 * l * q * p * q;
        } else {
          const l = Math.max(x, 0) + log1pe, r = (1 - t) * (1 - t), w = r * r;
          f = w * l * p * p; d = w * (p * p * p + 2 * l * p * p * (1 - p));
        }`) as (sizes: Sizes) => (inputs: readonly Data[]) => readonly Data[])({ batch, classes, boxes: side * side }),
  },
};

const labelSmoothing: Case = {
  group: "losses",
  name: "label smoothing",
  title: ({ batch, classes, boxes }) =>
    `cross-entropy with label smoothing 0.1 of [${batch}, ${classes}, ${boxes}], mean, with gradient`,
  quick: true,
  sizes: [DETECTOR],
  inputs({ batch, classes, boxes }, random) {
    const labels = new Int32Array(batch * boxes);
    for (let i = 0; i < labels.length; i++) labels[i] = Math.floor(random() * classes);
    return [floats([batch, classes, boxes], () => random() * 8 - 4), { shape: [batch, boxes], data: labels }];
  },
  gradients: [0],
  code: {
    gpugrad: () => ([x, label]) => g.crossEntropy(x, label, { axis: 1, labelSmoothing: 0.1 }),
    torch: `
def make(sizes):
    return lambda inputs: F.cross_entropy(inputs[0], inputs[1].long(), label_smoothing=0.1)
`,
    tfjs: {
      layout: [0, 2, 1],
      run: (tf, { classes }) => ([x, label]) => {
        const wanted = tf.add(
          tf.mul(0.9, tf.oneHot(label as import("@tensorflow/tfjs").Tensor1D, classes)),
          0.1 / classes,
        );
        return tf.neg(tf.mean(tf.sum(tf.mul(wanted, tf.logSoftmax(x)), -1)));
      },
    },
    jax: ({ numpy: np, nn }, { classes }) => ([x, label]) => {
      const wanted = nn.oneHot(label, classes).mul(0.9).add(0.1 / classes).transpose([0, 2, 1]);
      return np.mean(np.sum(wanted.mul(nn.logSoftmax(x, 1)), 1)).neg();
    },
    javascript({ batch, classes, boxes }) {
      const gradient = new Float32Array(batch * classes * boxes);
      const most = new Float64Array(boxes), total = new Float64Array(boxes);
      const off = 0.1 / classes, on = 0.9;
      return ([x, label]) => {
        let sum = 0;
        const scale = 1 / (batch * boxes);
        for (let image = 0; image < batch; image++) {
          const start = image * classes * boxes;
          most.fill(-Infinity);
          for (let c = 0, at = start; c < classes; c++) {
            for (let i = 0; i < boxes; i++, at++) if (x[at] > most[i]) most[i] = x[at];
          }
          total.fill(0);
          for (let c = 0, at = start; c < classes; c++) {
            for (let i = 0; i < boxes; i++, at++) {
              total[i] += gradient[at] = Math.exp(x[at] - most[i]);
              sum -= off * x[at];
            }
          }
          for (let i = 0; i < boxes; i++) {
            sum += most[i] + Math.log(total[i]) - on * x[start + label[image * boxes + i] * boxes + i];
            total[i] = 1 / total[i];
          }
          for (let c = 0, at = start; c < classes; c++) {
            for (let i = 0; i < boxes; i++, at++) gradient[at] = (gradient[at] * total[i] - off) * scale;
          }
          for (let i = 0; i < boxes; i++) gradient[start + label[image * boxes + i] * boxes + i] -= on * scale;
        }
        return [Float32Array.of(sum * scale), gradient];
      };
    },
  },
};

const dice: Case = {
  group: "losses",
  name: "dice",
  title: ({ batch, side }) => `dice of masks [${batch}, ${side}, ${side}], from logits, with gradient`,
  quick: true,
  sizes: [{ batch: 32, side: 256 }],
  inputs: ({ batch, side }, random) => [
    floats([batch, side, side], () => random() * 8 - 4),
    floats([batch, side, side], () => random() < 0.3 ? 1 : 0),
  ],
  gradients: [0],
  code: {
    gpugrad: () => ([x, t]) => g.mean(g.dice(g.sigmoid(x), t, { axis: [1, 2], smooth: 1, reduction: "none" })),
    torch: `
def make(sizes):
    def run(inputs):
        p, t = torch.sigmoid(inputs[0]), inputs[1]
        both, all = (p * t).sum(dim=(1, 2)), (p + t).sum(dim=(1, 2))
        return (1 - (2 * both + 1) / (all + 1)).mean()
    return run
`,
    tfjs: (tf) => ([x, t]) => {
      const p = tf.sigmoid(x);
      const both = tf.sum(tf.mul(p, t), [1, 2]), all = tf.sum(tf.add(p, t), [1, 2]);
      return tf.mean(tf.sub(1, tf.div(tf.add(tf.mul(2, both), 1), tf.add(all, 1))));
    },
    jax: ({ numpy: np, nn }) => ([x, t]) => {
      const p = nn.sigmoid(x);
      const both = np.sum(p.ref.mul(t.ref), [1, 2]), all = np.sum(p.add(t), [1, 2]);
      return np.mean(both.mul(2).add(1).div(all.add(1)).neg().add(1));
    },
    javascript({ batch, side }) {
      const size = side * side, gradient = new Float32Array(batch * size);
      return ([x, t]) => {
        let loss = 0;
        for (let image = 0, start = 0; image < batch; image++, start += size) {
          let both = 0, all = 0;
          for (let i = start; i < start + size; i++) {
            const p = gradient[i] = 1 / (1 + Math.exp(-x[i]));
            both += p * t[i];
            all += p + t[i];
          }
          loss += 1 - (2 * both + 1) / (all + 1);
          const byBoth = -2 / (all + 1), byAll = (2 * both + 1) / (all + 1) ** 2;
          for (let i = start; i < start + size; i++) {
            const p = gradient[i];
            gradient[i] = (byBoth * t[i] + byAll) * p * (1 - p) / batch;
          }
        }
        return [Float32Array.of(loss / batch), gradient];
      };
    },
  },
};

export const detectorLosses: readonly Case[] = [focal, bce, labelSmoothing, qualityFocal, heatMap, dice];
