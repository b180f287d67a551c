/** The arithmetic of tangents as source: a number for each direction, or the ends of an interval. */
import type { Code, Writer } from "./functions.ts";
import type { Coefficient } from "./partials.ts";

/**
 * How ties are taken: equal operands of `max` and `min`, in reductions too, and `abs` at 0. `branch` takes the tangent of the first operand,
 * and that of `x` itself for `abs(x)`. `ahead` takes the derivative to the side that each direction points to: its own tangents decide. `first` takes
 * for all directions the side that the first one points to: the derivatives on one of the branches that meet in the tie. `apart` takes each
 * tie at random, whatever the others are. `hull` takes them all: a tangent is the interval that contains the derivative however each tie is
 * taken; where a tangent is used several times, and more.
 */
export type Ties = "branch" | "ahead" | "first" | "apart" | "hull";

/** The numbers of a tangent, as source. */
export type Tangent = readonly Code[];

/**
 * The name of an array in kernels: what its element 0 is set to says that operands tie whose tangents differ. The others are for ties taken
 * at random: the state of a generator (Lehmer's, with the factor of Park, Miller and Stockmeyer), and below what it takes the first operand.
 */
export const TIED = "tied";
/** The states of that generator are below this. */
export const STATES = 2 ** 31 - 1;
const AT_RANDOM = `((${TIED}[1] = (${TIED}[1] * 48271.0) % ${STATES}.0) < ${TIED}[2])`;

/** Writes operations on tangents. */
export interface Tangents {
  /** The numbers of a tangent. */
  readonly width: number;
  /** Whether the numbers depend on one another, so that none may be changed before all are computed. */
  readonly coupled: boolean;
  scaled(by: Coefficient, tangent: Tangent, writer: Writer): Tangent;
  sum(a: Tangent, b: Tangent, writer: Writer): Tangent;
  /** The tangent of `max(a, b)` or `min(a, b)`. */
  extreme(of: "max" | "min", values: readonly [Code, Code], tangents: readonly [Tangent, Tangent]): Tangent;
  /** The tangent of `abs(x)`. */
  size(x: Code, tangent: Tangent): Tangent;
}

/** The tangent of a value that does not move. */
export function zeros({ width }: Tangents): Tangent {
  return new Array<Code>(width).fill("0.0");
}

function operation(by: Exclude<Coefficient, 1 | -1>, tangent: Code): Code {
  return "over" in by ? `(${tangent} / ${by.over})` : `(${by.times} * ${tangent})`;
}

/** Gives a coefficient a name, since it is used several times. */
function named(by: Exclude<Coefficient, 1 | -1>, writer: Writer): Exclude<Coefficient, 1 | -1> {
  return "over" in by ? { over: writer.bind(by.over) } : { times: writer.bind(by.times) };
}

function sumOf(a: Tangent, b: Tangent, writer: Writer): Tangent {
  return a.map((x, lane) => writer.round(`(${x} + ${b[lane]})`));
}

/** Notes that operands tie if their tangents differ. */
function differ(a: Code, b: Code): Code {
  return `${a} !== ${b} && (${TIED}[0] = 1.0)`;
}

/** A number for each of some directions. */
export function directions(width: number, ties: Exclude<Ties, "hull">): Tangents {
  const beside = { max: ">", min: "<" };
  return {
    width,
    coupled: ties === "first",
    scaled(by, tangent, writer) {
      if (by === 1) return tangent;
      if (by === -1) return tangent.map((t) => `(-${t})`);
      const factor = named(by, writer);
      return tangent.map((t) => writer.round(operation(factor, t)));
    },
    sum: sumOf,
    extreme(of, [a, b], [one, other]) {
      const sign = beside[of];
      if (ties === "branch") {
        return one.map((t, lane) =>
          `(${a} ${sign} ${b} ? ${t} : (${a} === ${b} ? (${differ(t, other[lane])}, ${t}) : ${other[lane]}))`
        );
      }
      return one.map((t, lane) => {
        const tied = ties === "ahead"
          ? `Math.${of}(${t}, ${other[lane]})`
          : `(${ties === "apart" ? AT_RANDOM : `${one[0]} ${sign}= ${other[0]}`} ? ${t} : ${other[lane]})`;
        return `(${a} === ${b} ? ${tied} : (${a} ${sign} ${b} ? ${t} : ${other[lane]}))`;
      });
    },
    size(x, tangent) {
      const tied = (t: Code): Code => {
        if (ties === "branch") return `(${differ(t, "0.0")}, ${t})`;
        if (ties === "apart") return `(${AT_RANDOM} ? ${t} : -${t})`;
        return ties === "ahead" ? `Math.abs(${t})` : `(${tangent[0]} < 0.0 ? -${t} : ${t})`;
      };
      return tangent.map((t) => `(${x} > 0.0 ? ${t} : (${x} < 0.0 ? -${t} : ${tied(t)}))`);
    },
  };
}

/** The lower and the upper end of an interval. */
export const intervals: Tangents = {
  width: 2,
  coupled: true,
  scaled(by, [low, high], writer) {
    if (by === 1) return [low, high];
    if (by === -1) return [`(-${high})`, `(-${low})`];
    const factor = named(by, writer);
    const [one, other] = [low, high].map((t) => writer.bind(writer.round(operation(factor, t))));
    const sign = "over" in factor ? factor.over : factor.times;
    return [`(${sign} < 0.0 ? ${other} : ${one})`, `(${sign} < 0.0 ? ${one} : ${other})`];
  },
  sum: sumOf,
  extreme(of, [a, b], [first, second]) {
    const before = of === "max" ? ">" : "<";
    return ["min", "max"].map((end, k) => {
      const tied = `Math.${end}(${first[k]}, ${second[k]})`;
      return `(${a} === ${b} ? ${tied} : (${a} ${before} ${b} ? ${first[k]} : ${second[k]}))`;
    });
  },
  size(x, [low, high]) {
    const end = (own: Code, other: Code, tied: string) =>
      `(${x} > 0.0 ? ${own} : (${x} < 0.0 ? -${other} : Math.${tied}(${own}, -${other})))`;
    return [end(low, high, "min"), end(high, low, "max")];
  },
};
