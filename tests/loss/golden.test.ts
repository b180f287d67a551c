import { test } from "node:test";
import { readJson } from "../support/source.ts";
import { goldenTests } from "./golden.ts";

for (const [name, body] of goldenTests(readJson("tests/loss/golden/ssd.json"))) test(name, body);
