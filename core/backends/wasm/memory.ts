/** The memory that all plans of the device share, and what is where in it. */

import { nextTurn } from "../../runtime.ts";
import type { DeviceArray } from "../../value.ts";
import { Weights } from "../weights.ts";

/** The bytes of a page of WebAssembly. */
const PAGE = 65_536;
/** A 32-bit memory has at most this many pages: 4 GiB. Less is taken where the host grants less. */
const MOST_PAGES = [65_536, 32_768, 16_384, 8192, 4096];
/** A system provides memory in parts of at least this many bytes. */
const TOUCHED = 4096;
/** Arrays begin at multiples of a cache line. */
const LINE = 64;
/** Bytes before and behind an array that vectors may read, where lanes beyond it are not needed. */
const MARGIN = 64;
/** Kept free at the beginning: what threads tell one another. */
export const CONTROL_BYTES = 65_536;

/** Thrown if an array does not fit into the memory. */
export class OutOfMemory extends Error {}

/** A free part of the memory. */
interface Gap {
  start: number;
  end: number;
}

/** How long an array that the host has as well stays: this many runs after the last one that used it, by how often it was used. */
const IDLE = { once: 1, again: 8 };

/** A memory in which arrays are allocated and freed. It only grows. */
export class Memory {
  /** Whether what is freed is filled with NaN, for tests: it shows who reads it then. */
  static poisons = false;
  readonly memory: WebAssembly.Memory;
  readonly maximum: number;
  readonly shared: boolean;
  /** Free parts, in order. */
  readonly #gaps: Gap[] = [];
  /** The end of what is in use. */
  #top = CONTROL_BYTES;
  /** The end of what has ever been in use: the first writing to a page takes longer than to copy what fits into it. */
  #highest = CONTROL_BYTES;
  /** Arrays that the host has as well, the one that was used longest ago first. */
  readonly #spare = new Set<MemoryArray>();
  /** How many runs there were. */
  #runs = 0;
  #floats: Float32Array;
  #allocated = 0;
  /** The bytes that were allocated when the garbage collector last had a chance. */
  #collected = 0;
  /** The weights of values that the host does not have. */
  readonly weights: Weights = new Weights();

  /** @param shared whether several threads use it. */
  constructor(shared: boolean) {
    const made = makeMemory(shared);
    this.memory = made.memory;
    this.maximum = made.maximum;
    this.shared = shared;
    this.#floats = new Float32Array(this.memory.buffer);
  }

  /** The bytes that are allocated. */
  get allocated(): number {
    return this.#allocated;
  }

  /** All of it, as numbers. Growing replaces it. */
  get floats(): Float32Array {
    if (this.#floats.buffer !== this.memory.buffer) this.#floats = new Float32Array(this.memory.buffer);
    return this.#floats;
  }

  /**
   * Allocates an array and returns its address.
   *
   * @param elements of four bytes.
   * @throws if the memory would be larger than it can be.
   */
  allocate(elements: number): number {
    const bytes = bytesOf(elements);
    const best = this.#gapOf(bytes) ?? this.#makeRoom(bytes);
    const start = best ? best.start : this.#extend(bytes, elements);
    if (best) {
      best.start += bytes;
      if (best.start === best.end) this.#gaps.splice(this.#gaps.indexOf(best), 1);
    }
    this.#allocated += bytes;
    return start + MARGIN;
  }

  /**
   * Lets the garbage collector free arrays of values that were dropped, if many have been allocated since the last time: it does so between
   * tasks, and a program that computes and awaits can go on without ever ending one.
   */
  async collect(): Promise<void> {
    this.weights.settle();
    if (this.#allocated < this.#collected + COLLECT_AFTER) {
      this.#collected = Math.min(this.#collected, this.#allocated);
      return;
    }
    await nextTurn();
    this.#collected = this.#allocated;
  }

  /** Allocates an array with these elements and returns its address. */
  send(values: Float32Array): number {
    const address = this.allocate(values.length);
    this.write(address, values);
    return address;
  }

  /** Copies elements to an address. */
  write(address: number, values: Float32Array): void {
    this.floats.set(values, address / 4);
  }

  /** Copies an array to the host. */
  read(address: number, elements: number, into: Float32Array = new Float32Array(elements)): Float32Array {
    into.set(this.floats.subarray(address / 4, address / 4 + elements));
    return into;
  }

  /** The smallest gap that is large enough. */
  #gapOf(bytes: number): Gap | null {
    let best: Gap | null = null;
    for (const gap of this.#gaps) {
      const size = gap.end - gap.start;
      if (size >= bytes && (best === null || size < best.end - best.start)) best = gap;
    }
    return best;
  }

  /**
   * Frees arrays that the host has as well, rather than take memory that was never used. One that is needed again is sent again, and stays
   * from then on.
   */
  #makeRoom(bytes: number): Gap | null {
    if (this.#top + bytes <= this.#highest || !this.#couldFree(bytes)) return null;
    for (const array of this.#spare) {
      if (!array.isIdle(this.#runs)) continue;
      array.free();
      const gap = this.#gapOf(bytes);
      if (gap || this.#top + bytes <= this.#highest) return gap;
    }
    return null;
  }

  /** Whether idle arrays take as much together. */
  #couldFree(bytes: number): boolean {
    let sum = 0;
    for (const array of this.#spare) {
      if (array.isIdle(this.#runs)) sum += array.bytes;
      if (sum >= bytes) return true;
    }
    return false;
  }

  /** Notes that a run begins, and returns its number. */
  begin(): void {
    this.#runs++;
  }

  /** How many runs have begun. */
  get runs(): number {
    return this.#runs;
  }

  /** Notes that the host has an array as well, as the one that was used last; or that it is to stay, or was freed. */
  spare(array: MemoryArray, isSpare: boolean): void {
    this.#spare.delete(array);
    if (isSpare) this.#spare.add(array);
  }

  /** Frees an array. */
  free(address: number, elements: number): void {
    const start = address - MARGIN;
    const end = start + bytesOf(elements);
    this.#allocated -= end - start;
    if (Memory.poisons) this.floats.fill(NaN, start / 4, end / 4);
    const gaps = this.#gaps;
    let at = gaps.findIndex((gap) => gap.start >= end);
    if (at < 0) at = gaps.length;
    gaps.splice(at, 0, { start, end });
    for (const i of [at, at - 1]) {
      if (i < 0 || i + 1 >= gaps.length || gaps[i].end !== gaps[i + 1].start) continue;
      gaps[i].end = gaps[i + 1].end;
      gaps.splice(i + 1, 1);
    }
    // Free memory at the end is available to arrays of any size.
    if (gaps.at(-1)?.end === this.#top) this.#top = gaps.pop()!.start;
  }

  #extend(bytes: number, elements: number): number {
    const start = this.#top;
    const missing = Math.ceil((start + bytes - this.memory.buffer.byteLength) / PAGE);
    if (missing > 0) {
      try {
        this.memory.grow(missing);
      } catch (error) {
        throw new OutOfMemory(
          `wasm: out of memory: an array of ${
            4 * elements
          } bytes does not fit next to ${this.#allocated} bytes in use; ` +
            `the memory can have ${this.maximum * PAGE}`,
          { cause: error },
        );
      }
    }
    this.#top = start + bytes;
    this.#highest = Math.max(this.#highest, Math.ceil(this.#top / TOUCHED) * TOUCHED);
    return start;
  }
}

/** The garbage collector gets a chance whenever as many more bytes are allocated. */
const COLLECT_AFTER = 1 << 25;

/** A value in the memory. */
export class MemoryArray implements DeviceArray {
  readonly device = "wasm";
  readonly bytes: number;
  readonly memory: Memory;
  readonly address: number;
  readonly #size: number;
  whenFreed?: () => void;
  /** Calls under way that read it. */
  #readers = 0;
  /** How many have read it. */
  #uses = 0;
  /** The last run that made or read it. */
  #last: number;
  #isSpare = false;
  #freed = false;

  /** @param address of an array that was allocated for as many elements; it belongs to this object from now on. */
  constructor(memory: Memory, address: number, size: number) {
    this.memory = memory;
    this.address = address;
    this.bytes = 4 * size;
    this.#size = size;
    this.#last = memory.runs;
    memory.weights.add(this.bytes);
  }

  get lives(): boolean {
    return !this.#freed;
  }

  read(into?: Float32Array): Promise<Float32Array> {
    if (this.#freed) return Promise.reject(new Error("wasm: an array was freed before it was read"));
    return Promise.resolve(this.memory.read(this.address, this.#size, into));
  }

  spare(again: boolean): void {
    if (this.#freed || this.#isSpare || again) return;
    this.#isSpare = true;
    this.memory.weights.add(-this.bytes);
    this.memory.spare(this, true);
  }

  /** Whether no run has used it for so long that it makes room for others. */
  isIdle(run: number): boolean {
    return run - this.#last >= (this.#uses > 1 ? IDLE.again : IDLE.once);
  }

  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    if (this.#isSpare) this.memory.spare(this, false);
    else this.memory.weights.add(-this.bytes);
    this.#release();
    this.whenFreed?.();
  }

  /** Keeps its contents until {@link MemoryArray.unhold}, even if it is freed. */
  hold(): void {
    this.#readers++;
    this.#uses++;
    this.#last = this.memory.runs;
    if (this.#isSpare) this.memory.spare(this, true);
  }

  unhold(): void {
    this.#readers--;
    this.#release();
  }

  #release(): void {
    if (this.#freed && this.#readers === 0) this.memory.free(this.address, this.#size);
  }
}

function bytesOf(elements: number): number {
  return Math.ceil((4 * elements + 2 * MARGIN) / LINE) * LINE;
}

function makeMemory(shared: boolean): { memory: WebAssembly.Memory; maximum: number } {
  for (const maximum of MOST_PAGES) {
    try {
      return { memory: new WebAssembly.Memory({ initial: CONTROL_BYTES / PAGE + 1, maximum, shared }), maximum };
    } catch (error) {
      if (maximum === MOST_PAGES.at(-1)) throw error;
    }
  }
  throw new Error("wasm: no memory");
}
