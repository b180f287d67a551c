/** The program of one peer in Node, Deno or Bun: answers a line of JSON with a line of JSON. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Request } from "../harness/protocol.ts";
import { Answers, type Host } from "./answer.ts";
import { openLibrary } from "./open.ts";
import { limitThreads } from "./threads.ts";

const [, , folder, name, threads] = process.argv;

const host: Host = {
  files: {
    async read(file) {
      const { buffer, byteOffset, byteLength } = await readFile(join(folder, file));
      return buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
    },
    write: (file, data) => writeFile(join(folder, file), new Uint8Array(data.buffer)),
  },
  cpu() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
};

// Libraries print to the output, too.
const say = process.stdout.write.bind(process.stdout);
const tell = (answer: unknown) => say(`\n@${JSON.stringify(answer)}\n`);

limitThreads(Number(threads));
try {
  const library = await openLibrary(name, Number(threads));
  const answers = new Answers(library, host);
  tell({ version: library.version, configuration: library.configuration });
  for await (const line of createInterface({ input: process.stdin })) {
    tell(await answers.to(JSON.parse(line) as Request));
  }
} catch (error) {
  tell({ cannot: `does not start: ${(error as Error).message}` });
}
process.exit(0);
