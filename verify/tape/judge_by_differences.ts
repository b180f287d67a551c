/** Judges a gradient on the tape by differences alone, where a scalar function has no known derivative. */
import { judgeGradient } from "../differences/judge.ts";
import type { Differences } from "../differences/numeric.ts";
import { elementText } from "../inputs.ts";
import type { ExamineOptions, JudgedAll } from "./judged.ts";
import type { Described } from "./words.ts";

export function judgeByDifferences(
  differences: Differences,
  { names, shapes }: Described,
  random: () => number,
  options: ExamineOptions,
): JudgedAll {
  const words = {
    name: (k: number) => names[k],
    element: (k: number, i: number) => elementText(names[k], i, shapes[k]),
  };
  const { elements, directions, findings } = judgeGradient(differences, words, random, options);
  return {
    elements: elements.map((result) =>
      result && { ...result, witnesses: result.verdicts.map(() => "differences" as const), second: new Map() }
    ),
    directions,
    witness: "differences",
    findings,
    tie: false,
  };
}
