/** Judges elements that have a decision exactly on its edge. */
import type { Finding } from "../report/report.ts";
import { judgeApart, sayTangled } from "./at_kinks.ts";
import { edgesAt } from "./edges.ts";
import type { Judgement } from "./judgement.ts";
import type { Position } from "./search.ts";

/** Judges the elements that have a decision exactly on its edge. */
export function judgeEdges(judgement: Judgement): void {
  judgement.lookAtEach(judgement.onEdge);
  const jumps: Position[] = [], bends: Position[] = [], tangled: Position[] = [], unknown: Position[] = [];
  for (
    const { at, holds, numeric, limits } of edgesAt(judgement.problem, judgement.judge.differences, judgement.onEdge)
  ) {
    const [k, i] = at;
    const { analytic, verdicts, witnesses } = judgement.elements[k]!;
    if (!Number.isFinite(analytic[i])) continue;
    const wrong = verdicts[i] === "wrong";
    // It may be the slope of another branch than the one that was taken, where others move, too.
    const placed = wrong || holds === false ? judgement.kinks.place(judgement.unit(at)) : null;
    // Next to a point that was replaced because a quotient is 0 / 0 there, the branches have no derivative at the point itself.
    const isBlind = placed !== null && !Number.isFinite(placed.low + placed.high);
    const place = placed === null ? "sides" : isBlind ? "outside" : placed.place;
    if (wrong && (place === "outside" || holds === null)) continue;
    const gap = limits.reduce((sum, l) => sum + (l.kind === "finite" ? l.error : 0), 0);
    if (holds === null && judgement.order === 2 && verdicts[i] !== "noise") {
      verdicts[i] = "kink";
      bends.push(at);
      continue;
    }
    const [a, b] = limits.map((l) => (l.kind === "finite" ? l.value : NaN));
    if (holds === null) {
      judgement.set(at, "noise", numeric, Infinity);
      jumps.push(at);
    } else if (!holds) {
      // A gradient that is that of its rule for ties has no derivative that the function could tell.
      const isWrong = place === "outside" && judgement.order === 1;
      judgement.set(at, isWrong ? "wrong" : "noise", numeric, gap);
      if (!isWrong) tangled.push(at);
      if (place === "unknown") unknown.push(at);
    } else if (wrong || isApart(a, b, gap)) {
      judgement.set(at, isApart(a, b, gap) ? "kink" : "ok", (a + b) / 2, Math.abs(a - b) / 2 + gap);
    } else continue;
    witnesses[i] = "differences";
  }
  sayTangled(judgement, tangled);
  judgeApart(judgement, unknown);
  sayEdges(judgement, jumps, bends);
}

function sayEdges(judgement: Judgement, jumps: readonly Position[], bends: readonly Position[]): void {
  const say = (severity: Finding["severity"], at: readonly Position[], how: string) => {
    if (at.length === 0) return;
    judgement.find("edge", severity, `a decision lies exactly on its edge at ${judgement.where(at)}: ${how}`);
  };
  say("warning", jumps, "the function jumps there or has no slope, so nothing can be said of its gradient");
  say("info", bends, "the gradient may jump there; it was judged for the decision as it was taken");
  const others = judgement.onEdge.filter((at) => !jumps.includes(at) && !bends.includes(at));
  say("info", others, "the slopes on both sides were compared, with the decision taken anew");
}

function isApart(a: number, b: number, slack: number): boolean {
  return Math.abs(a - b) > 4 * slack + 1e-3 * Math.max(Math.abs(a), Math.abs(b));
}
