/** Checks gradients against finite differences on the float64 oracle, element by element. */
import { compile, grad, tensor } from "../mod.ts";
import { LOGIT_ROWS } from "./network.ts";
import { type Batch, countingBoxes, type Decisions, type Evaluation, type Objective } from "./objective.ts";
import { withProgress } from "./progress.ts";
import { pick, uniform } from "./random.ts";

/** The step to either side of an element: in float64, truncation and rounding both stay far below the tolerance. */
const STEP = 1e-4;
const SEED = 2016;
/** The number of elements of one photograph, by kind. */
const ELEMENTS = { matchedLocations: 14, otherLocations: 6, matchedLogits: 10, minedLogits: 12, otherLogits: 8 };
/**
 * Differences are relative to the numeric value, or to this fraction of the photograph's largest gradient if that is
 * larger.
 */
export const FLOOR = 1e-3;

/** One element and its derivatives. */
export interface CheckedElement {
  readonly photograph: string;
  readonly prediction: "locations" | "logits";
  /** The row within the prediction, and the default box. */
  readonly row: number;
  readonly box: number;
  /** Whether the element takes part in the loss. */
  readonly counts: boolean;
  /** The analytic derivative on the oracle and on the device, and the central difference. */
  readonly oracle: number;
  readonly device: number;
  readonly numeric: number;
  /** The relative differences from the numeric value. */
  readonly oracleError: number;
  readonly deviceError: number;
  /** Whether the step changed which negatives are mined, which makes the central difference meaningless. */
  readonly flipped: boolean;
}

/** One photograph evaluated by itself on the device. */
export interface CheckInput {
  readonly name: string;
  readonly batch: Batch;
  readonly evaluation: Evaluation;
  readonly decisions: Decisions;
}

type Element = Pick<CheckedElement, "prediction" | "row" | "box" | "counts">;

/** Checks a few hundred elements of both predictions, some that count and some that do not. */
export async function checkGradients(
  objective: Objective,
  inputs: readonly CheckInput[],
): Promise<CheckedElement[]> {
  const random = uniform(SEED);
  const chosen = inputs.map((input) => chooseElements(input, objective.boxes.count, random));
  const oracles = await Promise.all(inputs.map((input) => oracleFor(objective, input.batch)));
  const work = inputs.flatMap((input, i) => chosen[i].map((element) => ({ input, oracle: oracles[i], element })));
  return await withProgress(
    "Gradients against finite differences",
    work,
    ({ input, oracle, element }) => checkElement(input, oracle, element, objective.boxes.count),
  );
}

/** The loss of one photograph on the oracle, and its gradient at the given predictions. */
interface Oracle {
  lossAt(prediction: CheckedElement["prediction"], index: number, change: number): Promise<[number, Uint8Array]>;
  readonly dLocations: ArrayLike<number>;
  readonly dLogits: ArrayLike<number>;
  readonly largest: number;
  readonly counting: Uint8Array;
}

async function oracleFor({ boxes: { count }, criterion }: Objective, batch: Batch): Promise<Oracle> {
  const locations = Float64Array.from(batch.locations);
  const logits = Float64Array.from(batch.logits);
  const device = "float64";
  const compute = compile((x, c) => {
    const { loss } = criterion.forward([x, c], batch.targets);
    return [loss, ...grad(loss, [x, c])];
  }, { device });
  const evaluate = () => compute(tensor(locations, [1, 4, count]), tensor(logits, [1, LOGIT_ROWS, count]));

  const [, dx, dc] = await evaluate();
  const dLocations = await dx.data({ device });
  const dLogits = await dc.data({ device });
  let largest = 0;
  for (const part of [dLocations, dLogits]) part.forEach((v) => (largest = Math.max(largest, Math.abs(v))));
  return {
    dLocations,
    dLogits,
    largest,
    counting: countingBoxes(dLogits, count),
    async lossAt(prediction, index, change) {
      const values = prediction === "locations" ? locations : logits;
      const before = values[index];
      values[index] += change;
      const [loss, , moved] = await evaluate();
      const result: [number, Uint8Array] = [
        await loss.item({ device }),
        countingBoxes(await moved.data({ device }), count),
      ];
      values[index] = before;
      return result;
    },
  };
}

async function checkElement(
  { name, evaluation }: CheckInput,
  oracle: Oracle,
  element: Element,
  count: number,
): Promise<CheckedElement> {
  const { prediction, row, box } = element;
  const index = row * count + box;
  const [above, countingAbove] = await oracle.lossAt(prediction, index, STEP);
  const [below, countingBelow] = await oracle.lossAt(prediction, index, -STEP);
  const numeric = (above - below) / (2 * STEP);
  const gradient = prediction === "locations" ? "dLocations" : "dLogits";
  const relative = (value: number) => Math.abs(value - numeric) / Math.max(Math.abs(numeric), FLOOR * oracle.largest);
  const same = (counting: Uint8Array) => counting.every((v, i) => v === oracle.counting[i]);
  return {
    ...element,
    photograph: name,
    oracle: oracle[gradient][index],
    device: evaluation[gradient][index],
    numeric,
    oracleError: relative(oracle[gradient][index]),
    deviceError: relative(evaluation[gradient][index]),
    flipped: !same(countingAbove) || !same(countingBelow),
  };
}

function chooseElements({ batch, decisions }: CheckInput, count: number, random: () => number): Element[] {
  const { positives, mined } = decisions;
  const decided = new Set([...positives, ...mined]);
  const matched = new Set(positives);
  const all = Array.from({ length: count }, (_, i) => i);
  const others = hardestFirst(all.filter((i) => !decided.has(i)), batch.logits, count);
  const elements = (prediction: Element["prediction"], rows: number, counts: boolean, boxes: readonly number[]) =>
    boxes.flatMap((box) => Array.from({ length: rows }, (_, row): Element => ({ prediction, row, box, counts })));
  const some = (from: Element[], n: number) => pick(from, n, random);
  return [
    ...some(elements("locations", 4, true, positives), ELEMENTS.matchedLocations),
    ...some(elements("locations", 4, false, all.filter((i) => !matched.has(i))), ELEMENTS.otherLocations),
    ...some(elements("logits", LOGIT_ROWS, true, positives), ELEMENTS.matchedLogits),
    ...some(elements("logits", LOGIT_ROWS, true, mined), ELEMENTS.minedLogits),
    // Half of them are among the negatives that were nearly mined, the likeliest to change a decision.
    ...some(elements("logits", LOGIT_ROWS, false, others.slice(0, 2)), ELEMENTS.otherLogits / 2),
    ...some(elements("logits", LOGIT_ROWS, false, others.slice(2)), ELEMENTS.otherLogits / 2),
  ];
}

/** Sorts default boxes by the log-odds against background, least certain background first. */
function hardestFirst(boxes: readonly number[], logits: ArrayLike<number>, count: number): number[] {
  const oddsAgainst = (box: number) => {
    let sum = 0;
    for (let row = 1; row < LOGIT_ROWS; row++) sum += Math.exp(logits[row * count + box] - logits[box]);
    return sum;
  };
  return boxes.map((box) => ({ box, odds: oddsAgainst(box) })).sort((a, b) => b.odds - a.odds).map(({ box }) => box);
}

/** A summary of the check. */
export interface CheckSummary {
  readonly counting: number;
  readonly idle: number;
  /** The number of elements that do not count and whose three numbers are all exactly 0. */
  readonly idleZero: number;
  readonly flipped: number;
  /** The number of elements within tolerance, not counting those whose decisions changed. */
  readonly passed: number;
  readonly failed: number;
  readonly worstOracle: CheckedElement;
  readonly worstDevice: CheckedElement;
}

/** The largest relative difference that passes: of the tape in float64, and of the device in float32. */
export const TOLERANCE = { oracle: 1e-6, device: 1e-3 };

/** Counts the results and picks the worst elements among those whose decisions did not change. */
export function summarise(checked: readonly CheckedElement[]): CheckSummary {
  const held = checked.filter((e) => !e.flipped);
  const fits = (e: CheckedElement) => e.oracleError <= TOLERANCE.oracle && e.deviceError <= TOLERANCE.device;
  const idle = held.filter((e) => !e.counts);
  const worst = (error: (e: CheckedElement) => number) => held.reduce((a, b) => (error(b) > error(a) ? b : a));
  const passed = held.filter(fits).length;
  return {
    counting: held.length - idle.length,
    idle: idle.length,
    idleZero: idle.filter((e) => e.oracle === 0 && e.device === 0 && e.numeric === 0).length,
    flipped: checked.length - held.length,
    passed,
    failed: held.length - passed,
    worstOracle: worst((e) => e.oracleError),
    worstDevice: worst((e) => e.deviceError),
  };
}
