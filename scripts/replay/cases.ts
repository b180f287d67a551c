/** What is replayed: cases as plain data, drawn from fixed seeds, and how a version of gpugrad records them. */
import fc from "fast-check";
import { type Entry, registry } from "../../core/op.ts";
import type { Tensor } from "../../mod.ts";
import { caseOf, type DrawnCase, inputsFrom, leavesOf } from "../../tests/ops/draw.ts";
import { type Program, programs, record } from "../../tests/ops/programs.ts";
import { randomFrom } from "../../verify/random.ts";
import type { Api, Tree } from "./tree.ts";

/** A case: a stable name, and the tensors that are asked for in one plan. */
export interface ReplayCase {
  readonly name: string;
  /** Records it with the version of gpugrad that it was made for. */
  record(): readonly Tensor[];
}

/** Cases of each op. */
const CASES_EACH = 4;
/** Programs of each kind. */
const PROGRAMS_EACH = 100;
/** Of everything that is drawn. */
const SEED = 1;

/** All cases for a version, in the order of the registry of the version that draws them. */
export function casesFor(tree: Tree): ReplayCase[] {
  return [...opCases(tree), ...lossCases(tree.api), ...programCases(tree)];
}

/** Cases are drawn from the domains of this version, so that both versions get the same; the other one's serve for ops of its own. */
function opCases({ api, ops }: Tree): ReplayCase[] {
  const entries = new Map([...ops, ...[...registry()].filter(([name]) => ops.has(name))]);
  const cases: ReplayCase[] = [];
  for (const [name, entry] of entries) {
    fc.sample(caseOf(entry), { seed: SEED, numRuns: CASES_EACH }).forEach((drawn, i) => {
      const recorded = opRecorder(api, ops.get(name)!, drawn);
      cases.push({ name: `op/${name}/${i}/value`, record: () => [recorded().output] });
      if (!entry.differentiable) return;
      cases.push({ name: `op/${name}/${i}/gradient`, record: () => recorded().gradients() });
      cases.push({ name: `op/${name}/${i}/second`, record: () => recorded().second() });
    });
  }
  return cases;
}

function opRecorder(api: Api, entry: Entry, drawn: DrawnCase) {
  return () => {
    const leaves = leavesOf(drawn, api);
    const output = entry.apply(inputsFrom(drawn, leaves, api), drawn.attributes);
    const floats = leaves.filter((t) => t.dtype === "float");
    const slope = (y: readonly Tensor[]) =>
      api.grad(weightedSum(api, y, drawn.seed), floats, undefined, { allowUnused: true });
    return { output, gradients: () => slope([output]), second: () => slope(slope([output])) };
  };
}

/** A number made of tensors, with a weight for each element, so that no gradient is trivial. */
function weightedSum({ add, mul, sum, tensor }: Api, tensors: readonly Tensor[], seed: number): Tensor {
  const random = randomFrom(seed);
  return tensors
    .map((t) => sum(mul(t, tensor(Array.from({ length: t.size }, () => random() * 2 - 1), [...t.shape]))))
    .reduce((a, b) => add(a, b));
}

function programCases({ api, ops }: Tree): ReplayCase[] {
  const cases: ReplayCase[] = [];
  for (const kind of ["exact", "smooth"] as const) {
    fc.sample(programs(kind), { seed: SEED, numRuns: PROGRAMS_EACH }).forEach((program, i) => {
      const name = `program/${kind}/${String(i).padStart(2, "0")}`;
      cases.push({ name: `${name}/value`, record: () => recordProgram(api, ops, program).outputs });
      cases.push({
        name: `${name}/gradient`,
        record: () => {
          const { outputs, leaves } = recordProgram(api, ops, program);
          const floats = outputs.filter((t) => t.dtype === "float");
          // A program that ends in comparisons alone has no gradient.
          if (floats.length === 0) return [];
          return api.grad(weightedSum(api, floats, program.seed), leaves, undefined, { allowUnused: true });
        },
      });
    });
  }
  return cases;
}

function recordProgram({ tensor }: Api, ops: Tree["ops"], program: Program) {
  const leaves = program.leaves.map(({ shape, values }) => tensor([...values], [...shape]));
  return { leaves, outputs: record(program, leaves, ops) };
}

/** Foreground classes of the SSD cases, and targets of an image. */
const CLASSES = 80;
const TARGETS_EACH = 8;

/** The SSD loss of SSD300 with its components and both gradients. */
function lossCases({ DefaultBoxes, SSDLoss, grad, tensor }: Api): ReplayCase[] {
  return [1, 8].map((batch) => ({
    name: `ssd/batch-${batch}`,
    record: () => {
      const boxes = new DefaultBoxes(DefaultBoxes.presets["ssd300-coco"]);
      const n = boxes.count;
      // Plans do not depend on values.
      const locations = tensor(new Float32Array(batch * 4 * n), [batch, 4, n]);
      const logits = tensor(new Float32Array(batch * (CLASSES + 1) * n), [batch, CLASSES + 1, n]);
      const targets = Array.from({ length: batch * TARGETS_EACH }, (_, i) => {
        return [Math.floor(i / TARGETS_EACH), i % CLASSES, 0.5, 0.5, 0.3, 0.2];
      });
      const { loss, components } = new SSDLoss(boxes).forward([locations, logits], targets);
      return [loss, ...grad(loss, [locations, logits]), components];
    },
  }));
}
