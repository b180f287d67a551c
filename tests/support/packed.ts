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
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
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

/** Builds and packs the package, unless that has been done since its sources changed: the first of several processes that need it. */
export async function packed(): Promise<Packed> {
  const published = (readJson("package.json").files as string[]).filter((path) => path !== "dist");
  const sources = [...new Set([...OTHERS, ...published])];
  const parent = join(root, ".cache", "packed");
  const made = join(parent, digestOf(sources));
  mkdirSync(parent, { recursive: true });
  await alone(`${made}.lock`, () => existsSync(made), async () => {
    const stage = mkdtempSync(join(parent, "stage-"));
    for (const path of sources) cpSync(join(root, path), join(stage, path), { recursive: true });
    await build(stage);
    execFileSync("npm", ["pack", "--ignore-scripts", "--silent"], { cwd: stage });
    execFileSync("tar", ["-xzf", tarballIn(stage)], { cwd: stage });
    for (const old of readdirSync(parent)) {
      if (!/^stage-|\.lock$/.test(old)) rmSync(join(parent, old), { recursive: true });
    }
    try {
      renameSync(stage, made);
    } catch (error) {
      // Another process made it too, after one that held the lock was killed.
      if (!existsSync(made)) throw error;
      rmSync(stage, { recursive: true });
    }
  });
  return { folder: join(made, "package"), tarball: join(made, tarballIn(made)) };
}

/** Makes something, unless it is there or another process makes it, which is waited for. */
async function alone(lock: string, isThere: () => boolean, make: () => Promise<void>): Promise<void> {
  while (!isThere()) {
    try {
      writeFileSync(lock, String(process.pid), { flag: "wx" });
    } catch {
      if (isGone(lock)) rmSync(lock, { force: true });
      else await new Promise((done) => setTimeout(done, 50));
      continue;
    }
    try {
      // It may have been finished just before.
      if (!isThere()) await make();
    } finally {
      rmSync(lock, { force: true });
    }
  }
}

/** Whether the process that holds a lock has ended without releasing it. */
function isGone(lock: string): boolean {
  try {
    const holder = Number(readFileSync(lock, "utf8"));
    // It is empty until the process is written.
    if (holder > 0) process.kill(holder, 0);
    return false;
  } catch (error) {
    return (error as { code?: string }).code === "ESRCH";
  }
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
