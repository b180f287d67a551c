/** js-pytorch, whose tensors are nested arrays of numbers. */
import packageJson from "../../node_modules/js-pytorch/package.json" with { type: "json" };
import type { Input, JsPytorch, JsPytorchTensor } from "../cases/case.ts";
import { Cannot, type Library, type Prepared, type Problem, written } from "./library.ts";

/** Elements beyond which nested arrays are a matter of minutes and gigabytes. */
const MOST = 2 ** 23;

export async function open(): Promise<Library> {
  const { torch } = await import("js-pytorch") as unknown as { torch: JsPytorch };
  return {
    version: packageJson.version,
    configuration: "cpu; nested arrays of numbers, 1 thread",
    prepare: (problem) => prepare(problem, torch),
  };
}

function nested({ data, shape }: Input): unknown[] {
  let rows: unknown[] = Array.from(data);
  for (let axis = shape.length - 1; axis > 0; axis--) {
    const parts: unknown[] = [];
    for (let i = 0; i < rows.length; i += shape[axis]) parts.push(rows.slice(i, i + shape[axis]));
    rows = parts;
  }
  return rows;
}

const flat = (data: unknown): number[] => ([data].flat(Infinity) as number[]);

function prepare(problem: Problem, torch: JsPytorch): Prepared {
  const { subject, sizes, mode } = problem;
  const { run: make, calls } = written(subject.code.jsPytorch, "js-pytorch", problem);
  const run = make(torch, sizes);
  if (calls[0].some(({ data }) => data.length > MOST)) throw new Cannot("nested arrays of this size take too long");
  const { gradients } = subject;
  const send = (input: Input, i: number): JsPytorchTensor =>
    torch.tensor(nested(input), gradients?.includes(i) ?? false);
  const kept = mode === "resident" ? calls.map((inputs) => inputs.map(send)) : null;
  const compute = (call: number): JsPytorchTensor[] => {
    const inputs = kept?.[call] ?? calls[call].map(send);
    const result = [run(inputs, calls[call])].flat() as JsPytorchTensor[];
    if (!gradients) return result.map(({ data }) => data);
    gradients.forEach((i) => inputs[i].zero_grad());
    result[0].backward();
    return [result[0].data, ...gradients.map((i) => inputs[i].grad)];
  };
  return {
    step(call) {
      const results = compute(call);
      return mode === "read" ? results.map((result) => Float32Array.from(flat(result))) : results;
    },
    results: () => Promise.resolve(compute(0).map(flat)),
    release: () => {},
  };
}
