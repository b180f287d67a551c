/** Checks out another commit into a temporary folder, with the current node_modules. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, symlinkSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder that holds a version of the sources. */
export interface Checkout {
  readonly folder: string;
  /** The commit, or the folder as given. */
  readonly label: string;
  /** Removes the folder; may be called twice. */
  remove(): void;
}

/** A usage error: only its message is printed. */
export class ReplayError extends Error {}

function git(root: string, ...args: string[]): string {
  const { error, status, stdout, stderr } = spawnSync("git", ["-C", root, ...args], { encoding: "utf8" });
  if (error) throw new ReplayError(`git cannot be started: ${error.message}`);
  if (status !== 0) throw new ReplayError(`git ${args.join(" ")}: ${stderr.trim()}`);
  return stdout.trim();
}

function commitOf(root: string, revision: string): string {
  try {
    return git(root, "rev-parse", "--verify", `${revision}^{commit}`);
  } catch (error) {
    throw new ReplayError(
      `--against: expected a commit, or a folder with a mod.ts, got ${JSON.stringify(revision)}: ${
        (error as Error).message
      }`,
    );
  }
}

/** Checks out a commit. A folder that holds sources is used as it is. */
export function checkOut(root: string, revision: string): Checkout {
  if (existsSync(join(revision, "mod.ts"))) return { folder: revision, label: revision, remove: () => {} };
  const commit = commitOf(root, revision);
  const parent = mkdtempSync(join(tmpdir(), "gpugrad-replay-"));
  const folder = join(parent, "tree");
  const modules = join(folder, "node_modules");
  const remove = () => {
    if (!existsSync(parent)) return;
    // The link is removed first, so that nothing that deletes folders can follow it.
    if (existsSync(modules)) unlinkSync(modules);
    spawnSync("git", ["-C", root, "worktree", "remove", "--force", folder]);
    rmSync(parent, { recursive: true, force: true });
  };
  try {
    git(root, "worktree", "add", "--detach", folder, commit);
    symlinkSync(join(root, "node_modules"), modules, "junction");
  } catch (error) {
    remove();
    throw error;
  }
  return { folder, label: `${revision} (${git(root, "rev-parse", "--short", commit)})`, remove };
}
