/** Where a slice, a padding or a progression begins is a number, which becomes an argument of the plan once it changes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  add,
  arange,
  cast,
  compile,
  flip,
  grad,
  mul,
  pad,
  type Range,
  reshape,
  slice,
  square,
  sum,
  type Tensor,
  tensor,
  transpose,
  useDevice,
} from "../../mod.ts";
import { bring } from "../support/bring.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { checkProperty } from "../support/property.ts";

/** A part of a program over matrices: its structure, without where it begins. */
type Stage =
  | { readonly kind: "slice"; readonly axis: 0 | 1; readonly step: number; readonly count: number }
  | { readonly kind: "pad"; readonly axis: 0 | 1; readonly total: number; readonly value: number }
  | { readonly kind: "progression"; readonly step: number; readonly half: boolean }
  | { readonly kind: "transpose" | "reshape" | "flip" };

const axis = fc.constantFrom(0 as const, 1 as const);
const stage: fc.Arbitrary<Stage> = fc.oneof(
  fc.record({
    kind: fc.constant("slice" as const),
    axis,
    step: fc.constantFrom(1, 1, 2, -1, -2),
    count: fc.nat(40),
  }),
  fc.record({ kind: fc.constant("pad" as const), axis, total: fc.integer({ min: 1, max: 4 }), value: fc.nat(2) }),
  fc.record({ kind: fc.constant("progression" as const), step: fc.constantFrom(1, -2), half: fc.boolean() }),
  fc.record({ kind: fc.constantFrom("transpose" as const, "reshape" as const, "flip" as const) }),
);

/** The whole axes of a matrix but for one range. */
function alone(axis: number, range: Range): Range[] {
  return axis === 0 ? [range, null] : [null, range];
}

function apply(x: Tensor, stage: Stage, offset: number): Tensor {
  const { shape } = x;
  switch (stage.kind) {
    case "slice": {
      const [size, width] = [shape[stage.axis], Math.abs(stage.step)];
      const last = (stage.count % Math.ceil(size / width)) * width;
      const low = offset % (size - last);
      if (stage.step > 0) return slice(x, alone(stage.axis, [low, low + last + 1, width]));
      return slice(x, alone(stage.axis, [low + last, low === 0 ? null : low - 1, stage.step]));
    }
    case "pad": {
      const before = offset % (stage.total + 1);
      const widths = [0, 1].map((a) => a === stage.axis ? [before, stage.total - before] as const : [0, 0] as const);
      return pad(x, widths, stage.value);
    }
    case "progression": {
      const start = offset + (stage.half ? 0.5 : 0);
      const numbers = arange(start, start + stage.step * shape[1], stage.step);
      assert.equal(numbers.shape[0], shape[1]);
      return add(x, cast(numbers, "float"));
    }
    case "reshape":
      return reshape(x, [...shape].reverse());
    case "transpose":
      return transpose(x);
    case "flip":
      return flip(x, 1);
  }
}

/** Values and gradients of two orders. All numbers are small multiples of 1/4, so that every device has the same. */
function program(x: Tensor, stages: readonly Stage[], offsets: readonly number[]): Tensor[] {
  const applied = (t: Tensor) => stages.reduce((moved, stage, i) => apply(moved, stage, offsets[i]), t);
  const y = applied(x);
  const slope = grad(sum(square(mul(y, x.shape.length))), x);
  return [mul(y, 1), slope, grad(sum(mul(slope, slope)), x), sum(applied(mul(x, x)), 1)];
}

for (const { device: name, on, extent } of await devicesUnderTest()) {
  test(...on("offsets passed as arguments read the same as those compiled in"), async () => {
    const x = tensor(Array.from({ length: 30 }, (_, i) => (7 * i) % 5 - 2), [5, 6]);
    const offsets = fc.array(fc.nat(30), { minLength: 4, maxLength: 4 });
    const drawn = fc.tuple(
      // Something that begins somewhere comes first, so that the gradient depends on it.
      fc.array(stage, { minLength: 1, maxLength: 4 }),
      fc.array(offsets, { minLength: 3, maxLength: 3 }),
    );
    await checkProperty(drawn, async ([stages, calls]) => {
      for (const offsets of calls) {
        const outputs = program(x, stages, offsets);
        await bring(outputs, { device: name });
        // A compiled recording has its numbers compiled in.
        const expected = await compile((t: Tensor) => program(t, stages, offsets), { device: name })(x);
        await bring(expected, { device: name });
        outputs.forEach((y, k) => assert.deepEqual([...y.value!], [...expected[k].value!], `output ${k}`));
      }
    }, { runs: 20, extent });
  });

  test(...on("what begins elsewhere at each call is compiled twice: with numbers, and with arguments"), async () => {
    const device = await useDevice(name);
    const rows = Array.from({ length: 40 }, (_, i) => [i, -i, i % 7]);
    const x = tensor(rows);
    let compiled = 0;
    for (let call = 0; call < 6; call++) {
      const [from, column] = [5 * call + (call % 2), call % 3];
      const batch = slice(x, [[from, from + 4], column]);
      const slope = grad(sum(mul(square(batch), add(arange(from, from + 4), 0.5))), batch);
      const placed = pad(batch, [[call, 6 - call]]);
      const last = slice(x, [from]);
      await bring([slope, placed, last], { device });
      const values = rows.slice(from, from + 4).map((row) => row[column]);
      const weights = [0, 1, 2, 3].map((i) => from + i + 0.5);
      assert.deepEqual([...slope.value!], values.map((v, i) => 2 * v * weights[i] + 0));
      assert.deepEqual([...placed.value!], [...Array(call).fill(0), ...values, ...Array(6 - call).fill(0)]);
      assert.deepEqual([...last.value!], rows[from]);
      if (call === 1) compiled = device.compiled;
    }
    assert.equal(device.compiled, compiled);
  });
}

test("an offset that float32 would round stays compiled in [float64]", async () => {
  const device = await useDevice("float64");
  const far = 2 ** 24 + 3;
  for (const start of [far, far + 2]) {
    assert.deepEqual(await add(arange(start, start + 2, 1, { dtype: "float" }), 0).toArray(), [start, start + 1]);
    const long = pad(tensor([1, 2]), [[start, 2 * far - start]]);
    assert.deepEqual(await slice(long, [[start - 1, start + 2]]).toArray(), [0, 1, 2]);
  }
  await useDevice("auto");
  assert.ok(device.compiled > 0);
});
