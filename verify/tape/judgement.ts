/** A judgement in the making: what was found of each element, and what else there is to say. */
import type { Differences, Judged } from "../differences/numeric.ts";
import type { Finding, Verdict } from "../report/report.ts";
import { equalised, unit } from "./directions.ts";
import type { Direction, Duals } from "./duals.ts";
import { elementsOnEdge } from "./edges.ts";
import { TapeJudge, type TapeResult } from "./judge.ts";
import type { ExamineOptions } from "./judged.ts";
import { Kinks } from "./kinks.ts";
import type { TapeProblem } from "./problem.ts";
import type { Position } from "./search.ts";
import { type Described, listed } from "./words.ts";

/** The most elements on kinks, or with decisions on their edge, that are looked at. */
export const MOST = { full: 1024, fast: 16 };
/** The most of them that are also judged at a nearby point; each takes all decisions anew. */
export const NEARBY = 16;

/** A problem, and the witnesses of its derivative. */
export interface Witnesses {
  readonly problem: TapeProblem;
  readonly differences: Differences;
  readonly duals: Duals;
  /** The order of the derivative: a gradient jumps at a kink of its function, and there is nothing wrong with that. */
  readonly order: 1 | 2;
}

/** A judgement in the making. */
export class Judgement {
  readonly judge: TapeJudge;
  readonly options: ExamineOptions;
  readonly random: () => number;
  readonly order: 1 | 2;
  /** A direction along which each element contributes alike. */
  readonly equalised: Direction;
  /** The elements of which a decision lies on its edge. */
  readonly onEdge: readonly Position[];
  readonly kinks: Kinks;
  readonly elements: (TapeResult | null)[];
  readonly directions: Judged[] = [];
  readonly findings: Finding[] = [];
  readonly #described: Described;

  constructor(witnesses: Witnesses, described: Described, random: () => number, options: ExamineOptions) {
    const { problem, differences, duals, order } = witnesses;
    const { variables } = problem;
    this.order = order;
    this.judge = new TapeJudge(problem, differences, duals);
    this.#described = described;
    this.random = random;
    this.options = options;
    this.elements = variables.map(() => null);
    this.equalised = equalised({ variables, analytic: differences.analytic }, random);
    this.onEdge = elementsOnEdge(problem, random, MOST[options.mode]);
    this.kinks = this.kinksHere(this.onEdge);
  }

  get problem(): TapeProblem {
    return this.judge.problem;
  }

  /** The kinks at the point of the problem's last `settle`. */
  kinksHere(onEdge: readonly Position[]): Kinks {
    const { problem, duals, differences: { analytic } } = this.judge;
    return new Kinks({ problem, duals, analytic, onEdge }, this.equalised, this.random);
  }

  find(check: string, severity: Finding["severity"], message: string): void {
    this.findings.push({ check, severity, message });
  }

  /** Elements in words. */
  where(positions: readonly Position[]): string {
    return listed(positions, this.#described);
  }

  /** Judges some elements of a variable, or all of them. */
  lookAt(variable: number, which?: ArrayLike<number>): void {
    const { length } = this.problem.variables[variable];
    const all = which ?? Array.from({ length }, (_, i) => i);
    const result = this.judge.elements(variable, all);
    const known = this.elements[variable];
    if (!known) this.elements[variable] = result;
    else for (let n = 0; n < all.length; n++) copyElement(result, known, all[n]);
  }

  /** Looks at elements one by one that were not looked at yet. */
  lookAtEach(elements: readonly Position[]): void {
    const byVariable = new Map<number, number[]>();
    for (const [k, i] of elements) {
      if (this.elements[k] && this.elements[k].verdicts[i] !== "untested") continue;
      byVariable.set(k, [...(byVariable.get(k) ?? []), i]);
    }
    for (const [k, which] of byVariable) this.lookAt(k, which);
  }

  /** The elements that have a verdict so far. */
  having(verdict: Verdict): Position[] {
    return this.elements.flatMap((result, k) =>
      result
        ? [...result.verdicts.keys()].filter((i) => result.verdicts[i] === verdict).map((i): Position => [k, i])
        : []
    );
  }

  set([k, i]: Position, verdict: Verdict, numeric: number, estimate: number): void {
    const result = this.elements[k]!;
    result.verdicts[i] = verdict;
    result.numeric[i] = numeric;
    result.estimate[i] = estimate;
  }

  /** The direction in which one element moves. */
  unit(at: Position): Direction {
    return unit(this.problem.variables, at);
  }
}

function copyElement(from: TapeResult, to: TapeResult, i: number): void {
  to.analytic[i] = from.analytic[i];
  to.numeric[i] = from.numeric[i];
  to.estimate[i] = from.estimate[i];
  to.verdicts[i] = from.verdicts[i];
  to.witnesses[i] = from.witnesses[i];
  const second = from.second.get(i);
  if (second) to.second.set(i, second);
}
