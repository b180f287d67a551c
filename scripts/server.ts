/** The server of the pages that run the tests. */
import { readFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { type Bundle, PAGE } from "./bundle.ts";
import { root } from "./processes.ts";

const TYPES: Record<string, string> = { ".js": "text/javascript", ".json": "application/json" };

/** The page only loads its own module, which loads the test file. */
const page = `<!doctype html>
<meta charset="utf-8">
<title>Tests</title>
<link rel="icon" href="data:,">
<script type="module" src="${PAGE.replace(/\.ts$/, ".js")}"></script>
`;

export interface Server {
  /**
   * The address of pages that are cross-origin isolated, which lets them share memory between threads, and of pages
   * that are not.
   */
  isolated: string;
  plain: string;
  close(): Promise<void>;
}

/** Answers requests of this machine on a free port, until it is closed. */
export async function listen(answer: RequestListener): Promise<{ origin: string; close(): Promise<void> }> {
  const server = createServer(answer);
  await new Promise<void>((done, fail) => server.once("error", fail).listen(0, "127.0.0.1", done));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.closeAllConnections();
      return new Promise((done) => server.close(() => done()));
    },
  };
}

/** Serves modules, a page, and the project's files below `project/`, to this machine only. */
export async function serve(modules: Bundle): Promise<Server> {
  const { origin, close } = await listen((request, response) => {
    const [, kind, path] = /^\/(isolated|plain)\/([^?]*)/.exec(decodeURI(request.url ?? "")) ?? [];
    const body = kind === undefined ? undefined : contentOf(path, modules);
    response.setHeader("Cache-Control", "max-age=3600");
    response.setHeader("Content-Type", path === "" ? "text/html" : TYPES[extname(path ?? "")] ?? "text/plain");
    if (kind === "isolated") {
      response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
      response.setHeader("Cross-Origin-Embedder-Policy", "require-corp");
    }
    response.statusCode = body === undefined ? 404 : 200;
    response.end(body ?? "There is no such file.\n");
  });
  return { isolated: `${origin}/isolated/`, plain: `${origin}/plain/`, close };
}

function contentOf(path: string, modules: Bundle): string | Uint8Array | undefined {
  if (path === "") return page;
  if (!path.startsWith("project/")) return modules.get(path);
  const inProject = join(root, path.slice("project/".length));
  try {
    return inProject.startsWith(root) ? readFileSync(inProject) : undefined;
  } catch {
    return undefined;
  }
}
