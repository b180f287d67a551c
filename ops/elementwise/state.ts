/** The variables of a formula. Where a condition is not known both branches run, each on the variables as they were. */
import { choose, type Condition, type Value } from "./values.ts";

/** A variable. */
export interface Variable {
  value: Value;
  /** How many journals were open when it was declared. Those opened later note its changes. */
  readonly born: number;
}

/** Values of variables. */
export type Values = ReadonlyMap<Variable, Value>;

/** The outcome of a branch. */
export interface Branch<T> {
  readonly result: T;
  /** The variables that it changed, with their values at its end. */
  readonly changes: Values;
}

/** All variables, which change in journals: each notes what its variables were when it was opened. */
export class State {
  readonly #journals: Map<Variable, Value>[] = [];

  /** A new variable. */
  declare(value: Value): Variable {
    return { value, born: this.#journals.length };
  }

  /** Changes a variable. */
  write(variable: Variable, value: Value): void {
    const journal = this.#journals.at(-1);
    if (journal && variable.born < this.#journals.length && !journal.has(variable)) {
      journal.set(variable, variable.value);
    }
    variable.value = value;
  }

  /** Opens a journal. Returns its number, for {@link since} and {@link settle}. */
  open(): number {
    return this.#journals.push(new Map()) - 1;
  }

  /** Closes the newest journal; the changes stay. */
  close(): void {
    const closed = this.#journals.pop()!;
    const outer = this.#journals.at(-1);
    if (!outer) return;
    for (const [variable, value] of closed) {
      if (variable.born < this.#journals.length && !outer.has(variable)) outer.set(variable, value);
    }
  }

  /** Runs a branch and takes its changes back. */
  branch<T>(run: () => T): Branch<T> {
    this.open();
    const result = run();
    const changes = new Map<Variable, Value>();
    for (const [variable, value] of this.#journals.pop()!) {
      changes.set(variable, variable.value);
      variable.value = value;
    }
    return { result, changes };
  }

  /** Makes the changes of a branch. */
  apply(changes: Values): void {
    for (const [variable, value] of changes) this.write(variable, value);
  }

  /** Makes the changes of one branch where the condition holds, and those of another elsewhere. */
  merge(condition: Condition, a: Values, b: Values): void {
    for (const variable of new Set([...a.keys(), ...b.keys()])) {
      const valueIn = (changes: Values) => changes.has(variable) ? changes.get(variable) : variable.value;
      this.write(variable, choose(condition, valueIn(a), valueIn(b)));
    }
  }

  /** The variables that have changed since a journal was opened, with their values now. */
  since(journal: number): Values {
    const changed = new Map<Variable, Value>();
    for (const noted of this.#journals.slice(journal)) {
      for (const variable of noted.keys()) changed.set(variable, variable.value);
    }
    return changed;
  }

  /**
   * Gives the variables the values that they had at an earlier moment where a condition held then, `true` for everywhere.
   *
   * @param journal the newest, which was open at that moment. Variables that are younger are left alone.
   * @param then at least what had changed since it was opened.
   */
  settle(journal: number, condition: true | Condition, then: Values): void {
    const noted = this.#journals[journal];
    for (const variable of new Set([...noted.keys(), ...then.keys()])) {
      if (variable.born > journal) continue;
      const before = noted.has(variable) ? noted.get(variable) : variable.value;
      const value = then.has(variable) ? then.get(variable) : before;
      this.write(variable, condition === true ? value : choose(condition, value, variable.value));
    }
  }
}
