/** `gpugrad check`: checks the functions that a module exports. */
import { availableDevices } from "../mod.ts";
import { type Block, runBlocks, type Shard, shareOut } from "../verify/blocks.ts";
import { type Check, runCheck } from "../verify/check.ts";
import type { CheckReport } from "../verify/report/report.ts";
import { CommandError, parse, wholeNumber } from "./arguments.ts";
import { loadChecks } from "./load.ts";
import { output } from "./output.ts";
import { showProgress } from "./progress.ts";

const help = `Usage: gpugrad check FILE [options]

Checks the gradients of the functions that FILE exports, on generated inputs. FILE is a plain module:

  import { square, sum } from "gpugrad";
  import { check, tensors } from "gpugrad/verify";

  export const sumOfSquares = check((x) => sum(square(x)), tensors([[2, 3]]));

JavaScript or TypeScript; Node loads TypeScript from 22.18, and before that where the package
typescript is installed.

Options:
  --only NAME    check only this export; can be repeated
  --device NAME  also compare values and gradients on this device with the oracle: a name listed by
                 'gpugrad devices', or float64 for the oracle alone; default: the fastest
  --order 1|2    2 also checks the gradient of the gradient; default: the check's own, or 1
  --runs N       number of generated inputs per function; default: the check's own, or 100
  --seed N       seed of inputs and directions; default: random
  --path PATH    replay one failure and shrink it again; used with --seed, as in the 'Replay:' line of a report
  --shard I/N    run only part I of N, for merging the reports later; needs --seed
  --json FILE    write the report as JSON, as described by gpugrad/report.schema.json
  --html FILE    write the report as an HTML page with pictures
  -h, --help     print this text

Exit code: 0 all right, 1 a gradient is wrong, 2 something could not be checked.`;

const OPTIONS = {
  only: { type: "string", multiple: true },
  device: { type: "string" },
  order: { type: "string" },
  runs: { type: "string" },
  seed: { type: "string" },
  path: { type: "string" },
  shard: { type: "string" },
  json: { type: "string" },
  html: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** The number of inputs of a check that sets none. */
const RUNS = 100;

/** Runs the command and returns the exit code. */
export async function check(args: string[]): Promise<number> {
  const { values, positionals } = parse({ args, allowPositionals: true, options: OPTIONS });
  if (values.help) {
    console.log(help);
    return 0;
  }
  if (positionals.length !== 1) {
    throw new CommandError(`check: expected one file, got ${positionals.length}. See gpugrad check --help`);
  }
  const [file] = positionals;
  const shard = values.shard === undefined ? null : parseShard(values.shard);
  if (shard && values.seed === undefined) throw new CommandError("--shard: needs --seed, the same for every shard");
  if (values.path !== undefined && values.seed === undefined) {
    throw new CommandError("--path: needs the --seed that it belongs to");
  }
  if (values.path !== undefined && shard) {
    throw new CommandError("--path: replays a single input, which --shard cannot split");
  }
  const seed = values.seed === undefined
    ? Math.floor(Math.random() * 2 ** 31)
    : wholeNumber("--seed", values.seed, -Infinity);
  const runs = values.runs === undefined ? undefined : wholeNumber("--runs", values.runs, 1);
  const order = values.order === undefined ? undefined : parseOrder(values.order);

  if (values.device !== undefined) await requireDevice(values.device);

  const found = await loadChecks(file);
  const names = values.only ?? [...found.keys()];
  const unknown = names.filter((name) => !found.has(name));
  if (unknown.length > 0) {
    throw new CommandError(
      `--only: ${file} has no check ${unknown.join(", ")}; it has ${[...found.keys()].join(", ")}`,
    );
  }
  if (values.path !== undefined && names.length > 1) {
    throw new CommandError(`--path: needs --only to select its check, one of ${names.join(", ")}`);
  }

  const wanted = [...new Set(names)].sort().map((name) => ({
    name,
    runs: runs ?? found.get(name)!.options.runs ?? RUNS,
  }));
  const blocks = values.path === undefined
    ? shareOut(wanted, seed, shard)
    : new Map([[names[0], [{ name: names[0], index: 0, seed, runs: 1 }]]]);
  const options = { order, device: values.device, path: values.path };
  const checks = await runAll(blocks, found, options);
  return await output({ version: 1, file, seed, shard, checks }, values);
}

async function runAll(
  blocks: ReadonlyMap<string, readonly Block[]>,
  found: ReadonlyMap<string, Check>,
  options: { readonly order?: 1 | 2; readonly device?: string; readonly path?: string },
): Promise<CheckReport[]> {
  const runsOf = (list: readonly Block[]) => list.reduce((sum, { runs }) => sum + runs, 0);
  const progress = showProgress([...blocks.values()].reduce((sum, list) => sum + runsOf(list), 0));
  const reports: CheckReport[] = [];
  try {
    for (const [name, list] of blocks) {
      progress.start(name, runsOf(list));
      reports.push(
        await runBlocks(list, async (block) => {
          const report = await runCheck(found.get(name)!, { ...options, name, seed: block.seed, runs: block.runs });
          progress.add(report.runs);
          return report;
        }),
      );
      progress.end();
    }
  } finally {
    progress.stop();
  }
  return reports;
}

async function requireDevice(name: string): Promise<void> {
  if (name === "auto") return;
  const devices = await availableDevices();
  const device = devices.find((d) => d.name === name);
  if (!device) {
    const names = devices.map((d) => d.name).join(", ");
    throw new CommandError(`--device: expected one of ${names}, got ${JSON.stringify(name)}`);
  }
  if (!device.available) throw new CommandError(`--device: ${name} does not work here: ${device.reason}`);
}

function parseShard(text: string): Shard {
  const [, index, count] = text.match(/^(\d+)\/(\d+)$/) ?? [];
  if (index === undefined || Number(index) < 1 || Number(index) > Number(count)) {
    throw new CommandError(`--shard: expected I/N with I from 1 to N, such as 2/3, got ${JSON.stringify(text)}`);
  }
  return { index: Number(index), count: Number(count) };
}

function parseOrder(text: string): 1 | 2 {
  if (text !== "1" && text !== "2") throw new CommandError(`--order: expected 1 or 2, got ${JSON.stringify(text)}`);
  return text === "1" ? 1 : 2;
}
