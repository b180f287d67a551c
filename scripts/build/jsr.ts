/** `npm run build:jsr`: writes .cache/jsr, the package as JSR has it: the sources, and beside them the packages that it brings along. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { root } from "../processes.ts";
import { BUNDLED, bundlePackages, FOLDER } from "./bundled.ts";

interface Settings {
  readonly imports: Readonly<Record<string, string>>;
  readonly publish: { readonly include: readonly string[] };
  readonly [name: string]: unknown;
}

/** Writes the package into a folder. Files already there are removed. */
export async function buildForJsr(folder: string): Promise<void> {
  const { name, version, license, exports, nodeModulesDir, imports, publish } = JSON.parse(
    readFileSync(join(root, "deno.json"), "utf8"),
  ) as Settings;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const path of publish.include) cpSync(join(root, path), join(folder, path), { recursive: true });
  await bundlePackages(join(folder, FOLDER));
  // Deno downloads whatever a module could import, with all that it depends on: of gpu.js that would be 128 MB, also for `wasm`.
  const brought = Object.entries(BUNDLED).map(([name, bundle]) => [name, `./${FOLDER}/${bundle}.js`]);
  const settings = {
    name,
    version,
    license,
    exports,
    // Whoever publishes has them; importers do not read this file.
    nodeModulesDir,
    imports: { ...imports, ...Object.fromEntries(brought) },
    publish: { include: [...publish.include, FOLDER] },
  };
  writeFileSync(join(folder, "deno.json"), `${JSON.stringify(settings, null, 2)}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildForJsr(join(root, ".cache", "jsr"));
