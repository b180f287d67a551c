/**
 * How long functions in lanes take: nanoseconds an element on one core, beside the same functions of JavaScript called from WebAssembly for
 * each lane, and over an array in JavaScript. All take turns, and the shortest of their times counts, so that other work on the machine
 * changes the ratios little.
 *
 *   npm run bench:lanes
 */
import { performance } from "node:perf_hooks";
import { call, type Callee, extract, f32x4, replace, type Value } from "../core/backends/wasm/code.ts";
import type { LaneFunction } from "../core/backends/wasm/lanes.ts";
import { cases } from "../tests/core/lane_cases.ts";
import { inLanes } from "../tests/core/lanes.ts";

/** Arrays that the nearest cache holds. */
const LENGTH = 1024;
const ROUNDS = 200;
/** Elements a round. */
const TURN = 20 * LENGTH;
const WARM_UP = 2000;

type Plain = (x: number, y: number) => number;

/** Numbers from 0 to 8 in an order that branches cannot learn, and exponents. */
const operands = [
  Float32Array.from({ length: LENGTH }, (_, i) => 8 * ((i * 0.6180339887) % 1)),
  Float32Array.from({ length: LENGTH }, (_, i) => 3 - 6 * ((i * 0.7548776662) % 1)),
];

/** Calls a function of the host for each lane. */
function laneByLane(callee: Callee): LaneFunction {
  return (_, vectors) => {
    let result: Value = f32x4(0);
    for (let lane = 0; lane < 4; lane++) {
      result = replace("f32x4", result, lane, call(callee, ...vectors.map((vector) => extract("f32x4", vector, lane))));
    }
    return result;
  };
}

/** Something timed: fills an array once. */
type Fill = () => void;

function lanes(write: LaneFunction, arity: number, host?: Plain): Fill {
  const callee: Callee = { name: "f", takes: Array.from({ length: arity }, () => "f32" as const), returns: "f32" };
  const compiled = host
    ? inLanes(laneByLane(callee), { arity, length: LENGTH, imports: [{ callee, f: host as Callable }] })
    : inLanes(write, { arity, length: LENGTH });
  compiled.operands.forEach((to, i) => to.set(operands[i]));
  return () => compiled.run();
}
type Callable = (...args: number[]) => number;

function plain(f: Plain): Fill {
  const [[x, y], results] = [operands, new Float32Array(LENGTH)];
  // Each in a function of its own, which is compiled for it alone.
  return new Function(
    "f",
    "x",
    "y",
    "out",
    "return () => { for (let i = 0; i < x.length; i++) out[i] = f(x[i], y[i]); }",
  )(
    f,
    x,
    y,
    results,
  ) as Fill;
}

/** Times in nanoseconds an element. */
function timesOf(fills: readonly Fill[]): number[] {
  const best = fills.map(() => Infinity);
  for (const fill of fills) for (let i = 0; i < WARM_UP; i++) fill();
  for (let round = 0; round < ROUNDS; round++) {
    fills.forEach((fill, which) => {
      const start = performance.now();
      for (let i = 0; i < TURN / LENGTH; i++) fill();
      best[which] = Math.min(best[which], (performance.now() - start) * 1e6 / TURN);
    });
  }
  return best;
}

const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
console.log(line(["function", "lanes, ns", "called, ns", "JavaScript, ns", "called / lanes"]));
console.log(line(["---", "---", "---", "---", "---"]));
const hosts: ReadonlySet<unknown> = new Set(Object.getOwnPropertyNames(Math).map((name) => Reflect.get(Math, name)));
for (const { name, write, f, arity } of cases) {
  const host = hosts.has(f) ? f : undefined;
  const fills = [lanes(write, arity), ...(host ? [lanes(write, arity, host), plain(host)] : [])];
  const [own, called, script] = timesOf(fills);
  const rest = host ? [called, script, called / own].map((x) => x.toFixed(1)) : ["", "", ""];
  console.log(line([name, own.toFixed(2), ...rest]));
}
