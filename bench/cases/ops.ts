/** Ops that are not elementwise: reductions, softmax, products, sorting, picking and scattering. */
import * as g from "../../mod.ts";
import { type Case, type Code, count, type Data, floats, integers, type Sizes } from "./case.ts";

const SHAPE: Sizes = { d0: 8, d1: 81, d2: 8732 };
const shapeOf = ({ d0, d1, d2 }: Sizes) => [d0, d1, d2];

/** Python text of a function of `x` and `y`. */
const python = (expression: string): string => `
def make(sizes):
    def run(inputs):
        x, y = inputs[0], inputs[-1]
        return ${expression}
    return run
`;

/** Plain JavaScript that goes through rows of the second axis: `before` any of them, for each, and after. */
type Columns = (x: Data, at: { start: number; rows: number; columns: number }, out: Float32Array) => void;

/** Plain JavaScript over each image of `[d0, d1, d2]`; results are as large as `size` says. */
const byImage = (size: (sizes: Sizes) => number, columns: Columns): Code["javascript"] => (sizes) => {
  const { d0, d1, d2 } = sizes;
  const out = new Float32Array(size(sizes)), each = out.length / d0;
  return ([x]) => {
    for (let image = 0; image < d0; image++) {
      columns(x, { start: image * d1 * d2, rows: d1, columns: d2 }, out.subarray(image * each, (image + 1) * each));
    }
    return [out];
  };
};

const reduced = ({ d0, d2 }: Sizes) => d0 * d2;
const whole = (sizes: Sizes) => count(shapeOf(sizes));

/** The sum of exponentials of a column, whose largest element is subtracted. */
const exponentials = `
  most.fill(-Infinity);
  for (let c = 0, at = start; c < rows; c++) for (let i = 0; i < columns; i++, at++) if (x[at] > most[i]) most[i] = x[at];
`;

function overAxis(name: string, options: { code: Code; reduces: boolean; quick?: boolean }): Case {
  const { code, reduces, quick } = options;
  return {
    group: "ops",
    name,
    title: ({ d0, d1, d2 }) => `${name} of [${d0}, ${d1}, ${d2}], axis 1`,
    quick,
    sizes: [SHAPE],
    inputs: (sizes, random) => [floats(shapeOf(sizes), () => random() * 8 - 4)],
    results: ({ d0, d1, d2 }) => [reduces ? [d0, d2] : [d0, d1, d2]],
    code,
  };
}

const sum = overAxis("sum", {
  reduces: true,
  quick: true,
  code: {
    gpugrad: () => ([x]) => g.sum(x, 1),
    torch: python("x.sum(dim=1)"),
    tfjs: { layout: [0, 2, 1], run: (tf) => ([x]) => tf.sum(x, 2) },
    jax: ({ numpy: np }) => ([x]) => np.sum(x, 1),
    javascript: byImage(reduced, (x, { start, rows, columns }, out) => {
      out.fill(0);
      for (let c = 0, at = start; c < rows; c++) for (let i = 0; i < columns; i++, at++) out[i] += x[at];
    }),
  },
});

const max = overAxis("max", {
  reduces: true,
  code: {
    gpugrad: () => ([x]) => g.max(x, 1),
    torch: python("x.amax(dim=1)"),
    tfjs: { layout: [0, 2, 1], run: (tf) => ([x]) => tf.max(x, 2) },
    jax: ({ numpy: np }) => ([x]) => np.max(x, 1),
    javascript: byImage(reduced, (x, { start, rows, columns }, out) => {
      out.fill(-Infinity);
      for (let c = 0, at = start; c < rows; c++) {
        for (let i = 0; i < columns; i++, at++) if (x[at] > out[i]) out[i] = x[at];
      }
    }),
  },
});

const argmax = overAxis("argmax", {
  reduces: true,
  code: {
    gpugrad: () => ([x]) => g.argmax(x, 1),
    torch: python("x.argmax(dim=1)"),
    tfjs: { layout: [0, 2, 1], run: (tf) => ([x]) => tf.argMax(x, 2) },
    jax: ({ numpy: np }) => ([x]) => np.argmax(x, 1),
    javascript: { cannot: "is not written in plain JavaScript" },
  },
});

const softmax = overAxis("softmax", {
  reduces: false,
  quick: true,
  code: {
    gpugrad: () => ([x]) => g.softmax(x, 1),
    torch: python("torch.softmax(x, dim=1)"),
    tfjs: { layout: [0, 2, 1], run: (tf) => ([x]) => tf.softmax(x) },
    jax: ({ nn }) => ([x]) => nn.softmax(x, 1),
    javascript: byImage(
      whole,
      new Function(
        "x",
        "{ start, rows, columns }",
        "out",
        `const most = new Float32Array(columns), total = new Float32Array(columns);
        ${exponentials}
        for (let c = 0, at = 0; c < rows; c++) for (let i = 0; i < columns; i++, at++) total[i] += out[at] = Math.exp(x[start + at] - most[i]);
        for (let i = 0; i < columns; i++) total[i] = 1 / total[i];
        for (let c = 0, at = 0; c < rows; c++) for (let i = 0; i < columns; i++, at++) out[at] *= total[i];`,
      ) as Columns,
    ),
  },
});

const logSumExp = overAxis("logSumExp", {
  reduces: true,
  quick: true,
  code: {
    gpugrad: () => ([x]) => g.logSumExp(x, 1),
    torch: python("torch.logsumexp(x, dim=1)"),
    tfjs: { layout: [0, 2, 1], run: (tf) => ([x]) => tf.logSumExp(x, 2) },
    jax: ({ nn }) => ([x]) => nn.logsumexp(x, 1),
    javascript: byImage(
      reduced,
      new Function(
        "x",
        "{ start, rows, columns }",
        "out",
        `const most = new Float32Array(columns);
        ${exponentials}
        out.fill(0);
        for (let c = 0, at = start; c < rows; c++) for (let i = 0; i < columns; i++, at++) out[i] += Math.exp(x[at] - most[i]);
        for (let i = 0; i < columns; i++) out[i] = most[i] + Math.log(out[i]);`,
      ) as Columns,
    ),
  },
});

const cumsum: Case = {
  ...overAxis("cumsum", {
    reduces: false,
    code: {
      gpugrad: () => ([x]) => g.cumsum(x, 2),
      torch: python("x.cumsum(dim=2)"),
      tfjs: (tf) => ([x]) => tf.cumsum(x, 2),
      jax: ({ numpy: np }) => ([x]) => np.cumsum(x, 2),
      javascript: byImage(whole, (x, { start, rows, columns }, out) => {
        for (let c = 0, at = 0; c < rows; c++) {
          for (let i = 0, sum = 0; i < columns; i++, at++) out[at] = sum += x[start + at];
        }
      }),
    },
  }),
  title: ({ d0, d1, d2 }) => `cumsum of [${d0}, ${d1}, ${d2}], axis 2`,
};

const matmul: Case = {
  group: "ops",
  name: "matmul",
  title: ({ n }) => `matmul of [${n}, ${n}] and [${n}, ${n}]`,
  quick: true,
  sizes: [{ n: 512 }, { n: 1024 }],
  inputs: ({ n }, random) => [floats([n, n], () => random() * 2 - 1), floats([n, n], () => random() * 2 - 1)],
  code: {
    gpugrad: () => ([x, y]) => g.matmul(x, y),
    torch: python("x @ y"),
    tfjs: (tf) => ([x, y]) =>
      tf.matMul(x as import("@tensorflow/tfjs").Tensor2D, y as import("@tensorflow/tfjs").Tensor2D),
    jax: ({ numpy: np }) => ([x, y]) => np.matmul(x, y),
    jsPytorch: (torch) => ([x, y]) => torch.matmul(x, y),
    javascript({ n }) {
      const out = new Float32Array(n * n);
      return ([x, y]) => {
        out.fill(0);
        // Four rows of y at a time, each of which is read in order.
        for (let i = 0; i < n; i++) {
          const row = i * n;
          let k = 0;
          for (; k + 3 < n; k += 4) {
            const a = x[row + k], b = x[row + k + 1], c = x[row + k + 2], d = x[row + k + 3];
            const at = k * n;
            for (let j = 0; j < n; j++) {
              out[row + j] += a * y[at + j] + b * y[at + n + j] + c * y[at + 2 * n + j] + d * y[at + 3 * n + j];
            }
          }
          for (; k < n; k++) for (let j = 0; j < n; j++) out[row + j] += x[row + k] * y[k * n + j];
        }
        return [out];
      };
    },
  },
};

/** Rows of numbers of which no two are alike, so that every way to sort gives the same. */
function rows({ rows, n }: Sizes, random: () => number): Float32Array {
  const data = new Float32Array(rows * n);
  for (let row = 0; row < rows; row++) {
    const part = data.subarray(row * n, (row + 1) * n);
    for (let i = 0; i < n; i++) part[i] = i / n;
    for (let i = n - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [part[i], part[j]] = [part[j], part[i]];
    }
  }
  return data;
}

const ordering = (name: string, title: string, code: Code, k?: number): Case => ({
  group: "ops",
  name,
  title: ({ rows, n }) => `${title} of [${rows}, ${n}]`,
  quick: true,
  sizes: [{ rows: 8, n: 8732 }],
  inputs: (sizes, random) => [{ shape: [sizes.rows, sizes.n], data: rows(sizes, random) }],
  results: ({ rows, n }) => k === undefined ? [[rows, n]] : [[rows, k], [rows, k]],
  code,
});

const NOT_WRITTEN = { cannot: "is not written in plain JavaScript" };

const sort = ordering("sort", "sort", {
  gpugrad: () => ([x]) => g.sort(x, 1),
  torch: python("x.sort(dim=1)[0]"),
  tfjs: (tf) => ([x]) => tf.reverse(tf.topk(x, x.shape[1]!).values, 1),
  jax: ({ numpy: np }) => ([x]) => np.sort(x, 1),
  javascript({ rows, n }) {
    const out = new Float32Array(rows * n);
    return ([x]) => {
      out.set(x);
      for (let row = 0; row < rows; row++) out.subarray(row * n, (row + 1) * n).sort();
      return [out];
    };
  },
});

const argsort = ordering("argsort", "argsort", {
  gpugrad: () => ([x]) => g.argsort(x, 1),
  torch: python("x.argsort(dim=1)"),
  tfjs: (tf) => ([x]) => tf.reverse(tf.topk(x, x.shape[1]!).indices, 1),
  jax: ({ numpy: np }) => ([x]) => np.argsort(x, 1),
  javascript: NOT_WRITTEN,
});

const topK = ordering("topK", "topK 200", {
  gpugrad: () => ([x]) => {
    const { values, indices } = g.topK(x, 200, 1);
    return [values, indices];
  },
  torch: python("x.topk(200, dim=1)"),
  tfjs: (tf) => ([x]) => {
    const { values, indices } = tf.topk(x, 200);
    return [values, indices];
  },
  jax: ({ lax }) => ([x]) => lax.topK(x, 200),
  javascript: NOT_WRITTEN,
}, 200);

/** How many rows are picked or scattered: as many as boxes of a batch. */
const PICKED: Sizes = { rows: 8732, features: 81, picked: 8732 };

const picked = ({ rows, features, picked }: Sizes, random: () => number) => [
  floats([rows, features], () => random() * 2 - 1),
  integers([picked], rows, random),
];

const take: Case = {
  group: "ops",
  name: "take, with gradient",
  title: ({ rows, features, picked }) => `sum of squares of ${picked} rows of [${rows}, ${features}], with gradient`,
  quick: true,
  sizes: [PICKED],
  inputs: picked,
  gradients: [0],
  code: {
    gpugrad: () => ([x, i]) => g.sum(g.square(g.take(x, i, 0))),
    torch: python("x.index_select(0, y).square().sum()"),
    tfjs: { cannot: "has no gradient of gather on wasm" },
    jax: ({ numpy: np }) => ([x, i]) => np.sum(np.square(x.slice(i))),
    javascript({ rows, features }) {
      const gradient = new Float32Array(rows * features);
      return ([x, index]) => {
        gradient.fill(0);
        let sum = 0;
        for (let i = 0; i < index.length; i++) {
          for (let k = 0, at = index[i] * features; k < features; k++, at++) {
            sum += x[at] * x[at];
            gradient[at] += 2 * x[at];
          }
        }
        return [Float32Array.of(sum), gradient];
      };
    },
  },
};

const gather: Case = {
  group: "ops",
  name: "gather, with gradient",
  title: ({ d0, d1, d2 }) => `sum of squares of one of [${d0}, ${d1}, ${d2}], axis 1, with gradient`,
  sizes: [SHAPE],
  inputs: (sizes, random) => [
    floats(shapeOf(sizes), () => random() * 2 - 1),
    integers([sizes.d0, 1, sizes.d2], sizes.d1, random),
  ],
  gradients: [0],
  code: {
    gpugrad: () => ([x, i]) => g.sum(g.square(g.gather(x, i, 1))),
    torch: python("x.gather(1, y.long()).square().sum()"),
    tfjs: { cannot: "has no gather along an axis" },
    jax: ({ numpy: np }) => ([x, i]) => np.sum(np.square(np.takeAlongAxis(x, i, 1))),
    javascript({ d0, d1, d2 }) {
      const gradient = new Float32Array(d0 * d1 * d2);
      return ([x, index]) => {
        gradient.fill(0);
        let sum = 0;
        for (let image = 0, i = 0; image < d0; image++) {
          for (let k = 0; k < d2; k++, i++) {
            const at = (image * d1 + index[i]) * d2 + k;
            sum += x[at] * x[at];
            gradient[at] = 2 * x[at];
          }
        }
        return [Float32Array.of(sum), gradient];
      };
    },
  },
};

const scatterAdd: Case = {
  group: "ops",
  name: "scatterAdd",
  title: ({ rows, features, picked }) => `scatterAdd of [${picked}, ${features}] to [${rows}, ${features}]`,
  quick: true,
  sizes: [PICKED],
  inputs: ({ rows, features, picked }, random) => [
    floats([rows, features], () => random() * 2 - 1),
    integers([picked, 1], rows, random),
    floats([picked, features], () => random() * 2 - 1),
  ],
  code: {
    gpugrad: () => ([x, i, updates]) => g.scatterAdd(x, i, updates, 0),
    torch: `
def make(sizes):
    return lambda inputs: inputs[0].index_add(0, inputs[1][:, 0], inputs[2])
`,
    tfjs: (tf, { rows, features }) => ([x, i, updates]) => tf.add(x, tf.scatterND(i, updates, [rows, features])),
    jax: { cannot: "has no scatter" },
    javascript({ rows, features }) {
      const out = new Float32Array(rows * features);
      return ([x, index, updates]) => {
        out.set(x);
        for (let i = 0, from = 0; i < index.length; i++) {
          for (let k = 0, at = index[i] * features; k < features; k++, at++, from++) out[at] += updates[from];
        }
        return [out];
      };
    },
  },
};

const conv2d: Case = {
  group: "ops",
  name: "conv2d",
  title: ({ batch, from, to, side }) => `conv2d of [${batch}, ${from}, ${side}, ${side}], ${to} kernels of 3 x 3`,
  sizes: [{ batch: 8, from: 16, to: 32, side: 64 }],
  inputs: ({ batch, from, to, side }, random) => [
    floats([batch, from, side, side], () => random() * 2 - 1),
    floats([to, from, 3, 3], () => random() * 2 - 1),
  ],
  results: ({ batch, to, side }) => [[batch, to, side, side]],
  code: {
    gpugrad: () => ([x, w]) => g.conv2d(x, w, { padding: 1 }),
    torch: python("F.conv2d(x, y, padding=1)"),
    tfjs: {
      // Weights [to, from, 3, 3] become [to, 3, 3, from], which is turned once more.
      layout: [0, 2, 3, 1],
      run: (tf) => ([x, w]) =>
        tf.conv2d(
          x as import("@tensorflow/tfjs").Tensor4D,
          tf.transpose(w, [1, 2, 3, 0]) as import("@tensorflow/tfjs").Tensor4D,
          1,
          "same",
        ),
    },
    jax: ({ lax }) => ([x, w]) => lax.convGeneralDilated(x, w, [1, 1], "SAME"),
    javascript: NOT_WRITTEN,
  },
};

export const otherOps: readonly Case[] = [
  sum,
  max,
  argmax,
  softmax,
  logSumExp,
  cumsum,
  matmul,
  sort,
  argsort,
  topK,
  take,
  gather,
  scatterAdd,
  conv2d,
];
