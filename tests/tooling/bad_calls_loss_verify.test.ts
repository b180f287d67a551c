/** Calls every public function of `loss/` and `verify/` with bad arguments; the error must say what is wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as gpugrad from "../../mod.ts";
import * as verify from "../../verify/mod.ts";
import { messageOf } from "../../verify/usage.ts";

// deno-lint-ignore no-explicit-any
const { DefaultBoxes, HardMiningCrossEntropyLoss, SSDLoss, iouMatrix, tensor, zeros } = gpugrad as any;
// deno-lint-ignore no-explicit-any
const v = verify as any;

/** A call, and its error message after the name of the function. */
type Row = readonly [call: () => unknown, says: RegExp];

const boxes = DefaultBoxes.from([[0.25, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5], [0.5, 0.5, 1, 1]]);
const criterion = new SSDLoss(boxes);
const mining = new HardMiningCrossEntropyLoss();
const layout = { figSize: 300, featSizes: [2, 1], scales: [30, 60, 90], aspectRatios: [[2], [2]] };
const target = [0, 1, 0.5, 0.5, 0.25, 0.25];
const pair = [zeros([1, 4, 3]), zeros([1, 3, 3])];
const f = (x: gpugrad.Tensor) => gpugrad.exp(x);
const any = verify.tensors([[2]]);
const report = await verify.gradcheck(f, [[1]], { device: "float64" });
const run = { version: 1, file: "checks.js", seed: 1, shard: null, checks: [] };

/** Bad option objects, for all functions with options. */
function noOptions(call: (options: unknown) => unknown, name = "options"): Row[] {
  const says = new RegExp(`expected ${name} to be an object of options, got `);
  return [null, 5, [1], true].map((value) => [() => call(value), says]);
}
/** Values that are not a report. */
const noReports = (call: (report: unknown) => unknown, name: string): Row[] =>
  [undefined, null, 3, "report", [], {}, tensor([1]), f, { checks: 3 }, Promise.resolve(report)]
    .map((value) => [() => call(value), new RegExp(`expected ${name} to be a report of .*, got `)]);

const options = (call: (options: unknown) => unknown): Row[] => [
  [() => call({ order: 5 }), /expected order to be 1 or 2, got 5/],
  [() => call({ Order: 2 }), /there is no option "Order"; did you mean "order"\?/],
  [() => call({ mode: "slow" }), /expected mode to be "full" or "fast", got "slow"/],
  [() => call({ names: "x" }), /expected names to be an array of strings, got "x"/],
  [() => call({ directions: 0 }), /expected directions to be a whole number from 1, got 0/],
  [() => call({ resamples: 1.5 }), /expected resamples to be a whole number from 0, got 1.5/],
  [() => call({ precision: "half" }), /expected precision to be "float32" or "float64", got "half"/],
  [() => call({ device: 3 }), /expected device to be "auto", .*, got 3/],
  [() => call({ locate: "no" }), /expected locate to be true or false, got "no"/],
  [() => call({ eps: 1e-6 }), /there is no option "eps"; the options are/],
  ...noOptions(call),
];
const subjects = (call: (f: unknown, arbitrary: unknown) => unknown): Row[] => [
  [() => call(undefined, any), /expected f to be a function or \{ value, gradient \}, got undefined/],
  [() => call({ value: f }, any), /expected f to be .*, got \{ value \}/],
  [() => call(f, [[1]]), /expected arbitrary to be an arbitrary of fast-check, .*, got \[\[1\]\]/],
  [() => call(f, undefined), /expected arbitrary to be .*, got undefined/],
  [() => call(f, tensor([1])), /expected arbitrary to be .*, got a tensor/],
];
const property = (call: (options: unknown) => unknown): Row[] => [
  [() => call({ runs: 0 }), /expected runs to be a whole number from 1, got 0/],
  [() => call({ runs: "10" }), /expected runs to be a whole number from 1, got "10"/],
  [() => call({ numRuns: 10 }), /there is no option "numRuns"/],
  [() => call({ rns: 5 }), /there is no option "rns"; did you mean "runs"\?/],
];
const shapes = (call: (options: unknown) => unknown): Row[] => [
  [() => call({ maxrank: 2 }), /there is no option "maxrank"; did you mean "maxRank"\?/],
  [() => call({ minRank: 3, maxRank: 2 }), /expected minRank <= maxRank, got 3 and 2/],
  [() => call({ minAxis: 3, maxAxis: 2 }), /expected minAxis <= maxAxis, got 3 and 2/],
  [() => call({ maxRank: "2" }), /expected maxRank to be a whole number from 0, got "2"/],
  [() => call({ maxAxis: -1 }), /expected maxAxis to be a whole number from 0, got -1/],
  [() => call({ minRank: NaN }), /expected minRank to be a whole number from 0, got NaN/],
  ...noOptions(call),
];
const texts = (call: (options: unknown) => unknown): Row[] => [
  ...noOptions(call),
  [() => call({ worst: -1 }), /expected worst to be a whole number from 0, got -1/],
  [() => call({ style: "red" }), /expected style to be a function, got "red"/],
  [() => call({ colour: true }), /there is no option "colour"/],
  [() => call({ values: -1 }), /expected values to be a whole number from 0, or Infinity, got -1/],
];
const wholes = (call: (n: unknown) => unknown, name: string): Row[] =>
  [undefined, null, -1, 1.5, NaN, Infinity, "3", [3], tensor(3), true]
    .map((value) => [() => call(value), new RegExp(`expected ${name} to be a whole number from `)]);
const atLeastOne = (call: (options: unknown) => unknown, name: string): Row[] => [
  ...noOptions(call),
  ...[0, -1, 1.5, NaN, "2"].map((value): Row => [
    () => call({ [name]: value }),
    new RegExp(`expected ${name} to be a whole number from 1, got `),
  ]),
  [() => call({ [`${name}s`]: 2 }), new RegExp(`there is no option "${name}s"; did you mean "${name}"`)],
];

const rows: Record<string, readonly Row[]> = {
  iouMatrix: [
    [() => iouMatrix(), /expected a to be .*, got undefined/],
    [() => iouMatrix([[0, 0, 1, 1]]), /expected b to be .*, got undefined/],
    [() => iouMatrix([0, 0, 1, 1], [[0, 0, 1, 1]]), /expected a of shape \[\.\.\., boxes, 4\], got \[4\]/],
    [() => iouMatrix(zeros([2, 4]), zeros([4, 2])), /expected b of shape \[\.\.\., boxes, 4\], got \[4, 2\]/],
    [() => iouMatrix(zeros([2, 1, 4]), zeros([3, 1, 4])), /axes of a and b before the last two to broadcast together/],
    [() => iouMatrix([[true, true, true, true]], [[0, 0, 1, 1]]), /expected a to be numbers, got .* bool/],
    [() => iouMatrix(zeros([1, 4]), zeros([1, 4]), "giou"), /expected options to be an object .* \{ kind: "giou" \}/],
    [() => iouMatrix(zeros([1, 4]), zeros([1, 4]), { type: "giou" }), /there is no option "type"/],
    [() => iouMatrix(zeros([1, 4]), zeros([1, 4]), { kind: "eiou" }), /expected kind to be "iou", .*, got "eiou"/],
    [() => iouMatrix(zeros([1, 4]), zeros([1, 4]), { fmt: "xyxy" }), /there is no option "fmt"/],
    ...noOptions((value) => iouMatrix(zeros([1, 4]), zeros([1, 4]), value)),
  ],
  DefaultBoxes: [
    [() => new DefaultBoxes("ssd300-coco"), /write new DefaultBoxes\(DefaultBoxes\.presets\["ssd300-coco"\]\)/],
    [() => new DefaultBoxes(), /expected config to be a layout, .* got undefined/],
    [() => new DefaultBoxes({ cxcywh: [[0, 0, 1, 1]] }), /write DefaultBoxes\.from\(cxcywh, options\)/],
    [() => new DefaultBoxes({}), /expected config to have figSize, which is missing/],
    [() => new DefaultBoxes({ ...layout, scales: "30" }), /expected scales to be an array of numbers, got "30"/],
    [() => new DefaultBoxes({ ...layout, scales: [30, "60", 90] }), /expected scales\[1\] .*, got "60"/],
    [() => new DefaultBoxes({ ...layout, aspectRatios: [[2], 2] }), /expected aspectRatios to be an array of arrays/],
    [() => new DefaultBoxes({ ...layout, feat_sizes: [1] }), /no option "feat_sizes"; did you mean "featSizes"\?/],
    [
      () => new DefaultBoxes({ ...layout, featSizes: [1e9, 1] }),
      /expected featSizes\[0\] .* from 1 to 1024, got 10{9}/,
    ],
    [() => new DefaultBoxes({ ...layout, scaleXy: 0 }), /expected scaleXy to be a finite number above 0, got 0/],
    [() => new DefaultBoxes(null), /expected config to be an object of options, got null/],
  ],
  "DefaultBoxes.from": [
    [() => DefaultBoxes.from(), /expected cxcywh to be a tensor, .*, got undefined/],
    [() => DefaultBoxes.from([]), /expected cxcywh to have at least one row, got none/],
    [() => DefaultBoxes.from([[0, 0, 1]]), /expected cxcywh to have 4 numbers in each row, got 3 in row 0/],
    [() => DefaultBoxes.from([[0, 0, 1, "1"]]), /expected cxcywh to be numbers, got "1" in row 0, column 3/],
    [() => DefaultBoxes.from([[150, 150, 30, 30]]), /row 0 of cxcywh, .* it looks like pixels/],
    [() => DefaultBoxes.from([[0, 0, NaN, 1]]), /expected w to be .* above 0, got NaN in row 0 of cxcywh/],
    [() => DefaultBoxes.from([[0, 0, 1, 1]], { scale_xy: 0.1 }), /"scale_xy"; did you mean "scaleXy"\?/],
    ...noOptions((value) => DefaultBoxes.from([[0, 0, 1, 1]], value)),
  ],
  ...Object.fromEntries(([["encode", "boxes"], ["decode", "locations"]] as const).map(([name, argument]) => [
    `DefaultBoxes.${name}`,
    [
      ...[undefined, null, "boxes", {}, f, Promise.resolve(1)].map((value): Row => [
        () => boxes[name](value),
        new RegExp(`expected ${argument} to be `),
      ]),
      [() => boxes[name](zeros([3, 4])), /got \[3, 4\]; the four numbers come before the boxes: transpose/],
      [
        () => boxes[name](zeros([4, 2])),
        new RegExp(`expected ${argument} of shape \\[\\.\\.\\., 4, 3\\], got \\[4, 2\\]`),
      ],
      [() => boxes[name](zeros([4, 3], { dtype: "bool" })), new RegExp(`expected ${argument} to be numbers`)],
      [() => boxes[name](zeros([4, 3]), zeros([4, 3])), /expected one argument/],
    ] as Row[],
  ])),
  HardMiningCrossEntropyLoss: [
    [() => new HardMiningCrossEntropyLoss({ neg_pos_ratio: 3 }), /"neg_pos_ratio"; did you mean "negPosRatio"\?/],
    [() => new HardMiningCrossEntropyLoss(3), /write new HardMiningCrossEntropyLoss\(\{ negPosRatio: 3 \}\)/],
    ...[-1, NaN, Infinity, "3", null].map((value): Row => [
      () => new HardMiningCrossEntropyLoss({ negPosRatio: value }),
      /expected negPosRatio to be a finite number from 0, got /,
    ]),
    [() => new HardMiningCrossEntropyLoss({}, 3), /expected one argument/],
    ...noOptions((value) => new HardMiningCrossEntropyLoss(value)),
  ],
  "HardMiningCrossEntropyLoss.forward": [
    [() => mining.forward(), /expected logits to be a tensor, got undefined/],
    [() => mining.forward([[[1]]], zeros([1, 3])), /expected logits to be a tensor, got \[\[\[1\]\]\]/],
    [() => mining.forward(pair[1], [[0, 1, 0]]), /expected labels to be a tensor, got \[\[0, 1, 0\]\]/],
    [() => mining.forward(zeros([1, 3, 3], { dtype: "int" }), pair[1]), /expected logits of dtype float, got int/],
    [() => mining.forward(zeros([3, 3]), pair[1]), /expected logits of shape \[batch, classes \+ 1, boxes\]/],
    [() => mining.forward(zeros([1, 1, 3]), pair[1]), /with at least one class, got \[1, 1, 3\]/],
    [() => mining.forward(zeros([1, 5, 3]), zeros([1, 5], { dtype: "int" })), /transpose\(logits, \[0, 2, 1\]\)/],
    [() => mining.forward(pair[1], zeros([1, 2], { dtype: "int" })), /expected labels of shape \[1, 3\]/],
    [() => mining.forward(pair[1], zeros([1, 3])), /expected labels of dtype int, got float/],
    [() => mining.forward(pair[1], tensor([[0, 3, 0]], undefined, { dtype: "int" })), /from 0 to 2, got 3 in row 0/],
  ],
  SSDLoss: [
    [() => new SSDLoss(), /expected defaultBoxes to be DefaultBoxes, .*, got undefined/],
    [() => new SSDLoss("ssd300-coco"), /expected defaultBoxes to be DefaultBoxes, .*, got "ssd300-coco"/],
    [() => new SSDLoss(layout), /expected defaultBoxes to be DefaultBoxes, made by new DefaultBoxes\(layout\), got \{/],
    [() => new SSDLoss(boxes, { alpha: -1 }), /expected alpha to be a number from 0 to 2, got -1/],
    [() => new SSDLoss(boxes, { iouThreshold: 50 }), /expected iouThreshold to be a number from 0 to 1, got 50/],
    [() => new SSDLoss(boxes, { iouThreshold: "0.5" }), /expected iouThreshold .*, got "0.5"/],
    [() => new SSDLoss(boxes, { iou_thresh: 0.5 }), /"iou_thresh"; did you mean "iouThreshold"\?/],
    [() => new SSDLoss(boxes, { neg_pos_ratio: 3 }), /"neg_pos_ratio"; did you mean "negPosRatio"\?/],
    [() => new SSDLoss(boxes, { negPosRatio: Infinity }), /expected negPosRatio .*, got Infinity/],
    ...noOptions((value) => new SSDLoss(boxes, value)),
  ],
  "SSDLoss.forward": [
    [() => criterion.forward(), /expected predictions to be \[locations, logits\] .*, got undefined/],
    [() => criterion.forward(pair[0], [target]), /expected predictions .*, got a tensor/],
    [() => criterion.forward([pair[1], pair[0]], [target]), /axis 1 of locations to be 4, .* \[logits, locations\]\?/],
    [() => criterion.forward([pair[0], zeros([1, 3, 5])], [target]), /axis 2 of logits to be 3, .* got 5/],
    [() => criterion.forward([zeros([1, 3, 4]), pair[1]], [target]), /write transpose\(locations, \[0, 2, 1\]\)/],
    [() => criterion.forward(pair, undefined), /expected targets to be a tensor, .*, got undefined/],
    [() => criterion.forward(pair, target), /expected targets to have 6 numbers in each row, got 0 in row 0/],
    [() => criterion.forward(pair, [[0, 1, NaN, 0.5, 1, 1]]), /expected cx to be finite, got NaN in row 0 of targets/],
    [() => criterion.forward(pair, [[0, 1, 150, 80, 40, 30]]), /row 0 of targets, .* it looks like pixels/],
    [() => criterion.forward(pair, [[0, 2, 0.5, 0.5, 1, 1]]), /expected the label to be below 2/],
    [() => criterion.forward(pair, [target], {}, 1), /expected at most 3 arguments/],
  ],
  "SSDLoss.matchDefaultBoxes": [
    [() => criterion.matchDefaultBoxes(), /expected targets to be .*, got undefined/],
    [() => criterion.matchDefaultBoxes("targets"), /expected targets to be .*, got "targets"/],
    [() => criterion.matchDefaultBoxes([[1e9, ...target.slice(1)]]), /expected the image index .* got 10{9} in row 0/],
    [() => criterion.matchDefaultBoxes([target], 0), /expected batch to be a whole number from 1 to 65536, got 0/],
    [() => criterion.matchDefaultBoxes([target], "1"), /expected batch to be .*, got "1"/],
    [() => criterion.matchDefaultBoxes([target], 1e9), /expected batch to be .*, got 10{9}/],
    [() => criterion.matchDefaultBoxes([null]), /expected targets to have 6 numbers in each row, got null in row 0/],
    [() => criterion.matchDefaultBoxes([[0, -1, 0.5, 0.5, 1, 1]]), /expected the label to be 0 or above, got -1/],
    [() => criterion.matchDefaultBoxes([[0.5, ...target.slice(1)]]), /expected the image index to be a whole number/],
    [() => criterion.matchDefaultBoxes([target], 1, 2), /expected at most 2 arguments/],
  ],
  gradcheck: [
    ...options((value) => v.gradcheck(f, [[1]], value)),
    [() => v.gradcheck(3, [[1]]), /expected f to be a function or \{ value, gradient \}, got 3/],
    [() => v.gradcheck(f, 1), /expected inputs to be an array .*, got 1/],
    [() => v.gradcheck(() => 1, [[1]]), /must return a tensor or an array of tensors, got 1/],
  ],
  assertGradients: [
    ...options((value) => v.assertGradients(f, [[1]], value)),
    [() => v.assertGradients(3, [[1]]), /expected f to be a function or \{ value, gradient \}, got 3/],
  ],
  checkProperty: [
    ...subjects((g, arbitrary) => v.checkProperty(g, arbitrary)),
    ...options((value) => v.checkProperty(f, any, value)),
    ...property((value) => v.checkProperty(f, any, value)),
    [() => v.checkProperty(f, any, { path: 3 }), /expected path to be the path of a replay, such as .*, got 3/],
  ],
  assertProperty: [
    ...subjects((g, arbitrary) => v.assertProperty(g, arbitrary)),
    ...options((value) => v.assertProperty(f, any, value)),
    ...property((value) => v.assertProperty(f, any, value)),
  ],
  check: [
    ...subjects((g, arbitrary) => v.check(g, arbitrary)),
    ...options((value) => v.check(f, any, value)),
    ...property((value) => v.check(f, any, value)),
    [() => v.check(f, any, { seed: 1 }), /there is no option "seed"/],
  ],
  shapes: shapes((value) => v.shapes(value)),
  broadcastableShapes: [
    ...shapes((value) => v.broadcastableShapes(2, value)),
    ...wholes((value) => v.broadcastableShapes(value), "count"),
  ],
  tensors: [
    ...[undefined, "x", 3, [2, 3], [[-1]], [["2"]], tensor([1]), { shape: [2] }].map((value): Row => [
      () => v.tensors(value),
      /expected of to be an array of shapes, such as \[\[2, 3\]\], or an arbitrary of them, got /,
    ]),
    [() => v.tensors([[1]], { dtype: "int32" }), /expected dtype to be "float", "int" or "bool", got "int32"/],
    [() => v.tensors([[1]], { Max: 2 }), /there is no option "Max"; did you mean "max"\?/],
    [() => v.tensors([[1]], { min: 2, max: 1 }), /expected min <= max, got 2 and 1/],
    [() => v.tensors([[1]], { min: "0" }), /expected min to be a finite number, got "0"/],
    [() => v.tensors([[1]], [{ Distinct: true }]), /no option "Distinct"; did you mean "distinct"\?/],
    [() => v.tensors([[1]], [null]), /expected options to be an object of options, got null/],
    [() => v.tensors([[1]], { avoid: 0 }), /expected avoid to be an array of numbers, got 0/],
  ],
  permutations: wholes((value) => v.permutations(value), "length"),
  indices: [
    ...wholes((value) => v.indices([2], value), "below"),
    [() => v.indices(2, 3), /expected shape to be a shape: an array of whole numbers from 0, got 2/],
  ],
  detectionScenes: atLeastOne((value) => v.detectionScenes(value), "boxes"),
  defaultBoxLayouts: atLeastOne((value) => v.defaultBoxLayouts(value), "cells"),
  drawFrom: [undefined, null, 3, "g", {}, [], tensor([1]), true, NaN, any]
    .map((value) => [() => v.drawFrom(value), /expected g to be a function, got /]),
  reportText: [
    ...noReports((value) => v.reportText(value), "report"),
    ...texts((value) => v.reportText(report, value)),
  ],
  runText: [...noReports((value) => v.runText(value), "run"), ...texts((value) => v.runText(run, value))],
  reportHtml: noReports((value) => v.reportHtml(value), "report"),
  reportJson: noReports((value) => v.reportJson(value), "report"),
  parseReport: [undefined, null, 3, {}, run, [], tensor([1]), f, true, Promise.resolve("{}")]
    .map((value) => [() => v.parseReport(value), /expected text to be the text of a report, got /]),
  mergeRuns: [
    ...[undefined, null, 3, "run", {}, run, tensor([1])].map((value): Row => [
      () => v.mergeRuns(value),
      /expected shards to be an array of reports of runs, got /,
    ]),
    ...[undefined, null, {}, report].map((value): Row => [
      () => v.mergeRuns([value]),
      /expected shards\[0\] to be a report of gpugrad check, with its list of checks, got /,
    ]),
  ],
};

test("every public function of loss and verify has ten bad calls", () => {
  const exported = [
    ...["iouMatrix", "DefaultBoxes", "HardMiningCrossEntropyLoss", "SSDLoss"],
    ...Object.keys(verify).filter((name) => name !== "UsageError"),
  ];
  assert.deepEqual(exported.filter((name) => !(name in rows)), []);
  for (const [name, calls] of Object.entries(rows)) assert.ok(calls.length >= 10, `${name} has ${calls.length}`);
});

for (const [name, calls] of Object.entries(rows)) {
  test(`bad calls of ${name} say what is wrong`, async () => {
    const complaints: string[] = [];
    for (const [call, says] of calls) {
      let message = "nothing was thrown";
      try {
        await call();
      } catch (error) {
        message = messageOf(error);
      }
      if (!message.startsWith(`${name}: `) || !says.test(message)) complaints.push(`${says} of ${call}: ${message}`);
    }
    assert.equal(complaints.join("\n"), "");
  });
}
