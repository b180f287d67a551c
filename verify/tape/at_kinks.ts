/** Judges elements at kinks: by the slopes on both sides, by branches that meet, and together with others. */
import { isBetweenBranches } from "../differences/neighbours.ts";
import { scaleOf, sizeOf } from "../differences/numeric.ts";
import { aside, sign } from "./directions.ts";
import { elementsOnEdge, limitsAlong, type Moves, outsideTogether } from "./edges.ts";
import { type Judgement, MOST, NEARBY } from "./judgement.ts";
import type { Position } from "./search.ts";

/** Judges elements whose derivatives depend on how ties are taken. */
export function judgeKinks(judgement: Judgement, positions: readonly Position[]): void {
  judgement.lookAtEach(positions);
  const tangled: Position[] = [], unknown: Position[] = [], mixed: Position[] = [];
  for (const at of positions) {
    const [k, i] = at;
    const { analytic } = judgement.elements[k]!;
    if (!Number.isFinite(analytic[i])) continue;
    const placed = judgement.kinks.place(judgement.unit(at));
    const { place, value, low, high, slack } = placed;
    if (placed.mixed) mixed.push(at);
    const [middle, half] = [(low + high) / 2, (high - low) / 2 + slack];
    const nearest = value < low ? low : high;
    // The sides may agree: several ties that cancel, perhaps.
    if (place === "sides") judgement.set(at, half > 2 * slack ? "kink" : "ok", middle, half);
    else if (place === "outside") judgement.set(at, "wrong", nearest, slack);
    else {
      judgement.set(at, "noise", place === "branches" ? middle : nearest, half);
      tangled.push(at);
      if (place === "unknown") unknown.push(at);
    }
  }
  sayTangled(judgement, tangled);
  judgeApart(judgement, unknown);
  if (mixed.length > 0) {
    const where = judgement.where(mixed);
    judgement.find("ties", "error", `several ties meet at ${where}, and were taken in ways that do not go together`);
  }
  judgeTogether(judgement, positions);
}

/** Judges elements at which many kinks meet once more, each with all others moved away: what is wrong by itself stays so. */
export function judgeApart(judgement: Judgement, positions: readonly Position[]): void {
  if (positions.length === 0) return;
  const { variables } = judgement.problem;
  const { differences } = judgement.judge;
  const here = variables.map((values) => values.slice());
  for (const at of positions.slice(0, NEARBY)) {
    const [k, i] = at;
    variables.forEach((values, l) => {
      const scale = scaleOf(here[l]);
      for (let n = 0; n < values.length; n++) {
        if (l !== k || n !== i) values[n] += aside(values[n], scale, judgement.random);
      }
    });
    differences.settle();
    const onEdge = elementsOnEdge(judgement.problem, judgement.random, MOST.fast);
    const { place, low, high, slack } = judgement.kinksHere(onEdge).place(judgement.unit(at));
    variables.forEach((values, l) => values.set(here[l]));
    if (place === "outside") judgement.set(at, "wrong", (low + high) / 2, (high - low) / 2 + slack);
  }
  differences.settle();
}

export function sayTangled(judgement: Judgement, tangled: readonly Position[]): void {
  if (tangled.length === 0) return;
  judgement.find(
    "kink",
    "warning",
    `several kinks meet at ${
      judgement.where(tangled)
    }: the gradient is that of no side, but may be that of a point nearby or a mean of such, ` +
      "or else each tie by itself may hold",
  );
}

function judgeTogether(judgement: Judgement, positions: readonly Position[]): void {
  const usable = positions.filter(([k, i]) => Number.isFinite(judgement.elements[k]!.analytic[i]));
  const broken = judgement.kinks.broken(usable, judgement.random);
  if (!broken) return;
  const { moved, value, low, high } = broken;
  judgement.find(
    "ties",
    "error",
    `${judgement.where(moved)} lie on ties: when they move together the derivative is ` +
      `${low === high ? low : `between ${low} and ${high}`}, but the gradient is ${value}`,
  );
}

/** How far away points nearby are, relative to the moves, how many there are, and how exactly a slope is one of theirs. */
const NEAR = 2 ** -16;
const POINTS = 16;
const SLACK = 1e-4;

/** Whether a gradient along a direction is that of points nearby, or a mean of such: those of a relu at 0 go with neither side together. */
function isAmongNearby(
  { problem, judge: { differences, duals }, random }: Judgement,
  moves: Moves,
  value: number,
): boolean {
  const { variables } = problem;
  const direction = variables.map(({ length }) => new Float64Array(length));
  for (const [[k, i], by] of moves) direction[k][i] = by;
  const here = moves.map(([[k, i]]) => variables[k][i]);
  const least = Math.min(...moves.map(([, by]) => Math.abs(by)));
  let low = Infinity, high = -Infinity;
  for (let n = 0; n < POINTS; n++) {
    moves.forEach(([[k, i], by], m) => {
      // First below all of them and above, in their order and in reverse, as functions take equal numbers.
      const side = n < 4 ? (n % 2 === 0 ? -1 : 1) : sign(random);
      const far = n < 4 ? least * (n < 2 ? m + 1 : moves.length - m) / moves.length : (0.5 + random()) * Math.abs(by);
      variables[k][i] = here[m] + side * NEAR * far;
    });
    differences.settle();
    const { value: slope } = duals.along(direction);
    // Duals say nothing where it is a tip of another kind.
    const slopes = Number.isFinite(slope)
      ? [slope]
      : limitsAlong(problem, moves, 1).flatMap((l) => (l.kind === "finite" ? [l.value] : []));
    low = Math.min(low, ...slopes);
    high = Math.max(high, ...slopes);
  }
  moves.forEach(([[k, i]], m) => (variables[k][i] = here[m]));
  differences.settle();
  const slack = SLACK * Math.max(Math.abs(low), Math.abs(high));
  return value >= low - slack && value <= high + slack;
}

/**
 * Judges elements that only differences could judge, and call wrong, by the branches that meet at the point: where duals know no slope, as
 * at a length of 0, ties do not show in them either.
 */
export function judgeBlind({ elements, judge: { differences }, problem, random }: Judgement): void {
  elements.forEach((result, k) => {
    if (!result) return;
    const { analytic, numeric, verdicts, witnesses } = result;
    const scale = scaleOf(problem.variables[k]);
    const isAsked = (i: number) =>
      verdicts[i] === "wrong" && witnesses[i] === "differences" && Number.isFinite(analytic[i]);
    for (const i of [...verdicts.keys()].filter(isAsked).slice(0, NEARBY)) {
      const { bend } = differences.judge(differences.element(k, i, scale));
      const lineHere = () => differences.element(k, i, scale);
      const excluded = { lineHere, analytic: analytic[i], numeric: numeric[i], bend };
      if (isBetweenBranches(differences, excluded, random)) verdicts[i] = "kink";
    }
  });
}

/**
 * Moves elements together that only differences could judge, at a point without a derivative. Where the gradient is 0 it holds: it is
 * that of no slope.
 */
export function judgeTips(judgement: Judgement): void {
  judgement.elements.forEach((result, k) => {
    if (!result) return;
    const values = judgement.problem.variables[k];
    const tips = [...result.verdicts.keys()].filter((i) =>
      result.verdicts[i] === "kink" && result.witnesses[i] === "differences" && result.analytic[i] !== 0
    );
    if (tips.length < 2) return;
    const elements = tips.map((i) =>
      [[k, i] as const, result.analytic[i], sizeOf(values[i], scaleOf(values))] as const
    );
    const isNearby = (moves: Moves, value: number) => isAmongNearby(judgement, moves, value);
    const outside = outsideTogether(judgement.problem, elements, judgement.random, isNearby);
    if (!outside) return;
    const [low, high] = [...outside.slopes].sort((a, b) => a - b);
    const where = judgement.where(elements.map(([at]) => at));
    judgement.find(
      "ties",
      "error",
      `at ${where} there is no derivative: when they move together the slopes are between ${low} and ${high}, ` +
        `but the gradient is ${outside.value}`,
    );
  });
}
