/** `npm run figures`: draws the pictures of docs/variants.md, which the suite compares. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { useDevice } from "../mod.ts";
import { draw } from "./figures/draw.ts";
import { figures, FOLDER } from "./figures/figures.ts";
import { root } from "./processes.ts";

await useDevice("float64");
mkdirSync(join(root, FOLDER), { recursive: true });
for (const figure of figures) {
  const made = await figure();
  writeFileSync(join(root, FOLDER, `${made.name}.svg`), draw(made));
}
