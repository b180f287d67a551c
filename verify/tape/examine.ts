/** Examines the gradient of a function on the tape at a point, element by element. */
import type { Tensor } from "../../core/tensor.ts";
import { formatShape, sameShape } from "../../core/shape.ts";
import { notFiniteAt } from "../arrays.ts";
import { elementText, leafOf } from "../inputs.ts";
import { Differences, type Judged, type Line, scaleOf, sizeOf, type VariableResult } from "../differences/numeric.ts";
import { historyOf } from "./oracle.ts";
import { fillSigned, randomFrom } from "../random.ts";
import type { Finding } from "../report/report.ts";
import { gradientsOf } from "./rounding.ts";
import { TapeProblem } from "./problem.ts";

/** A recorded call of a function on the tape. */
export interface Recording {
  /** The leaves that it was called with. */
  readonly leaves: readonly Tensor[];
  readonly names: readonly string[];
  /** Its outputs of dtype float. */
  readonly outputs: readonly Tensor[];
  /** The entries that the outputs are computed from, inputs first. */
  readonly history: readonly Tensor[];
}

/** Options of an examination. */
export interface ExamineOptions {
  readonly mode: "full" | "fast";
  readonly seed: number;
  readonly directions: number;
  readonly resamples: number;
}

/** The examination of one order of the derivative. */
export interface Examined {
  /** The variables of differentiation: leaves, or cotangents and leaves. */
  readonly variables: readonly Tensor[];
  readonly names: readonly string[];
  /** The results per variable; `null` if its elements were not examined. */
  readonly elements: (VariableResult | null)[];
  /** The results along directions through all variables. */
  readonly directions: Judged[];
  readonly findings: Finding[];
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

/** The most kinks that are resampled; each costs an evaluation of all decisions. */
const RESAMPLED = 64;
/**
 * Tolerance of linearity, relative to the terms and to the largest of their kind: gradients are computed with
 * cancellation.
 */
const LINEAR = 1e-4;
const LINEAR_LARGEST = 1e-9;
/** The same tolerance, in units of the rounding that values of this size typically cause in the derivative. */
const LINEAR_ROUNDINGS = 1024;
/** Steps of the Taylor test, relative to each element. */
const TAYLOR_STEPS = [2 ** -5, 2 ** -6, 2 ** -7, 2 ** -8];
/** A remainder must exceed rounding by this factor to show its rate. */
const TAYLOR_CLEAR = 64;

/** Whether anything is wrong. */
export function isWrong({ elements, directions, findings }: JudgedAll): boolean {
  return findings.some(({ severity }) => severity === "error") ||
    directions.some(({ verdict }) => verdict === "wrong") ||
    elements.some((e) => e?.verdicts.includes("wrong"));
}

/** Leaves with random signed values, one for each tensor. */
export function cotangentsFor(tensors: readonly Tensor[], random: () => number): Tensor[] {
  return tensors.map(({ shape, size }) =>
    leafOf({ values: fillSigned(new Float64Array(size), random), shape, dtype: "float" })
  );
}

/** Examines the first order: gradients of the outputs by the float leaves. */
export function examine(recording: Recording, options: ExamineOptions): Examined {
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
  };
  return examineGradients(call, random, options);
}

/** Examines the second order: gradients of the gradients by cotangents and leaves. */
export function examineSecond(first: Examined, options: ExamineOptions): Examined {
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
  };
  return examineGradients(call, random, options);
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
}

/** Where shapes and dtypes of gradients are not those of the variables. */
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

function examineGradients(call: Differentiated, random: () => number, options: ExamineOptions): Examined {
  const { history, outputs, variables, names, cotangents, terms } = call;
  const findings: Finding[] = [];
  const found = { variables, names, cotangents, findings };
  const untested = { elements: variables.map(() => null), directions: [], margin: null };
  let gradients: Tensor[];
  try {
    gradients = gradientsOf(outputs, variables, cotangents);
  } catch (error) {
    findings.push({ check: "shape", severity: "error", message: `no gradient: ${(error as Error).message}` });
    return { ...found, ...untested, problem: null, gradients: [], blocked: true, finite: true, terms: 0 };
  }
  findings.push(...formFindings(gradients, call));
  if (findings.length > 0) {
    return { ...found, ...untested, problem: null, gradients, blocked: true, finite: true, terms: 0 };
  }

  const problem = new TapeProblem({
    history,
    outputs,
    variables,
    cotangents,
    weights: cotangents.map((c) => c.value as Float64Array),
    gradients,
  }, terms);
  const differences = new Differences(problem);
  const margin = problem.margin();
  const allFinite = (arrays: readonly Float64Array[]) => arrays.every((values) => notFiniteAt(values) < 0);
  const finite = allFinite(differences.analytic);
  if (!allFinite(differences.outputs)) {
    return { ...found, ...untested, margin, problem, gradients, blocked: true, finite: false, terms: 0 };
  }
  findings.push(...cotangentFindings(problem, differences, call, random));
  const shapes = variables.map(({ shape }) => shape);
  const judged = judgeAll(
    differences,
    { names, shapes, whyNoGradient: (k) => whyNone(outputs, variables[k]) },
    random,
    options,
  );
  findings.push(...judged.findings);
  const { elements, directions } = judged;
  return {
    ...found,
    elements,
    directions,
    margin,
    problem,
    gradients,
    blocked: false,
    finite,
    terms: differences.total,
  };
}

/** The result of comparing an analytic gradient with finite differences. */
export interface JudgedAll {
  readonly elements: (VariableResult | null)[];
  readonly directions: Judged[];
  readonly findings: Finding[];
}

/** How messages refer to the variables. */
export interface Described {
  readonly names: readonly string[];
  readonly shapes: readonly (readonly number[])[];
  /** Why no gradient reaches a variable. */
  whyNoGradient(variable: number): string;
}

/** The place of an element. */
type Position = readonly [variable: number, index: number];

/**
 * Compares an analytic gradient with finite differences: along directions, element by element, at ties, and by the
 * Taylor test.
 */
export function judgeAll(
  differences: Differences,
  described: Described,
  random: () => number,
  options: ExamineOptions,
): JudgedAll {
  const { variables } = differences.problem;
  const findings: Finding[] = [];
  const directions: Judged[] = [];
  if (variables.every(({ length }) => length === 0)) {
    return { elements: variables.map(() => null), directions, findings };
  }
  const line = differences.direction(random);
  const taylor = taylorRate(differences, line);
  if (options.mode === "fast") {
    directions.push(differences.judge(line));
    while (directions.length < options.directions) directions.push(differences.judge(differences.direction(random)));
  }
  const look = options.mode === "full" || directions.some(({ verdict }) => verdict !== "ok");
  const elements = variables.map((_, k) => (look ? differences.elements(k) : null));
  if (look) {
    for (const { judged, elements: moved } of tied(differences, elements)) {
      directions.push(judged);
      if (judged.verdict !== "wrong") continue;
      const shown = listed(moved, described);
      findings.push({
        check: "ties",
        severity: "error",
        message: `${shown} are equal; when they move together the derivative is ${judged.numeric}, ` +
          `but the gradient is ${judged.analytic}`,
      });
    }
    const moved = resample(differences, elements, random, options.resamples);
    findings.push(...placeFindings(moved, elements, described));
  }
  elements.forEach((result, k) => {
    if (!result || !result.verdicts.includes("wrong") || result.analytic.some((x) => x !== 0)) return;
    findings.push({
      check: "missing gradient",
      severity: "error",
      message: `no gradient reaches ${described.names[k]}, although the function depends on it: ${
        described.whyNoGradient(k)
      }`,
    });
  });
  if (taylor !== null) findings.push(taylorFinding(taylor, isWrong({ elements, directions, findings })));
  return { elements, directions, findings };
}

/** Findings on elements on kinks, which were judged at a nearby point, and on elements at the end of a domain. */
function placeFindings(
  moved: readonly Position[],
  elements: readonly (VariableResult | null)[],
  described: Described,
): Finding[] {
  const findings: Finding[] = [];
  if (moved.length > 0) {
    const message =
      `${listed(moved, described)} ${moved.length === 1 ? "lies on a kink and was" : "lie on kinks and were"} ` +
      "judged at a nearby point";
    findings.push({ check: "kink", severity: "info", message });
  }
  const edges = elements.flatMap((result, k) =>
    result ? [...result.numeric.keys()].filter((i) => Number.isNaN(result.numeric[i])).map((i) => [k, i] as const) : []
  );
  if (edges.length > 0) {
    const message = `the function is not finite a short step away from ${listed(edges, described)}: ` +
      `${edges.length === 1 ? "it lies" : "they lie"} at the end of its domain`;
    findings.push({ check: "domain", severity: "warning", message });
  }
  return findings;
}

function taylorFinding(rate: number, wrong: boolean): Finding {
  const failed = rate < 1.5;
  const found = `the remainder of the first-order Taylor expansion falls with the power ${rate.toFixed(2)} of the step`;
  const hint = wrong ? "" : "; a nearby kink has the same effect";
  return {
    check: "taylor",
    severity: !failed ? "info" : wrong ? "error" : "warning",
    message: failed ? `${found}, that of a right gradient falls with the power 2${hint}` : found,
  };
}

/** Formats elements as text, the first few by name. */
function listed(elements: readonly Position[], { names, shapes }: Described): string {
  const shown = elements.slice(0, 4).map(([k, i]) => elementText(names[k], i, shapes[k]));
  return shown.join(", ") + (elements.length > shown.length ? ` and ${elements.length - shown.length} more` : "");
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

/**
 * Checks what a vector-Jacobian product must satisfy: a zero cotangent gives 0 if the derivative is finite, it is
 * linear, and it is deterministic.
 */
function cotangentFindings(
  problem: TapeProblem,
  differences: Differences,
  { cotangents, names }: Differentiated,
  random: () => number,
): Finding[] {
  const { analytic } = differences;
  const arrays = cotangents.map((c) => c.value as Float64Array);
  const before = arrays.map((c) => c.slice());
  const gradientFor = (fill: (k: number, i: number) => number) => {
    arrays.forEach((c, k) => {
      for (let i = 0; i < c.length; i++) c[i] = fill(k, i);
    });
    return problem.gradients().map((g) => g.slice());
  };
  const again = gradientFor((k, i) => before[k][i]);
  const zero = gradientFor(() => 0);
  const other = before.map((c) => fillSigned(new Float64Array(c.length), random));
  const second = gradientFor((k, i) => other[k][i]);
  const mixed = gradientFor((k, i) => 2 * before[k][i] - 3 * other[k][i]);
  arrays.forEach((c, k) => c.set(before[k]));

  /** The first element that violates each rule. */
  const broken: Record<"determinism" | "zero cotangent" | "linearity", string | null> = {
    "determinism": null,
    "zero cotangent": null,
    "linearity": null,
  };
  analytic.forEach((g, k) => {
    const element = (i: number) => elementText(names[k], i, problem.shapeOf(k));
    const [a, z, v, m] = [again[k], zero[k], second[k], mixed[k]];
    let largest = 0;
    for (let i = 0; i < g.length; i++) largest = Math.max(largest, Math.abs(g[i]), Math.abs(v[i]));
    const rounding = problem.epsilon * differences.total / scaleOf(problem.variables[k]);
    const floor = LINEAR_LARGEST * largest + LINEAR_ROUNDINGS * rounding;
    for (let i = 0; i < g.length; i++) {
      if (a[i] !== g[i] && !Object.is(a[i], g[i])) {
        broken.determinism ??= `the gradient of ${element(i)} is ${g[i]} and then ${a[i]}`;
      }
      // Zero times an infinite derivative is NaN, as in IEEE arithmetic.
      if (z[i] !== 0 && Number.isFinite(g[i])) {
        broken["zero cotangent"] ??= `for a cotangent of zeros the gradient of ${element(i)} is ${z[i]}, expected 0`;
      }
      const [two, three] = [2 * g[i], 3 * v[i]];
      if (Math.abs(m[i] - (two - three)) > LINEAR * (Math.abs(two) + Math.abs(three)) + floor) {
        broken.linearity ??= `for the cotangents u, v and 2 u - 3 v the gradient of ${element(i)} is ${g[i]}, ${
          v[i]
        } and ${m[i]}: not linear`;
      }
    }
  });
  return Object.entries(broken).flatMap(([check, message]): Finding[] =>
    message === null ? [] : [{ check, severity: "error", message }]
  );
}

/**
 * The power of the step with which the remainder of the first-order Taylor expansion falls; `null` if the remainder is
 * only rounding.
 */
function taylorRate(differences: Differences, line: Line): number | null {
  const slope = line.along(differences.analytic);
  const { epsilon } = differences.problem;
  const rates: number[] = [];
  let previous: number | null = null;
  for (const t of TAYLOR_STEPS) {
    const remainder = Math.abs(differences.changeAt(line, t) - t * slope);
    const clear = remainder > TAYLOR_CLEAR * epsilon * (differences.mass + Math.abs(t * slope));
    if (previous !== null && clear) rates.push(Math.log2(previous / remainder));
    previous = clear ? remainder : null;
  }
  line.move(0);
  // Short steps are more telling than long ones.
  const last = rates.at(-1);
  return last === undefined || !rates.every(Number.isFinite) ? null : last;
}

/**
 * At a tie there is no derivative by one of the tied elements, but there is one along which they move together. Errors
 * at ties only show there.
 */
function tied(
  differences: Differences,
  elements: readonly (VariableResult | null)[],
): { judged: Judged; elements: [variable: number, index: number][] }[] {
  const groups = new Map<number, [number, number][]>();
  elements.forEach((result, k) =>
    result?.verdicts.forEach((verdict, i) => {
      if (verdict !== "kink") return;
      const value = differences.problem.variables[k][i];
      groups.set(value, [...(groups.get(value) ?? []), [k, i]]);
    })
  );
  return [...groups.values()]
    .filter((group) => group.length > 1)
    .map((group) => ({ judged: differences.judge(differences.together(group)), elements: group }))
    .filter(({ judged }) => judged.verdict === "ok" || judged.verdict === "wrong");
}

/**
 * Moves elements off kinks, one at a time, and judges them where a derivative may exist. Returns the elements that it
 * judged.
 */
function resample(
  differences: Differences,
  elements: readonly (VariableResult | null)[],
  random: () => number,
  attempts: number,
): [variable: number, index: number][] {
  let left = RESAMPLED;
  let moved = false;
  const judgedBeside: [number, number][] = [];
  elements.forEach((result, k) => {
    if (!result) return;
    const values = differences.problem.variables[k];
    const scale = scaleOf(values);
    result.verdicts.forEach((verdict, i) => {
      // A NaN at the point itself is not excused by a neighbour that is a number.
      if (verdict !== "kink" || !Number.isFinite(result.analytic[i]) || left-- <= 0) return;
      const here = values[i];
      for (let attempt = 0; attempt < attempts && result.verdicts[i] === "kink"; attempt++) {
        const beside = here + (random() < 0.5 ? -1 : 1) * sizeOf(here, scale) * (0.05 + 0.1 * random());
        values[i] = differences.problem.round(beside);
        moved = true;
        differences.settle();
        const judged = differences.judge(differences.element(k, i, scale));
        if (judged.verdict === "kink" || judged.verdict === "noise") continue;
        result.analytic[i] = judged.analytic;
        result.numeric[i] = judged.numeric;
        result.estimate[i] = judged.estimate;
        result.verdicts[i] = judged.verdict;
        judgedBeside.push([k, i]);
      }
      values[i] = here;
    });
  });
  if (moved) differences.settle();
  return judgedBeside;
}
