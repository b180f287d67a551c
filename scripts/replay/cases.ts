/** The cases to replay: plain data, drawn from fixed seeds, and how a version of gpugrad records them. */
import fc from "fast-check";
import type { Entry } from "../../core/op.ts";
import { registry } from "../../tests/ops/registry.ts";
import type { Tensor } from "../../mod.ts";
import { caseOf, type DrawnCase, inputsFrom, leavesOf } from "../../tests/ops/draw.ts";
import { type Program, programs, record } from "../../tests/ops/programs.ts";
import { randomFrom } from "../../verify/random.ts";
import type { Api, Tree } from "./tree.ts";

/** A case: a stable name, and the tensors that are requested in one plan. */
export interface ReplayCase {
  readonly name: string;
  /** Records it with the version of gpugrad that it was made for. */
  record(): readonly Tensor[];
}

/** The number of cases per op. */
const CASES_EACH = 4;
/** The number of programs of each kind. */
const PROGRAMS_EACH = 100;
/** The seed of all generated data. */
const SEED = 1;

/** All cases for a version. */
export function* casesFor(tree: Tree): Generator<ReplayCase> {
  yield* opCases(tree);
  yield* lossCases(tree.api);
  yield* programCases(tree);
  // Versions before it have none.
  if ("scan" in tree.api) yield* scanCases(tree.api);
}

/** The steps of the recurrences. */
const STEPS = 6;

/** Recurrences, which are loops on some targets and unrolled on the others. */
function* scanCases(api: Api): Generator<ReplayCase> {
  const { add, concat, grad, logSumExp, mul, scan, slice, stack, sum, tanh, tensor } = api;
  const inputs =
    () => [tensor([0.5, -1, 2, 0.3]), tensor(new Float32Array(4 * STEPS), [STEPS, 4]), tensor([1, 2, 3, 4])];
  const linear = (first: Tensor, xs: Tensor, w: Tensor) =>
    scan((c: Tensor, x: Tensor) => [add(mul(c, w), x), c], first, xs, { reverse: true });
  const network = (first: Tensor, xs: Tensor, w: Tensor) =>
    scan((c: Tensor, x: Tensor) => [tanh(add(sum(mul(c, w)), x)), null], first, xs);
  const lattice = (first: Tensor, xs: Tensor) =>
    scan(
      (c: Tensor, x: Tensor) => {
        const shifted = concat([tensor([-1e9]), slice(c, [[0, -1]])]);
        return [add(logSumExp(stack([c, shifted]), 0), x), null];
      },
      first,
      xs,
    );
  for (const [name, f] of Object.entries({ linear, network, lattice })) {
    const results = (leaves: readonly Tensor[]) => {
      const [last, ys] = f(...leaves as [Tensor, Tensor, Tensor]);
      return ys === null ? [last] : [last, ys];
    };
    yield { name: `scan/${name}/value`, record: () => results(inputs()) };
    yield {
      name: `scan/${name}/gradient`,
      record: () => {
        const leaves = inputs();
        return grad(weightedSum(api, results(leaves), SEED), leaves, undefined, { allowUnused: true });
      },
    };
  }
}

/**
 * Draws when a case is first recorded: few may be requested, and an op of another version may have a domain that fails
 * here.
 */
function lazily<T>(arbitrary: fc.Arbitrary<T>, count: number): (i: number) => T {
  let drawn: T[] | null = null;
  return (i) => (drawn ??= fc.sample(arbitrary, { seed: SEED, numRuns: count }))[i];
}

/**
 * Cases are drawn from the domains of this version, so that both versions get the same; ops that only the other version
 * has use its domains.
 */
function* opCases({ api, ops }: Tree): Generator<ReplayCase> {
  for (const [name, entry] of ops) {
    const draw = lazily(caseOf(registry().get(name) ?? entry), CASES_EACH);
    for (let i = 0; i < CASES_EACH; i++) {
      yield { name: `op/${name}/${i}/value`, record: () => recordOp(api, entry, draw(i), 0) };
      if (!entry.differentiable) continue;
      yield { name: `op/${name}/${i}/gradient`, record: () => recordOp(api, entry, draw(i), 1) };
      yield { name: `op/${name}/${i}/second`, record: () => recordOp(api, entry, draw(i), 2) };
    }
  }
}

/** The result of a case, or its gradients of some order. */
function recordOp(api: Api, entry: Entry, drawn: DrawnCase, order: number): readonly Tensor[] {
  const leaves = leavesOf(drawn, api);
  const floats = leaves.filter((t) => t.dtype === "float");
  let results: readonly Tensor[] = [entry.apply(inputsFrom(drawn, leaves, api), drawn.attributes)];
  for (let i = 0; i < order; i++) {
    results = api.grad(weightedSum(api, results, drawn.seed), floats, undefined, { allowUnused: true });
  }
  return results;
}

/** A weighted sum of tensors with a weight per element, so that no gradient is trivial. */
function weightedSum({ add, mul, sum, tensor }: Api, tensors: readonly Tensor[], seed: number): Tensor {
  const random = randomFrom(seed);
  return tensors
    .map((t) => sum(mul(t, tensor(Array.from({ length: t.size }, () => random() * 2 - 1), [...t.shape]))))
    .reduce((a, b) => add(a, b));
}

function* programCases({ api, ops }: Tree): Generator<ReplayCase> {
  for (const kind of ["exact", "smooth"] as const) {
    const draw = lazily(programs(kind), PROGRAMS_EACH);
    for (let i = 0; i < PROGRAMS_EACH; i++) {
      const name = `program/${kind}/${String(i).padStart(2, "0")}`;
      yield { name: `${name}/value`, record: () => recordProgram(api, ops, draw(i)).outputs };
      yield { name: `${name}/gradient`, record: () => programGradients(api, ops, draw(i)) };
    }
  }
}

function recordProgram({ tensor }: Api, ops: Tree["ops"], program: Program) {
  const leaves = program.leaves.map(({ shape, values }) => tensor([...values], [...shape]));
  return { leaves, outputs: record(program, leaves, ops) };
}

/** The gradients with respect to all leaves; none for a program that ends only in comparisons. */
function programGradients(api: Api, ops: Tree["ops"], program: Program): readonly Tensor[] {
  const { outputs, leaves } = recordProgram(api, ops, program);
  const floats = outputs.filter((t) => t.dtype === "float");
  if (floats.length === 0) return [];
  return api.grad(weightedSum(api, floats, program.seed), leaves, undefined, { allowUnused: true });
}

/** Foreground classes of the SSD cases, and targets per image. */
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
