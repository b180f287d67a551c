/** Loss, gradient and decisions, on the tape. */
import { type Device, grad, inspect, realize, type SSDLoss, type Tensor, tensor } from "../../mod.ts";
import { gradcheck, reportText } from "../../verify/mod.ts";
import type { Truth } from "../boxes.ts";
import { criterionOf, type Seen } from "./loss_text.ts";
import type { Descent, Evaluation, Insides, Parameter, Problem, Sweep, Verdict } from "./protocol.ts";

/** A loss whose text was read. */
interface Read {
  readonly criterion: SSDLoss;
  readonly seen: Seen;
}

/** The last loss that was read, since only its point changes while something is dragged. */
let last: { readonly key: string; readonly read: Read } | null = null;

function read({ text, boxes }: Problem): Read {
  const key = JSON.stringify([text, boxes]);
  if (last?.key === key) return last.read;
  const seen: Seen = {};
  last = { key, read: { criterion: criterionOf(text, boxes, seen), seen } };
  return last.read;
}

const rowsOf = (truths: readonly Truth[]): number[][] => truths.map(({ label, box }) => [0, label, ...box]);

function inputsOf({ locations, logits, boxes, classes }: Problem): [Tensor, Tensor] {
  return [tensor(locations, [1, 4, boxes.length]), tensor(logits, [1, classes + 1, boxes.length])];
}

/** The loss at a point, with its gradient. */
function lossOf(problem: Problem): { loss: Tensor; components: Tensor; gradient: Tensor[]; inputs: [Tensor, Tensor] } {
  const inputs = inputsOf(problem);
  const { loss, components } = read(problem).criterion.forward(inputs, rowsOf(problem.truths));
  return { loss, components, gradient: grad(loss, inputs), inputs };
}

/** Computes everything that the picture shows, in one plan. */
export async function evaluate(problem: Problem, device: Device): Promise<Evaluation> {
  const started = performance.now();
  const compiledBefore = device.compiled;
  const { criterion, seen } = read(problem);
  const { loss, components, gradient, inputs } = lossOf(problem);
  const { target } = criterion.matchDefaultBoxes(rowsOf(problem.truths), 1);
  const { mined } = seen;
  const decoded = criterion.defaultBoxes.decode(inputs[0]);
  const wanted = [loss, components, ...gradient, target, decoded, ...(mined ? [mined] : [])];
  await realize(wanted, { device });
  const numbers = await Promise.all(wanted.map((t) => t.data({ device })));
  const milliseconds = performance.now() - started;
  const [[value], parts, dLocations, dLogits, matched, boxes, selected = []] = numbers;
  return {
    loss: value,
    components: criterion.componentNames.map((name, i) => [name, parts[i]]),
    dLocations: Float32Array.from(dLocations),
    dLogits: Float32Array.from(dLogits),
    decoded: Float32Array.from(boxes),
    target: Int32Array.from(matched),
    mined: Uint8Array.from(selected),
    device: device.name,
    milliseconds,
    compiled: device.compiled > compiledBefore,
  };
}

/** The number of points of a sweep, on a device that is fast enough. */
const POINTS = 41;
/** A sweep refines its points for this many milliseconds. */
const BUDGET = 600;

/** From coarse to fine: every eighth point, then those between. */
const ORDER = [8, 4, 2, 1].flatMap((step) =>
  Array.from({ length: Math.ceil(POINTS / step) }, (_, i) => i * step).filter((i) => step === 8 || i % (2 * step) !== 0)
);

/**
 * Computes the loss along a parameter.
 *
 * @param given whether to give up.
 */
export async function sweep(
  problem: Problem,
  device: Device,
  { parameter, range: [low, high], givenUp }: {
    readonly parameter: Parameter;
    readonly range: readonly [number, number];
    readonly givenUp: () => boolean;
  },
): Promise<Sweep | null> {
  const started = performance.now();
  const points: { readonly at: number; readonly loss: number; readonly slope: number }[] = [];
  // The current value of the parameter comes first: between two points of the grid the loss may jump.
  for (const i of [null, ...ORDER]) {
    // Lets the message through that says so.
    await new Promise((done) => setTimeout(done));
    if (givenUp()) return null;
    if (i !== null && i % 4 !== 0 && performance.now() - started > BUDGET) break;
    const at = i === null ? valueOf(problem, parameter) : low + (high - low) * i / (POINTS - 1);
    const { loss, gradient } = lossOf(moved(problem, parameter, at));
    await realize([loss, ...gradient], { device });
    const parts = await Promise.all(gradient.map((t) => t.data({ device })));
    points.push({ at, loss: await loss.item({ device }), slope: slopeOf(parts, parameter, problem.boxes.length) });
  }
  points.sort((a, b) => a.at - b.at);
  return {
    at: points.map(({ at }) => at),
    losses: points.map(({ loss }) => loss),
    slopes: points.map(({ slope }) => slope),
  };
}

/** The value of a parameter. */
function valueOf({ truths, boxes, ...predictions }: Problem, { of, index, row }: Parameter): number {
  return of === "truths" ? truths[index]?.box[row] ?? 0 : predictions[of][row * boxes.length + index];
}

type Numbers = ArrayLike<number> & Iterable<number>;

function slopeOf([dLocations, dLogits]: readonly Numbers[], { of, index, row }: Parameter, count: number): number {
  if (of !== "truths") return (of === "locations" ? dLocations : dLogits)[row * count + index];
  return Math.hypot(norm(dLocations), norm(dLogits));
}

function norm(values: Iterable<number>): number {
  let squares = 0;
  for (const v of values) squares += v * v;
  return Math.sqrt(squares);
}

/** The problem with a parameter moved. */
function moved(problem: Problem, { of, index, row }: Parameter, value: number): Problem {
  if (of === "truths") {
    const truths = problem.truths.map(({ label, box }, i) => {
      const at = box.map((v, k) => (i === index && k === row ? value : v));
      return { label, box: at as unknown as Truth["box"] };
    });
    return { ...problem, truths };
  }
  const values = Float32Array.from(problem[of]);
  values[row * problem.boxes.length + index] = value;
  return { ...problem, [of]: values };
}

/** Takes steps of gradient descent by the predictions. */
export async function descend(problem: Problem, device: Device, steps: number, rate: number): Promise<Descent> {
  let { locations, logits } = problem;
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) {
    const { loss, gradient } = lossOf({ ...problem, locations, logits });
    await realize([loss, ...gradient], { device });
    losses.push(await loss.item({ device }));
    const [dLocations, dLogits] = await Promise.all(gradient.map((t) => t.data({ device })));
    locations = locations.map((v, k) => v - rate * dLocations[k]);
    logits = logits.map((v, k) => v - rate * dLogits[k]);
  }
  return { locations, logits, losses };
}

/** Checks the gradient on the oracle. */
export async function check(problem: Problem): Promise<Verdict> {
  const { criterion } = read(problem);
  const rows = rowsOf(problem.truths);
  const lossOfPredictions = (locations: Tensor, logits: Tensor) => criterion.forward([locations, logits], rows).loss;
  const report = await gradcheck(lossOfPredictions, inputsOf(problem), {
    name: "loss",
    names: ["locations", "logits"],
    device: "float64",
    seed: 1,
    mode: "full",
  });
  const { verdict, counts, milliseconds, findings } = report;
  const parts = Object.entries(counts).filter(([, n]) => n > 0).map(([name, n]) => `${n.toLocaleString("en")} ${name}`);
  const problems = findings.filter(({ severity }) => severity === "error").length;
  if (problems > 0) parts.push(`${problems} other ${problems === 1 ? "finding" : "findings"}`);
  return { verdict, text: reportText(report), summary: parts.join(", "), milliseconds };
}

/** Shows the tape, the plan and the kernels of the loss and its gradient. */
export async function insides(problem: Problem, device: Device, time: boolean): Promise<Insides> {
  const { loss, gradient } = lossOf(problem);
  const shown = await inspect([loss, ...gradient], { device, time });
  const all = [...shown.steps, ...shown.loops.flatMap(({ steps }) => steps)];
  return {
    device: device.name,
    tape: shown.tape,
    plan: shown.plan,
    kernels: all.map(({ name, shape, args, loops, source, time }) => ({
      name,
      shape: `[${shape.join(", ")}]`,
      reads: args.join(", "),
      milliseconds: time?.milliseconds ?? null,
      reason: time?.reason ?? null,
      loops,
      source,
    })),
    milliseconds: shown.time?.milliseconds ?? null,
  };
}
