/** Opens the device: its memory, its threads, and the plans that they share. */
import type { startThread as startWorker } from "../../runtime.ts";
import type { Driver } from "../backend.ts";
import { Turns } from "../turns.ts";
import { Memory } from "./memory.ts";
import { hasMultiplyAdd } from "./multiply_add.ts";
import { type Shared, WasmPlan } from "./plan.ts";
import { Team, threadsWanted, whyAlone } from "./team.ts";

/**
 * Opens it.
 *
 * @param threads how many compute, the calling one included; default as many as the machine offers.
 * @param startThread how others are started.
 * @param multiplyAdd whether kernels take fused multiply-add, as the plans do that it compiles; default whether the engine has it.
 */
export function openWasm(
  threads = threadsWanted(),
  startThread?: typeof startWorker,
  multiplyAdd = hasMultiplyAdd(),
): Driver {
  const turns = new Turns();
  const start = (memory: Memory): Shared => {
    return { memory, team: new Team(memory, threads, startThread), multiplyAdd, inTurn: (run) => turns.take(run) };
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
