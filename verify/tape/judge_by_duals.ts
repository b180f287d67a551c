/** Judges every part of a gradient on the tape, with dual numbers as first witness. */
import { notFiniteAt } from "../arrays.ts";
import { type Differences, type Judged, scaleOf, sizeOf } from "../differences/numeric.ts";
import { taylorFinding, taylorRate } from "../differences/taylor.ts";
import type { Finding, Verdict } from "../report/report.ts";
import type { Direction, Duals } from "./duals.ts";
import { edgesAt, elementsOnEdge, outsideTogether } from "./edges.ts";
import { type ExamineOptions, isWrong, type JudgedAll } from "./judged.ts";
import { TapeJudge, type TapeResult } from "./judge.ts";
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
  /** The elements of which a decision lies on its edge. */
  readonly onEdge: readonly Position[];
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
    this.onEdge = elementsOnEdge(problem, random, MOST[options.mode]);
    this.kinks = this.#kinksOf(this.onEdge);
  }

  get #problem(): TapeProblem {
    return this.judge.problem;
  }

  #kinksOf(onEdge: readonly Position[]): Kinks {
    const { problem, duals, differences: { analytic } } = this.judge;
    return new Kinks({ problem, duals, analytic, onEdge }, this.equalised, this.#random);
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
    const largest = Math.max(
      0,
      ...analytic.map((g) => g.reduce((m, x) => (Math.abs(x) < Infinity ? Math.max(m, Math.abs(x)) : m), 0)),
    );
    return analytic.map((gradient, k) =>
      gradient.map((g) => {
        if (!Number.isFinite(g)) return 0;
        const size = Math.abs(g) || largest || scaleOf(this.#problem.variables[k]);
        return (this.#random() < 0.5 ? -1 : 1) * (0.5 + this.#random()) / size;
      })
    );
  }

  /** A random direction along which each element moves by its own size. */
  ownSize(): Direction {
    const { analytic } = this.judge.differences;
    return this.#problem.variables.map((values, k) => {
      const scale = scaleOf(values);
      return values.map((x, i) =>
        Number.isFinite(analytic[k][i]) ? (this.#random() < 0.5 ? -1 : 1) * (1 + this.#random()) * sizeOf(x, scale) : 0
      );
    });
  }

  /** Judges a direction. Where ties or decisions on their edge matter, its gradient may be that of any branch. */
  direction(direction: Direction): Judged {
    const judged = this.judge.direction(direction);
    if (judged.verdict === "ok" || !this.kinks.matter) return judged;
    const { place, value, low, high, slack } = this.kinks.place(direction);
    const verdicts = {
      sides: high - low <= 2 * slack ? "ok" : "kink",
      branches: "kink",
      outside: "wrong",
      unknown: "noise",
    } as const;
    return {
      analytic: value,
      numeric: (low + high) / 2,
      estimate: Math.max(judged.estimate, (high - low) / 2),
      verdict: verdicts[place],
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

  /** Judges elements whose derivatives depend on how ties are taken. */
  judgeKinks(positions: readonly Position[]): void {
    this.lookAtEach(positions);
    const tangled: Position[] = [], unknown: Position[] = [], mixed: Position[] = [];
    for (const at of positions) {
      const [k, i] = at;
      const { analytic } = this.elements[k]!;
      if (!Number.isFinite(analytic[i])) continue;
      const placed = this.kinks.place(this.unit(at));
      const { place, value, low, high, slack } = placed;
      if (placed.mixed) mixed.push(at);
      const [middle, half] = [(low + high) / 2, (high - low) / 2 + slack];
      const nearest = value < low ? low : high;
      // The sides may agree: several ties that cancel, perhaps.
      if (place === "sides") this.set(at, half > 2 * slack ? "kink" : "ok", middle, half);
      else if (place === "outside") this.set(at, "wrong", nearest, slack);
      else {
        this.set(at, "noise", place === "branches" ? middle : nearest, half);
        tangled.push(at);
        if (place === "unknown") unknown.push(at);
      }
    }
    this.#sayTangled(tangled);
    this.#judgeApart(unknown);
    if (mixed.length > 0) {
      const where = listed(mixed, this.#described);
      this.find("ties", "error", `several ties meet at ${where}, and were taken in ways that do not go together`);
    }
    this.#togetherAtTies(positions);
  }

  /** Judges elements at which many kinks meet once more, each with all others moved away: what is wrong by itself stays so. */
  #judgeApart(positions: readonly Position[]): void {
    const { variables } = this.#problem;
    const { differences } = this.judge;
    const here = variables.map((values) => values.slice());
    for (const at of positions.slice(0, NEARBY)) {
      const [k, i] = at;
      variables.forEach((values, l) => {
        const scale = scaleOf(here[l]);
        for (let n = 0; n < values.length; n++) if (l !== k || n !== i) values[n] += this.#aside(values[n], scale);
      });
      differences.settle();
      const onEdge = elementsOnEdge(this.#problem, this.#random, MOST.fast);
      const { place, low, high, slack } = this.#kinksOf(onEdge).place(this.unit(at));
      variables.forEach((values, l) => values.set(here[l]));
      if (place === "outside") this.set(at, "wrong", (low + high) / 2, (high - low) / 2 + slack);
    }
    if (positions.length > 0) differences.settle();
  }

  /** A move to a point nearby. */
  #aside(x: number, scale: number): number {
    return (this.#random() < 0.5 ? -1 : 1) * sizeOf(x, scale) * (0.05 + 0.1 * this.#random());
  }

  #sayTangled(tangled: readonly Position[]): void {
    if (tangled.length === 0) return;
    this.find(
      "kink",
      "warning",
      `several kinks meet at ${
        listed(tangled, this.#described)
      }: the gradient is that of no side, but may be one of points nearby, ` +
        "or a mean of such",
    );
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
  judgeEdges(): void {
    this.lookAtEach(this.onEdge);
    const jumps: Position[] = [], bends: Position[] = [], tangled: Position[] = [], unknown: Position[] = [];
    for (const { at, holds, numeric, limits } of edgesAt(this.#problem, this.judge.differences, this.onEdge)) {
      const [k, i] = at;
      const { analytic, verdicts, witnesses } = this.elements[k]!;
      if (!Number.isFinite(analytic[i])) continue;
      const wrong = verdicts[i] === "wrong";
      // It may be the slope of another branch than the one that was taken, where others move, too.
      const place = wrong || holds === false ? this.kinks.place(this.unit(at)).place : "sides";
      if (wrong && (place === "outside" || holds === null)) continue;
      const gap = limits.reduce((sum, l) => sum + (l.kind === "finite" ? l.error : 0), 0);
      if (holds === null && this.#order === 2 && verdicts[i] !== "noise") {
        verdicts[i] = "kink";
        bends.push(at);
        continue;
      }
      const [a, b] = limits.map((l) => (l.kind === "finite" ? l.value : NaN));
      if (holds === null) {
        this.set(at, "noise", numeric, Infinity);
        jumps.push(at);
      } else if (!holds) {
        // A gradient that is that of its rule for ties has no derivative that the function could tell.
        const isWrong = place === "outside" && this.#order === 1;
        this.set(at, isWrong ? "wrong" : "noise", numeric, gap);
        if (!isWrong) tangled.push(at);
        if (place === "unknown") unknown.push(at);
      } else if (wrong || isApart(a, b, gap)) {
        this.set(at, isApart(a, b, gap) ? "kink" : "ok", (a + b) / 2, Math.abs(a - b) / 2 + gap);
      } else continue;
      witnesses[i] = "differences";
    }
    this.#sayTangled(tangled);
    this.#judgeApart(unknown);
    this.#sayEdges(this.onEdge, jumps, bends);
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
        values[i] = here;
        values[i] += this.#aside(here, scaleOf(values));
        differences.settle();
        const judged = this.judge.elements(k, [i]);
        // It may lie on a kink, too.
        if (judged.verdicts[i] === "wrong" && this.kinks.has(this.unit([k, i]))) continue;
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
  if (problem.variables.every(({ length }) => length === 0)) return { elements, directions, findings, tie: false };
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
  if (kinks.tie) judgement.judgeKinks(judgement.wrong());
  // Before edges, whose slopes are compared by differences, too, but which are apart from one another.
  judgement.judgeTips();
  judgement.judgeEdges();
  judgement.judgeNearby();
  judgement.taylor();
  sayMore(judgement, described);
  return { elements, directions, findings, tie: kinks.tie };
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
