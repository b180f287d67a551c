import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import type { Page } from "playwright-core";
import { root } from "../support/source.ts";
import { skip } from "../support/skip.ts";

// Builds the playground and drives it in Chromium, as a visitor would.

const underNode = !("Deno" in globalThis) && !("Bun" in globalThis);
const elsewhere = underNode ? undefined : "under Node, which drives the same browser";
const { findChromium, launchChromium } = underNode
  ? await import("../../scripts/browser.ts")
  : { findChromium: () => ({ missing: "" }), launchChromium: null };
const found = findChromium();
const missing = elsewhere ?? ("missing" in found ? found.missing : undefined);

const folder = join(root, ".cache", `playground-${process.pid}`);

/** The built pages, and a browser. */
async function start() {
  const { build, preview } = await import("vite");
  const configFile = join(root, "playground", "vite.config.ts");
  const common = { configFile, logLevel: "error" as const };
  // As it is served, but not minified, which takes a quarter of the time.
  await build({ ...common, build: { outDir: folder, minify: false } });
  const server = await preview({ ...common, build: { outDir: folder }, preview: { port: 0, open: false } });
  const browser = await launchChromium!("path" in found ? found.path : "");
  // Pages of one context share compiled code.
  const context = await browser.newContext();
  after(async () => {
    await browser.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return { context, address: server.resolvedUrls!.local[0] };
}

const started = missing === undefined ? await start() : null;

/** Opens the page, collecting its errors. */
async function open(hash: string, problems: string[]): Promise<Page> {
  const page = await started!.context.newPage();
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("request", (request) => {
    if (!request.url().startsWith(started!.address) && /^https?:/.test(request.url())) problems.push(request.url());
  });
  page.setDefaultTimeout(120_000);
  await page.goto(`${started!.address}#${hash}`);
  await page.waitForSelector("#loss");
  return page;
}

/** A page of its own. Its errors fail the test. */
async function withPage(hash: string, use: (page: Page) => Promise<void>): Promise<void> {
  const problems: string[] = [];
  const page = await open(hash, problems);
  try {
    await use(page);
  } finally {
    await page.close();
  }
  assert.deepEqual(problems, []);
}

let kept: Page | null = null;

/** A page that the tests share, since to open one takes longer than what they do; it starts again for each, on wasm or another device. */
async function withKeptPage(use: (page: Page) => Promise<void>, device = "wasm"): Promise<void> {
  const problems: string[] = [];
  if (kept) {
    await kept.locator("#start-again").click();
    await kept.locator("#device").selectOption(device);
    await kept.locator("#status").filter({ hasText: `${device}, ` }).waitFor();
    await edit(kept, "return {};");
    await kept.waitForSelector("#verdict[data-verdict=ok]:not([data-old])");
  } else kept = await open(`device=${device}`, problems);
  const hear = (error: Error) => problems.push(error.message);
  kept.on("pageerror", hear);
  await use(kept);
  kept.off("pageerror", hear);
  assert.deepEqual(problems, []);
}

const textOf = (page: Page, selector: string): Promise<string> => page.locator(selector).innerText();

/** Waits until a text is another one, and returns it. */
async function changed(page: Page, selector: string, from: string): Promise<string> {
  await page.waitForFunction(
    ([selector, from]) => document.querySelector(selector)?.textContent !== from,
    [selector, from] as const,
  );
  return await textOf(page, selector);
}

async function edit(page: Page, text: string): Promise<void> {
  await page.locator(".cm-content").focus();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.insertText(text);
}

/** Waits for the verdict on what is shown. */
async function verdict(page: Page): Promise<string | null> {
  await page.waitForSelector("#verdict[data-verdict]:not([data-old])");
  return await page.locator("#verdict").getAttribute("data-verdict");
}

for (const device of ["wasm", "webasm", "webgl2", "webgpu"]) {
  test(...skip(`a box is dragged [${device}]`, missing), () =>
    withKeptPage(async (page) => {
      assert.match(await textOf(page, "#status"), new RegExp(`^${device}, `));
      const before = await textOf(page, "#loss");
      const box = (await page.locator(".handle.truth").first().boundingBox())!;
      await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
      await page.mouse.down();
      await page.mouse.move(box.x + box.width / 2 + 60, box.y + box.height / 2 - 40, { steps: 4 });
      await page.mouse.up();
      const after = await changed(page, "#loss", before);
      assert.ok(Number(after) > 0, after);
    }, device));
}

test(
  ...skip("the address brings back what was dragged, what is shown, and the steps of descent [wasm]", missing),
  () =>
    withKeptPage(async (page) => {
      const truth = page.locator(".handle.truth").first();
      const first = await textOf(page, "#loss");
      await truth.press("ArrowRight");
      const before = await changed(page, "#loss", first);
      await page.locator("#step").click();
      const loss = await changed(page, "#loss", before);
      await page.locator("#show-arrows").uncheck();
      await page.locator("#show-others").check();
      await page.locator("#insides summary").click();
      await page.locator("#view").selectOption("plan");
      await page.waitForFunction(() =>
        ["truths=", "losses=", "layers=", "inside=plan"].every((part) => location.hash.includes(part))
      );
      const title = await truth.getAttribute("aria-label");
      // What is no truth and no number of the problem is left out.
      const nonsense = new URLSearchParams(new URL(page.url()).hash.slice(1));
      nonsense.set("truths", `${nonsense.get("truths")};0,0.5,0.5,-1,0.2;9,0.5,0.5,0.1,0.1`);
      nonsense.set("along", "logits,3,7");
      await page.locator("#show-arrows").check();
      await page.locator("#show-others").uncheck();
      await page.locator("#view").selectOption("kernels");
      await page.locator("#insides summary").click();
      await withPage(String(nonsense), async (copy) => {
        assert.equal(await copy.locator(".handle.truth").count(), 3);
        assert.deepEqual(
          await copy.locator("#layers input").evaluateAll((boxes) =>
            (boxes as HTMLInputElement[]).filter(({ checked }) => checked).map(({ id }) => id)
          ),
          ["show-heat", "show-matched", "show-mined", "show-predicted", "show-others"],
        );
        await copy.locator("#insides-text").filter({ hasText: /^step 0: / }).waitFor();
        // The chart comes, though the plan was asked for while it was computed.
        await copy.locator("#along-slope svg").waitFor();
        assert.equal(await copy.locator(".handle.truth").first().getAttribute("aria-label"), title);
        assert.equal(await textOf(copy, "#loss"), loss);
        await copy.locator("#descent-chart svg").first().waitFor();
        await copy.locator("#reset").click();
        assert.equal(await changed(copy, "#loss", loss), before);
      });
    }),
);

const logCosh = (derivative: string) => `
const logCosh = customVjp(
  (d) => sub(add(d, softplus(mul(d, -2))), Math.log(2)),
  ({ cotangent, inputs: [d] }) => mul(cotangent, ${derivative}),
);
return { localisation: ({ locations, wanted }) => logCosh(sub(locations, wanted)) };`;

test(
  ...skip("a formula is edited to a wrong one and back [wasm]", missing),
  () =>
    withKeptPage(async (page) => {
      const reference = await textOf(page, "#loss");
      await edit(page, logCosh("tanh(d)"));
      assert.equal(await verdict(page), "ok");
      const right = await changed(page, "#loss", reference);
      await edit(page, logCosh("tanh(mul(d, 0.9))"));
      await page.waitForSelector("#verdict[data-verdict=wrong]:not([data-old])");
      // The value does not depend on the derivative.
      assert.equal(await textOf(page, "#loss"), right);
      await edit(page, logCosh("tanh(d)"));
      await page.waitForSelector("#verdict[data-verdict=ok]:not([data-old])");
    }),
);

test(
  ...skip("a broken formula shows its error, and a mended one does not [wasm]", missing),
  () =>
    withKeptPage(async (page) => {
      const error = page.locator("#text-error");
      const cases: [text: string, message: RegExp][] = [
        ["return {\n  alpha: 1,,\n};", /Unexpected token \(line 2\)/],
        ["return { alpha: 3 };", /expected alpha to be a number from 0 to 2, got 3/],
        ["return (x, y) => x - eps;", /expected eps to be declared.* \(line 1\)/],
        ["const a = 1;\nreturn { mining: nothing(a) };", /nothing is not defined \(line 2\)/],
      ];
      const usual = page.viewportSize()!;
      await page.setViewportSize({ width: 390, height: 844 });
      for (const [text, message] of cases) {
        await edit(page, text);
        await error.filter({ hasText: message }).waitFor();
      }
      // An excerpt that is wider than a phone scrolls: the mark stays under what it marks, and in sight.
      await edit(page, "return (prediction, wanted, weight) => (prediction - wanted) ** 2 + missing * weight;");
      await error.filter({ hasText: "expected missing to be declared" }).waitFor();
      const [lines, visible] = await error.locator("code").evaluate((code) => {
        const [text] = code.childNodes;
        const range = document.createRange();
        range.setStart(text, text.textContent!.indexOf("^"));
        range.setEnd(text, text.textContent!.lastIndexOf("^") + 1);
        const mark = range.getBoundingClientRect(), { left, right } = code.getBoundingClientRect();
        range.selectNodeContents(code);
        return [
          new Set(Array.from(range.getClientRects(), ({ top }) => Math.round(top))).size,
          mark.left >= left && mark.right <= right,
        ];
      });
      assert.equal(lines, 2);
      assert.ok(visible);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
      await page.setViewportSize(usual);
      await edit(page, "return (x, y) => (x - y) ** 2;");
      await error.waitFor({ state: "hidden" });
      assert.equal(await verdict(page), "ok");
    }),
);

test(
  ...skip("a box follows the keys while the worker computes [wasm]", missing),
  () =>
    withKeptPage(async (page) => {
      await edit(page, "const end = Date.now() + 1500;\nwhile (Date.now() < end);\nreturn {};");
      await page.waitForSelector(":root[data-busy]");
      const truth = page.locator(".handle.truth").first();
      const left = () => truth.evaluate((element) => element.style.left);
      const before = await left();
      await truth.press("ArrowRight");
      await page.waitForFunction(
        (before) => document.querySelector<HTMLElement>(".handle.truth")!.style.left !== before,
        before,
      );
      assert.ok(await page.locator(":root[data-busy]").count() > 0, "the worker should still compute");
      await page.waitForSelector(":root:not([data-busy])");
    }),
);

test(
  ...skip("what is inside is shown, and descent descends [wasm]", missing),
  () =>
    withKeptPage(async (page) => {
      await page.locator("#scene").selectOption("photograph");
      await page.waitForSelector("#verdict[data-verdict=ok]:not([data-old])");
      const before = Number(await textOf(page, "#loss"));
      for (let i = 0; i < 3; i++) {
        const text = await textOf(page, "#loss");
        await page.locator("#step").click();
        await changed(page, "#loss", text);
      }
      assert.ok(Number(await textOf(page, "#loss")) < before);
      await page.locator("#insides summary").click();
      await page.locator("#time").click();
      await page.waitForFunction(() => document.querySelector("#insides-status")!.textContent!.includes("ms a call"));
      assert.ok(await page.locator("#kernels tbody tr").count() > 5);
      await page.locator("#view").selectOption("tape");
      assert.match(await textOf(page, "#insides-text"), /^%0 = /);
    }),
);
