/** Wrong gradients on the tape, each of which must be found. */
import type { Case } from "./case.ts";
import { hidden } from "./wrong/hidden.ts";
import { losses } from "./wrong/losses.ts";
import { mistakes } from "./wrong/mistakes.ts";
import { scalars } from "./wrong/scalars.ts";
import { structures } from "./wrong/structures.ts";
import { tiesAndKinks } from "./wrong/ties.ts";

export const wrong: readonly Case[] = [scalars, structures, tiesAndKinks, losses, mistakes, hidden].flat();
