/** Parses `GPUGRAD_REQUIRE`. */

/** The programs that run the tests. */
export const RUNTIMES = ["node", "deno", "bun", "chromium"] as const;
export type Runtime = typeof RUNTIMES[number];

/** A backend that tests must have run on, in one runtime, or in each if none is named. */
export interface Requirement {
  runtime: Runtime | null;
  backend: string;
}

/**
 * Reads a list such as `cpu,node:headlessgl`.
 *
 * @throws if a name is empty or a runtime is unknown: a requirement with a typo would be met by anything.
 */
export function parseRequirements(text: string): Requirement[] {
  if (text.trim() === "") return [];
  return text.split(",").map((item) => {
    const parts = item.split(":").map((part) => part.trim());
    const [backend, runtime] = parts.reverse();
    if (parts.length > 2 || parts.includes("")) {
      throw new Error(`GPUGRAD_REQUIRE: expected a backend or runtime:backend, got ${JSON.stringify(item)}`);
    }
    if (runtime !== undefined && !(RUNTIMES as readonly string[]).includes(runtime)) {
      throw new Error(
        `GPUGRAD_REQUIRE: expected one of ${RUNTIMES.join(", ")} before the colon, got ${JSON.stringify(item)}`,
      );
    }
    return { runtime: (runtime as Runtime | undefined) ?? null, backend };
  });
}

/** The backends that tests must have run on in a runtime. */
export function requiredIn(runtime: Runtime, requirements: readonly Requirement[]): string[] {
  const backends = requirements.filter((r) => r.runtime === null || r.runtime === runtime).map((r) => r.backend);
  return [...new Set(backends)];
}
