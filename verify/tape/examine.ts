/** Examines the gradient of a function on the tape at a point: one order of the derivative. */
import { opOf } from "../../core/op.ts";
import { formatShape, sameShape } from "../../core/shape.ts";
import type { Tensor } from "../../core/tensor.ts";
import { notFiniteAt } from "../arrays.ts";
import { Differences, scaleOf } from "../differences/numeric.ts";
import { leafOf } from "../inputs.ts";
import { fillSigned, randomFrom } from "../random.ts";
import { isWrong } from "../differences/results.ts";
import type { Finding } from "../report/report.ts";
import { besideFinding } from "./beside.ts";
import { cotangentFindings, oneHotFindings, type Pullback } from "./cotangents.ts";
import { Duals } from "./duals.ts";
import { judgeByDuals } from "./judge_by_duals.ts";
import { judgeByDifferences } from "./judge_by_differences.ts";
import type { ExamineOptions, JudgedAll } from "./judged.ts";
import { asMeant } from "./custom.ts";
import { flatten } from "./flatten.ts";
import { historyOf } from "./oracle.ts";
import { TapeProblem } from "./problem.ts";
import { difference, type Recording, STALE } from "./recording.ts";
import { gradientsOf } from "./rounding.ts";

/** The examination of one order of the derivative. */
export interface Examined extends JudgedAll {
  /** The variables of differentiation: leaves, or cotangents and leaves. */
  readonly variables: readonly Tensor[];
  readonly names: readonly string[];
  readonly margin: number | null;
  /** The function as a numeric problem; `null` if its gradient could not even be recorded. */
  readonly problem: TapeProblem | null;
  /** The gradients on the tape. */
  readonly gradients: readonly Tensor[];
  /** The cotangents that the gradients were recorded for. */
  readonly cotangents: readonly Tensor[];
  /** Whether there was nothing to compare, for example because values are not finite. */
  readonly blocked: boolean;
  /** The size of the terms of the weighted sum. */
  readonly terms: number;
  /** Whether values and gradients are finite. */
  readonly finite: boolean;
}

/** Leaves with random signed values, one for each tensor. */
export function cotangentsFor(tensors: readonly Tensor[], random: () => number): Tensor[] {
  return tensors.map(({ shape, size }) =>
    leafOf({ values: fillSigned(new Float64Array(size), random), shape, dtype: "float" })
  );
}

/** Nothing is held but what the function itself says. */
const NONE: ReadonlySet<Tensor> = new Set();

/**
 * Examines the first order: gradients of the outputs by the float leaves.
 *
 * @param held entries that count as constants although the function does not say so.
 */
export function examine(recording: Recording, options: ExamineOptions, held = NONE): Examined {
  const { leaves, names, outputs, history } = recording;
  const floats = leaves.flatMap((t, i) => (t.dtype === "float" ? [i] : []));
  const random = randomFrom(options.seed);
  const call = {
    history,
    outputs,
    variables: floats.map((i) => leaves[i]),
    names: floats.map((i) => names[i]),
    cotangents: cotangentsFor(outputs, random),
    terms: 0,
    held,
    order: 1 as const,
  };
  return examineGradients(call, random, options);
}

/** Examines the second order: gradients of the gradients with respect to cotangents and leaves. */
export function examineSecond(first: Examined, options: ExamineOptions, held = NONE): Examined {
  const random = randomFrom(options.seed + 1);
  const { cotangents, variables, names, gradients } = first;
  // Gradients may be small because their terms cancel.
  const terms = variables.reduce((sum, t) => sum + first.terms / scaleOf(t.value as Float64Array), 0);
  const several = cotangents.length > 1;
  const call = {
    history: historyOf(gradients),
    outputs: gradients,
    variables: [...variables, ...cotangents],
    names: [...names, ...cotangents.map((_, k) => (several ? `cotangent ${k}` : "cotangent"))],
    cotangents: cotangentsFor(gradients, random),
    terms,
    held,
    order: 2 as const,
  };
  const beside = first.problem && besideFinding(first.problem, randomFrom(options.seed + 3));
  const second = examineGradients(call, random, options);
  return beside ? { ...second, findings: [...second.findings, beside] } : second;
}

/** Outputs to differentiate for cotangents. */
interface Differentiated {
  readonly history: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly variables: readonly Tensor[];
  readonly names: readonly string[];
  readonly cotangents: readonly Tensor[];
  /** The size of the terms that outputs were computed from, where that may be more than their own; 0 otherwise. */
  readonly terms: number;
  /** Entries that count as constants. */
  readonly held: ReadonlySet<Tensor>;
  readonly order: 1 | 2;
}

/** Returns findings about gradients whose shapes or dtypes are not those of the variables. */
function formFindings(gradients: readonly Tensor[], { variables, names }: Differentiated): Finding[] {
  return gradients.flatMap((g, k): Finding[] => {
    const { shape, size } = variables[k];
    if (!sameShape(g.shape, shape)) {
      const message = `the gradient of ${names[k]} has shape ${formatShape(g.shape)}, expected ${formatShape(shape)}`;
      return [{ check: "shape", severity: "error", message }];
    }
    if (g.dtype === "float" || size === 0) return [];
    const message = `the gradient of ${names[k]} has dtype ${g.dtype}, expected float`;
    return [{ check: "dtype", severity: "error", message }];
  });
}

/** An examination that ended before anything was compared. */
function stopped(call: Differentiated, known: Partial<Examined>): Examined {
  const { variables, names, cotangents } = call;
  return {
    variables,
    names,
    cotangents,
    elements: variables.map(() => null),
    directions: [],
    witness: "duals",
    findings: [],
    tie: false,
    margin: null,
    problem: null,
    gradients: [],
    blocked: true,
    terms: 0,
    finite: true,
    ...known,
  };
}

/** Records the gradients once more, for other cotangents: nothing but these may have changed. */
function recordedAgain(gradients: readonly Tensor[], call: Differentiated, random: () => number): Finding[] {
  const { outputs, variables, cotangents } = call;
  const others = cotangentsFor(outputs, random);
  let again: Tensor[];
  try {
    again = gradientsOf(outputs, variables, others);
  } catch (error) {
    const message = `recorded a second time, there is no gradient: ${(error as Error).message}`;
    return [{ check: "determinism", severity: "error", message }];
  }
  const changed = difference({ leaves: cotangents, outputs: gradients }, { leaves: others, outputs: again });
  if (changed === null) return [];
  const how = changed === STALE ? "it is computed from the first cotangent" : "it is another one";
  return [{
    check: "determinism",
    severity: "error",
    message: `the gradient changes when it is recorded again: ${how}`,
  }];
}

function allFinite(arrays: readonly Float64Array[]): boolean {
  return arrays.every((values) => notFiniteAt(values) < 0);
}

function examineGradients(call: Differentiated, random: () => number, options: ExamineOptions): Examined {
  const { history, outputs, variables, names, cotangents, terms, held, order } = call;
  let gradients: Tensor[];
  try {
    gradients = gradientsOf(outputs, variables, cotangents);
  } catch (error) {
    const message = `no gradient: ${(error as Error).message}`;
    return stopped(call, { findings: [{ check: "shape", severity: "error", message }] });
  }
  const misformed = formFindings(gradients, call);
  if (misformed.length > 0) return stopped(call, { findings: misformed, gradients });

  const weights = cotangents.map((c) => c.value as Float64Array);
  // Rules were applied to the tape as it was recorded, so that those of loops are among what is checked.
  const { surrogates, ...meant } = asMeant(flatten(outputs), history);
  const flat = { ...meant, variables, cotangents, weights, gradients: flatten(gradients), held };
  const problem = new TapeProblem(flat, terms);
  const differences = new Differences(problem);
  const margin = problem.margin();
  if (!allFinite(differences.outputs)) return stopped(call, { margin, problem, gradients, finite: false });

  const duals = Duals.of(problem);
  const pullback: Pullback = { problem, differences, duals, cotangents, names };
  const findings = cotangentFindings(pullback, random);
  if (options.mode === "full") findings.push(...recordedAgain(gradients, call, random));
  const described = {
    names,
    shapes: variables.map(({ shape }) => shape),
    whyNoGradient: (k: number) => whyNone(outputs, variables[k]),
  };
  const judged = duals
    ? judgeByDuals({ problem, differences, duals, order }, described, random, options)
    : judgeByDifferences(differences, described, random, options);
  findings.push(...judged.findings);
  const onKink = judged.tie || judged.elements.some((e) => e?.verdicts.includes("kink"));
  if (!onKink && !isWrong({ ...judged, findings })) findings.push(...oneHotFindings(pullback, random));
  return {
    variables,
    names,
    cotangents,
    elements: judged.elements,
    directions: judged.directions,
    witness: judged.witness,
    tie: judged.tie,
    findings: [...findings, ...heldFindings(history), ...surrogateFindings(surrogates)],
    margin,
    problem,
    gradients,
    blocked: false,
    finite: allFinite(differences.analytic),
    terms: differences.total,
  };
}

function heldFindings(history: readonly Tensor[]): Finding[] {
  if (!history.some((entry) => opOf(entry).holds)) return [];
  const message = "the function holds a part on purpose, by hold(): it was kept constant while inputs moved";
  return [{ check: "held", severity: "info", message }];
}

function surrogateFindings(names: readonly string[]): Finding[] {
  if (names.length === 0) return [];
  const message =
    `the derivative of ${names.join(", ")} is meant to differ from that of its value, by customVjp(): its rule was ` +
    "taken as it is, and the rest checked";
  return [{ check: "surrogate", severity: "info", message }];
}

/** Explains why no gradient reaches a leaf, in the words of `grad`. */
function whyNone(outputs: readonly Tensor[], variable: Tensor): string {
  for (const y of outputs) {
    try {
      gradientsOf([y], [variable], cotangentsFor([y], () => 0.5), { allowUnused: false });
    } catch (error) {
      const [, why] = /: (every path .*?|y does not .*?);/.exec((error as Error).message) ?? [];
      if (why) return why;
    }
  }
  return "its gradient is 0 everywhere";
}
