/** Lineages, which keep the inputs of an entry of the past alive while a program can still ask for them. */

/**
 * Stands for an entry that is the past, for its ancestors: each of them holds it, so that it lives as long as one of them does. The entry
 * holds its inputs for as long as this is alive.
 */
export class Lineage {
  readonly #entry: WeakRef<object>;
  /** The lineages of entries that are made of this one: every holder of this one also holds them. */
  readonly later = new Lineages();

  constructor(entry: object) {
    this.#entry = new WeakRef(entry);
  }

  /** Whether the entry is still alive. */
  get lives(): boolean {
    return this.#entry.deref() !== undefined;
  }
}

/** A list that drops the lineages of collected entries, sooner or later. */
export class Lineages {
  #list: Lineage[] = [];
  #limit = 16;

  add(lineage: Lineage): void {
    this.#list.push(lineage);
    if (this.#list.length <= this.#limit) return;
    this.#list = this.#list.filter(({ lives }) => lives);
    this.#limit = Math.max(16, 2 * this.#list.length);
  }
}
