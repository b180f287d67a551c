/** What TypeDoc's pages lack: parameters of ops as tables, and a list of everything, by subject. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ORDER } from "./order.ts";

/** A page with the parameters of an op in a table, as those of other functions are. TypeDoc takes ops for variables. */
export function tabulated(page: string): string {
  return page.replace(/(?:^## Param\n\n\*\*\w+\*\*\n\n(?:(?!^#).*\n)*)+/gm, (sections) => {
    const rows = [...sections.matchAll(/^## Param\n\n\*\*(\w+)\*\*\n\n((?:(?!^#).*\n)*)/gm)].map(([, name, text]) =>
      `| \`${name}\` | ${text.trim().replace(/\s*\n\s*/g, " ").replaceAll("|", "\\|")} |`
    );
    return ["## Parameters", "", "| Parameter | Description |", "| ------ | ------ |", ...rows, "", ""].join("\n");
  });
}

/** The first sentence of a page, without its links. */
function summaryOf(page: string): string {
  const [, text = ""] = /^Defined in: .*\n\n((?:(?!#|```|\n).*\n)+)/m.exec(page) ?? [];
  const plain = text.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/\s+/g, " ").trim();
  return /^.*?[^.][.:](?= |$)/.exec(plain)?.[0].replace(/:$/, ".") ?? plain;
}

/** The page of everything that is called, with what it is, by subject; types are in the menu. */
export function contents(folder: string): string {
  const parts = ORDER.map((subject) => {
    const entries = readdirSync(join(folder, subject)).flatMap((file) => {
      const page = readFileSync(join(folder, subject, file), "utf8");
      const called = /^```ts\n(const|function) |^## (Accessors|Constructors|Call Signature)$/m.test(page);
      // A number tells names apart that differ in capitals alone.
      const name = file.replace(/^gpugrad(_verify)?\.|(-\d+)?\.md$/g, "");
      return called ? [{ name, link: `./${subject}/${file}`, summary: summaryOf(page) }] : [];
    });
    entries.sort((a, b) => a.name.localeCompare(b.name, "en"));
    return [
      `## ${subject}`,
      "",
      ...entries.map(({ name, link, summary }) => `- [\`${name}\`](${link}): ${summary}`),
      "",
    ].join("\n");
  });
  return ["# Reference", "", ...parts].join("\n");
}
