/** Judges a gradient on the tape by differences alone, where a scalar function has no known derivative. */
import type { Differences, VariableResult } from "../differences/numeric.ts";
import type { ExamineOptions, JudgedAll } from "./judged.ts";
import type { TapeResult } from "./judge.ts";
import type { Described } from "./words.ts";

/** The results with their witness. */
function witnessed(result: VariableResult): TapeResult {
  return { ...result, witnesses: result.verdicts.map(() => "differences" as const), second: new Map() };
}

export function judgeByDifferences(
  differences: Differences,
  described: Described,
  random: () => number,
  options: ExamineOptions,
): JudgedAll {
  const { variables } = differences.problem;
  const directions = options.mode === "full"
    ? []
    : Array.from({ length: options.directions }, () => differences.judge(differences.direction(random)));
  const look = options.mode === "full" || directions.some(({ verdict }) => verdict !== "ok");
  const elements = variables.map((_, k) => (look ? witnessed(differences.elements(k)) : null));
  const findings = elements.flatMap((result, k) =>
    result && result.verdicts.includes("wrong") && result.analytic.every((x) => x === 0)
      ? [{
        check: "missing gradient",
        severity: "error" as const,
        message: `no gradient reaches ${described.names[k]}, although the function depends on it: ${
          described.whyNoGradient(k)
        }`,
      }]
      : []
  );
  return { elements, directions, findings };
}
