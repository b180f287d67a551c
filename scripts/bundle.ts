/** Bundles test files: into modules for browsers, and for Node, which would otherwise compile every source in every process. */
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { build, type BuildOptions, type Message, type Plugin } from "esbuild";
import { root } from "./processes.ts";

const support = join(root, "tests", "support");

/** The module that runs a test file in a page. */
export const PAGE = "tests/support/browser/page.ts";

/** Replacements for the Node modules that test files import. */
const stands: Record<string, string> = {
  "node:test": join(support, "browser", "node_test.ts"),
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

/** What both kinds of bundles have in common. */
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

/** Bundles test files; those that cannot be bundled are left out, with the reason. */
export async function bundle(files: readonly string[]): Promise<{ modules: Bundle; problems: Map<string, string> }> {
  const problems = new Map<string, string>();
  try {
    return { modules: await bundled(files), problems };
  } catch {
    // One by one, to find out which file is at fault.
    for (const file of files) {
      await bundled([file]).catch((error) => problems.set(file, messageOf(error)));
    }
    return { modules: await bundled(files.filter((file) => !problems.has(file))), problems };
  }
}

async function bundled(files: readonly string[]): Promise<Bundle> {
  const { outputFiles } = await build({ ...settings, entryPoints: [PAGE, ...files] });
  return new Map(outputFiles!.map(({ path, text }) => [relative(root, path).replaceAll("\\", "/"), text]));
}

function messageOf(error: unknown): string {
  const { errors = [], message } = error as Error & { errors?: Message[] };
  const lines = errors.map(({ text, location }) => location ? `${location.file}:${location.line}: ${text}` : text);
  return lines.join("\n") || message;
}

/** What `import.meta.url` becomes. */
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

/**
 * Bundles modules for Node into a folder, where `tests/a.test.ts` becomes `tests/a.test.js`. Packages are not bundled.
 *
 * @param place the file whose address is `import.meta.url` of a module of the project; default its source.
 */
export async function bundleForNode(
  files: readonly string[],
  folder: string,
  place: (module: string) => string = (module) => join(root, module),
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
  });
}
