/** The pictures of variants of classification. */
import {
  concat,
  elementwise,
  type LabelledLogits,
  squeeze,
  type Tensor,
  tensor,
  terms,
  unsqueeze,
  zeros,
} from "../../mod.ts";
import { curve, spaced } from "./curves.ts";
import type { Curve, Figure } from "./draw.ts";

const logits = spaced(-6, 6);

/** The loss of positives whose own logit moves, all others being 0. */
function ofOwnLogit(term: (context: LabelledLogits) => Tensor, classes: number, label = 1): (x: Tensor) => Tensor {
  return (x) => {
    const [count] = x.shape;
    const parts = Array.from({ length: classes }, (_, k) => k === label ? unsqueeze(x, 0) : zeros([1, count]));
    const all = unsqueeze(concat(parts, 0), 0);
    const labels = tensor(new Int32Array(count).fill(label), [1, count], { dtype: "int" });
    const positive = tensor(new Uint8Array(count).fill(1), [1, count], { dtype: "bool" });
    return squeeze(term({ logits: all, label: labels, positive }), 0);
  };
}

const own = { argument: "logit of the true class (nats)", gradient: "that logit", unit: "nats", x: logits };

export async function focal(): Promise<Figure> {
  const at = (name: string, gamma: number): Promise<Curve> =>
    curve(name, logits, ofOwnLogit(terms.focal({ gamma, alpha: -1 }), 2));
  return {
    ...own,
    name: "focal",
    description: "The focal loss of two classes, and its gradient, over the logit of the true class",
    curves: [
      await at("cross-entropy (gamma = 0)", 0),
      await at("gamma = 1", 1),
      await at("gamma = 2", 2),
      await at("gamma = 5", 5),
    ],
  };
}

export async function labelSmoothing(): Promise<Figure> {
  const x = spaced(-2, 12);
  const at = (name: string, labelSmoothing: number): Promise<Curve> =>
    curve(name, x, ofOwnLogit(terms.crossEntropy({ labelSmoothing }), 21));
  return {
    ...own,
    x,
    name: "label-smoothing",
    description: "Cross-entropy of 21 classes with smoothed labels, and its gradient, over the logit of the true class",
    curves: [await at("labels of 0 and 1", 0), await at("smoothing 0.1", 0.1), await at("smoothing 0.3", 0.3)],
  };
}

export async function classWeights(): Promise<Figure> {
  const counts = [10_000, 3_000, 300, 100];
  const effective = counts.map((n) => (1 - 0.999 ** n) / (1 - 0.999));
  const weight = effective.map((n) => effective[0] / n);
  const at = (name: string, label: number): Promise<Curve> =>
    curve(name, logits, ofOwnLogit(terms.crossEntropy({ weight }), counts.length, label));
  const times = (k: number) =>
    `seen ${counts[k].toLocaleString("en")} times: weight ${Number(weight[k].toPrecision(3))}`;
  return {
    ...own,
    name: "class-weights",
    description: "Cross-entropy with class weights, and its gradient, over the logit of the true class",
    curves: [await at(times(0), 0), await at(times(2), 2), await at(times(3), 3)],
  };
}

export async function generalisedCrossEntropy(): Promise<Figure> {
  const generalised = elementwise((nll, q) => -Math.expm1(-q * nll) / q);
  const crossEntropy = terms.crossEntropy();
  const at = (name: string, q: number): Promise<Curve> =>
    curve(name, logits, ofOwnLogit((context) => generalised(crossEntropy(context), q), 2));
  return {
    ...own,
    name: "generalised-cross-entropy",
    description: "The generalised cross-entropy of two classes, and its gradient, over the logit of the true class",
    unit: "nats",
    curves: [
      await curve("cross-entropy (q = 0)", logits, ofOwnLogit(crossEntropy, 2)),
      await at("q = 0.3", 0.3),
      await at("q = 0.7", 0.7),
      await at("1 - p (q = 1)", 1),
    ],
  };
}
