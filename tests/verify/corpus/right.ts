/** Right gradients on the tape that are hard to check, none of which may be called wrong. */
import type { Case } from "./case.ts";
import { kinks } from "./right/kinks.ts";
import { smooth } from "./right/smooth.ts";
import { values } from "./right/values.ts";

export const right: readonly Case[] = [kinks, smooth, values].flat();
