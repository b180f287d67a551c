/** Bad calls of the exports of `mod.ts` from `core/` and `ops/`. */
import * as g from "../../../mod.ts";
import { recordOf } from "../../ops/registry.ts";
import { elementwiseRows } from "./elementwise.ts";
import { formulaRows, formulas } from "./formulas.ts";
import {
  axis,
  type Callable,
  count,
  indices,
  options,
  other,
  type Parameter,
  type Row,
  rows,
  rowsOf,
  shape,
  tensorArray,
  tensorLike,
  tensorOnly,
} from "./rows.ts";
import { transformRows, transformSignatures } from "./transforms.ts";

const { tensor } = g;
const x = tensor([[1, 2, 3], [4, 5, 6]]);
const truths = [[true, false, true], [false, true, true]];
const y = g.sum(g.square(x));
// deno-lint-ignore no-explicit-any
const any = (value: unknown) => value as any;

const reduceOptions = options({ keepDims: true }, { keepDims: [1, "yes", null] }, {
  keepdims: "keepDims",
  keepdim: "keepDims",
  keep_dims: "keepDims",
});
const orderOptions = options({ descending: true }, { descending: [1, "yes", null] }, { desc: "descending" });
const dtypeOptions = options({ dtype: "int" }, { dtype: ["int32", "double", null, Float32Array] }, {
  dType: "dtype",
  type: "dtype",
});
const lossOptions = (more: Record<string, readonly unknown[]> = {}, near: Record<string, string> = {}) =>
  options({ reduction: "sum" }, { reduction: [true, "avg", null], ...more }, { reduce: "reduction", ...near });
const deviceOptions = options({ device: "float64" }, { device: ["gpu", 1, null, "CPU"] }, { devices: "device" });

const reductions = ["sum", "mean", "prod", "max", "min", "logSumExp"] as const;

const plainX = tensorLike("x");
const truthX = tensorLike("x", truths);

type Declared = readonly [fn: Callable, parameters: readonly Parameter[]];

/** The scalar functions: their records name their parameters, and say which take truth values. */
const scalars: Record<string, Declared> = Object.fromEntries(
  Object.entries(g).flatMap(([name, fn]): [string, Declared][] => {
    const { op, composite } = recordOf(fn) ?? {};
    const parameters = op?.parameters ?? composite?.parameters;
    if (!parameters) return [];
    const takes = op?.kernel.kind === "elementwise" ? op.kernel.takes : undefined;
    const like = (parameter: string, i: number) =>
      tensorLike(parameter, ...(takes?.[i] === "condition" ? [truths] : []));
    return [[name, [fn as Callable, parameters.map(like)]]];
  }),
);

/** Each function with its parameters; a good call uses the good value of each. */
export const signatures: Record<string, Declared> = {
  ...transformSignatures,
  ...scalars,
  ...formulas,
  ...Object.fromEntries(
    reductions.map((name) => [name, [g[name], [plainX, axis(0, { several: true }), reduceOptions]]]),
  ),
  ...Object.fromEntries(
    (["any", "all"] as const).map((name) => [name, [g[name], [truthX, axis(0, { several: true }), reduceOptions]]]),
  ),
  ...Object.fromEntries(
    (["argmax", "argmin"] as const).map((
      name,
    ) => [name, [g[name], [plainX, axis(0, { several: true }), reduceOptions]]]),
  ),
  ...Object.fromEntries(
    (["rank", "argsort", "sort"] as const).map((name) => [name, [g[name], [plainX, axis(0), orderOptions]]]),
  ),
  ...Object.fromEntries(
    (["softmax", "logSoftmax"] as const).map((name) => [name, [g[name], [plainX, axis(0, { several: true })]]]),
  ),
  cast: [g.cast, [plainX, other("dtype", "int", ["undefined", undefined], ["null", null], ['"int32"', "int32"])]],
  clamp: [g.clamp, [
    plainX,
    other("min", 0, ["null", null], ['"0"', "0"], ["{ min: 0 }", { min: 0 }], ["a tensor", x]),
    other("max", 1, ["null", null], ['"1"', "1"], ["[1]", [1]], ["a tensor", x]),
  ]],
  topK: [g.topK, [plainX, count("k", 2), axis(1)]],
  topKMask: [g.topKMask, [
    plainX,
    other("k", 2, ["null", null], ['"2"', "2"], ["0.5", 0.5], ["NaN", NaN], ["undefined", undefined]),
    axis(1),
  ]],
  tensor: [g.tensor, [
    tensorLike("data"),
    shape([3, 2], true),
    options({ dtype: "int" }, { dtype: ["int32", null], requiresGrad: ["yes", 1], copy: [1, null] }, {
      requires_grad: "requiresGrad",
      dType: "dtype",
    }),
  ]],
  zeros: [g.zeros, [shape([2, 3]), dtypeOptions]],
  ones: [g.ones, [shape([2, 3]), dtypeOptions]],
  full: [g.full, [
    shape([2]),
    other("value", 1, ["undefined", undefined], ["null", null], ['"1"', "1"], ["[1]", [1]], ["a tensor", x]),
    dtypeOptions,
  ]],
  arange: [g.arange, [
    other("start", 0, ["undefined", undefined], ['"3"', "3"], ["NaN", NaN], ["Infinity", Infinity], ["[3]", [3]]),
    other("end", 4, ["null", null], ['"3"', "3"], ["NaN", NaN], ["Infinity", Infinity]),
    other("step", 2, ["null", null], ['"1"', "1"], ["NaN", NaN], ["0", 0]),
    options({ dtype: "float" }, { dtype: ["int32", null] }, { type: "dtype" }),
  ]],
  reshape: [g.reshape, [plainX, shape([3, 2])]],
  broadcastTo: [g.broadcastTo, [plainX, shape([2, 2, 3])]],
  transpose: [g.transpose, [
    plainX,
    other("order", [1, 0], ["null", null], ["1", 1], ['"01"', "01"], ["{}", {}], ["a tensor", x]),
  ]],
  slice: [g.slice, [
    plainX,
    other("ranges", [0], ["undefined", undefined], ["null", null], ["0", 0], ['"0:1"', "0:1"], ["{}", {}]),
  ]],
  pad: [g.pad, [
    plainX,
    other("widths", [[1, 1], [0, 0]], ["undefined", undefined], ["null", null], ["1", 1], ['"1"', "1"]),
    other("value", 0, ['"a"', "a"], ["null", null], ["[0]", [0]], ["true", true], ["a tensor", x]),
  ]],
  flip: [g.flip, [plainX, axis(0, { several: true })]],
  squeeze: [g.squeeze, [tensorLike("x", [[1, 2, 3]]), axis(0, { several: true })]],
  unsqueeze: [g.unsqueeze, [plainX, axis(0, { optional: false })]],
  concat: [g.concat, [tensorArray("tensors", [x, x]), axis(0)]],
  stack: [g.stack, [tensorArray("tensors", [x, x]), axis(0)]],
  gather: [g.gather, [plainX, indices("indices", [[0, 1, 1]]), axis(0, { optional: false })]],
  take: [g.take, [plainX, indices("indices", [0, 1]), axis(0)]],
  scatterAdd: [g.scatterAdd, [
    tensorLike("base"),
    indices("indices", [[0, 1, 1]]),
    tensorLike("updates", 1),
    axis(0, { optional: false }),
  ]],
  oneHot: [g.oneHot, [indices("indices", [0, 1]), count("depth", 3)]],
  crossEntropy: [g.crossEntropy, [
    tensorLike("logits"),
    indices("labels", [0, 1]),
    lossOptions({
      axis: ["1", 0.5, null],
      weight: [null, "1", {}],
      labelSmoothing: [-0.1, 2, "0.1", null, NaN],
      ignoreIndex: [0.5, "0", null, NaN, 2 ** 25],
    }, { weights: "weight", label_smoothing: "labelSmoothing", ignore_index: "ignoreIndex" }),
  ]],
  smoothL1: [g.smoothL1, [
    tensorLike("prediction"),
    tensorLike("target", 1),
    lossOptions({ beta: [-1, NaN, "1", null, Infinity] }),
  ]],
  huber: [g.huber, [
    tensorLike("prediction"),
    tensorLike("target", 1),
    lossOptions({ delta: [-1, 0, NaN, "1", null, Infinity] }),
  ]],
  binaryCrossEntropyWithLogits: [g.binaryCrossEntropyWithLogits, [
    tensorLike("logits"),
    tensorLike("targets", 1),
    lossOptions({ weight: [null, "1", {}], posWeight: [null, "1", {}] }, { pos_weight: "posWeight" }),
  ]],
  matmul: [g.matmul, [tensorLike("a", [[1, 2]]), tensorLike("b", [[1], [2]])]],
  detach: [g.detach, [
    plainX,
    options({ requiresGrad: true }, { requiresGrad: [1, "yes", null] }, { requires_grad: "requiresGrad" }),
  ]],
  hold: [g.hold, [plainX]],
  grad: [
    g.grad,
    [
      tensorOnly("y", y),
      other("x", x, ["undefined", undefined], ["null", null], ["1", 1], ['"x"', "x"], ["() => 1", () => 1]),
      tensorLike("cotangent", 1),
      options({ allowUnused: true }, { allowUnused: [1, "yes", null] }, { allow_unused: "allowUnused" }),
    ].map((p, i) => (i === 2 ? { ...p, bad: p.bad.filter(([text]) => text !== "undefined") } : p)),
  ],
  backward: [g.backward, [
    tensorOnly("y", g.sum(tensor([1], [1], { requiresGrad: true }))),
    (({ good, bad }) => ({ good, bad: bad.filter(([text]) => text !== "undefined") }))(tensorLike("cotangent", 1)),
  ]],
  realize: [g.realize, [tensorArray("tensors", [x]), deviceOptions]],
  inspect: [g.inspect, [
    other("outputs", x, ["undefined", undefined], ["null", null], ["1", 1], ['"x"', "x"], ["{}", {}]),
    deviceOptions,
  ]],
  compile: [g.compile, [
    other("fn", g.exp, ["undefined", undefined], ["null", null], ["a tensor", x], ['"exp"', "exp"]),
    deviceOptions,
  ]],
  useDevice: [g.useDevice, [
    other(
      "name",
      "float64",
      ["undefined", undefined],
      ["null", null],
      ['"gpu"', "gpu"],
      ['"CPU"', "CPU"],
      ["1", 1],
      ["{}", {}],
      ["[]", []],
      ["true", true],
      ['"cuda:0"', "cuda:0"],
    ),
  ]],
  availableDevices: [g.availableDevices, []],
};

/** The methods of tensors. */
export const methods: Record<string, Declared> = {
  data: [(...args) => x.data(...any(args)), [
    options({ device: "float64" }, {
      device: ["gpu"],
      copy: [1, "no", null],
      into: [true, [0, 0], new Float32Array(5), new Float32Array(7), new Int32Array(6), new Uint8Array(6)],
    }),
  ]],
  dispose: [(...args) => any(g.tensor(1)).dispose(...args), []],
  item: [(...args) => y.item(...any(args)), [deviceOptions]],
  toArray: [(...args) => x.toArray(...any(args)), [deviceOptions]],
};

const wide = g.zeros([2 ** 24 + 2]);
const read = (t: g.Tensor) => [() => t.data({ device: "float64" }), () => t.toArray({ device: "float64" })];

const special: Row[] = [
  {
    name: "Tensor",
    blames: "data",
    text: "x.data({ into, copy: false })",
    call: () => x.data({ into: new Float32Array(6), copy: false }),
    says: /expected either into, which takes a copy, or copy: false, got both/,
  },
  ...rows(
    "sum",
    [
      "sum(x, { keepDims: true })",
      () => g.sum(x, any({ keepDims: true })),
      /; write sum\(x, undefined, \{ keepDims: true \}\)/,
    ],
    ["sum(x, 0, true)", () => g.sum(x, 0, any(true)), /got true; write sum\(x, axis, \{ keepDims: true \}\)/],
  ),
  ...rows("exp", ["exp(x, 2)", () => any(g.exp)(x, 2), /expected one argument, exp\(x\), got 2, with 2 as number 2/]),
  ...rows(
    "binaryCrossEntropyWithLogits",
    [
      'bce(x, x, "none")',
      () => g.binaryCrossEntropyWithLogits(x, x, any("none")),
      /write binaryCrossEntropyWithLogits\(logits, targets, \{ reduction: "none" \}\)/,
    ],
    [
      "bce(x, x, { posWeight: [1, 2] })",
      () => g.binaryCrossEntropyWithLogits(x, x, { posWeight: [1, 2] }),
      /expected posWeight to broadcast to \[2, 3\], the shape of the losses, got \[2\]/,
    ],
    [
      "bce(1, 1, { weight: x })",
      () => g.binaryCrossEntropyWithLogits(1, 1, { weight: x }),
      /expected weight to broadcast to \[\], the shape of the losses, got \[2, 3\]/,
    ],
    [
      "bce(x, [1, 2])",
      () => g.binaryCrossEntropyWithLogits(x, [1, 2]),
      /expected logits and targets to broadcast together/,
    ],
  ),
  ...(["smoothL1", "huber", "binaryCrossEntropyWithLogits"] as const).flatMap((name) =>
    rows(name, [
      "a column and a row",
      () => g[name](g.zeros([3, 1]), [0, 1, 0]),
      /expected .* of as many axes, .*, got \[3, 1\] and \[3\], whose losses would be \[3, 3\]; squeeze\(x, axis\)/,
    ])
  ),
  ...rows(
    "zeros",
    ["zeros(3)", () => g.zeros(any(3)), /expected shape to be .*, got 3; write zeros\(\[3\]\)/],
    ["zeros(2, 3)", () => any(g.zeros)(2, 3), /; write zeros\(\[2, 3\]\)/],
    ['zeros([2], "int")', () => g.zeros([2], any("int")), /write zeros\(shape, \{ dtype: "int" \}\)/],
  ),
  ...rows("ones", ["ones(3)", () => g.ones(any(3)), /; write ones\(\[3\]\)/]),
  ...rows(
    "full",
    ["full([2])", () => any(g.full)([2]), /expected value to be a number or a boolean, got undefined/],
    ["full([2], 0.5, int)", () => g.full([2], 0.5, { dtype: "int" }), /expected whole numbers .* got 0.5/],
    ["full([2], NaN, int)", () => g.full([2], NaN, { dtype: "int" }), /expected whole numbers .* got NaN/],
    ["full([2], 2, bool)", () => g.full([2], 2, { dtype: "bool" }), /expected booleans, .* got 2/],
  ),
  ...rows(
    "tensor",
    ["tensor(x)", () => g.tensor(any(x)), /expected data to be a number, .*, got a tensor/],
    [
      "tensor([1], { requiresGrad: true })",
      () => g.tensor([1], any({ requiresGrad: true })),
      /write tensor\(data, undefined, \{ requiresGrad: true \}\)/,
    ],
    ["tensor([1, 2], [3])", () => g.tensor([1, 2], [3]), /expected 3 elements for shape \[3\], got 2/],
    [
      "rows of two lengths",
      () => g.tensor([new Float32Array(2), new Float32Array(3)]),
      /expected an array of 2 elements as data\[1\], as before it, got 3 elements/,
    ],
    [
      "booleans and a typed row",
      () => g.tensor([[true], new Float32Array(1)]),
      /expected every element to be a boolean/,
    ],
    ["a row of bigints", () => g.tensor([any(new BigInt64Array(1))]), /bigints as data\[0\]/],
  ),
  ...rows(
    "arange",
    ["arange(0.5, 3, 1, int)", () => g.arange(0.5, 3, 1, { dtype: "int" }), /expected whole numbers for dtype int/],
    ["arange(2^25)", () => g.arange(2 ** 25), /expected whole numbers of at most 2\^24/],
    ["arange(3, bool)", () => g.arange(0, 3, 1, { dtype: "bool" }), /expected dtype float or int, got bool/],
  ),
  ...rows(
    "reshape",
    ["reshape(x, [-1, -1])", () => g.reshape(x, [-1, -1]), /expected at most one -1, .*, got \[-1, -1\]/],
    ["reshape(x, 3, 2)", () => any(g.reshape)(x, 3, 2), /; write reshape\(x, \[3, 2\]\)/],
    ["reshape(x, [4])", () => g.reshape(x, [4]), /expected a shape of 6 elements .* got \[4\]/],
    ["reshape(x, [4, -1])", () => g.reshape(x, [4, -1]), /expected a shape of 6 elements .* got \[4, -1\]/],
  ),
  ...rows(
    "transpose",
    ["transpose(x, 0, 1)", () => any(g.transpose)(x, 0, 1), /; write transpose\(x, \[0, 1\]\)/],
    ["transpose(x, [0])", () => g.transpose(x, [0]), /expected each axis of shape \[2, 3\] once, got \[0\]/],
    ["transpose(x, [0, 0])", () => g.transpose(x, [0, 0]), /expected each axis .* once, got \[0, 0\]/],
    [
      'transpose(x, ["1", 0])',
      () => g.transpose(x, any(["1", 0])),
      /expected order\[0\] to be a whole number, got "1"/,
    ],
    ["transpose(x, [NaN, 0])", () => g.transpose(x, [NaN, 0]), /expected order\[0\] to be a whole number, got NaN/],
  ),
  ...rows("broadcastTo", [
    "broadcastTo(x, 2, 3)",
    () => any(g.broadcastTo)(x, 2, 3),
    /; write broadcastTo\(x, \[2, 3\]\)/,
  ]),
  ...rows(
    "concat",
    ["concat(x, x)", () => any(g.concat)(x, x), /; write concat\(\[x, y\]\)/],
    ["concat([])", () => g.concat([]), /expected at least one tensor, got none/],
    [
      "concat of scalars",
      () => g.concat([1, 2]),
      /expected an axis of shape \[\], got 0: a scalar has none; unsqueeze/,
    ],
    ["concat of 2^24 and one", () => g.concat([wide, wide]), /expected an axis 0 of at most 2\^24 elements/],
  ),
  ...rows(
    "stack",
    ["stack(x)", () => any(g.stack)(x), /; write stack\(\[x\]\)/],
    ["stack(x, x)", () => any(g.stack)(x, x), /; write stack\(\[x, y\]\)/],
    ["stack([])", () => g.stack([]), /expected at least one tensor, got none/],
    ["stack([1, [2]])", () => g.stack([1, [2]]), /expected one shape, got \[\] and, for tensor 1, \[1\]/],
    ["stack([x], 3)", () => g.stack([x], 3), /expected an axis from 0 to 2 .* got 3/],
  ),
  ...rows(
    "slice",
    ["slice(x, 0)", () => any(g.slice)(x, 0), /; write slice\(x, \[0\]\)/],
    ["slice(x, 0, 1)", () => any(g.slice)(x, 0, 1), /got 0; write slice\(x, \[\[0, 1\]\]\)/],
    ["slice(v, [0, 2])", () => g.slice(g.zeros([3]), [0, 2]), /at most 1 ranges .* write slice\(x, \[\[0, 2\]\]\)/],
    ["slice(v, [0, 0, 0, 0])", () => g.slice(g.zeros([3]), [0, 0, 0, 0]), /at most 1 ranges for shape \[3\], got 4$/],
    ['slice(x, ["0"])', () => g.slice(x, any(["0"])), /expected ranges\[0\] to be .*, got "0"/],
    ["slice(x, [undefined])", () => g.slice(x, any([undefined])), /expected ranges\[0\] to be .*, got undefined/],
    ["slice(x, [[1]])", () => g.slice(x, any([[1]])), /expected ranges\[0\] to be .*, got \[1\]/],
    ["slice(x, [[0, 1, 1, 1]])", () => g.slice(x, any([[0, 1, 1, 1]])), /expected ranges\[0\] to be/],
    ["slice(x, [[0, 1, 0]])", () => g.slice(x, [[0, 1, 0]]), /expected a whole step other than 0 for axis 0, got 0/],
    ['slice(x, [["0", 1]])', () => g.slice(x, any([["0", 1]])), /expected whole bounds or null for axis 0, got "0"/],
    ["slice(x, [[0, NaN]])", () => g.slice(x, [[0, NaN]]), /expected whole bounds or null for axis 0, got NaN/],
    ["slice(x, [5])", () => g.slice(x, [5]), /expected an index from -2 to 1 for axis 0, got 5/],
    ["slice(x, [0.5])", () => g.slice(x, [0.5]), /expected an index from -2 to 1 for axis 0, got 0.5/],
    ["slice(x, [0, 0, 0])", () => g.slice(x, [0, 0, 0]), /expected at most 2 ranges .* got 3/],
  ),
  ...rows(
    "pad",
    ["pad(x, [1, 1])", () => g.pad(x, any([1, 1])), /expected widths\[0\] to be \[before, after\].*, got 1/],
    ["pad(x, [[1], [1]])", () => g.pad(x, any([[1], [1]])), /expected widths\[0\] to be .*, got \[1\]/],
    ["pad([1], [[1]])", () => g.pad([1], any([[1]])), /expected widths\[0\] to be .*, got \[1\]/],
    ["pad(x, [[1, 1]])", () => g.pad(x, [[1, 1]]), /expected 2 pairs for shape \[2, 3\], got 1/],
    ["pad(x, [[-1, 0], [0, 0]])", () => g.pad(x, [[-1, 0], [0, 0]]), /expected widths\[0\] .* got \[-1, 0\]/],
    ['pad(x, [["1", 0], [0, 0]])', () => g.pad(x, any([["1", 0], [0, 0]])), /expected widths\[0\] .* got \["1", 0\]/],
    [
      "pad(bool, w, 2)",
      () => g.pad([true], [[1, 1]], 2),
      /expected value to be a boolean, 0 or 1 for dtype bool, got 2/,
    ],
    ["pad(bool, w, NaN)", () => g.pad([true], [[1, 1]], NaN), /expected value to be a boolean, .* got NaN/],
    ["pad(int, w, 0.5)", () => g.pad(g.arange(2), [[1, 1]], 0.5), /expected value to be a whole number .* got 0.5/],
    ["pad(int, w, 1e10)", () => g.pad(g.arange(2), [[1, 1]], 1e10), /expected value to be a whole number .* got 1/],
  ),
  ...rows(
    "clamp",
    ["clamp(x, 2, 1)", () => g.clamp(x, 2, 1), /expected min <= max, got 2 and 1/],
    ["clamp(x, NaN)", () => g.clamp(x, NaN), /expected min <= max, got NaN and Infinity/],
    ["clamp(x, null, 2)", () => g.clamp(x, any(null), 2), /expected min to be a number, -Infinity for none, got null/],
  ),
  ...rows(
    "take",
    ["take(x, 2)", () => g.take(x, 2), /expected indices from 0 to 1, got 2/],
    ["take(x, [-1])", () => g.take(x, [-1]), /expected indices from 0 to 1, got -1 at position 0/],
    ["take(x, [true])", () => g.take(x, [true]), /expected indices of dtype int, got bool/],
    [
      "take(x, floats)",
      () => g.take(x, tensor([0])),
      /expected indices of dtype int, got float; make them by tensor\(.*\), or convert them by cast/,
    ],
    ["take(1, 0)", () => g.take(1, 0), /expected x to have at least one axis, got a scalar/],
  ),
  ...rows("gather", [
    "gather(x, 0, indices)",
    () => g.gather(x, 0, any(g.arange(1))),
    /expected axis to be a whole number/,
  ]),
  ...rows(
    "crossEntropy",
    ["crossEntropy(x, [0, 3])", () => g.crossEntropy(x, [0, 3]), /expected labels from 0 to 2, got 3 at position 1/],
    ["crossEntropy(x, one-hot)", () => g.crossEntropy(x, [[1, 0, 0], [0, 1, 0]]), /expected labels of shape \[2\]/],
    ["crossEntropy(x, floats)", () => g.crossEntropy(x, tensor([0, 1])), /expected labels of dtype int, got float/],
    [
      "crossEntropy(x, [0, -100])",
      () => g.crossEntropy(x, [0, -100]),
      /expected labels from 0 to 2, got -100 at position 1; ignoreIndex: -100 leaves it out$/,
    ],
    [
      "crossEntropy(x, [0, -1], { ignoreIndex: -100 })",
      () => g.crossEntropy(x, [0, -1], { ignoreIndex: -100 }),
      /expected labels from 0 to 2, got -1 at position 1$/,
    ],
    [
      "crossEntropy(x, t, { weight: [1, 2] })",
      () => g.crossEntropy(x, [0, 1], { weight: [1, 2] }),
      /expected a weight for each of 3 classes, got shape \[2\]/,
    ],
    [
      'crossEntropy(x, t, { weight: ["1"] })',
      () => g.crossEntropy(x, [0, 1], { weight: any(["1"]) }),
      /expected numbers or booleans, got "1" as weight\[0\]/,
    ],
    [
      "crossEntropy(x, t, { axis: 5 })",
      () => g.crossEntropy(x, [0, 1], { axis: 5 }),
      /expected an axis of shape \[2, 3\]/,
    ],
  ),
  ...rows(
    "matmul",
    ["matmul(x, x)", () => g.matmul(x, x), /expected \[..., m, k\] and \[..., k, n\], got \[2, 3\] and \[2, 3\]/],
    ["matmul(2, x)", () => g.matmul(2, x), /expected at least one axis each, got \[\] and \[2, 3\]/],
  ),
  ...rows("topKMask", [
    "k per row, of another size",
    () => g.topKMask(x, [1, 2, 3]),
    /expected k to broadcast to \[2, 1\]/,
  ]),
  ...rows("pow", ['pow("a", 2)', () => g.pow(any("a"), 2), /expected a to be a tensor.*, got "a"/]),
  ...rows("where", ["where(x, x, 0)", () => g.where(x, x, 0), /dtype bool for the condition, got float; compare it/]),
  ...rows("logicalNot", ["logicalNot(x)", () => g.logicalNot(x), /dtype bool for argument 0, got float; compare it/]),
  ...rows("any", ["any([1, 0])", () => g.any([1, 0]), /expected dtype bool, got float/]),
  ...rows("oneHot", ["oneHot([3], 3)", () => g.oneHot([3], 3), /expected indices from 0 to 2, got 3/]),
  ...(["rank", "argsort", "sort"] as const).flatMap((name) =>
    rows(name, ["beyond 2^24", () => g[name](wide), /expected an axis 0 of at most 2\^24 elements/])
  ),
  ...rows("topK", ["beyond 2^24", () => g.topK(wide, 1), /expected an axis 0 of at most 2\^24 elements/]),
  ...rows("oneHot", ["beyond 2^24", () => g.oneHot(0, 2 ** 25), /expected a depth of at most 2\^24 elements/]),
  ...(["argmax", "argmin"] as const).flatMap((name) =>
    (["cpu", "webasm", "wasm"] as const).map((device): Row => ({
      name,
      text: `beyond 2^24 on ${device}`,
      call: () => g[name](wide).data({ device }),
      says: /at most 16777217 elements .* stores positions as float32, got 16777218; .*"float64"$/,
    }))
  ),
  ...rows(
    "grad",
    ["grad(y)", () => any(g.grad)(y), /expected x to be .* as in grad\(y, x\), got undefined/],
    [
      "grad(y, x, { allowUnused: true })",
      () => g.grad(y, x, any({ allowUnused: true })),
      /write grad\(y, x, undefined, \{ allowUnused: true \}\)/,
    ],
    ["grad(y, [1])", () => g.grad(y, any([1])), /expected x\[0\] to be a tensor, .*, got 1/],
    [
      "grad(y, a structure with a number)",
      () => g.grad(y, { w: [x, 2] }),
      /expected x\.w\[1\] to be a tensor, .*, got 2/,
    ],
    [
      "grad(y, a structure with an int)",
      () => g.grad(y, { w: [x, g.arange(2)] }),
      /expected x\.w\[1\] of dtype float, got int/,
    ],
    ["grad(y, a structure with more)", () => g.grad(y, { z: tensor([1]) }), /no gradient for x\.z of shape \[1\]/],
    ["grad(x, x)", () => g.grad(x, x), /expected a cotangent for y of shape \[2, 3\]/],
    ["grad(x, x, 1)", () => g.grad(x, x, 1), /expected a cotangent of y's shape \[2, 3\], got \[\]/],
    ["grad(y, x, an int)", () => g.grad(y, x, g.sum(g.arange(2))), /expected a cotangent of dtype float, got int/],
    ["grad(y, int)", () => g.grad(y, g.arange(2)), /expected x\[0\] of dtype float, got int/],
  ),
  ...rows("backward", ["nothing requires it", () => g.backward(y), /depends on no tensor made with requiresGrad/]),
  ...rows(
    "realize",
    ["realize(x, x)", () => any(g.realize)(x, x), /; write realize\(\[x, y\]\)/],
    ["realize([1])", () => g.realize(any([1])), /expected tensors\[0\] to be a tensor, .*, got 1/],
    ["of a string", () => g.realize([{ w: [x, "a"] }]), /expected tensors\[0\]\.w\[1\] to be a tensor, .*, got "a"/],
    ["of a Map", () => g.realize([{ w: new Map() }]), /expected tensors\[0\]\.w to be a tensor, .*, got a Map/],
  ),
  ...rows(
    "compile",
    [
      "an async function",
      () => g.compile(any((t: g.Tensor) => Promise.resolve(t)), { device: "float64" })(x),
      /expected fn to return a tensor, or an array or object of tensors, got a promise.* cannot be async/,
    ],
    ["a function that returns a number", () => g.compile(any(() => 1))(x), /expected fn to return .* got 1/],
    [
      "a function that returns no tensors",
      () => g.compile(any((loss: g.Tensor) => ({ loss: [loss], at: new Date() })))(x),
      /expected fn\(\.\.\.\)\.at to be a tensor, or an array or object of tensors, got a Date/,
    ],
    [
      "a function that returns numbers",
      () => g.compile(any(() => [1]))(x),
      /expected fn\(\.\.\.\)\[0\] to be a tensor, .*, got 1/,
    ],
    [
      "a captured number that changes",
      async () => {
        let rate = 1;
        const f = g.compile((t) => g.mul(t, rate++), { device: "float64" });
        await f(x);
        await f(x);
      },
      /expected fn to record .*, but it uses 2 where it used 1, as value of .*; pass what changes as an argument/,
    ],
    ["a number as input", () => g.compile((t) => t)(any(1)), /expected arguments\[0\] to be a tensor, .*, got 1/],
    [
      "an array as input",
      () => g.compile((t) => t)(any([1])),
      /expected arguments\[0\]\[0\] to be a tensor, .*, got 1/,
    ],
    [
      "a number in a structure",
      () => g.compile((_: g.Tensor, { w }: { w: g.Tensor }) => w)(x, any({ w: x, rest: [{ rate: 1 }] })),
      /expected arguments\[1\]\.rest\[0\]\.rate to be a tensor, .*, got 1/,
    ],
    [
      "the state of an optimiser",
      () => g.compile((state) => state)(any(g.adamW().init({ w: g.tensor([1]) }))),
      /expected arguments\[0\]\.step to be a tensor, .*, got 0/,
    ],
  ),
  ...[1, "auto", null, undefined, true, {}, [], x, 1n, () => 1].map((value): Row => ({
    name: "availableDevices",
    text: `availableDevices(${typeof value})`,
    call: () => any(g.availableDevices)(value ?? null),
    says: /expected no arguments, availableDevices\(\), got 1/,
  })),
];

/** Values that a dtype cannot hold, from every reader. */
const unreadable: Row[] = ([
  ["an int of 1e10", g.cast(tensor([0, 1e10]), "int"), /got 10000000000 at \[1\], made by "cast"/],
  ["an int of 3e9", g.cast(tensor([[0], [3e9]]), "int"), /got 3000000000 at \[1, 0\], made by "cast"/],
  ["an int of -3e9", g.cast(tensor([-3e9]), "int"), /got -3000000000 at \[0\]/],
  ["an int that is NaN", g.cast(tensor([NaN]), "int"), /expected whole numbers of 32 bits .* got NaN at \[0\]/],
  ["an int that is infinite", g.cast(tensor([-Infinity]), "int"), /got -Infinity at \[0\]/],
  [
    "a product beyond 32 bits",
    g.mul(g.cast(tensor([2 ** 20]), "int"), 2 ** 12),
    /got 4294967296 at \[0\], made by "mul"/,
  ],
  ["a bool that is NaN", g.take([true], g.add(tensor([0], [1], { dtype: "int" }), 1)), /0 or 1 .* got NaN at \[0\]/],
  [
    "an int that lies outside",
    g.take(g.arange(2), g.add(tensor([1], [1], { dtype: "int" }), 1)),
    /got NaN at \[0\], made by "take"/,
  ],
] as const).flatMap(([text, t, says]) =>
  [...read(t), ...(t.size === 1 ? [() => g.reshape(t, []).item({ device: "float64" })] : [])].map((call, i): Row => ({
    name: "Tensor",
    blames: ["data", "toArray", "item"][i],
    text: `${["data", "toArray", "item"][i]} of ${text}`,
    call,
    says: i === 2 ? /, got .* at \[\]/ : says,
  }))
);

/** Tensors used as numbers. */
const numbers: Row[] = ([
  ["x > 2", () => any(x) > 2],
  ["x + 1", () => any(x) + 1],
  ["x * 2", () => any(x) * 2],
  ["-x", () => -any(x)],
  ["Number(x)", () => Number(x)],
  ["Math.max(x, 1)", () => Math.max(any(x), 1)],
  ["isNaN(x)", () => isNaN(any(x))],
  ["x == 1", () => any(x) == 1],
  ["JSON.stringify(x)", () => JSON.stringify(x)],
  ["JSON.stringify({ x })", () => JSON.stringify({ x })],
  ["JSON.stringify([x])", () => JSON.stringify([x])],
] as const).map(([text, call]): Row => ({
  name: "Tensor",
  blames: "tensor",
  text,
  call,
  says: /await x\.toArray\(\)/,
}));

export const coreRows: Row[] = [
  ...Object.entries(signatures).flatMap(([name, [fn, parameters]]) => rowsOf(name, fn, parameters)),
  ...Object.entries(methods).flatMap(([name, [fn, parameters]]) => rowsOf("Tensor", fn, parameters, name)),
  ...special,
  ...elementwiseRows,
  ...transformRows,
  ...formulaRows,
  ...unreadable,
  ...numbers,
];
