/** Measures the devices of the current runtime and writes the results to a file: `run.ts <file> <points>`. */
import { writeFileSync } from "node:fs";
import process from "node:process";
import { measure } from "./measure.ts";

const [file, points] = process.argv.slice(2);
writeFileSync(file, JSON.stringify(await measure(Number(points))));
process.exit(0);
