/** gpu.js on plain JavaScript. */
import { RUNTIMES } from "../runtime.ts";
import type { Backend } from "./backend.ts";
import { common, type Dialect } from "./dialect.ts";
import { openGpuJs } from "./gpujs_driver.ts";
import { commonLimits, hostCosts } from "./budgets.ts";
import { openHost } from "./platform.ts";

/** It computes in doubles and stores float32. Each operation is rounded, so that comparisons agree with float32. */
const dialect: Dialect = { ...common, name: "cpu", rounds: "Math.fround", exactIndex: Number.MAX_SAFE_INTEGER };

export const cpu: Backend = {
  name: "cpu",
  computesOn: "host",
  runsIn: RUNTIMES,
  needs: () => null,
  dialect,
  costs: hostCosts,
  limits: { ...commonLimits, name: "cpu" },
  accuracy: "host",
  arrays: Float32Array,
  driver: () => openGpuJs(cpu, openHost("JavaScript")),
};
