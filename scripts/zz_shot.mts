import { launchChromium } from "/work/w4/scripts/browser.ts";
import { preview } from "vite";
const server = await preview({
  configFile: "/work/w4/playground/vite.config.ts",
  logLevel: "error",
  build: { outDir: "/work/w4/site" },
  preview: { port: 0, open: false },
});
const address = server.resolvedUrls!.local[0];
const browser = await launchChromium("/usr/bin/chromium");
const jobs = JSON.parse(process.argv[2]) as {
  name: string;
  path: string;
  width: number;
  height?: number;
  dark?: boolean;
  wait?: string;
  full?: boolean;
  run?: string;
  scale?: number;
}[];
for (const job of jobs) {
  const context = await browser.newContext({
    viewport: { width: job.width, height: job.height ?? 900 },
    colorScheme: job.dark ? "dark" : "light",
    deviceScaleFactor: job.scale ?? 1,
  });
  const page = await context.newPage();
  page.on("pageerror", (e) => console.log(job.name, "pageerror", e.message));
  page.on("console", (m) => m.type() === "error" && console.log(job.name, "console", m.text()));
  const t = Date.now();
  await page.goto(address + job.path);
  try {
    if (job.wait) await page.waitForSelector(job.wait, { timeout: 120000, state: "attached" });
    if (job.run) console.log(job.name, "run", JSON.stringify(await page.evaluate(job.run)));
  } catch (e) {
    console.log(job.name, String(e).slice(0, 300));
  }
  await page.waitForTimeout(500);
  await page.screenshot({ path: `/tmp/w4shots/${job.name}.png`, fullPage: job.full ?? true });
  console.log(
    job.name,
    Date.now() - t,
    "ms; scrollWidth",
    await page.evaluate("document.documentElement.scrollWidth"),
    await page.evaluate("document.querySelector('#status')?.textContent"),
  );
  await context.close();
}
await browser.close();
await server.close();
process.exit(0);
