/** Runs test files one after the other, in a process or a page that `npm test` keeps. */
import { declarations, describeError, type TestReport } from "./node_test.ts";
import { isLeft, type Turn } from "./turn.ts";

/** The file to run, and how. */
export interface Orders {
  /** The address of the bundled test file. */
  readonly module: string;
  /** Filters by test name: a part of the name, and its ending. */
  readonly name: string;
  readonly ending: string;
  /** This runtime's turn among the tests that runtimes share; `null` for all of them. */
  readonly turn: Turn | null;
}

/** Messages to `npm test` while the tests of a file run. */
export type Message = { started: string } | { ended: TestReport };

/**
 * Loads a test file and runs its tests; returns the error if it does not load.
 *
 * @param cpu the processor's time that this process has had, in seconds.
 */
export async function runFile(
  { module, name, ending, turn }: Orders,
  tell: (message: Message) => void,
  cpu: () => number = () => 0,
): Promise<string | null> {
  const file = declarations();
  try {
    await import(module);
  } catch (error) {
    return describeError(error);
  }
  // A name is given as any of the runtimes would write it.
  const wanted = (full: string) =>
    (full.includes(name) || full.replaceAll(" > ", " ").includes(name)) &&
    full.replace(/ \(skipped: .*\)$/s, "").endsWith(ending);
  await file.run(wanted, {
    cpu,
    left: (full) => turn !== null && isLeft(full, turn) ? "under Node and in one other runtime" : undefined,
    started: (started) => tell({ started }),
    ended: (ended) => tell({ ended }),
  });
  return null;
}
