/** Times and bytes in the result of `inspect`, and how it is printed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Device } from "../../core/device.ts";
import type { Plan } from "../../core/plan/plan.ts";
import { bytesText, table } from "../../core/plan_text.ts";
import { profile } from "../../core/profile.ts";
import { arange, exp, grad, inspect, matmul, mul, softmax, sum, tensor, useDevice } from "../../mod.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { checkProperty } from "../support/property.ts";

for (const { device, single, on } of await devicesUnderTest()) {
  test(...on("inspect with time: milliseconds or a reason, and the bytes of each kernel"), async () => {
    const opened = await useDevice(device);
    const { compiled, cached } = opened;
    const x = tensor(Array.from({ length: 24 }, (_, i) => Math.sin(i)), [4, 6]);
    const y = sum(mul(softmax(matmul(x, exp(tensor([[1, 2, 3]].concat(Array(5).fill([0, 1, 0]))))), 1), arange(3)));
    const dx = grad(y, x);
    const shown = await inspect([y, dx], { device, time: true });
    const bytes = single ? 4 : 8;
    assert.ok(shown.time!.milliseconds > 0);
    assert.equal(shown.time!.bytesIn, bytes * (24 + 18));
    assert.equal(shown.time!.bytesOut, bytes * (1 + 24));
    const sizes = (name: string): number => {
      const [kind, index] = name.split(" ");
      if (kind === "step") return shown.steps[Number(index)].shape.reduce((a, b) => a * b, 1);
      return [...shown.tape.matchAll(/= leaf\(\): float \[(.*)\]/g)].map(([, shape]) =>
        shape.split(", ").reduce((a, b) => a * Number(b), 1)
      )[Number(index)];
    };
    for (const { name, shape, args, time } of shown.steps) {
      const { milliseconds, reason, bytesIn, bytesOut } = time!;
      assert.equal(milliseconds === null, reason !== null, name);
      if (milliseconds !== null) assert.ok(milliseconds > 0, `${name} takes ${milliseconds}`);
      if (device === "float64") assert.equal(reason, null);
      assert.equal(bytesOut, bytes * shape.reduce((a, b) => a * b, 1));
      assert.equal(bytesIn, bytes * args.reduce((n, arg) => n + sizes(arg), 0));
    }
    // It is looked at from outside: nothing is kept.
    assert.equal(y.value, null);
    assert.equal(dx.value, null);
    assert.equal(opened.compiled, compiled);
    assert.deepEqual(opened.cached, cached);

    const [titles, ...rows] = shown.plan.split("\n").slice(0, 1 + shown.steps.length);
    assert.match(titles, /^step {2}kernel +shape +reads +iterations +ms +in +out$/);
    for (const [i, { name }] of shown.steps.entries()) {
      assert.equal(rows[i].slice(titles.indexOf("kernel")).startsWith(name), true, rows[i]);
    }
    assert.ok(String(shown).includes(shown.plan));
  });
}

test("inspect shows the loop form of each kernel, before its source [float64]", async () => {
  const y = sum(exp(tensor([[1, 2], [3, 4]])), 1);
  const shown = await inspect(y, { device: "float64" });
  const loops = [
    "sum [2] for each x < 2",
    "  a0 is leaf [2, 2]",
    "  s1 := 0",
    "  s2 := 0",
    "  v3 = a0[2 x]",
    "  v4 = exp(v3)",
    "  s1 := sum(s1, v4)",
    "  v5 = a0[2 x + 1]",
    "  v6 = exp(v5)",
    "  s2 := sum(s2, v6)",
    "  v7 = sum(s1, s2)",
    "  v8 = total(v7)",
    "  result v8",
  ].join("\n");
  assert.deepEqual(shown.steps.map((step) => step.loops), [loops]);
  assert.ok(String(shown).includes(`step 0: sum\n${loops}\n\n${shown.steps[0].source}`));
});

test("inspect without time knows none [float64]", async () => {
  const shown = await inspect(exp(tensor([1])), { device: "float64" });
  assert.equal(shown.time, null);
  assert.deepEqual(shown.steps.map(({ time }) => time), [null]);
});

/** A device whose calls take a time that is known: copies, and work where the kernel is not idle. Numbers of a shaken clock are added. */
function clockwork(work: readonly number[], shake: () => number, now: { ms: number }): Device {
  const device = {
    target: { dialect: { flat: true } },
    withPlan: (plan: Plan, use: (compiled: unknown) => Promise<unknown>) =>
      use({
        run(leaves: readonly { length: number }[]) {
          for (const { kernel, shape } of plan.steps) {
            now.ms += leaves.reduce((n, { length }) => n + length, 0) + shape[0] + shake();
            if (kernel.iterations > 0) now.ms += work[kernel.iterations - 1];
          }
          return Promise.resolve(
            plan.results.map((source) =>
              new Float32Array(source.from === "step" ? plan.steps[source.index].shape[0] : 0)
            ),
          );
        },
      }),
  };
  return device as unknown as Device;
}

test("a kernel's time is that of its work alone, or none where copying varies by more", async () => {
  const step = fc.record({
    size: fc.integer({ min: 1, max: 64 }),
    reads: fc.nat(8),
    work: fc.integer({ min: 0, max: 50 }),
  });
  await checkProperty(
    fc.record({
      steps: fc.array(step, { minLength: 1, maxLength: 6 }),
      leaf: fc.integer({ min: 1, max: 64 }),
      noise: fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 20 }),
    }),
    async ({ steps, leaf, noise }) => {
      const now = { ms: 0 };
      let at = 0;
      const shake = () => noise.length === 0 ? 0 : noise[at++ % noise.length];
      const plan: Plan = {
        leaves: [{ shape: [leaf], extent: [leaf], size: leaf }],
        steps: steps.map(({ size, reads }, i) => ({
          name: `s${i}`,
          shape: [size],
          args: [i === 0 || reads % 3 === 0 ? { from: "leaf", index: 0 } : { from: "step", index: reads % i }],
          kernel: {
            parameters: ["a0"],
            lines: ["work"],
            result: "a0[0]",
            extent: [size],
            iterations: i + 1,
            tables: [],
            opaque: [],
          },
        })),
        results: [{ from: "step", index: steps.length - 1 }],
      };
      const original = performance.now;
      performance.now = () => now.ms;
      try {
        const { kernels } = await profile(clockwork(steps.map(({ work }) => work), shake, now), plan, [
          new Float32Array(leaf),
        ]);
        const worst = Math.max(0, ...noise);
        kernels.forEach((time, i) => {
          const { work } = steps[i];
          if ("reason" in time) assert.ok(work <= worst, `a work of ${work} got lost in noise of ${worst}`);
          else {assert.ok(
              time.milliseconds > 0 && Math.abs(time.milliseconds - work) <= worst,
              `${time.milliseconds} for ${work}`,
            );}
        });
      } finally {
        performance.now = original;
      }
    },
  );
});

test("a table aligns what stands below each other: texts at the left, numbers at the right", () => {
  assert.equal(
    table([{ title: "step", numeric: true }, { title: "kernel" }, { title: "ms", numeric: true }], [
      ["0", "sum", "12.5"],
      ["10", "logSumExp", "-"],
    ]),
    ["step  kernel       ms", "   0  sum        12.5", "  10  logSumExp     -"].join("\n"),
  );
});

test("bytes are written with the unit that keeps them short", () => {
  const texts: [number, string][] = [
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [1536, "1.5 kB"],
    [99_400, "99 kB"],
    [262_144, "262 kB"],
    [999_600, "1.0 MB"],
    [22_000_000, "22 MB"],
    [5e12, "5000 GB"],
  ];
  for (const [bytes, text] of texts) assert.equal(bytesText(bytes), text);
});
