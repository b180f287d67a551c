#!/usr/bin/env node
/** The `gpugrad` command: the version, and which devices can compute here. */
import { createRequire } from "node:module";
import process from "node:process";
import { parseArgs } from "node:util";
import { availableDevices } from "../mod.ts";

const help = `Usage: gpugrad [options]

Lists the devices that gpugrad can compute on here, and for those it cannot, why.

Options:
  --json         print the list as JSON
  -v, --version  print the version
  -h, --help     print this text`;

const options = {
  json: { type: "boolean" },
  version: { type: "boolean", short: "v" },
  help: { type: "boolean", short: "h" },
} as const;

const { version } = createRequire(import.meta.url)("gpugrad/package.json") as { version: string };

/** Runs the command. */
async function main(): Promise<void> {
  const { values } = parseArgs({ options });
  if (values.help) return console.log(help);
  if (values.version) return console.log(version);
  const devices = await availableDevices();
  if (values.json) return console.log(JSON.stringify({ version, devices }, null, 2));
  const width = Math.max(...devices.map((device) => device.name.length));
  console.log(`gpugrad ${version}`);
  for (const { name, available, reason } of devices) {
    console.log(`  ${name.padEnd(width)}  ${available ? "available" : `not available${reason ? `: ${reason}` : ""}`}`);
  }
}

try {
  await main();
} catch (error) {
  console.error(`gpugrad: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
