/** What the bench has measured, if it was kept: docs/performance.json. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Report } from "../../bench/harness/report.ts";

const file = fileURLToPath(new URL("../performance.json", import.meta.url));

declare const data: Report | null;
export { data };

export default {
  watch: ["../performance.json"],
  load: (): Report | null => existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) as Report : null,
};
