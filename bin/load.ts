/** Loads the module under check. */
import { spawnSync } from "node:child_process";
import { extname, relative, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { runtime } from "../core/runtime.ts";
import { type Check, isCheck } from "../verify/check.ts";
import { CommandError } from "./arguments.ts";
import { hookInto } from "./hooks.ts";

/** Shown if a module does not export checks. */
const CONVENTION = `A file to check exports the results of check() from "gpugrad/verify":

  import { square, sum } from "gpugrad";
  import { check, tensors } from "gpugrad/verify";

  export const sumOfSquares = check((x) => sum(square(x)), tensors([[2, 3]]));`;

/** The checks that a module exports, by name, in a stable order. */
export async function loadChecks(file: string): Promise<Map<string, Check>> {
  const path = resolve(file);
  const { href } = pathToFileURL(path);
  if (runtime() === "node") hookInto();
  let exported: Record<string, unknown>;
  try {
    exported = await import(`file://${href.slice("file://".length)}`);
  } catch (error) {
    throw new CommandError(explain(file, error, placeOf(error, path)));
  }
  const checks = new Map<string, Check>();
  for (const name of Object.keys(exported).sort()) {
    const value = exported[name];
    if (isCheck(value)) checks.set(name, value);
  }
  if (checks.size > 0) return checks;
  const names = Object.keys(exported);
  const others = names.length === 0 ? "it exports nothing" : `it exports ${names.join(", ")}, but no check`;
  throw new CommandError(`check: there is nothing to check in ${file}: ${others}.\n${CONVENTION}`);
}

/** Explains why a module could not be loaded, and what to do. */
function explain(file: string, error: unknown, place: string): string {
  const { code, message } = error as { code?: string; message?: string };
  if (code === "ERR_UNKNOWN_FILE_EXTENSION" && /^\.[cm]?tsx?$/.test(extname(file))) {
    return `check: this Node does not load TypeScript by itself, so it cannot load ${file}. Any of these works:

  npm install --save-dev esbuild            and the same command again
  deno run -A npm:gpugrad check ${file}
  bunx --bun gpugrad check ${file}
  Node 22.18 or later

or compile the file to JavaScript first.`;
  }
  const hint = code === "ERR_MODULE_NOT_FOUND" && /'gpugrad(\/verify)?'/.test(message ?? "")
    ? "\nInstall it where the file is: npm install gpugrad"
    : runtime() === "node" && code === "ERR_REQUIRE_ASYNC_MODULE"
    ? '\nAdd "type": "module" to the package.json above the file, or rename it to .mjs or .mts'
    : code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX"
    ? "\nNode only strips types. For enums and the like: npm install --save-dev tsx, and " +
      `NODE_OPTIONS="--import tsx" npx gpugrad check ${file}`
    : "";
  return `check: ${file} cannot be loaded: ${message ?? String(error)}${place}${hint}`;
}

/** Describes where an error arose, on lines of its own: the line of a syntax error, or the first call in the file itself. */
function placeOf(error: unknown, path: string): string {
  const { message = "", stack = "", position } = error as {
    message?: string;
    stack?: string;
    position?: { file: string; line: number; column: number; lineText: string } | null;
  };
  if (position) {
    const { file, line, column, lineText } = position;
    return sourceLine(file, line, lineText, " ".repeat(Math.max(0, column - 1)) + "^");
  }
  const call = stack.split("\n").find((line) => /^\s+at /.test(line) && line.includes(path))?.trim();
  // Deno's messages have the place of a syntax error.
  if (call) return message.includes(call) ? "" : `\n  ${call}`;
  if (!(error instanceof SyntaxError) || runtime() !== "node") return "";
  const shown = LINE.exec(stack) ?? LINE.exec(uncaught(path));
  return shown ? sourceLine(fileURLToPath(shown[1]), Number(shown[2]), shown[3], shown[4]) : "";
}

/** How Node shows a syntax error: the file and the number of the line, the line after up to some others, and a mark below it. */
const LINE = /^(file:\S+):(\d+)\n(?:.*\n){0,4}?(.*)\n(\s*\^+)/m;

function sourceLine(file: string, line: number, text: string, mark: string): string {
  return `\n  ${relative(process.cwd(), file)}:${line}\n  ${text}\n  ${mark}`;
}

/** Returns what Node prints for an uncaught error: only there does it show the line of a syntax error. */
function uncaught(path: string): string {
  const hooks = new URL(`./hooks${extname(import.meta.url)}`, import.meta.url).href;
  const program = `import { hookInto } from ${JSON.stringify(hooks)};
hookInto();
await import(${JSON.stringify(pathToFileURL(path).href)});`;
  const args = [...process.execArgv, "--input-type=module", "--eval", program];
  return spawnSync(process.execPath, args, { encoding: "utf8", timeout: 10_000 }).stderr ?? "";
}
