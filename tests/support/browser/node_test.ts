/**
 * `node:test` in a browser: the part that tests/README.md permits in test files. Tests are declared while a file loads,
 * and run in order after its top-level awaits.
 */

type Body = () => unknown;

export interface Options {
  skip?: boolean | string;
  /** Milliseconds. */
  timeout?: number;
}

interface Test {
  name: string;
  options: Options;
  body: Body;
}

interface Suite {
  name: string;
  options: Options;
  parent: Suite | null;
  entries: (Test | Suite)[];
  hooks: Record<Hook, Body[]>;
}
type Hook = "before" | "after" | "beforeEach" | "afterEach";

/** The result of a test. */
export interface TestReport {
  name: string;
  status: "passed" | "failed" | "skipped";
  /** The reason for skipping, or the error with its stack. */
  detail: string;
  seconds: number;
}

function suiteOf(name: string, options: Options, parent: Suite | null): Suite {
  return { name, options, parent, entries: [], hooks: { before: [], after: [], beforeEach: [], afterEach: [] } };
}

const file = suiteOf("", {}, null);
let current = file;
let running = false;

function declare(what: string): Suite {
  if (running) {
    throw new Error(`${what} was called after the file had loaded: tests inside of tests do not run everywhere`);
  }
  return current;
}

/** The arguments of `test` and `describe`, with or without options. */
function readArguments(what: string, name: string, rest: unknown[]): [Options, Body] {
  const body = rest.at(-1);
  const options = rest.length > 1 ? rest[0] : {};
  if (typeof name !== "string" || typeof body !== "function" || typeof options !== "object" || rest.length > 2) {
    throw new Error(`${what}: expected a name, options and a function, or a name and a function`);
  }
  if (body.length > 0) {
    throw new Error(`${what}: ${name}: the function takes an argument, which runtimes do not agree on`);
  }
  for (const option of Object.keys(options as object)) {
    if (option !== "skip" && option !== "timeout") {
      throw new Error(`${what}: ${name}: the option ${option} is not known here`);
    }
  }
  return [options as Options, body as Body];
}

export function test(name: string, body: Body): void;
export function test(name: string, options: Options, body: Body): void;
export function test(name: string, ...rest: unknown[]): void {
  const [options, body] = readArguments("test", name, rest);
  declare("test").entries.push({ name, options, body });
}

export { test as it };
export default test;

export function describe(name: string, body: Body): void;
export function describe(name: string, options: Options, body: Body): void;
export function describe(name: string, ...rest: unknown[]): void {
  const [options, body] = readArguments("describe", name, rest);
  const parent = declare("describe");
  const suite = suiteOf(name, options, parent);
  parent.entries.push(suite);
  current = suite;
  try {
    if (body() instanceof Promise) throw new Error(`describe: ${name}: the function must not be async`);
  } finally {
    current = parent;
  }
}

export const before = (body: Body): void => void declare("before").hooks.before.push(body);
export const after = (body: Body): void => void declare("after").hooks.after.push(body);
export const beforeEach = (body: Body): void => void declare("beforeEach").hooks.beforeEach.push(body);
export const afterEach = (body: Body): void => void declare("afterEach").hooks.afterEach.push(body);

/** A suite and its ancestors, outermost first. */
function chainOf(suite: Suite): Suite[] {
  return suite.parent ? [...chainOf(suite.parent), suite] : [suite];
}

function nameOf(suite: Suite, name: string): string {
  return [...chainOf(suite).slice(1).map((s) => s.name), name].join(" > ");
}

async function limited(body: Body, timeout = Infinity): Promise<void> {
  if (timeout === Infinity) return void await body();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, fail) => {
    timer = setTimeout(() => fail(new Error(`test timed out after ${timeout}ms`)), timeout);
  });
  try {
    await Promise.race([body(), late]);
  } finally {
    clearTimeout(timer);
  }
}

async function each(bodies: readonly Body[]): Promise<void> {
  for (const body of bodies) await body();
}

/** Formats an error with its stack and its cause. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return `threw ${String(error)}`;
  const { name, message, stack = "", cause } = error;
  const text = stack.includes(message) ? stack : `${name}: ${message}\n${stack.replace(/^.*\n/, "")}`;
  return cause === undefined ? text : `${text}\n[cause]: ${describeError(cause)}`;
}

/**
 * Runs the declared tests.
 *
 * @param wanted whether to run a test, given its full name; the others are not reported.
 */
export async function runTests(
  wanted: (name: string) => boolean,
  started: (name: string) => unknown,
  ended: (report: TestReport) => unknown,
): Promise<void> {
  if (current !== file) throw new Error("a describe was left open");
  running = true;

  async function runTest(test: Test, suite: Suite, broken: unknown, skip: string | boolean): Promise<void> {
    const name = nameOf(suite, test.name);
    skip ||= test.options.skip ?? false;
    if (skip) return void ended({ name, status: "skipped", detail: skip === true ? "" : skip, seconds: 0 });
    started(name);
    const start = performance.now();
    const seconds = () => (performance.now() - start) / 1000;
    const chain = chainOf(suite);
    try {
      if (broken !== undefined) throw broken;
      try {
        for (const { hooks } of chain) await each(hooks.beforeEach);
        await limited(test.body, test.options.timeout);
      } finally {
        for (const { hooks } of chain.reverse()) await each(hooks.afterEach);
      }
      ended({ name, status: "passed", detail: "", seconds: seconds() });
    } catch (error) {
      ended({ name, status: "failed", detail: describeError(error), seconds: seconds() });
    }
  }

  function hasWanted(suite: Suite): boolean {
    return suite.entries.some((e) => "body" in e ? wanted(nameOf(suite, e.name)) : hasWanted(e));
  }

  async function runSuite(suite: Suite, broken: unknown, skip: string | boolean): Promise<void> {
    if (!hasWanted(suite)) return;
    skip ||= suite.options.skip ?? false;
    if (!skip && broken === undefined) {
      try {
        await each(suite.hooks.before);
      } catch (error) {
        broken = error ?? new Error("before threw nothing");
      }
    }
    for (const entry of suite.entries) {
      if (!("body" in entry)) await runSuite(entry, broken, skip);
      else if (wanted(nameOf(suite, entry.name))) await runTest(entry, suite, broken, skip);
    }
    if (skip) return;
    try {
      await each(suite.hooks.after);
    } catch (error) {
      ended({ name: nameOf(suite, "after"), status: "failed", detail: describeError(error), seconds: 0 });
    }
  }

  await runSuite(file, undefined, false);
}
