/**
 * The accuracy of each backend: every scalar function, and a few composites, against float64 on every device of every
 * runtime on this machine, and special cases. Writes the tables into docs/backends.md.
 *
 *   npm run accuracy                           measure everything
 *   npm run accuracy -- --points 1000          fewer points per range
 *   npm run accuracy -- --only node --dry-run  one runtime (node, deno, bun or chromium; can be repeated); prints the
 * tables
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { findChromium, launchChromium } from "../scripts/browser.ts";
import { bundle } from "../scripts/bundle.ts";
import { writePart } from "../scripts/generated.ts";
import { output, root, run } from "../scripts/processes.ts";
import { onDisplay, type Runner, versionOf, vulkan } from "../scripts/runners.ts";
import { serve } from "../scripts/server.ts";
import { toleranceReport, write } from "./accuracy/report.ts";
import type { measure, RuntimeFigures } from "./accuracy/measure.ts";

const { values: options } = parseArgs({
  options: {
    points: { type: "string", default: "8000" },
    only: { type: "string", multiple: true, default: ["node", "deno", "bun", "chromium"] },
    "dry-run": { type: "boolean" },
  },
});
const points = Number(options.points);
/** The time in minutes after which a runtime is considered hung. */
const MINUTES = 10;

const runner = "bench/accuracy/run.ts";
const commands: Record<Runner, (file: string) => [string, string[]]> = {
  node: (file) => onDisplay(process.execPath, ["--import", "tsx", runner, file, String(points)]),
  deno: (file) => ["deno", ["run", "--allow-all", "--no-check", runner, file, String(points)]],
  bun: (file) => ["bun", ["run", runner, file, String(points)]],
};

async function measureIn(runtime: Runner, folder: string): Promise<RuntimeFigures> {
  const file = join(folder, `${runtime}.json`);
  const { problem } = await run(...commands[runtime](file), {
    minutes: MINUTES,
    env: vulkan(runtime, folder),
    live: true,
  });
  if (problem !== null) throw new Error(`${runtime} ${problem}`);
  return JSON.parse(readFileSync(file, "utf8"));
}

/** Measures in a cross-origin isolated page, as in the tests. */
async function measureInChromium(): Promise<{ version: string; figures: RuntimeFigures } | { missing: string }> {
  const found = findChromium();
  if ("missing" in found) return found;
  const module = "bench/accuracy/measure.ts";
  const { modules, problems } = await bundle([module]);
  if (problems.size > 0) throw new Error([...problems.values()].join("\n"));
  const server = await serve(modules);
  const browser = await launchChromium(found.path);
  console.log(`\n> ${found.path} (${browser.version()})`);
  try {
    const page = await browser.newPage();
    await page.goto(server.isolated);
    const late = new Promise<never>((_, fail) =>
      setTimeout(() => fail(new Error(`chromium did not end within ${MINUTES} minutes`)), MINUTES * 60_000).unref()
    );
    const address = server.isolated + module.replace(/\.ts$/, ".js");
    const measured = page.evaluate(async ([address, points]) => {
      const loaded = await import(address as string) as { measure: typeof measure };
      return await loaded.measure(points as number);
    }, [address, points]);
    return { version: browser.version(), figures: await Promise.race([measured, late]) };
  } finally {
    await browser.close();
    await server.close();
  }
}

process.chdir(root);
mkdirSync(".cache", { recursive: true });
const folder = mkdtempSync(join(".cache", "accuracy-"));
const measured: { runtime: string; version: string; figures: RuntimeFigures }[] = [];
const missing: string[] = [];
try {
  for (const runtime of ["node", "deno", "bun"] as const) {
    if (!options.only.includes(runtime)) continue;
    const found = versionOf(runtime);
    if ("missing" in found) missing.push(found.missing);
    else {
      const name = { node: "Node", deno: "Deno", bun: "Bun" }[runtime];
      measured.push({ runtime: name, version: found.version, figures: await measureIn(runtime, folder) });
    }
  }
  if (options.only.includes("chromium")) {
    const found = await measureInChromium();
    if ("missing" in found) missing.push(found.missing);
    else measured.push({ runtime: "Chromium", ...found });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

const gpujs = JSON.parse(readFileSync("node_modules/gpu.js/package.json", "utf8")).version as string;
const tables = write(measured, gpujs, points);
if (options["dry-run"]) console.log(`\n${tables}`);
else {
  const path = "docs/backends.md";
  writePart(path, "npm run accuracy", tables);
  const formatted = output("deno", ["fmt", path]);
  if ("missing" in formatted) console.error(formatted.missing);
  console.log(`\nThe tables are in ${path}.`);
}
console.log(
  `\nAgainst the accuracies that the records state, in units of 2^-23 of the result:\n${toleranceReport(measured)}`,
);
for (const { runtime, figures } of measured) {
  for (const { device, reason } of figures.missing) console.log(`Not measured: ${device} in ${runtime}: ${reason}`);
}
for (const reason of missing) console.log(`Not measured: ${reason}`);
