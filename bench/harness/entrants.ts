/** Who takes part in a run: devices of gpugrad and peers, each with a number of threads. */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { root } from "../../scripts/processes.ts";
import { type Contestant, type Entrant, Remote } from "./contestant.ts";
import { openProcess } from "./process.ts";

export interface EntrantOptions {
  /** Devices of gpugrad, with a runtime if it is not Node: `wasm`, `deno:webgpu`, `chromium:webgl2`. */
  readonly devices: readonly string[];
  readonly threads: readonly number[];
  readonly peers: readonly string[];
  readonly python: string;
  readonly torchDevice: string;
  /** Where contestants find inputs and leave results. */
  readonly folder: string;
}

const pathOf = (name: string) => fileURLToPath(new URL(`../peers/${name}`, import.meta.url));

const threadsText = (threads: number | null) =>
  threads === null ? "" : threads === 1 ? ", 1 thread" : `, ${threads} threads`;

/** The command that runs a TypeScript program in a runtime. */
const RUNTIMES: Readonly<Record<string, (program: string) => [string, ...string[]]>> = {
  node: (program) => [process.execPath, "--import", "tsx", program],
  deno: (program) => ["deno", "run", "-A", program],
  bun: (program) => ["bun", program],
};

/** Devices whose work is shared among threads. */
const WITH_THREADS = ["wasm", "webasm"];

interface Program {
  readonly runtime: string;
  readonly name: string;
  readonly threads: number | null;
}

function programOf(entrant: Omit<Entrant, "threads">, { runtime, name, threads }: Program, folder: string): Contestant {
  const full: Entrant = { ...entrant, label: `${entrant.label}${threadsText(threads)}`, threads };
  return new Remote(full, () => {
    const command = RUNTIMES[runtime];
    if (!command) throw new Error(`expected a runtime (${Object.keys(RUNTIMES).join(", ")}), got "${runtime}"`);
    const [program, ...args] = command(pathOf("program.ts"));
    return Promise.resolve(openProcess(program, [...args, folder, name, `${threads ?? 1}`]));
  });
}

function devicesOf({ devices, threads, folder }: EntrantOptions): Contestant[] {
  return devices.flatMap((device) => {
    const [name, runtime = "node"] = device.split(":").reverse();
    const counts: readonly (number | null)[] = WITH_THREADS.includes(name) ? threads : [null];
    const entrant = { label: device, kind: "gpugrad" as const, script: false };
    return counts.map((threads) => programOf(entrant, { runtime, name, threads }, folder));
  });
}

function torch({ threads, python, torchDevice, folder }: EntrantOptions): Contestant[] {
  const onHost = torchDevice === "cpu";
  return (onHost ? threads : [null]).map((threads) => {
    const label = onHost ? `PyTorch${threadsText(threads)}` : `PyTorch on ${torchDevice}`;
    const args = [pathOf("pytorch_program.py"), folder, `${threads ?? 1}`, torchDevice];
    return new Remote(
      { label, kind: "peer", script: false, threads },
      () => Promise.resolve(openProcess(python, args)),
    );
  });
}

const inNode = (label: string, name: string, kind: Entrant["kind"]) => ({ folder }: EntrantOptions): Contestant[] => [
  programOf({ label, kind, script: kind === "peer" }, { runtime: "node", name, threads: null }, folder),
];

/** Peers by the names of `--peers`. */
const PEERS: Readonly<Record<string, (options: EntrantOptions) => Contestant[]>> = {
  torch,
  js: inNode("plain JavaScript", "javascript", "peer"),
  limit: inNode("limit", "limit", "limit"),
};

export const PEER_NAMES: readonly string[] = Object.keys(PEERS);

/** All that take part, those of gpugrad first. */
export function entrants(options: EntrantOptions): Contestant[] {
  return [...devicesOf(options), ...options.peers.flatMap((name) => PEERS[name](options))];
}

export { root };
