/** The report of a gradient check: plain data, shared by the terminal, JSON and HTML. */

/**
 * The verdict on one element of a gradient.
 *
 * - `ok`: gradient and witness agree within the witness's error estimate and a floor.
 * - `wrong`: they differ by more than errors explain. NaN and infinity are never `ok`.
 * - `kink`: there is no derivative: the one-sided slopes differ, and the gradient lies between them.
 * - `noise`: not decidable: the witness's error is too large beside the derivative.
 * - `untested`: not examined; never counted as passed.
 */
export type Verdict = "ok" | "wrong" | "kink" | "noise" | "untested";

/** An independent computation of a derivative. */
export type Witness = "duals" | "differences";

/** One element of one input, or one direction through all inputs in fast mode. */
export interface ElementReport {
  /** The position of the input; -1 for a direction through all of them. */
  readonly input: number;
  /** The element's index in the input, or the direction's number. */
  readonly index: readonly number[];
  /** The order of the derivative: 1, or 2 for the gradient of the gradient. */
  readonly order: 1 | 2;
  /** The derivative of the cotangent-weighted sum of outputs, by the gradient under test. */
  readonly analytic: number;
  /** The same derivative by the witness. */
  readonly numeric: number;
  /** `|analytic - numeric|`. */
  readonly error: number;
  /** The error estimate of `numeric`. */
  readonly estimate: number;
  /** The verdict of the element. */
  readonly verdict: Verdict;
  /** The source of `numeric`, default `differences`: dual numbers are exact to rounding, finite differences are not. */
  readonly witness?: Witness;
  /** The result of the other witness, where it was asked. */
  readonly second?: { readonly witness: Witness; readonly numeric: number; readonly estimate: number };
}

/** One input: its elements' errors as arrays, for pictures, and its verdict counts. */
export interface InputReport {
  /** The input's name: x0, x1 and so on. */
  readonly name: string;
  /** Its shape. */
  readonly shape: readonly number[];
  /** Counts by verdict over the elements, for the highest order checked. */
  readonly counts: Readonly<Record<Verdict, number>>;
  /**
   * The error of each element relative to its tolerance, row-major; `null` if untested, infinite or NaN if it is not a
   * finite number.
   */
  readonly relative: readonly (number | null)[];
  /** The verdict of each element, row-major. Without it, pictures only know the verdicts of the worst elements. */
  readonly verdicts?: readonly Verdict[];
  /** The values of the input, row-major, and their dtype: enough to call the function again. */
  readonly values?: readonly number[];
  /** The dtype of the values. */
  readonly dtype?: string;
}

/** The result of another test: shapes, dtypes, determinism, linearity, devices, the Taylor test. */
export interface Finding {
  /**
   * The name of the test: `shape`, `dtype`, `determinism`, `mutation`, `read back`, `zero cotangent`, `linearity`,
   * `one-hot cotangent`, `missing gradient`, `non-finite`, `domain`, `infinite`, `ties`, `kink`, `beside a kink`, `edge`,
   * `held`, `witnesses`, `device`, `taylor`, `search`.
   */
  readonly check: string;
  /** `warning` if the result is undecidable, or unusual but not wrong. */
  readonly severity: "error" | "warning" | "info";
  /** A sentence that names inputs, indices and numbers. */
  readonly message: string;
  /** The entry of the tape concerned, if any. */
  readonly entry?: number;
}

/** An entry of the tape, for the diagram. */
export interface TapeEntryReport {
  /** The number by which others name it. */
  readonly id: number;
  /** The name of its op. */
  readonly op: string;
  /** The numbers of its inputs. */
  readonly inputs: readonly number[];
  /** Its shape. */
  readonly shape: readonly number[];
  /** Its dtype. */
  readonly dtype: string;
  /** The name of the input, for leaves. */
  readonly input?: string;
  /** Whether the gradient is first wrong here: the rule of this entry's op is the suspect. */
  readonly suspect?: boolean;
}

/** The result of `gradcheck`. */
export interface GradcheckReport {
  /** The version of this structure; see `report.schema.json`. */
  readonly version: 1;
  /** The name of the function. */
  readonly name: string;
  /**
   * `wrong` if any element or finding is wrong; `undecided` if nothing is wrong but something could not be checked;
   * otherwise `ok`.
   */
  readonly verdict: "ok" | "wrong" | "undecided";
  /** Whether each element was checked, or random directions. */
  readonly mode: "full" | "fast";
  /** The highest order checked. */
  readonly order: 1 | 2;
  /** The seed of directions and cotangents. */
  readonly seed: number;
  /** The device compared with the oracle, if any. */
  readonly device: string | null;
  /** The inputs. */
  readonly inputs: readonly InputReport[];
  /** Counts by verdict over all elements and orders. */
  readonly counts: Readonly<Record<Verdict, number>>;
  /** The worst elements, worst first. */
  readonly worst: readonly ElementReport[];
  /** The findings of other tests. */
  readonly findings: readonly Finding[];
  /** The relative distance of the nearest frozen decision from flipping; `null` if there are none. */
  readonly margin: number | null;
  /** The tape of the function; empty for plain functions. */
  readonly tape: readonly TapeEntryReport[];
  /** How long the check took. */
  readonly milliseconds: number;
}

/** A run of the command line, or the merge of several shards: one report per checked function. */
export interface RunReport {
  /** The version of this structure; see `report.schema.json`. */
  readonly version: 1;
  /** The file under check. */
  readonly file: string;
  /** The seed that all inputs follow from. */
  readonly seed: number;
  /** Which part of the run this is, from 1; `null` for all of it. */
  readonly shard: { readonly index: number; readonly count: number } | null;
  /** A report for each function. */
  readonly checks: readonly CheckReport[];
  /** How the command was started, as one types it: `npx gpugrad`. */
  readonly command?: string;
  /** The request; absent from reports of older versions. */
  readonly options?: RunOptions;
}

/** The request that a run answers. */
export interface RunOptions {
  /** The options given on the command line; a replay repeats them. */
  readonly given: {
    readonly runs?: number;
    readonly order?: 1 | 2;
    readonly mode?: "full" | "fast";
    readonly device?: string;
    /** In seconds. */
    readonly timeout?: number;
  };
  /** The options of each check, its own and those given. Shards merge only where these agree. */
  readonly checks: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** A checked function: the number of generated inputs, and the first failing one, shrunk. */
export interface CheckReport {
  /** The name under which the file exports it. */
  readonly name: string;
  /** The verdict over all runs, as of {@link GradcheckReport}. */
  readonly verdict: "ok" | "wrong" | "undecided";
  /** The number of generated inputs. */
  readonly runs: number;
  /** Counts by verdict over all runs. */
  readonly counts: Readonly<Record<Verdict, number>>;
  /** How many runs decided nothing. */
  readonly undecided?: number;
  /** How many elements were left without a verdict: `noise` or `untested`. In fast mode directions stand for elements. */
  readonly open?: number;
  /** The report of the shrunk failure, else of the first undecided run, else of the last run. */
  readonly report: GradcheckReport | null;
  /** The seed and path that replay `report`, where that is not right. */
  readonly replay: { readonly seed: number; readonly path: string } | null;
  /** The reason why it could not be checked, or not to the end. */
  readonly error: string | null;
  /** How long it took. */
  readonly milliseconds?: number;
  /**
   * The blocks of runs that shards share out, in order; they let the reports of shards merge into that of a single run.
   */
  readonly blocks?: readonly BlockReport[];
}

/** A block of runs, the unit of work of a shard. */
export interface BlockReport {
  /** Its position among all blocks of the check. */
  readonly index: number;
  /** The verdict over its runs. */
  readonly verdict: "ok" | "wrong" | "undecided";
  /** The number of its runs. */
  readonly runs: number;
  /** Counts by verdict over its runs. */
  readonly counts: Readonly<Record<Verdict, number>>;
  /** How many of its runs decided nothing, if any. */
  readonly undecided?: number;
  /** How many elements of its runs were left without a verdict, if any. */
  readonly open?: number;
}
