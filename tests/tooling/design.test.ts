import assert from "node:assert/strict";
import { test } from "node:test";
import { backendNamed } from "../../core/backends/list.ts";
import { render } from "../../core/backends/render.ts";
import { describe } from "../../core/plan/form.ts";
import { buildGraph } from "../../core/plan/graph.ts";
import { lowerToLoops } from "../../core/plan/loops.ts";
import { layoutOf } from "../../core/plan/plan.ts";
import { Work } from "../../core/plan/costs.ts";
import { Program } from "../../core/program.ts";
import { exp, greater, sum, tensor, where } from "../../mod.ts";
import { readText } from "../support/source.ts";

test("docs/design.md shows the loop form of its example as it is, and its text", () => {
  const oracle = backendNamed("float64");
  const x = tensor(new Float32Array(600_000), [100_000, 6]);
  const outputs = [sum(where(greater(x, 0), exp(x), 0), 1)];
  const graph = buildGraph(outputs, new Program(outputs).leaves, oracle);
  const kernel = lowerToLoops(graph.outputs[0], new Work(new Set(graph.leaves), oracle.costs), layoutOf(oracle));
  const { lines, result } = render(kernel, oracle.dialect);
  const page = readText("docs/design.md");
  assert.ok(page.includes(`\n${describe(kernel)}\n`), describe(kernel));
  const text = [...lines, `out[cell++] = ${result};`].join("\n");
  assert.ok(page.includes(`\n${text}\n`), text);
});
