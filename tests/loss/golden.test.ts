import { test } from "node:test";
import cases from "./golden/ssd.json" with { type: "json" };
import { goldenTests } from "./golden.ts";

/** Ties, a batch, more negatives than there are, and the size of use; other settings of the loss are tried by its properties. */
const sample = [
  "identical targets, different labels",
  "negPosRatio larger than the image",
  "two images",
  "SSD300, 80 classes",
];

for (const golden of goldenTests(cases, sample)) test(...golden);
