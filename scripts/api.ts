/** `npm run api`: writes docs/api.txt, the public API as the suite compares it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { apiReport, ENTRIES, REPORT } from "./api/report.ts";
import { root } from "./processes.ts";

writeFileSync(join(root, REPORT), apiReport(root, ENTRIES));
