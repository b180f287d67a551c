/** Command-line parsing, with error messages for the user. */
import { parseArgs, type ParseArgsConfig } from "node:util";
import { nearest } from "../core/options.ts";

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
    const { code, message } = error as { code?: string; message: string };
    const [, unknown] = code === "ERR_PARSE_ARGS_UNKNOWN_OPTION" ? /'(--?[^'=]+)/.exec(message) ?? [] : [];
    if (unknown === undefined) throw new CommandError(message);
    const names = Object.keys(config.options ?? {});
    const near = nearest(unknown, names);
    const hint = near ? `did you mean --${near}?` : `the options are ${names.map((name) => `--${name}`).join(", ")}`;
    throw new CommandError(`there is no option ${unknown}; ${hint}`);
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

/** Parses a number of seconds given to an option, or throws a usage error. */
export function positive(option: string, text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value) && value > 0) return value;
  throw new CommandError(`${option}: expected a number above 0, got ${JSON.stringify(text)}`);
}

/** Parses one of some words given to an option, or throws a usage error. */
export function oneOf<const T extends string>(option: string, text: string, words: readonly T[]): T {
  const word = words.find((word) => word === text);
  if (word !== undefined) return word;
  throw new CommandError(`${option}: expected ${words.join(" or ")}, got ${JSON.stringify(text)}`);
}
