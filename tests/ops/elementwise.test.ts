import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  abs,
  add,
  elementwise,
  grad,
  less,
  log,
  mul,
  sigmoid,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  type TensorLike,
  useDevice,
  where,
} from "../../mod.ts";
import { assertGradients } from "../../verify/mod.ts";
import { sampleOf } from "../support/cells.ts";
import { devicesUnderTest } from "../support/devices.ts";
import { checkProperty } from "../support/property.ts";

type Plain = (x: number, y: number) => number;

/** Formulas of two numbers, each with another construct. */
const formulas: Record<string, Plain> = {
  huber: (x, y) => {
    const d = Math.abs(x - y);
    return d < 1 ? 0.5 * d * d : d - 0.5;
  },
  "early returns": (x, y) => {
    if (x > 1) return x * y;
    if (x < -1) {
      const z = x + y;
      if (z > 0) return z;
    } else return y;
    return -x;
  },
  "a loop that is left": (x, y) => {
    let [s, i] = [0, 0];
    for (; i < 4; i++) {
      if (s > 2) break;
      if (y < 0) continue;
      s += x * y;
    }
    return s + 10 * i;
  },
  "a loop in a loop, left by label": (x, y) => {
    let s = 0;
    outer:
    for (let i = 0; i < 3; i++) {
      for (const w of [0.5, 1, 2]) {
        if (x * w > y) continue outer;
        if (s > 5) break outer;
        s += w;
      }
      s -= 0.25;
    }
    return s;
  },
  "a loop whose condition depends on x": (x, y) => {
    let s = y;
    for (let i = 0; i < 4 && s < x; i++) s += 0.5 + i;
    let n = 0;
    do s -= 1; while (++n < 3 && s > 1);
    return s;
  },
  "a switch with cases that fall through": (x, y) => {
    let s = 0;
    switch (Math.sign(x)) {
      case -1:
        s += 1;
        if (y > 1) break;
        // falls through
      case 0:
        s += 2 * y;
        break;
      default:
        s += 4;
        // falls through
      case 2: {
        const both = x * y;
        if (both > 2) return both;
        s -= both;
      }
    }
    return s;
  },
  "a switch over conditions, in a loop": (x, y) => {
    let s = x;
    for (let i = 0; i < 3; i++) {
      switch (true) {
        case s > y:
          s -= 1;
          continue;
        case s < -1:
          return s - y;
      }
      s += 0.5;
    }
    return s;
  },
  "a remainder": (x, y) => (4 * x) % (y + 3.5) + x % 1,
  "inverse functions": (x, y) => Math.atan2(y, x + 0.1) + Math.asin(x / 4) * Math.acos(y / 4) + Math.asinh(x - y),
  "a helper that changes a variable": (x, y) => {
    let calls = 0;
    const larger = (a: number, b: number) => {
      calls += a > b ? 1 : 2;
      return a > b ? a : b;
    };
    return larger(x, y) + 10 * calls;
  },
  "a recursion": (x, y) => {
    const power = (base: number, n: number): number => (n === 0 ? 1 : base * power(base, n - 1));
    return power(x, 3) - y;
  },
  "truth values as numbers": (x, y) => +(x > y) + ((x > 0 && y) as number) * 2 + (x || y),
  "arrays and objects": (x, y) => {
    const { a, b: [c] } = { a: x > 0 ? [x, y] : [y, x], b: [2, 3] };
    const [p, q = 1] = a;
    return [p, ...a, q].length * c + p - q;
  },
  "closures of a loop": (x, y) => {
    const fs: (() => number)[] = [];
    let all: readonly (() => number)[] = fs;
    for (let i = 0; i < 3; i++) all = [...all, () => i * x];
    return all[0]() + all[1]() + all[2]() + y;
  },
  "functions of Math": (x, y) => {
    const { max, PI } = Math;
    return max(x, y, 0) + Math.round(x * 2) + Math.trunc(y) + Math.tan(x / 4) + PI + Math.hypot(x, y, 3);
  },
};

const xs = [-2.5, -1, -0.25, 0, 0.75, 1.5, 3];
const pairs = xs.flatMap((x) => xs.map((y) => [x, y] as const));
const [left, right] = [0, 1].map((i) => tensor(Float32Array.from(pairs, (pair) => pair[i])));

for (const { device, on, single, extent } of await devicesUnderTest()) {
  test(...on("formulas have the values that JavaScript gives them"), async () => {
    for (const [name, f] of sampleOf(extent, Object.entries(formulas))) {
      const values = await elementwise(f)(left, right).data({ device });
      pairs.forEach(([x, y], i) => {
        const [actual, expected] = [values[i], f(x, y)];
        const error = Math.abs(actual - expected) / (1 + Math.abs(expected));
        assert.ok(error < (single ? 1e-5 : 1e-15), `${name} of ${x}, ${y} is ${expected}, got ${actual}`);
      });
    }
  });
}

test("functions of Math that ops are made of are as exact as JavaScript's [float64]", async () => {
  await useDevice("float64");
  const wide = [-700, -20, -3, -1, -0.5, -1e-12, -0, 0, 1e-300, 1e-9, 0.3, 0.999, 1, 2, 8, 27, 1000, 709.9, 1e200];
  const all = [...wide, Infinity, -Infinity, NaN];
  const checked: Record<string, (x: number) => number> = {
    acos: (x) => Math.acos(x),
    acosh: (x) => Math.acosh(x),
    asin: (x) => Math.asin(x),
    asinh: (x) => Math.asinh(x),
    atan2: (x) => Math.atan2(x, 3),
    "atan2 of 0 and below": (x) => Math.atan2(0.5, x),
    "atan2 of the same": (x) => Math.atan2(x, x + 0),
    atanh: (x) => Math.atanh(x),
    cbrt: (x) => Math.cbrt(x),
    cosh: (x) => Math.cosh(x),
    log10: (x) => Math.log10(x),
    log2: (x) => Math.log2(x),
    sinh: (x) => Math.sinh(x),
    tan: (x) => Math.tan(x),
    trunc: (x) => Math.trunc(x),
    hypot: (x) => Math.hypot(x, x, 1e-200),
    "hypot of one": (x) => Math.hypot(x),
    "hypot of infinity": (x) => Math.hypot(x, -Infinity),
  };
  for (const [name, f] of Object.entries(checked)) {
    const values = await elementwise(f)(all).data();
    all.forEach((x, i) => {
      const [value, expected] = [values[i], f(x)];
      const isSame = value === expected || (Number.isNaN(value) && Number.isNaN(expected));
      const error = Math.abs(value - expected) / Math.abs(expected);
      assert.ok(isSame || error < 1e-15, `${name}(${x}) is ${expected}, got ${value}`);
    });
  }
});

test("a remainder is off by a rounding of the dividend at most, and has its sign [float64]", async () => {
  await useDevice("float64");
  const op = elementwise((x, y) => x % y);
  const number = fc.double({ min: -1e4, max: 1e4, noNaN: true });
  await checkProperty(fc.tuple(number, number.filter((y) => Math.abs(y) > 1e-6)), async ([x, y]) => {
    const [value, expected] = [await op(x, tensor(y)).item(), x % y];
    const least = 2 ** -52 * Math.abs(x);
    // Where the division has no rest, rounding may leave all of the divisor.
    const apart = Math.abs(value - expected);
    assert.ok(Math.min(apart, Math.abs(apart - Math.abs(y))) <= least, `${x} % ${y} is ${expected}, got ${value}`);
    assert.ok(Math.abs(value) <= Math.abs(y) && value * x >= 0);
  });
  assert.deepEqual(await op([5, -5, 0, Infinity, NaN, 5], [3, 3, 3, 3, 3, Infinity]).toArray(), [
    2,
    -2,
    0,
    NaN,
    NaN,
    5,
  ]);
  const [x, y] = [tensor([5.5, -5.5, 0]), tensor([2, 2, 2])];
  assert.deepEqual(await Promise.all(grad(sum(op(x, y)), [x, y]).map((g) => g.toArray())), [[1, 1, 1], [-2, 2, 0]]);
});

test("a formula records the ops that one would write", () => {
  const written = (x: TensorLike, y: TensorLike) => {
    const d = abs(sub(x, y));
    return where(less(d, 1), mul(mul(0.5, d), d), sub(d, 0.5));
  };
  const op = elementwise(formulas.huber);
  const inputs = () => [tensor([[0.5], [2]]), tensor([1, 2, 3.5])] as const;
  const describe = (f: (x: Tensor, y: Tensor) => Tensor) => {
    const lines: string[] = [];
    const visit = (t: Tensor): void => {
      for (const input of t.inputs) visit(input as Tensor);
      lines.push(`${t.op.name} [${t.shape}] ${JSON.stringify(t.attributes)}`);
    };
    visit(f(...inputs()));
    return lines;
  };
  assert.deepEqual(describe(op), describe(written));
});

test("a branch that is not taken is silent in the gradient, at every order [float64]", async () => {
  await useDevice("float64");
  const x = tensor([-1, 0, 4]);
  const root = elementwise((x) => (x > 0 ? Math.sqrt(x) : 0));
  const early = elementwise((x) => {
    if (x <= 0) return 0;
    return Math.sqrt(x);
  });
  const short = elementwise((x) => +(x > 0 && Math.sqrt(x)));
  for (const op of [root, early, short]) {
    const first = grad(sum(op(x)), x);
    assert.deepEqual(await first.toArray(), [0, 0, 0.25]);
    assert.deepEqual(await grad(sum(first), x).toArray(), [0, 0, -0.03125]);
  }
});

test("at kinks the conventions of the ops hold [float64]", async () => {
  await useDevice("float64");
  const at = async (f: (x: number) => number, x: number) => {
    const point = tensor(x);
    return await grad(elementwise(f)(point), point).item();
  };
  assert.equal(await at((x) => Math.abs(x), 0), 0);
  assert.equal(await at((x) => Math.max(x, 0), 0), 0.5);
  assert.equal(await at((x) => (x > 0 ? x : 0), 0), 0);
  assert.equal(await at((x) => (x >= 0 ? x : 0), 0), 1);
  assert.equal(await at((x) => Math.hypot(x, 0), 0), 0);
  assert.equal(await at((x) => Math.cbrt(x), 0), Infinity);
  assert.equal(await at((x) => Math.atan2(x, 0), 0), 0);
  assert.equal(await at((x) => Math.asinh(x), 0), 1);
  assert.equal(await at((x) => Math.asin(x), 1), Infinity);
  assert.equal(await at((x) => x % 2, 0), 1);
});

test("the checker examines formulas as any other function [float64]", async () => {
  await useDevice("float64");
  const x = [[0.3, -1.7], [2.5, 0.9]];
  for (const f of [formulas.huber, formulas["early returns"], formulas["functions of Math"]]) {
    await assertGradients((x, y) => sum(square(elementwise(f)(x, y))), [x, [0.2, 1.4]], { order: 2 });
  }
  for (const f of [Math.sinh, Math.cosh, Math.cbrt, Math.tan, Math.log2, Math.log10, Math.atanh] as const) {
    const op = elementwise((x) => f(x), { constants: { f } });
    await assertGradients(op, [[0.31, 0.72]], { order: 2 });
  }
  const turn = elementwise((y, x) => Math.atan2(y, x));
  await assertGradients(turn, [[0.5, 2, 1, -1, -3, 1], [2, 0.5, 1, 1, -0.5, 0]], { order: 2 });
  const broken = elementwise((x) => Math.abs(x) * x);
  await assert.rejects(assertGradients((x) => add(broken(x), where(less(x, 9), 0, broken(x))), [["a"] as never]));
});

test("numbers as arguments are known when the op is recorded [float64]", async () => {
  await useDevice("float64");
  const power = elementwise((x, n) => {
    let p = 1;
    for (let i = 0; i < n; i++) p *= x;
    return p;
  });
  assert.deepEqual(await power([2, 3], 3).toArray(), [8, 27]);
  assert.throws(() => power([2, 3], tensor(3)), /expected a loop that ends within 1000 iterations/);
  assert.equal(await power(2, 10).item(), 1024);
});

test("defaults, rest parameters, and arguments that are taken apart [float64]", async () => {
  await useDevice("float64");
  const scaled = elementwise((x: number, by = 2) => x * by);
  assert.deepEqual(await scaled([1, 2]).toArray(), [2, 4]);
  assert.deepEqual(await scaled([1, 2], 3).toArray(), [3, 6]);
  const total = elementwise((...xs: number[]) => {
    let s = 0;
    for (const x of xs) s += x;
    return s;
  });
  assert.deepEqual(await total([1, 2], 3, tensor([4, 5])).toArray(), [8, 10]);
  const overlap = elementwise(([a, b]: [number, number], { c, d: { e = 5 } }: { c: number; d: { e?: number } }) =>
    Math.max(Math.min(b, c) - a, 0) * e
  );
  assert.deepEqual(await overlap([[0, 1], tensor([[2], [3]])], { c: 2.5, d: {} }).toArray(), [[10, 5], [12.5, 7.5]]);
  // Arrays of numbers are elements where they are taken apart, and data where they are not.
  const first = elementwise((pair: [number, number]) => pair[0] - pair[1]);
  assert.equal(await first([5, 3]).item(), 2);
});

test("constants are numbers, functions, scalar ops and groups of them [float64]", async () => {
  await useDevice("float64");
  const [scale, weights] = [3, [0.5, 0.25]];
  const helper = (x: number): number => x > 1 ? scale * x : x;
  const fact = (n: number): number => (n <= 1 ? 1 : n * fact(n - 1));
  const hypot = elementwise((x, y) => Math.hypot(x, y));
  // deno-lint-ignore no-explicit-any
  const any = (value: unknown) => value as any;
  const op = elementwise((x) => helper(x) + weights[1] * fact(4) + any(sigmoid)(x - x) + any(hypot)(0, 4), {
    constants: { helper, scale, weights, fact, sigmoid, hypot, any: (x: number) => x },
  });
  assert.deepEqual(await op([0.5, 2]).toArray(), [11, 16.5]);
});

test("the result has the shape of all arguments, and is float or bool [float64]", async () => {
  await useDevice("float64");
  const first = elementwise((x, _y) => x);
  assert.deepEqual(first([[1], [2]], [1, 2, 3]).shape, [2, 3]);
  assert.deepEqual(elementwise((_x) => 7)([1, 2]).shape, [2]);
  const ints = tensor([1, 2, 3], [3], { dtype: "int" });
  assert.equal(elementwise((x) => x * 2)(ints).dtype, "float");
  assert.equal(elementwise((x) => (x > 1 ? 1 : 0))(ints).dtype, "float");
  const between = elementwise((x, a, b) => a < x && x <= b);
  assert.equal(between(ints, 1, 2).dtype, "bool");
  assert.deepEqual(await between(ints, 1, 2).toArray(), [false, true, false]);
  const masked = elementwise((x: number, m: boolean) => (m ? x : -1));
  assert.deepEqual(await masked(ints, [true, false, true]).toArray(), [1, -1, 3]);
});

test("methods and function declarations are read as well [float64]", async () => {
  await useDevice("float64");
  function declared(x: number): number {
    return x + 1;
  }
  const object = {
    method(x: number) {
      return x + 2;
    },
    ["computed name"](x: number) {
      return x + 3;
    },
  };
  class Losses {
    static #shift = 0;
    static named(x: number) {
      return x + 4;
    }
    static get shift() {
      return this.#shift;
    }
  }
  assert.equal(await elementwise(declared)(0).item(), 1);
  assert.equal(await elementwise(object.method)(0).item(), 2);
  assert.equal(await elementwise(object["computed name"])(0).item(), 3);
  assert.equal(await elementwise(Losses.named)(0).item(), 4);
  assert.equal(elementwise(declared).name, "declared");
});

test("an error shows the place in the function", () => {
  const read = (text: string) => {
    try {
      elementwise(new Function(`return ${text}`)());
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.equal(
    read("(x) => {\n\tconst d = Math.abs(x);\n\treturn d + offset * 2;\n}"),
    [
      "elementwise: expected offset to be declared in the function or passed as { constants: { offset } } " +
      "(line 3, column 13 of the function)",
      "  3 |  return d + offset * 2;",
      "    |             ^^^^^^",
    ].join("\n"),
  );
  // Only part of a line as minifiers write it is shown.
  const [, line, carets] = read(`(x)=>${"x+".repeat(300)}foo(x)${"+x".repeat(300)}`)!.split("\n");
  assert.equal(line.length, "  1 | ".length + 100);
  assert.equal(line.slice(carets.indexOf("^"), carets.length), "foo");
});

test("TypeScript knows the arguments", () => {
  const pair = elementwise((x, y) => x - y);
  const typed: (x: TensorLike, y: TensorLike) => Tensor = pair;
  const group = elementwise(([a, b]: [number, number], { c }: { c: number }) => a + b + c);
  const grouped: (a: readonly [TensorLike, TensorLike], b: { readonly c: TensorLike }) => Tensor = group;
  const optional: (x: TensorLike, y?: TensorLike) => Tensor = elementwise((x: number, y = 1) => x * y);
  // @ts-expect-error: an argument is missing
  assert.throws(() => pair(1), /expected y to be a tensor/);
  // @ts-expect-error: there is one too many
  assert.throws(() => pair(1, 2, 3), /at most 2 arguments/);
  // @ts-expect-error: an array of two is expected
  assert.throws(() => group(1, { c: 1 }), /expected an array to take apart/);
  // @ts-expect-error: a formula returns a number
  assert.throws(() => elementwise((x: number) => `${x}`), /cannot read a template/);
  assert.deepEqual([typed, grouped, optional].map(({ name }) => name), ["elementwise", "elementwise", "elementwise"]);
});

test("logarithms and other ops are found by identity [float64]", async () => {
  await useDevice("float64");
  const { log: ln } = Math;
  const op = elementwise((x) => ln(x), { constants: { ln } });
  assert.deepEqual(await op([1, 2]).toArray(), await log([1, 2]).toArray());
});
