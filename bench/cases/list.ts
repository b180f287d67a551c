/** All cases of the bench. */
import type { Case } from "./case.ts";
import { elementwiseOps } from "./elementwise.ts";
import { detectorLosses } from "./losses.ts";
import { otherOps } from "./ops.ts";
import { otherLosses } from "./other_losses.ts";
import { loss } from "./loss.ts";
import { sequences } from "./sequences.ts";

export const CASES: readonly Case[] = [
  loss,
  ...detectorLosses,
  ...otherLosses,
  ...sequences,
  ...elementwiseOps,
  ...otherOps,
];

export function caseNamed(name: string): Case {
  const found = CASES.find((one) => one.name === name);
  if (!found) throw new Error(`there is no case "${name}"`);
  return found;
}
