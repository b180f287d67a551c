import { test } from "node:test";
import cases from "./golden/ssd.json" with { type: "json" };
import { goldenTests } from "./golden.ts";

/** Each setting of the loss once, at one shape, and the size of use. */
const sample = [
  "an image without targets",
  "fractional negPosRatio",
  "alpha 0.25",
  "low iou threshold",
  "SSD300, 80 classes",
];

for (const golden of goldenTests(cases, sample)) test(...golden);
