import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { skip } from "../support/skip.ts";
import { readJson, root } from "../support/source.ts";
import { devices, goldenTests } from "./golden.ts";

// Boxes of real photographs. They are not part of the repository.
const file = "../shared/coco/ssd-golden.json";

if (existsSync(join(root, file))) {
  // GPUs compute made-up boxes alone, with the same kernels: another plan of the loss takes seconds to compile.
  const tried = devices.filter(({ gpu }) => !gpu);
  for (const golden of goldenTests(readJson(file), ["COCO 320, next 6"], tried)) test(...golden);
} else {
  test(...skip("the loss on boxes of COCO is as recorded", `${file} is not there`), () => {});
}
