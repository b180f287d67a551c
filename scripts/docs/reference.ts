/** Writes the reference as Markdown, into the folder of the guides. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Application } from "typedoc";
import { MarkdownPageEvent } from "typedoc-plugin-markdown";
import { root } from "../processes.ts";
import { contents, tabulated } from "./pages.ts";
import { ORDER } from "./order.ts";
import { addSubjects } from "./subjects.ts";

/** Its folder, relative to the project. */
export const REFERENCE = "docs/reference";

/** Writes the reference. Throws if TypeDoc finds an error. */
export async function writeReference(): Promise<void> {
  const app = await Application.bootstrapWithPlugins({
    entryPoints: ["mod.ts", "verify/mod.ts"].map((file) => join(root, file)),
    basePath: root,
    tsconfig: join(root, "tsconfig.json"),
    plugin: ["typedoc-plugin-markdown", "typedoc-vitepress-theme"],
    out: join(root, REFERENCE),
    readme: "none",
    excludeInternal: true,
    excludePrivate: true,
    // The suite checks types.
    skipErrorChecking: true,
    categoryOrder: ORDER,
    router: "category",
    sort: ["alphabetical"],
    logLevel: "Warn",
    gitRevision: "main",
    sourceLinkTemplate: "https://github.com/gpugrad/gpugrad/blob/main/{path}#L{line}",
    ...{
      docsRoot: join(root, "docs"),
      hidePageHeader: true,
      hideBreadcrumbs: true,
      pageTitleTemplates: { member: "{name}" },
      useCodeBlocks: true,
      expandParameters: true,
      parametersFormat: "table",
      interfacePropertiesFormat: "table",
    },
  });
  addSubjects(app);
  app.renderer.on(MarkdownPageEvent.END, (page: { contents?: string }) => {
    page.contents &&= tabulated(page.contents);
  });
  const project = await app.convert();
  if (!project || app.logger.hasErrors()) throw new Error("the reference could not be made");
  await app.generateOutputs(project);
  writeFileSync(join(root, REFERENCE, "index.md"), contents(join(root, REFERENCE)));
}
