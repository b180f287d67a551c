/** One block of a check: draws inputs with fast-check, checks the gradient at each, and shrinks the first failure. */
import fc from "fast-check";
import { addSums, type Block, NOTHING, seedOf, type Sums, sumsOf, verdictOf } from "./blocks.ts";
import { bounded } from "./generate/bounded.ts";
import type { CheckReport, GradcheckReport } from "./report/report.ts";
import { messageOf, UsageError } from "./usage.ts";

/** Seeds of cotangents and directions; they do not shrink. */
const directionSeeds = fc.noShrink(fc.integer({ min: 0, max: 0x7fffffff }));

/** Which inputs to draw. */
export interface Draw {
  /** The seed of the run; that of the block follows from it. */
  readonly seed: number;
  readonly block: Block;
  /** The path within the block to start from: the number of an input, and steps of shrinking it. */
  readonly start: readonly number[];
}

/** Checks one generated value, with a seed for cotangents and directions. */
export type CheckValue = (
  generated: unknown,
  seed: number,
  options: { readonly locate: boolean },
) => Promise<GradcheckReport>;

/** The part of a trial that is running. */
export type Phase = "checking" | "shrinking" | "locating";

/** A block of runs. */
export class Trial {
  /** Called before each input, and before the search for the entry at which the gradient departs. */
  watch: (phase: Phase) => void = () => {};
  /** The number of inputs tried since one failed. */
  shrinks = 0;
  #sums: Sums = NOTHING;
  /** The number of inputs drawn before the failure, including those rejected. */
  #drawn = 0;
  #last: GradcheckReport | null = null;
  /** The first input that decided nothing, and the smallest at which the gradient is wrong. */
  #undecided: Place | null = null;
  #failure: Place | null = null;
  readonly #name: string;
  readonly #arbitrary: fc.Arbitrary<unknown>;
  readonly #check: CheckValue;
  readonly #draw: Draw;

  constructor(name: string, arbitrary: fc.Arbitrary<unknown>, check: CheckValue, draw: Draw) {
    this.#name = name;
    this.#arbitrary = arbitrary;
    this.#check = check;
    this.#draw = draw;
  }

  /** The number of completed runs. */
  get runs(): number {
    return this.#sums.runs;
  }

  /** The path of the input that is being checked, or of the failure that is being shrunk. */
  get path(): string {
    return this.#failure?.path ?? this.#path();
  }

  /** The report so far. */
  report(): CheckReport {
    const verdict = this.#failure ? "wrong" : verdictOf(this.#sums);
    const place = this.#failure ?? (verdict === "undecided" ? this.#undecided : null);
    const replay = place && { seed: this.#draw.seed, path: place.path };
    return { name: this.#name, verdict, ...this.#sums, report: place?.report ?? this.#last, replay, error: null };
  }

  /**
   * Runs the block.
   *
   * @throws UsageError if the function cannot be checked, or the arbitrary generates nothing.
   */
  async run(): Promise<CheckReport> {
    const { seed, block, start } = this.#draw;
    let mistake: { readonly error: unknown } | null = null;
    const property = fc.asyncProperty(
      bounded(this.#arbitrary, "checkProperty"),
      directionSeeds,
      async (generated, directions) => {
        if (mistake) return true;
        if (!this.#failure) this.#drawn++;
        this.watch(this.#failure ? "shrinking" : "checking");
        try {
          return this.#take(await this.#check(generated, directions, { locate: false }));
        } catch (error) {
          rethrowPrecondition(error as Error);
          // Not a failure that shrinking could explain.
          mistake = { error };
          return true;
        }
      },
    );
    const path = start.length === 0 ? {} : { path: start.join(":") };
    const result = await drawn(() =>
      fc.check(property, { numRuns: block.runs, seed: seedOf(seed, block.index), ...path })
    );
    if (mistake) throw (mistake as { error: unknown }).error;
    requireTried(result);
    if (result.failed) {
      const [generated, directions] = result.counterexample!;
      this.watch("locating");
      this.#failure = { ...this.#failure!, report: await this.#check(generated, directions, { locate: true }) };
    }
    return this.report();
  }

  /** Counts a report, and returns whether to go on: the first wrong one ends the runs, and is shrunk. */
  #take(report: GradcheckReport): boolean {
    const wrong = report.verdict === "wrong";
    if (this.#failure) {
      this.shrinks++;
      if (wrong) this.#failure = { ...this.#failure, report };
    } else {
      const sums = sumsOf(report);
      this.#sums = addSums([this.#sums, sums]);
      this.#last = report;
      if (wrong) this.#failure = { report, path: this.#path() };
      else if (verdictOf(sums) === "undecided") this.#undecided ??= { report, path: this.#path() };
    }
    return !wrong;
  }

  /**
   * The path of the input drawn last. The steps of shrinking it could follow, up to a hundred; they are left out, because
   * shrinking finds them again.
   */
  #path(): string {
    const { block, start } = this.#draw;
    const steps = start.length === 0 ? [0] : start;
    return [block.index, ...steps.slice(0, -1), steps[steps.length - 1] + this.#drawn - 1].join(":");
  }
}

/** An input and its report. */
interface Place {
  readonly report: GradcheckReport;
  readonly path: string;
}

/** Rethrows the failure of fast-check's `pre` inside the function: this input does not count. */
function rethrowPrecondition({ cause }: Error): void {
  if (fc.PreconditionFailure.isFailure(cause)) throw cause;
}

/** Throws if nothing was checked. */
function requireTried<T>(result: fc.RunDetails<T>): void {
  if (!result.failed || result.counterexample !== null) return;
  throw new UsageError(
    `checkProperty: the arbitrary generates nothing to check: ${result.numSkips} inputs were rejected by a precondition`,
  );
}

/** Runs fast-check. Exceptions come from the arbitrary, because the property itself never throws. */
async function drawn<T>(check: () => Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`checkProperty: the arbitrary throws: ${messageOf(error)}`, { cause: error });
  }
}
