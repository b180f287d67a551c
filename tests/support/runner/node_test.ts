/**
 * `node:test` as `npm test` runs it in each runtime: the part that tests/README.md permits in test files. One process or page runs many
 * files: each declares its tests while it loads, and they run in order after its top-level awaits.
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
  /** The processor's time, of all threads; 0 where it is unknown. */
  cpu: number;
}

/** Receives the events of a run. */
export interface Listener {
  /** The processor's time that this process has had, in seconds. */
  cpu(): number;
  /** Why a test is left to others, `undefined` if it is not. */
  left(name: string): string | undefined;
  started(name: string): void;
  ended(report: TestReport): void;
}

function suiteOf(name: string, options: Options, parent: Suite | null): Suite {
  return { name, options, parent, entries: [], hooks: { before: [], after: [], beforeEach: [], afterEach: [] } };
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

/** The tests of one file. */
export class Declarations {
  readonly #file = suiteOf("", {}, null);
  #current = this.#file;
  #running = false;

  test(name: string, ...rest: unknown[]): void {
    const [options, body] = readArguments("test", name, rest);
    this.#open("test").entries.push({ name, options, body });
  }

  describe(name: string, ...rest: unknown[]): void {
    const [options, body] = readArguments("describe", name, rest);
    const parent = this.#open("describe");
    const suite = suiteOf(name, options, parent);
    parent.entries.push(suite);
    this.#current = suite;
    try {
      if (body() instanceof Promise) throw new Error(`describe: ${name}: the function must not be async`);
    } finally {
      this.#current = parent;
    }
  }

  hook(which: Hook, body: Body): void {
    this.#open(which).hooks[which].push(body);
  }

  /**
   * Runs the tests.
   *
   * @param wanted whether to run a test, given its full name; the others are not reported.
   */
  async run(wanted: (name: string) => boolean, listener: Listener): Promise<void> {
    if (this.#current !== this.#file) throw new Error("a describe was left open");
    this.#running = true;
    await new Run(wanted, listener).suite(this.#file, undefined, false);
  }

  /** The suite that is being declared. */
  #open(what: string): Suite {
    if (this.#running) {
      throw new Error(`${what} was called after the file had loaded: tests inside of tests do not run everywhere`);
    }
    return this.#current;
  }
}

let current = new Declarations();

/** Begins the declarations of a file that is loaded next. */
export function declarations(): Declarations {
  return current = new Declarations();
}

export function test(name: string, body: Body): void;
export function test(name: string, options: Options, body: Body): void;
export function test(name: string, ...rest: unknown[]): void {
  current.test(name, ...rest);
}

export { test as it };
export default test;

export function describe(name: string, body: Body): void;
export function describe(name: string, options: Options, body: Body): void;
export function describe(name: string, ...rest: unknown[]): void {
  current.describe(name, ...rest);
}

export const before = (body: Body): void => current.hook("before", body);
export const after = (body: Body): void => current.hook("after", body);
export const beforeEach = (body: Body): void => current.hook("beforeEach", body);
export const afterEach = (body: Body): void => current.hook("afterEach", body);

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

/** One run of a file's tests. */
class Run {
  readonly #wanted: (name: string) => boolean;
  readonly #listener: Listener;

  constructor(wanted: (name: string) => boolean, listener: Listener) {
    this.#wanted = wanted;
    this.#listener = listener;
  }

  async suite(suite: Suite, broken: unknown, skip: string | boolean): Promise<void> {
    if (!this.#hasWanted(suite)) return;
    skip ||= suite.options.skip ?? false;
    if (!skip && broken === undefined) {
      try {
        await each(suite.hooks.before);
      } catch (error) {
        broken = error ?? new Error("before threw nothing");
      }
    }
    for (const entry of suite.entries) {
      if (!("body" in entry)) await this.suite(entry, broken, skip);
      else if (this.#wanted(nameOf(suite, entry.name))) await this.#test(entry, suite, { broken, skip });
    }
    if (skip) return;
    try {
      await each(suite.hooks.after);
    } catch (error) {
      this.#listener.ended({
        name: nameOf(suite, "after"),
        status: "failed",
        detail: describeError(error),
        seconds: 0,
        cpu: 0,
      });
    }
  }

  #hasWanted(suite: Suite): boolean {
    return suite.entries.some((e) => "body" in e ? this.#wanted(nameOf(suite, e.name)) : this.#hasWanted(e));
  }

  async #test(test: Test, suite: Suite, { broken, skip }: { broken: unknown; skip: string | boolean }): Promise<void> {
    const name = nameOf(suite, test.name);
    const { left, started, ended, cpu } = this.#listener;
    skip ||= test.options.skip || left(name) || false;
    if (skip) return void ended({ name, status: "skipped", detail: skip === true ? "" : skip, seconds: 0, cpu: 0 });
    started(name);
    const [start, before] = [performance.now(), cpu()];
    const taken = () => ({ seconds: (performance.now() - start) / 1000, cpu: cpu() - before });
    const chain = chainOf(suite);
    try {
      if (broken !== undefined) throw broken;
      try {
        for (const { hooks } of chain) await each(hooks.beforeEach);
        await limited(test.body, test.options.timeout);
      } finally {
        for (const { hooks } of chain.reverse()) await each(hooks.afterEach);
      }
      ended({ name, status: "passed", detail: "", ...taken() });
    } catch (error) {
      ended({ name, status: "failed", detail: describeError(error), ...taken() });
    }
  }
}
