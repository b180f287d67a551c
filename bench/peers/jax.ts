/** jax-js on its WebAssembly backend, compiled by `jit`. */
import packageJson from "../../node_modules/@jax-js/jax/package.json" with { type: "json" };
import type { numpy } from "@jax-js/jax";
import type { Data } from "../cases/case.ts";
import { type Library, type Prepared, type Problem, written } from "./library.ts";

// jax-js refers to Float16Array, which Node has since version 24.
if (!("Float16Array" in globalThis)) Object.assign(globalThis, { Float16Array: class {} });

type Jax = typeof import("@jax-js/jax");

export async function open(_: string, threads: number): Promise<Library> {
  const jax = await import("@jax-js/jax");
  const devices = await jax.init("wasm");
  if (!devices.includes("wasm")) throw new Error("the backend wasm does not start");
  jax.defaultDevice("wasm");
  // It starts threads where there are workers as in browsers.
  const shared = typeof Worker !== "undefined" && typeof SharedArrayBuffer !== "undefined";
  const onPage = typeof document !== "undefined";
  return {
    version: packageJson.version,
    configuration: `wasm, ${shared ? `up to ${threads} threads` : "1 thread"}${
      onPage ? ", on a page" : ""
    }; jit; float32, contiguous`,
    prepare: (problem) => prepare(problem, jax),
  };
}

function prepare(problem: Problem, jax: Jax): Prepared {
  const { subject, sizes, mode } = problem;
  const { run: make, calls, original } = written(subject.code.jax, "jax-js", problem);
  const run = make(jax, sizes);
  const { gradients, constants = [] } = subject;
  const send = ({ data, shape }: Problem["calls"][number][number]) =>
    jax.numpy.array(data, {
      shape: [...shape],
      dtype: data instanceof Float32Array ? jax.numpy.float32 : jax.numpy.int32,
    });
  const kept = calls.map((inputs) =>
    inputs.map((input, i) => mode === "resident" || constants.includes(i) ? send(input) : null)
  );
  const whole = (...inputs: numpy.Array[]) => run(inputs, calls[0]) as numpy.Array;
  const compiled = jax.jit(
    gradients ? jax.valueAndGrad(whole, { argnums: [...gradients] }) : whole,
  ) as unknown as (...inputs: numpy.Array[]) => numpy.Array | numpy.Array[] | [numpy.Array, numpy.Array[]];
  const compute = (call: number) =>
    [compiled(...calls[call].map((input, i) => kept[call][i]?.ref ?? send(input)))].flat(2) as numpy.Array[];
  const read = (results: readonly numpy.Array[]): Promise<Data[]> =>
    Promise.all(results.map((result) => result.data() as Promise<Data>));
  return {
    async step(call) {
      const results = compute(call);
      if (mode === "read") return await read(results);
      await jax.blockUntilReady(results);
      results.forEach((result) => result.dispose());
    },
    async results() {
      const results = compute(0);
      const shapes = results.map(({ shape }) => shape);
      return (await read(results)).map((data, i) => original({ shape: shapes[i], data }));
    },
    release: () => kept.flat().forEach((array) => array?.dispose()),
  };
}
