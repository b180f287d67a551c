/** The pictures of docs/variants.md are those that its script draws, of the formulas that the page shows. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { runtime } from "../../core/runtime.ts";
import { useDevice } from "../../mod.ts";
import { draw } from "../../scripts/figures/draw.ts";
import { figures, FOLDER } from "../../scripts/figures/figures.ts";
import { skip } from "../support/skip.ts";
import { readText, root, sourcesIn } from "../support/source.ts";

const PAGE = "docs/variants.md";
/** A page loads its pictures at once. */
const MOST_BYTES = 15_000;
/** In pixels: what the last digits of a runtime's Math may move a point that was rounded to a tenth. */
const TOLERANCE = 0.15;

const elsewhere = runtime() === "node" ? undefined : "they are drawn under Node";

before(() => useDevice("float64"));
after(() => useDevice("auto"));

/** The numbers of a picture, and all else. */
function partsOf(svg: string): { numbers: number[]; text: string } {
  const number = /-?\d+(?:\.\d+)?/g;
  return { numbers: [...svg.matchAll(number)].map(Number), text: svg.replace(number, "#") };
}

for (const figure of figures) {
  test(...skip(`the picture of ${figure.name} is what npm run figures draws`, elsewhere), async () => {
    const made = await figure();
    const [drawn, kept] = [partsOf(draw(made)), partsOf(readText(`${FOLDER}/${made.name}.svg`))];
    assert.equal(drawn.text, kept.text);
    const moved = drawn.numbers.findIndex((n, i) => Math.abs(n - kept.numbers[i]) > TOLERANCE);
    assert.equal(moved, -1, `number ${moved}: ${drawn.numbers[moved]} was ${kept.numbers[moved]}`);
  });
}

test(...skip("the page shows every picture, none is large", elsewhere), () => {
  const shown = [...readText(PAGE).matchAll(/!\[[^\]]+\]\(figures\/([^)]+)\)/g)].map(([, file]) => file);
  assert.deepEqual(shown.toSorted(), readdirSync(join(root, FOLDER)).toSorted());
  assert.equal(shown.length, figures.length);
  for (const file of shown) assert.ok(Buffer.byteLength(readText(`${FOLDER}/${file}`)) < MOST_BYTES, file);
});

test(...skip("formulas are drawn as the page has them", elsewhere), () => {
  const words = (text: string) => text.replace(/\s+/g, " ");
  const drawn = words(sourcesIn("scripts/figures").map(readText).join("\n"));
  for (const name of ["generalised", "balancedL1", "wasserstein"]) {
    const [shown] = readText(PAGE).match(new RegExp(`^const ${name}\\b(?:.*;$|[^]*?^\\}\\)?;$)`, "m")) ?? [];
    assert.ok(shown && drawn.includes(words(shown)), `${name} is not drawn as shown: ${shown}`);
  }
});
