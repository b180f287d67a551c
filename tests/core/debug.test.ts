/** The messages of `GPUGRAD_DEBUG`; nothing is printed without it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { debugLevel } from "../../core/debug.ts";
import { runtime } from "../../core/runtime.ts";
import { add, compile, exp, inspect, log, mul, sum, tensor } from "../../mod.ts";
import { devicesUnderTest } from "../support/devices.ts";

/** Runs with a level, and returns the messages. */
async function messagesAt(level: unknown, run: () => Promise<unknown>): Promise<string[]> {
  const globals = globalThis as { GPUGRAD_DEBUG?: unknown };
  const method = runtime() === "browser" ? "log" : "error";
  const original = console[method];
  const messages: string[] = [];
  console[method] = (...args: unknown[]) => void messages.push(args.join(" "));
  globals.GPUGRAD_DEBUG = level;
  try {
    await run();
  } finally {
    delete globals.GPUGRAD_DEBUG;
    console[method] = original;
  }
  return messages;
}

/** The lines of a text, as they stand under a message. */
function indented(text: string): string {
  return text.replace(/^/gm, "  ");
}

const x = tensor([[0.5, 1, 2], [3, 4, 5]]);

for (const { device, single, on } of await devicesUnderTest()) {
  const bytes = single ? 4 : 8;
  /** Whether leaves and results stay on the device: results are read afterwards. */
  const keeps = device === "webgpu" || device === "wasm";

  test(
    ...on("a computation is one line: the device, the time, the kernels, the bytes, and whether it was compiled"),
    async () => {
      const x = tensor([[0.5, 1, 2], [3, 4, 5]]);
      const run = () => sum(mul(exp(x), x), 1).data({ device });
      const first = await messagesAt(1, run);
      const again = await messagesAt(1, run);
      for (
        const [messages, origin, sent] of [
          [first, "planned in [\\d.]+ ms and compiled", 6],
          [again, "compiled before", keeps ? 0 : 6],
        ] as const
      ) {
        assert.equal(messages.length, 1, messages.join("\n"));
        assert.match(
          messages[0],
          new RegExp(
            `^gpugrad: ${device} took [\\d.]+ ms for 1 kernel \\(sum\\), ${origin}; ` +
              `${sent * bytes} B in, ${(keeps ? 0 : 2) * bytes} B out; plan [0-9a-f]{8}$`,
          ),
        );
      }
      const planOf = (messages: string[]) => messages[0].slice(-8);
      assert.equal(planOf(first), planOf(again));
      const other = await messagesAt(1, () => sum(log(x), 1).data({ device }));
      assert.notEqual(planOf(other), planOf(first));
      // A value that is already there is not computed again.
      assert.deepEqual(await messagesAt(4, () => x.data({ device })), []);
    },
  );

  test(...on("each level says more: the plan, the loops, the text of the kernels"), async () => {
    // Each time another structure, since the details of a plan are shown once.
    for (const level of [1, 2, 3, 4]) {
      let y = exp(x);
      for (let i = 0; i < level; i++) y = log(add(y, 2));
      y = sum(y);
      const { plan, steps } = await inspect(y, { device });
      const [message, ...rest] = await messagesAt(level, () => y.data({ device }));
      assert.deepEqual(rest, []);
      assert.equal(message.includes(indented(plan)), level >= 2);
      for (const [i, { name, loops, source }] of steps.entries()) {
        assert.equal(message.includes(indented(`step ${i}, ${name}: loops\n${loops}`)), level >= 3);
        assert.equal(message.includes(indented(`step ${i}, ${name}: text\n${source}`)), level >= 4);
      }
      const lines = message.split("\n");
      assert.ok(lines.slice(1).every((line) => line.startsWith("  ")), message);
    }
  });
}

test("a compiled function says what it runs [float64]", async () => {
  const f = compile((a) => exp(mul(a, 7)), { device: "float64" });
  const messages = await messagesAt(1, async () => {
    await f(tensor([1, 2]));
    await f(tensor([3, 4]));
  });
  assert.equal(messages.length, 2);
  assert.match(messages[0], /float64 .* 1 kernel .* and compiled/);
  assert.match(messages[1], /float64 .* 1 kernel .* compiled before/);
});

test("details that a lower level left out come when the level rises, and only once [float64]", async () => {
  const run = () => sum(exp(log(x))).data({ device: "float64" });
  await run();
  const lines = async (level: number) => (await messagesAt(level, run))[0].split("\n").length;
  assert.equal(await lines(1), 1);
  const plan = await lines(2);
  assert.ok(plan > 1);
  assert.equal(await lines(2), 1);
  const loops = await lines(3);
  assert.ok(loops > plan);
  assert.equal(await lines(3), 1);
  const text = await lines(4);
  assert.ok(text > loops);
  assert.equal(await lines(4), 1);
});

test("a level can fall and rise again [float64]", async () => {
  const run = () => sum(log(exp(x)), 1).data({ device: "float64" });
  for (const level of [3, 1, 4]) {
    const [message] = await messagesAt(level, run);
    assert.equal(/: loops\n {2}sum \[2\] for each x < 2\n {4}a0 is leaf \[2, 3\]\n/.test(message), level >= 3, message);
  }
});

test("nothing is printed without a level, whatever stands for none [float64]", async () => {
  for (const off of [undefined, null, 0, "0", "", false, -1, NaN, "off"]) {
    assert.deepEqual(await messagesAt(off, () => exp(x).data({ device: "float64" })), [], String(off));
  }
});

test("levels are numbers, texts or true, and end at 4", () => {
  const globals = globalThis as { GPUGRAD_DEBUG?: unknown };
  const levels: [unknown, number][] = [[1, 1], ["3", 3], [true, 1], [2.9, 2], [9, 4], [Infinity, 4], [0, 0], ["x", 0]];
  for (const [given, level] of levels) {
    globals.GPUGRAD_DEBUG = given;
    assert.equal(debugLevel(), level, String(given));
  }
  delete globals.GPUGRAD_DEBUG;
});
