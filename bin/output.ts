/** Output of a report: terminal, files and exit code. */
import { existsSync, realpathSync } from "node:fs";
import { open, rm, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import process from "node:process";
import { styleText } from "node:util";
import { reportHtml } from "../verify/report/html.ts";
import { reportJson } from "../verify/report/json.ts";
import type { RunReport } from "../verify/report/report.ts";
import { runText, type TextOptions } from "../verify/report/text.ts";
import { CommandError } from "./arguments.ts";

/** The files to write a report to. */
export interface OutputFiles {
  readonly json?: string;
  readonly html?: string;
}

/** Exit codes: everything right, a gradient wrong, something not checkable, Ctrl-C. */
export const EXIT = { ok: 0, wrong: 1, undecided: 2, interrupted: 130 } as const;

/** Colours only on a terminal, and not if NO_COLOR is set. */
function textOptions(): TextOptions {
  return process.stdout.isTTY && !process.env.NO_COLOR ? { style: styled } : {};
}

function styled(style: Parameters<NonNullable<TextOptions["style"]>>[0], text: string): string {
  return styleText(style, text);
}

/** Prints a report, writes its files and returns the exit code. */
export async function output(run: RunReport, files: OutputFiles): Promise<number> {
  console.log(runText(run, textOptions()));
  if (files.json !== undefined) await write("--json", files.json, reportJson(run) + "\n");
  if (files.html !== undefined) await write("--html", files.html, await reportHtml(run));
  const verdicts = run.checks.map(({ verdict }) => verdict);
  // No checks is not success, except for a shard without a share of the few runs.
  if (verdicts.length === 0) return run.shard ? EXIT.ok : EXIT.undecided;
  return verdicts.includes("wrong") ? EXIT.wrong : verdicts.includes("undecided") ? EXIT.undecided : EXIT.ok;
}

async function write(option: string, path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text);
  } catch (error) {
    throw new CommandError(`${option}: cannot write ${path}: ${(error as Error).message}`);
  }
}

/** Throws a usage error, before the work, if a file cannot be written or is one of those that the command reads. */
export async function requireWritable({ json, html }: OutputFiles, inputs: readonly string[]): Promise<void> {
  const real = (path: string) => (existsSync(path) ? realpathSync(path) : resolve(path));
  for (const [option, path] of [["--json", json], ["--html", html]] as const) {
    if (path === undefined) continue;
    const taken = inputs.find((input) => real(input) === real(path));
    if (taken !== undefined) {
      throw new CommandError(`${option}: ${path} is read by the command, and would be overwritten`);
    }
    const isNew = !existsSync(path);
    try {
      await (await open(path, "a")).close();
      if (isNew) await rm(path);
    } catch (error) {
      throw new CommandError(`${option}: cannot write ${path}: ${(error as Error).message}`);
    }
  }
  if (json !== undefined && html !== undefined && real(json) === real(html)) {
    throw new CommandError(`--json and --html: expected two files, got ${json} for both`);
  }
}
