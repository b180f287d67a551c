import assert from "node:assert/strict";
import { test } from "node:test";
import { DefaultBoxes, grad, realize, SSDLoss, tensor } from "../../mod.ts";
import { devicesOfLoss } from "./support.ts";

// Four default boxes, one class, one target: box 1 is positive. With a ratio of 1, box 3, the hardest background, is mined.
const boxes = DefaultBoxes.from([[0.2, 0.2, 0.2, 0.2], [0.5, 0.5, 0.4, 0.4], [0.8, 0.2, 0.2, 0.2], [
  0.8,
  0.8,
  0.2,
  0.2,
]]);
const criterion = new SSDLoss(boxes, { negPosRatio: 1 });
const targets = [[0, 0, 0.5, 0.5, 0.4, 0.3]];
const locations = Array.from({ length: 16 }, (_, i) => i / 8 - 1);
const logits = [1, 0, 1, 1, 0, 1, 0, 2];

interface Outcome {
  total: number;
  components: number[];
  locations: number[];
  logits: number[];
}

/** An image without positives follows, so that all tests share a plan, which takes GPUs seconds to compile. */
async function run(loc: number[], classes: number[], device: string, next = { locations, logits }): Promise<Outcome> {
  const x = tensor([...loc, ...next.locations], [2, 4, 4]);
  const y = tensor([...classes, ...next.logits], [2, 2, 4]);
  const { loss, components } = criterion.forward([x, y], targets);
  const [dx, dy] = grad(loss, [x, y]);
  await realize([loss, components, dx, dy], { device });
  return {
    total: await loss.item({ device }),
    components: [...await components.data({ device })],
    locations: [...await dx.data({ device })],
    logits: [...await dy.data({ device })],
  };
}

const put = (values: number[], at: number, value: number) => values.map((x, i) => (i === at ? value : x));

for (const { device, on } of await devicesOfLoss()) {
  for (const value of [NaN, Infinity, -Infinity]) {
    test(...on(`${value} in locations that do not count changes nothing`), async () => {
      const clean = await run(locations, logits, device);
      for (const box of [0, 2, 3]) {
        for (let k = 0; k < 4; k++) {
          assert.deepEqual(await run(put(locations, k * 4 + box, value), logits, device), clean, `box ${box}, ${k}`);
        }
      }
    });
  }

  test(...on("a negative that is not mined has no gradient, whatever is next to it"), async () => {
    // Certain of the background: the easiest possible.
    const clean = await run(locations, logits, device);
    const certain = await run(locations, put(logits, 2, Infinity), device);
    assert.ok(Number.isNaN(certain.total), "Infinity - Infinity is NaN, and NaN is the hardest");
    const easy = await run(locations, put(logits, 6, -Infinity), device);
    assert.deepEqual(easy, clean);
  });

  test(...on("NaN in an image without positives changes nothing"), async () => {
    const clean = await run(locations, logits, device);
    const poisoned = await run(locations, logits, device, {
      locations: locations.map(() => NaN),
      logits: logits.map(() => NaN),
    });
    assert.deepEqual(poisoned, clean);
    assert.deepEqual(poisoned.locations.slice(16), new Array(16).fill(0));
    assert.deepEqual(poisoned.logits.slice(8), new Array(8).fill(0));
  });

  test(...on("NaN in locations that count is visible"), async () => {
    for (let k = 0; k < 4; k++) {
      const { total, components, locations: gradient, logits: other } = await run(
        put(locations, k * 4 + 1, NaN),
        logits,
        device,
      );
      assert.ok(Number.isNaN(total));
      assert.deepEqual(components.map(Number.isNaN), [true, false, true]);
      assert.ok(Number.isNaN(gradient[k * 4 + 1]));
      assert.equal(gradient.filter(Number.isNaN).length, 1, "and nowhere else");
      assert.ok(!other.some(Number.isNaN));
    }
  });

  test(...on("NaN in logits that count is visible"), async () => {
    // The positive, the mined negative, and any other negative: NaN ranks as the hardest.
    for (const box of [1, 3, 0, 2]) {
      for (let c = 0; c < 2; c++) {
        const { total, components, logits: gradient, locations: other } = await run(
          locations,
          put(logits, c * 4 + box, NaN),
          device,
        );
        assert.ok(Number.isNaN(total), `box ${box}, class ${c}`);
        assert.deepEqual(components.map(Number.isNaN), [false, true, true]);
        const isIts = (_: number, i: number) => i < 8 && i % 4 === box;
        assert.deepEqual(gradient.map(Number.isNaN), gradient.map(isIts), `box ${box}, class ${c}`);
        assert.ok(!other.some(Number.isNaN));
      }
    }
  });
}
