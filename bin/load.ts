/** Loads the module under check. */
import { existsSync } from "node:fs";
import module from "node:module";
import { extname, resolve } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { runtime } from "../core/runtime.ts";
import { type Check, isCheck } from "../verify/check.ts";
import { CommandError } from "./arguments.ts";
import { load } from "./hooks.ts";

/** Shown if a module does not export checks. */
const CONVENTION = `A file to check exports the results of check() from "gpugrad/verify":

  import { square, sum } from "gpugrad";
  import { check, tensors } from "gpugrad/verify";

  export const sumOfSquares = check((x) => sum(square(x)), tensors([[2, 3]]));`;

/** The checks that a module exports, by name, in a stable order. */
export async function loadChecks(file: string): Promise<Map<string, Check>> {
  const path = resolve(file);
  if (!existsSync(path)) throw new CommandError(`check: there is no file ${file}`);
  if (runtime() === "node") hookInto();
  let exported: Record<string, unknown>;
  try {
    exported = await import(pathToFileURL(path).href);
  } catch (error) {
    throw new CommandError(explain(file, error));
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

/** `registerHooks` exists from Node 22.15 and 23.5. */
type Modules = typeof module & { registerHooks?: (hooks: { load: typeof load }) => void };

/** Makes Node load the file through {@link load}, unless another loader, such as tsx, is installed. */
function hookInto(): void {
  const told = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? "").split(/\s+/)];
  if (told.some((option) => /^(-r|--require|--import|--(experimental-)?loader)(=|$)/.test(option))) return;
  const { registerHooks } = module as Modules;
  if (registerHooks) registerHooks({ load });
  else module.register(new URL(`./hooks${extname(import.meta.url)}`, import.meta.url));
}

/** Explains why a module could not be loaded, and what to do. */
function explain(file: string, error: unknown): string {
  const { code, message, stack } = error as { code?: string; message?: string; stack?: string };
  if (code === "ERR_UNKNOWN_FILE_EXTENSION" && /^\.[cm]?tsx?$/.test(extname(file))) {
    return `check: this Node does not load TypeScript by itself, so it cannot load ${file}. Any of these works:

  npm install --save-dev typescript         and the same command again
  deno run -A npm:gpugrad check ${file}
  bunx --bun gpugrad check ${file}
  Node 22.18 or later

or compile the file to JavaScript first.`;
  }
  const where = stack?.split("\n").find((line) => /^\s+at /.test(line) && line.includes(file))?.trim();
  const hint = code === "ERR_MODULE_NOT_FOUND" && /'gpugrad(\/verify)?'/.test(message ?? "")
    ? "\nInstall it where the file is: npm install gpugrad"
    : runtime() === "node" && code === "ERR_REQUIRE_ASYNC_MODULE"
    ? '\nAdd "type": "module" to the package.json above the file, or rename it to .mjs or .mts'
    : code === "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX"
    ? "\nNode only strips types. For enums and the like: npm install --save-dev tsx, and " +
      `NODE_OPTIONS="--import tsx" npx gpugrad check ${file}`
    : "";
  return `check: ${file} cannot be loaded: ${message ?? String(error)}${where ? `\n  ${where}` : ""}${hint}`;
}
