/** Links from a page to what is no page: to files of the repository, which must be there, and to the playground, a part of the site. */
import { existsSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const docs = join(root, "docs");
const REPOSITORY = "https://github.com/gpugrad/gpugrad";

/** The address of a link; throws if it leads to a file that does not exist. */
function addressOf(href: string, page: string, base: string): string {
  // VitePress takes it for a page of another site, and leaves it as it is.
  if (href === "/playground/") return `${base}playground/`;
  if (/^([a-z]+:|#|\/)/.test(href)) return href;
  const [path, hash = ""] = href.split("#");
  const target = join(dirname(page), path);
  if (target.startsWith(`${docs}/`)) return href;
  if (!existsSync(target)) throw new Error(`${page}: the link ${href} leads nowhere`);
  const kind = statSync(target).isDirectory() ? "tree" : "blob";
  return `${REPOSITORY}/${kind}/main/${relative(root, target)}${hash && `#${hash}`}`;
}

interface Token {
  readonly type: string;
  readonly children: readonly Token[] | null;
  attrGet(name: string): string | null;
  attrSet(name: string, value: string): void;
}

interface MarkdownIt {
  readonly core: {
    readonly ruler: {
      push(name: string, rule: (state: { tokens: readonly Token[]; env: { path: string } }) => void): void;
    };
  };
}

/** Adds the rule to a renderer of Markdown, for a site that is served from a base. */
export function linkOutside(md: MarkdownIt, base: string): void {
  md.core.ruler.push("links to the repository", ({ tokens, env }) => {
    for (const { children } of tokens) {
      for (const token of children ?? []) {
        const href = token.type === "link_open" ? token.attrGet("href") : null;
        if (href !== null) token.attrSet("href", addressOf(href, env.path, base));
      }
    }
  });
}
