/** The limit of any library that computes in memory: inputs are read and results written once, and nothing is computed. */
import { count, type Data } from "../cases/case.ts";
import { engine, type Library, type Prepared, type Problem } from "./library.ts";

export function open(): Promise<Library> {
  return Promise.resolve({
    version: engine(),
    configuration: "typed arrays: `set` of the inputs into one array, `fill` of the results; one thread",
    prepare,
  });
}

/** Results of gradients are as large as their inputs; otherwise a result is as large as the first input, unless the case says. */
function prepare({ subject, sizes, calls }: Problem): Prepared {
  const [first] = calls;
  const { gradients, constants = [], results = () => [first[0].shape] } = subject;
  const shapes = gradients ? [[], ...gradients.map((i) => first[i].shape)] : results(sizes);
  const sent = first.map((_, i) => i).filter((i) => !constants.includes(i));
  const read: readonly Data[] = sent.map((i) => first[i].data.slice());
  const written = shapes.map((shape) => new Float32Array(count(shape)));
  let fill = 0;
  return {
    step(call) {
      sent.forEach((i, k) => read[k].set(calls[call][i].data));
      fill++;
      for (const array of written) array.fill(fill);
    },
    results: () => Promise.resolve([]),
    release: () => {},
  };
}
