import { test } from "node:test";
import cases from "./golden/ssd.json" with { type: "json" };
import { goldenTests } from "./golden.ts";

for (const golden of goldenTests(cases)) test(...golden);
