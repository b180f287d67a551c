/** The example of data-parallel gradients. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runtime } from "../../core/runtime.ts";
import { useDevice } from "../../mod.ts";
import { assertClose } from "../ops/compare.ts";
import { skip } from "../support/skip.ts";

const inNode = (name: string) =>
  skip(name, runtime() === "node" ? undefined : "once, under Node, whose workers it uses");

test(...inNode("gradients of parts, each in a worker, merge to the gradient of a single process"), async () => {
  await useDevice("cpu");
  const { divide, gradientsOver, openPool, start } = await import("../../examples/parallel/parallel.ts");
  const { send, shareOf } = await import("../../examples/parallel/shard.ts");
  const [w1, b1, w2, b2] = await Promise.all([start.w1, start.b1, start.w2, start.b2].map(send));
  const alone = await shareOf({ ...divide(1)[0], weights: { w1, b1, w2, b2 } });
  // Seven parts of 120 points are of two sizes, so that means have to be weighted.
  const parts = divide(7);
  assert.deepEqual([...new Set(parts.map(({ arms }) => arms.length))], [18, 17]);
  const pool = openPool(2);
  try {
    const merged = await gradientsOver(pool, parts, start);
    assert.equal(merged.count, 120);
    assert.ok(Math.abs(merged.loss - alone.loss) < 1e-6 * alone.loss, `${merged.loss} and ${alone.loss}`);
    for (const name of ["w1", "b1", "w2", "b2"] as const) {
      const expected = alone.gradients[name];
      assert.deepEqual(merged.gradients[name].shape, expected.shape);
      assert.ok(expected.data.some((slope) => Math.abs(slope) > 1e-3), name);
      assertClose([...merged.gradients[name].data], expected.data, () => 1e-6, name);
    }
    assert.ok(pool.threads.length === 2 && pool.completed === 7);
  } finally {
    await pool.destroy();
    await useDevice("auto");
  }
});

test(...inNode("a network that workers train learns"), async () => {
  const { train } = await import("../../examples/parallel/parallel.ts");
  const losses = await train(2, 25);
  assert.ok(losses[0] > 1 && losses.at(-1)! < 0.7 * losses[0], `from ${losses[0]} to ${losses.at(-1)}`);
});
