/** Builds the package for npm: the sources as JavaScript, module by module, and beside them the packages that it brings along. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import process from "node:process";
import { root } from "../processes.ts";
import { BUNDLED, bundlePackages, FOLDER } from "./bundled.ts";

/** Writes `dist/` in the folder of the project, or in one that has its sources and is below it. Files already there are removed. */
export async function build(project: string = root): Promise<void> {
  const folder = join(project, "dist");
  rmSync(folder, { recursive: true, force: true });
  const compiler = join(root, "node_modules", "typescript-7", "bin", "tsc");
  execFileSync(process.execPath, [compiler, "--project", "tsconfig.build.json"], { cwd: project, stdio: "inherit" });
  const modules = readdirSync(folder, { recursive: true, encoding: "utf8" });
  for (const path of modules.filter((path) => path.endsWith(".js"))) takeBundled(folder, path);
  await bundlePackages(join(folder, FOLDER));
}

/** Has a module import its packages from the folder of those that are brought along. */
function takeBundled(folder: string, path: string): void {
  const file = join(folder, path);
  const text = readFileSync(file, "utf8");
  const up = relative(dirname(path), FOLDER).split(sep).join("/");
  const taken = text.replaceAll(/(\bfrom |\bimport\()"([^".][^"]*)"/g, (whole, before: string, name: string) => {
    const { [name]: bundle } = BUNDLED;
    return bundle ? `${before}"${up.startsWith(".") ? up : `./${up}`}/${bundle}.js"` : whole;
  });
  if (taken !== text) writeFileSync(file, taken);
}
