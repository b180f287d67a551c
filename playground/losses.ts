/** Losses to begin with. */

/** A loss as text, and its name in the menu. */
export interface LossText {
  readonly name: string;
  readonly text: string;
}

/** The first is shown first. */
export const LOSSES: readonly LossText[] = [
  {
    name: "SSD: the reference",
    text: `// Options of SSDLoss. All names of gpugrad are known.
return {
  matching: terms.bestOverlap({ threshold: 0.5 }),
  localisation: terms.smoothL1({ beta: 1 }),
  classification: terms.crossEntropy(),
  mining: terms.hardest({ ratio: 3 }),
  alpha: 1,
};
`,
  },
  {
    name: "A formula of coordinates",
    text: `// The loss of a predicted and a wanted coordinate, as a plain function:
// elementwise makes an op of it, with derivatives of any order.
return (x, y) => {
  const d = Math.abs(x - y);
  return d < 1 ? 0.5 * d ** 2 : d - 0.5;
};
`,
  },
  {
    name: "A derivative by hand",
    text: `// log(cosh(d)) with a derivative of its own. Make it wrong: the check finds it.
const logCosh = customVjp(
  (d) => sub(add(d, softplus(mul(d, -2))), Math.log(2)),
  ({ cotangent, inputs: [d] }) => mul(cotangent, tanh(d)),
);
return {
  localisation: ({ locations, wanted }) => logCosh(sub(locations, wanted)),
};
`,
  },
  {
    name: "Focal loss, all negatives",
    text: `return {
  classification: terms.focal({ gamma: 2, alpha: 0.25 }),
  mining: terms.allNegatives(),
  normaliser: "batchPositives",
};
`,
  },
  {
    name: "CIoU of decoded boxes",
    text: `return {
  localisation: terms.boxIou({ kind: "ciou" }), // or "giou", "diou", "eiou", "siou"
  weights: { localisation: 5 },
};
`,
  },
  {
    name: "Balanced L1",
    text: `const balancedL1 = elementwise((x, y, alpha, gamma) => {
  const [d, b] = [Math.abs(x - y), Math.expm1(gamma / alpha)];
  return d < 1 ? alpha / b * (b * d + 1) * Math.log1p(b * d) - alpha * d : gamma * d + gamma / b - alpha;
});
return {
  localisation: ({ locations, wanted }) => balancedL1(locations, wanted, 0.5, 1.5),
};
`,
  },
  {
    name: "Wasserstein distance, of ops",
    text: `// Centres, and half the sizes, as one vector; no overlap is needed.
return {
  localisation: ({ decoded, boxes }) => {
    const difference = mul(sub(decoded, boxes), [[1], [1], [0.5], [0.5]]);
    return sub(1, exp(neg(div(norm(difference, 1), 0.1))));
  },
  weights: { localisation: 5 },
};
`,
  },
  {
    name: "Bipartite matching, smoothed labels",
    text: `return {
  matching: terms.bipartite({ threshold: 0.5 }),
  classification: terms.crossEntropy({ labelSmoothing: 0.1 }),
  mining: terms.hardest({ ratio: 3, minimum: 16 }),
};
`,
  },
];
