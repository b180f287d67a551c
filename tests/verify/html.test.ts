import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseHTML } from "linkedom";
import { replayCommand } from "../../verify/report/advice.ts";
import { reportHtml, SCRIPT } from "../../verify/report/html.ts";
import type { GradcheckReport, RunReport } from "../../verify/report/report.ts";
import { callText } from "../../verify/report/values.ts";
import { extentOf, sampleOf } from "../support/cells.ts";
import {
  failing,
  fast,
  input,
  large,
  longTape,
  notFinite,
  passing,
  reports,
  run,
  slightlyWrong,
  twoWitnesses,
  untested,
} from "./reports.ts";

async function page(report: GradcheckReport | RunReport): Promise<Document> {
  return parseHTML(await reportHtml(report)).document as unknown as Document;
}

function textOf(element: Element | null): string {
  assert.ok(element, "the element should be there");
  return element.textContent!.replace(/\s+/g, " ").trim();
}

/** The tooltips of the cells of an input's picture. */
function cells(document: Document, input: number): string[] {
  const figure = [...document.querySelectorAll("figure")][input];
  return [...figure.querySelectorAll("rect title")].map((title) => title.textContent!);
}

describe("the page", () => {
  for (const [name, make] of sampleOf(extentOf(), [["run", run] as const, ...Object.entries(reports)])) {
    test(`of ${name} is self-contained`, async () => {
      const text = await reportHtml(make());
      assert.match(text, /^<!doctype html>\n/);
      // One script, always the same, so that nothing of a report can be run.
      const [, script] = text.match(/<script>([^]*?)<\/script>/)!;
      assert.equal(script, SCRIPT);
      const rest = text.replace(`<script>${SCRIPT}</script>`, "");
      assert.doesNotMatch(rest, /<script|<link|<img|<iframe|@import|\bsrc=|\bon\w+="/i);
      const urls = [...text.matchAll(/(?:https?:)?\/\/[^\s"'<>)]+/g)].map(([url]) => url);
      // Names of the SVG and HTML vocabularies are not fetched.
      assert.deepEqual([...new Set(urls)].filter((url) => !url.startsWith("http://www.w3.org/")), []);
      const anchors = [...text.matchAll(/href="#([^"]+)"|url\(#([^)]+)\)/g)].map(([, a, b]) => a ?? b);
      for (const anchor of anchors) assert.ok(text.includes(`id="${anchor}"`), `#${anchor} should lead somewhere`);
      const ids = [...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
      assert.deepEqual(ids.filter((id, i) => ids.indexOf(id) !== i), []);
    });
  }

  test("shows the verdict, the counts, the worst elements, the findings and what to do next", async () => {
    const document = await page(failing());
    assert.match(textOf(document.querySelector(".lead")), /✕ wrong The gradient is wrong: \d+ elements of 894 tested/);
    assert.match(textOf(document.querySelector(".counts")), /untested2△ kink2/);
    assert.match(textOf(document.querySelector("tbody tr")), /locations\[1, 0, 12\]0\.4100210\.8200430\.41/);
    assert.match(textOf(document.querySelector(".findings .error")), /linearity For twice the cotangent/);
    assert.match(textOf(document.querySelector(".next")), /entry %8 = square/);
  });

  test("has the values of the inputs folded, with a button that copies them", async () => {
    for (const [report, most] of [[failing(), 448], [large(), 10_000]] as const) {
      const { document } = parseHTML(await reportHtml(report));
      const details = [...document.querySelectorAll("details")].find((d) => /^Values/.test(d.textContent!))!;
      assert.equal(details.hasAttribute("open"), false);
      const button = details.querySelector("button.copy")!;
      assert.equal(button.nextElementSibling!.textContent, callText(report, most, "in the report as JSON")!.join("\n"));
    }
    assert.match(await reportHtml(large()), /24928 more: in the report as JSON/);
  });

  test("shows what the second witness says", async () => {
    const rows = [...(await page(twoWitnesses())).querySelectorAll("tbody tr")].map(textOf);
    assert.match(rows[1], /^differences: 1\.25 ± 1e-7, which disagrees$/);
    assert.match(rows[3], /^differences: 2 ± 1e-7, which agrees$/);
    assert.equal(rows.length, 5);
  });

  test("of a run shows the replay to copy, and the time of each check", async () => {
    const document = await page(run());
    assert.equal(document.querySelector(".replay pre")!.textContent, replayCommand(run(), run().checks[1]));
    assert.match(textOf(document.querySelector("thead")), /untestedoktime$/);
    assert.match(textOf(document.querySelector("tbody tr")), /1\.23 s$/);
  });

  test("shows every element of an input with its verdict", async () => {
    const document = await page(failing());
    const titles = cells(document, 0);
    assert.equal(titles.length, 448);
    const of = (verdict: string) => titles.filter((title) => title.includes(`: ${verdict}`)).length;
    const { counts } = failing().inputs[0];
    for (const verdict of ["ok", "wrong", "kink", "noise", "untested"] as const) {
      assert.equal(of(verdict), counts[verdict]);
    }
    // Marks in addition to the colours.
    const marks = [...document.querySelectorAll("figure")][0].querySelectorAll("g[aria-label=dot] path");
    assert.equal(marks.length, counts.wrong + counts.kink + counts.noise);
  });

  test("shows the worst of a group if there are too many elements for a cell each", async () => {
    const document = await page(large(300));
    assert.match(textOf(document.querySelector("figcaption")), /the worst of up to 78 neighbouring elements/);
    const titles = cells(document, 0);
    assert.equal(titles.length, 112 * 4);
    assert.deepEqual(titles.filter((title) => title.includes("wrong")).map((title) => title.split(",")[0]), [
      ...["locations[5000", "locations[5000"],
    ]);
    assert.equal(cells(document, 1).length, 1500);
  });

  const SHAPES = [[], [1], [5], [57], [3, 1], [1, 3], [40, 3], [2, 3, 4], [3, 1, 2, 5], [200, 200], [9, 90, 4]];
  for (const shape of SHAPES) {
    test(`has all elements of an input of shape [${shape}] in its cells`, async () => {
      const size = shape.reduce((a, b) => a * b, 1);
      const x = input("x", shape, { [size - 1]: "wrong" });
      const document = await page({ ...passing(), inputs: [x], tape: [] });
      const titles = cells(document, 0);
      const count = (title: string) => Number(title.match(/worst of (\d+) elements/)?.[1] ?? 1);
      assert.equal(titles.reduce((sum, title) => sum + count(title), 0), size);
      assert.equal(
        titles.filter((title) => title.includes(`[${shape.map((n) => n - 1).join(", ")}]: wrong`)).length,
        1,
      );
    });
  }

  test("draws no picture if no element was tested, and says so", async () => {
    assert.match(textOf((await page(fast())).querySelector("figure")), /directions through all inputs/);
    const document = await page(untested());
    assert.match(textOf([...document.querySelectorAll("figure")][0]), /It has no elements/);
    assert.match(textOf([...document.querySelectorAll("figure")][1]), /No element was tested/);
    assert.equal(document.querySelector(".legend"), null);
  });

  test("does not colour errors that are not finite as within tolerance", async () => {
    const document = await page(notFinite());
    const rects = [...document.querySelectorAll("figure rect")].filter((rect) => rect.querySelector("title"));
    const fills = rects.map((rect) => Number(rect.getAttribute("fill")!.match(/heat-(\d)/)![1]));
    assert.ok(fills[0] < 4 && fills[1] >= 4 && fills[2] >= 4);
  });

  test("treats names as text", async () => {
    const text = await reportHtml(notFinite());
    assert.doesNotMatch(text, /<b>sqrt|<x>/);
    assert.match(textOf(parseHTML(text).document.querySelector("h1") as unknown as Element), /log & <b>sqrt<\/b>/);
  });
});

describe("the tape's diagram", () => {
  const nodes = (document: Document) => [...document.querySelectorAll("svg.tape .node")];

  test("marks the first entry at which the gradient is wrong", async () => {
    const document = await page(failing());
    assert.match(textOf(document.querySelector("#r-suspect")), /square.*first wrong here/);
    // The entries that the wrong gradient reaches: the difference and the input.
    const affected = nodes(document).filter((node) => node.classList.contains("affected"));
    assert.deepEqual(affected.map((node) => textOf(node.querySelector("text"))).sort(), ["locations", "sub"]);
    assert.equal(nodes(document).length, 14);
    assert.match(
      textOf(document.querySelector(".diagram")!.previousElementSibling),
      /16 entries\. 2 constants are not drawn/,
    );
  });

  test("marks nothing if everything is right", async () => {
    const document = await page(passing());
    assert.equal(document.querySelector(".suspect"), null);
    assert.equal(document.querySelectorAll("svg.tape .affected").length, 0);
  });

  for (const suspect of [undefined, 1, 300, 450]) {
    test(
      `of a long tape shows the entries near ${suspect === undefined ? "the outputs" : `entry ${suspect}`}`,
      async () => {
        // The pictures of large inputs take longer than the diagram.
        const document = await page({ ...large(suspect), inputs: passing().inputs });
        const drawn = nodes(document).filter((node) => !node.classList.contains("hidden"));
        assert.equal(drawn.length, 24);
        assert.equal(document.querySelector("#r-suspect") !== null, suspect !== undefined);
        const caption = textOf(document.querySelector(".diagram")!.previousElementSibling);
        assert.match(caption, suspect === undefined ? /Only the 24 nearest to the outputs/ : /nearest to the suspect/);
        assert.equal(textOf(document.querySelector("pre.tape")).split("%1 =").length, 2);
        assert.equal(document.querySelector("pre.tape")!.textContent!.split("\n").length, 450);
      },
    );
  }

  test("handles inputs that are used twice, and tapes of one entry", async () => {
    const twice = longTape(4).map((entry) => entry.id === 4 ? { ...entry, inputs: [3, 3] } : entry);
    assert.equal(nodes(await page({ ...passing(), tape: twice })).length, 4);
    assert.equal(nodes(await page({ ...passing(), tape: longTape(1) })).length, 1);
  });

  test("is omitted if the function is a plain one, which has no tape", async () => {
    assert.doesNotMatch(textOf((await page(slightlyWrong())).body), /tape|oracle/i);
  });
});
