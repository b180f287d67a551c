/** The command line of the bench. */
import { parseArgs } from "node:util";
import { type Case, type Mode, MODES, type Sizes } from "../cases/case.ts";
import { CASES } from "../cases/list.ts";
import { PEER_NAMES } from "./entrants.ts";
import type { Row } from "./row.ts";
import type { Effort } from "./turns.ts";

export const GROUPS = ["loss", "losses", "ops", "growth", "memory"] as const;

export const HELP = `npm run bench -- [${GROUPS.join("] [")}]   default loss

  --device LIST        devices of gpugrad, with a runtime if it is not Node: wasm,webasm,deno:webgpu; default wasm
  --threads LIST       default 1,2
  --batch LIST         batches of the whole loss; default 1,8,32
  --peers LIST         ${PEER_NAMES.join(",")}; default all; with --quick not js-pytorch, which is slow
  --only LIST          cases whose names contain one of these
  --sizes LIST         other sizes of the cases, such as boxes=500,classes=20
  --mode LIST          resident: tensors stay on the device; read: inputs are new to it, results are read;
                       recording: of the whole loss, before anything is computed; default all
  --read               the same as --mode read
  --quick              few samples, of a selection of cases
  --rounds N           turns of each contestant; default 10, quick 4
  --python PATH        default /usr/bin/python3
  --torch-device NAME  cpu or cuda; default cpu
  --json FILE          writes the results
  --compare FILE       shows what changed against earlier results`;

export interface Options {
  readonly help: boolean;
  readonly groups: readonly string[];
  readonly devices: readonly string[];
  readonly threads: readonly number[];
  readonly batches: readonly number[];
  readonly peers: readonly string[];
  readonly only: readonly string[];
  readonly sizes: Sizes;
  readonly modes: readonly Mode[];
  readonly quick: boolean;
  readonly effort: Effort;
  readonly python: string;
  readonly torchDevice: string;
  readonly json: string | undefined;
  readonly compare: string | undefined;
}

const text = { type: "string" } as const, flag = { type: "boolean", default: false } as const;

const list = (value: string | undefined, otherwise: readonly string[]): readonly string[] =>
  value?.split(",").filter(Boolean) ?? otherwise;

function oneOf<T extends string>(option: string, allowed: readonly T[], values: readonly string[]): T[] {
  for (const value of values) {
    if (!(allowed as readonly string[]).includes(value)) {
      throw new Error(`${option}: expected one of ${allowed.join(", ")}, got "${value}"`);
    }
  }
  return values as T[];
}

function numbers(option: string, values: readonly string[]): number[] {
  return values.map((value) => {
    const number = Number(value);
    if (!Number.isInteger(number) || number < 1) {
      throw new Error(`${option}: expected whole numbers above 0, got "${value}"`);
    }
    return number;
  });
}

export function readOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      help: flag,
      device: text,
      threads: text,
      batch: text,
      peers: text,
      only: text,
      sizes: text,
      mode: text,
      read: flag,
      quick: flag,
      rounds: text,
      python: { ...text, default: "/usr/bin/python3" },
      "torch-device": { ...text, default: "cpu" },
      json: text,
      compare: text,
    },
  });
  const { quick, read } = values;
  const [rounds] = numbers("--rounds", [values.rounds ?? (quick ? "4" : "10")]);
  return {
    help: values.help,
    groups: oneOf("the selection", GROUPS, positionals.length > 0 ? positionals : ["loss"]),
    devices: list(values.device, ["wasm"]),
    threads: numbers("--threads", list(values.threads, ["1", "2"])),
    batches: numbers("--batch", list(values.batch, ["1", "8", "32"])),
    peers: oneOf(
      "--peers",
      PEER_NAMES,
      list(values.peers, PEER_NAMES.filter((name) => !quick || name !== "js-pytorch")),
    ),
    only: list(values.only, [""]),
    sizes: Object.fromEntries(
      list(values.sizes, []).map((text) => {
        const [name, size] = text.split("=");
        return [name, numbers("--sizes", [size])[0]];
      }),
    ),
    modes: read ? ["read"] : oneOf("--mode", MODES, list(values.mode, MODES)),
    quick,
    effort: { rounds, turn: quick ? 60 : 200, most: quick ? 1500 : 20_000, warmUp: quick ? 150 : 1000 },
    python: values.python,
    torchDevice: values["torch-device"],
    json: values.json,
    compare: values.compare,
  };
}

/** The rows that were asked for. */
export function chosenRows({ groups, batches, only, sizes: given, modes, quick }: Options): Row[] {
  const resized = (sizes: Sizes): Sizes =>
    Object.fromEntries(Object.entries(sizes).map(([name, size]) => [name, given[name] ?? size]));
  const sizesOf = ({ group, sizes }: Case): readonly Sizes[] =>
    group === "loss" ? batches.map((batch) => ({ ...sizes[0], batch })) : sizes;
  return CASES
    .filter(({ group, name }) => groups.includes(group) && only.some((part) => name.includes(part)))
    // Cases that are asked for by name are measured in any case.
    .filter((one) => one.quick || !quick || !only.includes(""))
    .flatMap((subject) =>
      sizesOf(subject).flatMap((sizes) =>
        modes.filter((mode) => mode !== "recording" || subject.group === "loss").map((mode): Row => ({
          subject,
          sizes: resized(sizes),
          mode,
        }))
      )
    );
}
