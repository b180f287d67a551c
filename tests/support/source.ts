/** The project's sources and settings, for tests of the tooling. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the project, with a trailing slash. */
export const root = fileURLToPath(new URL("../../", import.meta.url));

/** A file of the project, as text. */
export function readText(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

/** A file of the project, as JSON. */
// deno-lint-ignore no-explicit-any
export function readJson(path: string): any {
  return JSON.parse(readText(path));
}

/** The TypeScript files in a folder of the project, by path relative to the project. */
export function sourcesIn(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => `${folder}/${path.replaceAll("\\", "/")}`)
    .sort();
}
