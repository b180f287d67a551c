/**
 * The public API as text: what each entry exports, with signatures and without documentation. The declarations are those that TypeScript
 * writes for the package, so a report shows what users' programs are checked against.
 */
import { dirname, join, relative, resolve } from "node:path";
import ts from "typescript";

/** The files that can be imported, by the names that they are imported by. */
export type Entries = Readonly<Record<string, string>>;

/** The entries of this package. */
export const ENTRIES: Entries = { "gpugrad": "mod.ts", "gpugrad/verify": "verify/mod.ts" };
/** The file with their report. */
export const REPORT = "docs/api.txt";

/** A name in a source file. */
interface Name {
  readonly path: string;
  readonly name: string;
}

/** The declarations of a source file. */
interface Declarations {
  readonly file: ts.SourceFile;
  /** The statements that declare each name. */
  readonly statements: ReadonlyMap<string, readonly ts.Statement[]>;
  /** The origins of imported names. */
  readonly imports: ReadonlyMap<string, Name>;
  /** The origins of names that are exported again. */
  readonly exports: ReadonlyMap<string, Name>;
  /** The files whose exports are exported together under a name, by that name. */
  readonly namespaces: ReadonlyMap<string, string>;
  /** The files whose exports are all exported further on. */
  readonly all: readonly string[];
}

const printer = ts.createPrinter({ removeComments: true });

/** The report of a project's entries, given by their paths from its folder. */
export function apiReport(folder: string, entries: Entries): string {
  const project = new Project(folder, Object.values(entries).map((entry) => join(folder, entry)));
  const shown = new Map<string, Name>();
  const paths = Object.entries(entries).map(([title, entry]) => [title, join(folder, entry)] as const);
  const within = paths.flatMap(([title, path]) =>
    [...project.namespacesOf(path)].map(([name, at]) => [`${title}: ${name}`, at] as const)
  );
  const sections = [...paths, ...within].map(([title, path]) => {
    const exported = project.exportsOf(path).map(({ as, ...name }) => {
      shown.set(keyOf(name), name);
      const text = project.textOf(name);
      return { name: as, text: as === name.name ? text : `${text}\nexport { ${name.name} as ${as} };` };
    });
    return `# ${title}\n\n${sorted(exported)}`;
  });
  const inner = namedBy(project, shown).map(({ path, name }) => ({
    name,
    text: `// ${relative(folder, path).replaceAll("\\", "/")}\n${
      project.textOf({ path, name }).replace(/^export /gm, "")
    }`,
  }));
  if (inner.length > 0) sections.push(`# Named by these, and not exported\n\n${sorted(inner)}`);
  return `${sections.join("\n\n")}\n`;
}

function keyOf({ path, name }: Name): string {
  return `${path}:${name}`;
}

function sorted(texts: readonly { name: string; text: string }[]): string {
  return [...texts].sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0).map(({ text }) => text).join("\n\n");
}

/** The source files with their declarations, each written when it is asked for. */
class Project {
  readonly #program: ts.Program;
  readonly #files = new Map<string, Declarations>();

  constructor(folder: string, paths: readonly string[]) {
    const { config } = ts.readConfigFile(join(folder, "tsconfig.json"), ts.sys.readFile);
    const { options } = ts.parseJsonConfigFileContent(config, ts.sys, folder);
    this.#program = ts.createProgram(paths, {
      ...options,
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      removeComments: true,
      stripInternal: true,
      // Types are checked elsewhere; without this, and without the types of browsers and of Node, it takes a third of the time.
      noCheck: true,
      lib: ["lib.es2023.d.ts"],
      types: [],
    });
  }

  declarations(path: string): Declarations {
    const known = this.#files.get(path);
    if (known) return known;
    let text: string | undefined;
    this.#program.emit(this.#program.getSourceFile(path), (_, written) => text = written, undefined, true);
    if (text === undefined) throw new Error(`${path} has no declarations`);
    const read = declarationsIn(path, ts.createSourceFile(path, text, ts.ScriptTarget.Latest));
    this.#files.set(path, read);
    return read;
  }

  /** The exports of a file, by where they are declared. */
  exportsOf(path: string): (Name & { as: string })[] {
    const { statements, exports, all } = this.declarations(path);
    const own = [...statements].filter(([, [first]]) => isExported(first)).map(([name]) => ({ as: name, path, name }));
    const named = [...own, ...[...exports].map(([as, name]) => ({ as, ...this.origin(name) }))];
    // As in ECMAScript, what a file names itself hides what it exports from all of another.
    const names = new Set(named.map(({ as }) => as));
    return [...named, ...all.flatMap((from) => this.exportsOf(from)).filter(({ as }) => !names.has(as))];
  }

  /** The files that a file exports under names, itself or with all of another. */
  namespacesOf(path: string): Map<string, string> {
    const { namespaces, all } = this.declarations(path);
    return new Map([...all.flatMap((from) => [...this.namespacesOf(from)]), ...namespaces]);
  }

  /** Returns the declaration of a name, which modules in between may have exported again. */
  origin(name: Name): Name {
    const { statements, exports, all } = this.declarations(name.path);
    if (statements.has(name.name)) return name;
    const further = exports.get(name.name);
    if (further) return this.origin(further);
    const found = all.flatMap((from) => this.exportsOf(from)).find(({ as }) => as === name.name);
    return found ? { path: found.path, name: found.name } : name;
  }

  textOf({ path, name }: Name): string {
    const { file, statements } = this.declarations(path);
    const found = statements.get(name);
    if (!found) throw new Error(`${path} declares no ${name}`);
    return found
      .map((statement) => printer.printNode(ts.EmitHint.Unspecified, statement, file))
      .map((text) => text.replace(/^export declare /, "export ").replace(/^declare /, ""))
      .join("\n");
  }
}

function declarationsIn(path: string, file: ts.SourceFile): Declarations {
  const statements = new Map<string, ts.Statement[]>();
  const imports = new Map<string, Name>();
  const exports = new Map<string, Name>();
  const own = new Map<string, Name>();
  const namespaces = new Map<string, string>();
  const all: string[] = [];
  for (const statement of file.statements) {
    for (const name of namesOf(statement)) statements.set(name, [...statements.get(name) ?? [], statement]);
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) continue;
    const { moduleSpecifier } = statement;
    if (ts.isExportDeclaration(statement) && !moduleSpecifier) noteNames(statement.exportClause, path, own);
    if (!moduleSpecifier || !ts.isStringLiteral(moduleSpecifier)) continue;
    // Packages are named, not read.
    if (!moduleSpecifier.text.startsWith(".")) {
      if (ts.isImportDeclaration(statement)) continue;
      throw new Error(`${path}: expected the name of a file of the project, got ${statement.getText(file)}`);
    }
    const from = resolve(dirname(path), moduleSpecifier.text);
    if (ts.isImportDeclaration(statement)) noteNames(statement.importClause?.namedBindings, from, imports);
    else if (statement.exportClause && ts.isNamespaceExport(statement.exportClause)) {
      namespaces.set(statement.exportClause.name.text, from);
    } else if (statement.exportClause) noteNames(statement.exportClause, from, exports);
    else all.push(from);
  }
  // Exported apart from where they are declared or imported.
  for (const [as, name] of own) exports.set(as, imports.get(name.name) ?? name);
  return { file, statements, imports, exports, namespaces, all };
}

/** Notes where the names in braces come from. */
function noteNames(named: ts.Node | undefined, path: string, into: Map<string, Name>): void {
  if (!named || !(ts.isNamedImports(named) || ts.isNamedExports(named))) return;
  for (const { name, propertyName } of named.elements) into.set(name.text, { path, name: (propertyName ?? name).text });
}

function isExported(statement: ts.Statement): boolean {
  return ts.canHaveModifiers(statement) &&
    (ts.getModifiers(statement) ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
}

/** The names that a statement declares. */
function namesOf(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap(({ name }) => ts.isIdentifier(name) ? [name.text] : []);
  }
  const { name } = statement as { name?: ts.Node };
  return name && ts.isIdentifier(name) ? [name.text] : [];
}

/**
 * The types of the project that exported declarations name without being exported themselves, and what those extend: what somebody must
 * know to read the signatures.
 */
function namedBy(project: Project, exported: ReadonlyMap<string, Name>): Name[] {
  const found = new Map<string, Name>();
  const visit = (name: Name, typesOf: (node: ts.Node) => string[]): void => {
    const { statements, imports } = project.declarations(name.path);
    for (const type of (statements.get(name.name) ?? []).flatMap(typesOf)) {
      const imported = imports.get(type);
      const named = statements.has(type) ? { path: name.path, name: type } : imported && project.origin(imported);
      if (!named || exported.has(keyOf(named)) || found.has(keyOf(named))) continue;
      found.set(keyOf(named), named);
      visit(named, extendedBy);
    }
  };
  for (const name of exported.values()) visit(name, typesIn);
  return [...found.values()];
}

/** The names in the types of a declaration. */
function typesIn(node: ts.Node): string[] {
  const names: string[] = [];
  const visit = (node: ts.Node): void => {
    const reference = ts.isTypeReferenceNode(node)
      ? node.typeName
      : ts.isExpressionWithTypeArguments(node)
      ? node.expression
      : ts.isTypeQueryNode(node)
      ? node.exprName
      : undefined;
    if (reference && ts.isIdentifier(reference)) names.push(reference.text);
    ts.forEachChild(node, visit);
  };
  visit(node);
  return names;
}

/** The names that a declaration extends. */
function extendedBy(node: ts.Node): string[] {
  if (!ts.isInterfaceDeclaration(node) && !ts.isClassDeclaration(node)) return [];
  return (node.heritageClauses ?? []).flatMap(typesIn);
}
