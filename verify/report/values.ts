/** The values of inputs as source text, to copy into a test. */
import { isPlain } from "./advice.ts";
import type { GradcheckReport, InputReport } from "./report.ts";

/** The width of a line. */
const WIDTH = 100;

/**
 * The call that repeats a check at the same point, as lines of TypeScript; `null` if the report has no values.
 *
 * @param most the most values to write of each input.
 * @param where where the others are, in words.
 */
export function callText(report: GradcheckReport, most: number, where: string): string[] | null {
  // In second order cotangents follow the inputs; their values come from the seed.
  const inputs = report.inputs.filter(({ values }) => values !== undefined);
  if (inputs.length === 0) return null;
  const { seed, order, mode } = report;
  const options = [
    `seed: ${seed}`,
    ...(order === 2 ? ["order: 2"] : []),
    ...(mode === "fast" ? ['mode: "fast"'] : []),
  ];
  return [
    "await gradcheck(f, [",
    ...inputs.flatMap((input) => argument(input, isPlain(report), most, where)),
    `], { ${options.join(", ")} });`,
  ];
}

/** One input as lines: a call of `tensor`, or for plain functions, which may not know gpugrad, an array. */
function argument({ name, shape, dtype = "float", values }: InputReport, plain: boolean, most: number, where: string) {
  const left = values!.length - most;
  // Without a comma after the comment, which would be a hole.
  const items = values!.slice(0, most).map((value) => `${literal(value, dtype)},`);
  if (left > 0) items.push(`/* ${left} more: ${where} */`);
  const [open, close] = around(shape, dtype, plain);
  const comment = ` // ${name.replace(/\s+/g, " ")}`;
  const line = `  ${open}${items.join(" ").replace(/,$/, "")}${close},`;
  if (line.length <= WIDTH) return [line + comment];
  return [`  ${open}${comment}`, ...wrapped(items), `  ${close},`];
}

/** The text before and after the values. */
function around(shape: readonly number[], dtype: string, plain: boolean): [open: string, close: string] {
  const size = `[${shape.join(", ")}]`;
  if (plain) return shape.length === 1 ? ["[", "]"] : [`{ shape: ${size}, values: [`, "] }"];
  return ["tensor([", dtype === "float" ? `], ${size})` : `], ${size}, { dtype: ${JSON.stringify(dtype)} })`];
}

function literal(value: number, dtype: string): string {
  if (dtype === "bool") return String(value !== 0);
  return Object.is(value, -0) ? "-0" : String(value);
}

/** Items, with as many on each line as fit. */
function wrapped(items: readonly string[]): string[] {
  const lines: string[] = [];
  let line = "   ";
  for (const item of items) {
    if (line.length + item.length >= WIDTH && line.trim() !== "") {
      lines.push(line);
      line = "   ";
    }
    line += ` ${item}`;
  }
  return line.trim() === "" ? lines : [...lines, line];
}
