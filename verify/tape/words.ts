/** How findings name what they are about. */
import { elementText } from "../inputs.ts";
import type { Position } from "./search.ts";

/** How messages refer to the variables. */
export interface Described {
  readonly names: readonly string[];
  readonly shapes: readonly (readonly number[])[];
  /** Why no gradient reaches a variable. */
  whyNoGradient(variable: number): string;
}

/** How many elements are named. */
const NAMED = 4;

/** Formats elements as text, the first few by name. */
export function listed(elements: readonly Position[], { names, shapes }: Described): string {
  const shown = elements.slice(0, NAMED).map(([k, i]) => elementText(names[k], i, shapes[k]));
  return shown.join(", ") + (elements.length > shown.length ? ` and ${elements.length - shown.length} more` : "");
}
