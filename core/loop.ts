/** Loops on the tape: a part of it that runs several times, each time on what the time before left and on the next row of some arrays. */
import type { Entry } from "./entry.ts";
import type { Attributes, RepeatKernel } from "./kernel.ts";

/** A structure without its numbers, in text, and the numbers, in the order in which the text leaves them out. */
export interface Structure {
  readonly text: string;
  readonly numbers: readonly number[];
  /** The entry and the attribute of each number. */
  readonly places: readonly { readonly entry: Entry; readonly name: string }[];
}

/**
 * The parts of a loop. The arguments of its body are leaves without values. The inputs of the entry stand for them, in this order: the first
 * carries, arrays with the rows, and what is the same each time.
 */
export interface LoopParts<T extends Entry = Entry> {
  /** Arguments that are what the time before returned as `next`. */
  readonly carries: readonly T[];
  /** Arguments that are rows of arrays. */
  readonly rows: readonly T[];
  /** Arguments that are the same each time. */
  readonly captured: readonly T[];
  /** The next carries. The last ones are the first results. */
  readonly next: readonly T[];
  /** Results whose rows are what each time returned. */
  readonly stacked: readonly T[];
  /** Results that are sums of what each time returned. */
  readonly summed: readonly T[];
  /** How often it runs: at least once. */
  readonly count: number;
  /** Whether it begins with the last row. */
  readonly reverse: boolean;
}

/** How a result follows from the body. */
export type ResultKind = "last" | "stacked" | "summed";

/** A loop: a part of the tape, and how often it runs. */
export class Loop<T extends Entry = Entry> {
  /** The same for loops of the same structure and numbers. The only property that is enumerable, so that attributes compare by it. */
  readonly key: string;
  readonly #parts: LoopParts<T>;
  readonly #structure: Structure;
  readonly #entries: readonly T[];
  /** For each value of the body, the numbers of the arguments that it needs. */
  #needs: readonly ReadonlySet<number>[] | null = null;
  readonly #reached = new Map<number, readonly number[]>();

  constructor(parts: LoopParts<T>, entries: readonly T[], structure: Structure, key: string) {
    this.key = key;
    this.#parts = parts;
    this.#entries = entries;
    this.#structure = structure;
  }

  get parts(): LoopParts<T> {
    return this.#parts;
  }

  /** The entries of the body without its arguments, inputs first. */
  get entries(): readonly T[] {
    return this.#entries;
  }

  get structure(): Structure {
    return this.#structure;
  }

  /** The arguments of the body, in the order of the inputs of the entry. */
  get arguments(): readonly T[] {
    const { carries, rows, captured } = this.#parts;
    return [...carries, ...rows, ...captured];
  }

  /** The entries that the body returns, in the order of the results. */
  get returned(): readonly T[] {
    const { next, stacked, summed } = this.#parts;
    return [...next, ...stacked, ...summed];
  }

  kindOf(result: number): ResultKind {
    const { next, stacked } = this.#parts;
    return result < next.length ? "last" : result < next.length + stacked.length ? "stacked" : "summed";
  }

  /** The shape of a result. */
  shapeOf(result: number): readonly number[] {
    const { shape } = this.returned[result];
    return this.kindOf(result) === "stacked" ? [this.#parts.count, ...shape] : shape;
  }

  /** The numbers of the inputs that a result needs, ascending: also those that the carries on the way to it need. */
  needs(result: number): readonly number[] {
    let found = this.#reached.get(result);
    if (found) return found;
    this.#needs ??= this.#findNeeds();
    const needed = new Set(result < this.#parts.next.length ? [result] : this.#needs[result]);
    // A set is visited in the order of insertion, what is added meanwhile included. A carry needs what the next one does.
    for (const input of needed) {
      if (input < this.#parts.carries.length) { for (const other of this.#needs[input]) needed.add(other); }
    }
    this.#reached.set(result, found = [...needed].sort((a, b) => a - b));
    return found;
  }

  #findNeeds(): readonly ReadonlySet<number>[] {
    const numbers = new Map<Entry, number>(this.arguments.map((t, i) => [t, i]));
    return this.returned.map((returned) => {
      const needed = new Set<number>();
      const seen = new Set<Entry>([returned]);
      for (const entry of seen) {
        const number = numbers.get(entry);
        if (number !== undefined) needed.add(number);
        else for (const input of dependenciesOf(entry)) seen.add(input);
      }
      return needed;
    });
  }

  /** In place of the whole body, where attributes are shown. */
  toJSON(): string {
    const { count, reverse } = this.#parts;
    return `${count} times${reverse ? ", backwards," : ""} ${this.#entries.length} entries`;
  }
}

/** The kernel of an entry that is a loop; `null` if it is none. The body of a loop has entries of the same type as the tape around it. */
export function repeatOf<T extends Entry>(entry: T): RepeatKernel<Attributes, Loop<T>, T> | null {
  const { kernel } = entry.op;
  return kernel.kind === "repeat" ? kernel as RepeatKernel<Attributes, Loop<T>, T> : null;
}

/** The loop of an entry; `null` if it is none. */
export function loopOf<T extends Entry>(entry: T): Loop<T> | null {
  return repeatOf(entry)?.loop(entry.attributes) ?? null;
}

/** Which result an entry is, of the loop that is its input; `null` if it is none. */
export function resultNumber({ op, attributes }: Entry): number | null {
  const { kernel } = op;
  return kernel.kind === "result" ? kernel.number(attributes) : null;
}

/** The entries that an entry is computed from: for a result of a loop those inputs of the loop that this result needs. */
export function dependenciesOf<T extends Entry>(entry: T): readonly T[] {
  const number = resultNumber(entry);
  if (number === null || entry.inputs.length === 0) return entry.inputs;
  const [loop] = entry.inputs;
  return loopOf(loop)!.needs(number).map((input) => loop.inputs[input]);
}
