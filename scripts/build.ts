/** `npm run build`: writes dist/, the package as npm has it, from the sources. */
import { build } from "./build/package.ts";

await build();
