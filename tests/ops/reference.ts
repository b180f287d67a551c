/**
 * Every op as plain loops over arrays of numbers, so that a mistake in an index or a formula cannot agree with itself. For
 * scalar ops the loop is here, and the function is the reference in their records, written apart from how they are computed. All others
 * are written out in the table at the end, by the name in the registry; nothing of gpugrad is used there.
 */
import { registry } from "./registry.ts";

/** An array of numbers with a shape, in row-major order. */
export interface Plain {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

type Attributes = Readonly<Record<string, unknown>>;

/** The reference of an op. */
export type Reference = (inputs: readonly Plain[], attributes: Attributes) => Plain;

/** Builds an array element by element. */
function build(shape: readonly number[], element: (at: number[]) => number): Plain {
  const data: number[] = [];
  const at: number[] = new Array(shape.length).fill(0);
  const visit = (axis: number): void => {
    if (axis === shape.length) data.push(element([...at]));
    else for (at[axis] = 0; at[axis] < shape[axis]; at[axis]++) visit(axis + 1);
  };
  visit(0);
  return { shape, data };
}

/** The element at the given coordinates. */
function get(x: Plain, at: readonly number[]): number {
  let flat = 0;
  for (let i = 0; i < x.shape.length; i++) flat = flat * x.shape[i] + at[i];
  return x.data[flat];
}

/** The element at the given coordinates of the array that `x` is broadcast to. */
function getBroadcast(x: Plain, at: readonly number[]): number {
  const offset = at.length - x.shape.length;
  return get(x, x.shape.map((n, i) => (n === 1 ? 0 : at[i + offset])));
}

function broadcastShape(inputs: readonly Plain[]): number[] {
  const rank = Math.max(...inputs.map((x) => x.shape.length));
  return Array.from({ length: rank }, (_, i) => {
    const sizes = inputs.map((x) => x.shape[i - (rank - x.shape.length)] ?? 1);
    return sizes.find((n) => n !== 1) ?? 1;
  });
}

/** A function of the elements at one position. */
function elementwise(f: (args: number[], attributes: Attributes) => number): Reference {
  return (inputs, attributes) =>
    build(broadcastShape(inputs), (at) => f(inputs.map((x) => getBroadcast(x, at)), attributes));
}

const binary = (f: (x: number, y: number) => number) => elementwise(([x, y]) => f(x, y));

function numbers(value: unknown): number[] {
  return (Array.isArray(value) ? value : [value]) as number[];
}

/** The axes named by attributes, counted from the front; all if they name none. */
function axesOf(rank: number, attributes: Attributes): number[] {
  const given = attributes.axes ?? attributes.axis;
  if (given === undefined || given === null) return Array.from({ length: rank }, (_, i) => i);
  return numbers(given).map((a) => (a < 0 ? a + rank : a)).sort((a, b) => a - b);
}

function oneAxis(rank: number, attributes: Attributes, otherwise = rank - 1): number {
  const given = attributes.axes ?? attributes.axis ?? otherwise;
  const [axis] = numbers(given);
  return axis < 0 ? axis + rank : axis;
}

/** A function of the elements along some axes, in row-major order. */
function reduction(f: (elements: number[], attributes: Attributes) => number): Reference {
  return ([x], attributes) => {
    const axes = axesOf(x.shape.length, attributes);
    const kept = x.shape.map((n, i) => (axes.includes(i) ? 1 : n));
    const full = build(kept, (at) => {
      const inner = build(axes.map((a) => x.shape[a]), (along) => {
        const source = [...at];
        axes.forEach((a, i) => (source[a] = along[i]));
        return get(x, source);
      });
      return f([...inner.data], attributes);
    });
    return attributes.keepDims ? full : { shape: x.shape.filter((_, i) => !axes.includes(i)), data: full.data };
  };
}

const total = (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0);
const largest = (xs: readonly number[]) => xs.reduce((a, b) => Math.max(a, b), -Infinity);
const smallest = (xs: readonly number[]) => xs.reduce((a, b) => Math.min(a, b), Infinity);

function logSumExp(xs: readonly number[]): number {
  const top = largest(xs);
  if (!Number.isFinite(top)) return top;
  return top + Math.log(total(xs.map((x) => Math.exp(x - top))));
}

/** A function of each element and of all those that lie with it along some axes. */
function lines(f: (elements: readonly number[]) => (x: number) => number): Reference {
  return ([x], attributes) => {
    const axes = axesOf(x.shape.length, attributes);
    return build(x.shape, (at) => {
      const elements: number[] = [];
      build(axes.map((a) => x.shape[a]), (along) => {
        const source = [...at];
        axes.forEach((a, i) => (source[a] = along[i]));
        elements.push(get(x, source));
        return 0;
      });
      return f(elements)(get(x, at));
    });
  };
}

/** The elements up to one, or from there on. */
const upTo = (line: number[], i: number, reverse: unknown): number[] => reverse ? line.slice(i) : line.slice(0, i + 1);

/** A function from the elements along one axis to the same or another number of elements. */
function along(f: (line: number[], attributes: Attributes) => number[], axisOf = oneAxis): Reference {
  return ([x], attributes) => {
    const axis = axisOf(x.shape.length, attributes);
    const lines = new Map<string, number[]>();
    const length = f(new Array(x.shape[axis]).fill(0), attributes).length;
    const shape = x.shape.map((n, i) => (i === axis ? length : n));
    return build(shape, (at) => {
      const key = at.map((n, i) => (i === axis ? "*" : n)).join();
      let line = lines.get(key);
      if (!line) {
        const source = Array.from({ length: x.shape[axis] }, (_, k) => get(x, at.map((n, i) => (i === axis ? k : n))));
        lines.set(key, line = f(source, attributes));
      }
      return line[at[axis]];
    });
  };
}

/** Positions in the order of their elements; equal elements keep their order. */
function order(line: readonly number[], descending: boolean): number[] {
  const left = line.map((_, i) => i);
  const sorted: number[] = [];
  while (left.length > 0) {
    let best = 0;
    for (let j = 1; j < left.length; j++) {
      const [a, b] = [line[left[j]], line[left[best]]];
      if (descending ? a > b : a < b) best = j;
    }
    sorted.push(...left.splice(best, 1));
  }
  return sorted;
}

/** The rank of each element. */
function ranks(line: readonly number[], descending: boolean): number[] {
  const rank = new Array<number>(line.length);
  order(line, descending).forEach((position, i) => (rank[position] = i));
  return rank;
}

/** The input position of each output element; `fill` if it is outside. */
function movement(
  shapeOf: (shape: readonly number[], attributes: Attributes) => number[],
  source: (at: number[], shape: readonly number[], attributes: Attributes) => number[],
): Reference {
  return ([x], attributes) =>
    build(shapeOf(x.shape, attributes), (at) => {
      const from = source(at, x.shape, attributes);
      if (from.some((n, i) => n < 0 || n >= x.shape[i])) return (attributes.value ?? 0) as number;
      return get(x, from);
    });
}

const sameData =
  (shapeOf: (shape: readonly number[], attributes: Attributes) => number[]): Reference => ([x], attributes) => ({
    shape: shapeOf(x.shape, attributes),
    data: x.data,
  });

/** The mean, the sum, or the elements themselves. */
function reduced(losses: Plain, attributes: Attributes): Plain {
  const reduction = attributes.reduction ?? "mean";
  if (reduction === "none") return losses;
  const sum = total(losses.data);
  return { shape: [], data: [reduction === "sum" ? sum : sum / losses.data.length] };
}

/** [.., n, k] by [.., k, m]; one axis is a row on the left and a column on the right, and is dropped. */
function matmul(a: Plain, b: Plain): Plain {
  if (a.shape.length === 1) {
    const { shape, data } = matmul({ shape: [1, ...a.shape], data: a.data }, b);
    const at = shape.length - (b.shape.length === 1 ? 1 : 2);
    return { shape: shape.filter((_, i) => i !== at), data };
  }
  if (b.shape.length === 1) {
    const { shape, data } = matmul(a, { shape: [...b.shape, 1], data: b.data });
    return { shape: shape.slice(0, -1), data };
  }
  const batch = broadcastShape([
    { shape: a.shape.slice(0, -2), data: [] },
    { shape: b.shape.slice(0, -2), data: [] },
  ]);
  const [n, inner] = a.shape.slice(-2);
  const m = b.shape[b.shape.length - 1];
  const at = (x: Plain, outer: readonly number[], i: number, j: number): number => {
    const own = x.shape.slice(0, -2);
    return get(x, [...own.map((size, k) => (size === 1 ? 0 : outer[k + outer.length - own.length])), i, j]);
  };
  return build([...batch, n, m], (index) => {
    const outer = index.slice(0, -2);
    const [i, j] = index.slice(-2);
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += at(a, outer, i, k) * at(b, outer, k, j);
    return sum;
  });
}

function gather(x: Plain, indices: Plain, axis: number): Plain {
  return build(indices.shape, (at) => {
    const from = at.map((n, i) => (i === axis ? get(indices, at) : x.shape[i] === 1 ? 0 : n));
    return get(x, from);
  });
}

/** Adds each update to the element that its index names, one after the other. */
function scatterAdd(base: Plain, indices: Plain, updates: Plain, axis: number): Plain {
  const out = [...base.data];
  build(indices.shape, (at) => {
    const to = at.map((n, i) => (i === axis ? get(indices, at) : n));
    let flat = 0;
    for (let i = 0; i < base.shape.length; i++) flat = flat * base.shape[i] + to[i];
    out[flat] += getBroadcast(updates, at);
    return 0;
  });
  return { shape: base.shape, data: out };
}

/** The negative logarithm of the softmax at the label. `labels` lacks the class axis. */
function crossEntropy(logits: Plain, labels: Plain, axis: number): Plain {
  return build(labels.shape, (at) => {
    const line = Array.from(
      { length: logits.shape[axis] },
      (_, k) => get(logits, [...at.slice(0, axis), k, ...at.slice(axis)]),
    );
    return logSumExp(line) - line[get(labels, at)];
  });
}

function variance(xs: readonly number[], { correction }: Attributes): number {
  const mean = total(xs) / xs.length;
  return total(xs.map((x) => (x - mean) ** 2)) / (xs.length - (correction as number));
}

const pNorm = (xs: readonly number[], p: number) => total(xs.map((x) => Math.abs(x) ** p)) ** (1 / p);

/** Goes through all values of all labels. An ellipsis is one axis here, with the label @. */
function einsum(equation: string, operands: readonly Plain[]): Plain {
  const [left, right] = equation.replaceAll("...", "@").split("->");
  const terms = left.split(",");
  const all = [...new Set(terms.join(""))].sort();
  const result = right ?? all.filter((label) => terms.join("").split(label).length === 2).join("");
  const sizes = all.map((label) => {
    const i = terms.findIndex((term) => term.includes(label));
    return operands[i].shape[terms[i].indexOf(label)];
  });
  const of = (at: readonly number[], term: string) => [...term].map((label) => at[all.indexOf(label)]);
  const out = new Map<string, number>();
  build(sizes, (at) => {
    const product = operands.reduce((p, x, i) => p * get(x, of(at, terms[i])), 1);
    const key = of(at, result).join();
    out.set(key, (out.get(key) ?? 0) + product);
    return 0;
  });
  return build([...result].map((label) => sizes[all.indexOf(label)]), (at) => out.get(at.join()) ?? 0);
}

const pairOf = (value: unknown) => (Array.isArray(value) ? value : [value, value]) as number[];

const positiveAxis = (axis: unknown, rank: number, otherwise: number): number => {
  const a = (axis ?? otherwise) as number;
  return a < 0 ? a + rank : a;
};

/** Every op and composite of the registry whose record has no reference, by name. */
export const references: Readonly<Record<string, Reference>> = {
  // Reductions
  sum: reduction(total),
  mean: reduction((xs) => total(xs) / xs.length),
  max: reduction(largest),
  min: reduction(smallest),
  prod: reduction((xs) => xs.reduce((a, b) => a * b, 1)),
  argmax: reduction((xs) => order(xs, true)[0]),
  argmin: reduction((xs) => order(xs, false)[0]),
  any: reduction((xs) => (xs.some((x) => x !== 0) ? 1 : 0)),
  all: reduction((xs) => (xs.every((x) => x !== 0) ? 1 : 0)),
  logSumExp: reduction(logSumExp),

  // Movement
  reshape: sameData((_, { shape }) => shape as number[]),
  squeeze: sameData((shape, attributes) => {
    const given = attributes.axes ?? attributes.axis;
    if (given === undefined || given === null) return shape.filter((n) => n !== 1);
    const axes = axesOf(shape.length, attributes);
    return shape.filter((_, i) => !axes.includes(i));
  }),
  unsqueeze: sameData((shape, attributes) => {
    const axes = numbers(attributes.axes ?? attributes.axis);
    const rank = shape.length + axes.length;
    const added = axes.map((a) => (a < 0 ? a + rank : a));
    let next = 0;
    return Array.from({ length: rank }, (_, i) => (added.includes(i) ? 1 : shape[next++]));
  }),
  transpose: movement(
    (shape, { order }) => (order as number[]).map((axis) => shape[axis]),
    (at, shape, { order }) => {
      const source = new Array<number>(shape.length);
      at.forEach((n, i) => (source[(order as number[])[i]] = n));
      return source;
    },
  ),
  broadcastTo: movement(
    (_, { shape }) => shape as number[],
    (at, shape) => shape.map((n, i) => (n === 1 ? 0 : at[i + at.length - shape.length])),
  ),
  slice: movement(
    (_, { counts }) => counts as number[],
    (at, _, { starts, steps }) => at.map((n, i) => (starts as number[])[i] + n * (steps as number[])[i]),
  ),
  flip: movement(
    (shape) => [...shape],
    (at, shape, attributes) => {
      const axes = axesOf(shape.length, attributes);
      return at.map((n, i) => (axes.includes(i) ? shape[i] - 1 - n : n));
    },
  ),
  pad: movement(
    (shape, { before, after }) => shape.map((n, i) => (before as number[])[i] + n + (after as number[])[i]),
    (at, _, { before }) => at.map((n, i) => n - (before as number[])[i]),
  ),
  concat: (inputs, attributes) => {
    const axis = oneAxis(inputs[0].shape.length, attributes, 0);
    const shape = inputs[0].shape.map((n, i) => (i === axis ? total(inputs.map((x) => x.shape[axis])) : n));
    return build(shape, (at) => {
      let k = 0;
      let n = at[axis];
      while (n >= inputs[k].shape[axis]) n -= inputs[k++].shape[axis];
      return get(inputs[k], at.map((m, i) => (i === axis ? n : m)));
    });
  },
  stack: (inputs, attributes) => {
    const rank = inputs[0].shape.length + 1;
    const axis = positiveAxis(attributes.axis, rank, 0);
    const { shape } = inputs[0];
    return build(
      [...shape.slice(0, axis), inputs.length, ...shape.slice(axis)],
      (at) => get(inputs[at[axis]], [...at.slice(0, axis), ...at.slice(axis + 1)]),
    );
  },

  // Indexing
  gather: ([x, indices], attributes) => gather(x, indices, oneAxis(x.shape.length, attributes, 0)),
  take: ([x, indices], attributes) => {
    const axis = attributes.axis as number;
    const after = axis + indices.shape.length;
    return build(
      [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)],
      (at) => get(x, [...at.slice(0, axis), get(indices, at.slice(axis, after)), ...at.slice(after)]),
    );
  },
  scatterAdd: ([base, indices, updates], attributes) =>
    scatterAdd(base, indices, updates, oneAxis(base.shape.length, attributes, 0)),
  oneHot: ([indices], { depth }) =>
    build([...indices.shape, depth as number], (at) => (get(indices, at.slice(0, -1)) === at[at.length - 1] ? 1 : 0)),

  // Ordering
  sort: along((line, { descending }) => order(line, descending === true).map((i) => line[i])),
  argsort: along((line, { descending }) => order(line, descending === true)),
  rank: along((line, { descending }) => ranks(line, descending === true)),
  topK: along((line, { k }) => order(line, true).slice(0, k as number).map((i) => line[i])),
  topKMask: along((line, { k }) => ranks(line, true).map((r) => (r < (k as number) ? 1 : 0))),

  split: movement(
    (shape, { sizes, axis, part }) => shape.map((n, i) => (i === axis ? (sizes as number[])[part as number] : n)),
    (at, _, { sizes, axis, part }) =>
      at.map((n, i) => (i === axis ? n + total((sizes as number[]).slice(0, part as number)) : n)),
  ),
  tile: ([x], attributes) => {
    const counts = attributes.counts as number[];
    const rank = Math.max(counts.length, x.shape.length);
    const size = (i: number) => x.shape[i - (rank - x.shape.length)] ?? 1;
    const count = (i: number) => counts[i - (rank - counts.length)] ?? 1;
    return build(
      Array.from({ length: rank }, (_, i) => size(i) * count(i)),
      (at) => get(x, at.map((n, i) => n % size(i)).slice(rank - x.shape.length)),
    );
  },

  // Grids
  linspace: (_, { start, end, count }) => {
    const [a, b, n] = [start, end, count] as number[];
    return build([n], ([i]) => (n === 1 ? a : a + ((b - a) * i) / (n - 1)));
  },
  eye: (_, { shape }) => build(shape as number[], ([i, j]) => (i === j ? 1 : 0)),

  // Statistics and norms
  variance: reduction(variance),
  standardDeviation: reduction((xs, attributes) => Math.sqrt(variance(xs, attributes))),
  norm: reduction((xs, { p }) => pNorm(xs, p as number)),
  normalize: along((line, { p, eps }) => {
    const size = Math.max(pNorm(line, p as number), eps as number);
    return line.map((x) => x / size);
  }),
  pairwiseDistance: (inputs, { p, eps }) => {
    const shape = broadcastShape(inputs);
    return build(shape.slice(0, -1), (at) => {
      const differences = Array.from({ length: shape[shape.length - 1] }, (_, i) => {
        const [a, b] = inputs.map((x) => getBroadcast(x, [...at, i]));
        return a - b + (eps as number);
      });
      return pNorm(differences, p as number);
    });
  },

  // Convolution
  windows: ([x], attributes) => {
    const { axis, size, stride, dilation } = attributes as Record<string, number>;
    let count = 0;
    while (count * stride + (size - 1) * dilation < x.shape[axis]) count++;
    return build([...x.shape.map((n, i) => (i === axis ? count : n)), size], (at) => {
      const k = at[at.length - 1];
      return get(x, at.slice(0, -1).map((n, i) => (i === axis ? n * stride + k * dilation : n)));
    });
  },
  shifted: movement(
    (shape) => [...shape],
    (at, _, { axis, by }) => at.map((n, i) => (i === axis ? n - (by as number) * at[at.length - 1] : n)),
  ),
  conv2d: ([x, weight, bias], attributes) => {
    const [stride, padding, dilation] = [attributes.stride, attributes.padding, attributes.dilation].map(pairOf);
    const images = x.shape.length === 4 ? x : { shape: [1, ...x.shape], data: x.data };
    const [count, , height, width] = images.shape;
    const [outputs, each, rows, columns] = weight.shape;
    const length = (n: number, k: number, i: number) =>
      Math.floor((n + 2 * padding[i] - dilation[i] * (k - 1) - 1) / stride[i]) + 1;
    const shape = [count, outputs, length(height, rows, 0), length(width, columns, 1)];
    const out = build(shape, ([n, o, r, c]) => {
      const group = Math.floor(o / (outputs / (attributes.groups as number)));
      let sum = bias ? bias.data[o] : 0;
      for (let k = 0; k < each; k++) {
        for (let i = 0; i < rows; i++) {
          for (let j = 0; j < columns; j++) {
            const y = r * stride[0] + i * dilation[0] - padding[0];
            const z = c * stride[1] + j * dilation[1] - padding[1];
            if (y < 0 || y >= height || z < 0 || z >= width) continue;
            sum += get(images, [n, group * each + k, y, z]) * get(weight, [o, k, i, j]);
          }
        }
      }
      return sum;
    });
    return { shape: x.shape.length === 4 ? shape : shape.slice(1), data: out.data };
  },
  avgPool2d: ([x], attributes) => {
    const [size, stride, padding] = [attributes.size, attributes.stride, attributes.padding].map(pairOf);
    const [height, width] = x.shape.slice(-2);
    const length = (n: number, i: number) => Math.floor((n + 2 * padding[i] - size[i]) / stride[i]) + 1;
    return build([...x.shape.slice(0, -2), length(height, 0), length(width, 1)], (at) => {
      const [r, c] = at.slice(-2);
      let [sum, count] = [0, 0];
      for (let i = 0; i < size[0]; i++) {
        for (let j = 0; j < size[1]; j++) {
          const [y, z] = [r * stride[0] + i - padding[0], c * stride[1] + j - padding[1]];
          const inside = y >= 0 && y < height && z >= 0 && z < width;
          if (inside) sum += get(x, [...at.slice(0, -2), y, z]);
          if (inside || attributes.countIncludePad) count++;
        }
      }
      return sum / count;
    });
  },
  maxPool2d: ([x], attributes) => {
    const [size, stride, padding] = [attributes.size, attributes.stride, attributes.padding].map(pairOf);
    const [height, width] = x.shape.slice(-2);
    const length = (n: number, i: number) => Math.floor((n + 2 * padding[i] - size[i]) / stride[i]) + 1;
    return build([...x.shape.slice(0, -2), length(height, 0), length(width, 1)], (at) => {
      const [r, c] = at.slice(-2);
      const [top, left] = [r * stride[0] - padding[0], c * stride[1] - padding[1]];
      let most = -Infinity;
      for (let y = Math.max(0, top); y < Math.min(height, top + size[0]); y++) {
        for (let z = Math.max(0, left); z < Math.min(width, left + size[1]); z++) {
          most = Math.max(most, get(x, [...at.slice(0, -2), y, z]));
        }
      }
      return most;
    });
  },

  // Diagonals
  diag: ([x], attributes) => {
    const offset = attributes.offset as number;
    if (x.shape.length === 1) {
      const n = x.shape[0] + Math.abs(offset);
      return build([n, n], ([i, j]) => (j - i === offset ? x.data[Math.min(i, j)] : 0));
    }
    const data: number[] = [];
    for (let i = 0; i < x.shape[0]; i++) {
      if (i + offset >= 0 && i + offset < x.shape[1]) data.push(get(x, [i, i + offset]));
    }
    return { shape: [data.length], data };
  },
  trace: ([x]) => {
    let sum = 0;
    for (let i = 0; i < Math.min(...x.shape); i++) sum += get(x, [i, i]);
    return { shape: [], data: [sum] };
  },

  // Running results
  cumsum: along((line, { reverse }) => line.map((_, i) => total(upTo(line, i, reverse)))),
  cumprod: along((line, { reverse }) => line.map((_, i) => upTo(line, i, reverse).reduce((a, b) => a * b, 1))),
  logCumSumExp: along((line, { reverse }) => line.map((_, i) => logSumExp(upTo(line, i, reverse)))),

  // Composites
  gelu: elementwise(([x], { approximate }) => {
    if (approximate === "tanh") return (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
    return x * referenceOf("erf")([{ shape: [], data: [x / Math.SQRT2] }], {}).data[0] / 2 + x / 2;
  }),
  einsum: (operands, { equation }) => einsum(equation as string, operands),
  matmul: ([a, b]) => matmul(a, b),
  softmax: lines((all) => (x) => Math.exp(x - logSumExp(all))),
  logSoftmax: lines((all) => (x) => x - logSumExp(all)),
  softmaxCrossEntropy: ([logits, labels], { axis }) => crossEntropy(logits, labels, axis as number),
  crossEntropy: ([logits, labels, weight], attributes) => {
    const axis = positiveAxis(attributes.axis, logits.shape.length, logits.shape.length > 1 ? 1 : 0);
    const { ignoreIndex, labelSmoothing = 0 } = attributes as Record<string, number | undefined>;
    const weightOf = (label: number) => (weight ? weight.data[label] : 1);
    const losses = build(labels.shape, (at) => {
      const label = get(labels, at);
      if (label === ignoreIndex) return 0;
      const classes = logits.shape[axis];
      let loss = 0;
      for (let c = 0; c < classes; c++) {
        const share = (c === label ? 1 - labelSmoothing : 0) + labelSmoothing / classes;
        loss += share * weightOf(c) *
          get(crossEntropy(logits, { ...labels, data: labels.data.map(() => c) }, axis), at);
      }
      return loss;
    });
    if (attributes.reduction !== "mean") return reduced(losses, attributes);
    return {
      shape: [],
      data: [total(losses.data) / total(labels.data.map((label) => (label === ignoreIndex ? 0 : weightOf(label))))],
    };
  },
  smoothL1: ([pred, target], attributes) => {
    const beta = (attributes.beta ?? 1) as number;
    const losses = binary((p, t) => {
      const d = Math.abs(p - t);
      return d < beta ? 0.5 * d * d / beta : d - 0.5 * beta;
    })([pred, target], {});
    return reduced(losses, attributes);
  },
  huber: ([pred, target], attributes) => {
    const delta = (attributes.delta ?? 1) as number;
    const losses = binary((p, t) => {
      const d = Math.abs(p - t);
      return d < delta ? 0.5 * d * d : delta * (d - 0.5 * delta);
    })([pred, target], {});
    return reduced(losses, attributes);
  },
  binaryCrossEntropyWithLogits: ([logits, targets, ...factors], attributes) => {
    const weights = attributes.weights as string[];
    const all = [logits, targets, ...factors];
    const losses = elementwise(([x, t, ...given]) => {
      const of = (name: string) => (weights.includes(name) ? given[weights.indexOf(name)] : 1);
      const softplus = (z: number) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
      return of("weight") * (of("posWeight") * t * softplus(-x) + (1 - t) * softplus(x));
    })(all, {});
    return reduced(losses, attributes);
  },
};

/** The plain loop of an op or composite. Throws if nobody has written it down. */
export function referenceOf(name: string): Reference {
  const scalar = registry().get(name)?.reference;
  const found = scalar ? elementwise(scalar) : references[name];
  if (found) return found;
  throw new Error(
    `"${name}" has neither a reference in its record nor a plain loop in tests/ops/reference.ts: ` +
      `add the first for a scalar op, the second, to the table "references", for any other`,
  );
}
