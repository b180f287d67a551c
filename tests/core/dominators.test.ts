/** Dominators, compared with their definition: without the other value, no output is reached. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Dominators } from "../../core/plan/dominators.ts";
import type { Graph } from "../../core/plan/graph.ts";
import { Node } from "../../core/plan/node.ts";
import { checkProperty } from "../support/property.ts";

/** Graphs in which every value but the last is needed by later ones; the last one is an output, and some others are. */
const graphs = fc.integer({ min: 1, max: 14 }).chain((n) =>
  fc.record({
    uses: fc.tuple(
      ...Array.from(
        { length: n - 1 },
        (_, i) =>
          fc.uniqueArray(fc.integer({ min: i + 1, max: Math.min(n - 1, i + 4) }), { minLength: 1, maxLength: 3 }),
      ),
    ),
    outputs: fc.array(fc.nat(n - 1), { maxLength: 2 }),
    counted: fc.array(fc.boolean(), { minLength: n, maxLength: n }),
  })
).map(({ uses, outputs, counted }) => {
  const nodes: Node[] = [];
  for (let i = 0; i <= uses.length; i++) {
    const inputs = nodes.filter((_, k) => (uses[k] as number[]).includes(i));
    const node = new Node("value", { kind: "leaf" }, inputs, { shape: [] });
    node.order = nodes.push(node) - 1;
  }
  const graph: Graph = { nodes, outputs: [...outputs.map((i) => nodes[i]), nodes.at(-1)!], leaves: [] };
  return { graph, counted, toString: () => JSON.stringify({ uses, outputs, counted }) };
});

/** Whether an output is reached from a value, on a way around another one. */
function escapes({ nodes, outputs }: Graph, from: Node, around: Node): boolean {
  if (from === around) return false;
  if (outputs.includes(from)) return true;
  return nodes.some((user) => user.inputs.includes(from) && escapes({ nodes, outputs, leaves: [] }, user, around));
}

test("a value is needed for another one alone if every way to an output leads through that", async () => {
  await checkProperty(graphs, ({ graph }) => {
    const dominators = new Dominators(graph);
    for (const value of graph.nodes) {
      for (const other of graph.nodes) {
        const expected = value !== other && !escapes(graph, value, other);
        assert.equal(dominators.isFor(value, other), expected, `${value.order} for ${other.order}`);
      }
    }
  }, { runs: 150 });
});

test("values that are needed for another one alone are counted, but not those behind one that does not count", async () => {
  await checkProperty(graphs, ({ graph, counted }) => {
    const { nodes } = graph;
    const isCounted = ({ order }: Node) => counted[order];
    const own = new Dominators(graph).countOwn(nodes, isCounted);
    // By definition: the values below one whose nearest dominators, up to it, all count.
    const nearest = (value: Node) =>
      nodes.find((other) =>
        other !== value && !escapes(graph, value, other) &&
        nodes.every((between) =>
          between === value || between === other || escapes(graph, value, between) || !escapes(graph, other, between)
        )
      );
    for (const node of nodes) {
      const reaches = (value: Node): boolean => {
        if (!counted[value.order]) return false;
        if (value === node) return true;
        const next = nearest(value);
        return next !== undefined && reaches(next);
      };
      assert.equal(own[node.order], nodes.filter(reaches).length, `value ${node.order}`);
    }
  }, { runs: 100 });
});
