import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { readText, root } from "../support/source.ts";

// The build of the site checks its links, too, but takes too long for each run.

const pages = ["docs", "docs/decisions"].flatMap((folder) =>
  readdirSync(join(root, folder)).filter((name) => name.endsWith(".md")).map((name) => `${folder}/${name}`)
);

/** The targets of the links of a page; not those within code. */
function linksOf(page: string): string[] {
  const text = readText(page).replace(/^```.*?^```/gms, "").replace(/`[^`\n]*`/g, "");
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link);
}

/** The anchors of the headings of a page, as GitHub and the site make them. */
function anchorsOf(page: string): string[] {
  const headings = readText(page).replace(/^```.*?^```/gms, "").matchAll(/^#+ (.+)$/gm);
  return [...headings].map(([, text]) =>
    text.replace(/[`*]/g, "").trim().toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").replace(/\s/g, "-")
  );
}

test("links between pages, and to files, lead somewhere", () => {
  const broken: string[] = [];
  for (const page of [...pages, "CONTRIBUTING.md", "tests/README.md"]) {
    for (const link of linksOf(page)) {
      // Addresses, and pages that only the site has.
      if (/^[a-z]+:|^\//.test(link)) continue;
      const [path, anchor] = link.split("#");
      const target = path === "" ? page : join(dirname(page), path);
      if (!existsSync(join(root, target))) broken.push(`${page}: ${link}`);
      else if (anchor && target.endsWith(".md") && !anchorsOf(target).includes(anchor)) broken.push(`${page}: ${link}`);
    }
  }
  assert.deepEqual(broken, []);
});

test("the README's links work on npm and JSR, which show it without the repository", () => {
  const links = linksOf("README.md");
  assert.ok(links.length > 10);
  assert.deepEqual(links.filter((link) => !/^https:|^#/.test(link)), []);
  const own = links.flatMap((link) =>
    link.match(/^https:\/\/github\.com\/gpugrad\/gpugrad\/(?:blob|tree)\/main\/([^#]+)/)?.[1] ?? []
  );
  assert.deepEqual(own.filter((path) => !existsSync(join(root, path))), []);
});

test("every guide has a place in the site's menu", () => {
  const config = readText("docs/.vitepress/config.ts");
  const missing = pages.filter((page) => /^docs\/[^/]+$/.test(page) && page !== "docs/index.md").filter((page) =>
    !config.includes(`"/${page.slice("docs/".length, -".md".length)}"`)
  );
  assert.deepEqual(missing, []);
});
