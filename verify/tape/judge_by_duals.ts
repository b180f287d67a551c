/** Judges every part of a gradient on the tape, with dual numbers as first witness. */
import { isWrong } from "../differences/results.ts";
import { notFiniteAt } from "../arrays.ts";
import type { Judged } from "../differences/numeric.ts";
import { isTooSlow, taylorFinding, taylorRate } from "../differences/taylor.ts";
import { judgeEdges } from "./at_edges.ts";
import { judgeBlind, judgeKinks, judgeTips } from "./at_kinks.ts";
import { leaveKinks, settleDirections } from "./crowds.ts";
import { equalised, ownSizes } from "./directions.ts";
import type { Direction } from "./duals.ts";
import type { ExamineOptions, JudgedAll } from "./judged.ts";
import { Judgement, MOST, type Witnesses } from "./judgement.ts";
import { judgeNearby } from "./nearby.ts";
import type { Described } from "./words.ts";

/** Judges a direction. Where ties or decisions on their edge matter, its gradient may be that of any branch. */
function judgeDirection(judgement: Judgement, direction: Direction): Judged {
  const judged = judgement.judge.direction(direction);
  if (judged.verdict === "ok" || !judgement.kinks.matter) return judged;
  const { place, value, low, high, slack } = judgement.kinks.place(direction);
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

/**
 * The Taylor test: the function itself, by differences, against its gradient along a direction. If duals find nothing wrong and it
 * fails, differences judge the direction.
 */
function taylor(judgement: Judgement): void {
  const { differences } = judgement.judge;
  const line = differences.direction(judgement.random);
  const rate = taylorRate(differences, line);
  if (rate === null) return;
  const wrong = isWrong(judgement);
  judgement.findings.push(taylorFinding(rate, wrong));
  if (!isTooSlow(rate) || wrong) return;
  const { verdict, numeric, estimate, analytic } = differences.judge(line);
  if (verdict !== "wrong") return;
  judgement.find(
    "witnesses",
    "warning",
    `along a direction the gradient is ${analytic}, and so say dual numbers, exactly; differences find ${numeric} +- ${estimate}, ` +
      "over longer steps than the function is smooth for",
  );
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
  const witness = "duals";
  if (problem.variables.every(({ length }) => length === 0)) {
    return { elements, directions, witness, findings, tie: false };
  }
  const fast = options.mode === "fast";
  if (fast) {
    const point = { variables: problem.variables, analytic: differences.analytic };
    for (let n = 0; n < options.directions; n++) {
      const direction = n === 0 ? judgement.equalised : (n % 2 === 1 ? ownSizes : equalised)(point, random);
      directions.push(judgeDirection(judgement, direction));
    }
  }
  // Along a direction each tie, and each decision on its edge, hides what is off elsewhere.
  const close = !fast || kinks.tie || directions.some(({ verdict }) => verdict !== "ok");
  problem.variables.forEach((_, k) => {
    if (close) judgement.lookAt(k);
    // Elements that are not finite are left out of directions.
    else if (notFiniteAt(differences.analytic[k]) >= 0) {
      judgement.lookAt(
        k,
        [...differences.analytic[k].keys()].filter((i) => !Number.isFinite(differences.analytic[k][i])),
      );
    }
  });
  const most = fast ? MOST.fast : MOST.full;
  judgeKinks(judgement, kinks.elements(most));
  // More than were looked for may lie on kinks, where duals take one side.
  if (kinks.tie && fast) leaveKinks(judgement, judgement.having("wrong"));
  const wrong = judgement.having("wrong");
  // A kink may be too slight to be seen where others move, too.
  judgeKinks(judgement, kinks.tie ? wrong : wrong.slice(0, most).filter((at) => kinks.has(judgement.unit(at))));
  // Before edges, whose slopes are compared by differences, too, but which are apart from one another.
  judgeBlind(judgement);
  judgeTips(judgement);
  judgeEdges(judgement);
  judgeNearby(judgement);
  if (close) settleDirections(judgement);
  taylor(judgement);
  sayMore(judgement, described);
  return { elements, directions, witness, findings, tie: kinks.tie };
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
    judgement.find(
      "infinite",
      "warning",
      `the derivative with respect to ${
        judgement.where(remarks.infinite)
      } is infinite at this point: there is no finite number to compare`,
    );
  }
  // Some may have been settled since, by the ties that they lie on.
  const disputed = remarks.disputed.filter(([k, i]) => elements[k]?.verdicts[i] === "noise");
  if (disputed.length > 0) {
    judgement.find(
      "disputed",
      "warning",
      `dual numbers and differences disagree at ${judgement.where(disputed)}: differences support the tape's gradient`,
    );
  }
}
