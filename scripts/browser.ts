/** Runs test files in Chromium, each in its own page. */
import { existsSync } from "node:fs";
import process from "node:process";
import { type Browser, chromium, type Page } from "playwright-core";
import type { Message, Orders } from "../tests/support/browser/page.ts";
import { type Bundle, bundle } from "./bundle.ts";
import { type Outcome, resultOf, type Suite, type TestOptions } from "./results.ts";
import { serve } from "./server.ts";
import { originalStack } from "./source_maps.ts";

/** Test files that browsers do not run, and why. All others run there; one that does not load is a failure. */
const NOT_IN_BROWSERS: Record<string, string | null> = {
  // The first match counts.
  "tests/tooling/bad_calls/": null,
  "tests/tooling/": "they are about files and commands",
  "tests/verify/cli.test.ts": "it starts processes",
  "tests/loss/coco.test.ts": "it looks for a file",
};

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

const FLAGS = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // WebGPU on Linux needs these flags; the last one enables SwiftShader, which computes on the CPU if there is no GPU.
  "--enable-unsafe-webgpu",
  "--enable-features=Vulkan",
  "--enable-unsafe-swiftshader",
];

const SOAK_FLAGS = ["--js-flags=--expose-gc", "--enable-precise-memory-info"];

/** Stack frames of the test runner itself. */
const OWN_FRAME = /^ +at .*(tests\/support\/browser\/(node_test|page)\.ts:|<anonymous>:)\d+:\d+\)?$/;

/** The page's globals, declared here because pages and this program do not share any. */
interface Window {
  gpugradTests: {
    run(orders: Orders, tell: (message: Message) => Promise<void>): Promise<string | null>;
    graphics(): Promise<Record<string, string>>;
  };
  gpugradTell(message: Message): Promise<void>;
  crossOriginIsolated: boolean;
}

export interface BrowserOptions extends TestOptions {
  /** The environment of the tests. */
  readonly env: Record<string, string | undefined>;
}

/** The path of Chromium, or how to get it. */
export function findChromium(): { path: string } | { missing: string } {
  const { CHROMIUM: given } = process.env;
  if (given) return existsSync(given) ? { path: given } : { missing: `CHROMIUM=${given} is not there` };
  const path = PLACES.find((place) => existsSync(place));
  if (path) return { path };
  return {
    missing: "Chromium is not installed (Debian: apt-get install chromium; elsewhere set CHROMIUM to its path)",
  };
}

/** Starts Chromium from a path. */
export function launchChromium(path: string, flags: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: path,
    headless: true,
    args: [...FLAGS, ...flags, ...(process.env.CHROMIUM_FLAGS ?? "").split(" ").filter(Boolean)],
  });
}

/** The files that browsers run, and the others grouped by the reason why they do not. */
export function filesOfBrowsers(files: readonly string[]): { chosen: string[]; left: Map<string, string[]> } {
  const left = new Map<string, string[]>();
  const chosen = files.filter((file) => {
    const [, reason = null] = Object.entries(NOT_IN_BROWSERS).find(([path]) => file.startsWith(path)) ?? [];
    if (reason !== null) left.set(reason, [...left.get(reason) ?? [], file]);
    return reason === null;
  });
  return { chosen, left };
}

/** Browsers that are not in use: each page has a browser of its own, which can be ended if the page hangs. */
class Browsers {
  readonly #launch: () => Promise<Browser>;
  readonly #idle: Browser[] = [];
  readonly #all = new Set<Browser>();

  constructor(launch: () => Promise<Browser>) {
    this.#launch = launch;
  }

  async take(): Promise<Browser> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    const started = await this.#launch();
    this.#all.add(started);
    return started;
  }

  giveBack(browser: Browser): void {
    this.#idle.push(browser);
  }

  async end(browser: Browser): Promise<void> {
    this.#all.delete(browser);
    await browser.close();
  }

  async endAll(): Promise<void> {
    await Promise.all([...this.#all].map((browser) => browser.close()));
  }
}

/** A chromium that is ready to run test files. */
export interface Chromium {
  /** In cross-origin isolated pages, where webasm has threads. */
  readonly isolated: Suite;
  /** The webasm tests, in pages that are not isolated. */
  readonly plain: Suite;
  /** The drivers of its GPU backends. */
  readonly graphics: string;
  close(): Promise<void>;
}

/** Bundles the test files and starts a browser. */
export async function openChromium(
  files: readonly string[],
  options: BrowserOptions,
): Promise<{ missing: string } | Chromium> {
  const found = findChromium();
  if ("missing" in found) return found;
  const browsers = new Browsers(() => launchChromium(found.path, options.soak ? SOAK_FLAGS : []));
  const { modules, problems } = await bundle(files);
  const server = await serve(modules);
  const close = async () => {
    await browsers.endAll();
    await server.close();
  };
  try {
    const first = await browsers.take();
    const graphics = await graphicsOf(first, server.isolated);
    browsers.giveBack(first);
    const label = `chromium ${first.version()}`;
    const suite = (own: string, place: Place): Suite => ({
      label: own,
      only: place.only,
      runFile: (file) => runInBrowser(browsers, file, { ...place, problem: problems.get(file) }, options),
    });
    return {
      isolated: suite(label, { address: server.isolated, only: undefined, modules }),
      plain: suite(`${label}, not isolated`, { address: server.plain, only: "webasm", modules }),
      graphics,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function runInBrowser(
  browsers: Browsers,
  file: string,
  place: Place & { problem: string | undefined },
  options: BrowserOptions,
): Promise<Outcome> {
  if (place.problem !== undefined) {
    return { results: [], problems: [`${file} cannot be bundled: ${place.problem}`], text: "" };
  }
  const browser = await browsers.take();
  const { broken, ...outcome } = await runFile(browser, file, place, options);
  if (broken) await browsers.end(browser);
  else browsers.giveBack(browser);
  return outcome;
}

/** Describes the graphics drivers of this browser, to distinguish a GPU from its software substitute. */
async function graphicsOf(browser: Browser, address: string): Promise<string> {
  const page = await browser.newPage();
  try {
    await page.goto(address);
    const found = await page.evaluate(() => (globalThis as unknown as Window).gpugradTests.graphics());
    return Object.entries(found).map(([backend, name]) => `  ${backend}: ${name}`).join("\n");
  } catch (error) {
    return `  no GPU: ${(error as Error).message}`;
  } finally {
    await page.close();
  }
}

/** Collects what a page reports while it runs the tests of a file. */
class PageLog {
  readonly results: Outcome["results"] = [];
  readonly problems: string[] = [];
  readonly #file: string;
  readonly #readable: (text: string) => string;
  readonly #shown: string[] = [];
  readonly #warnings: string[] = [];
  /** The test that is running. */
  #at = "";

  /** @param readable maps a stack trace to the sources. */
  constructor(file: string, readable: (text: string) => string) {
    this.#file = file;
    this.#readable = readable;
  }

  /** Listens to a page. With `soak`, its output is printed. */
  async follow(page: Page, soak: boolean): Promise<void> {
    await page.exposeFunction("gpugradTell", (message: Message) => this.#hear(message));
    page.on("pageerror", (error) => this.problem(`uncaught ${error.stack ?? error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error") this.problem(`console.error: ${message.text()} (${message.location().url})`);
      if (message.type() === "log" && soak) console.log(message.text());
      if (message.type() === "warning" && this.#warnings.length < 20) this.#warnings.push(message.text());
    });
  }

  #hear(message: Message): void {
    if ("started" in message) return void (this.#at = message.started);
    const { name, status, detail, seconds } = message.ended;
    this.results.push(resultOf(name, status, detail, seconds));
    if (status === "failed") this.#shown.push(`${this.#file}: ${name}\n${this.#readable(detail)}`);
    this.#at = "";
  }

  /** Records a problem other than a failed test. */
  problem(text: string): void {
    const where = `${this.#file}${this.#at && `, in "${this.#at}"`}`;
    this.problems.push(`${where}: ${text.split("\n")[0].slice(0, 160)}`);
    this.#shown.push(`${where}: ${this.#readable(text)}`);
  }

  /** Failures in full. */
  text(): string {
    if (this.#shown.length === 0) return "";
    const warnings = this.#warnings.length > 0
      ? [`${this.#file}: console warnings:\n${this.#warnings.join("\n")}`]
      : [];
    return `${[...this.#shown, ...warnings].join("\n\n")}\n`;
  }
}

/** Pages of one kind. */
interface Place {
  readonly address: string;
  /** The only backend whose tests run. */
  readonly only: string | undefined;
  readonly modules: Bundle;
}

/**
 * Runs one test file in a new page; `broken` means that the browser cannot be used any more.
 */
async function runFile(
  browser: Browser,
  file: string,
  { address, only, modules }: Place,
  { name, minutes, soak, env }: BrowserOptions,
): Promise<Outcome & { broken: boolean }> {
  const log = new PageLog(
    file,
    (text) => originalStack(text, address, modules).split("\n").filter((line) => !OWN_FRAME.test(line)).join("\n"),
  );
  let broken = false;
  // All pages in one context, which keeps the compiled code of the modules.
  const page = await (browser.contexts()[0] ?? await browser.newContext()).newPage();
  const ends: (() => void)[] = [];
  try {
    await log.follow(page, soak);
    const ended = new Promise<string>((done) => {
      page.on("crash", () => done("the page crashed"));
      const disconnected = () => done("the browser ended");
      browser.on("disconnected", disconnected);
      ends.push(() => browser.off("disconnected", disconnected));
      if (Number.isFinite(minutes)) {
        const timer = setTimeout(() => done(`did not end within ${minutes} minutes`), minutes * 60_000);
        ends.push(() => clearTimeout(timer));
      }
    });
    const done = runPage(page, address, {
      module: `${address}${file.replace(/\.ts$/, ".js")}`,
      name: name ?? "",
      ending: only === undefined ? "" : ` [${only}]`,
      env: { ...env, GPUGRAD_DEVICE: only },
    }, only === undefined);
    const reason = await Promise.race([ended.then((text) => ({ text })), done.then(() => null)]);
    if (reason) {
      broken = true;
      log.problem(reason.text);
      done.catch(() => {});
    } else if (log.results.length === 0 && log.problems.length === 0 && name === undefined && only === undefined) {
      log.problem("has no test");
    }
  } catch (error) {
    log.problem((error as Error).message);
  } finally {
    ends.forEach((end) => end());
    if (!broken) await page.close();
  }
  return { results: log.results, problems: log.problems, text: log.text(), broken };
}

/** Loads a test file in a page and waits for its tests. */
async function runPage(page: Page, address: string, orders: Orders, isolated: boolean): Promise<void> {
  await page.goto(address);
  const is = await page.evaluate(() => (globalThis as unknown as Window).crossOriginIsolated);
  if (is !== isolated) throw new Error(`the page should ${isolated ? "" : "not "}be isolated from other origins`);
  const error = await page.evaluate((orders) => {
    const { gpugradTests, gpugradTell } = globalThis as unknown as Window;
    return gpugradTests.run(orders, gpugradTell);
  }, orders);
  if (error !== null) throw new Error(`did not load: ${error}`);
}
