/** Reports as a self-contained HTML page without network access, whose one script copies text. */
import {
  advice,
  countsText,
  durationText,
  entryText,
  facts,
  headline,
  isPlain,
  MEANINGS,
  numberText,
  pairText,
  placeText,
  plural,
  replayCommand,
  secondText,
  shapeText,
  suspectOf,
  totalOf,
  VERDICTS,
  witnessHeading,
  witnessText,
} from "./advice.ts";
import { escape } from "./escape.ts";
import type { CheckReport, GradcheckReport, RunReport, TapeEntryReport, Verdict } from "./report.ts";
import { callText } from "./values.ts";

/** The drawing modules, loaded only for a page because the libraries behind them are large. */
type Drawing = typeof import("./heat_map.ts") & typeof import("./tape_diagram.ts");

/** Signs in addition to the colours, which not everyone can distinguish. */
const SIGNS: Readonly<Record<Verdict | "undecided", string>> = {
  ok: "✓",
  wrong: "✕",
  undecided: "?",
  kink: "△",
  noise: "✳",
  untested: "▨",
};

/** The most values of an input that are on the page. */
const VALUES = 10_000;

/** Copies the block after a button; where the browser does not allow it, the block is selected all the same. */
export const SCRIPT = `addEventListener("click", ({ target }) => {
  if (!target.matches("button.copy")) return;
  getSelection().selectAllChildren(target.nextElementSibling);
  target.textContent = document.execCommand("copy") ? "Copied" : "Selected: copy with Ctrl-C";
});`;

/**
 * Formats the report of one check or of a run as an HTML page: the verdict and what to do next, a heat map of each
 * input's errors, the worst elements, the findings, and a diagram of the tape. Only here are the libraries that draw
 * loaded.
 */
export async function reportHtml(report: GradcheckReport | RunReport): Promise<string> {
  const drawing: Drawing = { ...await import("./heat_map.ts"), ...await import("./tape_diagram.ts") };
  const isRun = "checks" in report;
  const title = isRun ? `Gradient checks of ${report.file}` : `Gradient check of ${report.name}`;
  const body = isRun
    ? runBody(report, drawing)
    : `<h1>${escape(title)}</h1>${reportBody(report, { id: "r", inRun: false }, drawing)}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>${styleSheet(drawing)}</style>
</head>
<body>
${PATTERNS}
${body}
<script>${SCRIPT}</script>
</body>
</html>
`;
}

function runBody(run: RunReport, drawing: Drawing): string {
  const { file, seed, shard, checks } = run;
  const of = (verdict: string) => checks.filter((c) => c.verdict === verdict).length;
  const part = shard ? ` This is shard ${shard.index} of ${shard.count}: not all runs are here.` : "";
  const rows = checks.map((check, i) =>
    `<tr><td>${badge(check.verdict)}</td><td><a href="#c${i}">${escape(check.name)}</a></td><td>${check.runs}</td>${
      VERDICTS.map((v) => `<td class="${check.counts[v] === 0 ? "none" : v}">${check.counts[v]}</td>`).join("")
    }<td>${check.milliseconds === undefined ? "" : durationText(check.milliseconds)}</td></tr>`
  );
  return `<h1>Gradient checks of ${escape(file)}</h1>
<p class="lead">${plural(checks.length, "check")}: ${of("ok")} ok, ${of("wrong")} wrong, ${
    of("undecided")
  } undecided. Seed ${seed}.${part}</p>
<div class="scroll"><table><thead><tr><th>verdict</th><th>check</th><th>runs</th>${
    VERDICTS.map((v) => `<th>${v}</th>`).join("")
  }<th>time</th></tr></thead><tbody>${rows.join("")}</tbody></table></div>
${checks.map((check, i) => checkBody(run, check, `c${i}`, drawing)).join("\n")}`;
}

function checkBody(run: RunReport, check: CheckReport, id: string, drawing: Drawing): string {
  const { name, verdict, runs, undecided, counts, error, report, milliseconds } = check;
  const replay = replayCommand(run, check);
  const what = report?.verdict === "wrong"
    ? "The first failing input, shrunk"
    : report?.verdict === "undecided"
    ? "The first input that was not decided"
    : "The last of the runs";
  const open = undecided ? `, ${undecided} of them undecided` : "";
  const time = milliseconds === undefined ? "" : `, in ${durationText(milliseconds)}`;
  return `<article id="${id}">
<h2>${badge(verdict)} ${escape(name)}</h2>
<p>${plural(runs, "run")}${open}: ${escape(countsText(counts))}${time}</p>
${error === null ? "" : `<pre class="error">${escape(error)}</pre>`}
${replay === null ? "" : `<div class="replay">Replay: ${copyable(replay)}</div>`}
${
    report
      ? `<details${verdict === "ok" ? "" : " open"}><summary>${what}</summary>${
        reportBody(report, { id, inRun: true }, drawing)
      }</details>`
      : ""
  }
</article>`;
}

/** The place of a report on the page. */
interface Place {
  /** The start of its anchors. */
  readonly id: string;
  readonly inRun: boolean;
}

/** The body of one check's report. */
function reportBody(report: GradcheckReport, { id, inRun }: Place, drawing: Drawing): string {
  const next = advice(report);
  return `<section class="summary">
<p class="lead">${badge(report.verdict)} ${escape(headline(report))}</p>
${countBar(report.counts)}
<p class="facts">${facts(report, inRun).map(escape).join(" · ")}</p>
${next.length > 0 ? `<div class="next"><h3>What to do next</h3><ul>${list(next)}</ul></div>` : ""}
</section>
<section><h3>Inputs</h3>${inputsBody(report, drawing)}${valuesBody(report)}</section>
<section><h3>${report.verdict === "wrong" ? "Worst elements" : "Elements closest to their tolerance"}</h3>${
    worstTable(report)
  }</section>
<section><h3>Findings</h3>${findingsBody(report)}</section>
${isPlain(report) ? "" : `<section><h3>Tape</h3>${tapeBody(report, id, drawing)}</section>`}`;
}

/** The call that repeats the check, with the values of its inputs, folded. */
function valuesBody(report: GradcheckReport): string {
  const call = callText(report, VALUES, "in the report as JSON");
  if (!call) return "";
  return `<details><summary>Values, to copy into a test</summary>${copyable(call.join("\n"))}</details>`;
}

/** A block of text with a button that copies it. */
function copyable(text: string): string {
  return `<div class="copyable"><button type="button" class="copy">Copy</button><pre>${escape(text)}</pre></div>`;
}

function badge(verdict: "ok" | "wrong" | "undecided"): string {
  return `<span class="badge ${verdict}">${SIGNS[verdict]} ${verdict}</span>`;
}

function list(sentences: readonly string[]): string {
  return sentences.map((sentence) => `<li>${escape(sentence)}</li>`).join("");
}

/** The counts as a bar and in words. */
function countBar(counts: Readonly<Record<Verdict, number>>): string {
  const order = [...VERDICTS].reverse();
  const total = totalOf(counts);
  const parts = order.filter((v) => counts[v] > 0);
  return `<div class="bar" aria-hidden="true">${
    parts.map((v) => `<i class="${v}" style="flex-grow:${counts[v]}"></i>`).join("")
  }</div><dl class="counts">${
    order.map((v) =>
      `<div class="${counts[v] === 0 ? "none" : ""}" title="${MEANINGS[v]}"><dt><b class="sign ${v}">${
        SIGNS[v]
      }</b> ${v}</dt><dd>${counts[v]}</dd></div>`
    ).join("")
  }<div><dt>of</dt><dd>${total}</dd></div></dl>`;
}

function inputsBody(report: GradcheckReport, drawing: Drawing): string {
  if (report.inputs.length === 0) return "<p>The function has no inputs.</p>";
  const figures = report.inputs.map((input, i) => {
    const map = drawing.heatMap(input, i, report.worst);
    const about = `<figcaption><b>${escape(input.name)}</b> ${shapeText(input.shape)}: ${
      escape(countsText(input.counts))
    }. ${map?.caption ?? ""}</figcaption>`;
    const nothing = input.relative.length === 0
      ? "It has no elements."
      : report.mode === "fast"
      ? "No single element was tested, only directions through all inputs; see the table."
      : "No element was tested.";
    return `<figure>${about}${map ? `<div class="scroll">${map.svg}</div>` : `<p>${nothing}</p>`}</figure>`;
  });
  const drawn = figures.some((figure) => figure.includes("<svg"));
  const signs = VERDICTS.filter((v) => v !== "ok").map((v) =>
    `<span><b class="sign ${v}">${SIGNS[v]}</b> ${v}: ${MEANINGS[v]}</span>`
  );
  return `${drawn ? `<div class="legend">${drawing.heatLegend()}<p>${signs.join("")}</p></div>` : ""}${
    figures.join("")
  }`;
}

function worstTable(report: GradcheckReport): string {
  if (report.worst.length === 0) return "<p>No element was tested.</p>";
  const orders = report.order === 2 || report.worst.some(({ order }) => order === 2);
  const heading = witnessHeading(report.worst);
  const by = (cell: string) => (heading === "witness" ? [cell] : []);
  const rows = report.worst.map((element) => {
    const { verdict } = element;
    const cells = [
      ...pairText(element),
      ...by(witnessText(element)),
      numberText(element.error, 3),
      numberText(element.estimate, 3),
    ];
    const second = secondText(element);
    const columns = cells.length + (orders ? 3 : 2);
    return `<tr><td>${escape(placeText(element, report))}</td>${orders ? `<td>${element.order}</td>` : ""}${
      cells.map((cell) => `<td>${cell}</td>`).join("")
    }<td class="verdict"><b class="sign ${verdict}">${SIGNS[verdict]}</b> ${verdict}</td></tr>${
      second === null ? "" : `<tr class="second"><td colspan="${columns}">${escape(second)}</td></tr>`
    }`;
  });
  const more = report.counts.wrong - report.worst.filter(({ verdict }) => verdict === "wrong").length;
  const titles = [
    "element",
    ...(orders ? ["order"] : []),
    "gradient",
    heading,
    ...by("by"),
    "error",
    "estimated error",
  ];
  return `<div class="scroll"><table><thead><tr>${
    titles.map((title) => `<th>${title}</th>`).join("")
  }<th class="verdict">verdict</th></tr></thead><tbody>${rows.join("")}</tbody></table></div>${
    more > 0 ? `<p>${more} more ${more === 1 ? "is" : "are"} wrong.</p>` : ""
  }`;
}

function findingsBody({ findings }: GradcheckReport): string {
  if (findings.length === 0) return "<p>No findings.</p>";
  const rank = { error: 0, warning: 1, info: 2 };
  const sorted = [...findings].sort((a, b) => rank[a.severity] - rank[b.severity]);
  return `<ul class="findings">${
    sorted.map(({ check, severity, message, entry }) =>
      `<li class="${severity}"><b>${severity}: ${escape(check)}</b> ${escape(message)}${
        entry === undefined ? "" : ` <span class="muted">entry %${entry}</span>`
      }</li>`
    ).join("")
  }</ul>`;
}

function tapeBody(report: GradcheckReport, id: string, drawing: Drawing): string {
  const { tape } = report;
  const diagram = drawing.tapeDiagram(tape, id);
  if (!diagram) return "";
  const suspect = suspectOf(report);
  const mark = suspect
    ? `<p><b class="mark"></b> The gradient flows up from the outputs at the bottom, and first goes wrong at <a href="#${id}-suspect"><code>${
      escape(entryText(suspect))
    }</code></a>; what is dashed above receives it wrong.</p>`
    : "";
  return `${mark}<p class="muted">${diagram.caption}</p><div class="scroll diagram">${diagram.svg}</div>
<details><summary>All entries as a list</summary><pre class="tape">${tape.map(entryLine).join("\n")}</pre></details>`;
}

function entryLine({ id, op, inputs, shape, dtype, input, suspect }: TapeEntryReport): string {
  const made = input === undefined ? `${op}(${inputs.map((i) => `%${i}`).join(", ")})` : `input ${input}`;
  const line = escape(`%${id} = ${made}: ${dtype} ${shapeText(shape)}`);
  return suspect ? `<mark>${line}  the gradient is first wrong here</mark>` : line;
}

/** Definitions shared by the page's SVGs. */
const PATTERNS = `<svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs>
<pattern id="untested" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="6" height="6" fill="var(--card)"/><line x1="0" y1="0" x2="0" y2="6" stroke="var(--muted)" stroke-width="2"/></pattern>
</defs></svg>`;

/** Light and dark values of the page's colours: blue, orange, pink and yellow can be distinguished by everyone. */
const COLOURS: Readonly<Record<string, readonly [string, string]>> = {
  page: ["#f7f7f5", "#14171b"],
  card: ["#ffffff", "#1c2127"],
  text: ["#1b1f24", "#e6e8ea"],
  muted: ["#5c646d", "#9aa3ad"],
  line: ["#dcdcd7", "#353c45"],
  ok: ["#0a63a5", "#64b1ee"],
  wrong: ["#b9440a", "#ff9a4d"],
  undecided: ["#7a5b00", "#f0d060"],
  kink: ["#a2317b", "#ee95cb"],
  noise: ["#7a5b00", "#f0d060"],
  untested: ["#5c646d", "#9aa3ad"],
};

function styleSheet({ HEAT }: Drawing): string {
  const palette = [
    ...Object.entries(COLOURS),
    ...HEAT.map((pair, i) => [`heat-${i}`, pair] as const),
  ];
  const values = (which: 0 | 1) => palette.map(([name, pair]) => `--${name}:${pair[which]}`).join(";");
  return `:root{color-scheme:light dark;${values(0)}}
@media (prefers-color-scheme:dark){:root{${values(1)}}}
${STYLE}`;
}

const STYLE = `*{box-sizing:border-box}
body{margin:0 auto;max-width:1080px;padding:28px 24px 64px;background:var(--page);color:var(--text);font:15px/1.5 system-ui,sans-serif}
h1{font-size:26px;line-height:1.25;margin:0 0 12px;overflow-wrap:anywhere}
h2{font-size:21px;margin:0 0 8px;overflow-wrap:anywhere}
h3{font-size:16px;margin:0 0 8px}
p{margin:0 0 8px}
a{color:inherit}
code,pre,svg.tape{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace}
code{font-size:13px}
pre{font-size:13px;margin:8px 0;padding:10px 12px;overflow:auto;background:var(--page);border:1px solid var(--line);border-radius:6px;max-height:420px}
pre.error{border-color:var(--undecided);white-space:pre-wrap}
mark{background:var(--wrong);color:var(--card);font-weight:600}
article{margin:36px 0 0;padding-top:20px;border-top:2px solid var(--line)}
section{margin:14px 0 0;padding:16px 18px;background:var(--card);border:1px solid var(--line);border-radius:8px}
summary{cursor:pointer;padding:4px 0;font-weight:600}
.lead{font-size:18px}
.muted,.facts{color:var(--muted)}
.facts{font-size:14px;margin-bottom:0}
.scroll{overflow:auto}
.badge{display:inline-block;padding:1px 10px;border-radius:999px;border:2px solid;font-weight:700;font-size:15px;white-space:nowrap}
.badge.ok{color:var(--ok)} .badge.undecided{color:var(--undecided)} .badge.wrong{color:var(--card);background:var(--wrong);border-color:var(--wrong)}
.sign{display:inline-block;min-width:1.1em;text-align:center}
.ok{color:var(--ok)} .wrong{color:var(--wrong)} .kink{color:var(--kink)} .noise{color:var(--noise)} .untested{color:var(--untested)}
.bar{display:flex;gap:2px;height:10px;margin:10px 0 6px}
.bar i{background:currentColor;border-radius:2px;min-width:5px;flex-basis:0}
.bar i.untested{background:repeating-linear-gradient(45deg,currentColor 0 2px,transparent 2px 6px)}
.counts{display:flex;flex-wrap:wrap;gap:4px 26px;margin:0 0 8px}
.counts div{display:flex;gap:8px;align-items:baseline} .counts dd{margin:0;font-weight:700;font-variant-numeric:tabular-nums}
.counts .none{opacity:.55}
.next{margin-top:14px;padding:10px 14px;border-left:4px solid var(--wrong);background:var(--page);border-radius:0 6px 6px 0}
.summary:has(.badge.ok) .next{border-color:var(--ok)} .summary:has(.badge.undecided) .next{border-color:var(--undecided)}
.copyable{position:relative} .copyable pre{padding-right:84px;user-select:all;white-space:pre-wrap;overflow-wrap:anywhere}
button.copy{position:absolute;top:6px;right:6px;font:inherit;font-size:13px;padding:2px 10px;color:var(--text);background:var(--card);border:1px solid var(--line);border-radius:6px;cursor:pointer}
tr.second td{color:var(--muted);padding-top:0;text-align:left}
.next h3{margin-bottom:4px} .next ul,.findings{margin:0;padding-left:20px} .next li{margin:2px 0}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px}
th,td{padding:4px 14px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600;color:var(--muted)}
th:first-child,td:first-child{text-align:left;padding-left:0} th.verdict,td.verdict,article ~ *,h1 ~ .scroll td:nth-child(2),h1 ~ .scroll th:nth-child(2){text-align:left}
td.none{color:var(--muted);opacity:.6}
.findings li{margin:4px 0} .findings .error b{color:var(--wrong)} .findings .warning b{color:var(--undecided)} .findings .info b{color:var(--muted)}
figure{margin:14px 0 4px} figcaption{margin-bottom:4px}
.legend{display:flex;flex-wrap:wrap;gap:8px 28px;align-items:center;font-size:13px;color:var(--muted)}
.legend p{margin:0;display:grid;gap:1px}
.scroll > svg,.legend svg{display:block;--plot-background:transparent!important;color:var(--text);max-width:none}
.diagram{border:1px solid var(--line);border-radius:6px;background:var(--page)}
svg.tape{margin:0 auto;font-size:12px}
svg.tape text{text-anchor:middle;dominant-baseline:central;fill:var(--muted)}
svg.tape .op{fill:var(--text);font-weight:600}
svg.tape rect{fill:var(--card);stroke:var(--muted);stroke-width:1}
svg.tape .input rect{fill:var(--heat-0);stroke:var(--ok);stroke-width:1.5}
svg.tape .output rect{stroke:var(--text);stroke-width:2}
svg.tape .affected rect{stroke:var(--wrong);stroke-dasharray:5 3;stroke-width:1.5}
svg.tape .suspect rect{fill:var(--wrong);stroke:var(--wrong);stroke-width:4}
svg.tape .suspect text{fill:var(--card);font-weight:700}
svg.tape .hidden rect{fill:none;stroke:none} svg.tape .hidden text{fill:var(--muted);font-weight:400}
svg.tape .edges path{fill:none;stroke:var(--muted);stroke-width:1.2}
svg.tape .edges .affected{stroke:var(--wrong);stroke-dasharray:5 3} svg.tape .edges .hidden{stroke-dasharray:2 3}
svg.tape marker path{fill:var(--muted)} svg.tape marker.arrow-affected path{fill:var(--wrong)}
.mark{display:inline-block;width:.9em;height:.9em;border-radius:3px;background:var(--wrong);vertical-align:-1px}
@media print{section{break-inside:avoid}}`;
