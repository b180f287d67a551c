/** The panels beside the picture: errors, components, the verdict, and the charts along the parameter. */
import { drawAlong, drawDescent } from "./charts.ts";
import { byId, fill, make, say } from "./dom.ts";
import type { Model } from "./model.ts";

const VERDICTS = { ok: "✓ gradient right", wrong: "✗ gradient wrong", undecided: "? undecided" } as const;

/** A number in few digits. */
export function short(x: number): string {
  if (!Number.isFinite(x)) return String(x);
  const size = Math.abs(x);
  return size !== 0 && (size < 1e-3 || size >= 1e5)
    ? x.toExponential(2)
    : x.toPrecision(4).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

/** Shows errors; those of the text are shown under it. */
export function showFailure({ failure }: Model): void {
  const device = failure?.message.startsWith("useDevice:") ?? false;
  const at = failure?.line ? ` (line ${failure.line})` : "";
  say(byId("error"), failure && device ? `${failure.message}. Choose another device.` : null);
  const place = byId("text-error");
  place.hidden = !failure || device;
  if (!failure || device) return place.replaceChildren();
  // The lines after the first are an excerpt of the text, with a mark under it.
  const [first, ...excerpt] = failure.message.split("\n");
  if (place.dataset.message === failure.message && place.hasChildNodes()) return;
  place.dataset.message = failure.message;
  place.replaceChildren(`${first}${at}`);
  if (excerpt.length === 0) return;
  const code = make("code", { tabindex: "0" }, excerpt.join("\n"));
  place.append(code);
  showMark(code, excerpt);
}

/** Scrolls an excerpt to its mark. */
function showMark(code: HTMLElement, lines: readonly string[]): void {
  const longest = Math.max(...lines.map(({ length }) => length));
  const column = Math.max(...lines.map((line) => line.indexOf("^")));
  code.scrollLeft = column / longest * code.scrollWidth - code.clientWidth / 2;
}

/** Shows the loss and its parts. */
export function showComponents({ evaluation }: Model): void {
  const place = byId("components");
  if (!evaluation) return;
  const { loss, components, target, mined } = evaluation;
  const matched = target.reduce((sum, t) => sum + (t >= 0 ? 1 : 0), 0);
  const rows = [
    ...components.slice(0, -1),
    ["matched", matched],
    ["mined", mined.reduce((sum, m, i) => sum + (m && target[i] < 0 ? 1 : 0), 0)],
  ] as const;
  place.replaceChildren(
    make("div", {}, make("dt", {}, "loss"), make("dd", { id: "loss" }, short(loss))),
    ...rows.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, short(value)))),
  );
}

/** Shows what gradcheck says. */
export function showVerdict({ verdict, checked, failure }: Model): void {
  const place = byId("verdict");
  byId("verdict-details").hidden = !verdict;
  place.toggleAttribute("data-old", !checked);
  if (!verdict) {
    place.textContent = failure ? "not checked" : "checking …";
    delete place.dataset.verdict;
    byId("verdict-summary").textContent = "";
    return;
  }
  place.dataset.verdict = verdict.verdict;
  place.textContent = VERDICTS[verdict.verdict];
  byId("verdict-summary").textContent = checked
    ? `${verdict.summary}, against dual numbers in float64`
    : failure
    ? "of the last loss that could be computed"
    : "checking …";
  byId("verdict-text").textContent = verdict.text;
}

const COORDINATES = ["cx", "cy", "w", "h"];

/** The parameters of the selected box: those of a truth, or of a default box's prediction. */
function parametersOf({ selected: { kind, index }, classes }: Model): { value: string; text: string }[] {
  if (kind === "truth") {
    return COORDINATES.map((name, row) => ({ value: `truths,${index},${row}`, text: `${name} of truth ${index + 1}` }));
  }
  return [
    ...COORDINATES.map((name, row) => ({
      value: `locations,${index},${row}`,
      text: `predicted ${name} of box ${index}`,
    })),
    ...["background", ...classes].map((name, row) => ({
      value: `logits,${index},${row}`,
      text: `logit of ${name} of box ${index}`,
    })),
  ];
}

/** Shows the parameter, and the loss along it. */
export function showAlong(model: Model): void {
  const { along, value, range: [low, high], state: { parameter } } = model;
  fill(byId<HTMLSelectElement>("parameter"), parametersOf(model));
  byId<HTMLSelectElement>("parameter").value = `${parameter.of},${parameter.index},${parameter.row}`;
  const slider = byId<HTMLInputElement>("value");
  [slider.min, slider.max] = [String(low), String(high)];
  if (document.activeElement !== slider || Number(slider.value) !== value) slider.value = String(value);
  byId("value-text").textContent = short(value);
  const same = along && along.parameter.of === parameter.of && along.parameter.index === parameter.index &&
    along.parameter.row === parameter.row;
  if (!same) return;
  const { at, losses, slopes } = along.sweep;
  drawAlong(byId("along-loss"), { at, values: losses, now: value, label: "loss", colour: "var(--loss)" });
  const label = parameter.of === "truths" ? "norm of the gradient" : "derivative";
  drawAlong(byId("along-slope"), { at, values: slopes, now: value, label, colour: "var(--slope)" });
}

/** Shows the losses of the descent. */
export function showDescent({ state, evaluation }: Model): void {
  const losses = evaluation && state.losses.length > 0 ? [...state.losses, evaluation.loss] : state.losses;
  const place = byId("descent-chart");
  place.hidden = losses.length === 0;
  if (losses.length > 0) drawDescent(place, losses, "var(--loss)");
}
