/** Maps stack traces of bundled modules to the sources. */
import { SourceMap } from "node:module";
import { posix } from "node:path";

export class SourceMaps {
  readonly #folder: string;
  readonly #read: (path: string) => string | undefined;
  readonly #known = new Map<string, SourceMap | undefined>();

  /**
   * @param folder the folder of the modules, relative to the project.
   * @param read returns the map of a module, given its path in that folder.
   */
  constructor(folder: string, read: (path: string) => string | undefined) {
    this.#folder = folder;
    this.#read = read;
  }

  /** Replaces locations such as `http://127.0.0.1:1234/isolated/chunk-AB.js:10:20`, whose address ends with a slash, in a text. */
  replaceIn(text: string, address: string): string {
    const pattern = new RegExp(`${address.replaceAll(".", "\\.")}([^\\s?:]+):(\\d+):(\\d+)`, "g");
    return text.replace(pattern, (place, path: string, line: string, column: string) => {
      const found = this.#of(path)?.findEntry(Number(line) - 1, Number(column) - 1);
      if (!found || !("originalSource" in found)) return place;
      const source = posix.join(this.#folder, posix.dirname(path), found.originalSource);
      return `${source}:${found.originalLine + 1}:${found.originalColumn + 1}`;
    });
  }

  #of(path: string): SourceMap | undefined {
    if (!this.#known.has(path)) {
      const text = this.#read(path);
      this.#known.set(path, text === undefined ? undefined : new SourceMap(JSON.parse(text)));
    }
    return this.#known.get(path);
  }
}
