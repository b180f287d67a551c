import * as g from "/work/w5/mod.ts";
import {
  assertGradients,
  assertProperty,
  check,
  checkProperty,
  gradcheck,
  indices,
  reportText,
  shapes,
  tensors,
} from "/work/w5/verify/mod.ts";
process.on("unhandledRejection", (e: any) => console.log("    ?? unhandled", e.message));
const {
  tensor,
  add,
  sub,
  mul,
  div,
  exp,
  log,
  sum,
  mean,
  max,
  maximum,
  where,
  square,
  sqrt,
  grad,
  scan,
  customVjp,
  detach,
  hold,
  greater,
  less,
  sin,
  cos,
  abs,
  relu,
  sort,
  topK,
  round,
  floor,
  pow,
  cumprod,
  norm,
  softmax,
  stack,
  slice,
} = g;
type Tensor = g.Tensor;
const T = async (name: string, f: () => Promise<any>, expect?: string) => {
  const t0 = performance.now();
  try {
    let r = await f();
    const bad = expect && r.verdict !== expect;
    console.log(
      `${bad ? "XX" : "ok"} ${name}: ${r.verdict} ${JSON.stringify(r.counts)} ${
        r.findings?.map((f: any) => f.severity + ":" + f.check).join(" ")
      } ${(performance.now() - t0).toFixed(0)}ms`,
    );
    if (bad) console.log(r.worst ? reportText(r) : JSON.stringify(r).slice(0, 800));
  } catch (e: any) {
    console.log(`${expect ? "XX" : "--"} ${name} !! ${e?.name}: ${e?.message ?? e}`);
  }
};
const any = (x: unknown) => x as any;
const off = (e: number, at = 0) =>
  customVjp(
    (x: Tensor) => mul(x, 1),
    ({ cotangent, inputs: [x] }) =>
      mul(cotangent, add(1, mul(e, g.reshape(g.cast(g.equal(g.arange(x.size), at), "float"), x.shape)))),
  );
// mistakes with the checker
await T("forgot await (promise verdict)", async () => gradcheck((x: Tensor) => sum(square(x)), any([1, 2])));
await T("inputs not in array", async () => gradcheck((x: Tensor) => sum(square(x)), any(tensor([1, 2]))));
await T("function returns number", async () => gradcheck(any((x: Tensor) => 3), [[1, 2]]));
await T("function returns nothing", async () =>
  gradcheck(
    any((x: Tensor) => {
      sum(x);
    }),
    [[1, 2]],
  ));
await T(
  "function reading item returns number",
  async () => gradcheck(any(async (x: Tensor) => await sum(x).item()), [[1, 2]]),
);
await T(
  "function re-wrapping value",
  async () => gradcheck(async (x: Tensor) => sum(square(tensor(await x.data() as any))), [[1, 2]]),
);
await T(
  "function re-wrapping part",
  async () => gradcheck(async (x: Tensor) => sum(mul(x, await mean(x).item())), [[1, 2]]),
  "wrong",
);
await T("x.value sync", async () => gradcheck((x: Tensor) => mul(sum(x), any(x).value[0]), [[1, 2]]), "wrong");
await T("too few inputs", async () => gradcheck((x: Tensor, y: Tensor) => sum(mul(x, y)), [[1, 2]]));
await T("too many inputs", async () => gradcheck((x: Tensor) => sum(mul(x, 2)), [[1, 2], [3]]));
await T("compiled function", async () => gradcheck(any(g.compile((x: Tensor) => sum(square(x)))), [[1, 2]]));
await T("loss class with state (ema)", async () => {
  let ema: any = 0;
  return gradcheck((x: Tensor) => {
    ema = add(mul(.9, ema), mul(.1, sum(x)));
    return mul(ema, sum(x));
  }, [[1, 2]]);
});
await T("ema with read number", async () => {
  let ema = 0;
  return gradcheck(async (x: Tensor) => {
    ema = .9 * ema + .1 * await sum(x).item();
    return mul(ema, sum(x));
  }, [[1, 2]]);
});
await T("Math.random", async () => gradcheck((x: Tensor) => mul(Math.random(), sum(x)), [[1, 2]]));
await T(
  "dropout fixed key",
  async () => gradcheck((x: Tensor) => sum(mul(x, g.cast(g.random.bernoulli(3, [4]), "float"))), [[1, 2, 3, 4]]),
  "ok",
);
await T("key counter", async () => {
  let k = 0;
  return gradcheck((x: Tensor) => sum(mul(x, g.random.normal(k++, [2]))), [[1, 2]]);
});
await T("NaN input", async () => gradcheck((x: Tensor) => sum(square(x)), [[1, NaN]]));
await T("NaN loss", async () => gradcheck((x: Tensor) => sum(log(x)), [[1, -1]]));
await T("inf loss", async () => gradcheck((x: Tensor) => sum(log(x)), [[1, 0]]));
await T(
  "int only",
  async () => gradcheck((x: Tensor) => sum(mul(x, .5)), [tensor([1, 2], undefined, { dtype: "int" })]),
);
await T("empty", async () => gradcheck((x: Tensor) => sum(mul(x, .5)), [g.zeros([0])]));
await T("constant fn", async () => gradcheck((x: Tensor) => tensor(3), [[1]]));
await T("constant of zero influence", async () => gradcheck((x: Tensor) => sum(mul(x, 0)), [[1]]), "ok");
await T("non scalar output", async () => gradcheck((x: Tensor) => square(x), [[1, 2]]), "ok");
await T("several outputs", async () => gradcheck((x: Tensor) => [square(x), sum(x)], [[1, 2]]), "ok");
await T("aux object", async () => gradcheck(any((x: Tensor) => ({ loss: sum(x) })), [[1, 2]]));
// wrong only in second order
await T("2nd order wrong only", async () => {
  const f = customVjp(
    (x: Tensor) => mul(square(x), x),
    ({ cotangent, inputs: [x] }) => mul(cotangent, mul(3, mul(x, detach(x)))),
  );
  return gradcheck((x: Tensor) => sum(f(x)), [[1, 2, -.5]], { order: 2 });
}, "wrong");
await T("2nd order wrong only, 1e-4", async () => {
  const f = customVjp(
    (x: Tensor) => mul(square(x), x),
    ({ cotangent, inputs: [x] }) => mul(cotangent, mul(3, square(off(1e-4, 1)(x)))),
  );
  return gradcheck((x: Tensor) => sum(f(x)), [[1, 2, -.5]], { order: 2 });
}, "wrong");
for (const e of [1e-3, 1e-6, 1e-9]) {
  await T(
    `off ${e} in logsumexp of 200 (fast)`,
    async () =>
      gradcheck((x: Tensor) => g.logSumExp(off(e, 100)(mul(x, 3))), [
        Array.from({ length: 200 }, (_, i) => Math.sin(i)),
      ], { mode: "fast" }),
    "wrong",
  );
}
await T(
  "off 1e-3 in an element of tiny softmax",
  async () => gradcheck((x: Tensor) => g.logSumExp(off(1e-3, 0)(x)), [[-30, 0, 1]]),
  "wrong",
);
await T(
  "off 1e-3 in element of weight 1e-13",
  async () => gradcheck((x: Tensor) => g.logSumExp(off(1e-3, 0)(x)), [[-60, 0, 1]]),
  "wrong",
);
// kinks
await T("relu at 0", async () => gradcheck((x: Tensor) => sum(relu(x)), [[0, 1]]), "ok");
await T(
  "abs wrong slope at 0 (2)",
  async () =>
    gradcheck((x: Tensor) =>
      sum(
        customVjp(
          (x: Tensor) => abs(x),
          ({ cotangent, inputs: [x] }) => mul(cotangent, where(g.equal(x, 0), 2, g.sign(x))),
        )(x),
      ), [[0, 1]]),
  "wrong",
);
await T(
  "max tie full each",
  async () =>
    gradcheck((x: Tensor) =>
      sum(
        customVjp(
          (x: Tensor) => max(x),
          ({ cotangent, inputs: [x] }) => mul(cotangent, g.cast(g.equal(x, max(x)), "float")),
        )(x),
      ), [[1, 1, 0]]),
  "wrong",
);
await T("sort ties", async () => gradcheck((x: Tensor) => sum(mul(sort(x), [1, 2, 3])), [[1, 1, 0]]), "ok");
await T("topk ties", async () => gradcheck((x: Tensor) => sum(topK(x, 2).values), [[1, 1, 1]]), "ok");
await T("norm at 0", async () => gradcheck((x: Tensor) => norm(x), [[0, 0]]));
await T("sqrt at 0", async () => gradcheck((x: Tensor) => sum(sqrt(x)), [[0, 1]]));
await T("round is staircase", async () => gradcheck((x: Tensor) => sum(mul(round(x), x)), [[.4, 1.6]]), "ok");
await T("pow(x,3) at 0, neg", async () => gradcheck((x: Tensor) => sum(pow(x, 3)), [[0, -1]]), "ok");
await T(
  "pow(neg, tensor exponent)",
  async () => gradcheck((x: Tensor, y: Tensor) => sum(pow(x, y)), [[-1, 2], [2, 3]]),
);
await T("cumprod zeros", async () => gradcheck((x: Tensor) => sum(cumprod(x)), [[0, 2, 0, 3]], { order: 2 }), "ok");
await T("where edge", async () => gradcheck((x: Tensor) => sum(where(greater(x, 0), x, mul(x, 2))), [[0]]), "ok");
await T("discontinuity", async () => gradcheck((x: Tensor) => sum(where(greater(x, 0), add(x, 1), x)), [[0]]));
await T(
  "unlikely branch wrong, not hit",
  async () => gradcheck((x: Tensor) => sum(where(greater(x, 3), mul(detach(x), x), x)), [[0, 1]]),
  "ok",
);
await T(
  "unlikely branch wrong, property",
  async () =>
    checkProperty((x: Tensor) => sum(where(greater(x, 2.9), mul(detach(x), x), x)), tensors([[5]]), { runs: 100 }),
  "wrong",
);
await T(
  "wrong only at exactly x==2",
  async () => gradcheck((x: Tensor) => sum(where(g.equal(x, 2), mul(3, sub(x, 2)), sub(x, 2))), [[2, 1]]),
  "wrong",
);
await T(
  "missing factor 2 in gaussian norm",
  async () =>
    gradcheck(
      (x: Tensor) => sum(customVjp((x: Tensor) => square(x), ({ cotangent, inputs: [x] }) => mul(cotangent, x))(x)),
      [[1, 2]],
    ),
  "wrong",
);
await T(
  "missing factor at x=0 only value",
  async () =>
    gradcheck(
      (x: Tensor) => sum(customVjp((x: Tensor) => square(x), ({ cotangent, inputs: [x] }) => mul(cotangent, x))(x)),
      [[0]],
    ),
);
await T("stale constant", async () => {
  let c = 1;
  return gradcheck((x: Tensor) => {
    c += .1;
    return mul(sum(x), c);
  }, [[1, 2]]);
});
await T("scan with detach in carry", async () =>
  gradcheck((x: Tensor) => {
    const [c] = scan((c: Tensor, v: Tensor) => [sin(add(mul(.5, detach(c)), v)), null] as const, tensor(0), x);
    return square(c as Tensor);
  }, [[.1, .2, .3]]), "wrong");
await T("scan with custom rule off 1e-4", async () =>
  gradcheck((x: Tensor) => {
    const [c] = scan(
      (c: Tensor, v: Tensor) =>
        [
          customVjp((z: Tensor) => sin(z), ({ cotangent, inputs: [z] }) => mul(cotangent, mul(1 + 1e-6, cos(z))))(
            add(mul(.5, c), v),
          ),
          null,
        ] as const,
      tensor(0),
      x,
    );
    return square(c as Tensor);
  }, [[.1, .2, .3]]), "wrong");
await T("loop of convergence (right)", async () =>
  gradcheck(async (x: Tensor) => {
    let z: Tensor = x;
    for (let i = 0; i < 30; i++) {
      const n = cos(z);
      if (await max(abs(sub(n, z))).item() < 1e-3) break;
      z = n;
    }
    return sum(z);
  }, [[.3, .9]]));
await T("large values 1e20 float32 overflow", async () => gradcheck((x: Tensor) => sum(square(x)), [[1e20, 2]]));
await T("exp overflow", async () => gradcheck((x: Tensor) => sum(exp(x)), [[100, 2]]));
await T(
  "catastrophic cancellation",
  async () => gradcheck((x: Tensor) => sum(div(sub(1, cos(x)), square(x))), [[1e-8, 1]]),
);
await T("hash-like chaotic", async () =>
  gradcheck((x: Tensor) => {
    let z: Tensor = x;
    for (let i = 0; i < 60; i++) z = mul(3.99, mul(z, sub(1, z)));
    return sum(z);
  }, [[.3, .7]]));
// plain
await T(
  "plain right",
  async () =>
    gradcheck({ value: ([x]) => x.reduce((s, v) => s + v * v, 0), gradient: ([x]) => [x.map((v) => 2 * v)] }, [[
      1,
      2,
      3,
    ]]),
  "ok",
);
await T(
  "plain wrong 1e-4 one",
  async () =>
    gradcheck({
      value: ([x]) => x.reduce((s, v) => s + v * v, 0),
      gradient: ([x]) => [x.map((v, i) => 2 * v * (i === 1 ? 1.0001 : 1))],
    }, [[1, 2, 3]]),
  "wrong",
);
await T(
  "plain async",
  async () => gradcheck(any({ value: async ([x]: any) => x[0] ** 2, gradient: ([x]: any) => [[2 * x[0]]] }), [[1]]),
);
await T(
  "plain gradient not nested",
  async () => gradcheck(any({ value: ([x]: any) => x[0] ** 2, gradient: ([x]: any) => [2 * x[0]] }), [[1]]),
);
await T(
  "plain gradient wrong length",
  async () => gradcheck(any({ value: ([x]: any) => x[0] ** 2, gradient: ([x]: any) => [[2 * x[0]]] }), [[1, 2]]),
);
await T(
  "plain keys misspelt",
  async () => gradcheck(any({ value: ([x]: any) => x[0] ** 2, grad: ([x]: any) => [[2 * x[0]]] }), [[1, 2]]),
);
await T("plain mutates input", async () =>
  gradcheck({
    value: ([x]) => {
      x[0] += 1;
      return x[0] ** 2;
    },
    gradient: ([x]) => [[2 * x[0]]],
  }, [[1]]));
await T(
  "plain wrong where |g| small 1e-12",
  async () => gradcheck({ value: ([x]) => x[0] ** 2 + 1e-12 * x[1], gradient: ([x]) => [[2 * x[0], 0]] }, [[1, 2]]),
);
await T("checkProperty without arbitrary", async () => checkProperty((x: Tensor) => sum(x), any([[1, 2]])));
await T("assertGradients wrong message", async () => assertGradients((x: Tensor) => sum(mul(detach(x), x)), [[1, 2]]));
process.exit(0);
