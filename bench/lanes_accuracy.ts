/**
 * How exact functions in lanes are over all of float32, not a sample: each of the 2^32 words is an argument, and the results are compared
 * with the definition in doubles. Prints the largest error in units in the last place, where it is, and how many results are wrong: beyond
 * what the function states, or another NaN, infinity or zero. Exits with 1 if there are any. Two arguments are drawn, as many pairs.
 * Hours on one core, so not a part of the suite; it tries the special cases and a few thousand others.
 *
 *   npm run accuracy:lanes [-- --only exp,sin] [--every 1]
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { type Case, cases, isRight } from "../tests/core/lane_cases.ts";
import { inLanes } from "../tests/core/lanes.ts";
import { ulpOf } from "./accuracy/measure.ts";

const { values: options } = parseArgs({
  options: {
    /** Functions by name; default all. */
    only: { type: "string" },
    /** One of how many words is tried. */
    every: { type: "string", default: "1" },
  },
});

/** Arrays that the nearest cache holds. */
const LENGTH = 4096;
const WORDS = 2 ** 32;

/** The results of a sweep. */
interface Found {
  /** The largest error where the result is finite and not 0, in units in the last place. */
  largest: number;
  at: readonly number[];
  tried: number;
  wrong: number;
  firstWrong: string | null;
}

/** Fills the words of the arguments. Second arguments are drawn by xorshift, as are pairs of first ones. */
function argumentsOf(arity: number, operands: readonly Float32Array[]): (from: number, every: number) => void {
  const [first, second] = operands.map((array) => new Uint32Array(array.buffer, array.byteOffset, array.length));
  let state = 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    return (state ^= state << 5);
  };
  return (from, every) => {
    for (let i = 0; i < LENGTH; i++) {
      first[i] = from + i * every;
      if (arity === 2) second[i] = next();
    }
  };
}

function sweep({ write, f, arity, ulps, isNegative }: Case, every: number): Found {
  const lanes = inLanes(write, { arity, length: LENGTH });
  const [x, y = x] = lanes.operands;
  const fill = argumentsOf(arity, lanes.operands);
  const found: Found = { largest: 0, at: [], tried: 0, wrong: 0, firstWrong: null };
  for (let from = 0; from < WORDS; from += LENGTH * every) {
    fill(from, every);
    lanes.run();
    for (let i = 0; i < LENGTH; i++) {
      if (isNegative && x[i] > 0) continue;
      found.tried++;
      const [actual, expected] = [lanes.results[i], f(x[i], y[i])];
      if (Math.fround(expected) === actual && actual !== 0) continue;
      if (!isRight(actual, expected, ulps)) {
        found.wrong++;
        found.firstWrong ??= `${[x[i], y[i]].slice(0, arity).join(", ")} gives ${actual}, not ${expected}`;
      }
      const error = Math.abs(actual - expected) / ulpOf(expected);
      if (error > found.largest && error < Infinity) [found.largest, found.at] = [error, [x[i], y[i]].slice(0, arity)];
    }
  }
  return found;
}

const only = options.only?.split(",");
console.log("| function | arguments | largest error | at | stated | wrong |\n| --- | --- | --- | --- | --- | --- |");
for (const one of cases) {
  if (only && !only.includes(one.name)) continue;
  const { largest, at, tried, wrong, firstWrong } = sweep(one, Number(options.every));
  const cells = [
    one.name,
    tried,
    largest === 0 ? "rounded correctly" : largest.toFixed(3),
    at.join(", "),
    one.ulps,
    wrong,
  ];
  console.log(`| ${cells.join(" | ")} |`);
  if (firstWrong !== null) {
    console.log(`  ${firstWrong}`);
    process.exitCode = 1;
  }
}
