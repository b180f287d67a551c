/** `bundle.ts <output> <file>...`: all of these test files as one, in this order. */
import process from "node:process";
import { build } from "esbuild";

const [outfile, ...files] = process.argv.slice(2);
await build({
  stdin: { contents: files.map((file) => `import "./${file}";`).join("\n"), resolveDir: process.cwd() },
  bundle: true,
  platform: "node",
  format: "esm",
  packages: "external",
  // package.json says that files have no side effects; tests have.
  ignoreAnnotations: true,
  logLevel: "warning",
  alias: { "node:test": "./scripts/mutate/node_test.ts" },
  outfile,
});
