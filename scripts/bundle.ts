/** Bundles test files: into modules for browsers, and for the other runtimes, which would otherwise compile every source in every process. */
import { existsSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { build, type BuildOptions, type Message, type Plugin } from "esbuild";
import { root } from "./processes.ts";
import { SourceMaps } from "./source_maps.ts";

const support = join(root, "tests", "support");

/** The modules that run test files in a page, and in a process. */
export const PAGE = "tests/support/browser/page.ts";
const WORKER = "tests/support/runner/worker.ts";

/** The replacement for `node:test`. */
const RUNNER = join(support, "runner", "node_test.ts");

/** Replacements for the Node modules that test files import. */
const stands: Record<string, string> = {
  "node:test": RUNNER,
  "node:process": join(support, "browser", "node_process.ts"),
  "node:util": join(support, "browser", "node_util.ts"),
};

const browserModules: Plugin = {
  name: "modules for browsers",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:/ }, ({ path }) => {
      if (path in stands) return { path: stands[path] };
      if (/^node:assert(\/strict)?$/.test(path)) return { path, namespace: "assert" };
      return { errors: [{ text: `browsers have no ${path}` }] };
    });
    onLoad({ filter: /./, namespace: "assert" }, ({ path }) => ({
      contents: `import assert from "assert";
        export const { AssertionError, strict } = assert;
        export default ${path.endsWith("strict") ? "strict" : "assert"};`,
      resolveDir: root,
    }));
    onResolve({ filter: /\/source\.ts$/ }, ({ path, resolveDir }) => {
      if (join(resolveDir, path) === join(support, "source.ts")) return { path: join(support, "browser", "source.ts") };
    });
  },
};

/** The options that both kinds of bundles share. */
const common: BuildOptions = {
  absWorkingDir: root,
  outbase: ".",
  bundle: true,
  // Code shared by files, above all gpu.js and the package itself, is bundled once.
  splitting: true,
  format: "esm",
  logLevel: "silent",
};

const settings: BuildOptions = {
  ...common,
  outdir: ".",
  platform: "browser",
  target: "es2022",
  sourcemap: "external",
  write: false,
  plugins: [browserModules],
  // The package `assert` asks a terminal for its width.
  define: { "process.env.NODE_DEBUG": "undefined", "process.stderr": "undefined", "process.emitWarning": "undefined" },
};

/** Modules and their source maps, by path relative to the project: `tests/core/plan.test.js`. */
export type Bundle = Map<string, string>;

/** Bundles test files for browsers; those that cannot be bundled are left out, with the reason. */
export async function bundle(files: readonly string[]): Promise<{ modules: Bundle; problems: Map<string, string> }> {
  const { result, problems } = await withoutProblems(files, async (some) => {
    const { outputFiles } = await build({ ...settings, entryPoints: [PAGE, ...some] });
    return new Map(outputFiles!.map(({ path, text }) => [relative(root, path).replaceAll("\\", "/"), text]));
  });
  return { modules: result, problems };
}

/** Bundles files, without those that cannot be bundled. */
async function withoutProblems<T>(
  files: readonly string[],
  bundled: (files: readonly string[]) => Promise<T>,
): Promise<{ result: T; problems: Map<string, string> }> {
  const problems = new Map<string, string>();
  try {
    return { result: await bundled(files), problems };
  } catch {
    // One by one, to find out which file is at fault.
    for (const file of files) {
      await bundled([file]).catch((error) => problems.set(file, messageOf(error)));
    }
    return { result: await bundled(files.filter((file) => !problems.has(file))), problems };
  }
}

function messageOf(error: unknown): string {
  const { errors = [], message } = error as Error & { errors?: Message[] };
  const lines = errors.map(({ text, location }) => location ? `${location.file}:${location.line}: ${text}` : text);
  return lines.join("\n") || message;
}

/** The variable that replaces `import.meta.url`. */
const ADDRESS = "ownAddress";

/** Makes `import.meta.url` of a module the address of a file of its own, though it may share one with others. */
const ownAddresses = (place: (module: string) => string): Plugin => ({
  name: "own addresses",
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      if (/[\\/]node_modules[\\/]/.test(path)) return;
      const source = readFileSync(path, "utf8");
      if (!source.includes("import.meta.url")) return { contents: source, loader: "ts" };
      const address = pathToFileURL(place(relative(root, path).replaceAll("\\", "/"))).href;
      // On the first line, so that all lines keep their numbers.
      return { contents: `const ${ADDRESS} = ${JSON.stringify(address)};${source}`, loader: "ts" };
    });
  },
});

/** The modules of test files for Node, Deno and Bun. */
export interface NodeBundle {
  /** The program that runs them. */
  readonly worker: string;
  /** Files that cannot be bundled, and why. */
  readonly problems: ReadonlyMap<string, string>;
  /** The address of a test file's module. */
  addressOf(file: string): string;
  /** A stack trace, with the places in the sources. */
  readable(text: string): string;
}

/** Bundles test files into a folder. */
export async function bundleTests(files: readonly string[], folder: string): Promise<NodeBundle> {
  const { problems } = await withoutProblems(
    files,
    (some) => bundleForNode([WORKER, ...some], folder, { runner: true }),
  );
  const pathOf = (file: string) => join(root, folder, file.replace(/\.ts$/, ".js"));
  const maps = new SourceMaps(folder, (path) => {
    const file = join(root, folder, `${path}.map`);
    return existsSync(file) ? readFileSync(file, "utf8") : undefined;
  });
  return {
    worker: pathOf(WORKER),
    problems,
    addressOf: (file) => pathToFileURL(pathOf(file)).href,
    // Bun gives paths instead of addresses.
    readable: (text) =>
      maps.replaceIn(maps.replaceIn(text, `${pathToFileURL(join(root, folder)).href}/`), `${join(root, folder)}/`),
  };
}

/** How modules are bundled for Node. */
interface NodeOptions {
  /** The file whose address is `import.meta.url` of a module of the project; default its source. */
  readonly place?: (module: string) => string;
  /** Whether tests are declared for the runner of `npm test`, rather than for Node's; default no. */
  readonly runner?: boolean;
}

/** Bundles modules for Node into a folder, where `tests/a.test.ts` becomes `tests/a.test.js`. Packages are not bundled. */
export async function bundleForNode(
  files: readonly string[],
  folder: string,
  { place = (module) => join(root, module), runner = false }: NodeOptions = {},
): Promise<void> {
  await build({
    ...common,
    entryPoints: [...files],
    outdir: folder,
    platform: "node",
    packages: "external",
    target: `node${process.versions.node}`,
    sourcemap: "linked",
    define: { "import.meta.url": ADDRESS },
    plugins: [ownAddresses(place)],
    ...(runner ? { alias: { "node:test": RUNNER } } : {}),
  });
}
