/** How the command was started, so that a replay can be typed the same way. */
import { existsSync, realpathSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { runtime } from "../core/runtime.ts";
import { quoted } from "../verify/report/advice.ts";
import { LOADERS } from "./hooks.ts";

/** The command as one types it, up to the name of the subcommand: `npx gpugrad`. */
export function invocation(): string {
  switch (runtime()) {
    case "deno":
      return inDeno((globalThis as unknown as { Deno: { mainModule: string } }).Deno.mainModule);
    case "bun":
      return isInstalled(process.argv[1])
        ? "bunx --bun gpugrad"
        : `bun ${quoted(relative(process.cwd(), process.argv[1]))}`;
    default:
      return inNode(process.argv[1]);
  }
}

/** Deno does not tell its flags; without all permissions the command would hardly run. */
function inDeno(main: string): string {
  const [, scope, version] = /^https:\/\/jsr\.io\/(@[^/]+\/[^/]+)\/([^/]+)\//.exec(main) ?? [];
  if (scope !== undefined) return `deno run -A jsr:${scope}@${version}/cli`;
  if (!main.startsWith("file:")) return `deno run -A ${quoted(main)}`;
  const path = fileURLToPath(main);
  // Deno's own cache of npm packages.
  const cached = path.includes(`${sep}registry.npmjs.org${sep}`);
  return cached || isInstalled(path)
    ? "deno run -A npm:gpugrad"
    : `deno run -A ${quoted(relative(process.cwd(), path))}`;
}

function inNode(script: string): string {
  const loaders = (process.env.NODE_OPTIONS ?? "").split(/\s+/).some((option) => LOADERS.test(option))
    ? `NODE_OPTIONS=${quoted(process.env.NODE_OPTIONS!)} `
    : "";
  if (isInstalled(script)) {
    const [, manager] = /^(pnpm|yarn)\//.exec(process.env.npm_config_user_agent ?? "") ?? [];
    const runner = manager === "pnpm" ? "pnpm exec gpugrad" : manager === "yarn" ? "yarn gpugrad" : "npx gpugrad";
    return loaders + (isLocal() || process.env.npm_command === "exec" ? runner : "gpugrad");
  }
  return loaders + ["node", ...process.execArgv, relative(process.cwd(), script)].map(quoted).join(" ");
}

/** Whether a script is that of an installed package, or a link to it, rather than a source file. */
function isInstalled(script: string): boolean {
  return [script, realpathSync(script)].some((path) => path.split(sep).includes("node_modules"));
}

/** Whether the package is installed in the current folder or one above it, where `npx` finds it. */
function isLocal(): boolean {
  for (let folder = process.cwd();; folder = dirname(folder)) {
    if (existsSync(join(folder, "node_modules", ".bin", "gpugrad"))) return true;
    if (folder === dirname(folder)) return false;
  }
}
