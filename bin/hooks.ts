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
    const compiler = compilerFor(url);
    return compiler ? moduleOf(compiler(readFileSync(fileURLToPath(url), "utf8"))) : nextLoad(url, context);
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

/** A source as JavaScript. Throws a syntax error. */
type Compiler = (source: string) => string;

/** A mistake in a source: what it is, and where it begins, counted from 0. */
interface Mistake {
  readonly message: string;
  readonly line: number;
  readonly column: number;
}

/** What is used of the package typescript before version 7, which compiles in another process. */
interface TypeScript {
  readonly transpileModule?: (
    source: string,
    options: { compilerOptions: object; reportDiagnostics: boolean },
  ) => {
    outputText: string;
    diagnostics?: readonly { start?: number; messageText: string | { messageText: string } }[];
  };
}

/** What is used of the package esbuild. */
interface Esbuild {
  readonly transformSync: (source: string, options: object) => { code: string };
}

/** The packages that compile TypeScript, in the order in which they are looked for. Each throws if it is not installed next to the file. */
const COMPILERS: readonly ((url: string) => Compiler | null)[] = [
  (url) => {
    const { transpileModule }: TypeScript = createRequire(url)("typescript");
    return transpileModule ? (source) => compiledByTypeScript(source, url, transpileModule) : null;
  },
  (url) => {
    const esbuild: Esbuild = createRequire(url)("esbuild");
    return (source) => compiledByEsbuild(source, url, esbuild);
  },
];

/** The first compiler that is installed next to the file. */
function compilerFor(url: string): Compiler | null {
  for (const compilerOf of COMPILERS) {
    try {
      const compiler = compilerOf(url);
      if (compiler) return compiler;
    } catch {
      // It is not installed.
    }
  }
  return null;
}

function compiledByTypeScript(
  source: string,
  url: string,
  transpileModule: NonNullable<TypeScript["transpileModule"]>,
): string {
  // ESNext, as numbers: the language version and the module kind.
  const compilerOptions = { target: 99, module: 99, verbatimModuleSyntax: false, inlineSourceMap: true };
  const { outputText, diagnostics = [] } = transpileModule(source, { compilerOptions, reportDiagnostics: true });
  if (diagnostics.length === 0) return outputText;
  const [{ start = 0, messageText }] = diagnostics;
  const before = source.slice(0, start).split("\n");
  const message = typeof messageText === "string" ? messageText : messageText.messageText;
  throw syntaxError(source, url, { message, line: before.length - 1, column: before.at(-1)!.length });
}

function compiledByEsbuild(source: string, url: string, { transformSync }: Esbuild): string {
  try {
    return transformSync(source, { loader: "ts", target: "esnext", sourcemap: "inline", logLevel: "silent" }).code;
  } catch (error) {
    const [mistake] = (error as { errors?: { text: string; location: { line: number; column: number } }[] }).errors ??
      [];
    if (!mistake) throw error;
    const { text: message, location: { line, column } } = mistake;
    throw syntaxError(source, url, { message, line: line - 1, column });
  }
}

/** A syntax error with its line, as Node shows it. */
function syntaxError(source: string, url: string, { message, line, column }: Mistake): SyntaxError {
  const error = new SyntaxError(message);
  error.stack = `${url}:${line + 1}\n${source.split("\n")[line]}\n${" ".repeat(column)}^\n\n${error}`;
  return error;
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
