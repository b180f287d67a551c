/** Scalar functions that no backend has: what a kernel computes wrongly, at random, or not without being counted. */
import { backendNamed } from "../../core/backends/list.ts";
import type { Write } from "../../core/backends/functions.ts";

const DEVICES = ["cpu", "webasm", "headlessgl", "webgl", "webgl2", "webgpu"];

let planted = 0;

/** Adds a function to all backends, as it is on the oracle and where devices have another one; returns its name. */
export function plantFunction(onOracle: Write, onDevices: Write = onOracle): string {
  const name = `planted${++planted}`;
  const add = (backend: string, write: Write) => {
    const target = backendNamed(backend).dialect;
    Object.assign(target, { functions: { ...target.functions, [name]: { write } } });
  };
  add("float64", onOracle);
  for (const device of DEVICES) add(device, onDevices);
  return name;
}
