/** Calls of the function under test, recorded. */
import { opOf } from "../../core/op.ts";
import { describe, resemblesTensor } from "../../core/options.ts";
import { Program } from "../../core/program.ts";
import { sameShape } from "../../core/shape.ts";
import { Tensor } from "../../core/tensor.ts";
import { sameData, sameValues } from "../arrays.ts";
import { type Input, leafOf } from "../inputs.ts";
import { messageOf, UsageError } from "../usage.ts";
import { flatten } from "./flatten.ts";
import { historyOf } from "./oracle.ts";

/** A function whose gradient is checked: takes tensors, returns one or more. */
// deno-lint-ignore no-explicit-any
export type TensorFunction = (...tensors: any[]) => Tensor | readonly Tensor[] | Promise<Tensor | readonly Tensor[]>;

/** A recorded call of a function on the tape. */
export interface Recording {
  /** The leaves that it was called with. */
  readonly leaves: readonly Tensor[];
  readonly names: readonly string[];
  /** Its outputs of dtype float. */
  readonly outputs: readonly Tensor[];
  /** The entries that the outputs are computed from, inputs first; loops are flattened. */
  readonly history: readonly Tensor[];
}

/** Checks that a function's result is one or more tensors. */
function tensorsOf(result: unknown): Tensor[] {
  const list = Array.isArray(result) ? result : [result];
  list.forEach((t, i) => {
    if (t instanceof Tensor) return;
    const got = describe(t);
    const copy = resemblesTensor(t) ? " of another copy of gpugrad" : "";
    throw new UsageError(
      Array.isArray(result)
        ? `gradcheck: the function must return tensors, got ${got}${copy} as element ${i}`
        : `gradcheck: the function must return a tensor or an array of tensors, got ${got}${copy}`,
    );
  });
  if (list.length === 0) throw new UsageError("gradcheck: the function must return at least one tensor, got none");
  if (!list.some((t: Tensor) => t.dtype === "float")) {
    throw new UsageError(
      `gradcheck: the function must return a tensor of dtype float, got ${
        list.map((t: Tensor) => `${t.dtype} (made by "${t.op.name}")`).join(", ")
      }`,
    );
  }
  return list;
}

/** A call of the function: its leaves, its outputs, and the names of the inputs that it wrote to. */
export interface Call {
  readonly leaves: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly mutated: readonly string[];
}

/** Calls the function on fresh leaves. */
export async function recordCall(
  f: TensorFunction,
  inputs: readonly Input[],
): Promise<Call> {
  const leaves = inputs.map(leafOf);
  let result: unknown;
  try {
    result = await f(...leaves);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const shapes = inputs.map(({ name, shape, dtype }) => `${name} ${dtype} [${shape.join(", ")}]`).join(", ");
    throw new UsageError(`gradcheck: the function throws for ${shapes || "no inputs"}: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const outputs = tensorsOf(result).filter((t) => t.dtype === "float");
  await readGiven(outputs);
  const mutated = inputs.flatMap(({ name, values }, i) => sameValues(leaves[i].value!, values) ? [] : [name]);
  inputs.forEach(({ values }, i) => leaves[i].value!.set(values));
  return { leaves, outputs, mutated };
}

/** Copies to the host the values that outputs are computed from: results of `compile`, for example, may be on a device alone. */
async function readGiven(outputs: readonly Tensor[]): Promise<void> {
  await Promise.all(new Program(outputs).leaves.map((leaf) => leaf.held?.read()));
}

/** The recording of a call. */
export function recordingOf({ leaves, outputs }: Call, inputs: readonly Input[]): Recording {
  return { leaves, names: inputs.map(({ name }) => name), outputs, history: historyOf(outputs) };
}

/** Whether entries have values that the function reads as they are: neither made of others, nor held on purpose. */
function areGiven(a: Tensor, b: Tensor): boolean {
  return a.inputs.length === 0 && a.value !== null && b.value !== null && !opOf(a).holds;
}

/** The message of {@link difference} for a function that reuses results of an earlier call. */
export const STALE = "it uses what it computed from the inputs of an earlier call";

/** The entries that outputs are computed from and that depend on leaves. */
function dependents({ leaves, outputs, history = historyOf(outputs) }: Taped): Set<Tensor> {
  const found = new Set(leaves);
  for (const entry of history) if (entry.inputs.some((input) => found.has(input))) found.add(entry);
  return found;
}

/** Whether two entries are the same call of an op, but for their inputs. */
function sameCall(a: Tensor, b: Tensor): boolean {
  return (a.op === b.op || a.op.name === b.op.name) && a.inputs.length === b.inputs.length &&
    sameShape(a.shape, b.shape) && sameData(a.attributes, b.attributes);
}

/** Something recorded from leaves. */
export type Taped = Pick<Recording, "leaves" | "outputs"> & Partial<Pick<Recording, "history">>;

/** Describes how two tapes differ, but for the values of their leaves; `null` if they do not. */
export function difference(a: Taped, b: Taped): string | null {
  if (a.outputs.length !== b.outputs.length) {
    return `it returns ${a.outputs.length} tensors and then ${b.outputs.length}`;
  }
  const twins = new Map<Tensor, Tensor>();
  a.leaves.forEach((leaf, i) => twins.set(leaf, b.leaves[i]));
  let own: ReadonlySet<Tensor> | null = null;
  const firsts = flatten(a.outputs), seconds = flatten(b.outputs);
  while (firsts.length > 0) {
    const first = firsts.pop()!, second = seconds.pop()!;
    const known = twins.get(first);
    if (known === undefined ? !sameCall(first, second) : known !== second) {
      return "it records a different tape when called again";
    }
    if (known !== undefined) continue;
    twins.set(first, second);
    const { inputs } = first;
    if (first === second) {
      if (inputs.length === 0) continue;
      own ??= dependents(a);
      if (own.has(first)) return STALE;
      continue;
    }
    if (areGiven(first, second) && !sameValues(first.value!, second.value!)) {
      return "a tensor that it creates has different values when called again";
    }
    const others = second.inputs;
    for (let k = 0; k < inputs.length; k++) {
      firsts.push(inputs[k]);
      seconds.push(others[k]);
    }
  }
  return null;
}
