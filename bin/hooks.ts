/**
 * Module hooks for the file under check and the files that it imports from its own folder: they load as ES modules,
 * whatever the package.json above them says (`npm init` writes "type": "commonjs"), and TypeScript is compiled. Node
 * loads this module, before 22.15 in a separate thread.
 */
import { readFileSync } from "node:fs";
import module, { createRequire } from "node:module";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { compileFunction } from "node:vm";

/** A module as returned by a hook of Node. */
interface Loaded {
  readonly format: string;
  readonly source?: string;
  readonly shortCircuit?: boolean;
}

/** The next hook, or Node's default. Returns a promise if hooks run in their own thread. */
type NextLoad<C> = (url: string, context: C) => Loaded | Promise<Loaded>;

/** The hook `load` of `node:module`, for threads and for `registerHooks`; synchronous. */
export function load<C extends object>(url: string, context: C, nextLoad: NextLoad<C>): Loaded | Promise<Loaded> {
  const [, extension] = /^file:[^?#]*\.([cm]?[jt]s)(?:[?#]|$)/.exec(url) ?? [];
  if (!extension || url.includes("/node_modules/")) return nextLoad(url, context);
  if (extension === "ts" || extension === "mts") {
    if ((process.features as { typescript?: unknown }).typescript) {
      return nextLoad(url, { ...context, format: "module-typescript" });
    }
    const typescript = compilerFor(url);
    return typescript ? moduleOf(compiled(url, typescript)) : nextLoad(url, context);
  }
  if (extension === "js") {
    const source = readFileSync(fileURLToPath(url), "utf8");
    if (!isCommonJs(source)) return moduleOf(source);
  }
  return nextLoad(url, context);
}

function moduleOf(source: string): Loaded {
  return { format: "module", source, shortCircuit: true };
}

/** Whether Node would run a source as CommonJS, that is, as the body of a function. */
function isCommonJs(source: string): boolean {
  try {
    compileFunction(source);
    return true;
  } catch {
    return false;
  }
}

interface TypeScript {
  readonly transpileModule: (
    source: string,
    options: { compilerOptions: object; reportDiagnostics: boolean },
  ) => {
    outputText: string;
    diagnostics?: readonly { start?: number; messageText: string | { messageText: string } }[];
  };
}

/** The package typescript, if it is installed next to the file. */
function compilerFor(url: string): TypeScript | null {
  try {
    const typescript: Partial<TypeScript> = createRequire(url)("typescript");
    return typescript.transpileModule ? typescript as TypeScript : null;
  } catch {
    return null;
  }
}

/** A file as JavaScript, or a syntax error with its line, as Node shows it. */
function compiled(url: string, { transpileModule }: TypeScript): string {
  const source = readFileSync(fileURLToPath(url), "utf8");
  // ESNext, as numbers: the language version and the module kind.
  const compilerOptions = { target: 99, module: 99, verbatimModuleSyntax: false, inlineSourceMap: true };
  const { outputText, diagnostics = [] } = transpileModule(source, { compilerOptions, reportDiagnostics: true });
  if (diagnostics.length === 0) return outputText;
  const [{ start = 0, messageText }] = diagnostics;
  const before = source.slice(0, start).split("\n");
  const line = source.split("\n")[before.length - 1];
  const error = new SyntaxError(typeof messageText === "string" ? messageText : messageText.messageText);
  error.stack = `${url}:${before.length}\n${line}\n${" ".repeat(before.at(-1)!.length)}^\n\n${error}`;
  throw error;
}

/** Options of Node that make it load files through other loaders. */
export const LOADERS = /^(-r|--require|--import|--(experimental-)?loader)(=|$)/;

/** `registerHooks` exists from Node 22.15 and 23.5. */
type Modules = typeof module & { registerHooks?: (hooks: { load: typeof load }) => void };

/** Makes Node load files through {@link load}, unless another loader, such as tsx, is installed. */
export function hookInto(): void {
  const told = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? "").split(/\s+/)];
  if (told.some((option) => LOADERS.test(option))) return;
  const { registerHooks } = module as Modules;
  if (registerHooks) registerHooks({ load });
  else module.register(import.meta.url);
}
