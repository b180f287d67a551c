/** gpugrad on one of its devices. */
import packageJson from "../../package.json" with { type: "json" };
import { Program } from "../../core/program.ts";
import { type DataArray, type Device, grad, realize, slice, type Tensor, tensor, useDevice } from "../../mod.ts";
import type { Input } from "../cases/case.ts";
import type { Library, Prepared, Problem } from "./library.ts";

export async function open(name: string): Promise<Library> {
  const device = await useDevice(name);
  return {
    version: packageJson.version,
    configuration: `${device.description}; recorded at each call, realized together, disposed of; float32, contiguous`,
    prepare: (problem) => prepare(problem, device),
  };
}

const leafOf = ({ data, shape }: Input): Tensor =>
  tensor(data, shape, { copy: false, dtype: data instanceof Int32Array ? "int" : "float" });

function prepare({ subject, sizes, mode, calls }: Problem, device: Device): Prepared {
  const run = subject.code.gpugrad(sizes);
  const { gradients, constants = [] } = subject;
  const fixed = calls.map((inputs) => inputs.map(leafOf));
  const leaves = (call: number) =>
    mode !== "read"
      ? fixed[call]
      : calls[call].map((input, i) => constants.includes(i) ? fixed[call][i] : leafOf(input));
  const record = (call: number, inputs = leaves(call)): readonly Tensor[] => {
    const result = run(inputs, calls[call]);
    if (!gradients) return Array.isArray(result) ? result : [result as Tensor];
    return [result as Tensor, ...grad(result as Tensor, gradients.map((i) => inputs[i]))];
  };
  /** Values on a GPU are computed while the program goes on: reading one number waits for them. */
  const waits = /gpu|gl/.test(device.name);
  const read: DataArray[] = [];
  const step = async (call: number) => {
    const inputs = leaves(call);
    const results = record(call, inputs);
    if (mode === "recording") return void new Program<Tensor>(results, { on: device.name }).key;
    await realize(results);
    if (mode === "read") {
      await Promise.all(results.map((result, i) => result.data({ into: read[i] ??= arrayFor(result) })));
      for (const leaf of inputs) if (!fixed[call].includes(leaf)) leaf.dispose();
    } else if (waits) await firstOf(results[0]).item();
    for (const result of results) result.dispose();
  };
  return {
    step,
    async results() {
      const results = record(0);
      await realize(results);
      return await Promise.all(results.map((result) => result.data()));
    },
    release: () => {},
  };
}

/** An array that takes the elements of a tensor, call after call. */
function arrayFor({ dtype, size }: Tensor): DataArray {
  return dtype === "float" ? new Float32Array(size) : dtype === "int" ? new Int32Array(size) : new Uint8Array(size);
}

const firstOf = (x: Tensor): Tensor => x.shape.length === 0 ? x : slice(x, x.shape.map(() => 0));
