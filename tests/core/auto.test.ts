/** `auto` when the device that it chose is lost. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Device } from "../../core/device.ts";
import { DeviceLostError, exp, mul, realize, tensor, useDevice } from "../../mod.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { breakStart, catchContexts, takeAway } from "../support/gpujs.ts";
import { skip } from "../support/skip.ts";

const contexts = await catchContexts();
const devices = await devicesUnderTest();
const gpu = devices.find((d) => d.gpu && d.available)?.device;
const missing = gpu ? undefined : "no GPU device works here";

/** Makes the host look slow in trials, so that `auto` takes a GPU that is a software driver: the clock goes on by itself meanwhile. */
async function withSlowHost<T>(run: () => Promise<T>): Promise<T> {
  const { prototype } = Device;
  const { now } = performance;
  const original = prototype.run;
  let [longest, ahead] = [0, 0];
  performance.now = () => now.call(performance) + ahead;
  prototype.run = async function (...args) {
    if (args[0].key !== "probe") return original.apply(this, args);
    const start = performance.now();
    const result = await original.apply(this, args);
    if (devices.find((d) => d.device === this.name)!.gpu) longest = Math.max(longest, performance.now() - start);
    else ahead += 3 * longest;
    return result;
  };
  try {
    return await run();
  } finally {
    prototype.run = original;
    performance.now = now;
  }
}

test(
  ...skip("auto restarts a lost device, or falls back to the next one and says so", missing),
  async () => {
    await withSlowHost(async () => {
      const first = await useDevice("auto");
      assert.equal(first.name, gpu);
      const before = exp(tensor([0, 0]));
      await realize([before]);

      await takeAway(gpu!, contexts);
      await assert.rejects(realize([mul(tensor([1, 2]), tensor(3))]), (error: Error) => {
        assert.ok(error instanceof DeviceLostError, String(error.stack));
        assert.match(error.message, /it was started again$/);
        return true;
      });
      assert.equal(await useDevice("auto"), first);
      assert.deepEqual(await mul(tensor([1, 2]), tensor(3)).toArray(), [3, 6]);

      const mend = await breakStart(gpu!);
      try {
        await takeAway(gpu!, contexts);
        await assert.rejects(realize([mul(tensor([1, 2]), tensor(3))]), (error: Error) => {
          assert.ok(error instanceof DeviceLostError, String(error.stack));
          assert.match(error.message, /"auto" goes on with "\w+"$/);
          return true;
        });
        const next = await useDevice("auto");
        assert.notEqual(next.name, gpu);
        assert.match(next.passedOver.find((p) => p.name === gpu)!.reason, /does not start again|no context/);
        assert.deepEqual(await mul(tensor([1, 2]), tensor(3)).toArray(), [3, 6]);
      } finally {
        mend();
      }
      assert.deepEqual(await before.toArray(), [1, 1], "computed before the losses, or again");
      assert.deepEqual(
        await mul(tensor([1, 2]), tensor(5)).toArray({ device: gpu! }),
        [5, 10],
        "it restarts when possible",
      );
    });
  },
);
