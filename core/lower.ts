/** How each backend writes scalar functions, constants and array reads. */

/** Emits a `const` for a piece of source and gives its name. */
export type Bind = (code: string) => string;

/** A backend as the emitter sees it. */
export interface Target {
  readonly name: string;
  /** Names of the thread's coordinates x, y, z. */
  readonly thread: readonly [string, string, string];
  /** Whether arrays are read by one flat index rather than by nested ones. */
  readonly flat: boolean;
  /** A call of a scalar function; what it needs several times is bound to names. */
  call(name: string, args: readonly string[], bind: Bind): string;
  /** Rounds a result of arithmetic to the stored precision where the backend computes in a higher one. */
  round(code: string): string;
  /** A number as source text. */
  literal(value: number): string;
  /** Constant arrays that the functions read as `this.constants.NAME`. */
  readonly tables: Readonly<Record<string, Float32Array>>;
}

type ScalarFunction = (args: readonly string[], bind: Bind, target: Target) => string;

const sign: ScalarFunction = ([x]) => `(${x} > 0.0 ? 1.0 : (${x} < 0.0 ? -1.0 : ${x}))`;

/** Ties go to the even neighbour. The fraction is exact, unlike `x + 0.5`. */
const roundHalfEven: ScalarFunction = ([x], bind, target) => {
  const low = bind(`Math.floor(${x})`);
  const fraction = bind(`(${x} - ${low})`);
  const half = bind(`Math.floor(${target.round(`(${low} * 0.5)`)})`);
  const odd = `(${low} - 2.0 * ${half})`;
  return `(${low} + (${fraction} > 0.5 ? 1.0 : (${fraction} < 0.5 ? 0.0 : ${odd})))`;
};

const sigmoid: ScalarFunction = ([x], bind, target) => {
  const e = bind(target.call("exp", [`(-${x})`], bind));
  const denominator = bind(target.round(`(1.0 + ${e})`));
  return target.round(`(1.0 / ${denominator})`);
};

/** `Math.NAME(x)`, rounded where the backend computes in doubles. */
function math(name: string): ScalarFunction {
  return (args, _bind, target) => target.round(`Math.${name}(${args.join(", ")})`);
}

const base: Record<string, ScalarFunction> = {
  sign,
  roundHalfEven,
  sigmoid,
  ...Object.fromEntries(
    ["exp", "log", "log1p", "expm1", "sqrt", "sin", "cos", "tanh", "atan", "pow"].map((name) => [name, math(name)]),
  ),
};

/** 2^(i - 152): every power that a float32 can hold, subnormals included, and one below. */
const powersOfTwo = Float32Array.from({ length: 281 }, (_, i) => Math.pow(2, i - 152));

/**
 * exp as a polynomial. Calls out of WebAssembly take one lane at a time, some 30 ns each; this is vectorised. The
 * argument is reduced by ln 2 in two parts (Cody and Waite), the coefficients are those of Cephes' expf. Twice the
 * polynomial times 2^(n - 1) keeps results near the largest float finite.
 */
const expPolynomial: ScalarFunction = ([x], bind) => {
  // Comparisons, not Math.min and Math.max, whose rules for NaN take WebAssembly several instructions; NaN passes both.
  const low = bind(`(${x} > 89.0 ? 89.0 : ${x})`);
  const c = bind(`(${low} < -104.0 ? -104.0 : ${low})`);
  const n = bind(`Math.floor(${c} * 1.44269504 + 0.5)`);
  const r = bind(`${c} - ${n} * 0.693359375 + ${n} * 2.12194440e-4`);
  const q = bind(`${r} * ${r}`);
  const p = bind(
    `1.0 + ${r} + ${q} * ((5.0000001201e-1 + 1.6666665459e-1 * ${r}) + ${q} * ((4.1665795894e-2 + 8.3334519073e-3 * ${r}) + ${q} * (1.3981999507e-3 + 1.9875691500e-4 * ${r})))`,
  );
  return `(${p} + ${p}) * this.constants.powersOfTwo[${n} + 151.0]`;
};

function target(
  name: string,
  options: {
    functions?: Record<string, ScalarFunction>;
    round?: (code: string) => string;
    flat?: boolean;
    single?: boolean;
    tables?: Record<string, Float32Array>;
  },
): Target {
  const functions: Record<string, ScalarFunction> = { ...base, ...options.functions };
  const self: Target = {
    name,
    thread: options.flat ? ["x", "y", "z"] : ["this.thread.x", "this.thread.y", "this.thread.z"],
    flat: options.flat ?? false,
    call(fn, args, bind) {
      const known = functions[fn];
      if (!known) throw new Error(`lower: backend ${name} has no scalar function "${fn}"`);
      return known(args, bind, self);
    },
    round: options.round ?? ((code) => code),
    literal(value) {
      if (Number.isNaN(value)) return options.flat ? "NaN" : "(0.0 / 0.0)";
      if (value === Infinity) return "Infinity";
      if (value === -Infinity) return "(-Infinity)";
      const stored = options.single === false ? value : Math.fround(value);
      let text = String(stored);
      if (/^-?\d+$/.test(text)) text += ".0";
      return stored < 0 || Object.is(stored, -0) ? `(${Object.is(stored, -0) ? "-0.0" : text})` : text;
    },
    tables: options.tables ?? {},
  };
  return self;
}

const targets: Record<string, Target> = {
  /** The oracle: doubles throughout. */
  float64: target("float64", { flat: true, single: false }),
  /** gpu.js on the host computes in doubles and stores floats: each operation is rounded, so that it decides as float32 does. */
  cpu: target("cpu", { round: (code) => `Math.fround(${code})` }),
  webasm: target("webasm", { functions: { exp: expPolynomial }, tables: { powersOfTwo } }),
};

/** How a backend writes things; the GPU backends share one way. */
export function targetFor(backend: string): Target {
  return targets[backend] ?? gpu;
}

const gpu = target("gpu", {});
