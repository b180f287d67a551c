/** The search for elements that spoil a direction: all of them are found, in as few looks as halving takes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Line, Position } from "../../verify/differences/line.ts";
import type { Problem } from "../../verify/differences/problem.ts";
import { suspectsAlong } from "../../verify/differences/search.ts";
import { checkProperty } from "../support/property.ts";

/** The number of elements of each variable, and those that are off. */
const drawn = fc.array(fc.integer({ min: 0, max: 90 }), { minLength: 1, maxLength: 4 }).chain((lengths) => {
  const total = lengths.reduce((a, b) => a + b, 0);
  return fc.record({
    lengths: fc.constant(lengths),
    wrong: fc.uniqueArray(fc.nat(Math.max(0, total - 1)), { maxLength: total === 0 ? 0 : 5 }),
    open: fc.uniqueArray(fc.nat(Math.max(0, total - 1)), { maxLength: total === 0 ? 0 : 3 }),
  });
});

/** A search that sees only which elements a line moves, and how often it looked. */
function searchFor({ lengths, wrong, open }: typeof drawn extends fc.Arbitrary<infer T> ? T : never, lines: number) {
  const moves = lengths.map((length) => new Float64Array(length).fill(1));
  const problem: Problem = {
    variables: moves.map((by) => new Float64Array(by.length)),
    weights: [],
    epsilon: 2 ** -52,
    terms: null,
    round: (x) => x,
    settle: () => [],
    evaluate: () => [],
    rounding: () => null,
    gradientRounding: () => null,
  };
  const looks: { moved: number[]; within: number }[] = [];
  const movedBy = (line: Line) => line.weights().flatMap((by) => [...by]).flatMap((x, place) => x === 0 ? [] : [place]);
  const run = (elements: number, off?: number): Position[] =>
    suspectsAlong(problem, moves, {
      judge: (line, within) => {
        const moved = movedBy(line);
        looks.push({ moved, within });
        const isWrong = moved.some((place) => wrong.includes(place));
        const isOpen = moved.some((place) => open.includes(place));
        return { verdict: isWrong ? "wrong" : isOpen ? "noise" : "ok", off: moved.length };
      },
      lines,
      elements,
    }, off);
  return { run, looks };
}

const placeIn = (lengths: readonly number[], [variable, index]: Position) =>
  lengths.slice(0, variable).reduce((a, b) => a + b, 0) + index;

test("every element that is off is among those found, and each of them is near one", async () => {
  await checkProperty(drawn, (input) => {
    const { run, looks } = searchFor(input, 1e6);
    const { lengths, wrong, open } = input;
    const found = run(1e6, 32);
    found.forEach(([variable, index]) => assert.ok(index >= 0 && index < lengths[variable]));
    const places = found.map((position) => placeIn(lengths, position));
    assert.equal(new Set(places).size, places.length);
    for (const place of [...wrong, ...open]) assert.ok(places.includes(place), `${place} is missing`);
    for (const place of places) assert.ok([...wrong, ...open].some((off) => Math.abs(off - place) < 4), `${place}`);
    // Sixteen parts at first, which are all elements once; then halves of what is off.
    const first = looks.slice(0, 16);
    assert.deepEqual(
      first.flatMap(({ moved }) => moved),
      Array.from({ length: lengths.reduce((a, b) => a + b, 0) }, (_, i) => i),
    );
    assert.ok(first.every(({ within }) => within === 4));
    // A part is off by as many as it moves, and that is what its halves are looked at within.
    for (let i = 16; i < looks.length; i += 2) {
      assert.equal(looks[i].within, looks[i].moved.length + looks[i + 1].moved.length);
    }
  });
});

test("a search stops at its limit of elements or lines, and finds the wrong ones first", async () => {
  await checkProperty(drawn, (input) => {
    const { lengths, wrong, open } = input;
    const all = searchFor(input, 1e6).run(1e6);
    const few = searchFor(input, 1e6).run(1);
    assert.ok(few.length <= 4);
    assert.equal(few.length > 0, wrong.length + open.length > 0);
    if (wrong.length > 0) {
      assert.ok(few.some((position) => wrong.some((place) => Math.abs(place - placeIn(lengths, position)) < 4)));
    }
    for (const lines of [16, 20, 30]) {
      const { run, looks } = searchFor(input, lines);
      const some = run(1e6);
      assert.ok(looks.length <= Math.max(16, lines));
      assert.deepEqual(some, all.slice(0, some.length));
    }
  }, { runs: 40 });
});
