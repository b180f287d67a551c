/** Writes the page: variants next to each other, by numbers, curves and pictures. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type Difference, differences, rates, SCORE, spread } from "./comparison.ts";
import { drawScene, lossChart, precisionChart, sceneImages } from "./drawing.ts";
import type { Scene } from "./scenes.ts";
import type { Progress, Settings, TestResult } from "./train.ts";

/** A variant that has been trained. */
export interface Trained {
  readonly name: string;
  /** Its change to the loss. */
  readonly title: string;
  readonly componentNames: readonly string[];
  readonly progress: Progress;
}

/** How many scenes are shown at several steps, and how many of those on which variants differ. */
const SHOWN = 3;
const DIFFERENT = 6;

/** Writes the page of several variants, trained with the same settings and tested on the same scenes. */
export function writePage(
  file: string,
  variants: readonly Trained[],
  settings: Settings,
  scenes: readonly Scene[],
): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, page(variants, settings, scenes));
}

const colour = (i: number) => `var(--variant-${i % COLOURS.light.length})`;
const last = ({ progress }: Trained): TestResult => progress.tests[progress.tests.length - 1];
const name = (variant: Trained, i: number) => `<b style="color: ${colour(i)}">${variant.name}</b>`;

function page(variants: readonly Trained[], settings: Settings, scenes: readonly Scene[]): string {
  const { steps, batch, seed, blocks, device } = settings;
  const compared = variants.length > 1 ? differences(variants.map(last), scenes) : [];
  const shown = Array.from({ length: Math.min(SHOWN, scenes.length) }, (_, i) => i);
  const drawn = new Map(
    [...shown, ...compared.slice(0, DIFFERENT).map(({ scene }) => scene)].map((i) => [i, scenes[i]]),
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Training with variants of the SSD loss</title>
<style>
${STYLE}
</style>
</head>
<body>
${sceneImages(drawn)}
<header>
<h1>Training with variants of the SSD loss</h1>
<p>A small SSD network in TensorFlow.js learns to find handwritten digits. At each step its predictions go through <code>SSDLoss</code>; the gradient with respect to
the predictions comes back and goes into the network. All variants begin with the same weights and see the same scenes.</p>
<ul class="facts">
<li>${steps} steps of ${batch} scenes, seed ${seed}; layers of ${
    blocks.flat().join(", ")
  } channels; the loss on ${device}</li>
<li>tested on ${scenes.length} scenes of digits that were not trained with</li>
</ul>
</header>
<main>
<section><h2>Mean average precision</h2>
${summary(variants, scenes)}
<div class="charts">${
    precisionChart(
      variants.map((v, i) => ({
        name: v.name,
        colour: colour(i),
        points: v.progress.tests.map(({ step, map50 }) => ({ step, value: map50 })),
      })),
      steps,
    )
  }${digitTable(variants)}</div></section>
<section><h2>Losses</h2>
<p class="note">Each step faint, the running mean over a twentieth of the steps on top. Variants measure different things: compare shapes, not heights.</p>
<div class="charts">${variants.map((v, i) => lossFigure(v, i, steps)).join("\n")}</div></section>
${compared.length > 0 ? differenceSection(variants, scenes, compared) : ""}
<section><h2>Detections while training</h2>
${LEGEND}
${shown.map((scene) => whileTraining(variants, scenes[scene], scene)).join("\n")}</section>
</main>
</body>
</html>
`;
}

function summary(variants: readonly Trained[], scenes: readonly Scene[]): string {
  const percent = (share: number) => (Number.isNaN(share) ? "–" : `${(100 * share).toFixed(1)} %`);
  const rows = variants.map((variant, i) => {
    const result = last(variant);
    const { recall, precision } = rates(result, scenes);
    const { wall, cpu } = variant.progress.seconds;
    return [
      `${name(variant, i)}<br><small>${variant.title}</small>`,
      `<strong>${result.map50.toFixed(3)}</strong>`,
      result.map.toFixed(3),
      percent(recall),
      percent(precision),
      `${wall.toFixed(0)}&nbsp;s`,
      `${cpu.toFixed(0)}&nbsp;s`,
    ];
  });
  return table([
    ["variant", "mAP at 0.5", "mAP at 0.5 to 0.95", "digits found", "detections right", "time", "CPU time"],
    ...rows,
  ]) +
    `<p class="note">mAP by COCO's definition. Digits found and detections right: of detections with a score of at least ${SCORE}.</p>`;
}

/** The average precision of each digit, and by how much variants differ. */
function digitTable(variants: readonly Trained[]): string {
  const results = variants.map(last);
  const rows = results[0].byDigit.map((_, digit) => {
    const all = results.map(({ byDigit }) => byDigit[digit]);
    const best = Math.max(...all);
    const cells = all.map((v) => (v === best && variants.length > 1 ? `<b>${v.toFixed(2)}</b>` : v.toFixed(2)));
    return [String(digit), ...cells, ...(variants.length > 1 ? [spread(all).toFixed(2)] : [])];
  });
  return table([["digit", ...variants.map(name), ...(variants.length > 1 ? ["differ by"] : [])], ...rows]);
}

function lossFigure(variant: Trained, i: number, steps: number): string {
  const [localisation, classification, total] = variant.componentNames;
  const styles = [
    { name: `${localisation}, per image`, colour: "var(--localisation)" },
    { name: `${classification}, per image`, colour: "var(--classification)" },
    { name: total, colour: colour(i) },
  ];
  const curves = styles.map((style, k) => ({
    ...style,
    points: variant.progress.losses.map((values, step) => ({ step: step + 1, value: values[k] })),
  }));
  const keys = styles.map((s) => `<span style="color: ${s.colour}">&#9632; ${s.name}</span>`).join(" ");
  return `<figure><figcaption>${name(variant, i)} <small>${keys}</small></figcaption>${
    lossChart(curves, steps)
  }</figure>`;
}

function differenceSection(
  variants: readonly Trained[],
  scenes: readonly Scene[],
  compared: readonly Difference[],
): string {
  const without = variants.map((_, i) => compared.filter(({ mistakes }) => mistakes[i] === 0).length);
  const alone = variants.map((_, i) =>
    compared.filter(({ mistakes }) => mistakes[i] === 0 && mistakes.every((m, k) => k === i || m > 0)).length
  );
  const counts = table([
    ["variant", "mistakes", "scenes without mistakes", "of these, it alone"],
    ...variants.map((v, i) => [
      name(v, i),
      String(compared.reduce((n, { mistakes }) => n + mistakes[i], 0)),
      `${without[i]} of ${compared.length}`,
      String(alone[i]),
    ]),
  ]);
  const rows = compared.slice(0, DIFFERENT).map(({ scene, mistakes }) =>
    `<div class="row" style="--columns: ${variants.length}">${
      variants.map((v, i) =>
        drawScene(scene, scenes[scene], last(v).detections[scene], `${v.name}: ${mistakesInWords(mistakes[i])}`)
      ).join("")
    }</div>`
  );
  return `<section><h2>Where the variants differ</h2>
<p class="note">A mistake is a digit that was not found, or a detection that is wrong. Below, the scenes on which the variants differ most, after the last step.</p>
${counts}
${LEGEND}
<div class="rows">${rows.join("\n")}</div></section>`;
}

const mistakesInWords = (n: number) => (n === 1 ? "1 mistake" : n === 0 ? "no mistake" : `${n} mistakes`);

function whileTraining(variants: readonly Trained[], scene: Scene, number: number): string {
  const rows = variants.map((variant, i) => {
    const { tests } = variant.progress;
    const figures = tests.map(({ step, detections }) => drawScene(number, scene, detections[number], `step ${step}`));
    return `<h4>${name(variant, i)}</h4><div class="row" style="--columns: ${tests.length}">${figures.join("")}</div>`;
  });
  return `<h3>Scene ${number + 1}: ${scene.truths.map(({ label }) => label).join(", ")}</h3>\n${rows.join("\n")}`;
}

function table([heading, ...rows]: readonly (readonly string[])[]): string {
  const cells = (row: readonly string[], tag: string) => row.map((c) => `<${tag}>${c}</${tag}>`).join("");
  return `<table><thead><tr>${cells(heading, "th")}</tr></thead><tbody>${
    rows.map((row) => `<tr>${cells(row, "td")}</tr>`).join("")
  }</tbody></table>`;
}

const LEGEND =
  `<p class="note legend"><span class="right">&#9632; right, with its score</span><span class="wrong">&#9632; wrong</span><span class="missed">&#9632; not found</span></p>`;

const COLOURS = {
  light: ["#1f5fbf", "#b4501e", "#157a52", "#8b3fa8", "#946a00", "#b02a5b", "#4a5a6a"],
  dark: ["#7fb2ff", "#ff9d63", "#5fd6a3", "#d59bf0", "#e5c04f", "#ff8db4", "#b3c1cf"],
};
const variantColours = (colours: readonly string[]) => colours.map((c, i) => `--variant-${i}: ${c};`).join(" ");

const STYLE =
  `:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; --ink: #1b1f24; --faint: #565d66; --line: #d9d9d4; --paper: #f8f8f6;
  --localisation: #7a8794; --classification: #b3a27c; ${
    variantColours(COLOURS.light)
  } color: var(--ink); background: var(--paper); }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e4; --faint: #a2a9b2; --line: #3a4048; --paper: #16191d; --localisation: #8d9aa7;
  --classification: #b9a678; ${variantColours(COLOURS.dark)} } }
body { max-width: 1240px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { font-size: 30px; margin: 0 0 6px; }
h2 { font-size: 22px; margin: 40px 0 8px; }
h3 { font-size: 16px; margin: 26px 0 4px; }
h4 { font-size: 14px; margin: 10px 0 2px; }
header p { max-width: 76em; margin: 0 0 8px; }
small { color: var(--faint); font-weight: normal; }
.facts, .note { color: var(--faint); margin: 4px 0; }
.facts { padding-left: 18px; }
.definitions { position: absolute; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 8px 0; }
th, td { padding: 4px 14px; text-align: right; border-bottom: 1px solid var(--line); }
th { font-weight: 600; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.charts { display: flex; flex-wrap: wrap; gap: 20px 36px; align-items: flex-start; }
.charts svg { max-width: 100%; height: auto; font-size: 12px; --plot-background: transparent; overflow: visible; }
figure { margin: 0; }
figcaption { font-size: 13px; color: var(--faint); margin: 2px 0; }
.row { display: grid; grid-template-columns: repeat(var(--columns), minmax(0, 200px)); gap: 10px; margin: 0 0 10px; }
.rows { display: flex; flex-wrap: wrap; gap: 4px 40px; }
.rows .row { flex: 1 1 480px; }
.scene { display: block; width: 100%; border-radius: 4px; background: black; }
.scene use { image-rendering: pixelated; }
.scene rect { fill: none; stroke-width: 0.8; }
.scene text { font: 700 6px system-ui, sans-serif; paint-order: stroke; stroke: #000c; stroke-width: 1.4px; }
.scene .score { font: 500 4px system-ui, sans-serif; }
.right { --kind: #6fe36f; } .wrong { --kind: #ff8a3d; } .missed { --kind: #ff6fb5; }
.scene rect { stroke: var(--kind); } .scene text { fill: var(--kind); }
.scene .missed rect { stroke-dasharray: 2 1.4; }
.legend span { margin-right: 18px; color: color-mix(in srgb, var(--kind) 65%, var(--ink)); }`;
