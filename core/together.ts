/** Requests that are made in one tick are answered together. */

/** How requests are answered. */
export interface Answering<K, R, A> {
  /** Sorts requests of one tick into groups: those of a group have something in common. */
  group(key: K, requests: readonly R[]): Promise<readonly (readonly R[])[]>;
  /** Answers the requests of a group, in their order. If it rejects, fewer are tried together. */
  answer(key: K, requests: readonly R[]): Promise<readonly A[]>;
  /** Whether an error is that of all requests of a group: none is tried again. */
  isFinal(error: unknown): boolean;
}

/** A request whose answer somebody awaits. */
interface Waiting<R, A> {
  readonly request: R;
  resolve(answer: A): void;
  reject(error: unknown): void;
}

/**
 * Collects requests until the tick ends, that is until everything that was already due has run, by key. A group that cannot be answered is
 * halved until each part can be, or is a single request, which fails with an error of its own: what one request needs is not refused
 * because all of them together need too much, and an error costs those beside it a few more attempts rather than one each.
 */
export class Together<K, R, A> {
  readonly #answering: Answering<K, R, A>;
  readonly #waiting = new Map<K, Waiting<R, A>[]>();

  constructor(answering: Answering<K, R, A>) {
    this.#answering = answering;
  }

  /** Asks for an answer, together with the other requests of this tick that have the same key. */
  ask(key: K, request: R): Promise<A> {
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(key);
      if (waiting) return void waiting.push({ request, resolve, reject });
      this.#waiting.set(key, [{ request, resolve, reject }]);
      queueMicrotask(() => void this.#answerAll(key));
    });
  }

  async #answerAll(key: K): Promise<void> {
    const all = this.#waiting.get(key)!;
    this.#waiting.delete(key);
    const byRequest = new Map(all.map((waiting) => [waiting.request, waiting]));
    try {
      const groups = await this.#answering.group(key, [...byRequest.keys()]);
      for (const group of groups) void this.#answer(key, group.map((request) => byRequest.get(request)!));
    } catch (error) {
      for (const { reject } of all) reject(error);
    }
  }

  /** Never rejects. */
  async #answer(key: K, group: readonly Waiting<R, A>[]): Promise<void> {
    try {
      const answers = await this.#answering.answer(key, group.map(({ request }) => request));
      group.forEach(({ resolve }, i) => resolve(answers[i]));
    } catch (error) {
      if (group.length === 1 || this.#answering.isFinal(error)) {
        for (const { reject } of group) reject(error);
        return;
      }
      const half = group.length >> 1;
      // One after the other: if memory was short, both at a time would need as much.
      await this.#answer(key, group.slice(0, half));
      await this.#answer(key, group.slice(half));
    }
  }
}
