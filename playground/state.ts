/** The state of the page, and how the address holds it. */
import { type Box, DEFAULT_BOXES, placed, type Truth } from "./boxes.ts";
import { DEVICES } from "./devices.ts";
import type { Parameter } from "./engine/protocol.ts";
import { LOSSES } from "./losses.ts";
import { packedPredictions, unpackedPredictions } from "./packed.ts";
import { edited, type Predictions, randomPredictions } from "./predictions.ts";
import { type SceneName, SCENES } from "./scenes.ts";
import { type LayerName, LAYERS } from "./stage.ts";

/** The state that the address holds. */
export interface State {
  readonly scene: SceneName;
  readonly device: string;
  /** The seed of the predictions. */
  readonly seed: number;
  readonly truths: readonly Truth[];
  /** Default boxes that were moved, by index. */
  readonly moved: ReadonlyMap<number, Box>;
  /** Elements of the predictions that were changed by hand: `l` or `c`, and the position. */
  readonly edits: ReadonlyMap<string, number>;
  /** The rate of gradient descent. */
  readonly rate: number;
  /** The predictions after steps of descent; `null` if there were none. */
  readonly descended: Predictions | null;
  /** The losses before these steps. */
  readonly losses: readonly number[];
  /** The number along which the loss is drawn; its box is the selected one. */
  readonly parameter: Parameter;
  /** The loss. */
  readonly text: string;
  /** What is drawn over the image. */
  readonly shown: ReadonlySet<LayerName>;
  /** Which of the insides is shown; `null` if they are closed. */
  readonly inside: Inside | null;
}

/** Views of what is inside. */
export const INSIDES = ["kernels", "tape", "plan"] as const;

export type Inside = typeof INSIDES[number];

/** The predictions before any descent: noise, and what was changed by hand. */
export function predictionsOf({ seed, scene, edits }: Pick<State, "seed" | "scene" | "edits">): Predictions {
  return edited(randomPredictions(seed, SCENES[scene].classes.length), edits);
}

/** The state of a scene as it is at first. */
export function startOf(scene: SceneName): Pick<State, "scene" | "truths" | "moved" | "edits" | "parameter"> {
  return {
    scene,
    truths: SCENES[scene].truths,
    moved: new Map(),
    edits: new Map(),
    parameter: { of: "truths", index: 0, row: 0 },
  };
}

const start = (): State => ({
  ...startOf("shapes"),
  device: "auto",
  seed: 1,
  rate: 2,
  descended: null,
  losses: [],
  text: LOSSES[0].text,
  shown: new Set(LAYERS.filter(({ shown }) => shown).map(({ name }) => name)),
  inside: null,
});

const round = (x: number): number => Math.round(x * 1e4) / 1e4;
/** So many losses of a descent are in the address: the latest. */
const MOST_LOSSES = 200;
const brief = (loss: number): string => String(Number(loss.toPrecision(4)));
const listed = (numbers: readonly number[]): string => numbers.map(round).join(",");

/** The state as the part of an address after `#`; what is as at first is left out. */
export function hashOf(state: State): string {
  const first = { ...start(), ...startOf(state.scene) };
  const parts = new URLSearchParams();
  const put = (name: string, value: string, usual: string) => value !== usual && parts.set(name, value);
  const truthsOf = (truths: readonly Truth[]) => truths.map(({ label, box }) => listed([label, ...box])).join(";");
  const parameterOf = ({ of, index, row }: Parameter) => `${of},${index},${row}`;
  const layersOf = (shown: State["shown"]) =>
    LAYERS.filter(({ name }) => shown.has(name)).map(({ name }) => name).join();
  put("scene", state.scene, "shapes");
  put("device", state.device, first.device);
  put("seed", String(state.seed), String(first.seed));
  put("truths", truthsOf(state.truths), truthsOf(first.truths));
  put("boxes", [...state.moved].map(([i, box]) => listed([i, ...box])).join(";"), "");
  put("edits", [...state.edits].map(([key, value]) => `${key},${round(value)}`).join(";"), "");
  put("rate", String(state.rate), String(first.rate));
  put("descended", state.descended ? packedPredictions(predictionsOf(state), state.descended) : "", "");
  put("losses", state.losses.slice(-MOST_LOSSES).map(brief).join(","), "");
  put("along", parameterOf(state.parameter), parameterOf(first.parameter));
  put("layers", layersOf(state.shown), layersOf(first.shown));
  put("inside", state.inside ?? "", "");
  put("loss", state.text, first.text);
  return parts.toString();
}

/** The state that an address holds; what it lacks, or what cannot be read, is as at first. */
export function stateOf(hash: string): State {
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  const scene = (parts.get("scene") ?? "shapes") as SceneName;
  const first: State = { ...start(), ...startOf(Object.hasOwn(SCENES, scene) ? scene : "shapes") };
  const rows = (name: string) => (parts.get(name) ?? "").split(";").filter(Boolean).map((row) => row.split(","));
  const device = parts.get("device") ?? first.device;
  const { classes } = SCENES[first.scene];
  const truthRows = rows("truths").map(numbersOf).filter(([label, ...box]) => isBox(box) && label in classes);
  const truths = parts.has("truths")
    ? truthRows.map(([label, ...box]): Truth => ({ label, box: boxOf(box) }))
    : first.truths;
  const moved = rows("boxes").map(numbersOf).filter(([index, ...box]) => index in DEFAULT_BOXES && isBox(box));
  const given = { ...first, seed: Number(parts.get("seed") ?? first.seed) | 0, edits: editsIn(rows("edits")) };
  const descended = unpackedPredictions(predictionsOf(given), parts.get("descended") ?? "");
  const rate = Number(parts.get("rate"));
  return {
    ...given,
    rate: rate > 0 ? rate : first.rate,
    descended,
    losses: descended ? (parts.get("losses") ?? "").split(",").filter(Boolean).map(Number).filter(Number.isFinite) : [],
    device: DEVICES.some(({ name }) => name === device) ? device : first.device,
    truths,
    moved: new Map(moved.map(([index, ...box]) => [index, boxOf(box)])),
    parameter: parameterIn(parts.get("along"), truths.length, classes.length) ?? first.parameter,
    text: parts.get("loss") ?? first.text,
    shown: layersIn(parts.get("layers")) ?? first.shown,
    inside: INSIDES.find((name) => name === parts.get("inside")) ?? null,
  };
}

function editsIn(rows: readonly (readonly string[])[]): Map<string, number> {
  const usable = rows.filter(([key, value]) => /^[lc]\d+$/.test(key) && Number.isFinite(Number(value)));
  return new Map(usable.map(([key, value]) => [key, Number(value)]));
}

const numbersOf = (row: readonly string[]): number[] => row.map(Number);
const isBox = (box: readonly number[]): boolean =>
  box.length === 4 && box.every(Number.isFinite) && box[2] > 0 && box[3] > 0;
const boxOf = ([cx, cy, w, h]: readonly number[]): Box => placed([cx, cy, w, h]);

/** A number that there is, among so many truths and classes. */
function parameterIn(text: string | null, truths: number, classes: number): Parameter | null {
  const [, of, index, row] = /^(truths|locations|logits),(\d+),(\d)$/.exec(text ?? "") ?? [];
  if (of === undefined) return null;
  const parameter = { of: of as Parameter["of"], index: Number(index), row: Number(row) };
  const exists = parameter.index < (of === "truths" ? truths : DEFAULT_BOXES.length) &&
    parameter.row < (of === "logits" ? classes + 1 : 4);
  return exists ? parameter : null;
}

function layersIn(text: string | null): Set<LayerName> | null {
  if (text === null) return null;
  const names = text.split(",");
  return new Set(LAYERS.map(({ name }) => name).filter((name) => names.includes(name)));
}
