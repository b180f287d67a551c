/** How times grow with sizes. */
import type { Case, Sizes } from "../cases/case.ts";
import { caseNamed } from "../cases/list.ts";
import type { Growth } from "./report.ts";
import type { Measured } from "./turns.ts";
import type { Row } from "./row.ts";
import { exponent } from "./statistics.ts";
import { short, table } from "./table.ts";

/** A size that grows while the others stay. */
export interface Growing {
  readonly subject: Case;
  readonly by: string;
  readonly from: Sizes;
  readonly values: readonly number[];
}

const LOSS: Sizes = { batch: 4, boxes: 4366, classes: 40 };
const SCATTER: Sizes = { rows: 8192, features: 4, picked: 8192 };

/** Returns the problems whose growth is measured; if `quick`, at every other size. */
export function growing(quick: boolean): Growing[] {
  const all: readonly (readonly [name: string, by: string, from: Sizes, values: readonly number[]])[] = [
    ["loss", "batch", LOSS, [2, 4, 8, 16, 32]],
    ["loss", "boxes", LOSS, [2183, 4366, 8732, 17_464, 34_928]],
    ["loss", "classes", LOSS, [20, 40, 80, 160, 320]],
    ["sort", "n", { rows: 8, n: 8732 }, [4096, 8192, 16_384, 32_768, 65_536]],
    ["topK", "n", { rows: 8, n: 8732 }, [4096, 8192, 16_384, 32_768, 65_536]],
    ["scatterAdd", "picked", SCATTER, [4096, 8192, 16_384, 32_768, 65_536]],
    ["scatterAdd", "rows", SCATTER, [4096, 8192, 16_384, 32_768, 65_536]],
    ["take, with gradient", "picked", SCATTER, [4096, 8192, 16_384, 32_768, 65_536]],
  ];
  return all.map(([name, by, from, values]) => ({
    subject: caseNamed(name),
    by,
    from,
    values: quick ? values.filter((_, i) => i % 2 === 0) : values,
  }));
}

export function rowsOf({ subject, by, from, values }: Growing): Row[] {
  return values.map((value): Row => ({ subject, sizes: { ...from, [by]: value }, mode: "resident" }));
}

/** The exponents of those contestants that computed at all sizes. */
export function growthOf({ subject, by, values }: Growing, measured: readonly Measured[]): Growth[] {
  return measured[0].outcomes.flatMap(({ label }): Growth[] => {
    const points = measured.flatMap(({ outcomes }, i) => {
      const found = outcomes.find((one) => one.label === label);
      return found && "median" in found ? [[values[i], found.median] as const] : [];
    });
    if (points.length < values.length) return [];
    return [{ subject: subject.name, by, label, points, exponent: exponent(points) }];
  });
}

/** A line for each: the exponent over all sizes and that of the largest two, where what does not grow counts least. */
export function growthText(all: readonly Growth[]): string {
  return table(
    ["", "by", "", "times, ms", "exponent", "of the largest two"],
    all.map(({ subject, by, label, points, exponent: fitted }) => [
      subject,
      `${by} ${points[0][0]}–${points.at(-1)![0]}`,
      label,
      points.map(([, ms]) => short(ms)).join(", "),
      fitted.toFixed(2),
      exponent(points.slice(-2)).toFixed(2),
    ]),
  );
}
