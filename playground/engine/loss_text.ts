/** Makes a loss of its text. */
import { parse } from "acorn";
import * as gpugrad from "../../mod.ts";
import { DefaultBoxes, elementwise, SSDLoss, type SSDLossOptions, terms } from "../../mod.ts";
import type { Box } from "../boxes.ts";
import type { Failure } from "./protocol.ts";

/** The text cannot be made a loss. */
export class TextError extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message);
  }
}

/** Lines that come before those of the text in the function that is made of it. */
const LINES_BEFORE = 3;

/**
 * The loss that a text describes: the body of a function in which the names of gpugrad are known. It returns the options of `new SSDLoss`,
 * or a function of numbers, the loss of a predicted and a wanted coordinate.
 */
export function criterionOf(text: string, boxes: readonly Box[], seen: Seen): SSDLoss {
  const options = optionsOf(text);
  const defaultBoxes = DefaultBoxes.from(boxes);
  // Says what is wrong with the options as they were written.
  new SSDLoss(defaultBoxes, options);
  const { negPosRatio, mining = terms.hardest({ ratio: negPosRatio ?? 3 }), ...rest } = options;
  return new SSDLoss(defaultBoxes, { ...rest, mining: (context) => (seen.mined = mining(context)) });
}

/** The decisions of a loss when it was recorded. */
export interface Seen {
  mined?: gpugrad.Tensor;
}

function optionsOf(text: string): SSDLossOptions {
  checkSyntax(text);
  const value = located(() => {
    // In a block of its own, so that a text may declare names that gpugrad has.
    const make = new Function(...Object.keys(gpugrad), `"use strict"; {\n${text}\n}`);
    return make(...Object.values(gpugrad));
  });
  if (typeof value === "function") {
    const formula = formulaOf(value as (x: number, y: number) => number, text);
    return { localisation: ({ locations, wanted }) => formula(locations, wanted) };
  }
  if (typeof value === "object" && value !== null) return value as SSDLossOptions;
  throw new TextError({
    message: `expected the text to return options of SSDLoss or a function of numbers, got ${String(value)}`,
  });
}

/** The op of a function of numbers; an error says where it is in the text. */
function formulaOf(f: (x: number, y: number) => number, text: string) {
  try {
    return elementwise(f);
  } catch (error) {
    const { message } = error as Error;
    const [, line, column] = /\(line (\d+), column (\d+) of the function\)/.exec(message) ?? [];
    const before = text.slice(0, Math.max(0, text.indexOf(String(f)))).split("\n");
    if (line === undefined) throw error;
    const offset = line === "1" ? before[before.length - 1].length : 0;
    throw new TextError({ message, line: before.length - 1 + Number(line), column: offset + Number(column) - 1 });
  }
}

function checkSyntax(text: string): void {
  try {
    parse(text, { ecmaVersion: "latest", allowReturnOutsideFunction: true });
  } catch (error) {
    const { message, loc } = error as SyntaxError & { loc?: { line: number; column: number } };
    throw new TextError({ message: message.replace(/ \(\d+:\d+\)$/, ""), line: loc?.line, column: loc?.column });
  }
}

/** Runs a part of the text; an error says at which of its lines, if the browser does. */
export function located<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof TextError) throw error;
    throw new TextError(failureOf(error));
  }
}

/** Returns the message for an error that was thrown by a text, or because of it. */
export function failureOf(error: unknown): Failure {
  if (error instanceof TextError) return error.failure;
  if (!(error instanceof Error)) return { message: String(error) };
  // Chromium: "eval at ..., <anonymous>:5:12"; Firefox: "... Function:5:12".
  const [, line, column] = /(?:<anonymous>|Function):(\d+):(\d+)\)?$/m.exec(error.stack ?? "") ?? [];
  const own = Number(line) - LINES_BEFORE;
  return own >= 1 ? { message: error.message, line: own, column: Number(column) - 1 } : { message: error.message };
}
