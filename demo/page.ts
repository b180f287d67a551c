/** Writes the page: photographs with the loss's decisions drawn over them, the tables and the loss curve. */
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Comparison } from "./detections.ts";
import { COLOURS, gradientLegend, type Layer, lossChart, overlay } from "./drawing.ts";
import type { DeviceInsides } from "./insides.ts";
import { insidesSection, insidesStyle } from "./insides_section.ts";
import { type Decisions, type Evaluation, gradientPerBox } from "./objective.ts";
import type { Box, Photograph } from "./photographs.ts";
import type { Table } from "./report.ts";

/** A photograph and its results. */
export interface PhotographResult {
  readonly photograph: Photograph;
  readonly evaluation: Evaluation;
  readonly decisions: Decisions;
  /** Detections from the predictions at several stages, in the order of {@link PageContent.stages}. */
  readonly comparisons: readonly Comparison[];
}

/** The content of the page. */
export interface PageContent {
  readonly results: readonly PhotographResult[];
  /** The network's default boxes: cx, cy, w, h of each. */
  readonly defaultBoxes: Float32Array;
  readonly losses: Table;
  readonly facts: readonly string[];
  readonly check: { readonly sentences: readonly string[]; readonly worst: Table };
  readonly detections: Table;
  readonly stages: readonly string[];
  readonly descent: readonly number[];
  /** The code that computed all this. */
  readonly code: string;
  readonly devices: readonly DeviceInsides[];
}

/** Gradients smaller than this fraction of the largest have the darkest colour. */
const GRADIENT_RANGE = 1e-3;

/** Writes the page and returns its path. */
export function writePage(content: PageContent): string {
  const folder = new URL("out/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  const file = fileURLToPath(new URL("index.html", folder));
  writeFileSync(file, page(content));
  return file;
}

const LAYERS = [
  { name: "truth", colour: COLOURS.truth, text: "face, marked by hand" },
  { name: "matched", colour: COLOURS.matched, text: "default box matched to a face" },
  { name: "mined", colour: COLOURS.mined, text: "mined background: the hardest three for each match" },
];

/** A photograph twice: with the decisions, and with the gradients. */
function figure(
  result: PhotographResult,
  sizes: Float64Array,
  boxAt: (i: number) => Box,
  range: readonly [number, number],
): string {
  const { photograph, decisions, evaluation } = result;
  const [smoothL1, closs] = evaluation.components;
  return `<section class="photograph">
<h3>${
    escape(photograph.name)
  } <small>${decisions.positives.length} matched, ${decisions.mined.length} mined; smooth L1 ${
    smoothL1.toFixed(3)
  }, cross-entropy ${closs.toFixed(3)}, loss ${evaluation.loss.toFixed(3)}</small></h3>
<div class="pair">
${photo(photograph, "plain", decisionLayers(result, sizes, boxAt))}
${photo(photograph, "dark", gradientLayers(result, sizes, boxAt, range))}
</div>
</section>`;
}

/** All photographs with their detections at a stage. */
function thumbnails(results: readonly PhotographResult[], stage: string, k: number): string {
  return `<h3>${escape(stage)}</h3>
<div class="thumbnails">
${
    results.map(({ photograph, comparisons }) =>
      photo(photograph, "plain", detectionLayers(photograph, comparisons[k]))
    )
      .join("\n")
  }
</div>`;
}

/** Controls that show and hide parts of the page. */
function navigation(range: readonly [number, number]): string {
  return `<nav>
${
    LAYERS.map(({ name, colour, text }) =>
      `<label><input type="checkbox" id="show-${name}" checked><svg viewBox="0 0 22 16"><rect x="2" y="2" width="18" height="12" fill="none" stroke="${colour}" stroke-width="${
        STROKES[name].strokeWidth
      }" stroke-dasharray="${STROKES[name].dashes ?? "none"}"/></svg>${text}</label>`
    ).join("\n")
  }
<label><input type="checkbox" id="show-gradient" checked>size of the gradient ${gradientLegend(range)}</label>
</nav>`;
}

function page(content: PageContent): string {
  const { results, defaultBoxes, losses, facts, check, detections, stages, descent, code, devices } = content;
  const boxAt = (i: number): Box => [
    defaultBoxes[4 * i],
    defaultBoxes[4 * i + 1],
    defaultBoxes[4 * i + 2],
    defaultBoxes[4 * i + 3],
  ];
  const sizes = results.map(({ evaluation }) => gradientPerBox(evaluation, defaultBoxes.length / 4));
  const largest = Math.max(...sizes.map((s) => s.reduce((a, b) => Math.max(a, b))));
  const range = [largest * GRADIENT_RANGE, largest] as const;

  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The SSD loss on real photographs</title>
<style>
${STYLE}
${insidesStyle(devices)}
${results.map(({ photograph: { name, dataUri } }) => `.${name} { --photograph: url("${dataUri}"); }`).join("\n")}
</style>
</head>
<body>
<header>
<h1>The SSD loss on real photographs</h1>
<p>A face detector, SSD over MobileNetV1, is run on six photographs. Its raw predictions over its ${
    (defaultBoxes.length / 4).toLocaleString("en")
  } default boxes go through <code>SSDLoss</code> and back. Left: the default boxes that the loss
matches to a face, and the negatives that it mines. Right: the size of the gradient at each of these; all other default boxes have none.</p>
<ul class="facts">${facts.map((f) => `<li>${escape(f)}</li>`).join("")}</ul>
</header>
${navigation(range)}
<main>
${results.map((result, i) => figure(result, sizes[i], boxAt, range)).join("\n")}
<section>
<h2>The loss, photograph by photograph</h2>
${htmlTable(losses)}
<p class="note">Each photograph by itself, then all in one batch. Components are sums over an image; the loss is divided by its positives; |d ...| is the norm of a gradient.</p>
</section>
<section>
<h2>Are the gradients right?</h2>
${check.sentences.map((s) => `<p>${escape(s)}</p>`).join("\n")}
${htmlTable(check.worst)}
</section>
<section>
<h2>Gradient descent</h2>
<p>All boxes and logits are shifted at random, followed by plain gradient descent on the predictions themselves, without the network. Below, detections are yellow, faces green.</p>
<div class="downhill">
${lossChart(descent)}
${htmlTable(detections)}
</div>
${stages.map((stage, k) => thumbnails(results, stage, k)).join("\n")}
</section>
${insidesSection(code, devices, escape)}
</main>
</body>
</html>
`;
}

const STROKES: Readonly<Record<string, Pick<Layer, "strokeWidth" | "dashes">>> = {
  truth: { strokeWidth: 4 },
  matched: { strokeWidth: 2.4 },
  mined: { strokeWidth: 2.4, dashes: "8 4" },
};

function decisionLayers(
  { photograph, decisions }: PhotographResult,
  sizes: Float64Array,
  boxAt: (i: number) => Box,
): Layer[] {
  const boxes = (list: readonly number[], what: string) =>
    list.map((i) => ({ box: boxAt(i), title: `default box ${i}, ${what}, gradient ${sizes[i].toPrecision(3)}` }));
  return [
    { name: "mined", boxes: boxes(decisions.mined, "mined"), stroke: COLOURS.mined, ...STROKES.mined },
    {
      name: "matched",
      boxes: decisions.positives.flatMap((i) => boxes([i], `matched to face ${decisions.target[i] + 1}`)),
      stroke: COLOURS.matched,
      ...STROKES.matched,
    },
    truthLayer(photograph, STROKES.truth.strokeWidth),
  ];
}

function gradientLayers(
  { photograph }: PhotographResult,
  sizes: Float64Array,
  boxAt: (i: number) => Box,
  range: readonly [number, number],
): Layer[] {
  // The largest last, so that they lie on top.
  const boxes = Array.from(sizes, (value, i) => ({ i, value }))
    .filter(({ value }) => value > 0)
    .sort((a, b) => a.value - b.value)
    .map(({ i, value }) => ({
      box: boxAt(i),
      title: `default box ${i}, gradient ${value.toPrecision(3)}`,
      value: Math.max(value, range[0]),
    }));
  return [
    { name: "gradient", boxes, stroke: range, strokeWidth: 2.6 },
    { ...truthLayer(photograph, 1.5), dashes: "2 4" },
  ];
}

function truthLayer({ faces }: Photograph, strokeWidth: number): Layer {
  return {
    name: "truth",
    boxes: faces.map((box, i) => ({ box, title: `face ${i + 1}` })),
    stroke: COLOURS.truth,
    strokeWidth,
  };
}

function detectionLayers(photograph: Photograph, { detections }: Comparison): Layer[] {
  return [
    truthLayer(photograph, 12),
    {
      name: "detection",
      boxes: detections.map(({ box, score }) => ({ box, title: `detection, score ${score.toFixed(3)}` })),
      stroke: COLOURS.detection,
      strokeWidth: 5,
    },
  ];
}

function photo({ name, extent }: Photograph, kind: string, layers: readonly Layer[]): string {
  return `<div class="photo ${kind} ${name}">${overlay(extent, layers)}</div>`;
}

function htmlTable([heading, ...rows]: Table): string {
  const cells = (row: readonly string[], tag: string) => row.map((c) => `<${tag}>${escape(c)}</${tag}>`).join("");
  return `<div class="table"><table><thead><tr>${cells(heading, "th")}</tr></thead><tbody>${
    rows.map((row) => `<tr>${cells(row, "td")}</tr>`).join("")
  }</tbody></table></div>`;
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

const STYLE = `:root { --ink: #1b1f24; --ground: #f6f6f4; --soft: #565d66; --line: #d9d9d4; --strong: #8b9199;
  color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e2; --ground: #16191d; --soft: #a3abb5; --line: #363c44; --strong: #6d757f; }
}
body { max-width: 1500px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { font-size: 30px; margin: 0 0 6px; }
h2 { font-size: 22px; margin: 44px 0 8px; }
h3 { font-size: 16px; margin: 22px 0 6px; }
h3 small { font-weight: normal; color: var(--soft); margin-left: 8px; }
header p { max-width: 78em; margin: 0 0 8px; }
.facts { margin: 0; padding-left: 18px; color: var(--soft); }
nav { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: 6px 26px; align-items: center; margin: 18px -24px 0;
  padding: 10px 24px; background: #23272d; color: #f4f4f2; font-size: 14px; }
nav label { display: flex; align-items: center; gap: 7px; }
nav label > svg:not([class]) { width: 30px; height: 22px; }
nav input { accent-color: #f4f4f2; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 10px; }
.thumbnails { display: grid; grid-template-columns: repeat(6, 1fr); gap: 8px; align-items: start; }
.photo { background: var(--photograph) center / 100% 100%; border-radius: 4px; overflow: hidden; }
.photo.dark { background: linear-gradient(#0007, #0007), var(--photograph) center / 100% 100%, #555;
  background-blend-mode: normal, luminosity, normal; }
.photo > svg { width: 100%; height: auto; overflow: hidden; }
.table { overflow-x: auto; max-width: 100%; }
th { white-space: nowrap; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 8px 0; }
th, td { padding: 4px 14px; text-align: right; border-bottom: 1px solid var(--line); }
th { font-weight: 600; border-bottom-color: var(--strong); }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.note { color: var(--soft); margin: 4px 0; }
.downhill { display: flex; flex-wrap: wrap; gap: 20px 50px; align-items: center; }
.downhill svg { font-size: 13px; --plot-background: transparent; }
${
  ["truth", "matched", "mined", "gradient"].map((name) =>
    `body:has(#show-${name}:not(:checked)) .pair .${name} { display: none; }`
  ).join("\n")
}
@media (max-width: 900px) { .pair { grid-template-columns: 1fr; } .thumbnails { grid-template-columns: repeat(3, 1fr); } }
@media (max-width: 600px) {
  body { padding-inline: 16px; }
  nav { position: static; margin-inline: -16px; padding-inline: 16px; }
  h1 { font-size: 25px; }
  h3 small { display: block; margin: 0; }
}`;
