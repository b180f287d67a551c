/** Bad calls of the ops that formulas are made of: norms, statistics, grids, sums of products. */
import * as g from "../../../mod.ts";
import {
  axis,
  type Callable,
  count,
  options,
  other,
  type Parameter,
  type Row,
  rows,
  tensorArray,
  tensorLike,
} from "./rows.ts";

const { tensor } = g;
const x = tensor([[1, 2, 3], [4, 5, 6]]);
// deno-lint-ignore no-explicit-any
const any = (value: unknown) => value as any;

type Declared = readonly [fn: Callable, parameters: readonly Parameter[]];

const plainX = tensorLike("x");
const dtypeOptions = options({ dtype: "int" }, { dtype: ["int32", "double", null, Float32Array] }, { dType: "dtype" });
const several = axis(0, { several: true });
const exponents = { p: [0, -1, NaN, "2", null] };
const least = { eps: [-1, NaN, "0", null, Infinity] };
const keepDims = { keepDims: [1, "yes", null] };
const near = { keepdim: "keepDims", keepdims: "keepDims" };
const size = (name: string, optional = false): Parameter => {
  const { good, bad } = count(name, 3);
  return { good, optional, bad: optional ? bad.filter(([text]) => text !== "undefined") : bad };
};
const end = (name: string) =>
  other(name, 1, ["undefined", undefined], ["null", null], ['"3"', "3"], ["NaN", NaN], ["Infinity", Infinity], ["[3]", [
    3,
  ]]);
const counts = (name: string, good: unknown) =>
  other(
    name,
    good,
    ["undefined", undefined],
    ["null", null],
    ['"2"', "2"],
    ["-1", -1],
    ["0.5", 0.5],
    ["[-1]", [-1]],
    [
      '["1"]',
      ["1"],
      // deno-lint-ignore no-sparse-arrays
    ],
    ["[, 1]", [, 1]],
    ["a tensor", x],
  );

export const formulas: Record<string, Declared> = {
  zerosLike: [g.zerosLike, [plainX, dtypeOptions]],
  onesLike: [g.onesLike, [plainX, dtypeOptions]],
  eye: [g.eye, [size("rows"), size("columns", true), dtypeOptions]],
  linspace: [g.linspace, [end("start"), end("end"), size("count")]],
  split: [g.split, [plainX, counts("parts", [1, 1]), axis(0)]],
  tile: [g.tile, [plainX, counts("counts", [2, 1])]],
  norm: [g.norm, [plainX, several, options({ p: 1 }, { ...exponents, ...keepDims }, near)]],
  normalize: [g.normalize, [plainX, several, options({ eps: 0 }, { ...exponents, ...least })]],
  pairwiseDistance: [g.pairwiseDistance, [
    tensorLike("a"),
    tensorLike("b"),
    options({ eps: 0 }, { ...exponents, ...least, ...keepDims }, near),
  ]],
  ...Object.fromEntries(
    (["variance", "standardDeviation"] as const).map((name): [string, Declared] => [name, [g[name], [
      plainX,
      several,
      options({ correction: 1 }, { correction: [-1, NaN, "1", null, Infinity], ...keepDims }, near),
    ]]]),
  ),
  ...Object.fromEntries(
    (["cumsum", "cumprod", "logCumSumExp"] as const).map((
      name,
    ): [string, Declared] => [name, [g[name], [
      plainX,
      axis(0),
      options({ reverse: true }, { reverse: [1, null, "true"] }, { reversed: "reverse" }),
    ]]]),
  ),
  conv2d: [g.conv2d, [
    tensorLike("x", [[[1, 2, 3], [4, 5, 6]]]),
    tensorLike("weight", [[[[1, 1]]]]),
    options({ padding: 1 }, {
      bias: [null, "1", {}],
      stride: [0, 0.5, "1", null, [1], [1, 1, 1], [0, 1]],
      padding: [-1, "same", null, [1, 2, 3]],
      dilation: [0, null, [1]],
      groups: [0, 1.5, null, [1]],
    }, { strides: "stride" }),
  ]],
  ...Object.fromEntries(
    ([["avgPool2d", { countIncludePad: [1, "yes", null] }, { count_include_pad: "countIncludePad" }], [
      "maxPool2d",
      {},
      { strides: "stride" },
    ]] as const).map(([name, bad, close]): [string, Declared] => [name, [g[name], [
      plainX,
      other("size", 2, ["undefined", undefined], ["null", null], ["0", 0], ['"2"', "2"], ["[2]", [2]], ["{}", {}]),
      options({ stride: 1 }, { stride: [0, 0.5, "1", null, [1]], padding: [-1, "same", null], ...bad }, close),
    ]]]),
  ),
  diag: [g.diag, [
    plainX,
    other("offset", 1, ["null", null], ['"1"', "1"], ["0.5", 0.5], ["NaN", NaN], ["[0, 1]", [0, 1]], ["a tensor", x]),
  ]],
  trace: [g.trace, [plainX]],
  polygamma: [g.polygamma, [count("order", 1), plainX]],
  scan: [g.scan, [
    other("step", (carry: unknown) => [carry, null], ["undefined", undefined], ["null", null], ["1", 1], [
      "a tensor",
      x,
    ]),
    other("initial", tensor(0), ["undefined", undefined], ["null", null], ["1", 1], ['"1"', "1"], [
      "{}",
      {},
    ]),
    other("xs", x, ["undefined", undefined], ["null", null], ["-1", -1], ["0.5", 0.5], ['"1"', "1"]),
    options({ reverse: true }, { reverse: [1, "yes", null] }, { reversed: "reverse" }),
  ]],
  gelu: [g.gelu, [plainX, options({ approximate: "tanh" }, { approximate: [true, "erf", null] })]],
  einsum: [g.einsum, [
    other("equation", "ij->i", ["undefined", undefined], ["null", null], ["1", 1], ["a tensor", x], ["[]", []]),
    tensorArray("operands", [x]),
  ]],
};

export const formulaRows: Row[] = [
  ...rows(
    "einsum",
    ['einsum("ij,jk->ik", [x])', () => g.einsum("ij,jk->ik", [x]), /expected 2 operands for the equation ".*", got 1/],
    [
      'einsum("ij,jk->ik", [x, x])',
      () => g.einsum("ij,jk->ik", [x, x]),
      /expected axes of one length for "j", got 3 and 2/,
    ],
    ['einsum("i->i", [x])', () => g.einsum("i->i", [x]), /expected operand 0 to have the axes "i", got shape \[2, 3\]/],
    ['einsum("ijk->i", [x])', () => g.einsum("ijk->i", [x]), /expected operand 0 to have the axes "ijk"/],
    ['einsum("ii", [x])', () => g.einsum("ii", [x]), /expected axes of one length for "i", got 2 and 3/],
    [
      'einsum("ij->k", [x])',
      () => g.einsum("ij->k", [x]),
      /expected each label of the result once, and in an operand, got "k"/,
    ],
    ['einsum("ij->ii", [x])', () => g.einsum("ij->ii", [x]), /expected each label of the result once.*got "i"/],
    ['einsum("i j -> i -> j", [x])', () => g.einsum("ij->i->j", [x]), /expected at most one "->" in the equation/],
    ['einsum("i*j->i", [x])', () => g.einsum("i*j->i", [x]), /expected letters and at most one "\.\.\." .* got "i\*j"/],
    ['einsum("....i", [x])', () => g.einsum("....i", [x]), /expected letters and at most one "\.\.\."/],
    ['einsum("ij->i", x)', () => any(g.einsum)("ij->i", x), /; write einsum\(equation, \[x\]\)/],
  ),
  ...rows(
    "conv2d",
    [
      "conv2d(x, x)",
      () => g.conv2d(x, x),
      /expected x \[\.\.\., channels, height, width\] .* got \[2, 3\] and \[2, 3\]/,
    ],
    [
      "two channels, filters of one",
      () => g.conv2d(g.ones([2, 4, 4]), g.ones([1, 1, 2, 2])),
      /expected x .*, got \[2, 4, 4\] and \[1, 1, 2, 2\]/,
    ],
    [
      "groups that do not divide the outputs",
      () => g.conv2d(g.ones([2, 4, 4]), g.ones([1, 1, 2, 2]), { groups: 2 }),
      /with 2 groups, got \[2, 4, 4\]/,
    ],
    [
      "filters larger than the image",
      () => g.conv2d(g.ones([1, 2, 2]), g.ones([1, 1, 1, 5]), { padding: 1 }),
      /expected windows of at most 4 columns \(x is .*, padded by 1\), got 5/,
    ],
    [
      "a bias of another size",
      () => g.conv2d(g.ones([1, 2, 2]), g.ones([1, 1, 1, 1]), { bias: [1, 2] }),
      /expected a bias for each of 1 outputs, got shape \[2\]/,
    ],
  ),
  ...(["avgPool2d", "maxPool2d"] as const).flatMap((name) =>
    rows(
      name,
      ["of a vector", () => g[name]([1, 2], 1), /expected x \[\.\.\., height, width\], got \[2\]/],
      [`${name}(x, 3)`, () => g[name](x, 3), /expected windows of at most 2 rows \(x is \[2, 3\]\), got 3/],
      [
        "too much padding",
        () => g[name](x, 2, { padding: 2 }),
        /expected a padding of at most half a window, 1, got 2/,
      ],
    )
  ),
  ...rows("diag", ["of a scalar", () => g.diag(1), /expected x to be \[rows, columns\] or \[n\], got \[\]/], [
    "of a stack of matrices",
    () => g.diag(g.ones([2, 2, 2])),
    /expected x to be \[rows, columns\] or \[n\], got \[2, 2, 2\]/,
  ]),
  ...rows("trace", ["of a vector", () => g.trace([1, 2]), /expected x to be \[rows, columns\], got \[2\]/], [
    "of a stack of matrices",
    () => g.trace(g.ones([2, 2, 2])),
    /expected x to be \[rows, columns\], got \[2, 2, 2\]/,
  ]),
  ...rows(
    "scan",
    [
      "xs without tensors",
      () => g.scan(any(() => 1), x, []),
      /expected xs to have at least one tensor; a number says how many/,
    ],
    [
      "xs that is a scalar",
      () => g.scan(any(() => 1), x, tensor(1)),
      /expected xs with first axes of one length, got \[\]/,
    ],
    [
      "xs of two lengths",
      () => g.scan(any(() => 1), x, [x, tensor([1])]),
      /expected xs with first axes of one length, got \[2, 3\] and, for tensor 1, \[1\]/,
    ],
    [
      "a step that returns a tensor",
      () => g.scan(any((c: unknown) => c), x, 2),
      /expected step to return \[carry, y\]/,
    ],
    [
      "a step without y",
      () => g.scan(any((c: unknown) => [c]), x, 2),
      /expected step to return \[carry, y\], with null for no y/,
    ],
    [
      "an async step",
      () => g.scan(any((c: unknown) => Promise.resolve([c, null])), x, 2),
      /expected step to return \[carry, y\].*, got a promise/,
    ],
    [
      "a carry that grows",
      () => g.scan(any((c: g.Tensor) => [g.concat([c, c]), null]), x, 2),
      /expected step to return a carry like the one before, \[2, 3\] float, got \[4, 3\] float/,
    ],
    [
      "a carry that is a number",
      () => g.scan(any(() => [1, null]), x, 2),
      /expected the carry that step returns to be a tensor, an array of tensors, got 1/,
    ],
    [
      "results that differ",
      () => g.scan(any((c: g.Tensor, t: g.Tensor) => [g.add(c, 1), c === x ? t : null]), x, x),
      /expected each step to return a y like the first, \[3\], got null/,
    ],
  ),
  ...rows(
    "split",
    ["split(x, 3)", () => g.split(x, 3), /expected a number of equal parts of 2 \(axis 0 of \[2, 3\]\), got 3/],
    ["split(x, [1, 2])", () => g.split(x, [1, 2]), /expected sizes that add up to 2, got \[1, 2\]/],
    ["split(x, 0)", () => g.split(x, 0), /expected parts to be a whole number from 1 or an array of sizes.*, got 0/],
  ),
  ...rows("pairwiseDistance", ["of scalars", () => g.pairwiseDistance(1, 2), /expected at least one axis, got \[\]/], [
    "of shapes that do not fit",
    () => g.pairwiseDistance(x, [1, 2]),
    /expected shapes that broadcast together/,
  ]),
  ...rows("normalize", ["of a scalar", () => g.normalize(1), /expected an axis of shape \[\], got -1/]),
  ...rows("norm", ["norm(x, 0, 1)", () => g.norm(x, 0, any(1)), /got 1; write norm\(x, axis, \{ p: 1 \}\)/]),
  ...rows("eye", ["beyond 2^24", () => g.eye(2 ** 25), /expected axes of at most 2\^24 elements/]),
  ...rows("linspace", ["beyond 2^24", () => g.linspace(0, 1, 2 ** 25), /expected a count of at most 2\^24 elements/]),
];
