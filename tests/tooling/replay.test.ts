import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import fc from "fast-check";
import { compare } from "../../scripts/replay/compare.ts";
import type { Dump } from "../../scripts/replay/dump.ts";
import { difference } from "../../scripts/replay/hunks.ts";
import { reportText } from "../../scripts/replay/report.ts";
import { checkProperty } from "../support/property.ts";
import { skip } from "../support/skip.ts";
import { root } from "../support/source.ts";

/** A statement of a generated kernel: operands are indices of earlier values, starting with the parameters 0 and 1. */
interface Statement {
  readonly operands: readonly [number, number];
  readonly factor: number;
}

const statements = fc.array(
  fc.record({ operands: fc.tuple(fc.nat(50), fc.nat(50)), factor: fc.integer({ min: 2, max: 5 }) }),
  { minLength: 1, maxLength: 10 },
);

/** A kernel in the style of the emitter, with its variables numbered from `first`. */
function kernelText(list: readonly Statement[], first = 0): string {
  const names = ["a0", "a1"];
  const lines = list.map(({ operands, factor }, i) => {
    const [x, y] = operands.map((n) => names[n % names.length]);
    names.push(`v${first + i}`);
    return `  const v${first + i} = ${x} * ${factor} - ${y};`;
  });
  return ["a0 = leaf 0", "a1 = leaf 1", ...lines, `  return ${names.at(-1)};`].join("\n");
}

/** The result of a kernel, by running it. */
function run(text: string): number {
  return new Function(text.replace("a0 = leaf 0", "const a0 = 0.37;").replace("a1 = leaf 1", "const a1 = 1.61;"))();
}

test("kernels are reported to differ only in names only if they compute the same", async () => {
  const pairs = fc.tuple(statements, statements, fc.nat(9), fc.nat(3)).map(([before, other, at, edit]) => {
    const k = at % before.length;
    const { operands: [x, y], factor } = before[k];
    const edited = [
      before,
      before.with(k, { operands: [x, y + 1], factor }),
      before.with(k, { operands: [y, x], factor }),
      other,
    ][edit];
    return [before, edited] as const;
  });
  await checkProperty(fc.tuple(pairs, fc.nat(5)), ([[before, edited], first]) => {
    const [old, now] = [kernelText(before), kernelText(edited, first)];
    const { namesAlone } = difference(old, now);
    if (namesAlone) assert.equal(run(now), run(old), `${old}\n\n${now}`);
    assert.ok(namesAlone || kernelText(edited) !== kernelText(before), "a renumbered kernel differs only in names");
  }, { runs: 300 });
});

test("a variable that shadows another one is not confused with it", () => {
  const text = (inner: string) =>
    `  for (let i0 = 0; i0 < 3; i0++) {\n  for (let ${inner} = 0; ${inner} < 3; ${inner}++) {`;
  const apart = `${text("i1")}\n  s = i0 * 3 + i1;`, hidden = `${text("i0")}\n  s = i0 * 3 + i0;`;
  assert.equal(difference(apart, hidden).namesAlone, false);
  assert.equal(difference(hidden, apart).namesAlone, false);
});

test("an added or removed value is the only line of its difference, however others are renumbered", async () => {
  await checkProperty(fc.tuple(statements, fc.nat(9)), ([list, at]) => {
    const few = kernelText(list);
    const lines = kernelText(list, 1).split("\n");
    lines.splice(2 + at % list.length, 0, "  const v0 = Math.sqrt(a0);");
    const more = lines.join("\n");
    const changed = (old: string, now: string) =>
      difference(old, now).hunks.flatMap(({ lines }) => lines).filter((line) => !line.startsWith(" "));
    assert.deepEqual(changed(few, more), ["+  const v0 = Math.sqrt(a0);"]);
    // A removed variable keeps its name, unless another variable has it now.
    assert.deepEqual(changed(more, few), ["-  const old_v0 = Math.sqrt(a0);"]);
  }, { runs: 100 });
});

/** A dump in which each case has one kernel, `return a0 / SIZE * FACTOR`, on two targets. */
function dumpOf(cases: Readonly<Record<string, { size: number; factor: string }>>): Dump {
  return Object.fromEntries(
    Object.entries(cases).map(([name, { size, factor }]) => {
      const texts = {
        [`div [${size}]`]: `a0 = leaf 0\n  return a0 / ${size} * ${factor};`,
        plan: `step: div [${size}]`,
      };
      return [name, { cpu: texts, webgl: texts }];
    }),
  );
}

test("only the same change in several cases and targets is reported as one", () => {
  const before = dumpOf({
    kept: { size: 3, factor: "0.5" },
    small: { size: 3, factor: "0.5" },
    large: { size: 700, factor: "0.5" },
    odd: { size: 3, factor: "0.5" },
    gone: { size: 3, factor: "0.5" },
  });
  const after = dumpOf({
    kept: { size: 3, factor: "0.5" },
    small: { size: 3, factor: "0.25" },
    large: { size: 700, factor: "0.25" },
    odd: { size: 3, factor: "0.125" },
    added: { size: 3, factor: "0.5" },
  });
  const { changes, tallies } = compare(before, { ...after, failed: { cpu: { error: "no such op" } } });
  assert.deepEqual(
    changes.map(({ kind, subject, places }) => [kind, subject, places.map(({ name, target }) => `${name} ${target}`)]),
    [
      ["changed", "kernel", ["small cpu", "small webgl", "large cpu", "large webgl"]],
      ["changed", "kernel", ["odd cpu", "odd webgl"]],
      ["gone", "case", ["gone cpu", "gone webgl"]],
      ["new", "case", ["added cpu", "added webgl"]],
      ["changed", "case", ["failed cpu"]],
    ],
  );
  for (const tally of tallies.values()) assert.deepEqual(tally, { same: 1, changed: 3, new: 1, gone: 1 });
  const text = reportText({ changes, tallies }, { colours: false, verbose: false });
  assert.match(text, /^changed: 4 kernels of 2 cases\nin small \[cpu webgl\], large \[cpu webgl\]\n/);
  assert.match(text, /^- {2}return a0 \/ 3 \* 0\.5;\n\+ {2}return a0 \/ 3 \* 0\.25;$/m);
  assert.match(text, /^cpu: +1 kernels the same, 3 changed, 1 new, 1 gone$/m);
  assert.deepEqual(compare(before, before).changes, []);
});

const missing = "Bun" in globalThis || "Deno" in globalThis
  ? "commands are tried under Node"
  : spawnSync("git", ["--version"]).error
  ? "git is not installed"
  : undefined;

test(
  ...skip("comparing a commit with the sources exits with 0 if no kernel differs, or 1 naming the case", missing),
  () => {
    const folder = mkdtempSync(join(tmpdir(), "gpugrad-replay-test-"));
    const git = (...args: string[]) =>
      execFileSync("git", ["-c", "user.name=test", "-c", "user.email=test@localhost", ...args], {
        cwd: folder,
        encoding: "utf8",
      });
    const replay = (against: string) => {
      const cases = ["--only", "op/{sinh,tanh}/1/*", "--target", "cpu"];
      const args = ["--import", "tsx", "scripts/replay.ts", "--against", against, ...cases];
      return spawnSync(process.execPath, args, { cwd: folder, encoding: "utf8" });
    };
    try {
      for (const path of ["core", "ops", "loss", "optim", "verify", "scripts", "tests/ops", "mod.ts", "package.json"]) {
        mkdirSync(join(folder, path, ".."), { recursive: true });
        cpSync(join(root, path), join(folder, path), { recursive: true });
      }
      symlinkSync(join(root, "node_modules"), join(folder, "node_modules"), "junction");
      writeFileSync(join(folder, ".gitignore"), "node_modules\n");
      git("init", "--quiet");
      git("add", ".");
      git("commit", "--quiet", "--message", "before");

      const file = join(folder, "ops/functions.ts");
      const source = readFileSync(file, "utf8");
      const planted = source.replace('unary("tanh", {', 'unary("tanh", { call: "sin",');
      assert.notEqual(planted, source);
      writeFileSync(file, planted);
      const changed = replay("HEAD");
      assert.match(changed.stdout, /^changed: .*\nin op\/tanh\/1\/value \[cpu\]/m);
      assert.match(changed.stdout, /^-.*Math\.tanh\(.*\n\+.*Math\.sin\(/m);
      assert.match(
        changed.stdout,
        /^cpu: 3 kernels the same, [1-9]\d* changed, 0 new, 0 gone\nagainst HEAD \(\w+\): /m,
      );
      assert.equal(changed.status, 1, changed.stderr);
      // The sources as a folder, which are compiled by now.
      const same = replay(folder);
      assert.match(same.stdout, /^cpu: \d+ kernels the same, 0 changed, 0 new, 0 gone\nagainst .*: nothing changed/m);
      assert.equal(same.status, 0, same.stderr);
      assert.equal(git("worktree", "list").trim().split("\n").length, 1, "the temporary worktree is removed");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
