/** Channels to pages of Chromium, each in a browser of its own. */
import { createWriteStream, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { basename, extname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { build } from "esbuild";
import type { Browser } from "playwright-core";
import { findChromium, launchChromium } from "../../scripts/browser.ts";
import { root } from "../../scripts/processes.ts";
import { listen } from "../../scripts/server.ts";
import { type Channel, within } from "./contestant.ts";
import type { About, Request, Times } from "./protocol.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".js": "text/javascript",
  ".wasm": "application/wasm",
  "": "text/html",
};

const PAGE = `<!doctype html><meta charset="utf-8"><title>Bench</title><link rel="icon" href="data:,">
<script type="module" src="/modules/bench/peers/page.js"></script>`;

/** Packages that only programs of Node use. */
const NOT_ON_PAGES = ["node:*", "bun:*", "js-pytorch", "cli-table3"];

/** Serves the modules of a peer, the files of its backend, and those that it shares with the bench. */
export class Pages {
  readonly #folder: string;
  #serving: Promise<{ address: string; close(): Promise<void> }> | null = null;

  /** @param folder where inputs and results are. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  async open(name: string, threads: number): Promise<Channel> {
    const found = findChromium();
    if ("missing" in found) throw new Error(found.missing);
    const { address } = await (this.#serving ??= serve(this.#folder));
    return await channelTo(await launchChromium(found.path), { address, name, threads });
  }

  async close(): Promise<void> {
    await this.#serving?.then((server) => server.close(), () => {});
  }
}

async function channelTo(
  browser: Browser,
  { address, name, threads }: { address: string; name: string; threads: number },
): Promise<Channel> {
  const page = await browser.newPage();
  await page.goto(address);
  await page.waitForFunction(() => "benchPeer" in globalThis, undefined, { timeout: 30_000 });
  type Peer = {
    benchPeer: { open(name: string, threads: number): Promise<About>; answer(r: Request): Promise<unknown> };
  };
  const session = await browser.newBrowserCDPSession();
  /** The processor's time of all its processes, in milliseconds. */
  const cpu = async () =>
    (await session.send("SystemInfo.getProcessInfo")).processInfo.reduce((sum, one) => sum + one.cpuTime * 1000, 0);
  const ask = async (request: Request) => {
    const before = await cpu();
    const answer = await page.evaluate((asked) => (globalThis as unknown as Peer).benchPeer.answer(asked), request);
    if (!("run" in request) || "cannot" in (answer as object)) return answer;
    return { ...answer as Times, cpu: (await cpu() - before) / (request.run + 1) };
  };
  const greeting = page.evaluate(
    ([name, threads]) => (globalThis as unknown as Peer).benchPeer.open(name, threads),
    [name, threads] as const,
  );
  greeting.catch(() => {});
  return { greeting, ask: (request, milliseconds) => within(ask(request), milliseconds), close: () => browser.close() };
}

async function serve(folder: string): Promise<{ address: string; close(): Promise<void> }> {
  const modules = await bundle();
  const { origin, close } = await listen((request, response) => {
    // Isolated pages may share memory between threads.
    response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
    response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    answer(request, response, { folder, modules }).catch(() => {
      response.statusCode = 404;
      response.end();
    });
  });
  return { address: `${origin}/`, close };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { folder, modules }: { folder: string; modules: ReadonlyMap<string, Uint8Array> },
): Promise<void> {
  const path = (request.url ?? "/").split("?")[0];
  response.setHeader("Content-Type", TYPES[extname(path)] ?? "application/octet-stream");
  const shared = join(folder, basename(path));
  if (request.method === "PUT") {
    await pipeline(request, createWriteStream(shared));
    response.end();
  } else if (path === "/") response.end(PAGE);
  else if (path.startsWith("/shared/")) response.end(readFileSync(shared));
  else if (path.startsWith("/tfjs/")) {
    response.end(readFileSync(join(root, "node_modules/@tensorflow/tfjs-backend-wasm/dist", basename(path))));
  } else {
    const module = modules.get(path.slice("/modules/".length));
    if (!module) response.statusCode = 404;
    response.end(module);
  }
}

/** The modules of pages, by path. */
async function bundle(): Promise<Map<string, Uint8Array>> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ["bench/peers/page.ts"],
    outbase: ".",
    outdir: ".",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    write: false,
    logLevel: "silent",
    external: NOT_ON_PAGES,
  });
  return new Map(outputFiles.map(({ path, contents }) => [path.slice(root.length).replaceAll("\\", "/"), contents]));
}
