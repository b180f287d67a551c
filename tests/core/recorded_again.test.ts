import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  add,
  compile,
  customVjp,
  elementwise,
  grad,
  maximum,
  mul,
  random,
  realize,
  relu,
  reshape,
  scan,
  sub,
  sum,
  type Tensor,
  tensor,
  useDevice,
  where,
} from "../../mod.ts";
import { extentOf } from "../support/cells.ts";
import { checkProperty } from "../support/property.ts";

/** The values that a function captures. */
interface Captured {
  number: number;
  tensor: Tensor;
  flag: boolean;
}

/** A constant of a formula, given by name. */
declare const eps: number;

type Part = (y: Tensor, x: Tensor, captured: Captured) => Tensor;

/** Each uses something that is captured, so that a change of it changes the result. */
const capturing: Record<keyof Captured, Part[]> = {
  number: [
    (y, _, { number }) => add(y, number),
    (y, _, { number }) => sub(y, tensor([number, 1])),
    (y, _, { number }) => scan((carry, row) => [add(mul(carry, number), row), null], tensor(1), y)[0],
    (y, _, { number }) =>
      customVjp((t: Tensor) => add(t, 1), ({ cotangent }) => mul(cotangent, number), { surrogate: true })(y),
    (y, _, { number }) => add(y, random.uniform(number, [2])),
  ],
  tensor: [(y, _, { tensor }) => add(y, tensor), (y, x, { tensor }) => maximum(mul(x, tensor), y)],
  flag: [(y, _, { flag }) => (flag ? add(y, 1) : relu(y)), (y, x, { flag }) => sub(y, flag ? 1 : mul(x, x))],
};

/** Each makes all that it uses anew. */
const pure: Part[] = [
  (y, x) => mul(y, x),
  (y) => add(y, tensor([1, NaN])),
  (y, x) => elementwise((a, b) => Math.exp(-(a * a)) + b)(y, x),
  (y) => customVjp((t: Tensor) => mul(t, 2), ({ cotangent }) => cotangent, { surrogate: true, name: "own" })(y),
  (y, x) => where(elementwise((a) => a > 0)(x), y, 0),
  (y, x) => add(scan((carry, row) => [add(carry, mul(row, 0.5)), row], tensor(0), y)[1], x),
  (y) => add(y, random.normal(3, [2])),
];

/** How a tensor with the same elements comes about. */
const made: ((elements: number[]) => Promise<Tensor>)[] = [
  (elements) => Promise.resolve(tensor(elements)),
  (elements) => Promise.resolve(mul(tensor(elements), 1)),
  async (elements) => {
    const computed = mul(tensor(elements), 1);
    await realize([computed]);
    return computed;
  },
  (elements) => compile((t) => mul(t, 1))(tensor(elements)),
];

/** The call at which a change before a call is noticed at the latest. */
function noticedAt(call: number): number {
  return [2, 4, 8, 16, 32, 64, 128].find((due) => due >= call)!;
}

const program = fc.record({
  number: fc.nat(capturing.number.length - 1),
  tensor: fc.nat(capturing.tensor.length - 1),
  flag: fc.nat(capturing.flag.length - 1),
  made: fc.nat(made.length - 1),
  pure: fc.array(fc.constantFrom(...pure), { maxLength: 3 }),
  first: fc.nat(2),
});

function functionOf(drawn: typeof program extends fc.Arbitrary<infer T> ? T : never, captured: Captured) {
  const own = [capturing.number[drawn.number], capturing.tensor[drawn.tensor], capturing.flag[drawn.flag]];
  const parts = [...own.slice(drawn.first), ...drawn.pure, ...own.slice(0, drawn.first)];
  return (x: Tensor) => {
    let y = x;
    for (const part of parts) y = part(y, x, captured);
    return [y, grad(sum(y), x)];
  };
}

const read = async (tensors: readonly Tensor[]) => await Promise.all(tensors.map(async (t) => [...await t.data()]));
const says =
  /^Error: compile: expected fn to record what it recorded .* but it uses .*; pass what changes as an argument/;

// The tape is compared, so a device makes a difference only where values are on it, as on wasm.
for (const name of ["float64", "wasm"]) {
  const extent = extentOf(name);

  test(`compile: what a function captures and what changes is noticed by the next check, and stays an error [${name}]`, async () => {
    await useDevice(name);
    const change = fc.tuple(fc.constantFrom("number", "tensor", "flag"), fc.integer({ min: 2, max: 9 }));
    await checkProperty(fc.tuple(program, change), async ([drawn, [what, at]]) => {
      const captured = { number: 2, tensor: await made[drawn.made]([3, 0.5]), flag: true };
      const first = { ...captured };
      const f = compile(functionOf(drawn, captured));
      const x = tensor([1, 2]);
      const expected = await read(functionOf(drawn, first)(x));
      const noticed = noticedAt(at);
      for (let call = 1; call <= noticed + 2; call++) {
        if (call === at) {
          if (what === "number") captured.number = 3;
          else if (what === "flag") captured.flag = false;
          else captured.tensor = await made[drawn.made]([3, 0.75]);
        }
        if (call >= noticed) await assert.rejects(f(x), says, `call ${call}`);
        else assert.deepEqual(await read(await f(x)), expected);
      }
      // It is the same function again.
      Object.assign(captured, first);
      assert.deepEqual(await read(await f(x)), expected);
    }, { runs: 40, extent });
  });

  test(`compile: functions that make the same anew are not complained of [${name}]`, async () => {
    await useDevice(name);
    await checkProperty(program, async (drawn) => {
      const captured = { number: 2, tensor: await made[drawn.made]([3, 0.5]), flag: true };
      const f = compile(functionOf(drawn, captured));
      const x = tensor([1, 2]);
      const [expected] = await read(await f(x));
      for (let call = 2; call <= 70; call++) {
        // The same elements are no change.
        if (call % 10 === 0) captured.tensor = await made[drawn.made]([3, 0.5]);
        const [result] = await f(x);
        if (call % 16 === 0) assert.deepEqual([...await result.data()], expected);
      }
    }, { runs: 10, extent });
  });
}

test("compile: how often a function is recorded", async () => {
  let calls = 0;
  const recorded: number[] = [];
  const f = compile((x: Tensor) => {
    recorded.push(calls);
    return add(x, 1);
  }, { device: "float64" });
  for (calls = 1; calls <= 600; calls++) await f(tensor([1]));
  assert.deepEqual(recorded, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
});

test("compile: what else a function may not change is named", async () => {
  const x = tensor([1, 2]);
  const kept: Tensor[] = [];
  let calls = 0;
  const rows: [(x: Tensor) => Tensor | Tensor[], RegExp][] = [
    [(x) => kept[0] ??= mul(x, 2), /fn .* but it uses an input of its first call, of shape \[2\], which it has kept;/],
    [(x) => calls > 1 ? [x, x] : [x], /but it returns \[a tensor, a tensor\] where it returned \[a tensor\];/],
    [(x) => calls > 1 ? [x] : x, /but it returns \[a tensor\] where it returned a tensor;/],
    [
      (x) => sum(reshape(x, [2, 1]), calls > 1 ? 1 : 0),
      /tensor of dtype float and shape \[2\], made by "sum" where it used/,
    ],
    [
      (x) => elementwise((a) => a * Math.exp(eps), { constants: { eps: calls } })(x),
      /but it uses .* where it used .*;/,
    ],
    [(x) => elementwise(calls > 1 ? (a) => a * a + a : (a) => a * a - a)(x), /but it uses .* where it used .*;/],
    [(x) => add(x, tensor(calls > 1 ? [1, 3] : [1, 2])), /shape \[2\] with 3 as element 1 where that was 2;/],
    [
      (x) => calls > 1 ? sum(x, 5) : x,
      /fn threw when it was recorded again to see .*: sum: expected an axis of shape \[2\]/,
    ],
  ];
  for (const [fn, message] of rows) {
    calls = 1;
    // Without a name, as a function that is written where it is passed.
    const f = compile((...xs: Tensor[]) => fn(xs[0]) as Tensor, { device: "float64" });
    await f(x);
    calls = 2;
    await assert.rejects(f(x), message);
    await assert.rejects(f(x), message);
  }
  const named = compile(function step(x: Tensor) {
    return mul(x, calls);
  }, { device: "float64" });
  await named(x);
  calls = 3;
  await assert.rejects(
    named(x),
    /expected step to record .* but it uses 3 where it used 2, as value of "full" of shape \[\];/,
  );
});
