import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { grad, type IouKind, iouMatrix, mul, sum, tensor } from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { isSampled } from "../support/cells.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { checkProperty } from "../support/property.ts";
import { assertClose } from "../ops/compare.ts";
import { iou } from "./reference.ts";
import { allClose, close, devicesOfLoss } from "./support.ts";

const KINDS: readonly IouKind[] = ["iou", "giou", "diou", "ciou"];

/** The aspect term of CIoU and its weight. */
function aspectOf(a: number[], b: number[]): { aspect: number; weight: number } {
  const aspect = 4 / Math.PI ** 2 * (Math.atan2(b[2], b[3]) - Math.atan2(a[2], a[3])) ** 2;
  return { aspect, weight: aspect / (1 + 1e-9 - iou(a, b) + aspect) };
}

/** The overlap of two boxes given by centre and size, by definition; the weight of CIoU's aspect term may be given. */
function overlap(a: number[], b: number[], kind: IouKind, weight = aspectOf(a, b).weight): number {
  const plain = iou(a, b);
  if (kind === "iou") return plain;
  const enclosing = [0, 1].map((k) =>
    Math.max(a[k] + a[k + 2] / 2, b[k] + b[k + 2] / 2) - Math.min(a[k] - a[k + 2] / 2, b[k] - b[k + 2] / 2)
  );
  const union = (a[2] * a[3] + b[2] * b[3] + 1e-9) / (1 + plain);
  if (kind === "giou") {
    const area = enclosing[0] * enclosing[1] + 1e-9;
    return plain - (area - union) / area;
  }
  const distance = ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) / (enclosing[0] ** 2 + enclosing[1] ** 2 + 1e-9);
  if (kind === "diou") return plain - distance;
  return plain - distance - weight * aspectOf(a, b).aspect;
}

const coordinate = (min: number, max: number) => fc.double({ min, max, noNaN: true });
const box = fc.tuple(coordinate(0, 1), coordinate(0, 1), coordinate(0.01, 1), coordinate(0.01, 1)).map((b) => [...b]);
const corners = ([cx, cy, w, h]: number[]) => [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2];
const boxesOf = (n: number) => fc.array(box, { minLength: n, maxLength: n });

for (const { device, on, gpu, extent } of await devicesUnderTest()) {
  const tolerance = device === "float64" ? 1e-12 : 1e-5;

  test(...on("every measure matches its definition, in each format"), async () => {
    // The last kind has the parts of the others but for the area that encloses both, which a property below has; drivers take long to
    // compile each.
    const kinds = isSampled(extent) ? KINDS.slice(-1) : KINDS;
    await checkProperty(fc.tuple(boxesOf(3), boxesOf(4)), async ([a, b]) => {
      for (const kind of kinds) {
        const expected = a.flatMap((p) => b.map((q) => overlap(p, q, kind)));
        // The tests below have boxes by their centres.
        if (!(gpu && isSampled(extent))) {
          const centred = iouMatrix(tensor(a), tensor(b), { format: "cxcywh", kind });
          assert.deepEqual(centred.shape, [3, 4]);
          allClose(await centred.data({ device }), expected, { relative: tolerance, scale: 1 }, `${kind}, cxcywh`);
        }
        const cornered = iouMatrix(tensor(a.map(corners)), tensor(b.map(corners)), { kind });
        allClose(await cornered.data({ device }), expected, { relative: tolerance, scale: 1 }, `${kind}, xyxy`);
        if (device !== "float64") continue;
        const [p, q] = [a, b].map((boxes) => tensor(boxes.map(([cx, cy, w, h]) => [cx - w / 2, cy - h / 2, w, h])));
        const sized = iouMatrix(p, q, { format: "xywh", kind });
        allClose(await sized.data({ device }), expected, { relative: tolerance, scale: 1 }, `${kind}, xywh`);
      }
    }, { runs: 25, extent });
  });
}

for (const { device, on, extent } of await devicesUnderTest()) {
  test(...on("equal boxes overlap wholly by every measure, with a finite gradient"), async () => {
    // The last kind has all the parts of the others; drivers take long to compile each.
    for (const kind of isSampled(extent) ? KINDS.slice(-1) : KINDS) {
      const box = tensor([[0.5, 0.5, 0.75, 0.75]]);
      const measure = iouMatrix(box, tensor([[0.5, 0.5, 0.75, 0.75]]), { format: "cxcywh", kind });
      close(await measure.item({ device }), 1, 1e-6, kind);
      assert.ok([...await grad(sum(measure), box).data({ device })].every(Number.isFinite), kind);
    }
  });
}

/** Boxes of every kind: inverted, points, areas that cancel, overflowing and not finite. */
const anyBox = fc.tuple(
  ...[0, 1].map(() => fc.constantFrom(0, 0.25, 0.5, -1, 2 ** 70)),
  ...[0, 1].map(() => fc.constantFrom(0, 0.5, -0.5, 1, -1, 2 ** 70, -(2 ** 70), Infinity, NaN)),
).map((b) => [...b]);

/** GIoU and DIoU of two boxes given by centre and size, with each operation rounded. */
function roundedOverlap(a: number[], b: number[], kind: IouKind, r: (x: number) => number): number {
  const edges = (box: number[], k: number) => [r(box[k] - r(box[k + 2] / 2)), r(box[k] + r(box[k + 2] / 2))];
  const [enclosing, doubled] = [[0, 0], [0, 0]];
  let [intersection, areaA, areaB] = [1, 1, 1];
  for (const k of [0, 1]) {
    const [[lowA, highA], [lowB, highB]] = [edges(a, k), edges(b, k)];
    intersection = r(intersection * Math.max(0, r(Math.min(highA, highB) - Math.max(lowA, lowB))));
    areaA = r(areaA * r(highA - lowA));
    areaB = r(areaB * r(highB - lowB));
    enclosing[k] = r(Math.max(highA, highB) - Math.min(lowA, lowB));
    doubled[k] = r(r(lowB + highB) - r(lowA + highA));
  }
  const union = r(r(r(areaA + areaB) - intersection) + r(1e-9));
  const plain = r(intersection / union);
  const squares = ([x, y]: number[]) => r(r(x * x) + r(y * y));
  if (kind === "giou") {
    const area = r(r(enclosing[0] * enclosing[1]) + r(1e-9));
    return r(plain - r(r(area - union) / area));
  }
  return r(plain - r(r(squares(doubled) / 4) / r(squares(enclosing) + r(1e-9))));
}

for (const { device, on, single, extent } of await devicesUnderTest()) {
  test(...on("inverted, empty and non-finite boxes follow the definition"), async () => {
    const round = single ? Math.fround : (x: number) => x;
    const several = fc.array(anyBox, { minLength: 12, maxLength: 12 });
    await checkProperty(fc.tuple(several, several), async ([a, b]) => {
      // Areas that cancel, and an inverted box over its regular counterpart.
      a[0] = [0.5, 0.5, 0.5, 0.5];
      b[0] = [0.5, 0.5, -0.5, 0.5];
      for (const kind of ["iou", "giou", "diou"] as const) {
        const expected = a.flatMap((p) =>
          b.map((q) => kind === "iou" ? iou(p, q, round) : roundedOverlap(p, q, kind, round))
        );
        const actual = await iouMatrix(tensor(a), tensor(b), { format: "cxcywh", kind }).data({ device });
        assertClose(actual, expected, (e) => 1e-5 * Math.max(1, Math.abs(e)), `${kind} of ${text(a)} and ${text(b)}`);
      }
    }, { runs: 20, extent });
  });
}

const text = (boxes: number[][]) => boxes.map((box) => `[${box.join(", ")}]`).join(" ");

test("leading axes are a batch and broadcast [float64]", async () => {
  const [a, b, c] = [[0.5, 0.5, 1, 1], [0.25, 0.25, 0.5, 0.5], [0.75, 0.5, 0.5, 1]];
  const matrix = iouMatrix(tensor([[[a], [b]]]), tensor([[[a, b, c]], [[c, b, a]]]), { format: "cxcywh" });
  assert.deepEqual(matrix.shape, [2, 2, 1, 3]);
  const expected = [[a, b, c], [c, b, a]].flatMap((row) => [a, b].flatMap((p) => row.map((q) => iou(p, q))));
  allClose(await matrix.data({ device: "float64" }), expected, 1e-12, "iou");
});

test("boxes without an area overlap nothing, and nothing divides by 0 [float64]", async () => {
  const point = tensor([[0.5, 0.5, 0, 0]]);
  const matrix = iouMatrix(point, point, { format: "cxcywh" });
  assert.equal(await matrix.item({ device: "float64" }), 0);
});

/** Boxes that lack one extent or both, among others that touch, contain or miss them. */
const degenerate = [[30, 75, 0, 0], [30, 75, 4, 0], [30, 75, 0, 4], [30, 75, 4, 2], [90, 10, 0, 0], [32, 75, 4, 0]];

// SwiftShader takes minutes to compile this gradient on GL; headlessgl runs the same shaders.
for (const { device, on, extent } of await devicesOfLoss()) {
  test(...on("boxes without width, height or either have finite measures and gradients"), async () => {
    for (const kind of isSampled(extent) ? KINDS.slice(-1) : KINDS) {
      const a = tensor(degenerate);
      const measure = iouMatrix(a, tensor(degenerate), { format: "cxcywh", kind });
      const slope = grad(sum(measure), a);
      await bring([measure, slope], { device });
      for (const { value } of [measure, slope]) assert.ok([...value!].every(Number.isFinite), `${kind}: ${value}`);
    }
  });
}

test("the aspect term of a box without height is differentiable by its height [float64]", async () => {
  const target = [30, 75, 4, 2];
  for (const [k, flat] of [[3, [30, 75, 4, 0]], [2, [30, 75, 0, 4]]] as const) {
    const point = tensor([[...flat]]);
    const measure = sum(iouMatrix(point, tensor([target]), { format: "cxcywh", kind: "ciou" }));
    const slope = (await grad(measure, point).data({ device: "float64" }))[k];
    const { weight } = aspectOf([...flat], target);
    const at = (size: number) => overlap(flat.map((x, i) => (i === k ? size : x)), target, "ciou", weight);
    // Sizes below 0 are invalid, hence a one-sided difference of second order.
    const step = 1e-5;
    close(slope, (4 * at(step) - 3 * at(0) - at(2 * step)) / (2 * step), { relative: 1e-5, scale: 1 }, `${flat}`);
  }
});

test("gradients of every measure agree with central differences [float64]", async () => {
  const step = 1e-6, device = "float64";
  const drawn = fc.tuple(boxesOf(2), boxesOf(2), fc.array(coordinate(-1, 1), { minLength: 12, maxLength: 12 }));
  await checkProperty(drawn, async ([a, b, random]) => {
    const direction = random.slice(0, 8), cotangent = random.slice(8);
    // An edge of one box at an edge of another is a kink.
    const edges = (k: number) => [...a, ...b].flatMap((p) => [corners(p)[k], corners(p)[k + 2]]);
    for (const k of [0, 1]) {
      const sorted = edges(k).sort((x, y) => x - y);
      if (sorted.some((x, i) => i > 0 && x - sorted[i - 1] < 4 * step)) return;
    }
    for (const kind of KINDS) {
      const point = tensor(a);
      const measure = sum(mul(iouMatrix(point, tensor(b), { format: "cxcywh", kind }), tensor(cotangent, [2, 2])));
      const slope = await grad(measure, point).data({ device });
      let analytic = 0, numeric = 0;
      a.forEach((p, i) => {
        const moved = (by: number) => p.map((x, k) => x + by * direction[i * 4 + k]);
        p.forEach((_, k) => (analytic += slope[i * 4 + k] * direction[i * 4 + k]));
        b.forEach((q, j) => {
          // The weight of CIoU's aspect term is held constant in the gradient.
          const { weight } = aspectOf(p, q);
          const rise = overlap(moved(step), q, kind, weight) - overlap(moved(-step), q, kind, weight);
          numeric += cotangent[i * 2 + j] * rise / (2 * step);
        });
      });
      close(analytic, numeric, { relative: 1e-5, scale: 1 }, kind);
    }
  }, { runs: 30 });
});
