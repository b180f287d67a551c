/** What is said to someone who calls the command in a way that does not work. */
import { parseArgs, type ParseArgsConfig } from "node:util";

/** A mistake in how the command was called, or in the file to check: its message is all that is printed. */
export class CommandError extends Error {}

/** `parseArgs`, whose errors are mistakes of use, and which takes negative numbers after options. */
export function parse<const T extends ParseArgsConfig & { args: string[] }>(
  config: T,
): ReturnType<typeof parseArgs<T>> {
  const args: string[] = [];
  for (const argument of config.args) {
    // `--seed -5`: alone, -5 would be taken for an option.
    if (/^-\d/.test(argument) && /^--\w+$/.test(args.at(-1) ?? "")) args.push(`${args.pop()}=${argument}`);
    else args.push(argument);
  }
  try {
    return parseArgs<T>({ ...config, args });
  } catch (error) {
    throw new CommandError((error as Error).message);
  }
}

/** A whole number of an option, or what is said where it is none. */
export function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(value) || value < least) {
    const range = least === -Infinity ? "a whole number" : `a whole number, at least ${least}`;
    throw new CommandError(`${option}: expected ${range}, got ${JSON.stringify(text)}`);
  }
  return value;
}
