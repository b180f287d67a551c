/** Plain JavaScript written for speed. */
import process from "node:process";
import { type Library, written } from "./library.ts";

export function open(): Promise<Library> {
  return Promise.resolve({
    version: process.version,
    configuration: "loops over typed arrays, which are kept; one thread",
    prepare({ subject, sizes, calls }) {
      const run = written(subject.code.javascript, "plain JavaScript")(sizes);
      const arrays = calls.map((inputs) => inputs.map(({ data }) => data));
      return {
        step: (call) => run(arrays[call]),
        results: () => Promise.resolve(run(arrays[0])),
        release: () => {},
      };
    },
  });
}
