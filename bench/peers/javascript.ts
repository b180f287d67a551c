/** Plain JavaScript written for speed. */
import { engine, type Library, written } from "./library.ts";

export function open(): Promise<Library> {
  return Promise.resolve({
    version: engine(),
    configuration: "loops over typed arrays, which are kept; one thread",
    prepare(problem) {
      const { run: make, calls } = written(problem.subject.code.javascript, "plain JavaScript", problem);
      const run = make(problem.sizes);
      const arrays = calls.map((inputs) => inputs.map(({ data }) => data));
      return {
        step: (call) => run(arrays[call]),
        results: () => Promise.resolve(run(arrays[0])),
        release: () => {},
      };
    },
  });
}
