/**
 * The calls of public functions, checked: no argument that nobody reads, no option that does not exist, no value of another kind.
 *
 * A function declares its call once, next to itself, and checks it in its first line:
 *
 *     const sumCall = new Signature<ReduceOptions>("sum(x, axis, options)", { keepDims: boolean });
 *
 *     export function sum(x: TensorLike, axis?: Axes, options?: ReduceOptions): Tensor {
 *       sumCall.check(arguments);
 *
 * The declaration has to name every option of the interface, so a new option without one does not compile.
 */
import { formatShape, type Shape } from "./shape.ts";

/** A kind of value that a parameter or an option accepts. */
export interface Kind<T> {
  /** In words, after "expected": `true or false`. */
  readonly expected: string;
  /** A value as source text, for the call that an error shows. */
  readonly example: string;
  accepts(value: unknown): value is T;
}

/** The options of a function, each with its kind. */
export type Declared<O> = { readonly [K in keyof O]-?: Kind<Exclude<O[K], undefined>> };

/** Returns a custom kind. */
export function kind<T>(expected: string, example: string, accepts: (value: unknown) => boolean): Kind<T> {
  return { expected, example, accepts: accepts as (value: unknown) => value is T };
}

/** True or false. */
export const boolean = /* @__PURE__ */ kind<boolean>("true or false", "true", (v) => typeof v === "boolean");
/** Any string. */
export const string = /* @__PURE__ */ kind<string>("a string", '"name"', (v) => typeof v === "string");
/** A number that is neither infinite nor NaN. */
export const finite = /* @__PURE__ */ kind<number>("a finite number", "1", Number.isFinite);
/** A function. */
// deno-lint-ignore no-explicit-any
export const callable = /* @__PURE__ */ kind<(...args: any[]) => any>(
  "a function",
  "fn",
  (v) => typeof v === "function",
);
/** A shape. */
export const shapeKind = /* @__PURE__ */ kind<readonly number[]>(
  "a shape: an array of whole numbers from 0",
  "[2, 3]",
  isShape,
);

/** A number in `[min, max]`. */
export function numberIn(min: number, max: number): Kind<number> {
  const expected = max === Infinity ? `a finite number from ${min}` : `a number from ${min} to ${max}`;
  return kind(expected, String(min), (v) => Number.isFinite(v) && (v as number) >= min && (v as number) <= max);
}

/** A number above `low`, and at most `high`. */
export function numberAbove(low: number, high = Infinity): Kind<number> {
  const expected = high === Infinity ? `a finite number above ${low}` : `a number above ${low}, at most ${high}`;
  const example = String(Math.min(low + 1, high));
  return kind(expected, example, (v) => Number.isFinite(v) && (v as number) > low && (v as number) <= high);
}

/** A whole number in `[min, max]`. */
export function whole(min = -Infinity, max = Infinity): Kind<number> {
  const range = min === -Infinity ? "" : max === Infinity ? ` from ${min}` : ` from ${min} to ${max}`;
  const example = min === -Infinity ? "0" : String(min);
  return kind(
    `a whole number${range}`,
    example,
    (v) => Number.isSafeInteger(v) && (v as number) >= min && (v as number) <= max,
  );
}

/** One of these strings. */
export function oneOf<const T extends string>(...values: readonly T[]): Kind<T> {
  const quoted = values.map((v) => JSON.stringify(v));
  return kind(listed(quoted, "or"), quoted[0], (v) => (values as readonly unknown[]).includes(v));
}

/** An array of values of a kind. */
export function arrayOf<T>(each: Kind<T>, plural: string): Kind<readonly T[]> {
  return kind(
    `an array of ${plural}`,
    `[${each.example}]`,
    // Not every(), which passes over holes.
    (v) => Array.isArray(v) && !Array.from(v).some((element) => !each.accepts(element)),
  );
}

/** One kind or another. */
export function either<A, B>(a: Kind<A>, b: Kind<B>): Kind<A | B> {
  return kind(`${a.expected} or ${b.expected}`, a.example, (v) => a.accepts(v) || b.accepts(v));
}

/** A kind or null. */
export function nullable<T>(inner: Kind<T>): Kind<T | null> {
  return kind(`${inner.expected} or null`, inner.example, (v) => v === null || inner.accepts(v));
}

/** Whether something is a shape. Not every(), which passes over holes. */
export function isShape(value: unknown): value is readonly number[] {
  if (!Array.isArray(value)) return false;
  for (let i = 0; i < value.length; i++) if (!Number.isSafeInteger(value[i]) || value[i] < 0) return false;
  return true;
}

/** The longest text of a value that an error repeats. */
const LONGEST_TEXT = 60;

/** A value in the words of an error, after "got". */
export function describe(value: unknown): string {
  switch (typeof value) {
    case "string":
      return shortened(JSON.stringify(value));
    case "bigint":
      return `${value}n`;
    case "function":
      return value.name ? `the function ${value.name}` : "a function";
    case "symbol":
      return "a symbol";
    case "number":
      return Object.is(value, -0) ? "-0" : String(value);
    case "object":
      return value === null ? "null" : describeObject(value);
    default:
      return String(value);
  }
}

/** The result of a function that should have returned tensors, in the words of an error, after "got". */
export function describeResult(result: unknown): string {
  const advice = result instanceof Promise ? "; fn is recorded, not run: it cannot be async, nor read values" : "";
  return `${describe(result)}${advice}`;
}

/** Whether a value has a shape and a dtype, as tensors have, those of another copy of gpugrad or of another library too. */
export function resemblesTensor(value: unknown): value is { readonly shape: Shape; readonly dtype: string } {
  if (typeof value !== "object" || value === null) return false;
  const { shape, dtype } = value as { shape?: unknown; dtype?: unknown };
  return isShape(shape) && typeof dtype === "string";
}

function describeObject(value: object): string {
  if (Array.isArray(value)) return shortened(describeArray(value, 0));
  if (resemblesTensor(value)) return `a tensor of shape ${formatShape(value.shape)} and dtype ${value.dtype}`;
  if (ArrayBuffer.isView(value) && "length" in value) return `${named(value)} of ${value.length} elements`;
  if (typeof (value as { then?: unknown }).then === "function") return "a promise, which has to be awaited";
  if (!isPlain(value)) return named(value);
  const keys = Object.keys(value);
  return keys.length === 0 ? "{}" : shortened(`{ ${keys.join(", ")} }`);
}

/** Whether an object was written with braces. */
export function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** Whether something can only be the options of a call. */
function isOptions(value: unknown): boolean {
  return typeof value === "object" && value !== null && isPlain(value);
}

/** An object by its class. */
function named(value: object): string {
  const name = value.constructor?.name;
  return name ? `${/^[AEIOU]/.test(name) ? "an" : "a"} ${name}` : "an object";
}

function describeArray(array: readonly unknown[], depth: number): string {
  if (depth === 3) return "[...]";
  // Holes show as undefined.
  const parts = Array.from(
    { length: Math.min(array.length, 8) },
    (_, i) => Array.isArray(array[i]) ? describeArray(array[i], depth + 1) : describe(array[i]),
  );
  return `[${parts.join(", ")}${array.length > 8 ? ", ..." : ""}]`;
}

function shortened(text: string): string {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT - 3)}...` : text;
}

/** `a, b or c`. */
function listed(words: readonly string[], join: "and" | "or"): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} ${join} ${words[words.length - 1]}`;
}

/** Makes the error of a call; `verify` uses a separate class. */
type ErrorClass = new (message: string) => Error;

/** How a public function is called. */
export class Signature<O extends object = Record<never, never>> {
  /** The name that errors begin with. */
  readonly name: string;
  readonly #text: string;
  readonly #parameters: readonly string[];
  readonly #declared: Readonly<Record<string, Kind<unknown>>> | null;
  /** Which parameter takes the options, -1 for none. */
  readonly #at: number;
  readonly #error: ErrorClass;

  /**
   * @param text the call as one writes it: `sum(x, axis, options)`, `new SSDLoss(defaultBoxes, options)`, `SSDLoss.forward(...)`.
   * @param declared the options, if the last parameter takes some.
   * @param error the class of the errors.
   */
  constructor(text: string, declared?: Declared<O>, error: ErrorClass = Error) {
    const open = text.indexOf("(");
    this.name = text.slice(0, open).replace(/^new /, "");
    this.#text = text;
    const inside = text.slice(open + 1, -1);
    this.#parameters = inside === "" ? [] : inside.split(", ");
    this.#at = declared ? this.#parameters.length - 1 : -1;
    // Without a prototype, so that "constructor" is no option.
    this.#declared = declared ? Object.assign(Object.create(null), declared) : null;
    this.#error = error;
  }

  /** Checks a call: pass `arguments`. */
  check(args: ArrayLike<unknown>): void {
    if (args.length > this.#parameters.length) this.#checkExtra(args);
    if (this.#at >= 0 && args[this.#at] !== undefined) this.options(args[this.#at]);
  }

  /** Checks options that come another way than as the last argument. */
  options(options: unknown): void {
    if (options === undefined) return;
    if (typeof options !== "object" || options === null || Array.isArray(options)) throw this.#noOptions(options);
    const declared = this.#declared!;
    let keys = 0;
    for (const key in options) {
      keys++;
      const expected = declared[key];
      if (expected === undefined) throw this.#unknown(key, options);
      const value = (options as Record<string, unknown>)[key];
      if (value !== undefined && !expected.accepts(value)) throw this.wrong(key, expected.expected, value);
    }
    // A Map has no keys of this sort.
    if (keys === 0 && !isPlain(options)) throw this.#noOptions(options);
  }

  /** Returns the error for a parameter or an option that is not as expected, for the caller to throw. */
  wrong(parameter: string, expected: string, value: unknown): Error {
    const call = this.#early(parameter, value);
    const copy = /^a tensor\b/.test(expected) && resemblesTensor(value)
      ? " of another copy of gpugrad; all that a program imports has to come from one copy"
      : "";
    return this.error(
      `expected ${parameter} to be ${expected}, got ${describe(value)}${copy}${call && `; write ${call}`}`,
    );
  }

  /** Returns the error for a number or a tensor in place of an array of them, for the caller to throw. */
  unwrapped(args: ArrayLike<unknown>, at: number, expected: string): Error {
    const same = Array.from(args).slice(at).filter((value) => typeof value === typeof args[at] && !isOptions(value));
    const text = (value: unknown, i: number) => typeof value === "number" ? describe(value) : "xyzuvw"[i] ?? `x${i}`;
    const call = [...this.#parameters.slice(0, at), `[${same.map(text).join(", ")}]`].join(", ");
    return this.error(
      `expected ${this.#parameters[at]} to be ${expected}, got ${describe(args[at])}; write ${this.name}(${call})`,
    );
  }

  /** The error with another message. */
  error(message: string): Error {
    return new this.#error(`${this.name}: ${message}`);
  }

  /**
   * Extra arguments are mistakes, except undefined and the index and array that `map` and `reduce` of arrays pass: `xs.map(exp)` and
   * `xs.reduce(add)` are unambiguous.
   */
  #checkExtra(args: ArrayLike<unknown>): void {
    const count = this.#parameters.length;
    const [index, array] = [args[count], args[count + 1]];
    if (
      args.length === count + 2 && this.#at < 0 && count > 0 && Array.isArray(array) &&
      Object.is(array[index as number], args[count - 1])
    ) return;
    for (let i = count; i < args.length; i++) {
      if (args[i] === undefined) continue;
      throw this.error(
        `expected ${
          count === 0 ? "no arguments" : count === 1 ? "one argument" : `at most ${count} arguments`
        }, ${this.#call()}, got ${args.length}, with ${describe(args[i])} as number ${i + 1}`,
      );
    }
  }

  /** Returns the call with options moved from another parameter to the end; empty if the value is not options. */
  #early(parameter: string, value: unknown): string {
    const at = this.#parameters.indexOf(parameter);
    if (this.#at <= at || at < 0 || typeof value !== "object" || value === null || !isPlain(value)) return "";
    const keys = Object.keys(value);
    if (keys.length === 0 || keys.some((key) => !this.#declared![key])) return "";
    const left = this.#parameters.slice(0, -1).map((name, i) => (i < at ? name : "undefined"));
    return `${this.#head()}${left.join(", ")}, ${this.#example((name) => keys.includes(name))})`;
  }

  #head(): string {
    return this.#text.slice(0, this.#text.indexOf("(") + 1);
  }

  /** The call with options as an example. */
  #call(example?: string): string {
    if (this.#at < 0) return this.#text;
    const before = this.#parameters.slice(0, -1).join(", ");
    return `${this.#head()}${before}${before && ", "}${example ?? this.#example(() => true)})`;
  }

  #example(shown: (name: string, kind: Kind<unknown>) => boolean, value?: string): string {
    const parts = Object.entries(this.#declared!).filter(([name, kind]) => shown(name, kind));
    return `{ ${parts.map(([name, kind]) => `${name}: ${value ?? kind.example}`).join(", ")} }`;
  }

  /** Returns the call with a value in place of the options moved into the option that takes it; `null` if none does. */
  #meant(value: unknown): string | null {
    const fitting = Object.entries(this.#declared!).filter(([, kind]) => value !== null && kind.accepts(value));
    if (fitting.length !== 1) return null;
    const written = typeof value === "object" || typeof value === "function" ? fitting[0][1].example : describe(value);
    return this.#call(this.#example((name) => name === fitting[0][0], written));
  }

  #noOptions(value: unknown): Error {
    const parameter = this.#parameters[this.#at] ?? "options";
    const call = this.#meant(value) ?? this.#call();
    return this.error(`expected ${parameter} to be an object of options, got ${describe(value)}; write ${call}`);
  }

  #unknown(key: string, options: object): Error {
    // A tensor or a device in place of the options has other keys.
    if (!isPlain(options) || this.#meant(options)) return this.#noOptions(options);
    const names = Object.keys(this.#declared!);
    const near = nearest(key, names);
    const hint = near
      ? `did you mean "${near}"?`
      : `the options are ${listed(names.map((name) => `"${name}"`), "and")}`;
    return this.error(`there is no option "${key}"; ${hint}`);
  }
}

/** Returns the name that was probably meant; `null` if none is close. */
export function nearest(name: string, names: readonly string[]): string | null {
  const bare = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, "");
  const wanted = bare(name);
  let best: string | null = null;
  let least = Infinity;
  for (const candidate of names) {
    const other = bare(candidate);
    const longer = Math.max(wanted.length, other.length);
    let same = 0;
    while (same < wanted.length && wanted[same] === other[same]) same++;
    // `reduce` for `reduction` and `desc` for `descending` are far by edits, and clear all the same.
    const prefix = same >= 4 && (same === wanted.length || same * 2 >= longer);
    const distance = editDistance(wanted, other);
    if ((distance * 3 <= longer || prefix) && distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** How many letters must be added, taken away or changed. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length];
}
