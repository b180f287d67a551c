/** Command-line parsing, with error messages for the user. */
import { parseArgs, type ParseArgsConfig } from "node:util";

/** A usage error, or a mistake in the file to check: only its message is printed. */
export class CommandError extends Error {}

/** `parseArgs`, but errors are usage errors, and options accept negative numbers. */
export function parse<const T extends ParseArgsConfig & { args: string[] }>(
  config: T,
): ReturnType<typeof parseArgs<T>> {
  const args: string[] = [];
  for (const argument of config.args) {
    // `--seed -5`: on its own, -5 would be parsed as an option.
    if (/^-\d/.test(argument) && /^--\w+$/.test(args.at(-1) ?? "")) args.push(`${args.pop()}=${argument}`);
    else args.push(argument);
  }
  try {
    return parseArgs<T>({ ...config, args });
  } catch (error) {
    throw new CommandError((error as Error).message);
  }
}

/** Parses a whole number given to an option, or throws a usage error. */
export function wholeNumber(option: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(value) || value < least) {
    const range = least === -Infinity ? "a whole number" : `a whole number of at least ${least}`;
    throw new CommandError(`${option}: expected ${range}, got ${JSON.stringify(text)}`);
  }
  return value;
}
