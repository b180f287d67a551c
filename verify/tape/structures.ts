/** Tapes that have the same structure: they differ in the values of their leaves alone. */
import type { Entry } from "../../core/entry.ts";
import { hasValue } from "../../core/program.ts";
import { sameShape, type Shape } from "../../core/shape.ts";
import { sameData } from "../arrays.ts";

/** The number of structures kept: inputs of the same shapes share one. */
const KEPT = 256;

/** An entry of a tape, without its value. */
interface Template extends Pick<Entry, "op" | "attributes" | "dtype"> {
  /** The positions of its inputs. */
  readonly inputs: readonly number[];
  /** The shape of an entry without inputs; `null` if it follows from those of the inputs. */
  readonly shape: Shape | null;
  /** Whether it is a leaf, or counts as one. */
  readonly given: boolean;
}

/** A tape as a list. */
export interface Layout<T extends Entry> {
  /** Its entries, inputs first. */
  readonly places: readonly T[];
  /** The position of each. */
  readonly positions: ReadonlyMap<T, number>;
}

/**
 * Lays out the entries that outputs are computed from.
 *
 * @param history a part of them, inputs first, which need not be looked for.
 */
export function layoutOf<T extends Entry>(outputs: readonly T[], history: readonly T[]): Layout<T> {
  const positions = new Map<T, number>();
  for (const entry of history) positions.set(entry, positions.size);
  // Calls may have put copies in the place of inputs since.
  if (!history.every(({ inputs }) => inputs.every((input) => positions.has(input)))) return layoutOf(outputs, []);
  const others: T[] = [];
  const seen = new Set<T>();
  const stack = [...outputs];
  while (stack.length > 0) {
    const entry = stack.pop()!;
    if (positions.has(entry) || seen.has(entry)) continue;
    seen.add(entry);
    others.push(entry);
    for (const input of entry.inputs) stack.push(input);
  }
  others.sort((a, b) => a.id - b.id);
  for (const entry of others) positions.set(entry, positions.size);
  return { places: [...history, ...others], positions };
}

function templatesOf<T extends Entry>({ places, positions }: Layout<T>): Template[] {
  return places.map((entry) => {
    const { op, attributes, dtype, shape, inputs } = entry;
    return {
      op,
      attributes,
      dtype,
      inputs: inputs.map((input) => positions.get(input)!),
      shape: inputs.length === 0 ? shape : null,
      given: hasValue(entry),
    };
  });
}

function matches<T extends Entry>({ places, positions }: Layout<T>, templates: readonly Template[]): boolean {
  if (places.length !== templates.length) return false;
  for (let i = 0; i < places.length; i++) {
    const entry = places[i], template = templates[i];
    const { inputs } = entry;
    if (entry.op !== template.op || entry.dtype !== template.dtype || inputs.length !== template.inputs.length) {
      return false;
    }
    for (let k = 0; k < inputs.length; k++) if (positions.get(inputs[k]) !== template.inputs[k]) return false;
    if (template.shape !== null && !(sameShape(entry.shape, template.shape) && hasValue(entry) === template.given)) {
      return false;
    }
    if (!sameData(entry.attributes, template.attributes)) return false;
  }
  return true;
}

interface Known<V> {
  readonly templates: readonly Template[];
  readonly name: string;
  readonly value: V;
}

/** Knowledge about tapes, by their structure. Comparing a tape with one of the same structure takes less time than writing a key for it. */
export class Structures<V> {
  /** By the names that structures have in common; the oldest first. */
  readonly #named = new Map<string, Known<V>[]>();
  readonly #recent: Known<V>[] = [];

  /**
   * Returns the value for a structure, making it if it is missing.
   *
   * @param name what else tells one from another.
   * @param worth says whether to keep the value.
   */
  get<T extends Entry>(layout: Layout<T>, name: string, make: () => V, worth: (value: V) => boolean): V {
    const named = `${layout.places.length} ${name}`;
    const known = this.#named.get(named)?.find(({ templates }) => matches(layout, templates));
    if (known) return known.value;
    const value = make();
    if (worth(value)) this.#keep({ templates: templatesOf(layout), name: named, value });
    return value;
  }

  #keep(known: Known<V>): void {
    this.#recent.push(known);
    const others = this.#named.get(known.name);
    if (others) others.push(known);
    else this.#named.set(known.name, [known]);
    if (this.#recent.length <= KEPT) return;
    const { name } = this.#recent.shift()!;
    const left = this.#named.get(name)!.slice(1);
    if (left.length > 0) this.#named.set(name, left);
    else this.#named.delete(name);
  }
}
