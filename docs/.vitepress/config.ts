/** The site of the documents. `npm run docs` builds it, with the reference and the playground. */
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type DefaultTheme, defineConfig } from "vitepress";
import { ORDER } from "../../scripts/docs/order.ts";
import { linkOutside } from "./outside.ts";

/** Where the site is served from: "/" unless it is a part of another one. */
const base = (process.env.DOCS_BASE ?? "/") as `/${string}/`;

const path = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/**
 * The menus of the reference, by folder. Pages lie in the folder of their subject, whatever module exports them, and list the other pages
 * of it, as TypeDoc does. Of other subjects they have the name alone: a menu of all 400 pages would be most of every page.
 */
function reference(): DefaultTheme.SidebarMulti {
  const list = path("../reference/typedoc-sidebar.json");
  if (!existsSync(list)) return {};
  const modules = JSON.parse(readFileSync(list, "utf8")) as DefaultTheme.SidebarItem[];
  // Modules lie in each other as the parts of their names do.
  const within = ({ items = [] }: DefaultTheme.SidebarItem): DefaultTheme.SidebarItem[] =>
    items.flatMap((item) => [item, ...within(item)]);
  const all = within({ items: modules });
  const subjects = ORDER.map((text) => {
    const items = all.filter((item) => item.text === text).flatMap(({ items = [] }) => items);
    if (items.length === 0) throw new Error(`the reference has nothing of the subject ${text}`);
    return { text, link: `/reference/#${slugify(text)}`, items };
  });
  const menu = (folder: string): DefaultTheme.SidebarItem[] => [
    { text: "Reference", link: "/reference/", items: [] },
    ...subjects.map(({ text, link, items }) => ({ text, link, items: text === folder ? items : [] })),
  ];
  return Object.fromEntries(["", ...ORDER].map((folder) => [`/reference/${folder && `${folder}/`}`, menu(folder)]));
}

/** Anchors as GitHub makes them, so that links work in both places. */
const slugify = (text: string): string =>
  text.trim().toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").replace(/\s/g, "-");

const item = (text: string, link: string): DefaultTheme.SidebarItem => ({ text, link });

const guides: DefaultTheme.SidebarItem[] = [
  {
    text: "Begin",
    items: [
      item("Quick start", "/quick-start"),
      item("Your own loss in ten minutes", "/own-loss"),
      item("From PyTorch, JAX, TensorFlow.js", "/coming-from"),
    ],
  },
  {
    text: "Losses",
    items: [item("Twelve variants", "/variants"), item("Formulas", "/elementwise"), item("Training loops", "/training")],
  },
  {
    text: "Gradients",
    items: [
      item("Verifying gradients", "/verifying"),
      item("The command", "/command"),
      item("Kinks and poles", "/conventions"),
    ],
  },
  {
    text: "Devices",
    items: [
      item("Devices and their differences", "/backends"),
      item("Performance", "/performance"),
      item("Seeing inside", "/debugging"),
    ],
  },
  {
    text: "Inside",
    items: [
      item("How the tape becomes kernels", "/design"),
      item("Adding an op", "/adding-an-op"),
      item("Decisions", "/decisions/README"),
    ],
  },
];

export default defineConfig({
  title: "gpugrad",
  description: "Write a loss in TypeScript; get GPU kernels, gradients of any order, and checks that they are right.",
  lang: "en",
  base,
  outDir: path("../../site"),
  cacheDir: path("../../.cache/vitepress"),
  cleanUrls: false,
  // What all pages share, such as their menus, is a file of its own rather than a part of each.
  metaChunk: true,
  ignoreDeadLinks: [/^\/?(\.\/)?playground\/(index)?$/],
  head: [["link", { rel: "icon", href: "data:," }]],
  markdown: { config: (md) => linkOutside(md, base), anchor: { slugify } },
  vite: { build: { chunkSizeWarningLimit: 4000 } },
  themeConfig: {
    nav: [
      { text: "Guides", link: "/quick-start" },
      { text: "Reference", link: "/reference/" },
      { text: "Playground", link: "/playground/", target: "_self" },
    ],
    sidebar: { "/": guides, ...reference() },
    outline: [2, 3],
    search: { provider: "local" },
    socialLinks: [{ icon: "github", link: "https://github.com/gpugrad/gpugrad" }],
  },
});
