/**
 * Module hooks for the file under check and the files that it imports from its own folder: they load as ES modules,
 * whatever the package.json above them says (`npm init` writes "type": "commonjs"), and TypeScript is compiled. Node
 * loads this module, before 22.15 in a separate thread.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
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
    const compile = compilerFor(url);
    return compile ? moduleOf(compile(readFileSync(fileURLToPath(url), "utf8"))) : nextLoad(url, context);
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
  readonly transpileModule: (source: string, options: { compilerOptions: object }) => { outputText: string };
}

/** Returns a compiler from TypeScript to JavaScript, if the package typescript is installed next to the file. */
function compilerFor(url: string): ((source: string) => string) | null {
  let typescript: Partial<TypeScript>;
  try {
    typescript = createRequire(url)("typescript");
  } catch {
    return null;
  }
  const { transpileModule } = typescript;
  if (!transpileModule) return null;
  // ESNext, as numbers: the language version and the module kind.
  const compilerOptions = { target: 99, module: 99, verbatimModuleSyntax: false, inlineSourceMap: true };
  return (source) => transpileModule(source, { compilerOptions }).outputText;
}
