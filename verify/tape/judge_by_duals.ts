/** Judges every part of a gradient on the tape, with dual numbers as first witness. */
import { largestOf, notFiniteAt } from "../arrays.ts";
import { type Differences, type Judged, scaleOf, sizeOf } from "../differences/numeric.ts";
import { taylorFinding, taylorRate } from "../differences/taylor.ts";
import type { Finding, Verdict } from "../report/report.ts";
import type { Direction, Duals } from "./duals.ts";
import { type Edge, edgesOf, outsideTogether } from "./edges.ts";
import { type ExamineOptions, isWrong, type JudgedAll } from "./judged.ts";
import { TapeJudge, type TapeResult, tolerance } from "./judge.ts";
import { Kinks } from "./kinks.ts";
import type { TapeProblem } from "./problem.ts";
import type { Position } from "./search.ts";
import { type Described, listed } from "./words.ts";

/** The most elements on kinks, or with decisions on their edge, that are looked at. */
const MOST = { full: 1024, fast: 16 };
/** The most of them that are also judged at a nearby point; each takes all decisions anew. */
const NEARBY = 16;
/** The power of the step with which the remainder of a right gradient's Taylor expansion falls is 2, that of a wrong one's 1. */
const FAILED = 1.5;

/** A problem, and the witnesses of its derivative. */
interface Witnesses {
  readonly problem: TapeProblem;
  readonly differences: Differences;
  readonly duals: Duals;
  /** The order of the derivative: a gradient jumps at a kink of its function, and there is nothing wrong with that. */
  readonly order: 1 | 2;
}

/** A judgement in the making. */
class Judgement {
  readonly judge: TapeJudge;
  /** A direction along which each element contributes alike. */
  readonly equalised: Direction;
  readonly kinks: Kinks;
  readonly elements: (TapeResult | null)[];
  readonly directions: Judged[] = [];
  readonly findings: Finding[] = [];
  readonly #described: Described;
  readonly #random: () => number;
  readonly #options: ExamineOptions;
  readonly #order: 1 | 2;

  constructor(witnesses: Witnesses, described: Described, random: () => number, options: ExamineOptions) {
    const { problem, differences, duals, order } = witnesses;
    this.#order = order;
    this.judge = new TapeJudge(problem, differences, duals);
    this.#described = described;
    this.#random = random;
    this.#options = options;
    this.elements = problem.variables.map(() => null);
    this.equalised = this.equalise();
    this.kinks = new Kinks(duals, this.equalised, differences.analytic);
  }

  get #problem(): TapeProblem {
    return this.judge.problem;
  }

  find(check: string, severity: Finding["severity"], message: string): void {
    this.findings.push({ check, severity, message });
  }

  // Directions

  /**
   * A random direction along which each element contributes alike, so that none hides behind the others: elements move in inverse
   * proportion to their gradient. Elements whose gradient is not finite stay.
   */
  equalise(): Direction {
    const { analytic } = this.judge.differences;
    const largest = Math.max(0, ...analytic.map(largestOf));
    return analytic.map((gradient, k) => {
      const moves = new Float64Array(gradient.length);
      const otherwise = largest || scaleOf(this.#problem.variables[k]);
      for (let i = 0; i < moves.length; i++) {
        if (!Number.isFinite(gradient[i])) continue;
        const size = Math.abs(gradient[i]) || otherwise;
        moves[i] = (this.#random() < 0.5 ? -1 : 1) * (0.5 + this.#random()) / size;
      }
      return moves;
    });
  }

  /** A random direction along which each element moves by its own size. */
  ownSize(): Direction {
    const { analytic } = this.judge.differences;
    return this.#problem.variables.map((values, k) => {
      const scale = scaleOf(values);
      const moves = new Float64Array(values.length);
      for (let i = 0; i < moves.length; i++) {
        if (!Number.isFinite(analytic[k][i])) continue;
        moves[i] = (this.#random() < 0.5 ? -1 : 1) * (1 + this.#random()) * sizeOf(values[i], scale);
      }
      return moves;
    });
  }

  /** Judges a direction. Where ties matter, it holds if some way of taking them gives the gradient. */
  direction(direction: Direction): Judged {
    const judged = this.judge.direction(direction);
    if (judged.verdict === "ok" || !this.kinks.matter) return judged;
    const { holds, value, low, high } = this.kinks.holds(direction);
    const verdict: Verdict = holds ? (low === high ? judged.verdict : "kink") : "wrong";
    return {
      analytic: value,
      numeric: (low + high) / 2,
      estimate: Math.max(judged.estimate, (high - low) / 2),
      verdict,
    };
  }

  // Elements

  /** Judges some elements of a variable, or all of them. */
  lookAt(variable: number, which?: ArrayLike<number>): void {
    const { length } = this.#problem.variables[variable];
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

  /** The elements that are wrong so far. */
  wrong(): Position[] {
    return this.elements.flatMap((result, k) =>
      result
        ? [...result.verdicts.keys()].filter((i) => result.verdicts[i] === "wrong").map((i): Position => [k, i])
        : []
    );
  }

  set([k, i]: Position, verdict: Verdict, numeric: number, estimate: number): void {
    const result = this.elements[k]!;
    result.verdicts[i] = verdict;
    result.numeric[i] = numeric;
    result.estimate[i] = estimate;
  }

  /** Judges the elements that lie on kinks by the slopes on both sides. */
  judgeKinks(positions: readonly Position[]): void {
    this.lookAtEach(positions);
    const tangled: Position[] = [];
    for (const at of positions) {
      const [k, i] = at;
      const { analytic, verdicts } = this.elements[k]!;
      const a = analytic[i];
      const unit = this.unit(at);
      const sides = this.kinks.sides(unit);
      if (!sides || !Number.isFinite(a)) continue;
      const [low, high] = [sides[0].value, sides[1].value].sort((x, y) => x - y);
      const slack = tolerance(low, high, sides[0].size + sides[1].size) + this.#problem.noise.elements[k][i] * 8;
      if (a >= low - slack && a <= high + slack) this.set(at, "kink", (low + high) / 2, (high - low) / 2 + slack);
      else if (!this.kinks.holds(unit).holds) this.set(at, "wrong", a < low ? low : high, slack);
      else if (verdicts[i] !== "ok") {
        this.set(at, "noise", a < low ? low : high, slack);
        tangled.push(at);
      }
    }
    if (tangled.length > 0) {
      const where = listed(tangled, this.#described);
      this.find(
        "kink",
        "warning",
        `several kinks meet at ${where}: the gradient is that of no side, but each kink by itself may hold`,
      );
    }
    this.#togetherAtTies(positions);
  }

  /** The direction in which one element moves. */
  unit([k, i]: Position): Direction {
    const direction = this.#problem.variables.map(({ length }) => new Float64Array(length));
    direction[k][i] = 1;
    return direction;
  }

  #togetherAtTies(positions: readonly Position[]): void {
    const usable = positions.filter(([k, i]) => Number.isFinite(this.elements[k]!.analytic[i]));
    const broken = this.kinks.broken(usable, this.#random);
    if (!broken) return;
    const { moved, value, low, high } = broken;
    this.find(
      "ties",
      "error",
      `${listed(moved, this.#described)} lie on ties: when they move together the derivative is ` +
        `${low === high ? low : `between ${low} and ${high}`}, but the gradient is ${value}`,
    );
  }

  /**
   * Moves elements together that only differences could judge, at a point without a derivative. Where the gradient is 0 it holds: it is
   * that of no slope.
   */
  judgeTips(): void {
    this.elements.forEach((result, k) => {
      if (!result) return;
      const values = this.#problem.variables[k];
      const tips = [...result.verdicts.keys()].filter((i) =>
        result.verdicts[i] === "kink" && result.witnesses[i] === "differences" && result.analytic[i] !== 0
      );
      if (tips.length < 2) return;
      const elements = tips.map((i) =>
        [[k, i] as const, result.analytic[i], sizeOf(values[i], scaleOf(values))] as const
      );
      const outside = outsideTogether(this.#problem, elements, this.#random);
      if (!outside) return;
      const [low, high] = [...outside.slopes].sort((a, b) => a - b);
      const where = listed(elements.map(([at]) => at), this.#described);
      this.find(
        "ties",
        "error",
        `at ${where} there is no derivative: when they move together the slopes are between ${low} and ${high}, ` +
          `but the gradient is ${outside.value}`,
      );
    });
  }

  /** Judges the elements that have a decision exactly on its edge. */
  judgeEdges(edges: readonly Edge[]): void {
    this.lookAtEach(edges.map(({ at }) => at));
    const jumps: Position[] = [], bends: Position[] = [];
    for (const { at, holds, numeric, limits } of edges) {
      const [k, i] = at;
      const { analytic, verdicts, witnesses } = this.elements[k]!;
      if (verdicts[i] === "wrong" || !Number.isFinite(analytic[i])) continue;
      const gap = limits.reduce((sum, l) => sum + (l.kind === "finite" ? l.error : 0), 0);
      if (holds === null && this.#order === 2 && verdicts[i] !== "noise") {
        verdicts[i] = "kink";
        bends.push(at);
      } else if (holds === null) {
        this.set(at, "noise", numeric, Infinity);
        witnesses[i] = "differences";
        jumps.push(at);
      } else if (!holds) {
        this.set(at, "wrong", numeric, gap);
        witnesses[i] = "differences";
      } else if (
        limits[0].kind === "finite" && limits[1].kind === "finite" && isApart(limits[0].value, limits[1].value, gap)
      ) {
        const [a, b] = [limits[0].value, limits[1].value];
        this.set(at, "kink", (a + b) / 2, Math.abs(a - b) / 2 + gap);
        witnesses[i] = "differences";
      }
    }
    this.#sayEdges(edges.map(({ at }) => at), jumps, bends);
  }

  #sayEdges(edges: readonly Position[], jumps: readonly Position[], bends: readonly Position[]): void {
    const say = (severity: Finding["severity"], at: readonly Position[], how: string) => {
      if (at.length === 0) return;
      this.find("edge", severity, `a decision lies exactly on its edge at ${listed(at, this.#described)}: ${how}`);
    };
    say("warning", jumps, "the function jumps there or has no slope, so nothing can be said of its gradient");
    say("info", bends, "the gradient may jump there; it was judged for the decision as it was taken");
    const others = edges.filter((at) => !jumps.includes(at) && !bends.includes(at));
    say("info", others, "the slopes on both sides were compared, with the decision taken anew");
  }

  /** Judges elements on kinks once more, at a nearby point: there a wrong rule shows that both sides of a kink hide. */
  judgeNearby(): void {
    const moved: Position[] = [], wrong: { at: Position; judged: TapeResult }[] = [];
    const positions = this.elements.flatMap((result, k) =>
      result
        ? [...result.verdicts.keys()].filter((i) => result.verdicts[i] === "kink").map((i): Position => [k, i])
        : []
    );
    const { differences } = this.judge;
    for (const [k, i] of positions.slice(0, NEARBY)) {
      const values = this.#problem.variables[k];
      const here = values[i];
      for (let attempt = 0; attempt < this.#options.resamples; attempt++) {
        values[i] = here +
          (this.#random() < 0.5 ? -1 : 1) * sizeOf(here, scaleOf(values)) * (0.05 + 0.1 * this.#random());
        differences.settle();
        const judged = this.judge.elements(k, [i]);
        // It may lie on a kink, too.
        if (judged.verdicts[i] === "wrong" && this.kinks.sides(this.unit([k, i]))) continue;
        if (judged.verdicts[i] !== "ok" && judged.verdicts[i] !== "wrong") continue;
        moved.push([k, i]);
        if (judged.verdicts[i] === "wrong") wrong.push({ at: [k, i], judged });
        break;
      }
      values[i] = here;
    }
    if (positions.length > 0) differences.settle();
    this.#sayNearby(positions, moved, wrong);
  }

  #sayNearby(
    positions: readonly Position[],
    moved: readonly Position[],
    wrong: readonly { at: Position; judged: TapeResult }[],
  ): void {
    if (positions.length === 0 || this.#order === 2) return this.#sayWrongNearby(wrong);
    const lie = positions.length === 1 ? "lies on a kink" : "lie on kinks";
    this.find(
      "kink",
      "info",
      `${listed(positions, this.#described)} ${lie}, and the gradient lies between the slopes on both sides` +
        (moved.length > 0 ? `; a point nearby was judged for ${moved.length}` : ""),
    );
    this.#sayWrongNearby(wrong);
  }

  /**
   * The Taylor test: the function itself, by differences, against its gradient along a direction. If duals find nothing wrong and it
   * fails, differences judge the direction.
   */
  taylor(): void {
    const { differences } = this.judge;
    const line = differences.direction(this.#random);
    const rate = taylorRate(differences, line);
    if (rate === null) return;
    const wrong = isWrong(this);
    this.findings.push(taylorFinding(rate, wrong));
    if (rate >= FAILED || wrong) return;
    const { verdict, numeric, estimate, analytic } = differences.judge(line);
    if (verdict !== "wrong") return;
    this.find(
      "witnesses",
      "warning",
      `along a direction the gradient is ${analytic}, and so say dual numbers, exactly; differences find ${numeric} +- ${estimate}, ` +
        "over longer steps than the function is smooth for",
    );
  }

  #sayWrongNearby(wrong: readonly { at: Position; judged: TapeResult }[]): void {
    for (const { at: [k, i], judged } of wrong.slice(0, 4)) {
      this.find(
        "beside a kink",
        "error",
        `next to the kink at ${listed([[k, i]], this.#described)} the gradient is ${judged.analytic[i]}, expected ${
          judged.numeric[i]
        }`,
      );
    }
  }
}

function isApart(a: number, b: number, slack: number): boolean {
  return Math.abs(a - b) > 4 * slack + 1e-3 * Math.max(Math.abs(a), Math.abs(b));
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

/** Judges a gradient: in fast mode along random directions, and each element where one of them or anything else is off. */
export function judgeByDuals(
  witnesses: Witnesses,
  described: Described,
  random: () => number,
  options: ExamineOptions,
): JudgedAll {
  const { problem, differences } = witnesses;
  const judgement = new Judgement(witnesses, described, random, options);
  const { elements, directions, findings, kinks } = judgement;
  if (problem.variables.every(({ length }) => length === 0)) return { elements, directions, findings };
  const fast = options.mode === "fast";
  if (fast) {
    for (let n = 0; n < options.directions; n++) {
      directions.push(
        judgement.direction(n === 0 ? judgement.equalised : n % 2 === 1 ? judgement.ownSize() : judgement.equalise()),
      );
    }
  }
  const close = !fast || directions.some(({ verdict }) => verdict === "wrong" || verdict === "noise");
  problem.variables.forEach((_, k) => {
    if (close) judgement.lookAt(k);
    // What is not finite has no part in a direction.
    else if (notFiniteAt(differences.analytic[k]) >= 0) {
      judgement.lookAt(
        k,
        [...differences.analytic[k].keys()].filter((i) => !Number.isFinite(differences.analytic[k][i])),
      );
    }
  });
  const most = fast ? MOST.fast : MOST.full;
  judgement.judgeKinks(kinks.elements(most));
  // More than were looked for may lie on kinks, where duals take one side.
  if (kinks.matter) judgement.judgeKinks(judgement.wrong());
  // Before edges, whose slopes are compared by differences, too, but which are apart from one another.
  judgement.judgeTips();
  judgement.judgeEdges(edgesOf(problem, differences, random, most));
  judgement.judgeNearby();
  judgement.taylor();
  sayMore(judgement, described);
  return { elements, directions, findings };
}

/** Missing gradients, infinite derivatives, and witnesses that disagree. */
function sayMore(judgement: Judgement, described: Described): void {
  const { elements, judge: { remarks } } = judgement;
  elements.forEach((result, k) => {
    if (!result || !result.verdicts.includes("wrong") || result.analytic.some((x) => x !== 0)) return;
    judgement.find(
      "missing gradient",
      "error",
      `no gradient reaches ${described.names[k]}, although the function depends on it: ${described.whyNoGradient(k)}`,
    );
  });
  if (remarks.infinite.length > 0) {
    const where = listed(remarks.infinite, described);
    judgement.find(
      "infinite",
      "warning",
      `the derivative by ${where} is infinite at this point: there is no finite number to compare`,
    );
  }
  if (remarks.disputed.length > 0) {
    judgement.find(
      "witnesses",
      "warning",
      `dual numbers and differences disagree at ${
        listed(remarks.disputed, described)
      }: differences support the tape's gradient`,
    );
  }
}
