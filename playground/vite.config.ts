/** Builds the playground: `npm run playground` serves it, `npm run docs` makes it a part of the site. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig, type Plugin } from "vite";

/** The folder of the package whose photographs the demo uses, too. */
const PHOTOGRAPHS = dirname(createRequire(import.meta.url).resolve("@vladmandic/face-api/package.json"));

/** The photograph comes from a package, with its licence; the repository has neither. */
const photograph: Plugin = {
  name: "photograph",
  resolveId: (id) => (id === "virtual:photograph" ? join(PHOTOGRAPHS, "demo", "sample1.jpg?url") : null),
  generateBundle() {
    const source = readFileSync(join(PHOTOGRAPHS, "LICENSE"), "utf8");
    this.emitFile({ type: "asset", fileName: "photograph-licence.txt", source });
  },
};

/** With these, threads may share memory, so that `wasm` and `webasm` use more than one. */
const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  // Served from any folder.
  base: "./",
  plugins: [photograph],
  worker: { format: "es" },
  build: { outDir: "dist", emptyOutDir: true, target: "es2022", chunkSizeWarningLimit: 4000 },
  server: { headers },
  preview: { headers },
});
