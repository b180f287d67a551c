/** Channels to programs: a line of JSON each way. */
import { createInterface } from "node:readline";
import { end, start } from "../../scripts/processes.ts";
import { type Channel, within } from "./contestant.ts";
import type { Request } from "./protocol.ts";

/** Starts a program whose answers are the lines that begin with `@`. */
export function openProcess(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Channel {
  const child = start(command, args, env);
  const waiting: { resolve(answer: unknown): void; reject(error: Error): void }[] = [];
  const told: string[] = [];
  let ended: string | null = null;
  const fail = (reason: string) => {
    const last = told.join("").trim().split("\n").at(-1) ?? "";
    ended ??= last === "" ? reason : `${reason}: ${last.slice(0, 200)}`;
    for (const { reject } of waiting.splice(0)) reject(new Error(ended));
  };
  child.on("error", (error) => fail(error.message));
  child.on("close", (code, signal) => fail(`the program ended (${signal ?? code})`));
  child.stdin.on("error", () => {});
  child.stderr.on("data", (data: Uint8Array) => {
    told.push(String(data));
    if (told.length > 50) told.shift();
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    if (line.startsWith("@")) waiting.shift()?.resolve(JSON.parse(line.slice(1)));
  });
  const next = () =>
    new Promise<unknown>((resolve, reject) => {
      if (ended !== null) reject(new Error(ended));
      else waiting.push({ resolve, reject });
    });
  const greeting = next();
  greeting.catch(() => {});
  return {
    greeting,
    ask(request: Request, milliseconds) {
      const answer = next();
      if (ended === null) child.stdin.write(`${JSON.stringify(request)}\n`);
      return within(answer, milliseconds);
    },
    close() {
      end(child);
      return Promise.resolve();
    },
  };
}
