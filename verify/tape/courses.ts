/**
 * Ways for the inputs of a function to move. A function may refuse other points, because a value would leave its range or a sum would
 * not be 1, so there are several.
 */
import { scaleOf, sizeOf } from "../differences/numeric.ts";
import type { Input } from "../inputs.ts";

/** How far each element of each input goes per unit. */
export type Course = readonly Float64Array[];

/** The largest step along a course, and shorter ones for functions that refuse it. */
export const STEPS = [2 ** -8, 2 ** -16, 2 ** -24];
/** How many single elements, and pairs, are moved alone where nothing else is accepted. */
const FEW = 4;

/** The inputs moved along a course. */
export function movedAlong(inputs: readonly Input[], course: Course, step: number): Input[] {
  return inputs.map((input, k) => {
    if (input.dtype !== "float") return input;
    const values = input.values.slice();
    for (let i = 0; i < values.length; i++) values[i] += step * course[k][i];
    return { ...input, values };
  });
}

/** A course by what each element does; what is no float stays. */
function courseOf(inputs: readonly Input[], move: (x: number, size: number, k: number, i: number) => number): Course {
  return inputs.map(({ values, dtype }, k) => {
    const moves = new Float64Array(values.length);
    if (dtype !== "float") return moves;
    const scale = scaleOf(values);
    for (let i = 0; i < moves.length; i++) moves[i] = move(values[i], sizeOf(values[i], scale), k, i);
    return moves;
  });
}

/** All elements, each by an amount of its own: equal ones would cancel in sums. */
function anywhere(inputs: readonly Input[], random: () => number): Course {
  return courseOf(inputs, (_, size) => (random() < 0.5 ? -1 : 1) * (0.5 + random()) * size);
}

/** Towards the mean of each input, which keeps ranges and, at one `rate`, sums and order. */
function inwards(inputs: readonly Input[], rate: () => number): Course {
  const means = inputs.map(({ values }) => values.reduce((sum, x) => sum + x / values.length, 0));
  return courseOf(inputs, (x, _, k) => rate() * (means[k] - x));
}

/** Some elements by their own size, alternately up and down. */
function only(inputs: readonly Input[], chosen: readonly (readonly [k: number, i: number])[], sign: number): Course {
  const [[first]] = chosen;
  const unit = Math.min(...chosen.map(([k, i]) => sizeOf(inputs[k].values[i], scaleOf(inputs[first].values))));
  return courseOf(inputs, (_x, _size, k, i) => {
    const at = chosen.findIndex(([a, b]) => a === k && b === i);
    return at < 0 ? 0 : (at % 2 === 0 ? sign : -sign) * unit;
  });
}

/** Courses in the order in which they are tried, each with its first step. */
export function* coursesFor(inputs: readonly Input[], random: () => number): Generator<[Course, step: number]> {
  for (const step of STEPS) {
    yield [anywhere(inputs, random), step];
    yield [anywhere(inputs, random), step];
    yield [inwards(inputs, () => 0.5 + random()), step];
  }
  yield [inwards(inputs, () => 1), STEPS[0]];
  const elements = inputs.flatMap(({ values, dtype }, k) =>
    dtype === "float" ? Array.from(values, (_, i) => [k, i] as const) : []
  );
  for (let n = 0; n < Math.min(FEW, elements.length); n++) {
    const at = Math.floor(random() * elements.length);
    const other = elements[(at + 1) % elements.length];
    for (const sign of [1, -1]) {
      if (other[0] === elements[at][0] && elements.length > 1) {
        yield [only(inputs, [elements[at], other], sign), STEPS[0]];
      }
      yield [only(inputs, [elements[at]], sign), STEPS[0]];
    }
  }
}
