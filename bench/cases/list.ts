/** All cases of the bench. */
import type { Case } from "./case.ts";
import { loss } from "./loss.ts";

export const CASES: readonly Case[] = [loss];

export function caseNamed(name: string): Case {
  const found = CASES.find((one) => one.name === name);
  if (!found) throw new Error(`there is no case "${name}"`);
  return found;
}
