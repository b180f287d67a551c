/** WebAssembly of our own, rendered from the loop form: SIMD, one memory for all plans, threads where they can share it. */
import { needsOfPolicy, RUNTIMES } from "../runtime.ts";
import type { Backend, Driver } from "./backend.ts";
import { commonLimits, hostCosts } from "./budgets.ts";
import { common, type Dialect } from "./dialect.ts";
import type { ScalarFunctions } from "./functions.ts";
import { Turns } from "./turns.ts";
import { LANE_ULPS } from "./wasm/lanes.ts";
import { Memory } from "./wasm/memory.ts";
import { type Shared, stepText, WasmPlan } from "./wasm/plan.ts";
import { Team, threadsWanted, whyAlone } from "./wasm/team.ts";

/** The functions by their accuracy in lanes. */
const functions: ScalarFunctions = Object.fromEntries(
  Object.entries(common.functions).map(([name, { write, ulps }]) => [name, { write, ulps: LANE_ULPS[name] ?? ulps }]),
);

const dialect: Dialect = { ...common, name: "wasm", functions, flat: true, exactIndex: 2 ** 31 - 1 };

export const wasm: Backend = {
  name: "wasm",
  computesOn: "host",
  runsIn: RUNTIMES,
  needs: (runtime) => needsOfPolicy(runtime, "'wasm-unsafe-eval'"),
  dialect,
  forms: true,
  loops: true,
  routines: ["order", "scatter", "scatterOnto"],
  text: stepText,
  costs: { ...hostCosts, tiled: true },
  limits: { ...commonLimits, name: "wasm", arguments: Infinity, iterations: Infinity },
  accuracy: "polynomials",
  arrays: Float32Array,
  driver: () => Promise.resolve(openWasm(threadsWanted())),
};

/**
 * Opens it.
 *
 * @param threads how many compute, the calling one included.
 * @param startThread how others are started.
 */
export function openWasm(threads: number, startThread?: typeof import("../runtime.ts").startThread): Driver {
  const turns = new Turns();
  const start = (memory: Memory): Shared => {
    return { memory, team: new Team(memory, threads, startThread), inTurn: (run) => turns.take(run) };
  };
  let shared = start(new Memory(threads > 1));
  /** Plans that are running finish with the threads that they began with, and values stay where they are. */
  const startAgain = async (): Promise<void> => {
    const { team, memory } = shared;
    shared = start(memory.allocated === 0 ? new Memory(threads > 1) : memory);
    await turns.take(() => Promise.resolve(team.end()));
  };
  return {
    backend: () => "wasm",
    executor: () => shared.team.threads === 1 ? "1 thread" : `${shared.team.threads} threads`,
    fallbackReason: () => shared.team.problem ?? whyAlone(),
    description: () => "WebAssembly",
    compile: (plan) => new WasmPlan(plan, shared),
    reopen: startAgain,
    dispose: startAgain,
  };
}
