/** Structures of tensors as arguments and results of compiled functions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { add, compile, matmul, mean, mul, square, sub, sum, Tensor, tensor, valueAndGrad } from "../../mod.ts";
import { checkProperty } from "../support/property.ts";

/** A structure: the number of elements of a tensor, or an array or object of structures. */
type Drawn = number | readonly Drawn[] | { readonly [name: string]: Drawn };

const name = fc.constantFrom("w", "b", "0", "a b", "toString", "__proto__", "x:float", "]");
const { drawn } = fc.letrec<{ drawn: Drawn }>((tie) => ({
  drawn: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.integer({ min: 0, max: 3 }),
    fc.array(tie("drawn"), { maxLength: 3 }),
    fc.uniqueArray(fc.tuple(name, tie("drawn")), { maxLength: 3, selector: ([key]) => key }).map((pairs) =>
      Object.fromEntries(pairs)
    ),
  ),
}));

/** Returns the structure with something in place of each part. An oracle: it shares no code with the library. */
function map(part: unknown, isLeaf: (part: unknown) => boolean, visit: (leaf: unknown) => unknown): unknown {
  if (isLeaf(part)) return visit(part);
  if (Array.isArray(part)) return part.map((each) => map(each, isLeaf, visit));
  return Object.fromEntries(Object.entries(part as object).map(([key, each]) => [key, map(each, isLeaf, visit)]));
}

const isTensor = (part: unknown): boolean => part instanceof Tensor;
const tensors = (part: unknown, visit: (t: Tensor) => unknown) => map(part, isTensor, (t) => visit(t as Tensor));

/** The elements of a structure of tensors, in its structure. */
async function read(part: unknown): Promise<unknown> {
  const found: Tensor[] = [];
  tensors(part, (t) => found.push(t));
  const values = await Promise.all(found.map((t) => t.toArray()));
  let at = 0;
  return tensors(part, () => values[at++]);
}

test("compile: a function gets the structure that it is called with, and returns its own", async () => {
  let next = 0;
  const made = (sizes: Drawn) =>
    map(
      sizes,
      (part) => typeof part === "number",
      (size) => tensor(Array.from({ length: size as number }, () => next++)),
    );
  await checkProperty(fc.tuple(drawn, drawn), async ([a, b]) => {
    let recorded = 0;
    const fn = (first: object, second: object) => {
      recorded++;
      return { swapped: [second, tensors(first, (t) => mul(t, 2))], first };
    };
    const compiled = compile<[object, object], object>(fn, { device: "float64" });
    for (const call of [1, 2, 3]) {
      const [first, second] = [made(a), made(b)] as [object, object];
      const found = await compiled(first, second);
      const expected = fn(first, second);
      assert.deepEqual(await read(found), await read(expected));
      tensors(found, (t) => assert.equal(t.inputs.length, 0));
      // Recorded at the first and second call, and by the expectation at each.
      assert.equal(recorded, call + Math.min(call, 2));
    }
  }, { runs: 60 });
});

test("compile: another structure is recorded anew, with the same shapes or not", async () => {
  const recorded: string[] = [];
  const total = compile<[object], Tensor>((params) => {
    recorded.push(Object.keys(params).join());
    const parts: Tensor[] = [];
    tensors(params, (t) => parts.push(sum(t)));
    return parts.reduce((all, part) => add(all, part), tensor(0));
  }, { device: "float64" });
  const [a, b] = [tensor([1, 2]), tensor([10, 20])];
  for (const params of [{ a, b }, { a, c: b }, [a, b], { a: { b: a }, c: b }, { a: [b, a] }, { a, b, c: a }]) {
    const before = recorded.length;
    assert.equal(await (await total(params)).item(), Object.keys(params).length === 3 ? 36 : 33);
    assert.equal(recorded.length, before + 1);
  }
  assert.equal(await (await total({ b, a })).item(), 33, "in another order");
});

test("compile: what the program changes while a call waits does not reach it", async () => {
  const params: Record<string, Tensor> = { w: add(tensor([1]), 1) };
  const compiled = compile((given: Record<string, Tensor>) => {
    const copy = { ...given };
    delete given.w;
    return copy;
  }, { device: "float64" });
  const running = compiled(params);
  params.w = tensor([7, 8]);
  params.more = tensor(9);
  const found = await running;
  assert.deepEqual(await read(found), { w: [2] });
  found.w = tensor(0);
  assert.deepEqual(await read(await compiled({ w: tensor([3]) })), { w: [3] });
  assert.deepEqual(await read(await compiled(params)), { w: [7, 8], more: 9 });
});

test("compile: a training step over parameters in layers is that of plain numbers", async () => {
  interface Layer {
    readonly w: Tensor;
    readonly b: Tensor;
  }
  type Params = { readonly scale: Tensor; readonly layers: readonly Layer[] };
  const lossOf = ({ scale, layers }: Params, x: Tensor) =>
    mean(square(mul(scale, layers.reduce((h, { w, b }) => add(matmul(h, w), b), x))));
  const slopesOf = valueAndGrad(lossOf);
  const updated = (params: Params, x: Tensor): [Tensor, Params] => {
    const [loss, { scale, layers }] = slopesOf(params, x);
    const moved = (t: Tensor, slope: Tensor) => sub(t, mul(slope, 0.1));
    return [loss, {
      scale: moved(params.scale, scale),
      layers: params.layers.map(({ w, b }, i) => ({ w: moved(w, layers[i].w), b: moved(b, layers[i].b) })),
    }];
  };
  const step = compile(updated, { device: "float64" });
  const start = (): Params => ({
    scale: tensor(0.5),
    layers: [1, -1].map((k) => ({ w: tensor([[0.3 * k, 0.1], [0.2, -0.4 * k]]), b: tensor([0.1 * k, 0]) })),
  });
  const x = tensor([[1, 2], [3, -1]]);
  // @ts-expect-error a number is no tensor
  await assert.rejects(step(start(), 3), /arguments\[1\]/);
  // @ts-expect-error parameters without a scale
  await assert.rejects(step({ layers: [] }, x));
  // @ts-expect-error a function of a number
  compile((rate: number) => tensor(rate));
  let [compiled, plain] = [start(), start()];
  for (let i = 0; i < 4; i++) {
    const [loss, next] = await step(compiled, x);
    const [expected, after] = updated(plain, x);
    const [found, wanted] = [await loss.item({ device: "float64" }), await expected.item({ device: "float64" })];
    assert.ok(Math.abs(found - wanted) < 1e-12 * wanted, `${found} where ${wanted} is right`);
    [compiled, plain] = [next, after];
  }
});
