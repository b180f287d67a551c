/** Runs test files in Chromium, in pages that are kept for the next file. */
import { existsSync } from "node:fs";
import process from "node:process";
import { type Browser, type CDPSession, chromium, type Page } from "playwright-core";
import type { Message, Orders } from "../tests/support/runner/run.ts";
import { bundle } from "./bundle.ts";
import { isAlone, type Kept, Pooled } from "./kept.ts";
import { environment } from "./processes.ts";
import { type Outcome, resultOf, type Suite, type TestOptions } from "./results.ts";
import { serve } from "./server.ts";
import { SourceMaps } from "./source_maps.ts";
import { turnOf } from "./turns.ts";

/** Test files that browsers do not run, and why. All others run there; one that does not load is a failure. */
const NOT_IN_BROWSERS: Record<string, string | null> = {
  // The first match counts.
  "tests/tooling/bad_calls/": null,
  "tests/tooling/": "they are about files and commands",
  "tests/verify/cli.test.ts": "it starts processes",
  "tests/loss/coco.test.ts": "it looks for a file",
};

/**
 * Test files that also run in pages that are not isolated. There gpu.js runs the same kernels of webasm on one thread: what depends on that
 * are each op, plans of several kernels and of the loss, memory, and what becomes of errors.
 */
const NOT_ISOLATED = [
  "tests/core/faults.test.ts",
  "tests/core/limits.test.ts",
  "tests/core/realize.test.ts",
  "tests/core/state.test.ts",
  "tests/loss/golden.test.ts",
  "tests/ops/devices.test.ts",
  "tests/ops/programs.test.ts",
];

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
const OWN_FRAME = /^ +at .*(tests\/support\/(runner|browser)\/\w+\.ts:|<anonymous>:)\d+:\d+\)?$/;

type Environment = Record<string, string | undefined>;

/** The page's globals, declared here because pages and this program do not share any. */
interface Globals {
  gpugradTests: {
    run(orders: Orders, env: Environment, tell: (message: Message) => Promise<void>): Promise<string | null>;
    graphics(): Promise<Record<string, string>>;
  };
  gpugradTell(message: Message): Promise<void>;
  crossOriginIsolated: boolean;
}

export interface BrowserOptions extends TestOptions {
  /** The environment of the tests. */
  readonly env: Environment;
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

/** Whether a file runs in pages that are not isolated, too; a run with more inputs than usual runs all of them. */
export function runsUnisolated(file: string): boolean {
  return NOT_ISOLATED.includes(file) || environment.GPUGRAD_RUNS !== undefined ||
    environment.GPUGRAD_SOAK !== undefined;
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

/** A browser of its own for each file that runs, since a page that hangs is ended with its browser. Its pages are kept for the next file. */
class KeptBrowser implements Kept {
  readonly browser: Browser;
  readonly #pages = new Map<Place, Tab>();
  #session: Promise<CDPSession> | null = null;

  constructor(browser: Browser) {
    this.browser = browser;
  }

  /** A page that is open. */
  async tab(place: Place): Promise<Tab> {
    const known = this.#pages.get(place);
    if (known) return known;
    // All pages in one context, which keeps the compiled code of the modules.
    const page = await (this.browser.contexts()[0] ?? await this.browser.newContext()).newPage();
    const tab = new Tab(page);
    this.#pages.set(place, tab);
    await tab.load(place);
    return tab;
  }

  /** The processor's time of all its processes, in seconds; 0 if it has ended. */
  async cpu(): Promise<number> {
    try {
      this.#session ??= this.browser.newBrowserCDPSession();
      const { processInfo } = await (await this.#session).send("SystemInfo.getProcessInfo");
      return processInfo.reduce((sum, { cpuTime }) => sum + cpuTime, 0);
    } catch {
      return 0;
    }
  }

  async closeTab(place: Place): Promise<void> {
    await this.#pages.get(place)?.page.close();
    this.#pages.delete(place);
  }

  async close(): Promise<void> {
    await this.browser.close();
  }
}

/** A page in which one test file runs at a time. */
class Tab {
  readonly page: Page;
  /** How many files it has run. */
  files = 0;
  /** Hears of the file that runs. */
  log: PageLog | null = null;

  constructor(page: Page) {
    this.page = page;
  }

  async load({ address, only, soak }: Place): Promise<void> {
    const { page } = this;
    await page.exposeFunction("gpugradTell", (message: Message) => this.log?.hear(message));
    page.on("pageerror", (error) => this.log?.problem(`uncaught ${error.stack ?? error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error") {
        this.log?.problem(`console.error: ${message.text()} (${message.location().url})`);
      }
      if (message.type() === "log" && soak) console.log(message.text());
      if (message.type() === "warning") this.log?.warning(message.text());
    });
    await page.goto(address);
    const is = await page.evaluate(() => (globalThis as unknown as Globals).crossOriginIsolated);
    const isolated = only === undefined;
    if (is !== isolated) throw new Error(`the page should ${isolated ? "" : "not "}be isolated from other origins`);
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
  const { modules, problems } = await bundle(files);
  const server = await serve(modules);
  const browsers = new Pooled(async () =>
    new KeptBrowser(await launchChromium(found.path, options.soak ? SOAK_FLAGS : []))
  );
  const maps = new SourceMaps("", (path) => modules.get(`${path}.map`));
  const close = async () => {
    await browsers.endAll();
    await server.close();
  };
  try {
    const first = await browsers.take();
    const graphics = await graphicsOf(first.browser, server.isolated);
    browsers.giveBack(first);
    const label = `chromium ${first.browser.version()}`;
    const suite = (own: string, address: string, only?: string): Suite => {
      const place: Place = { address, only, soak: options.soak, readable: (text) => maps.replaceIn(text, address) };
      return {
        label: own,
        only,
        runFile: async (file) => {
          const problem = problems.get(file);
          if (problem === undefined) return await runInBrowser(browsers, file, place, options);
          return { results: [], problems: [`${file} cannot be bundled: ${problem}`], text: "", cpu: 0 };
        },
      };
    };
    return {
      isolated: suite(label, server.isolated),
      plain: suite(`${label}, not isolated`, server.plain, "webasm"),
      graphics,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/**
 * After this many files, or memories of WebAssembly, a page is replaced by a new one. Each plan of webasm takes a memory, which its threads
 * let go late, and Chromium allows a page some hundred.
 */
const FILES_PER_PAGE = 40, MEMORIES_PER_PAGE = 24;

async function runInBrowser(
  browsers: Pooled<KeptBrowser>,
  file: string,
  place: Place,
  options: BrowserOptions,
): Promise<Outcome> {
  const kept = await browsers.take();
  if (isAlone(file)) await kept.closeTab(place);
  const before = await kept.cpu();
  const log = new PageLog(
    file,
    (text) => place.readable(text).split("\n").filter((line) => !OWN_FRAME.test(line)).join("\n"),
  );
  const broken = await runFile(kept, log, place, options);
  let cpu = 0;
  if (broken) await browsers.end(kept);
  else {
    cpu = await kept.cpu() - before;
    if (isAlone(file)) await kept.closeTab(place);
    browsers.giveBack(kept);
  }
  return { results: log.results, problems: log.problems, text: log.text(), cpu };
}

/** Describes the graphics drivers of this browser, to distinguish a GPU from its software substitute. */
async function graphicsOf(browser: Browser, address: string): Promise<string> {
  const page = await browser.newPage();
  try {
    await page.goto(address);
    const found = await page.evaluate(() => (globalThis as unknown as Globals).gpugradTests.graphics());
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
  readonly file: string;
  readonly #readable: (text: string) => string;
  readonly #shown: string[] = [];
  readonly #warnings: string[] = [];
  /** The test that is running. */
  #at = "";

  /** @param readable maps a stack trace to the sources. */
  constructor(file: string, readable: (text: string) => string) {
    this.file = file;
    this.#readable = readable;
  }

  hear(message: Message): void {
    if ("started" in message) return void (this.#at = message.started);
    const { name, status, detail } = message.ended;
    this.results.push(resultOf(message.ended));
    if (status === "failed") this.#shown.push(`${this.file}: ${name}\n${this.#readable(detail)}`);
    this.#at = "";
  }

  /** Keeps a warning, which is shown if a test fails. */
  warning(text: string): void {
    if (this.#warnings.length < 20) this.#warnings.push(text);
  }

  /** Records a problem other than a failed test. */
  problem(text: string): void {
    const where = `${this.file}${this.#at && `, in "${this.#at}"`}`;
    this.problems.push(`${where}: ${text.split("\n")[0].slice(0, 160)}`);
    this.#shown.push(`${where}: ${this.#readable(text)}`);
  }

  /** Failures in full. */
  text(): string {
    if (this.#shown.length === 0) return "";
    const warnings = this.#warnings.length > 0 ? [`${this.file}: console warnings:\n${this.#warnings.join("\n")}`] : [];
    return `${[...this.#shown, ...warnings].join("\n\n")}\n`;
  }
}

/** Pages of one kind. */
interface Place {
  /** Ends with a slash. */
  readonly address: string;
  /** The only backend whose tests run. */
  readonly only: string | undefined;
  readonly soak: boolean;
  /** Maps a stack trace to the sources. */
  readonly readable: (text: string) => string;
}

/** Runs a test file in a page; returns whether the browser cannot be used any more. */
async function runFile(
  kept: KeptBrowser,
  log: PageLog,
  place: Place,
  options: BrowserOptions,
): Promise<boolean> {
  const { browser } = kept;
  const { only, address } = place;
  const { name, minutes, env } = options;
  const ends: (() => void)[] = [];
  try {
    const tab = await kept.tab(place);
    tab.log = log;
    const ended = new Promise<string>((done) => {
      const listen = <T extends Page | Browser>(target: T, event: string, reason: string) => {
        const listener = () => done(reason);
        (target as Page).on(event as "crash", listener);
        ends.push(() => (target as Page).off(event as "crash", listener));
      };
      listen(tab.page, "crash", "the page crashed");
      listen(browser, "disconnected", "the browser ended");
      if (Number.isFinite(minutes)) {
        const timer = setTimeout(() => done(`did not end within ${minutes} minutes`), minutes * 60_000);
        ends.push(() => clearTimeout(timer));
      }
    });
    const orders: Orders = {
      module: `${address}${log.file.replace(/\.ts$/, ".js")}`,
      name: name ?? "",
      ending: only === undefined ? "" : ` [${only}]`,
      turn: turnOf("chromium", log.file, options),
    };
    const done = runPage(tab.page, orders, { ...env, GPUGRAD_DEVICE: only });
    const reason = await Promise.race([ended, done.then(() => null)]);
    if (reason !== null) {
      log.problem(reason);
      done.catch(() => {});
      return true;
    }
    if (log.results.length === 0 && log.problems.length === 0 && name === undefined && only === undefined) {
      log.problem("has no test");
    }
    tab.log = null;
    if (++tab.files >= FILES_PER_PAGE || await memoriesMade(tab.page) > MEMORIES_PER_PAGE) await kept.closeTab(place);
  } catch (error) {
    log.problem((error as Error).message);
    await kept.closeTab(place).catch(() => {});
    if (!browser.isConnected()) return true;
  } finally {
    ends.forEach((end) => end());
  }
  return false;
}

function memoriesMade(page: Page): Promise<number> {
  return page.evaluate(() =>
    (globalThis as unknown as { gpugradTests: { memoriesMade(): number } }).gpugradTests.memoriesMade()
  );
}

/** Loads a test file in a page and waits for its tests. */
async function runPage(page: Page, orders: Orders, env: Environment): Promise<void> {
  const error = await page.evaluate(([orders, env]) => {
    const { gpugradTests, gpugradTell } = globalThis as unknown as Globals;
    return gpugradTests.run(orders, env, gpugradTell);
  }, [orders, env] as const);
  if (error !== null) throw new Error(`did not load: ${error}`);
}
