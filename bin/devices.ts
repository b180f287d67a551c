/** `gpugrad devices`: lists the devices that can compute here. */
import { availableDevices, useDevice } from "../mod.ts";
import { parse } from "./arguments.ts";
import { version } from "./version.ts";

const help = `Usage: gpugrad devices [options]

Lists the devices that gpugrad can compute on here, and why the others are not available; then the default
device, and why it was chosen over the others.

Options:
  --json      print the list as JSON
  -h, --help  print this text`;

/** Runs the command and returns the exit code. */
export async function devices(args: string[]): Promise<number> {
  const { values } = parse({ args, options: { json: { type: "boolean" }, help: { type: "boolean", short: "h" } } });
  if (values.help) {
    console.log(help);
    return 0;
  }
  const list = await availableDevices();
  const { name: chosen, passedOver } = await useDevice("auto");
  if (values.json) {
    console.log(JSON.stringify({ version, devices: list, default: chosen, passedOver }, null, 2));
    return 0;
  }
  const width = Math.max(...list.map(({ name }) => name.length));
  console.log(`gpugrad ${version}`);
  for (const { name, available, description, reason } of list) {
    console.log(`  ${name.padEnd(width)}  ${available ? `available: ${description}` : `not available: ${reason}`}`);
  }
  console.log(`The default is ${chosen}.`);
  const works = new Set(list.filter(({ available }) => available).map(({ name }) => name));
  for (const { name, reason } of passedOver) if (works.has(name)) console.log(`  not ${name}: it ${reason}`);
  return 0;
}
