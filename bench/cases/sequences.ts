/** Losses that users write, with their gradients: of sequences, of rays and of signals, with recurrences, running products and frames. */
import * as g from "../../mod.ts";
import { type Case, floats, integers } from "./case.ts";

const NOT_WRITTEN = { cannot: "is written for gpugrad and PyTorch alone" };
const PEERS = { tfjs: NOT_WRITTEN, jax: NOT_WRITTEN, javascript: NOT_WRITTEN };

const ctc: Case = {
  group: "losses",
  name: "CTC",
  title: ({ steps, batch, classes, labels }) =>
    `CTC of [${steps}, ${batch}, ${classes}], ${labels} labels, with gradient`,
  sizes: [{ steps: 50, batch: 16, classes: 28, labels: 12 }],
  inputs: ({ steps, batch, classes, labels }, random) => [
    floats([steps, batch, classes], () => random() * 4 - 2),
    integers([batch, labels], classes - 1, random),
  ],
  gradients: [0],
  code: {
    gpugrad: ({ steps, batch, labels: count }) => ([logits, classes]) => {
      const labels = g.add(classes, 1);
      const states = 2 * count + 1;
      const blank = (n: number) => g.zeros([batch, n], { dtype: "int" });
      const path = g.concat([g.reshape(g.stack([blank(count), labels], 2), [batch, 2 * count]), blank(1)], 1);
      const before = g.concat([g.full([batch, 2], -1, { dtype: "int" }), g.slice(path, [null, [0, -2]])], 1);
      const skips = g.logicalAnd(g.notEqual(path, 0), g.notEqual(path, before));
      const scores = g.gather(g.logSoftmax(logits, 2), g.broadcastTo(path, [steps, batch, states]), 2);
      const shifted = (alpha: g.Tensor, by: number) =>
        g.concat([g.full([batch, by], -Infinity), g.slice(alpha, [null, [0, -by]])], 1);
      const first = g.where(g.less(g.arange(states), 2), g.slice(scores, [0]), -Infinity);
      const [last] = g.scan(
        (alpha: g.Tensor, score: g.Tensor) => {
          const ways = g.stack([alpha, shifted(alpha, 1), g.where(skips, shifted(alpha, 2), -Infinity)]);
          return [g.add(g.logSumExp(ways, 0), score), null];
        },
        first,
        g.slice(scores, [[1, null]]),
      );
      return g.neg(g.mean(g.div(g.logSumExp(g.slice(last, [null, [-2, null]]), 1), count)));
    },
    torch: `
def make(sizes):
    steps = torch.full((sizes["batch"],), sizes["steps"])
    labels = torch.full((sizes["batch"],), sizes["labels"])
    return lambda inputs: F.ctc_loss(F.log_softmax(inputs[0], 2), inputs[1].long() + 1, steps, labels)
`,
    ...PEERS,
  },
};

const volumeRendering: Case = {
  group: "losses",
  name: "volume rendering",
  title: ({ rays, samples }) =>
    `volume rendering of ${rays} rays, ${samples} samples each, squared error, with gradients`,
  sizes: [{ rays: 2048, samples: 64 }],
  inputs: ({ rays, samples }, random) => [
    floats([rays, samples], () => random() * 4 - 2),
    floats([rays, samples, 3], () => random() * 4 - 2),
    floats([rays, samples], () => 0.02 + 0.1 * random()),
    floats([rays, 3], random),
  ],
  gradients: [0, 1],
  code: {
    gpugrad: ({ rays }) => ([density, colours, lengths, wanted]) => {
      const alpha = g.sub(1, g.exp(g.neg(g.mul(g.relu(density), lengths))));
      const clear = g.cumprod(g.concat([g.ones([rays, 1]), g.add(g.sub(1, alpha), 1e-10)], 1), 1);
      const weights = g.mul(alpha, g.slice(clear, [null, [0, -1]]));
      const seen = g.sum(g.mul(g.unsqueeze(weights, 2), g.sigmoid(colours)), 1);
      return g.mean(g.square(g.sub(seen, wanted)));
    },
    torch: `
def make(sizes):
    def run(inputs):
        density, colours, lengths, wanted = inputs
        alpha = 1 - torch.exp(-F.relu(density) * lengths)
        clear = torch.cumprod(torch.cat([torch.ones_like(wanted[:, :1]), 1 - alpha + 1e-10], 1), 1)
        seen = ((alpha * clear[:, :-1])[..., None] * torch.sigmoid(colours)).sum(1)
        return F.mse_loss(seen, wanted)
    return run
`,
    ...PEERS,
  },
};

const sinkhorn: Case = {
  group: "losses",
  name: "Sinkhorn",
  title: ({ points, rounds }) => `Sinkhorn distance of ${points} and ${points} points, ${rounds} rounds, with gradient`,
  sizes: [{ points: 64, rounds: 20 }],
  inputs: ({ points }, random) => [floats([points, 2], random), floats([points, 2], random)],
  gradients: [0],
  code: {
    gpugrad: ({ points, rounds }) => ([x, y]) => {
      const eps = 0.1, share = Math.log(points);
      const cost = g.sum(g.square(g.sub(g.unsqueeze(x, 1), g.unsqueeze(y, 0))), 2);
      let u = g.zeros([points]), v = g.zeros([points]);
      for (let round = 0; round < rounds; round++) {
        u = g.mul(-eps, g.logSumExp(g.sub(g.div(g.sub(g.unsqueeze(v, 0), cost), eps), share), 1));
        v = g.mul(-eps, g.logSumExp(g.sub(g.div(g.sub(g.unsqueeze(u, 1), cost), eps), share), 0));
      }
      const potential = g.sub(g.add(g.unsqueeze(u, 1), g.unsqueeze(v, 0)), cost);
      return g.sum(g.mul(g.exp(g.sub(g.div(potential, eps), 2 * share)), cost));
    },
    torch: `
def make(sizes):
    points, rounds, eps = sizes["points"], sizes["rounds"], 0.1
    share = math.log(points)
    def run(inputs):
        x, y = inputs
        cost = (x[:, None] - y[None]).square().sum(2)
        u = v = torch.zeros_like(x[:, 0])
        for _ in range(rounds):
            u = -eps * torch.logsumexp((v[None] - cost) / eps - share, 1)
            v = -eps * torch.logsumexp((u[:, None] - cost) / eps - share, 0)
        return (torch.exp((u[:, None] + v[None] - cost) / eps - 2 * share) * cost).sum()
    return run
`,
    ...PEERS,
  },
};

export const sequences: readonly Case[] = [ctc, volumeRendering, sinkhorn];
