/** Names and what they stand for, where a formula is evaluated. */
import type { Range, Site, Source } from "./source.ts";
import type { State, Variable } from "./state.ts";
import { Torn, type Value } from "./values.ts";

/** The value of a variable before its declaration; also if it was declared for some elements only, as by one case of a switch. */
const UNDECLARED: Value = new Torn("a variable before its declaration");

/** The state that all scopes of a call share. */
export interface Shared {
  readonly state: State;
  /** The value of a name that no scope declares: a constant, or a global. */
  global(name: string): Value;
}

/** A scope of a function: a block, or the function's own. */
export class Scope {
  readonly shared: Shared;
  readonly source: Source;
  readonly #outer: Scope | null;
  readonly #variables = new Map<string, Variable>();

  constructor(shared: Shared, source: Source, outer: Scope | null) {
    this.shared = shared;
    this.source = source;
    this.#outer = outer;
  }

  /** A scope within this one. */
  inner(): Scope {
    return new Scope(this.shared, this.source, this);
  }

  /** A scope beside this one, with copies of its variables. */
  copy(): Scope {
    const copy = new Scope(this.shared, this.source, this.#outer);
    for (const [name, { value }] of this.#variables) copy.declare(name, value);
    return copy;
  }

  /** Declares names that have no value yet. */
  announce(names: Iterable<string>): void {
    for (const name of names) this.declare(name, UNDECLARED);
  }

  /** Whether this scope itself has a name. */
  has(name: string): boolean {
    return this.#variables.has(name);
  }

  /** Declares a variable with its value. */
  declare(name: string, value: Value): void {
    const announced = this.#variables.get(name);
    if (announced) this.shared.state.write(announced, value);
    else this.#variables.set(name, this.shared.state.declare(value));
  }

  /** The value of a name. */
  read(name: string, range: Range): Value {
    const variable = this.#find(name);
    if (!variable) return this.shared.global(name);
    if (variable.value === UNDECLARED) this.source.fail(range, `cannot use ${name} before its declaration`);
    return variable.value;
  }

  /** Changes the value of a name. */
  assign(name: string, value: Value, range: Range): void {
    const variable = this.#find(name)!;
    if (variable.value === UNDECLARED) this.source.fail(range, `cannot use ${name} before its declaration`);
    this.shared.state.write(variable, value);
  }

  /** A place of the source. */
  at(range: Range): Site {
    return { fail: (message) => this.source.fail(range, message) };
  }

  #find(name: string): Variable | undefined {
    return this.#variables.get(name) ?? (this.#outer ? this.#outer.#find(name) : undefined);
  }
}
