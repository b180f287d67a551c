/**
 * Index expressions of generated kernels: integer sums of products with known ranges. They simplify as they are built, so that
 * a chain of reshapes and transposes ends as the few terms that a person would write. Pure functions.
 */

/** A part of an index expression that is not a constant. */
export type Atom =
  | {
    readonly kind: "variable";
    readonly key: string;
    readonly min: number;
    readonly max: number;
    readonly depth: number;
  }
  | {
    readonly kind: "quotient" | "remainder";
    readonly key: string;
    readonly of: Index;
    readonly by: number;
    readonly min: number;
    readonly max: number;
    readonly depth: number;
  };

/** `base + sum(coefficient * atom)`. */
export interface Index {
  readonly base: number;
  readonly terms: readonly { readonly atom: Atom; readonly coefficient: number }[];
  readonly min: number;
  readonly max: number;
  /** How many loops deep the expression's innermost variable lives; 0 for what depends on the thread alone. */
  readonly depth: number;
  readonly key: string;
}

function make(base: number, terms: { atom: Atom; coefficient: number }[]): Index {
  let min = base, max = base, depth = 0;
  for (const { atom, coefficient: c } of terms) {
    min += c > 0 ? c * atom.min : c * atom.max;
    max += c > 0 ? c * atom.max : c * atom.min;
    if (atom.depth > depth) depth = atom.depth;
  }
  terms.sort((a, b) => (a.atom.key < b.atom.key ? -1 : a.atom.key > b.atom.key ? 1 : 0));
  let key = String(base);
  for (const { atom, coefficient } of terms) key += `+${coefficient}*${atom.key}`;
  return { base, terms, min, max, depth, key };
}

/** A constant. */
export function constant(value: number): Index {
  return make(value, []);
}

/** A variable of the kernel's source with values in `[min, max]`. */
export function variable(name: string, min: number, max: number, depth: number): Index {
  if (min === max) return constant(min);
  return make(0, [{ atom: { kind: "variable", key: name, min, max, depth }, coefficient: 1 }]);
}

/** The sum of two expressions. */
export function add(a: Index, b: Index): Index {
  const terms = new Map<string, { atom: Atom; coefficient: number }>();
  for (const { atom, coefficient } of [...a.terms, ...b.terms]) {
    const known = terms.get(atom.key);
    terms.set(atom.key, { atom, coefficient: coefficient + (known?.coefficient ?? 0) });
  }
  for (const [key, { coefficient }] of terms) if (coefficient === 0) terms.delete(key);
  const base = a.base + b.base;
  // c * (e mod n) + c * n * floor(e / n) is c * e: this undoes a decomposition that a later step puts together again.
  for (const [key, { atom, coefficient }] of terms) {
    if (atom.kind !== "remainder") continue;
    // What a remainder is of has a quotient of one term, since all that is divided without rest was split off.
    const [quotient] = floorDiv(atom.of, atom.by).terms;
    const partner = terms.get(quotient.atom.key);
    if (partner?.coefficient !== coefficient * atom.by) continue;
    terms.delete(key);
    terms.delete(partner.atom.key);
    return add(make(base, [...terms.values()]), scale(atom.of, coefficient));
  }
  return make(base, [...terms.values()]);
}

/** An expression times a constant. */
export function scale(a: Index, factor: number): Index {
  if (factor === 1) return a;
  if (factor === 0) return constant(0);
  return make(a.base * factor, a.terms.map(({ atom, coefficient }) => ({ atom, coefficient: coefficient * factor })));
}

/** Splits `a` into `n * whole + rest`. */
function split(a: Index, n: number): { whole: Index; rest: Index } {
  const restBase = ((a.base % n) + n) % n;
  const whole = a.terms.filter((t) => t.coefficient % n === 0).map((t) => ({
    atom: t.atom,
    coefficient: t.coefficient / n,
  }));
  const rest = a.terms.filter((t) => t.coefficient % n !== 0).map((t) => ({ ...t }));
  return { whole: make((a.base - restBase) / n, whole), rest: make(restBase, rest) };
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
    const reduced = make(
      Math.floor(rest.base / common),
      rest.terms.map((t) => ({ atom: t.atom, coefficient: t.coefficient / common })),
    );
    return add(whole, floorDiv(reduced, n / common));
  }
  const [only] = rest.terms;
  if (rest.terms.length === 1 && rest.base === 0 && only.coefficient === 1 && only.atom.kind === "quotient") {
    return add(whole, floorDiv(only.atom.of, only.atom.by * n));
  }
  const atom: Atom = {
    kind: "quotient",
    key: `(${rest.key}/${n})`,
    of: rest,
    by: n,
    min: Math.floor(rest.min / n),
    max: Math.floor(rest.max / n),
    depth: rest.depth,
  };
  return add(whole, make(0, [{ atom, coefficient: 1 }]));
}

/** `a - n * floor(a / n)`. */
export function modulo(a: Index, n: number): Index {
  if (n === 1) return constant(0);
  const { rest } = split(a, n);
  if (rest.min >= 0 && rest.max < n) return rest;
  const atom: Atom = {
    kind: "remainder",
    key: `(${rest.key}%${n})`,
    of: rest,
    by: n,
    min: 0,
    max: n - 1,
    depth: rest.depth,
  };
  return make(0, [{ atom, coefficient: 1 }]);
}

/** The row-major position of an element. */
export function flatten(index: readonly Index[], shape: readonly number[]): Index {
  let flat = constant(0);
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
  if (shape.length > 0) index[0] = shape[0] === 1 ? constant(0) : rest;
  return index;
}
