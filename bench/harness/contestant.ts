/** A contestant: a library with its configuration, in a program of its own that waits while others run. */
import type { Order, Ready, Refusal, Request, Times } from "./protocol.ts";

/** How a contestant is listed. */
export interface Entrant {
  /** Its name with everything that tells it from others, such as `PyTorch, 2 threads`. */
  readonly label: string;
  /** Whether it is gpugrad, another library, or a bound that no library reaches. */
  readonly kind: "gpugrad" | "peer" | "limit";
  /** Whether it computes in JavaScript or WebAssembly: the best of these is what gpugrad is compared with, beside PyTorch. */
  readonly script: boolean;
  readonly threads: number | null;
}

export interface Contestant extends Entrant {
  /** Its version and configuration; a refusal if it is not installed. */
  about(): Promise<{ version: string; configuration: string } | Refusal>;
  prepare(order: Order): Promise<Ready | Refusal>;
  run(times: number): Promise<Times | Refusal>;
  release(): Promise<void>;
  stop(): Promise<void>;
}

/** A channel to a program that answers one request after the other. */
export interface Channel {
  /** Rejects if the program has ended or does not answer in time. */
  ask(request: Request, milliseconds: number): Promise<unknown>;
  /** The program's first message. */
  readonly greeting: Promise<unknown>;
  close(): Promise<void>;
}

/** Longest times for an answer, in milliseconds. */
const PATIENCE = { start: 60_000, prepare: 90_000, run: 90_000 };

/** A contestant at the other end of a channel, which is opened when it is first needed and again if it broke. */
export class Remote implements Contestant {
  readonly label: string;
  readonly kind: Entrant["kind"];
  readonly script: boolean;
  readonly threads: number | null;
  readonly #open: () => Promise<Channel>;
  #channel: Promise<Channel> | null = null;

  constructor(entrant: Entrant, open: () => Promise<Channel>) {
    ({ label: this.label, kind: this.kind, script: this.script, threads: this.threads } = entrant);
    this.#open = open;
  }

  async about(): Promise<{ version: string; configuration: string } | Refusal> {
    try {
      const { greeting } = await this.#opened();
      return await within(greeting, PATIENCE.start) as { version: string; configuration: string } | Refusal;
    } catch (error) {
      await this.stop();
      return { cannot: (error as Error).message };
    }
  }

  async prepare(order: Order): Promise<Ready | Refusal> {
    const about = await this.about();
    if ("cannot" in about) return about;
    return await this.#ask({ prepare: order }, PATIENCE.prepare) as Ready | Refusal;
  }

  async run(times: number): Promise<Times | Refusal> {
    return await this.#ask({ run: times }, PATIENCE.run) as Times | Refusal;
  }

  async release(): Promise<void> {
    await this.#ask({ release: true }, PATIENCE.run);
  }

  async stop(): Promise<void> {
    const channel = this.#channel;
    this.#channel = null;
    await channel?.then((open) => open.close(), () => {});
  }

  async #ask(request: Request, milliseconds: number): Promise<unknown> {
    try {
      return await (await this.#opened()).ask(request, milliseconds);
    } catch (error) {
      await this.stop();
      return { cannot: (error as Error).message };
    }
  }

  #opened(): Promise<Channel> {
    return this.#channel ??= this.#open();
  }
}

/** Rejects if a promise is not settled in time. */
export async function within<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${milliseconds / 1000} s`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
