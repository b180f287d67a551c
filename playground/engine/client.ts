/** The page's side of a worker: the newest question of each kind waits, older ones are forgotten. */
import type { Answers, Failure, Order, Reply } from "./protocol.ts";

/** An order failed; its message is for the user. */
export class OrderError extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message);
  }
}

/** The worker was ended while it worked. */
export class Stopped extends Error {}

interface Waiting {
  readonly order: Order;
  readonly done: (answer: unknown) => void;
  readonly failed: (error: Error) => void;
}

/** A worker, one order at a time. While it works, at most one order of each kind waits: the newest. */
export class Engine {
  #worker: Worker | null = null;
  #running: Waiting | null = null;
  readonly #waiting = new Map<Order["kind"], Waiting>();
  #id = 0;
  /** Hears whether it works. */
  readonly #tell: (busy: boolean) => void;

  constructor(tell: (busy: boolean) => void = () => {}) {
    this.#tell = tell;
  }

  /** Answers an order; `undefined` if a newer one of its kind took its place. */
  ask<K extends Order["kind"]>(order: Order & { readonly kind: K }): Promise<Answers[K] | undefined> {
    this.#waiting.get(order.kind)?.done(undefined);
    const answer = new Promise<Answers[K] | undefined>((done, failed) => {
      this.#waiting.set(order.kind, { order, done: done as (answer: unknown) => void, failed });
    });
    // A sweep gives up where something else waits.
    if (this.#running?.order.kind === "sweep") this.#worker?.postMessage("hurry");
    else this.#next();
    return answer;
  }

  /** Ends the worker, whatever it does; the next order starts a new one. */
  stop(): void {
    this.#worker?.terminate();
    this.#worker = null;
    this.#end(({ failed }) => failed(new Stopped("stopped")));
  }

  #next(): void {
    if (this.#running) return;
    // Evaluations first: the picture follows a drag.
    const kind = this.#waiting.has("evaluate") ? "evaluate" : this.#waiting.keys().next().value;
    if (kind === undefined) return this.#tell(false);
    this.#running = this.#waiting.get(kind)!;
    this.#waiting.delete(kind);
    this.#tell(true);
    this.#worker ??= this.#start();
    this.#worker.postMessage({ id: ++this.#id, order: this.#running.order });
  }

  #end(how: (waiting: Waiting) => void): void {
    const running = this.#running;
    this.#running = null;
    if (running) how(running);
    this.#next();
  }

  /** An order was given up for another one, after which it is due; unless that is a newer one of its kind. */
  #again(given: Waiting): void {
    const { kind } = given.order;
    if (this.#waiting.has(kind)) given.done(undefined);
    else this.#waiting.set(kind, given);
  }

  #start(): Worker {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      if (data.id !== this.#id) return;
      this.#end((ended) => {
        if ("failure" in data) ended.failed(new OrderError(data.failure));
        else if (data.answer !== null) ended.done(data.answer);
        else this.#again(ended);
      });
    };
    worker.onerror = ({ message }) => {
      this.#worker = null;
      this.#end(({ failed }) => failed(new OrderError({ message: message || "the worker could not be started" })));
    };
    return worker;
  }
}
