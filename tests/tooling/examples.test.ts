import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import ts from "typescript";
import { extentOf, sampleOf } from "../support/cells.ts";
import { readText, root } from "../support/source.ts";
import { skip } from "../support/skip.ts";

// Reads the public API and its examples with the TypeScript compiler, then runs each example as a separate module.

/** The importable modules, by the names used in examples. */
const ENTRIES: Readonly<Record<string, string>> = { "gpugrad": "mod.ts", "gpugrad/verify": "verify/mod.ts" };

/** A public name. */
interface Export {
  name: string;
  symbol: ts.Symbol;
  /** Whether it can be called or constructed. */
  callable: boolean;
  examples: string[];
}

const settings = ts.parseJsonConfigFileContent(
  ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile).config,
  ts.sys,
  root,
);
const runtime = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";
/** Node alone reads the public API, which takes longer than all examples; the others run those of the guides. */
const program = runtime === "node"
  // Without the types of browsers and of Node, which no name needs, it takes a third of the time.
  ? ts.createProgram(Object.values(ENTRIES).map((entry) => join(root, entry)), {
    ...settings.options,
    lib: ["lib.es2023.d.ts"],
    types: [],
  })
  : undefined;
const checker = program?.getTypeChecker();
const elsewhere = program ? undefined : "under Node, which has the same compiler";

/** The TypeScript blocks of a Markdown text. */
function codeBlocks(markdown: string): string[] {
  return [...markdown.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code);
}

/** The examples in the doc comments of a declaration and of its members. */
function examplesOf(declaration: ts.Node): string[] {
  const comments = ts.getJSDocCommentsAndTags(declaration).filter(ts.isJSDoc);
  const own = comments.flatMap((comment) => codeBlocks(comment.getText().replace(/^[ \t]*\/?\*+\/?[ \t]?/gm, "")));
  const members = ts.isClassDeclaration(declaration) || ts.isInterfaceDeclaration(declaration)
    ? declaration.members
    : [];
  return [...own, ...[...members].flatMap(examplesOf)];
}

function publicNames(entry: string): Export[] {
  if (!program || !checker) return [];
  const file = program.getSourceFile(join(root, entry));
  const module = file && checker.getSymbolAtLocation(file);
  assert.ok(module, `${entry} should export something`);
  return namesIn(checker, module, "");
}

/** The exports of a module, and of the modules that it exports under a name. */
function namesIn(checker: ts.TypeChecker, module: ts.Symbol, prefix: string): Export[] {
  return checker.getExportsOfModule(module).flatMap((exported): Export[] => {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    const name = `${prefix}${exported.name}`;
    if (symbol.flags & ts.SymbolFlags.ValueModule) return namesIn(checker, symbol, `${name}.`);
    const declarations = symbol.declarations ?? [];
    const isValue = (symbol.flags & ts.SymbolFlags.Value) !== 0 && declarations.length > 0;
    const type = isValue ? checker.getTypeOfSymbolAtLocation(symbol, declarations[0]) : undefined;
    const callable = type !== undefined && [...type.getCallSignatures(), ...type.getConstructSignatures()].length > 0;
    return [{ name, symbol, callable, examples: declarations.flatMap(examplesOf) }];
  });
}

const names = Object.values(ENTRIES).flatMap(publicNames);
const folder = join(root, ".cache", `examples-${runtime}-${process.pid}`);
mkdirSync(folder, { recursive: true });
after(() => rmSync(folder, { recursive: true, force: true }));

let written = 0;

/** Writes an example to a file in which "gpugrad" and its entries are this source tree; returns its path, relative to the project. */
function write(name: string, code: string): string {
  const file = ts.createSourceFile("example.ts", code, ts.ScriptTarget.Latest);
  let text = code;
  for (const statement of [...file.statements].reverse()) {
    if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) continue;
    const entry = ENTRIES[statement.moduleSpecifier.text];
    if (entry === undefined) continue;
    const { pos, end } = statement.moduleSpecifier;
    const path = relative(folder, join(root, entry)).replaceAll("\\", "/");
    text = `${text.slice(0, pos)} "${path}"${text.slice(end)}`;
  }
  // Numbered, since some names differ in case alone.
  const path = join(folder, `${written++}-${name.replace(/\W+/g, "-")}.ts`);
  writeFileSync(path, `${text}\nexport {};\n`);
  return relative(root, path).replaceAll("\\", "/");
}

/** The pages of the documents. */
const guides = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`);

const all = [
  ...names.flatMap(({ name, examples }) =>
    examples.map((code, i) => ({ name: i === 0 ? name : `${name} ${i + 1}`, code }))
  ),
  ...["README.md", ...guides].flatMap((file) =>
    codeBlocks(readText(file)).map((code, i) => ({ name: `${file.replace(".md", "")} ${i + 1}`, code }))
  ),
];
/** Other runtimes than Node have no more than those of the guides, which call the same functions: they try some. */
const examples = sampleOf(extentOf(), all).map(({ name, code }) => ({ name, path: write(name, code) }));

test(...skip("every public name has a doc comment", elsewhere), () => {
  const undocumented = names.filter(({ symbol }) => symbol.getDocumentationComment(checker).length === 0);
  assert.deepEqual(undocumented.map(({ name }) => name), []);
});

test(...skip("every public function and class has an example", elsewhere), () => {
  const without = names.filter(({ callable, examples }) => callable && examples.length === 0);
  assert.deepEqual(without.map(({ name }) => name), []);
});

test(
  ...skip("every example type-checks", elsewhere),
  () => {
    const config = {
      extends: relative(folder, join(root, "tsconfig.json")),
      compilerOptions: { noUnusedLocals: false },
      include: ["*.ts"],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    // By TypeScript 7, which takes seconds where the compiler of the API takes half a minute.
    const compiler = join(root, "node_modules", "typescript-7", "bin", "tsc");
    const { stdout } = spawnSync(process.execPath, [compiler, "--project", folder], { encoding: "utf8" });
    assert.equal(stdout, "");
  },
);

/** The address of a module of the project: Deno and Bun load sources. For Node they are bundled, since each process would compile them anew. */
let addressOf = (path: string): string => pathToFileURL(join(root, path)).href;
if (runtime === "node") {
  const { bundleForNode } = await import("../../scripts/bundle.ts");
  const built = `.cache/${basename(folder)}-built`;
  after(() => rmSync(join(root, built), { recursive: true, force: true }));
  await bundleForNode(["mod.ts", ...examples.map(({ path }) => path)], built);
  addressOf = (path) => pathToFileURL(join(root, built, path.replace(/\.ts$/, ".js"))).href;
}

for (const { name, path } of examples) {
  test(`the example of ${name} runs`, async () => {
    const { useDevice } = await import(addressOf("mod.ts"));
    try {
      await import(addressOf(path));
    } finally {
      // An example may choose a device; the next one starts from the default again.
      await useDevice("auto");
    }
  });
}
