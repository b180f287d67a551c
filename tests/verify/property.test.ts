import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { detach, exp, greater, log, mul, pow, sqrt, sum, type Tensor, useDevice, where } from "../../mod.ts";
import {
  assertProperty,
  checkProperty,
  type CheckReport,
  reportText,
  shapes,
  tensors,
  UsageError,
} from "../../verify/mod.ts";
import { assertExplained } from "./support.ts";

await useDevice("float64");

const any = tensors(shapes().map((shape) => [shape]));
const half = (x: Tensor) => sum(mul(detach(x), x));

test("a right gradient is checked the given number of times [float64]", async () => {
  const check = await checkProperty((x) => sum(exp(x)), any, { runs: 30, seed: 1, order: 2 });
  assert.deepEqual([check.verdict, check.runs, check.replay, check.error], ["ok", 30, null, null]);
  assert.ok(check.counts.ok > 30);
  assert.equal(check.counts.wrong, 0);
  assert.equal(check.report!.order, 2);
});

/** A report without times. */
function timeless({ milliseconds: _, report, ...rest }: CheckReport): object {
  return { ...rest, report: report && { ...report, milliseconds: 0 } };
}

for (
  const [name, f, options] of [
    ["of first and second order", (x: Tensor) => exp(x), { order: 2 }],
    ["along directions", (x: Tensor) => exp(x), { mode: "fast" }],
    ["of a failure", half, {}],
  ] as const
) {
  test(`the same seed gives the same report ${name}, times apart [float64]`, async () => {
    const at = async (seed: number) => timeless(await checkProperty(f, any, { runs: 12, seed, ...options }));
    const first = await at(5);
    assert.deepEqual(await at(5), first);
    assert.notDeepEqual(await at(6), first);
  });
}

test("runs are the sum of their blocks [float64]", async () => {
  const { blocks, runs, counts } = await checkProperty((x) => exp(x), any, { runs: 25, seed: 1 });
  assert.deepEqual(blocks!.map((block) => [block.index, block.runs]), [[0, 10], [1, 10], [2, 5]]);
  assert.equal(runs, 25);
  assert.equal(blocks!.reduce((sum, block) => sum + block.counts.ok, 0), counts.ok);
});

test("a wrong gradient is shrunk, and replayed directly [float64]", async () => {
  const check = await checkProperty(half, any, { seed: 1 });
  assert.equal(check.verdict, "wrong");
  assert.equal(check.report!.inputs[0].relative.length, 1, reportText(check.report!));
  assert.equal(check.report!.tape.find(({ suspect }) => suspect)?.op, "detach");
  const again = await checkProperty(half, any, check.replay!);
  assert.deepEqual([again.verdict, again.runs], ["wrong", 1]);
  assert.deepEqual(again.report!.worst, check.report!.worst);
});

test("a replay is short, and shrinks to the same failure [float64]", async () => {
  // Many elements, only one of which matters: a long way to shrink.
  const f = (x: Tensor) => sum(where(greater(x, 2.9), mul(detach(x), x), exp(x)));
  const many = tensors(shapes({ minAxis: 2, minRank: 2 }).map((shape) => [shape]));
  let longest = 0;
  for (const seed of [1, -2, 4]) {
    const check = await checkProperty(f, many, { seed });
    const { replay, report } = check;
    assert.match(replay!.path, /^\d+:\d+$/);
    longest = Math.max(longest, ...replay!.path.split(":").map(Number));
    const again = await checkProperty(f, many, replay!);
    assert.deepEqual([again.verdict, again.runs, again.replay], ["wrong", 1, replay]);
    assert.deepEqual({ ...again.report, milliseconds: 0 }, { ...report, milliseconds: 0 });
    // A path with the steps of shrinking is accepted too.
    const further = await checkProperty(f, many, { seed, path: `${replay!.path}:0` });
    assert.match(further.replay?.path ?? `${replay!.path}:0`, new RegExp(`^${replay!.path}:\\d+$`));
  }
  assert.ok(longest > 0);
});

test("a replay of a fixed failure is right after one run [float64]", async () => {
  const { replay } = await checkProperty(half, any, { seed: 1 });
  const mended = await checkProperty((x) => sum(mul(x, x)), any, replay!);
  assert.deepEqual([mended.verdict, mended.runs], ["ok", 1]);
});

test("a context comes after the inputs [float64]", async () => {
  const samples = fc.tuple(tensors([[3]], { min: 0.5 }), fc.constantFrom(2, 3)).map(([inputs, context]) => ({
    inputs,
    context,
  }));
  const seen = new Set<number>();
  const check = await checkProperty(
    (x: Tensor, power: number) => {
      seen.add(power);
      return pow(x, power);
    },
    samples,
    { runs: 20, seed: 1 },
  );
  assert.equal(check.verdict, "ok");
  assert.deepEqual([...seen].sort(), [2, 3]);
  assert.equal(check.report!.inputs.length, 1);
  assert.equal(check.report!.inputs[0].name, "x");
});

test("plain functions are checked at generated inputs too [float64]", async () => {
  const f = {
    value: ([x]: readonly ArrayLike<number>[]) => Array.from(x).reduce((s, v) => s + v * v, 0),
    gradient: ([x]: readonly ArrayLike<number>[]) => [Array.from(x, (v) => 2 * v)],
  };
  assert.equal((await checkProperty(f, any, { runs: 20, seed: 1 })).verdict, "ok");
  const wrong = { ...f, gradient: ([x]: readonly ArrayLike<number>[]) => [Array.from(x, (v) => v)] };
  const check = await checkProperty(wrong, any, { seed: 1 });
  assert.equal(check.verdict, "wrong");
  assert.equal(check.report!.inputs[0].relative.length, 1);
});

test("a context comes after the arrays of a plain function [float64]", async () => {
  type Arrays = readonly ArrayLike<number>[];
  const samples = fc.tuple(tensors([[2], [2]], { min: 0.5 }), fc.constantFrom(2, 3)).map(([inputs, context]) => ({
    inputs,
    context,
  }));
  const seen = new Set<number>();
  const f = {
    value: ([x, w]: Arrays, power: number) => {
      seen.add(power);
      return w[0] * x[0] ** power + w[1] * x[1] ** power;
    },
    gradient: ([x, w]: Arrays, power: number) => [
      [0, 1].map((i) => w[i] * power * x[i] ** (power - 1)),
      [0, 1].map((i) => x[i] ** power),
    ],
  };
  const check = await checkProperty(f, samples, { runs: 20, seed: 1 });
  assert.equal(check.verdict, "ok", reportText(check.report!));
  assert.deepEqual([...seen].sort(), [2, 3]);
  assert.deepEqual(check.report!.inputs.map(({ name }) => name), ["x", "w"]);
});

test(
  "where most of the runs decided nothing, the check is undecided, and replays one of them [float64]",
  async () => {
    const from = (min: number) => tensors([[1]], { min, max: min + 4 });
    const most = await checkProperty((x) => log(x), from(-3), { runs: 40, seed: 1 });
    assert.equal(most.verdict, "undecided");
    assert.ok(most.undecided! > 20 && most.counts.ok > 0);
    assert.equal(most.report!.verdict, "undecided");
    const again = await checkProperty((x) => log(x), from(-3), most.replay!);
    assert.deepEqual([again.verdict, again.runs, again.replay], ["undecided", 1, most.replay]);
    const few = await checkProperty((x) => log(x), from(-1), { runs: 40, seed: 1 });
    assert.ok(few.verdict === "ok" && few.undecided! > 0);
  },
);

test("where most of the elements could not be checked, the check is undecided [float64]", async () => {
  // One in four inputs has a hundred elements, none of which can be checked.
  const lengths = fc.constantFrom(1, 1, 1, 100).map((n) => [{ shape: [n], values: new Float64Array(n).fill(2 - n) }]);
  const check = await checkProperty((x) => log(x), lengths, { runs: 20, seed: 1 });
  assert.ok(2 * check.undecided! < check.runs);
  assert.equal(check.verdict, "undecided");
});

test("if nothing could be checked, the check is undecided [float64]", async () => {
  const outside = await checkProperty((x) => log(x), tensors([[2]], { min: -3, max: -1 }), { runs: 5, seed: 1 });
  assert.equal(outside.verdict, "undecided");
  const roots = await checkProperty((x) => sqrt(x), tensors([[2]], { min: 0, max: 0 }), { runs: 5 });
  assert.deepEqual([roots.verdict, roots.counts.noise], ["undecided", 10]);
});

test("assertProperty throws with the report and the options that replay it [float64]", async () => {
  assert.equal((await assertProperty((x) => exp(x), any, { runs: 5 })).verdict, "ok");
  await assert.rejects(
    assertProperty(half, any, { seed: 3 }),
    /wrong after.*detach.*Replay: \{ seed: 3, path: "(\d+:\d+)" \}, on the command line --seed=3 --path \1$/s,
  );
});

const mistakes: Record<string, [run: () => Promise<unknown>, message: RegExp]> = {
  "no arbitrary": [
    () => checkProperty((x) => exp(x), [[1]] as never),
    /expected arbitrary to be an arbitrary of fast-check/,
  ],
  "an arbitrary of something else": [
    () => checkProperty((x) => exp(x), fc.constant(3) as never),
    /must generate an array of inputs or \{ inputs, context \}, got 3/,
  ],
  "no function": [
    () => checkProperty(undefined as never, any),
    /expected f to be a function or \{ value, gradient \}.*undefined/,
  ],
  "no runs": [() => checkProperty((x) => exp(x), any, { runs: 0 }), /runs to be a whole number from 1, got 0/],
  "an invalid path": [
    () => checkProperty((x) => exp(x), any, { path: "a:b" }),
    /expected path to be the path of a replay, such as "0:3", got "a:b"/,
  ],
  "an arbitrary that throws": [
    () =>
      checkProperty(
        (x) => exp(x),
        any.map((): never => {
          throw new TypeError("no such thing");
        }),
      ),
    /the arbitrary throws: no such thing/,
  ],
  "a function that throws something else": [
    () =>
      checkProperty(() => {
        throw "a word";
      }, any),
    /the function throws for .*: a word/,
  ],
  "a function that returns no tensor": [
    () => checkProperty(() => null as never, any),
    /must return a tensor.*got null/,
  ],
};

for (const [name, [run, message]] of Object.entries(mistakes)) {
  test(`a usage error is explained: ${name} [float64]`, async () => {
    await assertExplained(run(), message);
  });
}

test("an empty domain is explained: preconditions that reject everything [float64]", async () => {
  const refused = (_: Tensor): Tensor => {
    fc.pre(false);
    throw new Error("not reached");
  };
  await assert.rejects(checkProperty(refused, any, { runs: 5 }), (error) => {
    assert.ok(error instanceof UsageError, String(error));
    assert.match(error.message, /nothing to check/);
    return true;
  });
});

for (
  const [name, arbitrary] of Object.entries({
    "a filter that rejects everything": tensors([[2]]).filter(() => false),
    "the same deep inside": fc.integer({ min: 1, max: 3 }).chain((n) =>
      fc.tuple(fc.constant(n), fc.double({ noNaN: true }).filter((x) => x > 5 && x < 4))
    ).map(([n, x]) => [new Float64Array(n).fill(x)]),
    "drawn by fc.gen": fc.gen().map((g) => [g(() => fc.boolean().filter(() => false)) ? [1] : [2]]),
  })
) {
  test(`an empty domain is explained: ${name} [float64]`, async () => {
    await assert.rejects(checkProperty((x) => exp(x), arbitrary, { runs: 5, seed: 1 }), (error) => {
      assert.ok(error instanceof UsageError, String(error));
      assert.match(error.message, /generates nothing to check: one of its filters rejected everything/);
      return true;
    });
  });
}

test("a filter that accepts little is given enough draws [float64]", async () => {
  const rare = fc.integer({ min: 0, max: 10000 }).filter((n) => n === 7).map((n) => [[n]]);
  assert.equal((await checkProperty((x) => exp(x), rare, { runs: 3, seed: 1 })).runs, 3);
});
