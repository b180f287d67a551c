/** The packages that the package for npm brings along, so that who installs it does not install what theirs depend on. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";
import { root } from "../processes.ts";

/** The folder of the bundles, in the folder of the build. */
export const FOLDER = "bundled";

/** The bundle that has a package, by the package's name. Each is loaded when it is first needed. */
export const BUNDLED: Readonly<Record<string, string>> = {
  "@dagrejs/dagre": "dagre",
  "@observablehq/plot": "plot",
  "cli-progress": "progress",
  "gpu.js": "gpu",
  "linkedom": "linkedom",
};

/**
 * Modules that the packages themselves require from where they are installed, as the text of a module. The bundles are ES modules that also run in browsers,
 * so they ask at run time: for modules of Node, and for the addon `gl`, which the user installs. linkedom draws nothing here.
 */
const AT_RUN_TIME: Readonly<Record<string, string>> = {
  ...Object.fromEntries(builtinModules.map((name) => [name, `module.exports = process.getBuiltinModule("${name}");`])),
  "gl": `const gl = process.getBuiltinModule("module").createRequire(import.meta.url)("gl");
export { gl as "module.exports" };`,
  "canvas": `throw new Error("there is no canvas");`,
};

const atRunTime: Plugin = {
  name: "what is required at run time",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[^.]/ }, ({ path }) => path in AT_RUN_TIME ? { path, namespace: "at run time" } : null);
    onLoad({ filter: /^/, namespace: "at run time" }, ({ path }) => ({ contents: AT_RUN_TIME[path], loader: "js" }));
  },
};

/** Writes the bundles, and the licences of what is in them. */
export async function bundlePackages(folder: string): Promise<void> {
  const { metafile } = await build({
    entryPoints: Object.fromEntries(Object.entries(BUNDLED).map(([name, bundle]) => [bundle, name])),
    absWorkingDir: root,
    outdir: folder,
    bundle: true,
    format: "esm",
    // gpu.js for browsers puts itself at `window.GPU`; its sources do not, and run there as well.
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["import", "default"],
    target: "es2022",
    legalComments: "none",
    minifySyntax: true,
    minifyWhitespace: true,
    metafile: true,
    logLevel: "warning",
    plugins: [atRunTime],
  });
  const packages = new Set(Object.keys(metafile.inputs).flatMap((path) => packageOf(path) ?? []));
  writeFileSync(join(folder, "LICENSES.md"), licences([...packages].sort()));
}

/** The folder of the package that a file belongs to. */
function packageOf(path: string): string | null {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? null;
}

/** The licences of packages as Markdown. Throws if one has none, since it could not be brought along. */
function licences(folders: readonly string[]): string {
  const sections = folders.map((folder) => {
    const read = (name: string) => readFileSync(join(root, folder, name), "utf8");
    const { name, version, license } = JSON.parse(read("package.json")) as Record<string, string>;
    const file = readdirSync(join(root, folder)).find((file) => /^licen[cs]e/i.test(file));
    if (!file) throw new Error(`${folder}: expected a file with its licence`);
    return `## ${name} ${version}\n\n${license}\n\n${read(file).trim().replaceAll(/^/gm, "    ")}\n`;
  });
  return ["# Packages in this folder\n", ...sections].join("\n");
}
