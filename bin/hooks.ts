/**
 * How Node loads the file to check, and what it imports from its own folder: as ES modules, whatever the package.json above it
 * says (`npm init` writes "type": "commonjs"), and TypeScript too. Node loads this module, in a thread of its own before 22.15.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { compileFunction } from "node:vm";

/** A module as a hook of Node returns it. */
interface Loaded {
  readonly format: string;
  readonly source?: string;
  readonly shortCircuit?: boolean;
}

/** The next hook, or what Node itself does. A promise where hooks have a thread of their own. */
type NextLoad<C> = (url: string, context: C) => Loaded | Promise<Loaded>;

/** The hook `load` of `node:module`, for threads and for `registerHooks` alike: it never waits. */
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

/** Whether a source is what Node runs as CommonJS: the body of a function. */
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

/** What makes JavaScript of a file, where the package typescript is installed beside it. */
function compilerFor(url: string): ((source: string) => string) | null {
  let typescript: Partial<TypeScript>;
  try {
    typescript = createRequire(url)("typescript");
  } catch {
    return null;
  }
  const { transpileModule } = typescript;
  if (!transpileModule) return null;
  // ESNext, by their numbers: of the language, and of modules.
  const compilerOptions = { target: 99, module: 99, verbatimModuleSyntax: false, inlineSourceMap: true };
  return (source) => transpileModule(source, { compilerOptions }).outputText;
}
