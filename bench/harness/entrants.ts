/** The contestants of a run: devices of gpugrad and peers, each with a number of threads. */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Contestant, type Entrant, Remote } from "./contestant.ts";
import type { Pages } from "./page.ts";
import { openProcess } from "./process.ts";

export interface EntrantOptions {
  /** Devices of gpugrad, with a runtime if it is not Node: `wasm`, `deno:webgpu`, `chromium:webgl2`. */
  readonly devices: readonly string[];
  readonly threads: readonly number[];
  readonly peers: readonly string[];
  readonly python: string;
  readonly torchDevice: string;
  /** The folder in which contestants find inputs and leave results. */
  readonly folder: string;
  readonly pages: Pages;
  /** Variables that a device needs in a runtime, such as a display. */
  readonly env: (runtime: string, device: string) => Readonly<Record<string, string>>;
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

function programOf(
  entrant: Omit<Entrant, "threads">,
  { runtime, name, threads }: Program,
  { folder, pages, env }: EntrantOptions,
): Contestant {
  const full: Entrant = { ...entrant, label: `${entrant.label}${threadsText(threads)}`, threads };
  return new Remote(full, () => {
    if (runtime === "chromium") return pages.open(name, threads ?? 1);
    const command = RUNTIMES[runtime];
    if (!command) throw new Error(`expected a runtime (${Object.keys(RUNTIMES).join(", ")}), got "${runtime}"`);
    const [program, ...args] = command(pathOf("program.ts"));
    return Promise.resolve(openProcess(program, [...args, folder, name, `${threads ?? 1}`], env(runtime, name)));
  });
}

function devicesOf(options: EntrantOptions): Contestant[] {
  return options.devices.flatMap((device) => {
    const [name, runtime = "node"] = device.split(":").reverse();
    const counts: readonly (number | null)[] = WITH_THREADS.includes(name) ? options.threads : [null];
    const entrant = { label: device, kind: "gpugrad" as const, script: false };
    return counts.map((threads) => programOf(entrant, { runtime, name, threads }, options));
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

const inNode =
  (label: string, name: string, kind: Entrant["kind"] = "peer") => (options: EntrantOptions): Contestant[] => [
    programOf({ label, kind, script: kind === "peer" }, { runtime: "node", name, threads: null }, options),
  ];

/** A library that has threads on pages only. */
const onPages = (label: string, name: string) => (options: EntrantOptions): Contestant[] =>
  options.threads.map((threads) => {
    const runtime = threads === 1 ? "node" : "chromium";
    return programOf({ label, kind: "peer", script: true }, { runtime, name, threads }, options);
  });

/** Peers by the names of `--peers`. */
const PEERS: Readonly<Record<string, (options: EntrantOptions) => Contestant[]>> = {
  torch,
  tfjs: onPages("TensorFlow.js", "tfjs"),
  jax: onPages("jax-js", "jax"),
  "js-pytorch": inNode("js-pytorch", "js-pytorch"),
  js: inNode("plain JavaScript", "javascript"),
  limit: inNode("limit", "limit", "limit"),
};

export const PEER_NAMES: readonly string[] = Object.keys(PEERS);

/** All that take part, those of gpugrad first. */
export function entrants(options: EntrantOptions): Contestant[] {
  return [...devicesOf(options), ...options.peers.flatMap((name) => PEERS[name](options))];
}
