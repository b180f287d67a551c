/** Devices, which run plans and keep them. */
import type { Backend, CompiledPlan, Driver } from "./backends/backend.ts";
import type { Values } from "./entry.ts";
import type { Plan, Target } from "./plan/plan.ts";
import type { Program } from "./program.ts";
import { Residents } from "./residents.ts";
import { Value } from "./value.ts";

/**
 * The error of a call during which the device was lost: its driver was reset, its context was lost or it was destroyed. Values computed
 * before remain available, and the next call reopens the device.
 *
 * @example
 * ```ts
 * import { DeviceLostError, exp, tensor } from "gpugrad";
 *
 * const y = exp(tensor([0, 1]));
 * try {
 *   await y.data();
 * } catch (error) {
 *   if (!(error instanceof DeviceLostError)) throw error;
 *   await y.data(); // once more, on the reopened device
 * }
 * ```
 */
export class DeviceLostError extends Error {
  /** The name of the class. */
  override readonly name: string = "DeviceLostError";
}

/** A device that `auto` did not take, and why. */
export interface PassedOver {
  /** Its name. */
  readonly name: string;
  /** Why it was not taken. */
  readonly reason: string;
}

/** Bytes that a device's compiled plans may hold before the least recently used go. */
const DEFAULT_CACHE_BYTES = 1 << 30;
/** Bytes that values may take on a device before the least recently used move to the host. */
const DEFAULT_VALUE_BYTES = 1 << 30;
/** The most compiled plans that a device keeps: each holds code besides its bytes. */
const DEFAULT_CACHE_PLANS = 256;

/**
 * A device: runs plans and keeps the compiled ones. Made by {@link useDevice}.
 *
 * @example
 * ```ts
 * import { strict as assert } from "node:assert";
 * import { exp, tensor, useDevice } from "gpugrad";
 *
 * const device = await useDevice("float64");
 * assert.equal(await exp(tensor(0)).item(), 1);
 * const compiled = device.compiled;
 * assert.equal(await exp(tensor(1)).item(), Math.E); // the same structure: nothing is compiled
 * assert.equal(device.compiled, compiled);
 * ```
 */
export class Device {
  /** The name by which it was requested. */
  readonly name: string;
  /** @internal The record of its backend, known before it is opened. */
  readonly record: Backend;
  /** How many plans it has compiled so far. */
  compiled = 0;
  /** Compiled plans hold at most this many bytes together; the least recently used go first. */
  cacheBytes: number = DEFAULT_CACHE_BYTES;
  /** Values take at most this many bytes on it; the least recently used move to the host first. Values of host devices are on the host. */
  valueBytes: number = DEFAULT_VALUE_BYTES;
  /** It keeps at most this many compiled plans. */
  cachePlans: number = DEFAULT_CACHE_PLANS;
  /** The devices that `useDevice("auto")` passed over for this one, and why; empty while `auto` has not taken it. */
  passedOver: readonly PassedOver[] = [];
  readonly #driver: Driver;
  readonly #residents = new Residents();
  readonly #plans = new Map<string, CompiledPlan>();
  /** Runs under way: a plan is freed only between runs. */
  readonly #busy = new Map<CompiledPlan, number>();
  /** Counts losses: plans compiled before the last one are gone. */
  #losses = 0;
  /** Whether the device is lost and not yet reopened. */
  #lost = false;
  #restart: Promise<void> | null = null;

  /** @internal `useDevice` makes devices. */
  constructor(record: Backend, driver: Driver) {
    this.name = record.name;
    this.record = record;
    this.#driver = driver;
  }

  /** The backend that actually executed the last plan: `float64`, or gpu.js's mode, which can be `cpu` if a backend had to give up. */
  get backend(): string {
    return this.#driver.backend();
  }

  /** How the last compiled plan is executed, `null` before the first run. */
  get executor(): string | null {
    return this.#driver.executor();
  }

  /** Why a faster executor was declined; `null` if none was. */
  get fallbackReason(): string | null {
    return this.#driver.fallbackReason();
  }

  /** The hardware or engine, in words: the adapter or renderer of a GPU, `WebAssembly`, `JavaScript`. */
  get description(): string {
    return this.#driver.description();
  }

  /** @internal How kernels are written for it. */
  get target(): Target {
    return this.record;
  }

  /** The number of compiled plans that it holds, and their bytes. */
  get cached(): { plans: number; bytes: number } {
    let bytes = 0;
    for (const plan of this.#plans.values()) bytes += plan.bytes;
    return { plans: this.#plans.size, bytes };
  }

  /** The number of values that it holds in its own memory, and their bytes. */
  get holds(): { values: number; bytes: number } {
    return { values: this.#residents.count, bytes: this.#residents.bytes };
  }

  /** @internal Runs a program, whose plan is made and compiled on first use and kept under its key. */
  run(program: Pick<Program, "key" | "plan">, leaves: readonly Values[]): Promise<Values[]> {
    return this.#with(program, (compiled) => compiled.run(leaves));
  }

  /** @internal Runs a program as {@link Device.run} does, where the values are. The results stay on the device if it has a memory of its own. */
  async runHere(program: Pick<Program, "key" | "plan">, leaves: readonly Value[]): Promise<Value[]> {
    const results = await this.#with(program, async (compiled) => {
      if (compiled.runHere) return await compiled.runHere(leaves, this.#residents);
      return (await compiled.run(await this.read(leaves))).map((values) => new Value(values));
    });
    for (const value of new Set([...leaves, ...results])) {
      const array = value.arrayOn(this.name);
      if (array) this.#residents.touch(array, value);
    }
    await this.#residents.trim(this.valueBytes);
    return results;
  }

  /** @internal Copies values to the host. */
  read(values: readonly Value[]): Promise<Values[]> {
    return this.#reading(() => Promise.all(values.map((value) => value.read())));
  }

  /** @internal Copies a value into an array, and nowhere else. */
  readInto<T extends Values>(value: Value, into: T): Promise<T> {
    return this.#reading(() => value.readInto(into));
  }

  async #reading<T>(read: () => Promise<T>): Promise<T> {
    const losses = this.#losses;
    try {
      return await read();
    } catch (error) {
      this.#noteLoss(error, losses);
      throw error;
    }
  }

  async #with<T>(program: Pick<Program, "key" | "plan">, use: (compiled: CompiledPlan) => Promise<T>): Promise<T> {
    if (this.#lost) await (this.#restart ??= this.#startAnew());
    const losses = this.#losses;
    const { key } = program;
    let compiled = this.#plans.get(key);
    if (compiled) {
      this.#plans.delete(key);
    } else {
      compiled = this.#driver.compile(program.plan(this.target));
      this.compiled++;
    }
    this.#plans.set(key, compiled);
    this.#busy.set(compiled, (this.#busy.get(compiled) ?? 0) + 1);
    try {
      return await use(compiled);
    } catch (error) {
      // A plan that failed may be broken; the next call compiles again.
      if (this.#plans.get(key) === compiled) this.#plans.delete(key);
      this.#noteLoss(error, losses);
      throw error;
    } finally {
      const left = this.#busy.get(compiled)! - 1;
      if (left > 0) this.#busy.set(compiled, left);
      else this.#busy.delete(compiled);
      if (left === 0 && this.#plans.get(key) !== compiled) await this.#free(compiled, losses !== this.#losses);
      await this.#evict();
    }
  }

  /** @internal Compiles a plan for one caller, and frees it when that is done; nothing is kept. */
  async withPlan<T>(plan: Plan, use: (compiled: CompiledPlan) => Promise<T>): Promise<T> {
    if (this.#lost) await (this.#restart ??= this.#startAnew());
    const losses = this.#losses;
    const compiled = this.#driver.compile(plan);
    try {
      return await use(compiled);
    } catch (error) {
      this.#noteLoss(error, losses);
      throw error;
    } finally {
      await this.#free(compiled, losses !== this.#losses);
    }
  }

  /** Notes an error that reports the loss of the device, unless another call has noted it. */
  #noteLoss(error: unknown, losses: number): void {
    if (!(error instanceof DeviceLostError) || losses !== this.#losses) return;
    this.#losses++;
    this.#lost = true;
  }

  /** Frees a plan; errors are ignored for plans that are gone with a lost device. */
  async #free(plan: CompiledPlan, gone: boolean): Promise<void> {
    try {
      await plan.dispose();
    } catch (error) {
      if (!gone) throw error;
    }
  }

  /** Reopens the device after a loss. If it does not come back, the call that needs it throws the reason, and the next one tries again. */
  async #startAnew(): Promise<void> {
    const plans = [...this.#plans.values()];
    this.#plans.clear();
    try {
      for (const plan of plans) if (!this.#busy.has(plan)) await this.#free(plan, true);
      await this.#driver.reopen();
      this.#lost = false;
    } catch (error) {
      throw new DeviceLostError(`${this.name} was lost and does not start again: ${(error as Error).message}`, {
        cause: error,
      });
    } finally {
      this.#restart = null;
    }
  }

  async #evict(): Promise<void> {
    let { plans, bytes } = this.cached;
    for (const [key, plan] of this.#plans) {
      // The newest stays: it is in use.
      if (plans <= 1 || (plans <= this.cachePlans && bytes <= this.cacheBytes)) return;
      this.#plans.delete(key);
      plans--;
      bytes -= plan.bytes;
      if (!this.#busy.has(plan)) await plan.dispose();
    }
  }

  /** Frees all compiled plans. The device can still be used and compiles again. */
  async dispose(): Promise<void> {
    const plans = [...this.#plans.values()];
    this.#plans.clear();
    for (const plan of plans) if (!this.#busy.has(plan)) await plan.dispose();
    await this.#driver.dispose();
  }

  /** Returns the name, the description, the backend and the executor. */
  toString(): string {
    return `Device(${this.name} on ${this.description}, backend ${this.backend}, executor ${
      this.executor ?? "not yet known"
    })`;
  }
}
