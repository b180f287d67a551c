/**
 * Index expressions of kernels: integer sums of products with known ranges. They simplify as they are built, so that a chain of
 * reshapes and transposes ends as the few terms that a person would write. Pure functions.
 */

/** A part of an index expression that is not a constant. */
export type Atom = Variable | Division;

/** A loop's counter, a thread's coordinate, or a value that was read. */
export interface Variable {
  readonly kind: "variable";
  /** Its name: variables of the same name are the same. */
  readonly key: string;
  readonly min: number;
  readonly max: number;
  readonly depth: number;
  /** The expression it stands for, one that is known to lie within narrower bounds than its terms tell. */
  readonly of?: Index;
}

/** `floor(of / by)`, or the remainder. */
export class Division {
  readonly kind: "quotient" | "remainder";
  readonly of: Index;
  readonly by: number;
  readonly min: number;
  readonly max: number;
  readonly depth: number;
  #key: string | null = null;
  #quotient: Index | null = null;

  constructor(kind: "quotient" | "remainder", of: Index, by: number) {
    this.kind = kind;
    this.of = of;
    this.by = by;
    this.min = kind === "quotient" ? Math.floor(of.min / by) : 0;
    this.max = kind === "quotient" ? Math.floor(of.max / by) : by - 1;
    this.depth = of.depth;
  }

  /** The same for equal divisions. */
  get key(): string {
    return this.#key ??= `(${this.of.key}${this.kind === "quotient" ? "/" : "%"}${this.by})`;
  }

  /** `floor(of / by)`, simplified. */
  get quotient(): Index {
    return this.#quotient ??= floorDiv(this.of, this.by);
  }
}

/** A product of an atom and a constant other than 0. */
export interface Term {
  readonly atom: Atom;
  readonly coefficient: number;
}

/** `base + sum(coefficient * atom)`. */
export class Index {
  readonly base: number;
  /** In the order of the keys of their atoms. */
  readonly terms: readonly Term[];
  readonly min: number;
  readonly max: number;
  /** How many loops deep the expression's innermost variable lives; 0 if it depends only on the thread. */
  readonly depth: number;
  /** Whether {@link within} narrowed a term. */
  readonly isNarrowed: boolean;
  #key: string | null = null;

  constructor(base: number, terms: readonly Term[]) {
    let min = base, max = base, depth = 0, isNarrowed = false;
    for (const { atom, coefficient: c } of terms) {
      if (atom.kind === "variable" && atom.of) isNarrowed = true;
      min += c > 0 ? c * atom.min : c * atom.max;
      max += c > 0 ? c * atom.max : c * atom.min;
      if (atom.depth > depth) depth = atom.depth;
    }
    this.base = base;
    this.terms = terms;
    this.min = min;
    this.max = max;
    this.depth = depth;
    this.isNarrowed = isNarrowed;
  }

  /** The same for equal expressions. Computed on demand, since most expressions are parts of others and never compared. */
  get key(): string {
    if (this.#key === null) {
      let key = String(this.base);
      for (const { atom, coefficient } of this.terms) key += `+${coefficient}*${atom.key}`;
      this.#key = key;
    }
    return this.#key;
  }
}

const NO_TERMS: readonly Term[] = [];
const ZERO = new Index(0, NO_TERMS);

/** A constant. */
export function constant(value: number): Index {
  return value === 0 ? ZERO : new Index(value, NO_TERMS);
}

/** A variable of the kernel with values in `[min, max]`. */
export function variable(name: string, min: number, max: number, depth: number): Index {
  if (min === max) return constant(min);
  return new Index(0, [{ atom: { kind: "variable", key: name, min, max, depth }, coefficient: 1 }]);
}

/** An expression that is known to lie in `[0, size)`, as where that was tested: a variable that stands for it. */
export function within(of: Index, size: number): Index {
  if (size === 1) return ZERO;
  const atom: Variable = { kind: "variable", key: `[${of.key}<${size}]`, min: 0, max: size - 1, depth: of.depth, of };
  return new Index(0, [{ atom, coefficient: 1 }]);
}

/** An expression with what {@link within} stands for in place of it. */
export function resolved(index: Index): Index {
  if (!index.isNarrowed) return index;
  const isNarrowed = ({ atom }: Term) => atom.kind === "variable" && atom.of !== undefined;
  let sum = new Index(index.base, index.terms.filter((term) => !isNarrowed(term)));
  for (const { atom, coefficient } of index.terms.filter(isNarrowed)) {
    sum = add(sum, scale(resolved((atom as Variable).of!), coefficient));
  }
  // Where a quotient and a remainder meet in the sum, what they divided takes their place, with what was narrowed in it.
  return resolved(sum);
}

/** The sum of two expressions. */
export function add(a: Index, b: Index): Index {
  if (b.terms.length === 0) return b.base === 0 ? a : new Index(a.base + b.base, a.terms);
  if (a.terms.length === 0) return a.base === 0 ? b : new Index(a.base + b.base, b.terms);
  const terms = merged(a.terms, b.terms);
  return joined(a.base + b.base, terms) ?? new Index(a.base + b.base, terms);
}

/** The terms of a sum: both are in order, and so is the result. */
function merged(a: readonly Term[], b: readonly Term[]): Term[] {
  const terms: Term[] = [];
  let i = 0, k = 0;
  while (i < a.length && k < b.length) {
    const [x, y] = [a[i], b[k]];
    if (x.atom === y.atom || x.atom.key === y.atom.key) {
      const coefficient = x.coefficient + y.coefficient;
      if (coefficient !== 0) terms.push({ atom: y.atom, coefficient });
      i++;
      k++;
    } else if (x.atom.key < y.atom.key) {
      terms.push(x);
      i++;
    } else {
      terms.push(y);
      k++;
    }
  }
  while (i < a.length) terms.push(a[i++]);
  while (k < b.length) terms.push(b[k++]);
  return terms;
}

/** c * (e mod n) + c * n * floor(e / n) is c * e: this undoes a decomposition that a later step puts together again. */
function joined(base: number, terms: readonly Term[]): Index | null {
  for (const { atom, coefficient } of terms) {
    if (atom.kind !== "remainder") continue;
    // The operand of a remainder has a quotient of one term, because everything that divides exactly was split off.
    const { key } = atom.quotient.terms[0].atom;
    const partner = terms.find((term) => term.atom.key === key);
    if (partner?.coefficient !== coefficient * atom.by) continue;
    const rest = terms.filter((term) => term !== partner && term.atom !== atom);
    return add(new Index(base, rest), scale(atom.of, coefficient));
  }
  return null;
}

/** An expression times a constant. */
export function scale(a: Index, factor: number): Index {
  if (factor === 1) return a;
  if (factor === 0) return ZERO;
  if (a.terms.length === 0) return constant(a.base * factor);
  return new Index(a.base * factor, a.terms.map((t) => ({ atom: t.atom, coefficient: t.coefficient * factor })));
}

/** Splits `a` into `n * whole + rest`. */
function split(a: Index, n: number): { whole: Index; rest: Index } {
  const base = ((a.base % n) + n) % n;
  const whole: Term[] = [], rest: Term[] = [];
  for (const term of a.terms) {
    if (term.coefficient % n === 0) whole.push({ atom: term.atom, coefficient: term.coefficient / n });
    else rest.push(term);
  }
  return { whole: new Index((a.base - base) / n, whole), rest: new Index(base, rest) };
}

function gcd(a: number, b: number): number {
  return b === 0 ? Math.abs(a) : gcd(b, a % b);
}

/** `floor(a / n)`. */
export function floorDiv(a: Index, n: number): Index {
  if (n === 1) return a;
  const { whole, rest } = split(a, n);
  if (rest.min >= 0 && rest.max < n) return whole;
  const common = rest.terms.reduce((g, t) => gcd(g, t.coefficient), n);
  if (common > 1) {
    const terms = rest.terms.map((t) => ({ atom: t.atom, coefficient: t.coefficient / common }));
    return add(whole, floorDiv(new Index(Math.floor(rest.base / common), terms), n / common));
  }
  const [only] = rest.terms;
  if (rest.terms.length === 1 && rest.base === 0 && only.coefficient === 1 && only.atom.kind === "quotient") {
    return add(whole, floorDiv(only.atom.of, only.atom.by * n));
  }
  return add(whole, new Index(0, [{ atom: new Division("quotient", rest, n), coefficient: 1 }]));
}

/** `a - n * floor(a / n)`. */
export function modulo(a: Index, n: number): Index {
  if (n === 1) return ZERO;
  const { rest } = split(a, n);
  if (rest.min >= 0 && rest.max < n) return rest;
  return new Index(0, [{ atom: new Division("remainder", rest, n), coefficient: 1 }]);
}

/** The row-major position of an element. */
export function flatten(index: readonly Index[], shape: readonly number[]): Index {
  let flat = ZERO;
  for (let i = 0; i < shape.length; i++) flat = add(scale(flat, shape[i]), index[i]);
  return flat;
}

/** The element at a row-major position. */
export function unflatten(flat: Index, shape: readonly number[]): Index[] {
  const index = new Array<Index>(shape.length);
  let rest = flat;
  for (let i = shape.length - 1; i > 0; i--) {
    index[i] = modulo(rest, shape[i]);
    rest = floorDiv(rest, shape[i]);
  }
  if (shape.length > 0) index[0] = shape[0] === 1 ? ZERO : rest;
  return index;
}
