/** Bundles test files into modules for browsers. */
import { join, relative } from "node:path";
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

const settings: BuildOptions = {
  absWorkingDir: root,
  outdir: ".",
  outbase: ".",
  bundle: true,
  // Code shared by files, above all gpu.js and the package itself, is bundled once.
  splitting: true,
  format: "esm",
  platform: "browser",
  target: "es2022",
  sourcemap: "external",
  write: false,
  logLevel: "silent",
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
