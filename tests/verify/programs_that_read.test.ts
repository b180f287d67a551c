/** Gradient checks of functions that compute values while they are recorded, and of tensors whose values are on a device. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  add,
  compile,
  cos,
  customVjp,
  detach,
  hold,
  mul,
  sin,
  square,
  sum,
  tanh,
  type Tensor,
  tensor,
  useDevice,
} from "../../mod.ts";
import { gradcheck } from "../../verify/mod.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { checkProperty } from "../support/property.ts";

await useDevice("float64");

/**
 * The functions that a chain is made of, with slopes near 1, so that a cut shows behind many. A held factor counts as a constant, as one that
 * is held should.
 */
const LINKS: readonly ((x: Tensor) => Tensor)[] = [
  (x) => add(mul(x, 0.9), mul(sin(x), 0.1)),
  (x) => add(mul(x, 0.9), mul(tanh(x), 0.1)),
  (x) => add(mul(x, 0.9), 0.1),
  (x) => mul(hold(cos(mul(x, 0.1))), x),
];

/** A chain of functions, whether the value of each is read once it is recorded, and the link that a wrong chain cuts. */
const chains = fc.array(fc.record({ link: fc.nat(LINKS.length - 1), read: fc.boolean() }), {
  minLength: 1,
  maxLength: 24,
}).chain((links) => fc.record({ links: fc.constant(links), cut: fc.nat(links.length - 1) }));

test("values that a function reads on the way change no verdict, however many [float64]", async () => {
  await checkProperty(chains, async ({ links, cut }) => {
    const chain = (cutAt: number) => async (x: Tensor) => {
      let y = x;
      for (const [i, { link, read }] of links.entries()) {
        y = i === cutAt ? mul(detach(y), y) : LINKS[link](y);
        if (read) await sum(y).item();
      }
      return add(sum(y), sum(square(x)));
    };
    const right = await gradcheck(chain(-1), [[0.3, 0.9]], { seed: 1, locate: false });
    assert.notEqual(right.verdict, "wrong");
    const wrong = await gradcheck(chain(cut), [[0.3, 0.9]], { seed: 1, locate: false });
    assert.equal(wrong.verdict, "wrong");
  }, { runs: 20 });
});

for (const { device, on } of await devicesUnderTest()) {
  test(...on("a result of compile counts as a value, and as read back where it depends on the inputs"), async () => {
    const double = compile((x) => mul(x, 2), { device });
    const factor = await double(tensor([1, 2]));
    const right = await gradcheck((x: Tensor) => sum(mul(square(x), factor)), [[3, 4]], { device });
    assert.equal(right.verdict, "ok");
    const first = await double(tensor([1, 1]));
    const ruled = customVjp((x: Tensor) => mul(x, 2), ({ cotangent }) => mul(cotangent, first));
    if (first.value === null) {
      const message = /a rule uses a tensor of shape \[2\] whose value the host does not have: await its data\(\)/;
      await assert.rejects(gradcheck((x: Tensor) => sum(ruled(x)), [[3, 4]], { device }), message);
      await first.data();
    }
    assert.equal((await gradcheck((x: Tensor) => sum(ruled(x)), [[3, 4]], { device })).verdict, "ok");
    const cut = await gradcheck(async (x: Tensor) => sum(mul(x, await double(x))), [[3, 4]], { device });
    // In float32 it moves in steps, so the check may not tell how its difference from the tape falls.
    assert.notEqual(cut.verdict, "ok");
    assert.ok(cut.findings.some(({ check }) => check === "read back"));
  });
}
