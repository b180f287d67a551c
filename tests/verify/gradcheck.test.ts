/** The tests of a gradient check other than those of elements, and its explanations if it cannot check. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  abs,
  add,
  cast,
  DefaultBoxes,
  detach,
  div,
  exp,
  floor,
  greater,
  less,
  log,
  mul,
  relu,
  reshape,
  round,
  sin,
  sqrt,
  square,
  SSDLoss,
  sub,
  sum,
  type Tensor,
  tensor,
  topKMask,
  useDevice,
  where,
} from "../../mod.ts";
import type { Op } from "../../core/op.ts";
import { record } from "../../core/record.ts";
import { sampleOf } from "../support/cells.ts";
import { devicesUnderTest } from "../support/devices.ts";
import {
  assertGradients,
  type Finding,
  gradcheck,
  type GradcheckOptions,
  type GradcheckReport,
  type InputLike,
  reportText,
  type TensorFunction,
} from "../../verify/mod.ts";
import { assertExplained, exponential } from "./support.ts";
import { plantFunction } from "../support/functions.ts";

await useDevice("float64");

function check(
  f: TensorFunction,
  inputs: readonly InputLike[],
  options: GradcheckOptions = {},
): Promise<GradcheckReport> {
  return gradcheck(f, inputs, { seed: 1, ...options });
}

/** The finding of a check, which must be there. */
function findingOf(report: GradcheckReport, name: string): Finding {
  const found = report.findings.find(({ check }) => check === name);
  assert.ok(found, `${name} is not among the findings\n${reportText(report)}`);
  return found;
}

for (const mode of ["full", "fast"] as const) {
  test(`a derivative that is NaN or infinite is never called right, ${mode} mode [float64]`, async () => {
    const poles: Record<string, [f: (x: Tensor) => Tensor, at: number[]]> = {
      "square(sqrt(x))": [(x) => square(sqrt(x)), [0, 4]],
      "a norm at 0": [(x) => sqrt(sum(square(x))), [0, 0]],
      "sqrt(x)": [sqrt, [0, 4]],
      "1 / (1 / x)": [(x) => div(1, div(1, x)), [0, 4]],
    };
    for (const [name, [f, at]] of Object.entries(poles)) {
      const report = await gradcheck(f, [at], { mode });
      assert.notEqual(report.verdict, "ok", name);
      assert.ok(report.counts.ok < 2, name);
    }
  });
}

test("a report counts every element, lists the worst and shows the tape [float64]", async () => {
  const report = await check((x, y) => sum(mul(exp(x), y)), [[[1, 2], [3, 4]], [0.5, -1]], { worst: 3, order: 2 });
  assert.equal(report.verdict, "ok");
  assert.deepEqual(report.counts, { ok: 4 + 2 + 4 + 2 + 1, wrong: 0, kink: 0, noise: 0, untested: 0 });
  assert.deepEqual(report.inputs.map(({ name, shape }) => [name, [...shape]]), [
    ["x", [2, 2]],
    ["y", [2]],
    ["cotangent", []],
  ]);
  assert.equal(report.worst.length, 3);
  assert.deepEqual(report.tape.map(({ op }) => op), ["leaf", "leaf", "exp", "mul", "sum"]);
  assert.deepEqual(report.tape.map(({ inputs }) => inputs), [[], [], [0], [2, 1], [3]]);
  assert.deepEqual(report.tape.map(({ input }) => input), ["x", "y", undefined, undefined, undefined]);
  assert.equal(report.device, null);
  assert.equal(report.margin, null);
});

test("the same seed yields the same report, another seed other numbers [float64]", async () => {
  const at = async (seed: number) => (await check((x) => sin(x), [[1, 2]], { seed })).worst.map((e) => e.analytic);
  assert.deepEqual(await at(7), await at(7));
  assert.notDeepEqual(await at(7), await at(8));
});

test("fast mode tests directions, and elements only if a direction fails [float64]", async () => {
  const right = await check((x) => exp(x), [[1, 2, 3]], { mode: "fast", directions: 3 });
  assert.equal(right.verdict, "ok");
  assert.deepEqual(right.counts, { ok: 3, wrong: 0, kink: 0, noise: 0, untested: 3 });
  assert.ok(right.worst.every(({ input }) => input === -1));
  // One element of many, by a thousandth.
  const bad = Array.from({ length: 100 }, (_, i) => (i === 37 ? 1.001 : 1));
  const wrong = await check(
    exponential(({ cotangent, output }) => mul(mul(cotangent, output), bad)),
    [Array.from({ length: 100 }, (_, i) => i / 50)],
    { mode: "fast" },
  );
  assert.equal(wrong.verdict, "wrong");
  assert.deepEqual(
    wrong.worst.filter(({ input, verdict }) => input === 0 && verdict === "wrong").map(({ index }) => index),
    [[37]],
  );
  assert.equal(wrong.counts.untested, 0);
});

test("large inputs are checked in fast mode by default [float64]", async () => {
  const many = new Float64Array(2000).fill(0.5);
  assert.equal((await check((x) => exp(x), [many])).mode, "fast");
  const full = await check((x) => exp(x), [many], { mode: "full" });
  assert.equal(full.counts.ok, 2000);
});

test(
  "decisions are held, and the nearest one's distance from flipping is the margin [float64]",
  async () => {
    const f = (x: Tensor) => where(greater(x, 1), square(x), mul(x, 5));
    // If the decision were not held, the function would jump here.
    const report = await check(f, [[1 + 1e-6, 0.5, 3]], { order: 2 });
    assert.equal(report.verdict, "ok", reportText(report));
    assert.ok(Math.abs(report.margin! - 1e-6) < 1e-8, String(report.margin));
    const masked = await check((x) => mul(x, cast(topKMask(x, 2), "float")), [[3, 1, 2.999999, 2]]);
    assert.equal(masked.verdict, "ok", reportText(masked));
    assert.ok(masked.margin! < 1e-6, String(masked.margin));
  },
);

test("a comparison of a value with itself has no margin [float64]", async () => {
  assert.equal((await check((x) => where(less(x, x), x, mul(x, 2)), [[1, 2]])).margin, null);
});

test("rounding is a decision; a value without gradient is not [float64]", async () => {
  assert.equal((await check((x) => add(mul(x, round(x)), floor(x)), [[0.4, 2.7]])).verdict, "ok");
  const cut = await check((x) => mul(detach(x), x), [[0.4, 2.7]]);
  assert.equal(cut.verdict, "wrong");
  assert.equal(cut.tape.find(({ suspect }) => suspect)?.op, "detach");
});

test(
  "an element on a kink is judged by the slopes on both sides, and at a nearby point [float64]",
  async () => {
    const beside = await check((x) => abs(x), [[0, 1]]);
    assert.deepEqual([beside.counts.ok, beside.counts.kink], [1, 1]);
    assert.match(findingOf(beside, "kink").message, /x\[0\] lies on a kink.*between the slopes.*nearby/);
    const kept = await check((x) => abs(x), [[0, 1]], { resamples: 0 });
    assert.doesNotMatch(findingOf(kept, "kink").message, /nearby/);
    assert.equal((await check((x) => relu(x), [[0]])).verdict, "ok");
  },
);

test("a missing gradient is explained [float64]", async () => {
  const report = await check((x, y) => mul(x, detach(y)), [[1], [2]]);
  assert.match(findingOf(report, "missing gradient").message, /no gradient reaches y.*"detach"/);
  const unused = await check((x, _y) => exp(x), [[1], [2]]);
  assert.equal(findingOf(unused, "missing gradient").severity, "warning");
  assert.equal(unused.verdict, "ok");
});

test("a zero cotangent and linearity are tested [float64]", async () => {
  const ignores = await check(exponential(({ output }) => mul(output, 1)), [[1, 2]]);
  assert.match(findingOf(ignores, "zero cotangent").message, /x\[0\]/);
  const squares = await check(exponential(({ cotangent, output }) => mul(square(cotangent), output)), [[1, 2]]);
  assert.match(findingOf(squares, "linearity").message, /not linear/);
});

test("a tested element whose error is not finite is not shown as untested [float64]", async () => {
  const { verdict, inputs: [x] } = await check(exponential(({ cotangent }) => mul(cotangent, NaN)), [[1, 2]], {
    locate: false,
  });
  assert.deepEqual([verdict, x.verdicts, x.relative], ["wrong", ["wrong", "wrong"], [NaN, NaN]]);
});

test("an error only at ties is found, with advice [float64]", async () => {
  const op: Op = {
    name: "planted",
    infer: ([x]) => ({ shape: x.shape, dtype: "float" }),
    kernel: { kind: "elementwise", cost: 1, expression: ([a, b], _, { call }) => call("max", a, b) },
    vjp: [
      ({ cotangent, inputs: [a, b] }) => where(less(a, b), 0, cotangent),
      ({ cotangent, inputs: [a, b] }) => where(greater(a, b), 0, cotangent),
    ],
  };
  const report = await check((x, y) => record(op, [x, y]), [[1, 2], [1, 0]]);
  assert.equal(report.verdict, "wrong");
  assert.match(findingOf(report, "ties").message, /x\[0\], y\[0\] lie on ties/);
  assert.match(reportText(report), /Next:.*Split the gradient among equal elements/s);
});

test(
  "the suspect is found however long the tape, and a search that stops at its limit says so [float64]",
  async () => {
    const long = (x: Tensor, steps: number) => {
      for (let i = 0; i < steps; i++) x = i % 2 === 0 ? mul(x, 0.8) : mul(1.25, x);
      return x;
    };
    const wrong = exponential(({ cotangent, output }) => mul(mul(cotangent, output), 1.01));
    const late = await check((x) => long(wrong(long(x, 500)), 50), [[0.3, 1]]);
    assert.equal(late.tape.find(({ suspect }) => suspect)?.op, "planted");
    assert.ok(!late.findings.some(({ check }) => check === "search"));

    // The same op hundreds of times, wrong only for the input of the last one.
    const rare = exponential(({ cotangent, inputs: [x], output }) =>
      mul(mul(cotangent, output), where(greater(x, 2), 1.01, 1))
    );
    const hidden = await check((x) => {
      const start = x;
      for (let i = 0; i < 230; i++) x = log(rare(x));
      return add(rare(add(x, 3)), start);
    }, [[0.3, 1]]);
    assert.equal(hidden.verdict, "wrong");
    assert.equal(hidden.tape.find(({ suspect }) => suspect), undefined);
    assert.match(findingOf(hidden, "search").message, /^400 of 46\d entries/);
  },
);

test("an entry that only decides is not a suspect [float64]", async () => {
  const wrong = exponential(({ cotangent, output }) => mul(mul(cotangent, output), 1.01));
  const report = await check((x) => mul(wrong(x), cast(topKMask(detach(x), 2), "float")), [[3, 1, 2]]);
  assert.equal(report.tape.find(({ suspect }) => suspect)?.op, "planted", reportText(report));
});

test("a gradient of another dtype is wrong [float64]", async () => {
  const report = await check(exponential(({ cotangent }) => cast(cotangent, "int")), [[1, 2]]);
  assert.equal(report.verdict, "wrong");
  assert.match(findingOf(report, "dtype").message, /the gradient of x has dtype int, expected float/);
  assert.equal(report.counts.untested, 2);
});

test("a gradient that is not deterministic is detected [float64]", async () => {
  const random = plantFunction(([x]) => `(${x} + 1e-9 * Math.random())`);
  const dice: Op = {
    name: "dice",
    infer: ([x]) => ({ shape: x.shape, dtype: "float" }),
    kernel: { kind: "elementwise", cost: 1, expression: ([x], _, { call }) => call(random, x) },
    vjp: null,
  };
  const report = await check(exponential(({ cotangent, output }) => mul(cotangent, record(dice, [output]))), [[1, 2]]);
  const { severity, message } = findingOf(report, "determinism");
  assert.deepEqual([severity, report.verdict], ["error", "undecided"]);
  assert.match(message, /the gradient of x\[0\] is .* and then /);
});

test("a device that is not deterministic is detected [cpu]", async () => {
  const random = plantFunction(([x]) => `(${x} * 1.0)`, ([x]) => `(${x} + 0.001 * Math.random())`);
  const dice: Op = {
    name: "dice",
    infer: ([x]) => ({ shape: x.shape, dtype: "float" }),
    kernel: { kind: "elementwise", cost: 1, expression: ([x], _, { call }) => call(random, x) },
    vjp: [({ cotangent }) => cotangent],
  };
  const report = await check((x) => record(dice, [x]), [[1, 2]], { device: "cpu" });
  assert.match(findingOf(report, "determinism").message, /the output is .* on cpu: not deterministic/);
});

test("long sums are deterministic, bit for bit [webasm]", async () => {
  const many = Float64Array.from({ length: 40000 }, (_, i) => Math.sin(i));
  const report = await check((x) => sum(mul(exp(x), x)), [tensor(many, [200, 200])], { device: "webasm" });
  assert.equal(report.verdict, "ok", reportText(report));
  assert.ok(!report.findings.some(({ check }) => check === "determinism"));
});

test("a gradient that cannot be recorded is wrong, and says why [float64]", async () => {
  const report = await check(exponential(({ cotangent }) => reshape(cotangent, [2, 1, 1])), [[1, 2]]);
  assert.equal(report.verdict, "wrong");
  assert.match(findingOf(report, "shape").message, /"planted"/);
  assert.equal(report.tape.find(({ suspect }) => suspect)?.op, "planted");
  assert.equal(report.counts.untested, 2);
});

test("values that are not finite are traced to their origin [float64]", async () => {
  const domain = await check((x) => add(exp(log(x)), 1), [[1, -1]]);
  assert.equal(domain.verdict, "undecided");
  const { message, entry } = findingOf(domain, "domain");
  assert.match(message, /log\[1\] = NaN, from -1; its input must be above 0/);
  assert.equal(domain.tape[entry!].op, "log");
  const overflow = await check((x) => mul(exp(x), 2), [[1, 1000]]);
  assert.equal(overflow.tape[findingOf(overflow, "non-finite").entry!].op, "exp");
  const division = await check((x) => div(1, x), [[1, 0]]);
  assert.match(findingOf(division, "domain").message, /divisor/);
  const input = await check((x) => exp(x), [[1, NaN]]);
  assert.match(findingOf(input, "non-finite").message, /x holds NaN/);
  assert.equal(input.counts.untested, 2);
});

test("an infinite derivative at the end of a domain is not called wrong [float64]", async () => {
  const report = await check((x) => sqrt(x), [[0, 4]]);
  assert.equal(report.counts.wrong, 0);
  assert.deepEqual([report.counts.ok, report.counts.noise], [1, 1]);
  assert.match(findingOf(report, "infinite").message, /x\[0\] is infinite/);
  assert.equal(report.verdict, "undecided");
});

test("the Taylor test tells right from wrong without a tolerance [float64]", async () => {
  const right = await check((x) => exp(x), [[1, 2]]);
  assert.match(findingOf(right, "taylor").message, /power (2\.\d|1\.9)/);
  const wrong = await check(exponential(({ cotangent, output }) => mul(mul(cotangent, output), 2)), [[1, 2]]);
  assert.equal(findingOf(wrong, "taylor").severity, "error");
});

test("a function that writes to its inputs, or is random, is detected [float64]", async () => {
  const writes = await check((x: Tensor) => {
    x.value![0] = 7;
    return exp(x);
  }, [[1, 2]]);
  assert.match(findingOf(writes, "mutation").message, /values of x/);
  assert.equal(writes.verdict, "wrong");
  let calls = 0;
  const random = await check((x) => mul(x, tensor(calls++)), [[1, 2]]);
  assert.equal(findingOf(random, "determinism").severity, "error");
  assert.equal(random.verdict, "undecided");
  assert.equal(random.counts.untested, 2);
});

test("the caller's tensors are unchanged [float64]", async () => {
  const x = tensor([1, 2, 3]);
  await check((t: Tensor) => {
    t.value!.fill(0);
    return exp(t);
  }, [x]);
  assert.deepEqual([...x.value!], [1, 2, 3]);
});

for (const { device, on, single, gpu, extent } of await devicesUnderTest()) {
  if (!single) continue;
  test(...on("values and gradients of a device are compared with the oracle's"), async () => {
    const report = await check((x, y) => sum(mul(exp(x), y)), [[[0.1, 2.7], [3, 4]], [0.5, -1]], { device });
    assert.equal(report.device, device);
    assert.equal(report.verdict, "ok", reportText(report));
    assert.equal(findingOf(report, "device").severity, "info");
    assert.match(findingOf(report, "device").message, /units in the last place of its largest element/);
  });

  test(...on("errors that float32 cannot avoid are not blamed on a device"), async () => {
    const target = tensor([0.1, 0.7, 2.3]);
    const near = Float64Array.from([0.1, 0.7, 2.3], (x) => Math.fround(Math.log(Math.fround(x))));
    const cancelling: Record<string, TensorFunction> = {
      "nothing is left of x": (x) => sub(add(x, 1e8), 1e8),
      "a difference of nearly equal numbers, and its gradient": (x) => sum(square(sub(x, log(target)))),
      "a factor that is held": (x) => mul(detach(sub(x, log(target))), x),
    };
    for (const [name, f] of sampleOf(gpu ? extent : "full", Object.entries(cancelling))) {
      const report = await check(f, [near], { device, locate: false });
      const { severity, message } = findingOf(report, "device");
      assert.equal(severity, "info", `${name}\n${reportText(report)}`);
      // Shader compilers fold constants, and then x + 1e8 - 1e8 is x.
      if (!gpu) assert.match(message, /as close as float32 allows/, name);
    }
  });

  if (gpu) continue;
  test(...on("a decision that falls the other way on a device is a warning"), async () => {
    // The values are off by more than their terms can explain.
    const flips = await check(
      (x) => where(greater(add(x, 1e8), 1e8), mul(x, 5), x),
      [[0.25, 1.75]],
      { device },
    );
    assert.equal(findingOf(flips, "device").severity, "warning", reportText(flips));
    assert.equal(flips.verdict, "ok");
  });
}

test("a kernel that is wrong on one device is named [cpu]", async () => {
  const twice = plantFunction(([x]) => `(${x} * 2.0)`, ([x]) => `(${x} * 2.001)`);
  const op: Op = {
    name: "offside",
    infer: ([x]) => ({ shape: x.shape, dtype: "float" }),
    kernel: { kind: "elementwise", cost: 1, expression: ([x], _, { call }) => call(twice, x) },
    vjp: [({ cotangent }) => mul(cotangent, 2)],
  };
  const report = await check((x) => sum(record(op, [x])), [[1, 2]], { device: "cpu" });
  assert.equal(report.verdict, "wrong");
  const { message, entry } = findingOf(report, "device");
  assert.match(message, /offside\[0\] is 2\.00\d+ on cpu, and 2 on the oracle/);
  assert.equal(report.tape[entry!].op, "offside");
});

test("a plain function: right, wrong, and what float32 cannot decide [float64]", async () => {
  const value = ([x]: readonly ArrayLike<number>[]) => x[0] ** 3 + x[1];
  const right = await gradcheck({ value, gradient: ([x]) => [[3 * x[0] ** 2, 1]] }, [[2, 5]]);
  assert.deepEqual([right.verdict, right.counts.ok], ["ok", 2]);
  const wrong = await gradcheck({ value, gradient: ([x]) => [[2 * x[0] ** 2, 1]] }, [[2, 5]], { names: ["x"] });
  assert.deepEqual([wrong.verdict, wrong.worst[0].index], ["wrong", [0]]);
  const single = {
    value: ([x]: readonly ArrayLike<number>[]) => Math.fround(Math.fround(1e6 + x[0] ** 2) + x[1] * 1e6),
    gradient: ([x]: readonly ArrayLike<number>[]) => [[2 * x[0] * 1.5, 1e6]],
  };
  const noisy = await gradcheck(single, [[0.01, 0.5]], { precision: "float32", seed: 1 });
  assert.deepEqual([noisy.counts.ok, noisy.counts.noise], [1, 1], reportText(noisy));
  const short = await gradcheck({ value, gradient: () => [[1]] }, [[2, 5]]);
  assert.match(findingOf(short, "shape").message, /1 elements, expected 2/);
  let calls = 0;
  const random = await gradcheck({ value: () => calls++, gradient: () => [[0, 0]] }, [[2, 5]]);
  assert.match(findingOf(random, "determinism").message, /0 and then 1/);
});

test("where no input has an element, the report says that nothing was compared [float64]", async () => {
  const plain = { value: () => 0, gradient: () => [new Float64Array(0)] };
  const said = async (report: Promise<GradcheckReport>) => (await report).findings.map(({ message }) => message).join();
  assert.match(await said(gradcheck((x) => sum(exp(x)), [[]])), /nothing was compared/);
  assert.match(await said(gradcheck(plain, [[]])), /nothing was compared/);
  assert.doesNotMatch(await said(gradcheck((x, y) => add(sum(x), y), [[], [1]])), /nothing was compared/);
});

test("assertGradients throws with the report as text [float64]", async () => {
  assert.equal((await assertGradients((x) => exp(x), [[1]])).verdict, "ok");
  await assert.rejects(
    assertGradients(exponential(({ cotangent, output }) => mul(mul(cotangent, output), 2)), [[1, 3]]),
    /x\[1\].*wrong.*planted/s,
  );
});

test("the SSD loss is checked in second order, with its hard mining held [float64]", async () => {
  const boxes = new DefaultBoxes({ figSize: 300, featSizes: [2, 1], scales: [90, 160, 250], aspectRatios: [[2], [2]] });
  const criterion = new SSDLoss(boxes);
  const values = (n: number, by: number) => Float64Array.from({ length: n }, (_, i) => Math.sin(i * by) * 2);
  const report = await check(
    (locations, logits) => criterion.forward([locations, logits], [[0, 1, 0.4, 0.45, 0.5, 0.4]]).loss,
    [
      tensor(values(4 * boxes.count, 0.7), [1, 4, boxes.count]),
      tensor(values(3 * boxes.count, 1.3), [1, 3, boxes.count]),
    ],
    { order: 2 },
  );
  assert.equal(report.verdict, "ok", reportText(report));
  assert.ok(report.margin! > 0);
  assert.equal(report.counts.ok, 2 * 7 * boxes.count + 1);
});

const mistakes: Record<string, [run: () => Promise<unknown>, message: RegExp]> = {
  "no function": [() => gradcheck(3 as never, [[1]]), /expected f to be a function or \{ value, gradient \}, got 3/],
  "inputs that are not an array": [
    () => gradcheck((x) => exp(x), 1 as never),
    /expected inputs to be an array with one entry for each argument .*, got 1/,
  ],
  "an input that is not a tensor": [
    () => gradcheck((x) => exp(x), [["a"] as never]),
    /x cannot be read as a tensor.*got "a" as data\[0\]/,
  ],
  "ragged nesting": [() => gradcheck((x) => exp(x), [[[1], [1, 2]]]), /x cannot be read as a tensor/],
  "nothing to differentiate with respect to": [
    () => gradcheck((x) => x, [new Int32Array([1])]),
    /no input is of dtype float/,
  ],
  "a function that returns a number": [() => gradcheck(() => 1 as never, [[1]]), /must return a tensor.*got 1/],
  "a list that contains something else": [
    () => gradcheck((x) => [x, 1] as never, [[1]]),
    /got 1 as element 1/,
  ],
  "a function that returns an empty list": [
    () => gradcheck(() => [], [[1]]),
    /must return at least one tensor, got none/,
  ],
  "only bool outputs": [
    () => gradcheck((x) => greater(x, 0), [[1]]),
    /dtype float, got bool \(made by "greater"\)/,
  ],
  "a function that throws": [
    () => gradcheck((x, y) => add(x, y), [[1, 2], [1, 2, 3]]),
    /the function throws for x float \[2\], y float \[3\]: add: expected shapes that broadcast/,
  ],
  "an unknown mode": [
    () => check((x) => x, [[1]], { mode: "quick" as never }),
    /expected mode to be "full" or "fast", got "quick"/,
  ],
  "an unknown order": [() => check((x) => x, [[1]], { order: 3 as never }), /expected order to be 1 or 2, got 3/],
  "a number of directions below 1": [
    () => check((x) => x, [[1]], { directions: 0 }),
    /directions to be a whole number from 1/,
  ],
  "order 2 of a plain function": [
    () => gradcheck({ value: () => 0, gradient: () => [[0]] }, [[1]], { order: 2 }),
    /order 2 differentiates the gradient, which takes a function on the tape/,
  ],
  "a value that is not a number": [
    () => gradcheck({ value: () => "a" as never, gradient: () => [[0]] }, [[1]]),
    /value must return a number, got "a"/,
  ],
  "a value that is a promise": [
    () => gradcheck({ value: () => Promise.resolve(1) as never, gradient: () => [[0]] }, [[1]]),
    /synchronously/,
  ],
  "a gradient that is not a list": [
    () => gradcheck({ value: () => 0, gradient: () => 1 as never }, [[1]]),
    /gradient must return an array of 1 arrays.*a number/,
  ],
  "a plain function that throws": [
    () =>
      gradcheck({
        value: () => {
          throw new Error("broken");
        },
        gradient: () => [[0]],
      }, [[1]]),
    /value throws: broken/,
  ],
};

for (const [name, [run, message]] of Object.entries(mistakes)) {
  test(`a usage error is explained: ${name} [float64]`, async () => {
    await assertExplained(run(), message);
  });
}

test("an unknown device is refused [float64]", async () => {
  await assert.rejects(check((x) => x, [[1]], { device: "abacus" }), /expected device to be "auto", .*, got "abacus"/);
});
