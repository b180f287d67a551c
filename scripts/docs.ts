/** Builds the site: the guides of docs/, the reference, and the playground. `--serve` also serves it. */
import { join } from "node:path";
import process from "node:process";
import { build, preview } from "vite";
import { build as buildGuides } from "vitepress";
import { writeReference } from "./docs/reference.ts";
import { root } from "./processes.ts";

const SITE = join(root, "site");
const playground = join(root, "playground", "vite.config.ts");

await writeReference();
await buildGuides(join(root, "docs"));
await build({
  configFile: playground,
  logLevel: "warn",
  build: { outDir: join(SITE, "playground"), emptyOutDir: true },
});
console.log(`the site is in ${SITE}`);
if (process.argv.includes("--serve")) {
  // With the headers of the playground's own server, which give it threads.
  const server = await preview({ configFile: playground, build: { outDir: SITE }, preview: { open: true } });
  server.printUrls();
}
