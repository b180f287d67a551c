/** `gpugrad devices`: which devices can compute here. */
import { availableDevices } from "../mod.ts";
import { parse } from "./arguments.ts";
import { version } from "./version.ts";

const help = `Usage: gpugrad devices [options]

Lists the devices that gpugrad can compute on here, and for those it cannot, why.

Options:
  --json      print the list as JSON
  -h, --help  print this text`;

/** Runs the command; gives the exit code. */
export async function devices(args: string[]): Promise<number> {
  const { values } = parse({ args, options: { json: { type: "boolean" }, help: { type: "boolean", short: "h" } } });
  if (values.help) {
    console.log(help);
    return 0;
  }
  const list = await availableDevices();
  if (values.json) {
    console.log(JSON.stringify({ version, devices: list }, null, 2));
    return 0;
  }
  const width = Math.max(...list.map(({ name }) => name.length));
  console.log(`gpugrad ${version}`);
  for (const { name, available, reason } of list) {
    console.log(`  ${name.padEnd(width)}  ${available ? "available" : `not available${reason ? `: ${reason}` : ""}`}`);
  }
  return 0;
}
