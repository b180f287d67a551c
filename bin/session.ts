/** Requests to the worker that end in time: with an answer, at a limit, at Ctrl-C, or because the worker ended. */
import type { Block } from "../verify/blocks.ts";
import type { CheckRun } from "../verify/check.ts";
import type { Answer, Given, Message, Request, Step } from "./messages.ts";
import { type Remote, startRemote } from "./remote.ts";

/** How a request ended otherwise than with what was asked for. */
export type Unanswered =
  | Extract<Answer, { kind: "refused" | "failed" }>
  | { readonly kind: "timeout" }
  | { readonly kind: "interrupted" }
  | { readonly kind: "ended"; readonly reason: string };

/** How a request ended. */
type Outcome<K extends Answer["kind"]> = Extract<Answer, { kind: K }> | Unanswered;

/** The longest delay of a timer, in milliseconds. */
const LONGEST = 2 ** 31 - 1;

/** A worker that is started when it is needed, and started anew after it had to be ended. */
export class Session {
  #remote: Remote | null = null;
  #settle: ((outcome: Answer | Unanswered) => void) | null = null;
  #step: (step: Step) => void = () => {};
  #interrupted = false;

  /** Whether a worker runs, with the file that it has loaded. */
  get running(): boolean {
    return this.#remote !== null;
  }

  get interrupted(): boolean {
    return this.#interrupted;
  }

  /** Loads the file under check. The limit is in milliseconds, as that of {@link run}. */
  async load(file: string, given: Given, limit: number): Promise<Outcome<"loaded">> {
    return await this.#request({ do: "load", file, given }, limit) as Outcome<"loaded">;
  }

  /** Runs a check of the file. */
  async run(
    run: CheckRun,
    blocks: readonly Block[] | null,
    limit: number,
    step: (step: Step) => void,
  ): Promise<Outcome<"report">> {
    this.#step = step;
    return await this.#request({ do: "run", run, blocks }, limit) as Outcome<"report">;
  }

  /** Sends a request and waits for its outcome. After anything but an answer the worker has ended. */
  async #request(request: Request, limit: number): Promise<Answer | Unanswered> {
    if (this.#interrupted) return { kind: "interrupted" };
    this.#remote ??= startRemote({
      message: (message) => this.#receive(message),
      ended: (reason) => this.#ended(reason),
    });
    const settled = new Promise<Answer | Unanswered>((settle) => (this.#settle = settle));
    this.#remote.send(request);
    const timer = limit > LONGEST ? undefined : setTimeout(() => this.#settle?.({ kind: "timeout" }), limit);
    const outcome = await settled;
    clearTimeout(timer);
    this.#settle = null;
    if (outcome.kind === "timeout" || outcome.kind === "interrupted") this.stop();
    return outcome;
  }

  /** Ends the current request, and refuses further ones. */
  interrupt(): void {
    this.#interrupted = true;
    this.#settle?.({ kind: "interrupted" });
  }

  /** Ends the worker once it is idle. */
  async end(): Promise<void> {
    const remote = this.#remote;
    this.#remote = null;
    await remote?.end();
  }

  /** Ends the worker at once. */
  stop(): void {
    this.#remote?.stop();
    this.#remote = null;
  }

  #receive(message: Message): void {
    if (message.kind === "step") this.#step(message.step);
    else this.#settle?.(message);
  }

  #ended(reason: string): void {
    this.#remote = null;
    this.#settle?.({ kind: "ended", reason });
  }
}
