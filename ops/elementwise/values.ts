/** The values of a formula's expressions: numbers and truth values, known or tensors, and the values that group and make them. */
import type { Signature } from "../../core/options.ts";
import { Tensor } from "../../core/tensor.ts";
import { abs } from "../arithmetic.ts";
import { cast } from "../cast.ts";
import { greater, logicalAnd, logicalNot, logicalOr, notEqual } from "../comparison.ts";
import { asTensor, type TensorLike } from "../creation.ts";
import { where } from "../selection.ts";
import type { Site } from "./source.ts";

/** A value. A tensor of dtype `bool` is a truth value, any other a number. */
export type Value =
  | number
  | boolean
  | string
  | null
  | undefined
  | Tensor
  | Either
  | Torn
  | Given
  | Callable
  | Namespace
  | readonly Value[]
  | Fields;

/** An object. */
export type Fields = ReadonlyMap<string, Value>;

/** A number in some elements and a truth value in others, as `x > 0 && x` is. */
export class Either {
  /** Truth values count as 0 and 1. */
  readonly tensor: Tensor;

  constructor(tensor: Tensor) {
    this.tensor = tensor;
  }
}

/** Two values of which a condition would have to choose, and cannot. It must not be used. */
export class Torn {
  /** Its description in words. */
  readonly got: string;

  constructor(got: string) {
    this.got = got;
  }

  /** Why it cannot be used. */
  get reason(): string {
    return `expected a number for every element, got ${this.got}`;
  }
}

/** A function: one of the formula, or a built-in one. */
export class Callable {
  readonly name: string;
  readonly call: (args: readonly Value[], site: Site) => Value;

  constructor(name: string, call: (args: readonly Value[], site: Site) => Value) {
    this.name = name;
    this.call = call;
  }
}

/** `Math` or `Number`. */
export class Namespace {
  readonly name: string;
  /** Its members; throws for one that it lacks. */
  readonly member: (name: string, site: Site) => Value;
  /** Its value if it is called; `null` if it is no function. */
  readonly callable: Callable | null;

  constructor(name: string, member: (name: string, site: Site) => Value, callable: Callable | null = null) {
    this.name = name;
    this.member = member;
    this.callable = callable;
  }
}

/** Reads the arguments of a call, and collects the tensors among them. */
export class Arguments {
  /** All tensors so far. */
  readonly tensors: Tensor[] = [];
  readonly #call: Signature;

  constructor(call: Signature) {
    this.#call = call;
  }

  /** The value of an argument, or of a part of one. */
  read(raw: unknown, path: string): Value {
    if (typeof raw === "number" || typeof raw === "boolean") return raw;
    return raw instanceof Tensor ? this.#note(raw) : new Given(raw, path, this);
  }

  /** An argument as one tensor. */
  tensorOf(raw: unknown, path: string): Tensor {
    return this.#note(asTensor(this.#call, path, raw));
  }

  #note(tensor: Tensor): Tensor {
    this.tensors.push(tensor);
    return tensor;
  }
}

/** An argument that is no number: data of a tensor if it is used as one, an array or an object if it is taken apart. */
export class Given {
  readonly raw: unknown;
  readonly #path: string;
  readonly #arguments: Arguments;
  readonly #parts = new Map<string | number, Value>();
  #tensor: Tensor | null = null;
  #isAsked = false;

  constructor(raw: unknown, path: string, reader: Arguments) {
    this.raw = raw;
    this.#path = path;
    this.#arguments = reader;
  }

  /** Whether it was used: as one tensor, in parts, or to ask whether it was given. */
  get isRead(): boolean {
    return this.#isAsked || this.#tensor !== null || this.#parts.size > 0;
  }

  /** Whether it was not given. */
  get isMissing(): boolean {
    this.#isAsked ||= this.raw === undefined;
    return this.raw === undefined;
  }

  /** Whether it cannot be the data of one tensor. */
  get isGroup(): boolean {
    return this.length === null ? this.keys() !== null : this.#parts.size > 0 || holdsTensors(this.raw);
  }

  /** The tensor that it is the data of. */
  tensor(): Tensor {
    return (this.#tensor ??= this.#arguments.tensorOf(this.raw, this.#path));
  }

  /** The keys of an object, `null` if it is none. */
  keys(): readonly string[] | null {
    return typeof this.raw === "object" && this.raw !== null ? Object.keys(this.raw) : null;
  }

  /** How many elements it has, `null` if it is no array. */
  get length(): number | null {
    const isArray = Array.isArray(this.raw) || (ArrayBuffer.isView(this.raw) && !(this.raw instanceof DataView));
    return isArray ? (this.raw as ArrayLike<unknown>).length : null;
  }

  /** A part of it. */
  part(key: string | number): Value {
    const known = this.#parts.get(key);
    if (known !== undefined) return known;
    const raw = Object.hasOwn(this.raw as object, key) ? (this.raw as Record<string, unknown>)[key] : undefined;
    const path = typeof key === "number" ? `${this.#path}[${key}]` : `${this.#path}.${key}`;
    const part = this.#arguments.read(raw, path);
    this.#parts.set(key, part);
    return part;
  }
}

function holdsTensors(raw: unknown): boolean {
  return raw instanceof Tensor || (Array.isArray(raw) && raw.some(holdsTensors));
}

/** A number, known or not. */
export type Operand = number | Tensor;

/** A condition that is not known. */
export type Condition = Tensor;

/** Whether a value is undefined, as an argument or a part of one that was not given. */
export function isUndefined(value: Value): boolean {
  return value === undefined || (value instanceof Given && value.isMissing);
}

/** A value in the words of an error. */
export function nameOf(value: Value): string {
  if (value instanceof Callable) return `the function ${value.name}`;
  if (value instanceof Namespace) return value.name;
  if (value instanceof Map) return "an object";
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (value instanceof Tensor || value instanceof Either || value instanceof Given) return "a tensor";
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

/** A value that is a number or a truth value, known or not. Fails if it is neither. */
export function scalarOf(value: Value, site: Site): number | boolean | Tensor | Either {
  if (typeof value === "number" || typeof value === "boolean") return value;
  if (value instanceof Tensor || value instanceof Either) return value;
  if (value instanceof Given) return value.tensor();
  if (value instanceof Torn) return site.fail(value.reason);
  return site.fail(`expected a number, got ${nameOf(value)}`);
}

/** A value as a number, as JavaScript converts it. */
export function numberOf(value: Value, site: Site): Operand {
  const scalar = scalarOf(value, site);
  if (typeof scalar === "number") return scalar;
  if (typeof scalar === "boolean") return Number(scalar);
  const tensor = scalar instanceof Either ? scalar.tensor : scalar;
  return tensor.dtype === "bool" ? cast(tensor, "float") : tensor;
}

/** Whether a value is true, as JavaScript takes it: 0 and NaN are not. */
export function truthOf(value: Value, site: Site): boolean | Condition {
  if (value === undefined || value === null || isUndefined(value)) return false;
  if (value instanceof Callable || value instanceof Namespace || value instanceof Map || Array.isArray(value)) {
    return true;
  }
  const scalar = scalarOf(value, site);
  if (typeof scalar === "number" || typeof scalar === "boolean") return Boolean(scalar);
  const tensor = scalar instanceof Either ? scalar.tensor : scalar;
  if (tensor.dtype === "bool") return tensor;
  // A comparison with NaN is false.
  return tensor.dtype === "int" ? notEqual(tensor, 0) : greater(abs(tensor), 0);
}

/** Both conditions. */
export function both(a: true | Condition, b: true | Condition): true | Condition {
  return a === true || a === b ? b : b === true ? a : logicalAnd(a, b);
}

/** One condition or the other. */
export function eitherOf(a: Condition, b: Condition): Condition {
  return a === b ? a : logicalOr(a, b);
}

/** The opposite of a condition. */
export function not(condition: Condition): Condition {
  return logicalNot(condition);
}

const isTruth = (value: Value): value is boolean | Tensor =>
  typeof value === "boolean" || (value instanceof Tensor && value.dtype === "bool");

const isNumber = (value: Value): value is Operand =>
  typeof value === "number" || (value instanceof Tensor && value.dtype !== "bool");

/** One truth value or another. */
function chooseTruth(condition: Condition, a: boolean | Tensor, b: boolean | Tensor): Value {
  if (a === true) return b === false ? condition : logicalOr(condition, b);
  if (b === false) return logicalAnd(condition, a);
  if (a === false) return b === true ? not(condition) : logicalAnd(not(condition), b);
  return b === true ? logicalOr(not(condition), a) : where(condition, a, b);
}

/** `a` where the condition holds, `b` elsewhere. */
export function choose(condition: Condition, a: Value, b: Value): Value {
  if (Object.is(a, b)) return a;
  if (a instanceof Given && !isUndefined(a)) a = takenApart(a);
  if (b instanceof Given && !isUndefined(b)) b = takenApart(b);
  if (isTruth(a) && isTruth(b)) return chooseTruth(condition, a, b);
  if (isNumber(a) && isNumber(b)) return where(condition, a, b);
  if (isScalar(a) && isScalar(b)) return new Either(cast(where(condition, plain(a), plain(b)), "float"));
  if (Array.isArray(a) && Array.isArray(b) && a.length === b.length) {
    return a.map((value, i) => choose(condition, value, (b as readonly Value[])[i]));
  }
  if (a instanceof Map && b instanceof Map && a.size === b.size && [...a.keys()].every((key) => b.has(key))) {
    return new Map([...a].map(([key, value]) => [key, choose(condition, value, b.get(key))]));
  }
  return tornBetween(a, b);
}

/** An argument as a tensor, or as an array or an object if it cannot be one. */
function takenApart(given: Given): Value {
  if (!given.isGroup) return given.tensor();
  const { length } = given;
  if (length !== null) return Array.from({ length }, (_, i) => given.part(i));
  return new Map(given.keys()!.map((key) => [key, given.part(key)]));
}

const isScalar = (value: Value): value is boolean | Operand | Either =>
  isTruth(value) || isNumber(value) || value instanceof Either;

const plain = (value: boolean | Operand | Either): TensorLike => value instanceof Either ? value.tensor : value;

function tornBetween(a: Value, b: Value): Torn {
  if (a instanceof Torn) return a;
  if (b instanceof Torn) return b;
  const [x, y] = [a, b].map((value) => isUndefined(value) ? "undefined" : nameOf(value));
  return new Torn(`${x} where a condition holds and ${y} elsewhere`);
}
