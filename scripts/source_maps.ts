/** Maps stack traces of bundled modules to the sources. */
import { SourceMap } from "node:module";
import { posix } from "node:path";
import type { Bundle } from "./bundle.ts";

const maps = new WeakMap<Bundle, Map<string, SourceMap>>();

/** Replaces locations such as `http://127.0.0.1:1234/isolated/chunk-AB.js:10:20` in a text. */
export function originalStack(text: string, address: string, modules: Bundle): string {
  const pattern = new RegExp(`${address.replaceAll(".", "\\.")}([^\\s?:]+):(\\d+):(\\d+)`, "g");
  return text.replace(pattern, (place, path: string, line: string, column: string) => {
    const found = mapOf(path, modules)?.findEntry(Number(line) - 1, Number(column) - 1);
    if (!found || !("originalSource" in found)) return place;
    const source = posix.join(posix.dirname(path), found.originalSource);
    return `${source}:${found.originalLine + 1}:${found.originalColumn + 1}`;
  });
}

function mapOf(path: string, modules: Bundle): SourceMap | undefined {
  const text = modules.get(`${path}.map`);
  if (text === undefined) return undefined;
  let known = maps.get(modules);
  if (!known) maps.set(modules, known = new Map());
  let map = known.get(path);
  if (!map) known.set(path, map = new SourceMap(JSON.parse(text)));
  return map;
}
