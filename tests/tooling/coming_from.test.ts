/** docs/coming-from.md: its names exist, and what it says is the same computes the same as in PyTorch and TensorFlow.js. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as g from "../../mod.ts";
import { realize, type Tensor, useDevice } from "../../mod.ts";
import { skip } from "../support/skip.ts";
import { readText } from "../support/source.ts";
import { CASES, type Tf, tfInputs, WRITTEN, X } from "./coming_from/cases.ts";
import golden from "./coming_from/pytorch.json" with { type: "json" };

const PAGE = "docs/coming-from.md";

/** The cells of the page's tables, by the heads of their columns. */
function rows(): Record<string, string>[] {
  let head: string[] = [];
  return readText(PAGE).split("\n").flatMap((line) => {
    if (!line.startsWith("|")) head = [];
    if (!line.startsWith("|") || /^\|[ |-]+$/.test(line)) return [];
    const cells = line.split("|").slice(1, -1).map((cell) => cell.trim());
    if (head.length > 0) return [Object.fromEntries(cells.map((cell, i) => [head[i], cell]))];
    head = cells;
    return [];
  });
}

/** The pieces of code in a cell. */
const codeIn = (cell = ""): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code);

/** Functions that are called in a piece of code, or the piece itself if it is a name. */
function calledIn(code: string): string[] {
  if (/^[A-Za-z]\w*$/.test(code)) return [code];
  return [...code.matchAll(/(?<![\w.])([A-Za-z]\w*)\(/g)].map(([, name]) => name);
}

test("the page names functions and options of gpugrad that exist", () => {
  const api = readText("docs/api.txt");
  const table = rows();
  assert.ok(table.length > 30, `${table.length} rows`);
  const missing = table.flatMap(({ gpugrad, ...others }) => {
    const own = [gpugrad, others["what differs"]].flatMap(codeIn);
    // Elsewhere in a sentence, functions of other libraries may be named.
    const names = codeIn(gpugrad).flatMap(calledIn).filter((name) => !["f", "rule", "step", "x"].includes(name));
    const options = own.flatMap((code) =>
      [...code.matchAll(/\{ ([^}]*) \}/g)].flatMap(([, inner]) => inner.split(", "))
    )
      .map((option) => option.split(":")[0]);
    return [
      ...names.filter((name) =>
        !new RegExp(`^export (?:const|function|class) ${name}\\b|^    ${name}\\(`, "m").test(api)
      ),
      ...options.filter((name) => !new RegExp(`^ {4,}(?:readonly )?${name}\\??:`, "m").test(api)),
    ];
  });
  assert.deepEqual(missing, []);
});

test("each function of the tables of ops and losses has a case, or numbers of another library in the suite", () => {
  // Compared with torchvision, and step by step with PyTorch, where they are tested.
  const elsewhere = ["iouLoss", "sigmoidFocalLoss", "nms", "batchedNms", "sgd", "adamW", "clipByNorm"];
  const text = readText(PAGE);
  const part = text.slice(text.indexOf("## Ops"), text.indexOf("## The same step"));
  const names = [...part.matchAll(/^\| (`.*?) +\|/gm)].flatMap(([, cell]) => codeIn(cell)).flatMap(calledIn);
  assert.ok(names.length > 25);
  assert.deepEqual(names.filter((name) => !(name in CASES) && !elsewhere.includes(name)), []);
});

/** Compares the results of a case, whose numbers another library computed. */
function same(name: string, got: readonly Numbers[], expected: readonly Numbers[], tolerance: number): void {
  assert.equal(got.length, expected.length, name);
  expected.forEach(({ shape, data }, k) => {
    assert.deepEqual(got[k].shape, shape, `${name}, result ${k}`);
    data.forEach((number, i) => {
      const own = got[k].data[i];
      const close = Object.is(own, number) || Math.abs(own - number) <= tolerance * Math.max(1, Math.abs(number));
      assert.ok(close, `${name}, result ${k}: got ${[...got[k].data]}, expected ${[...data]}`);
    });
  });
}

interface Numbers {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number> & readonly number[];
}

const listOf = <T>(results: T | readonly T[]): readonly T[] => Array.isArray(results) ? results : [results as T];

/** Our results of all cases, computed together on the oracle. */
async function ours(): Promise<Map<string, Numbers[]>> {
  const tensors = Object.entries(CASES).map(([name, { ours }]) => [name, listOf<Tensor>(ours())] as const);
  const device = await useDevice("float64");
  await realize(tensors.flatMap(([, results]) => results), { device });
  const read = tensors.map(async ([name, results]) =>
    [
      name,
      await Promise.all(results.map(async (t) => ({ shape: t.shape, data: [...await t.data({ device })] }))),
    ] as const
  );
  return new Map(await Promise.all(read));
}

describe("what is said to be the same is the same", () => {
  test("as in PyTorch", async () => {
    const results = golden.results as Readonly<Record<string, unknown>>;
    assert.deepEqual(Object.keys(results).sort(), Object.keys(CASES).sort());
    for (const [name, got] of await ours()) {
      const expected = listOf(results[name] as Numbers | Numbers[]);
      same(name, got, expected.map(({ shape, data }) => ({ shape, data: data.map(Number) })), 1e-12);
    }
  });

  test("what is written with other ops, as in PyTorch", async () => {
    const written = golden.written as Readonly<Record<string, Numbers>>;
    const pairs = rows().filter((row) => !("JAX" in row)).flatMap(({ PyTorch, gpugrad }) => {
      const theirs = codeIn(PyTorch);
      return codeIn(gpugrad).map((code, i) => [theirs[i], code] as const);
    });
    // Random numbers are others: each element is dropped or doubled.
    const dropout = "F.dropout(x, 0.5)";
    assert.deepEqual(pairs.map(([name]) => name).filter((name) => name !== dropout), Object.keys(written));
    const names = { ...g, ...WRITTEN, kept: { keepDims: true }, key: 1 };
    for (const [name, code] of pairs) {
      const result = new Function(...Object.keys(names), `return ${code}`)(...Object.values(names)) as Tensor;
      const data = [...await result.data({ device: "float64" })];
      if (name !== dropout) same(name, [{ shape: result.shape, data }], [written[name]], 1e-12);
      else assert.deepEqual(data.map((value, i) => value === 0 || value === 2 * X.flat()[i]), X.flat().map(() => true));
    }
  });

  const elsewhere = "Bun" in globalThis || "Deno" in globalThis
    ? "TensorFlow.js is the same everywhere; Node loads it"
    : undefined;
  test(...skip("as in TensorFlow.js", elsewhere), async () => {
    const loaded = await import("@tensorflow/tfjs") as Tf & { default?: Tf };
    const tf = loaded.default ?? loaded;
    await tf.setBackend("cpu");
    const inputs = tfInputs(tf);
    for (const [name, got] of await ours()) {
      const results = CASES[name].tf?.(tf, inputs);
      if (results === undefined) continue;
      const expected = listOf(results).map((t) => ({ shape: t.shape, data: [...t.dataSync()] }));
      same(name, got, expected, 1e-6);
    }
    const names = rows().flatMap((row) => codeIn(row["TensorFlow.js"])).flatMap((code) =>
      [...code.matchAll(/\btf\.([\w.]+)/g)].map(([, name]) => name)
    );
    assert.ok(names.length > 25);
    const existing = (path: string) =>
      path.split(".").reduce<unknown>((at, key) => (at as Record<string, unknown>)?.[key], tf);
    assert.deepEqual(names.filter((name) => existing(name) === undefined), []);
  });
});
