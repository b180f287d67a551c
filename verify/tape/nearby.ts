/** Judges elements on kinks once more, at a point nearby. */
import { scaleOf } from "../differences/numeric.ts";
import { aside } from "./directions.ts";
import type { TapeResult } from "./judge.ts";
import { type Judgement, NEARBY } from "./judgement.ts";
import type { Position } from "./search.ts";

/** Judges elements on kinks once more, at a nearby point: there a wrong rule shows that both sides of a kink hide. */
export function judgeNearby(judgement: Judgement): void {
  const moved: Position[] = [], wrong: { at: Position; judged: TapeResult }[] = [];
  const positions = judgement.having("kink");
  const { differences } = judgement.judge;
  for (const [k, i] of positions.slice(0, NEARBY)) {
    const values = judgement.problem.variables[k];
    const here = values[i];
    for (let attempt = 0; attempt < judgement.options.resamples; attempt++) {
      values[i] = here;
      values[i] += aside(here, scaleOf(values), judgement.random);
      differences.settle();
      const judged = judgement.judge.elements(k, [i]);
      // It may lie on a kink, too.
      if (judged.verdicts[i] === "wrong" && judgement.kinks.has(judgement.unit([k, i]))) continue;
      if (judged.verdicts[i] !== "ok" && judged.verdicts[i] !== "wrong") continue;
      moved.push([k, i]);
      if (judged.verdicts[i] === "wrong") wrong.push({ at: [k, i], judged });
      break;
    }
    values[i] = here;
  }
  if (positions.length > 0) differences.settle();
  if (judgement.order === 1) sayNearby(judgement, positions, moved.length);
  for (const { at, judged: { analytic, numeric } } of wrong.slice(0, 4)) {
    const [, i] = at;
    const where = judgement.where([at]);
    judgement.find(
      "beside a kink",
      "error",
      `next to the kink at ${where} the gradient is ${analytic[i]}, expected ${numeric[i]}`,
    );
  }
}

function sayNearby(judgement: Judgement, positions: readonly Position[], moved: number): void {
  if (positions.length === 0) return;
  const lie = positions.length === 1 ? "lies on a kink" : "lie on kinks";
  judgement.find(
    "kink",
    "info",
    `${judgement.where(positions)} ${lie}, and the gradient lies between the slopes on both sides` +
      (moved > 0 ? `; a point nearby was judged for ${moved}` : ""),
  );
}
