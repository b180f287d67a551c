/** Hand-made reports for tests of their output, covering everything that a report can contain. */
import type {
  CheckReport,
  ElementReport,
  GradcheckReport,
  InputReport,
  RunReport,
  TapeEntryReport,
  Verdict,
} from "../../verify/report/report.ts";

/** Counts, with 0 as the default. */
export function counts(given: Partial<Record<Verdict, number>> = {}): Record<Verdict, number> {
  return { ok: 0, wrong: 0, kink: 0, noise: 0, untested: 0, ...given };
}

/** Numbers between 0 and 1, the same each time. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 16807) % 2147483647) / 2147483647;
}

function countOf(verdicts: readonly Verdict[]): Record<Verdict, number> {
  const found = counts();
  for (const verdict of verdicts) found[verdict]++;
  return found;
}

/** An input whose elements have the given verdicts, all others being right. */
export function input(
  name: string,
  shape: readonly number[],
  special: Readonly<Record<number, Verdict>> = {},
  seed = 1,
): InputReport {
  const random = numbers(seed);
  const size = shape.reduce((a, b) => a * b, 1);
  const verdicts = Array.from({ length: size }, (_, i): Verdict => special[i] ?? "ok");
  const relative = verdicts.map((verdict) => {
    const ok = 10 ** (-4.5 + 4.3 * random());
    return verdict === "untested" ? null : verdict === "wrong" ? 10 ** (1 + 4 * random()) : ok;
  });
  const values = Array.from({ length: size }, () => Math.round(2000 * random() - 1000) / 1000);
  return { name, shape, counts: countOf(verdicts), relative, verdicts, values, dtype: "float" };
}

/** An element of a report. */
export function element(
  input: number,
  index: readonly number[],
  [analytic, numeric]: readonly [analytic: number, numeric: number],
  verdict: Verdict,
): ElementReport {
  const error = Math.abs(analytic - numeric);
  return { input, index, order: 1, analytic, numeric, error, estimate: Math.abs(numeric) * 3e-11, verdict };
}

/** The tape of a small loss: the mean over the boxes of a smooth L1 of weighted differences. */
export function lossTape(suspect?: number): TapeEntryReport[] {
  const rows: [op: string, inputs: number[], shape: number[], input?: string][] = [
    ["leaf", [], [2, 4, 56], "locations"],
    ["leaf", [], [2, 4, 56], "logits"],
    ["leaf", [], [2, 4, 56]],
    ["sub", [1, 3], [2, 4, 56]],
    ["abs", [4], [2, 4, 56]],
    ["leaf", [], []],
    ["less", [5, 6], [2, 4, 56]],
    ["square", [4], [2, 4, 56]],
    ["sub", [5, 6], [2, 4, 56]],
    ["where", [7, 8, 9], [2, 4, 56]],
    ["sum", [10], [2, 56]],
    ["logSoftmax", [2], [2, 4, 56]],
    ["take", [12, 3], [2, 56]],
    ["neg", [13], [2, 56]],
    ["add", [11, 14], [2, 56]],
    ["mean", [15], []],
  ];
  return rows.map(([op, inputs, shape, input], i) => ({
    id: i + 1,
    op,
    inputs,
    shape,
    dtype: "float",
    ...(input === undefined ? {} : { input }),
    ...(i + 1 === suspect ? { suspect: true } : {}),
  }));
}

/** A tape of many entries: a chain with shortcuts, and the entry that is the suspect. */
export function longTape(length: number, suspect?: number): TapeEntryReport[] {
  const ops = ["mul", "add", "exp", "sub", "sigmoid", "where", "sum", "div"];
  return Array.from({ length }, (_, i): TapeEntryReport => ({
    id: i + 1,
    op: i < 2 ? "leaf" : ops[(i * 5) % ops.length],
    inputs: i < 2 ? [] : i % 7 === 3 ? [i, Math.max(1, i - 6)] : [i],
    shape: [2, 4],
    dtype: "float",
    ...(i < 2 ? { input: i === 0 ? "x" : "y" } : {}),
    ...(i + 1 === suspect ? { suspect: true } : {}),
  }));
}

const base = {
  version: 1,
  mode: "full",
  order: 1,
  seed: 42,
  device: "webasm",
  findings: [],
  margin: null,
  milliseconds: 61.37,
} as const;

/** Everything is right. */
export function passing(): GradcheckReport {
  const inputs = [input("locations", [2, 4, 56], {}, 7), input("logits", [2, 4, 56], {}, 11)];
  return {
    ...base,
    name: "SSD loss",
    verdict: "ok",
    inputs,
    counts: counts({ ok: 896 }),
    worst: [
      element(0, [1, 2, 17], [-0.13402557431, -0.13402557425], "ok"),
      element(1, [0, 3, 51], [0.00127713001, 0.00127713003], "ok"),
    ],
    findings: [
      { check: "device", severity: "info", message: "webasm agrees with the oracle to 2.4 units in the last place." },
      { check: "taylor", severity: "info", message: "The remainder falls with the step to the power of 2.00." },
    ],
    margin: 0.0217,
    tape: lossTape(),
  };
}

/** A factor of 2 is missing in one rule, and there are a kink, noise and untested elements. */
export function failing(): GradcheckReport {
  const random = numbers(3);
  const special: Record<number, Verdict> = { 5: "kink", 120: "kink", 300: "noise", 440: "untested", 441: "untested" };
  for (let i = 224; i < 280; i++) if (random() < 0.6) special[i] = "wrong";
  special[17] = "wrong";
  const inputs = [input("locations", [2, 4, 56], special, 7), input("logits", [2, 4, 56], {}, 11)];
  return {
    ...base,
    name: "SSD loss",
    verdict: "wrong",
    inputs,
    counts: counts({ ...inputs[0].counts, ok: inputs[0].counts.ok + 448 }),
    worst: [
      element(0, [1, 0, 12], [0.4100213, 0.8200426], "wrong"),
      element(0, [1, 0, 3], [-0.200415, -0.40083], "wrong"),
      element(0, [0, 0, 17], [0.1002, 0.2004], "wrong"),
      element(0, [1, 1, 20], [0.0021, 0.0021001], "noise"),
      element(0, [0, 0, 5], [0, 0.5], "kink"),
      element(1, [0, 3, 51], [0.00127713001, 0.00127713003], "ok"),
    ],
    findings: [
      {
        check: "linearity",
        severity: "error",
        message: "For twice the cotangent the gradient is 1.93 times as large.",
        entry: 8,
      },
      {
        check: "device",
        severity: "warning",
        message: "webasm differs from the oracle by 41 units in the last place.",
      },
    ],
    margin: 0.0217,
    tape: lossTape(8),
  };
}

/** A plain function, one element of whose gradient is off by a factor of 1.001. */
export function slightlyWrong(): GradcheckReport {
  const x: InputReport = {
    name: "x",
    shape: [],
    counts: counts({ wrong: 1 }),
    relative: [2.9e6],
    verdicts: ["wrong"],
    values: [1],
    dtype: "float",
  };
  const worst = [element(0, [], [2.7210036, 2.7182853532], "wrong")];
  return {
    ...base,
    name: "exp",
    verdict: "wrong",
    device: null,
    inputs: [x],
    counts: counts({ wrong: 1 }),
    worst,
    tape: [],
  };
}

/** Two witnesses, which disagree about one of the elements. */
export function twoWitnesses(): GradcheckReport {
  const second = (numeric: number) => ({ witness: "differences", numeric, estimate: 1e-7 }) as const;
  const worst = [
    { ...element(0, [1], [1.25, 0.5], "wrong"), witness: "duals", second: second(1.25) },
    { ...element(0, [0], [3, 2], "wrong"), witness: "duals", second: second(2.00000004) },
    { ...element(0, [2], [1, 1], "ok"), witness: "duals", second: second(1) },
  ] as const;
  return {
    ...base,
    name: "steps",
    verdict: "wrong",
    inputs: [input("x", [3])],
    counts: counts({ ok: 1, wrong: 2 }),
    worst,
    tape: longTape(3),
  };
}

/** The fast mode: directions through all inputs, no single elements. */
export function fast(): GradcheckReport {
  const untested = Object.fromEntries(Array.from({ length: 24 }, (_, i) => [i, "untested" as const]));
  return {
    ...base,
    name: "cross entropy",
    verdict: "ok",
    mode: "fast",
    device: null,
    inputs: [input("logits", [6, 4], untested)],
    counts: counts({ ok: 3, untested: 24 }),
    worst: [element(-1, [1], [0.5012, 0.5012], "ok")],
    tape: longTape(12),
  };
}

/** Numbers that are not finite, and a name with special characters of HTML and shells. */
export function notFinite(): GradcheckReport {
  const x: InputReport = {
    name: "<x>",
    shape: [3],
    counts: counts({ ok: 1, wrong: 2 }),
    relative: [0.1, Infinity, NaN],
    values: [1, -0, NaN],
    dtype: "float",
  };
  return {
    ...base,
    name: "log & <b>sqrt</b>",
    verdict: "wrong",
    order: 2,
    inputs: [x],
    counts: counts({ ok: 1, wrong: 2 }),
    worst: [{ ...element(0, [1], [Infinity, 1], "wrong"), order: 2 }, {
      ...element(0, [2], [NaN, -Infinity], "wrong"),
      order: 2,
    }],
    findings: [{ check: "non-finite", severity: "error", message: "sqrt is NaN at <x>[2].", entry: 3 }],
    tape: longTape(5, 3),
  };
}

/** Nothing could be tested. */
export function untested(): GradcheckReport {
  return {
    ...base,
    name: "no elements",
    verdict: "undecided",
    device: null,
    inputs: [input("x", [0, 3]), input("y", [2], { 0: "untested", 1: "untested" })],
    counts: counts({ untested: 2 }),
    worst: [],
    findings: [{ check: "domain", severity: "warning", message: "log of a negative number at y[0]." }],
    tape: longTape(3),
  };
}

/** A network's many entries and large inputs, with and without a suspect. */
export function large(suspect?: number): GradcheckReport {
  const wrong: Record<number, Verdict> = suspect === undefined ? {} : { 20000: "wrong", 20001: "wrong", 34000: "kink" };
  const inputs = [
    input("locations", [8732, 4], wrong, 5),
    input("weights", [1500], {}, 9),
    input("image", [3, 8, 40], {}, 2),
  ];
  const total = counts();
  for (const { counts } of inputs) {
    for (const verdict of Object.keys(total) as Verdict[]) total[verdict] += counts[verdict];
  }
  return {
    ...base,
    name: "network",
    verdict: suspect === undefined ? "ok" : "wrong",
    inputs,
    counts: total,
    worst: suspect === undefined
      ? []
      : [element(0, [5000, 0], [0, 0.25], "wrong"), element(0, [5000, 1], [0, 0.5], "wrong")],
    tape: longTape(450, suspect),
  };
}

/** All of the above. */
export const reports: Readonly<Record<string, () => GradcheckReport>> = {
  passing,
  failing,
  slightlyWrong,
  twoWitnesses,
  fast,
  notFinite,
  untested,
  largePassing: () => large(),
  largeFailing: () => large(300),
};

/** A run with one check of each verdict. */
export function run(): RunReport {
  const check = (name: string, report: GradcheckReport | null, rest: Partial<CheckReport>): CheckReport => ({
    name,
    verdict: report?.verdict ?? "undecided",
    runs: 20,
    counts: report?.counts ?? counts(),
    undecided: 0,
    open: 0,
    milliseconds: 1234,
    report,
    replay: null,
    error: null,
    ...rest,
  });
  return {
    version: 1,
    file: "examples/losses.ts",
    seed: 42,
    shard: null,
    command: "npx gpugrad",
    options: { given: { runs: 20 }, checks: { "ssd loss": { runs: 20, order: 2 } } },
    checks: [
      check("ssd loss", passing(), {}),
      check("focal loss", failing(), { runs: 3, replay: { seed: 42, path: "0:2" } }),
      check("random", null, { runs: 1, error: "random: the function returns different results for the same inputs" }),
    ],
  };
}
