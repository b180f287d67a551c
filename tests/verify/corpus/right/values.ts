/** Right gradients of functions that read values, hold them on purpose, or detach what has no influence. */
import {
  add,
  atan,
  detach,
  div,
  exp,
  floor,
  greater,
  hold,
  log,
  max,
  maximum,
  mean,
  minimum,
  mul,
  neg,
  relu,
  round,
  sigmoid,
  slice,
  softmax,
  sqrt,
  square,
  sub,
  sum,
  tanh,
  type Tensor,
  tensor,
  where,
} from "../../../../mod.ts";
import { both, type Case, every, listed, positive, second, vector } from "../case.ts";

const ok = ["ok"] as const;
/** Values that were printed. */
const printed: unknown[] = [];

const read = listed("a value that is only looked at", ok, {
  "a loss that is printed": {
    f: async (x: Tensor) => {
      const loss = sum(square(x));
      printed.push(await loss.item());
      return loss;
    },
    inputs: [vector],
    checks: both,
  },
  "inputs that are printed": {
    f: async (x: Tensor) => {
      printed.push([...await x.data()], await x.toArray());
      return exp(x);
    },
    inputs: [vector],
    checks: both,
  },
  "a value that is read on the way": {
    f: async (x: Tensor) => {
      const y = softmax(x);
      printed.push(String(y), await y.data());
      return sum(mul(y, y));
    },
    inputs: [vector],
    checks: every,
  },
  "a branch by a value that is read back": {
    f: async (x: Tensor) => await sum(x).item() > 0 ? sum(square(x)) : sum(x),
    inputs: [vector],
    checks: both,
  },
  "a number of steps by a value that is read back": {
    f: async (x: Tensor) => {
      const steps = Math.ceil(await max(x).item());
      let y = x;
      for (let i = 0; i < steps; i++) y = tanh(add(y, x));
      return y;
    },
    inputs: [vector],
    checks: both,
  },
  "a check that all values are finite": {
    f: async (x: Tensor) => {
      for (const v of await x.data()) if (!Number.isFinite(v)) throw new Error("not finite");
      return log(x);
    },
    inputs: [positive],
    checks: both,
  },
  "the index of the greatest element": {
    f: async (x: Tensor) => {
      const values = [...await x.data()];
      return slice(exp(x), [values.indexOf(Math.max(...values))]);
    },
    inputs: [vector],
    checks: both,
  },
  "a threshold by a value that is read back": {
    f: async (x: Tensor) => where(greater(x, await mean(x).item()), square(x), x),
    inputs: [vector],
    checks: both,
  },
  "a whole factor by a value that is read back": {
    f: async (x: Tensor) => mul(x, Math.round(await sum(x).item())),
    inputs: [vector],
    checks: both,
  },
  "a difference of values that are read back, which is 0": {
    f: async (x: Tensor) => {
      const [first] = await x.data();
      return add(exp(x), first - first);
    },
    inputs: [vector],
    checks: both,
  },
  "a constant by other means": {
    f: async (x: Tensor) => mul(x, (await tensor([1, 2, 3]).data()).length),
    inputs: [vector],
    checks: both,
  },
  "a check of a range on whose ends some lie": {
    f: async (x: Tensor) => {
      for (const v of await x.data()) if (v < 0 || v > 1) throw new Error("out of range");
      return square(x);
    },
    inputs: [[0, 0.5, 1]],
    checks: both,
  },
  "a check of an order": {
    f: async (x: Tensor) => {
      const values = [...await x.data()];
      if (values.some((v, i) => v < values[i - 1])) throw new Error("not sorted");
      return exp(x);
    },
    inputs: [[1, 1.001, 1.002]],
    checks: both,
  },
  "a shift of exponentials": {
    f: async (x: Tensor) => {
      const shift = await max(x).item();
      return add(log(sum(exp(sub(x, shift)))), shift);
    },
    inputs: [vector],
    checks: every,
  },
  "a scale by a power of two": {
    f: async (x: Tensor) => {
      const scale = 2 ** Math.ceil(Math.log2(Math.abs(await max(x).item())));
      return mul(scale, tanh(div(x, scale)));
    },
    inputs: [vector],
    checks: both,
  },
  "terms of a series, until they are small": {
    f: async (x: Tensor) => {
      let [term, series] = [x, x];
      for (let k = 2; k < 40 && await max(term).item() > 1e-17; k++) {
        term = div(mul(term, x), k);
        series = add(series, term);
      }
      return series;
    },
    inputs: [positive],
    checks: every,
  },
  "a sleep before the result": {
    f: async (x: Tensor) => {
      await Promise.resolve();
      return mul(x, x);
    },
    inputs: [vector],
    checks: both,
  },
});

const box = (x: Tensor) => [0, 1, 2, 3].map((i) => slice(x, [i]));
/** Complete intersection over union, with its trade-off held, as its authors mean it. */
function ciou(a: Tensor, b: Tensor): Tensor {
  const [[ax1, ay1, ax2, ay2], [bx1, by1, bx2, by2]] = [box(a), box(b)];
  const overlap = mul(relu(sub(minimum(ax2, bx2), maximum(ax1, bx1))), relu(sub(minimum(ay2, by2), maximum(ay1, by1))));
  const areas = add(mul(sub(ax2, ax1), sub(ay2, ay1)), mul(sub(bx2, bx1), sub(by2, by1)));
  const iou = div(overlap, sub(areas, overlap));
  const aspects = sub(atan(div(sub(ax2, ax1), sub(ay2, ay1))), atan(div(sub(bx2, bx1), sub(by2, by1))));
  const v = mul(4 / Math.PI ** 2, square(aspects));
  return sub(iou, mul(hold(div(v, add(sub(1, iou), v))), v));
}

const held = listed("a value that is held on purpose", ok, {
  "the trade-off of CIoU": {
    source: "open-mmlab/mmdetection#5835",
    f: ciou,
    inputs: [[0.1, 0.2, 1.3, 1], [0.4, 0.3, 1.5, 1.4]],
    checks: both,
  },
  "a straight-through estimator": { f: (x) => square(add(x, hold(sub(round(x), x)))), inputs: [vector], checks: both },
  "a straight-through sign": {
    f: (x) => mul(add(x, hold(sub(div(x, sqrt(square(x))), x))), 2),
    inputs: [vector],
    checks: both,
  },
  "a target that is predicted": {
    f: (x) => sum(square(sub(tanh(x), hold(sigmoid(x))))),
    inputs: [vector],
    checks: every,
  },
  "a focal weight": {
    f: (x) => neg(mul(hold(square(sub(1, sigmoid(x)))), log(sigmoid(x)))),
    inputs: [vector],
    checks: every,
  },
  "a normaliser": { f: (x) => div(x, hold(sqrt(sum(square(x))))), inputs: [vector], checks: both },
  "a factor": { f: (x) => mul(hold(x), x), inputs: [vector], checks: every },
  "a remainder taken off": { f: (x) => sub(x, hold(sub(x, floor(x)))), inputs: [vector], checks: both },
  "a whole branch beside another": {
    f: (x, y) => add(mul(hold(exp(x)), y), square(x)),
    inputs: [vector, positive],
    checks: every,
  },
  "a temperature": {
    f: (x, t) => softmax(div(x, hold(exp(t)))),
    inputs: [vector, 0.3],
    checks: both,
    because: "the temperature gets no gradient, on purpose",
    accepts: ["ok", "undecided"],
  },
});

const without = listed("a value that is detached without influence", ok, {
  "the greatest element of a softmax by hand": {
    f: (x) => {
      const e = exp(sub(x, detach(max(x))));
      return div(e, sum(e));
    },
    inputs: [vector],
    checks: both,
  },
  "the same at order 2": {
    f: (x) => {
      const e = exp(sub(x, detach(max(x))));
      return div(e, sum(e));
    },
    inputs: [vector],
    checks: second,
  },
  "the mean of a variance": { f: (x) => mean(square(sub(x, detach(mean(x))))), inputs: [vector], checks: both },
  "what is multiplied by 0": { f: (x) => add(exp(x), mul(0, detach(x))), inputs: [vector], checks: both },
  "a mask": { f: (x) => mul(detach(sub(sigmoid(x), sigmoid(x))), x), inputs: [vector], checks: both },
});

export const values: readonly Case[] = [read, held, without].flat();
