#!/usr/bin/env node
/** The `gpugrad` command. */
import process from "node:process";
import { CommandError } from "./arguments.ts";
import { EXIT } from "./output.ts";
import { version } from "./version.ts";

const help = `Usage: gpugrad COMMAND [options]

Commands:
  check FILE            check the gradients of the functions that a module exports
  merge REPORT.json...  merge the reports of several machines into one
  devices               list the devices that can compute here

Options:
  -v, --version  print the version
  -h, --help     print this text; after a command, what that command does

Under Deno the command is 'deno run -A npm:gpugrad check FILE', under Bun 'bunx --bun gpugrad check FILE'.
'gpugrad check --help' explains how to write such a file.`;

/** The commands, each loaded when it is used. */
const COMMANDS: Readonly<Record<string, (args: string[]) => Promise<number>>> = {
  check: async (args) => await (await import("./check.ts")).check(args),
  merge: async (args) => await (await import("./merge.ts")).merge(args),
  devices: async (args) => await (await import("./devices.ts")).devices(args),
};

/** Runs the command named by the arguments and returns the exit code. */
async function main([name, ...args]: string[]): Promise<number> {
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    console.log(help);
    return name === undefined ? EXIT.undecided : EXIT.ok;
  }
  if (name === "--version" || name === "-v") {
    console.log(version);
    return EXIT.ok;
  }
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : null;
  if (!command) {
    throw new CommandError(
      `expected a command: ${Object.keys(COMMANDS).join(", ")}; got ${JSON.stringify(name)}. See gpugrad --help`,
    );
  }
  return await command(args);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  // A usage error is explained by its message; anything else is a bug, for which the stack is useful.
  console.error(error instanceof CommandError ? `gpugrad: ${error.message}` : error);
  process.exitCode = EXIT.undecided;
}
