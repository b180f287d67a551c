/** WebAssembly of our own, rendered from the loop form: SIMD, one memory for all plans, threads where they can share it. */
import { RUNTIMES } from "../runtime.ts";
import type { Backend, Driver } from "./backend.ts";
import { commonLimits, hostCosts } from "./budgets.ts";
import { common, type Dialect } from "./dialect.ts";
import { Turns } from "./turns.ts";
import { Memory } from "./wasm/memory.ts";
import { stepText, WasmPlan } from "./wasm/plan.ts";
import { Team } from "./wasm/team.ts";

const dialect: Dialect = { ...common, name: "wasm", flat: true, exactIndex: 2 ** 31 - 1 };

export const wasm: Backend = {
  name: "wasm",
  computesOn: "host",
  runsIn: RUNTIMES,
  needs: () => null,
  dialect,
  forms: true,
  text: stepText,
  costs: hostCosts,
  limits: { ...commonLimits, name: "wasm", arguments: Infinity, iterations: Infinity },
  accuracy: "polynomials",
  arrays: Float32Array,
  driver: () => Promise.resolve(openWasm()),
};

function openWasm(): Driver {
  const turns = new Turns();
  const start = () => {
    const memory = new Memory(false);
    return { memory, team: new Team(memory), inTurn: <T>(run: () => Promise<T>) => turns.take(run) };
  };
  let shared = start();
  return {
    backend: () => "wasm",
    executor: () => "1 thread",
    fallbackReason: () => null,
    description: () => "WebAssembly",
    compile: (plan) => new WasmPlan(plan, shared),
    reopen: async () => {
      shared = start();
    },
    dispose: () => {
      shared = start();
    },
  };
}
