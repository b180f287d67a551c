/** `gpugrad check`: checks the functions that a module exports. */
import { existsSync } from "node:fs";
import process from "node:process";
import { type Shard, shareOut } from "../verify/blocks.ts";
import { CommandError, oneOf, parse, positive, wholeNumber } from "./arguments.ts";
import { invocation } from "./invocation.ts";
import type { LoadedCheck } from "./messages.ts";
import { EXIT, output, requireWritable } from "./output.ts";
import { showLoading } from "./progress.ts";
import { LOADING, reasonOf, type Request, runAll } from "./run.ts";
import { Session } from "./session.ts";

const help = `Usage: gpugrad check FILE [options]

Checks the gradients of the functions that FILE exports, on generated inputs. FILE is a plain module:

  import { square, sum } from "gpugrad";
  import { check, tensors } from "gpugrad/verify";

  export const sumOfSquares = check((x) => sum(square(x)), tensors([[2, 3]]));

A plain function takes arrays of numbers, one for each input, and has a gradient of its own, written by hand or
computed by another library:

  import { check, tensors } from "gpugrad/verify";

  export const byHand = check({
    value: ([x]) => x[0] ** 2 * x[1],
    gradient: ([x]) => [[2 * x[0] * x[1], x[0] ** 2]],
  }, tensors([[2]]));

JavaScript or TypeScript; Node loads TypeScript from 22.18, and before that where the package
esbuild is installed, or typescript before version 7.

Options:
  --only NAME    check only this export; can be repeated
  --device NAME  also compare values and gradients on this device with the oracle: a name listed by
                 'gpugrad devices', or float64 for the oracle alone; default: the fastest
  --order 1|2    2 also checks the gradient of the gradient; default: the check's own, or 1
  --mode MODE    full tests each element, fast a few random directions first; default: the check's own, or by size
  --runs N       number of generated inputs per function; default: the check's own, or 100
  --seed N       seed of inputs and directions; default: random
  --path PATH    replay one input, and shrink a failure again; used with --seed, as in the 'Replay:' line of a report
  --timeout S    seconds that each function may take, after which it is undecided; default: no limit
  --shard I/N    run only part I of N, for merging the reports later; needs --seed
  --json FILE    write the report as JSON, as described by gpugrad/report.schema.json
  --html FILE    write the report as an HTML page with pictures
  -h, --help     print this text

The verdict on an element of a gradient:
  ok        agrees with a witness: dual numbers for functions of tensors, finite differences for plain ones
  wrong     differs from it by more than the errors of both explain
  kink      there is no derivative: the one-sided slopes differ, and the gradient lies between them
  noise     cannot be decided: the error of the witness is too large beside the derivative
  untested  was not examined, and does not count as passed
A function is wrong if an element or another test is wrong at any input. It is undecided if it could not be
checked, or if most of its inputs or elements could not be decided.

Ctrl-C ends the run, and prints what there is.

Exit code: 0 all right, 1 a gradient is wrong, 2 something could not be checked, 130 ended by Ctrl-C.`;

const OPTIONS = {
  only: { type: "string", multiple: true },
  device: { type: "string" },
  order: { type: "string" },
  mode: { type: "string" },
  runs: { type: "string" },
  seed: { type: "string" },
  path: { type: "string" },
  timeout: { type: "string" },
  shard: { type: "string" },
  json: { type: "string" },
  html: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** The options of the command, parsed. */
interface Asked extends Request {
  readonly only: readonly string[] | null;
  readonly shard: Shard | null;
  readonly files: { readonly json?: string; readonly html?: string };
}

/** Runs the command and returns the exit code. */
export async function check(args: string[]): Promise<number> {
  const asked = parseCheck(args);
  if (asked === null) {
    console.log(help);
    return EXIT.ok;
  }
  const { file, given, seed, path, shard, files } = asked;
  if (!existsSync(file)) throw new CommandError(`check: there is no file ${file}`);
  await requireWritable(files, [file]);
  const session = new Session();
  const release = interruptible(session);
  try {
    const found = await load(session, asked);
    const wanted = select(found, asked);
    const parts = path === null
      ? [...shareOut(wanted.map(({ name, options: { runs } }) => ({ name, runs })), shard)]
        .map(([name, blocks]) => ({ name, blocks }))
      : [{ name: wanted[0].name, blocks: null }];
    const checks = await runAll(session, parts, asked);
    await session.end();
    const options = { given, checks: Object.fromEntries(wanted.map(({ name, options }) => [name, options])) };
    const code = await output({ version: 1, file, seed, shard, checks, command: invocation(), options }, files);
    return session.interrupted ? EXIT.interrupted : code;
  } finally {
    session.stop();
    release();
  }
}

/** Parses the arguments; `null` if help is asked for. */
function parseCheck(args: string[]): Asked | null {
  const { values, positionals } = parse({ args, allowPositionals: true, options: OPTIONS });
  if (values.help) return null;
  if (positionals.length !== 1) {
    throw new CommandError(`check: expected one file, got ${positionals.length}. See gpugrad check --help`);
  }
  const shard = values.shard === undefined ? null : parseShard(values.shard);
  if (shard && values.seed === undefined) throw new CommandError("--shard: needs --seed, the same for every shard");
  if (values.path !== undefined && values.seed === undefined) {
    throw new CommandError("--path: needs the --seed that it belongs to");
  }
  if (values.path !== undefined && shard) {
    throw new CommandError("--path: replays a single input, which --shard cannot split");
  }
  if (values.path !== undefined && !/^\d+(:\d+)+$/.test(values.path)) {
    throw new CommandError(
      `--path: expected the path of a 'Replay:' line, such as 0:3, got ${JSON.stringify(values.path)}`,
    );
  }
  const { order, mode, runs, device, json, html } = values;
  return {
    file: positionals[0],
    given: {
      ...(runs === undefined ? {} : { runs: wholeNumber("--runs", runs, 1) }),
      ...(order === undefined ? {} : { order: Number(oneOf("--order", order, ["1", "2"])) as 1 | 2 }),
      ...(mode === undefined ? {} : { mode: oneOf("--mode", mode, ["full", "fast"]) }),
      ...(device === undefined ? {} : { device }),
      ...(values.timeout === undefined ? {} : { timeout: positive("--timeout", values.timeout) }),
    },
    only: values.only ?? null,
    seed: values.seed === undefined
      ? Math.floor(Math.random() * 2 ** 31)
      : wholeNumber("--seed", values.seed, -Infinity),
    path: values.path ?? null,
    shard,
    limit: values.timeout === undefined ? Infinity : 1000 * positive("--timeout", values.timeout),
    files: { json, html },
  };
}

function parseShard(text: string): Shard {
  const [, index, count] = text.match(/^(\d+)\/(\d+)$/) ?? [];
  if (index === undefined || Number(index) < 1 || Number(index) > Number(count)) {
    throw new CommandError(`--shard: expected I/N with I from 1 to N, such as 2/3, got ${JSON.stringify(text)}`);
  }
  return { index: Number(index), count: Number(count) };
}

/** Lets Ctrl-C end the run; a second one ends the command at once. Returns how to undo it. */
function interruptible(session: Session): () => void {
  const stop = () => {
    if (session.interrupted) process.exit(EXIT.interrupted);
    session.interrupt();
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, stop);
  return () => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, stop);
  };
}

/** The checks that the file exports. */
async function load(session: Session, { file, given, limit }: Asked): Promise<readonly LoadedCheck[]> {
  const done = showLoading(file);
  const outcome = await session.load(file, given, limit + LOADING).finally(done);
  if (outcome.kind === "loaded") return outcome.checks;
  throw new CommandError(
    outcome.kind === "refused" ? outcome.message : `check: loading ${file} ${reasonOf(outcome, limit + LOADING)}`,
  );
}

/** The checks to run, by name. */
function select(found: readonly LoadedCheck[], { file, only, path }: Asked): LoadedCheck[] {
  const names = found.map(({ name }) => name);
  const unknown = (only ?? []).filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    throw new CommandError(`--only: ${file} has no check ${unknown.join(", ")}; it has ${names.join(", ")}`);
  }
  const wanted = found.filter(({ name }) => only === null || only.includes(name));
  if (path !== null && wanted.length > 1) {
    throw new CommandError(
      `--path: needs --only to select its check, one of ${wanted.map(({ name }) => name).join(", ")}`,
    );
  }
  return wanted;
}
