import { readJson } from "../support/source.ts";
import { testGolden } from "./golden.ts";

testGolden(readJson("tests/loss/golden/ssd.json"));
