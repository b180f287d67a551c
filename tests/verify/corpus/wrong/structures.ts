/** Reductions, movements and lookups with a wrong adjoint. */
import {
  add,
  arange,
  broadcastTo,
  concat,
  cos,
  detach,
  div,
  equal,
  exp,
  flip,
  gather,
  greater,
  greaterEqual,
  less,
  log,
  logSoftmax,
  logSumExp,
  matmul,
  max,
  mean,
  mul,
  neg,
  pad,
  pow,
  prod,
  reshape,
  scatterAdd,
  sin,
  slice,
  softmax,
  sort,
  sqrt,
  square,
  sub,
  sum,
  take,
  type Tensor,
  tensor,
  topK,
  transpose,
  unsqueeze,
  where,
  zeros,
} from "../../../../mod.ts";
import {
  both,
  type Case,
  every,
  fast,
  listed,
  matrix,
  numbers,
  positive,
  type Rule,
  ruled,
  second,
  seeds,
  square3,
  vector,
} from "../case.ts";

const rowSums = (x: Tensor) => sum(x, 1);
const spread = (g: Tensor, x: Tensor, axis: number) => broadcastTo(unsqueeze(g, axis), x.shape);
const centred = (x: Tensor) => sub(x, mean(x));
const variance = (x: Tensor) => mean(square(centred(x)));
/** The running sums of a vector: a product with a triangle of ones. */
const places = (n: number) => [unsqueeze(arange(n), 1), unsqueeze(arange(n), 0)] as const;
const triangle = (n: number) => where(greaterEqual(...places(n)), 1, 0);
const identity = (n: number) => where(equal(...places(n)), 1, 0);
const runningSums = (x: Tensor) => matmul(triangle(x.shape[0]), x);
/** The running products of a vector. */
const runningProducts = (x: Tensor) => {
  const n = x.shape[0];
  return prod(where(greater(triangle(n), 0), broadcastTo(x, [n, n]), 1), 1);
};

const reductions = listed("the rule of a reduction", ["wrong"], {
  "a sum of rows spreads its cotangent over columns": {
    f: ruled(rowSums, ({ cotangent, inputs: [x] }) => spread(cotangent, x, 0)),
    inputs: [square3],
    checks: both,
  },
  "a sum over two axes takes them in the other order": {
    f: ruled(
      (x) => sum(x, 1),
      ({ cotangent, inputs: [x] }) => broadcastTo(unsqueeze(transpose(cotangent, [1, 0]), 1), x.shape),
    ),
    inputs: [numbers3(2, 3, 2)],
  },
  "a mean without its 1 / n": {
    f: ruled((x) => mean(x), ({ cotangent, inputs: [x] }) => broadcastTo(cotangent, x.shape)),
    inputs: [vector],
    checks: both,
  },
  "a mean over rows divides by the number of rows": {
    f: ruled((x) => mean(x, 1), ({ cotangent, inputs: [x] }) => div(spread(cotangent, x, 1), x.shape[0])),
    inputs: [matrix],
  },
  "a mean over two axes divides by one of them": {
    f: ruled((x) => mean(x), ({ cotangent, inputs: [x] }) => div(broadcastTo(cotangent, x.shape), x.shape[1])),
    inputs: [matrix],
  },
  "a product divides by a factor of 0": {
    f: ruled((x) => prod(x), ({ cotangent, inputs: [x], output }) => mul(cotangent, div(output, x))),
    inputs: [[2, 0, 3]],
  },
  "a product has no gradient where a factor is 0": {
    source: "Theano/Theano#5317",
    f: ruled(
      (x) => prod(x),
      ({ cotangent, inputs: [x], output }) =>
        mul(cotangent, where(equal(x, 0), 0, div(output, where(equal(x, 0), 1, x)))),
    ),
    inputs: [[2, 0, 3]],
  },
  "running sums are not summed from the end": {
    source: "pytorch/pytorch#1122",
    f: ruled(runningSums, ({ cotangent }) => runningSums(cotangent)),
    inputs: [vector],
  },
  "running sums leave out the element itself": {
    f: ruled(runningSums, ({ cotangent }) => sub(flip(runningSums(flip(cotangent))), cotangent)),
    inputs: [vector],
  },
  "running products divide by what was added up": {
    f: ruled(runningProducts, ({ cotangent, inputs: [x], output }) => div(runningSums(mul(cotangent, output)), x)),
    inputs: [positive],
  },
  "the sum of exponentials is not normalised": {
    f: ruled((x) => logSumExp(x), ({ cotangent, inputs: [x] }) => mul(cotangent, exp(x))),
    inputs: [vector],
  },
  "the sum of exponentials is normalised over all rows": {
    f: ruled(
      (x) => logSumExp(x, 1),
      ({ cotangent, inputs: [x] }) => mul(spread(cotangent, x, 1), exp(sub(x, logSumExp(x)))),
    ),
    inputs: [matrix],
  },
  "softmax without the sum over its outputs": {
    f: ruled((x) => softmax(x), ({ cotangent, output }) => mul(cotangent, output)),
    inputs: [vector],
    checks: both,
  },
  "softmax as if its outputs were independent": {
    f: ruled((x) => softmax(x), ({ cotangent, output }) => mul(cotangent, mul(output, sub(1, output)))),
    inputs: [vector],
  },
  "softmax along the other axis": {
    f: ruled(
      (x) => softmax(x, 1),
      ({ cotangent, output }) => mul(output, sub(cotangent, sum(mul(cotangent, output), 0, { keepDims: true }))),
    ),
    inputs: [square3],
  },
  "the logarithm of softmax has the rule of softmax": {
    source: "uxlfoundation/oneDNN#616",
    f: ruled((x) => logSoftmax(x), ({ cotangent, output }) => sub(cotangent, sum(mul(cotangent, output)))),
    inputs: [vector],
  },
  "the logarithm of softmax takes logarithms for probabilities": {
    source: "ROCm/MIOpen#112",
    f: ruled((x) => logSoftmax(x), ({ cotangent, output }) => sub(cotangent, mul(output, sum(cotangent)))),
    inputs: [vector],
  },
  "softmax by hand, its sum held": {
    f: (x) => div(exp(x), detach(sum(exp(x)))),
    inputs: [vector],
    checks: both,
  },
  "numbers over their range, the greatest held": {
    source: "FluxML/Zygote.jl#197",
    f: (x) => div(sub(x, neg(max(neg(x)))), sub(detach(max(x)), neg(max(neg(x))))),
    inputs: [vector],
  },
  "numbers over the greatest one, which is held": {
    source: "FluxML/Zygote.jl#208",
    f: (x) => div(x, detach(max(x))),
    inputs: [vector],
    checks: both,
  },
  "a variance divides by n where the value divides by n - 1": {
    f: ruled(
      (x) => div(sum(square(centred(x))), 4),
      ({ cotangent, inputs: [x] }) => mul(cotangent, mul(2 / 5, centred(x))),
    ),
    inputs: [vector],
  },
  "a standard deviation with 1e-8 added": {
    source: "Lightning-AI/lightning-thunder#1848",
    f: ruled(
      (x) => sqrt(variance(x)),
      ({ cotangent, inputs: [x], output }) => mul(cotangent, div(centred(x), mul(5, add(output, 1e-8)))),
    ),
    inputs: [[1, 1 + 1e-6, 1 - 2e-6, 1 + 3e-6, 1]],
  },
  "a skewness with its mean held": {
    f: (x) => mean(pow(sub(x, detach(mean(x))), 3)),
    inputs: [vector],
  },
  "a length without the division": {
    f: ruled((x) => sqrt(sum(square(x))), ({ cotangent, inputs: [x] }) => mul(cotangent, x)),
    inputs: [vector],
  },
  "a layer norm without the mean of its cotangent": {
    f: ruled(
      (x) => div(centred(x), sqrt(variance(x))),
      ({ cotangent, inputs: [x], output }) =>
        div(sub(cotangent, mul(output, mean(mul(cotangent, output)))), sqrt(variance(x))),
    ),
    inputs: [vector],
  },
  "a layer norm with its variance held": {
    f: (x) => div(centred(x), sqrt(add(detach(variance(x)), 1e-5))),
    inputs: [vector],
    checks: both,
  },
  "a batch norm that divides by the number of channels": {
    f: ruled(
      (x) => sub(x, mean(x, 0, { keepDims: true })),
      ({ cotangent }) => sub(cotangent, div(sum(cotangent, 0, { keepDims: true }), 3)),
    ),
    inputs: [matrix],
  },
  "a trace that also counts what is beside the diagonal": {
    f: ruled(
      (x) => sum(mul(x, identity(3))),
      ({ cotangent, inputs: [x] }) => broadcastTo(cotangent, x.shape),
    ),
    inputs: [square3],
  },
  "the greatest element: its row's first gets the gradient": {
    f: ruled(
      (x) => max(x, 1),
      ({ cotangent, inputs: [x] }) => mul(spread(cotangent, x, 1), tensor([[1, 0, 0], [1, 0, 0]])),
    ),
    inputs: [matrix],
  },
  "the two greatest: the first two get the gradient": {
    f: ruled(
      (x) => topK(x, 2).values,
      ({ cotangent, inputs: [x] }) => concat([cotangent, zeros([x.shape[0] - 2])]),
    ),
    inputs: [vector],
  },
  "a sorted vector's gradient stays sorted": {
    f: ruled((x) => sort(x), ({ cotangent }) => mul(cotangent, 1)),
    inputs: [vector],
  },
  "the median of an even number gives all to one of the two": {
    f: ruled(
      (x) => mean(slice(sort(x), [[1, 3]])),
      ({ cotangent, inputs: [x] }) => where(equal(x, slice(sort(x), [1])), cotangent, zeros(x.shape)),
    ),
    inputs: [[0.4, -1, 0.9, 2]],
  },
});

const movements = listed("the adjoint of a movement", ["wrong"], {
  "a transposition is undone by itself": {
    f: ruled(
      (x) => transpose(x, [1, 2, 0]),
      ({ cotangent, inputs: [x] }) => reshape(transpose(cotangent, [1, 2, 0]), x.shape),
    ),
    inputs: [numbers3(2, 2, 2)],
    checks: both,
  },
  "a transposition is undone by a reshape": {
    source: "tensorflow/tfjs#4135",
    f: ruled((x) => transpose(x), ({ cotangent, inputs: [x] }) => reshape(cotangent, x.shape)),
    inputs: [matrix],
  },
  "a reshape is undone by a transposition": {
    f: ruled((x) => reshape(x, [3, 2]), ({ cotangent }) => transpose(cotangent)),
    inputs: [matrix],
  },
  "a flip is not undone": { f: ruled((x) => flip(x), ({ cotangent }) => mul(cotangent, 1)), inputs: [vector] },
  "a flip of one axis is undone on the other": {
    f: ruled((x) => flip(x, 0), ({ cotangent }) => flip(cotangent, 1)),
    inputs: [matrix],
  },
  "a slice is put back at the beginning": {
    f: ruled((x) => slice(x, [[2, 4]]), ({ cotangent }) => pad(cotangent, [[0, 3]])),
    inputs: [vector],
  },
  "a strided slice is put back over its whole span": {
    source: "ml-explore/mlx#4444",
    f: ruled((x) => slice(x, [[0, 2, 2], null]), ({ cotangent }) => broadcastTo(cotangent, [2, 3])),
    inputs: [matrix],
  },
  "a strided slice is put back without gaps": {
    f: ruled((x) => slice(x, [[0, 5, 2]]), ({ cotangent }) => pad(cotangent, [[0, 2]])),
    inputs: [vector],
  },
  "a padding is cut off at the other end": {
    f: ruled((x) => pad(x, [[2, 1]]), ({ cotangent }) => slice(cotangent, [[1, 6]])),
    inputs: [vector],
  },
  "a concatenation gives each its neighbour's part": {
    f: ruled(
      (x, y) => concat([x, y]),
      ({ cotangent }) => slice(cotangent, [[5, 10]]),
      ({ cotangent }) => slice(cotangent, [[0, 5]]),
    ),
    inputs: [vector, positive],
  },
  "a tiling sums over the wrong axis": {
    f: ruled(
      (x) => reshape(broadcastTo(unsqueeze(x, 0), [3, 3]), [9]),
      ({ cotangent }) => sum(reshape(cotangent, [3, 3]), 1),
    ),
    inputs: [[0.7, -1.3, 2.1]],
  },
  "an upsampling passes one of its copies on": {
    f: ruled(
      (x) => reshape(broadcastTo(unsqueeze(x, 1), [5, 2]), [10]),
      ({ cotangent }) => slice(cotangent, [[0, 10, 2]]),
    ),
    inputs: [vector],
  },
  "a neighbour's element is read": {
    f: ruled(
      exp,
      ({ cotangent, output }) => mul(concat([slice(cotangent, [[1, 5]]), slice(cotangent, [[0, 1]])]), output),
    ),
    inputs: [vector],
    checks: both,
  },
  "a difference of neighbours wraps around at the border": {
    f: ruled(
      (x) => sub(slice(x, [[1, 5]]), slice(x, [[0, 4]])),
      ({ cotangent }) => {
        const one = concat([slice(cotangent, [[3, 4]]), cotangent]);
        return sub(one, concat([cotangent, slice(cotangent, [[0, 1]])]));
      },
    ),
    inputs: [vector],
  },
  "a moving average divides by the whole window at the border": {
    f: ruled(
      (x) => div(add(x, concat([slice(x, [[1, 5]]), zeros([1])])), where(less(arange(5), 4), 2, 1)),
      ({ cotangent }) => div(add(cotangent, concat([zeros([1]), slice(cotangent, [[0, 4]])])), 2),
    ),
    inputs: [vector],
  },
});

/** Multiplies the cotangent of an exponential by factors that depend on the place. */
const byPlace = (factors: (places: Tensor, n: number) => Tensor) =>
  ruled(exp, ({ cotangent, output }) => {
    const n = output.shape[0];
    return mul(mul(cotangent, output), factors(arange(n), n));
  });

const extents = listed("an error that depends on sizes and places", ["wrong"], {
  "from the eighth element on": {
    f: byPlace((i) => where(less(i, 7), 1, 2)),
    inputs: [numbers(12, (random) => random() - 0.5)],
    checks: both,
  },
  "the ninth element gets nothing": {
    f: byPlace((i) => where(equal(i, 8), 0, 1)),
    inputs: [numbers(9, (random) => random() - 0.5)],
    checks: both,
  },
  "the last element of an odd number": {
    f: byPlace((i, n) => where(equal(i, n - 1), 1 + 1e-6, 1)),
    inputs: [numbers(17, (random) => random() - 0.5)],
    checks: both,
  },
  "axes longer than 16": {
    f: (x) => x.shape[0] > 16 ? byPlace(() => tensor(1.5))(x) : exp(x),
    inputs: [numbers(17, (random) => random() - 0.5)],
    checks: both,
  },
  "one element of 200, by 1e-7": {
    f: byPlace((i) => where(equal(i, 123), 1 + 1e-7, 1)),
    inputs: [numbers(200, (random) => random() - 0.5)],
  },
  "one element of 500 is doubled, along directions": {
    f: byPlace((i) => where(equal(i, 321), 2, 1)),
    inputs: [numbers(500, (random) => random() - 0.5)],
    checks: both.slice(1),
  },
  "one element of 3000 of many sizes, along directions": {
    f: (x) =>
      sum(
        mul(
          byPlace((i) => where(equal(i, 1234), 2, 1))(x),
          tensor(numbers(3000, (random) => 10 ** (12 * random() - 6), 4)),
        ),
      ),
    inputs: [numbers(3000, (random) => random() - 0.5)],
    checks: both.slice(1),
  },
  "axes of one element": {
    f: ruled(rowSums, ({ cotangent, inputs: [x] }) => x.shape[1] === 1 ? zeros(x.shape) : spread(cotangent, x, 1)),
    inputs: [[[0.7], [-1.3]]],
  },
  "a table whose rows are as many as its columns": {
    f: ruled((x) => x.shape[0] === x.shape[1] ? transpose(x) : mul(x, 1), ({ cotangent }) => mul(cotangent, 1)),
    inputs: [square3],
  },
  "sin(30 x) off by 1e-4, along directions": {
    f: ruled(
      (x) => sin(mul(30, x)),
      ({ cotangent, inputs: [x] }) => mul(cotangent, mul(30 * (1 + 1e-4), cos(mul(30, x)))),
    ),
    inputs: [numbers(50, (random) => random())],
    checks: seeds(20, fast),
  },
  "an exponential of 1000 elements off by 1e-8, along directions": {
    f: ruled(exp, ({ cotangent, output }) => mul(cotangent, mul(output, 1 + 1e-8))),
    inputs: [numbers(1000, (random) => random())],
    checks: seeds(2, fast),
  },
});

const broadcasts = listed("a broadcast input", ["wrong"], {
  "the first row's cotangent alone": {
    source: "deeplearning4j/nd4j#2424",
    f: ruled(
      (x, row) => mul(x, row),
      ({ cotangent, inputs: [, row] }) => mul(cotangent, row),
      ({ cotangent, inputs: [x] }) => reshape(slice(mul(cotangent, x), [[0, 1], null]), [3]),
    ),
    inputs: [matrix, [0.5, 2, -1]],
    checks: both,
  },
  "the mean of the rows' cotangents": {
    f: ruled(
      (x, row) => mul(x, row),
      ({ cotangent, inputs: [, row] }) => mul(cotangent, row),
      ({ cotangent, inputs: [x] }) => mean(mul(cotangent, x), 0),
    ),
    inputs: [matrix, [0.5, 2, -1]],
  },
  "summed twice": {
    f: ruled(
      (x, row) => add(x, row),
      ({ cotangent }) => mul(cotangent, 1),
      ({ cotangent }) => mul(2, sum(cotangent, 0)),
    ),
    inputs: [matrix, [0.5, 2, -1]],
  },
  "a number gets the cotangent of one element": {
    source: "raskr/rust-autograd#38",
    f: ruled(
      (x, factor) => mul(x, factor),
      ({ cotangent, inputs: [, factor] }) => mul(cotangent, factor),
      ({ cotangent, inputs: [x] }) => slice(mul(cotangent, x), [0]),
    ),
    inputs: [vector, 1.5],
  },
  "a column is summed as a row": {
    f: ruled(
      (x, column) => mul(x, unsqueeze(column, 1)),
      ({ cotangent, inputs: [, column] }) => mul(cotangent, unsqueeze(column, 1)),
      ({ cotangent, inputs: [x] }) => sum(mul(cotangent, x), 0),
    ),
    inputs: [square3, [0.5, 2, -1]],
  },
  "an input that is used twice counts once": {
    source: "apache/mxnet#9497",
    f: (x) => add(ruled((x) => mul(x, 1), ({ cotangent }) => mul(cotangent, 1))(x), mul(detach(x), sum(x))),
    inputs: [vector],
  },
});

const products = listed("a product of matrices", ["wrong"], {
  "the right factor is not transposed": {
    source: "apache/mxnet#18102",
    f: ruled(
      matmul,
      ({ cotangent, inputs: [, b] }) => matmul(cotangent, b),
      ({ cotangent, inputs: [a] }) => matmul(transpose(a), cotangent),
    ),
    inputs: [square3, [[1, 0.5, -1], [0.3, 2, 0.2], [-0.7, 0.1, 1.1]]],
    checks: both,
  },
  "the gradients of the factors are transposed": {
    f: ruled(
      matmul,
      ({ cotangent, inputs: [, b] }) => transpose(matmul(cotangent, transpose(b))),
      ({ cotangent, inputs: [a] }) => transpose(matmul(transpose(a), cotangent)),
    ),
    inputs: [square3, [[1, 0.5, -1], [0.3, 2, 0.2], [-0.7, 0.1, 1.1]]],
  },
  "the product's order is reversed": {
    f: ruled(
      matmul,
      ({ cotangent, inputs: [, b] }) => matmul(transpose(b), cotangent),
      ({ cotangent, inputs: [a] }) => matmul(cotangent, transpose(a)),
    ),
    inputs: [square3, [[1, 0.5, -1], [0.3, 2, 0.2], [-0.7, 0.1, 1.1]]],
  },
  "a matrix that is shared by a batch gets one product's gradient": {
    f: ruled(
      (a, b) => matmul(a, b),
      ({ cotangent, inputs: [, b] }) => matmul(cotangent, transpose(b)),
      ({ cotangent, inputs: [a] }) =>
        reshape(slice(matmul(transpose(a, [0, 2, 1]), cotangent), [[0, 1], null, null]), [2, 2]),
    ),
    inputs: [numbers3(2, 2, 2), [[1, 0.5], [0.3, 2]]],
  },
  "an outer product's vectors are swapped": {
    f: ruled(
      (a, b) => mul(unsqueeze(a, 1), unsqueeze(b, 0)),
      ({ cotangent, inputs: [, b] }) => sum(mul(cotangent, unsqueeze(b, 1)), 0),
      ({ cotangent, inputs: [a] }) => sum(mul(cotangent, unsqueeze(a, 0)), 1),
    ),
    inputs: [[0.7, -1.3, 2.1], [0.4, 0.9, -2]],
  },
  "a quadratic form as if its matrix were symmetric": {
    f: (x) =>
      ruled(
        (x, m) => sum(mul(x, matmul(m, x))),
        ({ cotangent, inputs: [x, m] }) => mul(cotangent, mul(2, matmul(m, x))),
        null,
      )(x, tensor(square3)),
    inputs: [[0.7, -1.3, 2.1]],
  },
  "a determinant without its cofactors' signs": {
    f: ruled(
      (m) => sub(mul(slice(m, [0, 0]), slice(m, [1, 1])), mul(slice(m, [0, 1]), slice(m, [1, 0]))),
      ({ cotangent, inputs: [m] }) => mul(cotangent, flip(flip(m, 0), 1)),
    ),
    inputs: [[[2, 1], [0.5, 3]]],
  },
});

const INDICES = tensor([1, 1, 0, 3], undefined, { dtype: "int" });
/** Looks elements up. */
const looked = (rule: Rule) => (x: Tensor) => ruled((x, indices) => take(x, indices), rule, null)(x, INDICES);
const added = (base: Rule, updates: Rule) => (x: Tensor, y: Tensor) =>
  ruled((x, y, indices) => scatterAdd(x, indices, y, 0), base, updates, null)(x, y, INDICES);
const lookups = listed("a lookup", ["wrong"], {
  "the last of equal indices wins": {
    source: "pytorch/pytorch#1631, apache/mxnet#9172",
    f: looked(({ cotangent, inputs: [x, indices] }) =>
      scatterAdd(zeros(x.shape), indices, mul(cotangent, tensor([0, 1, 1, 1])), 0)
    ),
    inputs: [vector],
    checks: both,
  },
  "what was to be added is looked up instead": {
    source: "ooples/AiDotNet.Tensors#894",
    f: looked(({ cotangent, inputs: [, indices] }) => concat([take(cotangent, indices), zeros([1])])),
    inputs: [vector],
  },
  "the base of an addition loses the places added to": {
    source: "tracel-ai/burn#4064",
    f: added(({ cotangent }) => mul(cotangent, tensor([0, 0, 1, 0, 1])), ({ cotangent }) => take(cotangent, INDICES)),
    inputs: [vector, [1, 2, 3, 4]],
  },
  "updates get their own place's cotangent": {
    f: added(({ cotangent }) => mul(cotangent, 1), ({ cotangent }) => slice(cotangent, [[0, 4]])),
    inputs: [vector, [1, 2, 3, 4]],
  },
  "a lookup along rows is undone along columns": {
    f: (x) =>
      ruled(
        (x, indices) => gather(x, indices, 1),
        ({ cotangent, inputs: [x, indices] }) =>
          scatterAdd(zeros(x.shape), transpose(indices), transpose(cotangent), 0),
        null,
      )(
        x,
        tensor([[2], [0], [1]], undefined, { dtype: "int" }),
      ),
    inputs: [square3],
  },
  "a padded row gets a gradient that the value does not have": {
    f: (x) =>
      ruled(
        (x, indices) => mul(take(x, indices), where(equal(arange(4), 2), 0, 1)),
        ({ cotangent, inputs: [x, indices] }) => scatterAdd(zeros(x.shape), indices, cotangent, 0),
        null,
      )(x, INDICES),
    inputs: [vector],
  },
});

const secondOrder = listed("a second derivative of a reduction", ["wrong"], {
  "softmax held in its own rule": {
    f: ruled((x) => softmax(x), ({ cotangent, output }) => {
      const held = detach(output);
      return mul(held, sub(cotangent, sum(mul(cotangent, held))));
    }),
    inputs: [vector],
    checks: second,
  },
  "a sum of exponentials whose weights are held": {
    f: ruled((x) => logSumExp(x), ({ cotangent, inputs: [x] }) => mul(cotangent, detach(softmax(x)))),
    inputs: [vector],
    checks: second,
  },
  "the other factors of a product are held": {
    source: "pytorch/pytorch#106789",
    f: ruled((x) => prod(x), ({ cotangent, inputs: [x] }) => {
      const factors = where(equal(triangle(4), sub(triangle(4), identity(4))), broadcastTo(x, [4, 4]), 1);
      return mul(cotangent, detach(prod(factors, 1)));
    }),
    inputs: [[2, 3, 0, 0]],
    checks: second,
  },
  "a length whose value is held": {
    f: ruled(
      (x) => sqrt(sum(square(x))),
      ({ cotangent, inputs: [x], output }) => mul(cotangent, div(x, detach(output))),
    ),
    inputs: [vector],
    checks: second,
  },
  "a matrix product whose right factor is held": {
    f: ruled(
      matmul,
      ({ cotangent, inputs: [, b] }) => matmul(cotangent, transpose(detach(b))),
      ({ cotangent, inputs: [a] }) => matmul(transpose(a), cotangent),
    ),
    inputs: [matrix, [[1, 0.5], [0.3, 2], [-0.7, 0.1]]],
    checks: second,
  },
  "a running sum, right at order 1": {
    f: ruled(
      (x) => square(runningSums(x)),
      ({ cotangent, inputs: [x] }) => flip(runningSums(flip(mul(cotangent, mul(2, detach(runningSums(x))))))),
    ),
    inputs: [vector],
    checks: every.slice(0, 1),
  },
  "a threshold that is soft in the value and hard in the gradient's gradient": {
    f: ruled(
      (x) => square(where(greaterEqual(x, 0), x, 0)),
      ({ cotangent, inputs: [x] }) => mul(cotangent, mul(2, detach(where(greaterEqual(x, 0), x, 0)))),
    ),
    inputs: [vector],
    checks: second,
  },
  "a logarithm of a sum whose inner derivative is held": {
    f: (x) => {
      const inner = ruled((x) => sum(square(x)), ({ cotangent, inputs: [x] }) => mul(cotangent, mul(2, detach(x))));
      return log(inner(x));
    },
    inputs: [vector],
    checks: second,
  },
});

/** A block of numbers of a rank of 3. */
function numbers3(a: number, b: number, c: number): number[][][] {
  const all = numbers(a * b * c, (random) => 2 * random() - 1, a + b + c);
  return Array.from(
    { length: a },
    (_, i) => Array.from({ length: b }, (_, j) => Array.from({ length: c }, (_, k) => all[(i * b + j) * c + k])),
  );
}

export const structures: readonly Case[] = [
  reductions,
  movements,
  extents,
  broadcasts,
  products,
  lookups,
  secondOrder,
].flat();
