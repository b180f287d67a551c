/** Carries out what the bench asks of a library, in whatever program the library runs. */
import { measure } from "mitata";
import type { Data, Input } from "../cases/case.ts";
import { caseNamed } from "../cases/list.ts";
import type { Answer, Order, Ready, Request, Stored, Times } from "../harness/protocol.ts";
import { Cannot, type Library, type Prepared } from "./library.ts";

/** How a program reaches the files that it shares with the bench. */
export interface Files {
  read(file: string): Promise<ArrayBuffer>;
  write(file: string, data: Float32Array): Promise<void>;
}

/** A program's description of itself. */
export interface Host {
  readonly files: Files;
  /** The processor's time so far in milliseconds, if it is known. */
  readonly cpu: () => number | null;
}

/** Answers requests one after the other. */
export class Answers {
  readonly #library: Library;
  readonly #host: Host;
  #prepared: Prepared | null = null;
  #calls = 0;
  #call = 0;

  constructor(library: Library, host: Host) {
    this.#library = library;
    this.#host = host;
  }

  async to(request: Request): Promise<Answer> {
    try {
      if ("prepare" in request) return await this.#prepare(request.prepare);
      if ("run" in request) return await this.#run(request.run);
      this.#release();
      return {};
    } catch (error) {
      this.#release();
      const { message, stack } = error as Error;
      return { cannot: error instanceof Cannot ? message : `fails: ${message ?? stack ?? error}` };
    }
  }

  async #prepare(order: Order): Promise<Ready> {
    this.#release();
    const calls = await Promise.all(order.calls.map((inputs) => Promise.all(inputs.map((one) => this.#input(one)))));
    const { name, sizes, mode } = order;
    const prepared = await this.#library.prepare({ subject: caseNamed(name), sizes, mode, calls });
    this.#prepared = prepared;
    this.#calls = calls.length;
    this.#call = 0;
    const start = performance.now();
    const results = await prepared.results();
    const first = performance.now() - start;
    const files = results.map((_, i) => `${order.prefix}${i}`);
    await Promise.all(results.map((values, i) => this.#host.files.write(files[i], Float32Array.from(values))));
    // The other inputs once, too, which settles where they stay.
    for (let call = 1; call < this.#calls; call++) await prepared.step(call);
    return { results: files, first };
  }

  async #input({ shape, type, file }: Stored): Promise<Input> {
    const buffer = await this.#host.files.read(file);
    const data: Data = type === "float32" ? new Float32Array(buffer) : new Int32Array(buffer);
    return { shape, data };
  }

  async #run(times: number): Promise<Times> {
    const prepared = this.#prepared;
    if (!prepared) throw new Error("nothing is prepared");
    const before = this.#host.cpu();
    const { samples } = await measure(() => prepared.step(this.#call++ % this.#calls), {
      min_samples: times,
      max_samples: times,
      min_cpu_time: 0,
      warmup_samples: 0,
      // No sample is dropped, and each is one call.
      samples_threshold: Infinity,
      batch_threshold: 0,
      gc: false,
    });
    const after = this.#host.cpu();
    // mitata makes a call more, which it does not time.
    const cpu = before === null || after === null ? null : (after - before) / (times + 1);
    return { samples: samples.map((nanoseconds) => nanoseconds / 1e6), cpu };
  }

  #release(): void {
    this.#prepared?.release();
    this.#prepared = null;
  }
}
