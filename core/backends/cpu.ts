/** gpu.js on plain JavaScript. */
import { assertFunctionsOfText, needsOfPolicy, RUNTIMES } from "../runtime.ts";
import type { Backend } from "./backend.ts";
import type { Plan } from "../plan/plan.ts";
import { formatShape } from "../shape.ts";
import { common, type Dialect } from "./dialect.ts";
import { openGpuJs } from "./gpujs_driver.ts";
import { commonLimits, hostCosts } from "./budgets.ts";
import { arraysOf, openHost } from "./platform.ts";

/** It computes in doubles and stores float32. Each operation is rounded, so that comparisons agree with float32. */
const dialect: Dialect = { ...common, name: "cpu", rounds: "Math.fround", exactIndex: Number.MAX_SAFE_INTEGER };

export const cpu: Backend = {
  name: "cpu",
  computesOn: "host",
  runsIn: RUNTIMES,
  needs: (runtime) => needsOfPolicy(runtime, "'unsafe-eval'"),
  dialect,
  costs: hostCosts,
  limits: { ...commonLimits, name: "cpu" },
  accuracy: "host",
  arrays: Float32Array,
  driver: async () => {
    // gpu.js would only say that there is no kernel.
    assertFunctionsOfText();
    return await openGpuJs(cpu, openHost("JavaScript", { check: checkArrays }));
  },
};

/** The most elements of a typed array, whatever the engine. */
const MOST_ELEMENTS = 2 ** 32;

/** gpu.js makes arrays row by row, until the process has no memory left. */
function checkArrays(plan: Plan): void {
  for (const { name, shape, size } of arraysOf(plan)) {
    if (size <= MOST_ELEMENTS) continue;
    throw new Error(
      `cpu: ${name} of shape ${
        formatShape(shape)
      } has ${size} elements, but arrays of JavaScript have at most ${MOST_ELEMENTS}`,
    );
  }
}
