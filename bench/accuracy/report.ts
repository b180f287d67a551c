/** Formats measurements as tables. */
import { backends } from "../../core/backends/list.ts";
import { markdownTable } from "../../scripts/generated.ts";
import { toleranceOf } from "../../verify/tape/tolerances.ts";
import type { DeviceFigures, Figures, FunctionFigures, RuntimeFigures } from "./measure.ts";

export interface MeasuredRuntime {
  readonly runtime: string;
  readonly version: string;
  readonly figures: RuntimeFigures;
}

/** A device, or several with the same figures. */
interface Column {
  readonly device: DeviceFigures;
  /** The runtimes of each device. */
  readonly devices: Map<string, string[]>;
  readonly cells: string;
}

function number(x: number): string {
  if (x === 0) return "0";
  if (x >= 1e6) return "over 10^6";
  return x >= 100 ? x.toFixed(0) : x.toPrecision(2);
}

/** One cell for the ranges of a function. */
function cell(ranges: readonly Figures[]): string {
  const count = ranges.reduce((n, r) => n + r.count, 0);
  const largest = Math.max(...ranges.map((r) => r.largest));
  const usual = Math.sqrt(ranges.reduce((sum, r) => sum + r.count * r.usual ** 2, 0) / count);
  const wrong = ranges.reduce((n, r) => n + r.wrong, 0);
  if (wrong > 0) return wrong === count && ranges.every((r) => r.nan === r.wrong) ? "NaN" : "wrong";
  return largest === 0 ? "exact" : `${number(largest)} / ${number(usual)}`;
}

/** The rows of a group: a name and a cell per device. Ranges beyond a function's tolerance get their own rows. */
function rowsOf(functions: readonly FunctionFigures[], group: FunctionFigures["group"]): [string, string][] {
  return functions.filter((f) => f.group === group).flatMap(({ name, byRange, ranges }): [string, string][] => {
    const apart = byRange ? ranges : ranges.filter((r) => r.beyond);
    const together = ranges.filter((r) => !apart.includes(r));
    return [
      ...(together.length > 0 ? [[name, cell(together)] as [string, string]] : []),
      ...apart.map((r): [string, string] => [`${name}, ${r.range}`, cell([r])]),
    ];
  });
}

/** The largest absolute errors of functions that cross 0 repeatedly. */
function absoluteRows(functions: readonly FunctionFigures[]): [string, string][] {
  return functions.filter(({ oscillates }) => oscillates).flatMap(({ name, ranges }) =>
    ranges.map(({ range, absolute, wrong, nan, count }): [string, string] => [
      `${name}, ${range}`,
      nan === count ? "NaN" : wrong > 0 ? "wrong" : absolute.toExponential(1),
    ])
  );
}

function subnormalCell(functions: readonly FunctionFigures[]): string {
  let [kept, flushed, wrong] = [0, 0, 0];
  for (const { overflows, ranges } of functions) {
    if (overflows) continue;
    for (const { subnormal } of ranges) {
      kept += subnormal.kept;
      flushed += subnormal.flushed;
      wrong += subnormal.wrong;
    }
  }
  const all = kept + flushed + wrong;
  if (wrong === 0 && kept >= 0.95 * all) return kept === all ? "kept" : "kept, except the very smallest";
  if (wrong === 0 && kept === 0) return "0";
  return `${kept} kept, ${flushed} are 0, ${wrong} wrong`;
}

/** A special case on a device: how it differs from the expected result. */
function specialCell({ got, expected }: DeviceFigures["specials"][number]): string {
  return got.every((x, i) => x === expected[i]) ? "=" : got.map(short).join(", ");
}

function short(value: string): string {
  const x = Number(value);
  if (value === "-0" || !Number.isFinite(x) || value.length <= 8) return value;
  const power = Math.log2(Math.abs(x));
  return Number.isInteger(power) ? `${x < 0 ? "-" : ""}2^${power}` : x.toPrecision(4);
}

/** Hosts first. */
const ORDER = backends.map(({ name }) => name).reverse();

/** The devices, joined if all displayed figures are the same. */
function columnsOf(measured: readonly MeasuredRuntime[]): Column[] {
  const columns: Column[] = [];
  for (const { runtime, figures } of measured) {
    for (const device of figures.devices) {
      const cells = JSON.stringify([
        ...(["exact", "rounded", "composite"] as const).map((group) => rowsOf(device.functions, group)),
        device.specials.map(specialCell),
        subnormalCell(device.functions),
        device.description,
      ]);
      let column = columns.find((c) => c.cells === cells);
      if (!column) columns.push(column = { device, devices: new Map(), cells });
      column.devices.set(device.device, [...column.devices.get(device.device) ?? [], runtime]);
    }
  }
  const first = ({ devices }: Column) => Math.min(...[...devices.keys()].map((name) => ORDER.indexOf(name)));
  return columns.sort((a, b) => first(a) - first(b));
}

/** `webgl, webgl2 (Chromium)`. */
function nameOf({ devices }: Column): string {
  const byRuntimes = new Map<string, string[]>();
  for (const [name, runtimes] of devices) {
    const key = runtimes.join(", ");
    byRuntimes.set(key, [...byRuntimes.get(key) ?? [], name].sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b)));
  }
  return [...byRuntimes].map(([runtimes, names]) => `${names.join(", ")} (${runtimes})`).join(", ");
}

/** The tables of docs/backends.md. */
export function write(measured: readonly MeasuredRuntime[], gpujs: string, points: number): string {
  const columns = columnsOf(measured);
  const names = columns.map(nameOf);
  const date = new Date().toISOString().slice(0, 10);
  const versions = measured.map(({ runtime, version }) => `${runtime} ${version}`).join(", ");
  const grouped = (rows: (functions: readonly FunctionFigures[]) => [string, string][]): [string, string[]][] => {
    const perColumn = columns.map(({ device }) => rows(device.functions));
    return perColumn[0].map(([name], i) => [name, perColumn.map((rows) => rows[i][1])]);
  };
  const body = (rows: [string, string[]][]) => rows.map(([name, cells]) => [name, ...cells]);
  const exact = grouped((f) => rowsOf(f, "exact"));
  const inexact = exact.filter(([, cells]) => cells.some((text) => text !== "exact"));
  const specials = columns[0].device.specials.map(({ name, expected }, i): string[] => [
    name,
    expected.map(short).join(", "),
    ...columns.map(({ device }) => specialCell(device.specials[i])),
  ]);
  const agreed = specials.filter(([, , ...cells]) => cells.every((text) => text === "="));
  const differing = specials.filter((row) => !agreed.includes(row));
  const exactNames = exact.filter((row) => !inexact.includes(row)).map(([name]) => name);
  return [
    `Measured on ${date} with gpu.js ${gpujs}, ${versions}, at ${points} points or more in each range. Devices of several runtimes ` +
    "with the same figures share a column.",
    markdownTable(
      ["device", "driver"],
      columns.map(({ device }, i) => [names[i], device.description]),
    ),
    "The largest error / the root mean square, in units in the last place of the exact result. The error of a float32 that is rounded " +
    "once is at most half a unit.",
    markdownTable(["function", ...names], body([...inexact, ...grouped((f) => rowsOf(f, "rounded"))])),
    ...(exactNames.length > 0 ? [`Exact on all devices: ${exactNames.join(", ")}.`] : []),
    "The largest absolute error of `sin` and `cos`:",
    markdownTable(["function", ...names], body(grouped(absoluteRows))),
    "Functions of several ops; `digamma`, `logSumExp`, `logSoftmax` and the losses in units in the last place of their largest input, or of " +
    "1 if that is larger:",
    markdownTable(["function", ...names], body(grouped((f) => rowsOf(f, "composite")))),
    "Subnormal results, and special cases in which some device differs from JavaScript (= if it agrees):",
    markdownTable(["case", "expected", ...names], [
      ["subnormal results", "", ...columns.map(({ device }) => subnormalCell(device.functions))],
      ...differing,
    ]),
    `The same on all devices: ${agreed.map(([name]) => name.replaceAll("|", "\\|")).join("; ")}.`,
  ].join("\n\n");
}

/** How much of each tolerance is used. */
export function toleranceReport(measured: readonly MeasuredRuntime[]): string {
  return columnsOf(measured).map((column) => {
    const parts = column.device.functions.flatMap(({ name, accuracy, ranges }) => {
      if (accuracy === null) return [];
      const ulps = Math.min(...[...column.devices.keys()].map((device) => toleranceOf(accuracy, "float", device).ulps));
      const meant = ranges.filter((r) => !r.beyond);
      const most = Math.max(...meant.map((r) => r.relative));
      if (meant.some((r) => r.wrong > 0) || most > ulps) return [`${name} ${number(most)} EXCEEDS ${ulps}`];
      return ulps > 0 ? [`${name} ${number(most)} of ${ulps}`] : [];
    });
    return `  ${nameOf(column)}: ${parts.join(", ")}`;
  }).join("\n");
}
