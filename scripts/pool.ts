/** Runs jobs side by side, those that take longest first, so that no core idles at the end. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Something that keeps about one core busy. */
export interface Job {
  /** Its name in the record of times, such as `deno tests/core/plan.test.ts`. */
  readonly name: string;
  run(): Promise<void>;
}

/** How long jobs took when they last ran, in seconds. */
export class Times {
  readonly #path: string;
  readonly #guess: (name: string) => number;
  readonly #known: Record<string, number>;

  /** @param guess how long a job takes that never ran here. */
  constructor(path: string, guess: (name: string) => number) {
    this.#path = path;
    this.#guess = guess;
    try {
      this.#known = JSON.parse(readFileSync(path, "utf8"));
    } catch {
      this.#known = {};
    }
  }

  of(name: string): number {
    return this.#known[name] ?? this.#guess(name);
  }

  record(name: string, seconds: number): void {
    this.#known[name] = Math.round(seconds * 10) / 10;
  }

  save(): void {
    mkdirSync(dirname(this.#path), { recursive: true });
    writeFileSync(this.#path, JSON.stringify(this.#known, null, 1));
  }
}

/** Runs jobs, up to a number of them at once. */
export class Pool {
  readonly #lanes: number;
  readonly #times: Times;
  readonly #waiting: Job[] = [];
  #running = 0;
  #started = false;
  #done = (): void => {};
  #fail: (error: unknown) => void = () => {};

  constructor(lanes: number, times: Times) {
    this.#lanes = lanes;
    this.#times = times;
  }

  /** Adds a job, also while others run: a job may add those that it prepares. */
  add(job: Job): void {
    this.#waiting.push(job);
    if (this.#started) this.#next();
  }

  /** Runs all jobs; rejects if one does. */
  run(): Promise<void> {
    this.#started = true;
    return new Promise((done, fail) => {
      this.#done = done;
      this.#fail = fail;
      this.#next();
    });
  }

  #next(): void {
    while (this.#running < this.#lanes && this.#waiting.length > 0) void this.#start(this.#takeLongest());
    if (this.#running === 0) this.#done();
  }

  #takeLongest(): Job {
    let longest = 0;
    for (let i = 1; i < this.#waiting.length; i++) {
      if (this.#times.of(this.#waiting[i].name) > this.#times.of(this.#waiting[longest].name)) longest = i;
    }
    return this.#waiting.splice(longest, 1)[0];
  }

  async #start(job: Job): Promise<void> {
    this.#running++;
    const start = performance.now();
    try {
      await job.run();
      this.#times.record(job.name, (performance.now() - start) / 1000);
    } catch (error) {
      this.#fail(error);
    }
    this.#running--;
    this.#next();
  }
}
