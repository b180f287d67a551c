/** TensorFlow.js on its WebAssembly backend. */
import * as tf from "@tensorflow/tfjs";
import { getThreadsCount, setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { type Library, type Prepared, type Problem, written } from "./library.ts";

/** The path under which the server of pages has the backend's files. */
const ON_PAGES = "/tfjs/";

export async function open(_: string, threads: number): Promise<Library> {
  const onPage = typeof document !== "undefined";
  setWasmPaths(onPage ? ON_PAGES : await installed());
  setThreadsCount(threads);
  // It takes at most half of the cores.
  if (onPage) Object.defineProperty(navigator, "hardwareConcurrency", { value: 2 * threads });
  if (!await tf.setBackend("wasm")) throw new Error("the backend wasm does not start");
  tf.enableProdMode();
  const simd = await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT") ? "SIMD" : "no SIMD";
  const count = getThreadsCount() === 1 ? "1 thread" : `${getThreadsCount()} threads`;
  return {
    version: tf.version.tfjs,
    configuration: `wasm, ${simd}, ${count}${onPage ? ", on a page" : ""}; production mode, tidy; float32, contiguous`,
    prepare,
  };
}

async function installed(): Promise<string> {
  const { createRequire } = await import("node:module");
  const { dirname } = await import("node:path");
  const found = createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm/package.json");
  return `${dirname(found)}/dist/`;
}

function prepare(problem: Problem): Prepared {
  const { subject, sizes, mode } = problem;
  const { run: make, calls, original } = written(subject.code.tfjs, "TensorFlow.js", problem);
  const run = make(tf, sizes);
  const { gradients, constants = [] } = subject;
  const send = ({ data, shape }: Problem["calls"][number][number]) =>
    tf.tensor(data, [...shape], data instanceof Float32Array ? "float32" : "int32");
  const kept = calls.map((inputs) =>
    inputs.map((input, i) => mode === "resident" || constants.includes(i) ? send(input) : null)
  );
  const compute = (call: number): readonly tf.Tensor[] => {
    const inputs = calls[call].map((input, i) => kept[call][i] ?? send(input));
    if (!gradients) return [run(inputs, calls[call])].flat() as tf.Tensor[];
    const loss = (...some: tf.Tensor[]) => {
      const all = [...inputs];
      gradients.forEach((at, i) => all[at] = some[i]);
      return run(all, calls[call]) as tf.Scalar;
    };
    const { value, grads } = tf.valueAndGrads(loss)(gradients.map((i) => inputs[i]));
    return [value, ...grads];
  };
  return {
    step(call) {
      const results = tf.tidy(() => compute(call) as tf.Tensor[]);
      const read = mode === "read" ? results.map((result) => result.dataSync()) : null;
      tf.dispose(results);
      return read;
    },
    results() {
      const results = tf.tidy(() => compute(0) as tf.Tensor[]);
      const read = results.map((result) => original({ shape: result.shape, data: result.dataSync() as Float32Array }));
      tf.dispose(results);
      return Promise.resolve(read);
    },
    release: () => kept.flat().forEach((tensor) => tensor?.dispose()),
  };
}
