/** Loops on the tape: how they are recorded, unrolled and differentiated. */
import { type Loop, loopOf, type LoopParts, resultNumber } from "../core/loop.ts";
import type { Unrolled, UnrollOptions } from "../core/kernel.ts";
import { type Cotangent, leafOp, type Op, opOf, type PullContext } from "../core/op.ts";
import { record } from "../core/record.ts";
import { attributeText, loopFrom } from "../core/structure.ts";
import type { Shape } from "../core/shape.ts";
import { type DType, Tensor } from "../core/tensor.ts";
import { add } from "./arithmetic.ts";
import { logicalOr } from "./comparison.ts";
import { once } from "./condition.ts";
import { full, zeros } from "./creation.ts";
import { pullConditionally } from "./grad.ts";
import { broadcastTo, reshape, slice, stack } from "./movement.ts";

type LoopAttribute = { readonly loop: Loop<Tensor> };

const scanOp: Op<LoopAttribute> = {
  name: "scan",
  // It has results instead of a value.
  infer: () => ({ shape: [0], dtype: "float" }),
  kernel: { kind: "repeat", loop: ({ loop }) => loop, unroll },
  vjp: null,
  pull: (context) => new Backward(context).pull(),
};

const resultOp: Op<{ readonly index: number }> = {
  name: "result",
  infer: ([entry], { index }) => {
    const loop = loopOf(entry)!;
    return { shape: loop.shapeOf(index), dtype: loop.returned[index].dtype };
  },
  kernel: { kind: "result", number: ({ index }) => index },
  vjp: null,
};

/** The results that were recorded of a loop, by their numbers. */
const results = new WeakMap<Tensor, Map<number, Tensor>>();

/** Returns a result of a loop: the same entry each time. */
function resultOf(loop: Tensor, index: number): Tensor {
  let known = results.get(loop);
  if (!known) results.set(loop, known = new Map());
  let result = known.get(index);
  if (!result) known.set(index, result = record(resultOp, [loop], { index }));
  return result;
}

/** An argument of a body: a leaf without a value. */
export function argument({ shape, dtype }: { readonly shape: Shape; readonly dtype: DType }): Tensor {
  return new Tensor(leafOp, [], {}, { shape, dtype });
}

/** Records an entry again, of other inputs. */
function recordAgain(entry: Tensor, inputs: readonly Tensor[]): Tensor {
  const number = resultNumber(entry);
  return number === null ? record(opOf(entry), inputs, entry.attributes) : resultOf(inputs[0], number);
}

/**
 * The entries that outputs are computed from, inputs first.
 *
 * @param oldest older ones are left out.
 */
function historyOf(outputs: readonly Tensor[], oldest: number): Tensor[] {
  const seen = new Set(outputs);
  // A set is visited in the order of insertion, what is added meanwhile included.
  for (const entry of seen) for (const input of entry.inputs) if (input.id >= oldest) seen.add(input);
  return [...seen].filter(({ id }) => id >= oldest).sort((a, b) => a.id - b.id);
}

/** The number of the oldest of some entries. */
export function oldestOf(entries: Iterable<Tensor>): number {
  let oldest = Infinity;
  for (const { id } of entries) oldest = Math.min(oldest, id);
  return oldest;
}

/** Records outputs again, with others in place of some entries. Entries that do not depend on these stay as they are. */
export function substitute(outputs: readonly Tensor[], replaced: ReadonlyMap<Tensor, Tensor>): Tensor[] {
  const known = new Map(replaced);
  for (const entry of historyOf(outputs, oldestOf(replaced.keys()))) {
    if (known.has(entry)) continue;
    const inputs = entry.inputs.map((input) => known.get(input) ?? input);
    if (inputs.some((input, k) => input !== entry.inputs[k])) known.set(entry, recordAgain(entry, inputs));
  }
  return outputs.map((t) => known.get(t) ?? t);
}

/** The parts of a loop: a body that was recorded once, and what its arguments stand for. */
export interface Traced extends Pick<LoopParts<Tensor>, "next" | "stacked" | "summed" | "count" | "reverse"> {
  readonly carries: readonly { readonly argument: Tensor; readonly first: Tensor }[];
  readonly rows: readonly { readonly argument: Tensor; readonly of: Tensor }[];
  /** Arguments that are the same each time, and what they stand for. */
  readonly captured?: ReadonlyMap<Tensor, Tensor>;
}

/**
 * Records a loop and returns its results, those that are stacked and summed after the carries. Everything that the body uses besides its
 * arguments is computed once, before it.
 */
export function recordLoop(traced: Traced): Tensor[] {
  const { carries, rows, next, summed, count, reverse } = traced;
  const own = carries.map(({ argument }) => argument);
  const closure = new Closure(traced);
  const inside = (tensors: readonly Tensor[]) => tensors.map((t) => closure.inside(t));
  const body = {
    carries: own,
    rows: rows.map(({ argument }) => argument),
    next: inside(next),
    // The carries before each iteration: the gradient computes the body again from there.
    stacked: [...inside(traced.stacked), ...own],
    summed: inside(summed),
    count,
    reverse,
  };
  const captured = [...closure.captured];
  const loop = loopFrom({ ...body, captured: captured.map(([, argument]) => argument) });
  const inputs = [...carries.map(({ first }) => first), ...rows.map(({ of }) => of), ...captured.map(([t]) => t)];
  const entry = record(scanOp, inputs, { loop });
  const all = loop.returned.map((_, k) => resultOf(entry, k));
  const kept = next.length + traced.stacked.length;
  return [...all.slice(0, kept), ...all.slice(kept + own.length)];
}

/** The result with what a carry was before each time. */
function historyOfCarry(entry: Tensor, carry: number): Tensor {
  return resultOf(entry, loopOf(entry)!.parts.stacked.length + carry);
}

/** Separates a body from what it is made of besides its arguments. */
class Closure {
  /** The values that are the same in every iteration, and the arguments that stand for them in the body. */
  readonly captured = new Map<Tensor, Tensor>();
  readonly #standsFor: ReadonlyMap<Tensor, Tensor>;
  readonly #inside = new Map<Tensor, Tensor>();
  /** Values that are the same in every iteration, but are computed in the body all the same. */
  readonly #shown = new Map<Tensor, Tensor>();
  readonly #since: number;
  readonly #outside = new Map<Tensor, Tensor>();

  constructor({ carries, rows, captured = new Map(), next, stacked, summed }: Traced) {
    this.#standsFor = captured;
    for (const { argument } of [...carries, ...rows]) this.#inside.set(argument, argument);
    for (const [argument, t] of captured) this.#outside.set(argument, t);
    this.#since = oldestOf([...this.#inside.keys(), ...captured.keys()]);
    for (const entry of historyOf([...next, ...stacked, ...summed], this.#since)) {
      if (this.#inside.has(entry) || this.#outside.has(entry)) continue;
      if (entry.inputs.some((input) => this.#inside.has(input))) {
        const inputs = entry.inputs.map((input) => this.inside(input));
        const same = inputs.every((input, k) => input === entry.inputs[k]);
        this.#inside.set(entry, same ? entry : recordAgain(entry, inputs));
      } else {
        const inputs = entry.inputs.map((input) => this.#outside.get(input) ?? input);
        const same = inputs.every((input, k) => input === entry.inputs[k]);
        this.#outside.set(entry, same ? entry : recordAgain(entry, inputs));
      }
    }
  }

  /** The entry of the body. */
  inside(entry: Tensor): Tensor {
    const known = this.#inside.get(entry) ?? this.#shown.get(entry);
    if (known) return known;
    const found = this.#isConstant(entry)
      ? entry
      : isEnlarged(entry)
      ? recordAgain(entry, [this.inside(entry.inputs[0])])
      : this.#capture(entry);
    this.#shown.set(entry, found);
    return found;
  }

  /** Whether an entry is made of numbers of the body alone, element by element: it is no more work than reading it. */
  #isConstant(entry: Tensor): boolean {
    if (constants.has(entry)) return true;
    const { kind } = opOf(entry).kernel;
    // One that was recorded before may be a variable.
    const isOwn = entry.id >= this.#since && entry.value === null;
    const constant = isOwn && (kind === "position" ||
      ((kind === "elementwise" || kind === "movement") && entry.inputs.every((input) => this.#isConstant(input))));
    if (constant) constants.add(entry);
    return constant;
  }

  #capture(entry: Tensor): Tensor {
    const outer = this.#outside.get(entry) ?? this.#standsFor.get(entry) ?? entry;
    let own = this.captured.get(outer);
    if (!own) this.captured.set(outer, own = argument(outer));
    return own;
  }
}

/** Constants within bodies: nothing else can name them. */
const constants = new WeakSet<Tensor>();

/** Whether an entry only repeats elements of its input, which is better read where it is. */
function isEnlarged(entry: Tensor): boolean {
  return entry.value === null && opOf(entry).kernel.kind === "movement" && entry.size > entry.inputs[0].size;
}

/** Whether two recordings of outputs, on the same arguments, are alike: in ops, attributes and the values that they create. */
export function sameRecording(a: readonly Tensor[], b: readonly Tensor[], since: number): boolean {
  if (a.length !== b.length) return false;
  const twins = new Map<Tensor, Tensor>();
  const [firsts, seconds] = [[...a], [...b]];
  while (firsts.length > 0) {
    const first = firsts.pop()!, second = seconds.pop()!;
    if (first === second) continue;
    const known = twins.get(first);
    if (known) {
      if (known !== second) return false;
      continue;
    }
    if (first.id < since || second.id < since || !sameCall(first, second)) return false;
    twins.set(first, second);
    firsts.push(...first.inputs);
    seconds.push(...second.inputs);
  }
  return true;
}

function sameCall(a: Tensor, b: Tensor): boolean {
  return a.op === b.op && a.inputs.length === b.inputs.length && a.dtype === b.dtype &&
    attributeText(a.shape) === attributeText(b.shape) && attributeText(a.attributes) === attributeText(b.attributes) &&
    (a.value === b.value ||
      (a.value !== null && b.value !== null && a.value.every((x, i) => Object.is(x, b.value![i]))));
}

/** Unrolls a loop: records its body once for each iteration. */
function unroll(entry: Tensor, { input, rows: rowsOf, copied }: UnrollOptions<Tensor>): Unrolled<Tensor> {
  const loop = loopOf(entry)!;
  const { carries, rows, captured, next, stacked, count, reverse } = loop.parts;
  const known = new Map(captured.map((t, i) => [t, input(carries.length + rows.length + i)]));
  const read = rows.map((_, i) => rowsOf?.(carries.length + i) ?? null);
  const made = stacked.map(() => new Array<Tensor>(count));
  let sums: Tensor[] = [];
  let carry = carries.map((_, i) => input(i));
  for (let t = 0; t < count; t++) {
    const place = reverse ? count - 1 - t : t;
    const at = new Map(known);
    for (const [i, own] of carries.entries()) at.set(own, carry[i]);
    rows.forEach((row, i) => at.set(row, read[i]?.[place] ?? slice(input(carries.length + i), [place])));
    for (const own of loop.entries) {
      const inputs = own.inputs.map((x) => at.get(x) ?? x);
      const again = inputs.some((x, k) => x !== own.inputs[k]) ? recordAgain(own, inputs) : own;
      at.set(own, again);
      if (again !== own) copied?.(own, again);
    }
    const returned = loop.returned.map((x) => at.get(x)!);
    carry = returned.slice(0, next.length);
    made.forEach((all, i) => (all[place] = returned[next.length + i]));
    const parts = returned.slice(next.length + stacked.length);
    sums = t === 0 ? parts : sums.map((sum, i) => add(sum, parts[i]));
  }
  const whole = new Map<number, Tensor>();
  const result = (number: number): Tensor => {
    if (number < carry.length) return carry[number];
    const i = number - carry.length;
    if (i >= made.length) return sums[i - made.length];
    if (!whole.has(i)) whole.set(i, stack(made[i]));
    return whole.get(i)!;
  };
  return { result, rows: (number) => made[number - carry.length] ?? null };
}

/** Whether and where the cotangent of a carry counts: everywhere, where one condition holds, or with one for each element. */
type Form = "everywhere" | "one" | "each";

const FORMS: readonly (Form | null)[] = [null, "everywhere", "one", "each"];

/** The form that covers two; `null` for no cotangent. */
function wider(a: Form | null, b: Form | null): Form | null {
  return FORMS.indexOf(a) < FORMS.indexOf(b) ? b : a;
}

/** The cotangent of a carry, as the body of a backward loop gets it. */
interface Carried {
  readonly value: Tensor;
  readonly condition: Tensor;
}

/** One recording of the backward body. */
interface BackwardBody {
  /** By carry; `null` for one without a cotangent. */
  readonly carried: readonly (Carried | null)[];
  readonly rows: { argument: Tensor; of: Tensor }[];
  readonly captured: Map<Tensor, Tensor>;
  /** The carries whose condition something asked for. */
  readonly asked: Set<number>;
  /** The cotangents of the arguments. */
  readonly found: readonly (Cotangent | null)[];
}

/**
 * The rule of a loop: a loop in the opposite direction. Its body computes that of the loop again, from what the carries were before each
 * time, and goes back through it. Cotangents of carries are carries, those of rows are rows, and those of what is the same each time are
 * summed.
 */
class Backward {
  readonly #context: PullContext;
  readonly #loop: Loop<Tensor>;
  readonly #arguments: readonly Tensor[];
  /** By the forms of the cotangents of carries: that of values and that of their conditions are often the same. */
  readonly #bodies = new Map<string, BackwardBody>();

  constructor(context: PullContext) {
    this.#context = context;
    this.#loop = loopOf(context.entry)!;
    this.#arguments = this.#loop.arguments;
  }

  pull(): (Cotangent | null)[] {
    const { forms, body, conditions } = this.#settle();
    const { carries, rows } = this.#loop.parts;
    const own = carries.flatMap((_, k) => body.carried[k] ? [k] : []);
    const [ofRows, ofCaptured] = [rows, this.#loop.parts.captured].map((of, c) =>
      of.flatMap((_, i) => {
        const k = carries.length + (c === 0 ? 0 : rows.length) + i;
        return this.#context.wanted[k] && body.found[k] ? [k] : [];
      })
    );
    const recorded = recordLoop({
      carries: [
        ...own.map((k) => ({ argument: body.carried[k]!.value, first: this.#firstValue(k) })),
        ...[...conditions.keys()].map((k) => ({
          argument: body.carried[k]!.condition,
          first: this.#firstCondition(k, forms[k]!),
        })),
      ],
      rows: body.rows,
      captured: body.captured,
      next: [...own.map((k) => this.#valueOf(body.found[k], k)), ...conditions.values()],
      stacked: ofRows.map((k) => body.found[k]!.value),
      summed: ofCaptured.map((k) => body.found[k]!.value),
      ...this.#opposite,
    });
    const conditional = once(() => this.#conditions(forms));
    const places = [...own, ...conditions.keys(), ...ofRows, ...ofCaptured];
    return this.#arguments.map((_, k) => {
      const at = places.indexOf(k);
      if (!this.#context.wanted[k] || at < 0) return null;
      const isEverywhere = k < carries.length ? forms[k] === "everywhere" : body.found[k]!.condition === null;
      return { value: recorded[at], condition: isEverywhere ? null : () => conditional().get(k)! };
    });
  }

  get #opposite() {
    const { count, reverse } = this.#loop.parts;
    return { count, reverse: !reverse };
  }

  /** Finds which carries have a cotangent, and of which form: what it is before the loop, and after each time. */
  #settle(): { forms: readonly (Form | null)[]; body: BackwardBody; conditions: Map<number, Tensor> } {
    const { carries } = this.#loop.parts;
    let forms = carries.map((_, k): Form | null => {
      const given = this.#context.cotangents.get(k);
      return given ? given.condition ? "each" : "everywhere" : null;
    });
    for (;;) {
      const body = this.#body(forms);
      let after = forms.map((form, k) => {
        const given = this.#context.cotangents.get(k) ?? null;
        const found = body.found[k];
        if (!given && !found) return form;
        const isEverywhere = given?.condition === null && found?.condition === null;
        return wider(form, isEverywhere ? "everywhere" : "one");
      });
      const conditions = new Map<number, Tensor>();
      if (!changed(forms, after)) {
        // Iteration also visits elements added meanwhile.
        for (const k of body.asked) {
          const condition = conditionOf(body.found[k]);
          if (condition.size !== 1) after = after.with(k, "each");
          conditions.set(k, after[k] === "one" ? reshape(condition, []) : broadcastTo(condition, carries[k].shape));
        }
      }
      if (!changed(forms, after)) return { forms, body, conditions };
      forms = after;
    }
  }

  #body(forms: readonly (Form | null)[]): BackwardBody {
    const key = forms.join();
    let body = this.#bodies.get(key);
    if (!body) this.#bodies.set(key, body = this.#record(forms));
    return body;
  }

  /** Records the body once. */
  #record(forms: readonly (Form | null)[]): BackwardBody {
    const { entry, cotangents, wanted } = this.#context;
    const { carries, rows } = this.#loop.parts;
    const own = this.#arguments.map((t) => argument(t));
    const read: { argument: Tensor; of: Tensor }[] = [];
    const captured = new Map<Tensor, Tensor>();
    own.forEach((t, k) => {
      if (k < carries.length) read.push({ argument: t, of: historyOfCarry(entry, k) });
      else if (k < carries.length + rows.length) read.push({ argument: t, of: entry.inputs[k] });
      else captured.set(t, entry.inputs[k]);
    });
    const returned = substitute(this.#loop.returned, new Map(this.#arguments.map((t, k) => [t, own[k]])));
    const asked = new Set<number>();
    const carried = forms.map((form, k): Carried | null => {
      if (form === null) return null;
      const { shape } = carries[k];
      return {
        value: argument({ shape, dtype: "float" }),
        condition: argument({ shape: form === "each" ? shape : [], dtype: "bool" }),
      };
    });
    const starts: [Tensor, Cotangent][] = carried.flatMap((own, k): [Tensor, Cotangent][] => {
      if (!own) return [];
      const condition = forms[k] === "everywhere" ? null : () => {
        asked.add(k);
        return own.condition;
      };
      return [[returned[k], { value: own.value, condition }]];
    });
    for (const [k, given] of cotangents) {
      const kind = this.#loop.kindOf(k);
      if (kind === "last") continue;
      const whole = (t: Tensor): Tensor => {
        const own = argument(t);
        captured.set(own, t);
        return own;
      };
      const row = (t: Tensor) => rowOf(t, returned[k].shape.length, read, captured);
      const part = kind === "stacked" ? row : whole;
      const { condition } = given;
      starts.push([returned[k], {
        value: part(given.value),
        condition: condition && once(() => part(condition())),
      }]);
    }
    const isTarget = (t: Tensor, k: number) => t.dtype === "float" && (k < carries.length || wanted[k]);
    const targets = own.filter(isTarget);
    const pulled = pullConditionally(starts, targets);
    const found = own.map((t, k) => (isTarget(t, k) ? pulled[targets.indexOf(t)] : null));
    return { carried, rows: read, captured, asked, found };
  }

  #valueOf(found: Cotangent | null, k: number): Tensor {
    return found?.value ?? zeros(this.#arguments[k].shape);
  }

  #firstValue(k: number): Tensor {
    return this.#context.cotangents.get(k)?.value ?? zeros(this.#arguments[k].shape);
  }

  #firstCondition(k: number, form: Form): Tensor {
    const given = this.#context.cotangents.get(k);
    const shape = form === "each" ? this.#arguments[k].shape : [];
    return given?.condition ? broadcastTo(given.condition(), shape) : full(shape, given !== undefined, BOOL);
  }

  /** The conditions of the cotangents, which another loop computes: they are rarely needed. */
  #conditions(settled: readonly (Form | null)[]): Map<number, Tensor> {
    const { carries, rows } = this.#loop.parts;
    const forms = settled.map((form) => (form === "one" ? "each" : form));
    const body = this.#body(forms);
    const { found, carried } = body;
    const shaped = (k: number) => broadcastTo(conditionOf(found[k]), this.#arguments[k].shape);
    const conditional = found.flatMap((own, k) => own?.condition ? [k] : []);
    const own = carries.flatMap((_, k) => carried[k] ? [k] : []);
    const conditions = own.filter((k) => forms[k] === "each");
    const ofRows = conditional.filter((k) => k >= carries.length && k < carries.length + rows.length);
    // It counts if it counts at any time.
    const anywhere = conditional.filter((k) => k >= carries.length + rows.length).map((k) => ({
      k,
      argument: argument({ shape: this.#arguments[k].shape, dtype: "bool" }),
    }));
    const recorded = recordLoop({
      carries: [
        ...own.map((k) => ({ argument: carried[k]!.value, first: this.#firstValue(k) })),
        ...conditions.map((k) => ({ argument: carried[k]!.condition, first: this.#firstCondition(k, "each") })),
        ...anywhere.map(({ argument }) => ({ argument, first: full(argument.shape, false, BOOL) })),
      ],
      rows: body.rows,
      captured: body.captured,
      next: [
        ...own.map((k) => this.#valueOf(found[k], k)),
        ...conditions.map(shaped),
        ...anywhere.map(({ k, argument }) => logicalOr(argument, shaped(k))),
      ],
      stacked: ofRows.map(shaped),
      summed: [],
      ...this.#opposite,
    });
    const order = [...own.map(() => -1), ...conditions, ...anywhere.map(({ k }) => k), ...ofRows];
    return new Map(order.map((k, i) => [k, recorded[i]]));
  }
}

const BOOL = { dtype: "bool" } as const;

function changed(a: readonly (Form | null)[], b: readonly (Form | null)[]): boolean {
  return a.some((form, k) => form !== b[k]);
}

/** The condition of a cotangent in words of tensors: nowhere without one. */
function conditionOf(found: Cotangent | null): Tensor {
  return found?.condition?.() ?? full([], found !== null, BOOL);
}

/** The row of a tensor that broadcasts to the stacked results of a body, of rank `rank` each. */
function rowOf(
  t: Tensor,
  rank: number,
  rows: { argument: Tensor; of: Tensor }[],
  captured: Map<Tensor, Tensor>,
): Tensor {
  const hasRows = t.shape.length > rank;
  const isSame = !hasRows || t.shape[0] === 1;
  const of = hasRows && isSame ? reshape(t, t.shape.slice(1)) : t;
  const own = argument({ shape: isSame ? of.shape : of.shape.slice(1), dtype: t.dtype });
  if (isSame) captured.set(own, of);
  else rows.push({ argument: own, of });
  return own;
}
