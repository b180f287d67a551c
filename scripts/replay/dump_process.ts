/** Writes the dump of the sources in a folder to a file: `dump_process.ts FOLDER FILE FILTER`, the filter as JSON. */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { dump } from "./dump.ts";
import { loadTree } from "./tree.ts";

const [folder, file, filter] = process.argv.slice(2);
writeFileSync(file, JSON.stringify(dump(await loadTree(folder), JSON.parse(filter))));
