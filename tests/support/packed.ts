/** The package as npm packs it, for tests of what users install. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { build } from "../../scripts/build/package.ts";
import { readJson, root } from "./source.ts";

/** The files that a build reads, apart from the sources that are published themselves. */
const OTHERS = [
  "package.json",
  "package-lock.json",
  "tsconfig.json",
  "tsconfig.build.json",
  "scripts/build",
  "README.md",
  "LICENSE",
];

/** A build of the package. */
export interface Packed {
  /** The folder that npm would put at `node_modules/gpugrad`. */
  readonly folder: string;
  /** The file that npm would publish. */
  readonly tarball: string;
}

/** Builds and packs the package, unless that has been done since its sources changed. Several processes may do it at once. */
export async function packed(): Promise<Packed> {
  const published = (readJson("package.json").files as string[]).filter((path) => path !== "dist");
  const sources = [...new Set([...OTHERS, ...published])];
  const parent = join(root, ".cache", "packed");
  const made = join(parent, digestOf(sources));
  if (!existsSync(made)) {
    mkdirSync(parent, { recursive: true });
    const stage = mkdtempSync(join(parent, "stage-"));
    for (const path of sources) cpSync(join(root, path), join(stage, path), { recursive: true });
    await build(stage);
    execFileSync("npm", ["pack", "--ignore-scripts", "--silent"], { cwd: stage });
    execFileSync("tar", ["-xzf", tarballIn(stage)], { cwd: stage });
    for (const old of readdirSync(parent)) {
      if (!old.startsWith("stage-")) rmSync(join(parent, old), { recursive: true });
    }
    try {
      renameSync(stage, made);
    } catch (error) {
      // Another process was faster.
      if (!existsSync(made)) throw error;
      rmSync(stage, { recursive: true });
    }
  }
  return { folder: join(made, "package"), tarball: join(made, tarballIn(made)) };
}

function tarballIn(folder: string): string {
  return readdirSync(folder).find((name) => name.endsWith(".tgz"))!;
}

/** A name for the contents of files and folders. */
function digestOf(paths: readonly string[]): string {
  const hash = createHash("sha256");
  const files = paths.flatMap((path) => {
    if (statSync(join(root, path)).isFile()) return [join(root, path)];
    const inside = readdirSync(join(root, path), { recursive: true, withFileTypes: true });
    return inside.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  });
  for (const file of files.sort()) hash.update(file).update(readFileSync(file));
  return hash.digest("hex").slice(0, 16);
}
