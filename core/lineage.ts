/** Who can still ask what an entry of the past was made of. */

/**
 * Stands for an entry that is the past, for its ancestors: each of them holds it, so that it lives as long as one of them does. The entry
 * holds its inputs for as long as this lives.
 */
export class Lineage {
  readonly #entry: WeakRef<object>;
  /** The lineages of entries that are made of this one: whatever holds this one holds them, too. */
  readonly later = new Lineages();

  constructor(entry: object) {
    this.#entry = new WeakRef(entry);
  }

  /** Whether the entry is still there. */
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
