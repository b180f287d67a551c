/** Findings about a gradient besides the verdicts on its elements. */
import type { Finding } from "../report/report.ts";
import { groupsOf, judgeBeside, judgeTie, judgeTogether, kinksOf, type WrongTie } from "./kinks.ts";
import type { Position } from "./line.ts";
import type { Differences } from "./numeric.ts";
import type { Differentiated, Mark } from "./problem.ts";
import { isWrong, type JudgedAll } from "./results.ts";

/** How messages refer to elements. */
export interface Words {
  /** The name of an input. */
  name(variable: number): string;
  /** The name of an element. */
  element(variable: number, index: number): string;
}

/** Formats elements as text, the first few by name. */
function listed(elements: readonly Position[], words: Words): string {
  const shown = elements.slice(0, 4).map(([k, i]) => words.element(k, i));
  return shown.join(", ") + (elements.length > shown.length ? ` and ${elements.length - shown.length} more` : "");
}

/** Returns findings about gradients that are wrong at ties. */
export function tieFindings(
  differences: Differences,
  elements: readonly (Differentiated | null)[],
  words: Words,
  random: () => number,
): Finding[] {
  return groupsOf(differences, kinksOf(elements)).flatMap((tie): Finding[] => {
    const wrong = judgeTie(differences, tie, random);
    return wrong ? [tieFinding(wrong, words)] : [];
  });
}

function tieFinding({ elements, moves, judged: { analytic, numeric, bend } }: WrongTie, words: Words): Finding {
  const right = bend === undefined
    ? `the derivative is ${numeric}`
    : `the one-sided derivatives are ${numeric - bend / 2} and ${numeric + bend / 2}`;
  const by = moves.slice(0, 4).join(", ") + (moves.length > 4 ? ", ..." : "");
  const message = `${listed(elements, words)} are tied; when they move together, by ${by}, ${right}, ` +
    `but your gradient gives ${analytic}`;
  return { check: "ties", severity: "error", message };
}

/** The same where no element alone shows that the function has no derivative at the point, and nothing else is wrong. */
export function togetherFindings(
  differences: Differences,
  judged: JudgedAll,
  words: Words,
  random: () => number,
): Finding[] {
  const wrong = isWrong(judged) ? null : judgeTogether(differences, judged.elements, random);
  return wrong ? [tieFinding(wrong, words)] : [];
}

/** Returns findings about the gradient on kinks and beside them. */
export function kinkFindings(
  differences: Differences,
  elements: readonly (Differentiated | null)[],
  words: Words,
  { random, attempts }: { random: () => number; attempts: number },
): Finding[] {
  const kinks = kinksOf(elements);
  if (kinks.length === 0) return [];
  const { right, wrong } = judgeBeside(differences, kinks, random, attempts);
  const one = kinks.length === 1;
  const beside = right.length === 0
    ? ""
    : `; ${one ? "a short step aside" : `a short step aside, at ${right.length} of them,`} it is the derivative`;
  const message = `${listed(kinks.map(({ at }) => at), words)} ${one ? "lies" : "lie"} on a kink: your gradient is ` +
    `between the one-sided derivatives there${beside}`;
  return [
    { check: "kink", severity: "info", message },
    ...wrong.slice(0, 4).map(({ at: [k, i], value, judged }): Finding => ({
      check: "kink",
      severity: "error",
      message:
        `beside the kink at ${words.element(k, i)}, where it is ${value}, the derivative is ${judged.numeric}, ` +
        `but your gradient is ${judged.analytic}`,
    })),
  ];
}

/** Findings on infinite derivatives, on elements at the end of a domain and on staircases. */
export function markFindings(elements: readonly (Differentiated | null)[], words: Words): Finding[] {
  const marked = (mark: Mark, only?: (result: Differentiated, i: number) => boolean) =>
    elements.flatMap((result, k) =>
      result
        ? [...result.marks].filter(([i, m]) => m === mark && (!only || only(result, i))).map(([i]) => [k, i] as const)
        : []
    );
  const findings: Finding[] = [];
  const say = (check: string, at: Position[], message: (shown: string, one: boolean) => string) => {
    if (at.length === 0) return;
    findings.push({ check, severity: "warning", message: message(listed(at, words), at.length === 1) });
  };
  const isEdge = ({ numeric }: Differentiated, i: number) => Number.isNaN(numeric[i]);
  say(
    "infinite",
    marked("infinite"),
    (shown) =>
      `the derivative with respect to ${shown} is infinite: the slopes grow without bound as steps get shorter`,
  );
  say(
    "domain",
    [...marked("edge"), ...marked("infinite", isEdge)],
    (shown, one) =>
      `the function is not finite a short step away from ${shown}: ${
        one ? "it lies" : "they lie"
      } at the end of its domain`,
  );
  say(
    "staircase",
    marked("staircase", (result, i) => result.verdicts[i] === "noise"),
    (shown, one) =>
      `the function is a staircase along ${shown}: ${one ? "its" : "their"} steps may be the rounding of terms that ` +
      "cancel, or the function's own, and then the derivative is 0 between them",
  );
  return findings;
}

/** Inputs that the function depends on and that get no gradient. */
export function missingFindings(elements: readonly (Differentiated | null)[], words: Words): Finding[] {
  return elements.flatMap((result, k): Finding[] => {
    if (!result || !result.verdicts.includes("wrong") || result.analytic.some((x) => x !== 0)) return [];
    const message = `your gradient with respect to ${
      words.name(k)
    } is 0 everywhere, although the function depends on it`;
    return [{ check: "missing gradient", severity: "error", message }];
  });
}
