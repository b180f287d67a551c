/** Reads the JUnit reports of Node, Deno and Bun, which differ in how they represent files and `describe`. */
import { existsSync, readFileSync } from "node:fs";
import { XMLParser } from "fast-xml-parser";
import { type Result, resultOf } from "./results.ts";

interface Case {
  "@name": string;
  "@time"?: string;
  failure?: Detail | Detail[];
  error?: Detail | Detail[];
  skipped?: Detail | Detail[];
}
type Detail = string | { "@message"?: string; "#text"?: string };
interface Suite {
  "@name"?: string;
  testsuite?: Suite[];
  testcase?: Case[];
}

/**
 * Reads the report of a runner.
 *
 * @param root the folder of the project, which Node prefixes to file names.
 * @returns the tests, and the files that are missing from the report.
 */
export function readReport(
  runtime: "node" | "deno" | "bun",
  path: string,
  files: readonly string[],
  root: string,
): { results: Result[]; unreported: readonly string[] } {
  if (!existsSync(path)) return { results: [], unreported: files };
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: "@",
    parseAttributeValue: false,
    htmlEntities: true,
    isArray: (name) => name === "testsuite" || name === "testcase",
  });
  const results: Result[] = [];
  const visit = (suite: Suite, above: string[]): void => {
    for (const test of suite.testcase ?? []) {
      results.push(readCase(test, [...above, quotes(test["@name"]).replace(root, "")].join(" > ")));
    }
    for (const inner of suite.testsuite ?? []) visit(inner, [...above, inner["@name"] ?? ""]);
  };
  const { testsuites } = parser.parse(readFileSync(path, "utf8")) as { testsuites?: Suite | "" };
  if (!testsuites) return { results: [], unreported: files };
  // Deno and Bun wrap each file in a suite and leave out files that do not load. Node has no such suites, and reports those files
  // as failed tests.
  const suites = testsuites.testsuite ?? [];
  const reported = new Set(suites.map((suite) => (suite["@name"] ?? "").replace(/^\.\//, "")));
  if (runtime === "node") visit(testsuites, []);
  else for (const file of suites) visit(file, []);
  // Deno also lists each `describe` as a test.
  const groups = new Set<string>();
  for (const { name } of results) {
    for (let at = name.indexOf(" > "); at >= 0; at = name.indexOf(" > ", at + 1)) groups.add(name.slice(0, at));
  }
  return {
    results: results.filter(({ name, status }) => status === "failed" || !groups.has(name)),
    unreported: runtime === "node" ? [] : files.filter((file) => !reported.has(file)),
  };
}

function readCase(test: Case, name: string): Result {
  const seconds = Number(test["@time"] ?? 0);
  const failure = test.failure ?? test.error;
  if (failure !== undefined) return resultOf(name, "failed", textOf(failure), seconds);
  if (test.skipped === undefined) return resultOf(name, "passed", "", seconds);
  const given = textOf(test.skipped);
  return resultOf(name, "skipped", given === "true" ? "" : given, seconds);
}

function textOf(detail: Detail | Detail[]): string {
  const one = Array.isArray(detail) ? detail[0] : detail;
  return quotes(typeof one === "string" ? one : one["@message"] ?? one["#text"] ?? "").trim();
}

/** Node escapes quotes twice. */
function quotes(text: string): string {
  return text.replaceAll("&quot;", '"');
}
