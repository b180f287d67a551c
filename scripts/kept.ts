/** The processes and browsers in which test files run: slow to start, so they are used again. */

/** Test files that get a process or a page of their own, and why: they would break what others use, or others what they measure. */
const ALONE: Readonly<Record<string, string>> = {
  "tests/core/auto.test.ts": "loses devices",
  "tests/core/faults.test.ts": "loses devices",
  "tests/core/residents.test.ts": "loses devices",
  "tests/loss/placement.test.ts": "a warning is shown once per process",
  "tests/soak/soak.test.ts": "measures memory",
};

export function isAlone(file: string): boolean {
  return Object.hasOwn(ALONE, file);
}

/** Something that has been started. */
export interface Kept {
  close(): void | Promise<void>;
}

/** A pool: those not in use wait for the next caller that needs one. */
export class Pooled<T extends Kept> {
  readonly #start: () => T | Promise<T>;
  readonly #idle: T[] = [];
  readonly #all = new Set<T>();

  constructor(start: () => T | Promise<T>) {
    this.#start = start;
  }

  /** @param fresh whether to start one, though another may be idle. */
  async take(fresh = false): Promise<T> {
    const idle = fresh ? undefined : this.#idle.pop();
    if (idle !== undefined) return idle;
    const started = await this.#start();
    this.#all.add(started);
    return started;
  }

  giveBack(one: T): void {
    this.#idle.push(one);
  }

  async end(one: T): Promise<void> {
    this.#all.delete(one);
    await one.close();
  }

  async endAll(): Promise<void> {
    await Promise.all([...this.#all].map((one) => this.end(one)));
  }
}
