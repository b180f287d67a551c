/** `npm run build`: writes dist/, the package as npm has it, from the sources. */
import { join } from "node:path";
import process from "node:process";
import { build } from "./build/package.ts";
import { root } from "./processes.ts";

await build(process.argv[2] ?? join(root, "dist"));
