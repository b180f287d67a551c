/** A plan as a chain of gpu.js kernels over arrays in the memory of a GPU, where its arguments and results stay. */
import type { Values } from "../entry.ts";
import { lastReads, leavesRead } from "../plan/lifetimes.ts";
import type { Plan, Source } from "../plan/plan.ts";
import { sizeOf } from "../shape.ts";
import { Value } from "../value.ts";
import type { CompiledPlan } from "./backend.ts";
import { asFloat32 } from "./arrays.ts";
import { PlanKernels } from "./gpujs_kernels.ts";
import { calling, type Ran, type Session, throwIfElsewhere, throwIfLost } from "./gpujs_session.ts";
import type { GpuArray, GpuMemory, Handle } from "./platform.ts";

/** Each kernel is timed over this many launches. */
const LAUNCHES = 20;

export class GpuJsChain implements CompiledPlan {
  readonly #plan: Plan;
  readonly #session: Session;
  readonly #memory: GpuMemory;
  readonly #kernels: PlanKernels;
  /** The leaves that kernels read. */
  readonly #leaves: readonly number[];
  /** For each step the steps that are read for the last time in it. */
  readonly #lastReads: readonly (readonly number[])[];
  readonly bytes: number;

  constructor(plan: Plan, session: Session, memory: GpuMemory) {
    this.#plan = plan;
    this.#session = session;
    this.#memory = memory;
    // Each call of a kernel writes another array, so that results stay what they are.
    this.#kernels = new PlanKernels(plan, session, { pipeline: true, immutable: true });
    this.#leaves = leavesRead(plan);
    this.#lastReads = lastReads(plan);
    this.bytes = 4 * plan.steps.reduce((n, { shape }) => n + sizeOf(shape), 0);
  }

  async run(leaves: readonly Values[]): Promise<Values[]> {
    const sent = leaves.map((values) => new Value(values));
    const results = await this.#compute(sent);
    return await calling(this.#session, async () => {
      const values = await Promise.all(results.map((result) => result.read()));
      await Promise.all([...sent, ...results].map((value) => value.leave()));
      return values;
    });
  }

  runHere(leaves: readonly Value[]): Promise<Value[]> {
    return this.#compute(leaves);
  }

  #compute(leaves: readonly Value[]): Promise<Value[]> {
    const session = this.#session;
    return session.inTurn(async () => {
      await throwIfLost(session);
      const results = await calling(session, () => session.platform.guarded(() => this.#chain(leaves)));
      // A lost device computes on without an error, and returns zeros.
      await throwIfLost(session);
      return results;
    });
  }

  /** Launches all kernels; none is waited for. */
  async #chain(leaves: readonly Value[]): Promise<Value[]> {
    const sent = new Map<number, Handle>();
    const made = new Map<number, Handle>();
    try {
      await this.#send(leaves, sent);
      for (const [i] of this.#plan.steps.entries()) {
        made.set(i, await this.#launch(i, sent, made));
        for (const read of this.#lastReads[i]) {
          made.get(read)!.delete();
          made.delete(read);
        }
      }
    } catch (error) {
      for (const handle of made.values()) handle.delete();
      throw error;
    } finally {
      for (const handle of sent.values()) handle.delete();
    }
    const values = new Map([...made].map(([i, handle]) => [i, new Value(null, this.#memory.adopt(handle))]));
    return this.#plan.results.map((result) => {
      if (result.from === "leaf") return leaves[result.index];
      return result.from === "step" ? values.get(result.index)! : new Value(new Float32Array(0));
    });
  }

  /**
   * Sends the leaves that kernels read and the device does not have.
   *
   * @param sent takes the handles, which keep the arrays while kernels are launched, even if their values move to the host meanwhile.
   */
  async #send(leaves: readonly Value[], sent: Map<number, Handle>): Promise<void> {
    for (const i of this.#leaves) {
      const values = leaves[i].arrayOn(this.#session.backend.name) ? null : asFloat32(await leaves[i].read());
      if (values) leaves[i].place(await this.#memory.upload(values));
      const array = leaves[i].arrayOn(this.#session.backend.name) as GpuArray;
      sent.set(i, this.#memory.handle(array, this.#plan.leaves[i].extent));
    }
  }

  /** Launches the kernel of a step. */
  async #launch(index: number, sent: ReadonlyMap<number, Handle>, made: ReadonlyMap<number, Handle>): Promise<Handle> {
    const { args, kernel } = this.#plan.steps[index];
    const { dialect } = this.#session.backend;
    const argument = (source: Source): unknown => {
      if (source.from === "empty") return new Float32Array(1);
      return (source.from === "leaf" ? sent : made).get(source.index);
    };
    const result = await this.#kernels.of[index](
      ...args.map(argument),
      ...kernel.opaque.map((name) => dialect.opaque[name]),
    );
    this.#note(result);
    return result as Handle;
  }

  /** Notes who computed a result. */
  #note(result: unknown): void {
    const { reportedAs } = this.#session.platform;
    const ran: Ran = {
      executorKind: "chain",
      fallbackReason: null,
      backend: this.#memory.owns(result) ? reportedAs : "another backend",
    };
    this.#session.last = ran;
    throwIfElsewhere(this.#session, ran);
  }

  /** Times each kernel over several launches on the arrays that it reads in the plan. */
  profile(leaves: readonly Values[]): Promise<number[]> {
    const session = this.#session;
    return session.inTurn(() =>
      calling(session, () =>
        session.platform.guarded(async () => {
          const values = leaves.map((array) => new Value(array));
          const sent = new Map<number, Handle>();
          const made = new Map<number, Handle>();
          const times: number[] = [];
          await this.#send(values, sent);
          for (const [i] of this.#plan.steps.entries()) {
            made.set(i, await this.#launch(i, sent, made));
            times.push(await this.#timed(async () => (await this.#launch(i, sent, made)).delete()));
          }
          for (const handle of [...sent.values(), ...made.values()]) handle.delete();
          await Promise.all(values.map((value) => value.leave()));
          return times;
        }))
    );
  }

  /** The milliseconds of a launch. */
  async #timed(launch: () => Promise<void>): Promise<number> {
    await launch();
    await this.#memory.idle();
    const start = performance.now();
    for (let k = 0; k < LAUNCHES; k++) await launch();
    await this.#memory.idle();
    return (performance.now() - start) / LAUNCHES;
  }

  dispose(): void {
    this.#kernels.dispose();
  }
}
