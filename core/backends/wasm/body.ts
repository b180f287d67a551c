/** The statements of a kernel, written for one block of neighbouring threads. */
import type { Expression, Local } from "../../expression.ts";
import type { Statement } from "../../plan/form.ts";
import { i32, load, op, type Value, type Variable } from "./code.ts";
import { BYTES, Indices } from "./indices.ts";
import { LANES, oneOf, type Operand } from "./operands.ts";
import type { Panels } from "./panels.ts";
import { Scalars } from "./scalars.ts";
import type { Phase } from "./strips.ts";
import type { Kernel, Tile } from "./tile.ts";
import { hasLoop, isHarmless, type Locals, readsOf, weightOfBody } from "./varying.ts";

/** A branch of at least this many instructions is taken for each vector by itself. */
const WORTH_ASKING = 20;
/** A variable of a kernel that assignments change. */
interface Changing {
  readonly operand: Operand;
  /** The masks that were in force where it was declared. */
  readonly depth: number;
}

/** The place of a block's elements among the panels. */
export interface Panel {
  readonly of: Panels["of"];
  readonly address: Value;
}

/** A phase of a block. */
interface PhaseAt {
  readonly phase: Phase;
  readonly known: ReadonlyMap<number, Operand>;
  /** Of what is kept of the block. */
  readonly address: Value;
}

/** One of the vectors of a block. */
interface Vector {
  readonly of: Body;
  readonly u: number;
}

/** Writes the body of a kernel for blocks of `width` vectors. */
export class Body {
  readonly #to: Scalars;
  readonly #kernel: Kernel;
  /** What is known before this is of this vector; `null` if this is for the whole block. */
  readonly #vector: Vector | null;
  readonly #indices: Indices;
  readonly #operands = new Map<number, Operand>();
  readonly #changing = new Map<number, Changing>();
  /** The threads that run the current statements; `null` if all of them do. */
  readonly #masks: Operand[] = [];
  /** The panel of copied elements; `null` if nothing was copied. */
  readonly #panel: Panel | null;

  constructor(to: Scalars, kernel: Kernel, panel: Panel | null, vector: Vector | null = null) {
    this.#to = to;
    this.#panel = panel;
    this.#kernel = kernel;
    this.#vector = vector;
    const operandOf = (local: Local) => this.#operandOf(local);
    this.#indices = vector
      ? vector.of.#indices.ofVector(vector.u, to, operandOf)
      : new Indices(to, kernel.arrays, operandOf);
    if (vector) this.#masks.push(...vector.of.#masks.map((mask) => oneOf(mask, vector.u)));
  }

  get #form(): Tile {
    return this.#kernel.form;
  }

  get #locals(): Locals {
    return this.#kernel.locals;
  }

  /**
   * Returns the results.
   *
   * @param coordinates of the first thread of the block.
   */
  write(coordinates: readonly Operand[], narrow: number | null): Operand[] {
    this.#begin(coordinates, narrow);
    this.#block(this.#form.body);
    return this.#results();
  }

  /** Copies what the block reads to its panel. */
  pack(coordinates: readonly Operand[], panel: Panel): void {
    this.#begin(coordinates, null);
    this.#pack(this.#form.body, panel);
  }

  /** Runs statements that do not vary. Returns what they declare. */
  share(coordinates: readonly Operand[], body: readonly Statement[]): ReadonlyMap<number, Operand> {
    this.#begin(coordinates, null);
    this.#block(body);
    return this.#operands;
  }

  /**
   * Runs a phase: takes what was kept of those before it and keeps what others take.
   *
   * @param known what does not vary, counters included.
   * @returns the results, if the phase is the last one.
   */
  phase(coordinates: readonly Operand[], { phase, known, address }: PhaseAt, isLast: boolean): Operand[] {
    const { code } = this.#to;
    const { slots, changing, threads } = this.#form.strips!;
    for (const [id, operand] of known) this.#operands.set(id, operand);
    this.#begin(coordinates, null);
    const place = (local: Local, u: number) => BYTES * (threads * slots.get(local)! + LANES * u);
    for (const local of phase.takes) {
      const operand = this.#to.lanes(this.#locals.kindOf(local), (u) => {
        const vector = load("v128.load", address, place(local, u));
        return changing.has(local) ? code.variable("v128", vector) : code.bind(vector);
      });
      this.#operands.set(local.id, operand);
      if (changing.has(local)) this.#changing.set(local.id, { operand, depth: 0 });
    }
    this.#block(phase.body);
    for (const local of phase.leaves) {
      const operand = this.#operandOf(local);
      for (let u = 0; u < this.#to.width; u++) {
        code.store("v128.store", address, this.#to.vector(operand, u), place(local, u));
      }
    }
    return isLast ? this.#results() : [];
  }

  #results(): Operand[] {
    return this.#form.results.map((result) => this.#to.bind(this.#to.number(this.#expression(result))));
  }

  #begin(coordinates: readonly Operand[], narrow: number | null): void {
    const { threads } = this.#form;
    const [x] = threads;
    const varies = x !== undefined && this.#locals.varies(x);
    threads.forEach((thread, axis) => this.#operands.set(thread.id, coordinates[axis]));
    this.#indices.threads = { local: varies ? x : null, first: varies ? coordinates[0] : null, ahead: 0, narrow };
    if (varies && narrow !== null) this.#operands.set(x.id, this.#indices.narrow(narrow));
  }

  #pack(body: readonly Statement[], panel: Panel): void {
    const to = this.#to;
    const reads = readsOf(body).filter((read) => panel.of.has(read));
    this.#indices.together(reads, () => {
      for (const read of reads) {
        const element = this.#indices.read(read.argument, read.at[0], false);
        const { address, offset } = this.#indices.place(panel.address, panel.of.get(read)!);
        element.parts.forEach((part, u) => to.code.store("v128.store", address, part, offset + BYTES * LANES * u));
      }
    });
    for (const statement of body) {
      if (statement.kind === "loop" && hasPanel(statement.body, panel)) {
        this.#loop(statement, () => this.#pack(statement.body, panel));
      }
    }
  }

  #operandOf(local: Local): Operand {
    const operand = this.#operands.get(local.id);
    if (operand) return operand;
    if (!this.#vector) throw new Error(`wasm: local ${local.id} is used before it is declared`);
    return oneOf(this.#vector.of.#operandOf(local), this.#vector.u);
  }

  #changingOf(local: Local): Changing {
    const changing = this.#changing.get(local.id);
    if (changing || !this.#vector) return changing!;
    const { operand, depth } = this.#vector.of.#changingOf(local);
    return { operand: oneOf(operand, this.#vector.u), depth };
  }

  #block(body: readonly Statement[]): void {
    this.#indices.together(readsOf(body), () => {
      for (const statement of body) this.#statement(statement);
    });
  }

  #statement(statement: Statement): void {
    const to = this.#to;
    switch (statement.kind) {
      case "constant":
        this.#operands.set(statement.local.id, to.literal(statement.value));
        return;
      case "const":
        this.#operands.set(statement.local.id, to.bind(this.#expression(statement.value)));
        return;
      case "let":
        return this.#declare(statement.local, statement.value);
      case "assign":
        return this.#assign(statement.local, this.#expression(statement.value));
      case "loop":
        return this.#loop(statement, () => this.#block(statement.body));
      case "branch":
        return this.#branch(statement);
      default:
        return statement satisfies never;
    }
  }

  #declare(local: Local, value: Expression): void {
    const to = this.#to;
    const kind = local.role === "position" ? "whole" : this.#locals.kindOf(value);
    const given = this.#expression(value);
    const initial = to.bind(kind === "whole" ? to.whole(given) : given);
    const varies = this.#locals.varies(local);
    const operand = varies
      ? to.lanes(kind, (u) => to.code.variable("v128", to.vector(initial, u)))
      : to.scalar(kind, to.code.variable(kind === "number" ? "f32" : "i32", initial.parts[0]));
    this.#operands.set(local.id, operand);
    this.#changing.set(local.id, { operand, depth: this.#masks.length });
  }

  #assign(local: Local, value: Expression | Operand): void {
    const to = this.#to;
    const { operand, depth } = this.#changingOf(local);
    const given = "parts" in value ? value : this.#expression(value);
    const assigned = operand.kind === "whole" ? to.whole(given) : operand.kind === "number" ? to.number(given) : given;
    const mask = this.#masks.length > depth ? this.#masks.at(-1)! : null;
    operand.parts.forEach((part, u) => {
      const variable = part as Variable;
      if (!operand.varies) return to.code.set(variable, assigned.parts[0]);
      const vector = to.vector(assigned, u);
      to.code.set(variable, mask ? op("v128.bitselect", vector, variable, to.vector(mask, u)) : vector);
    });
  }

  #loop({ counter, end, step }: Statement & { kind: "loop" }, write: () => void): void {
    const { code } = this.#to;
    if (end <= 0) return;
    const i = code.variable("i32", i32(0));
    code.loop(() => {
      // A name for the counter that does not change within a turn.
      const fixed = code.bind(i);
      this.#operands.set(counter.id, this.#to.scalar("whole", fixed));
      write();
      code.set(i, op("i32.add", fixed, i32(step)));
      return op("i32.lt_s", i, i32(end));
    });
  }

  #branch({ conditions, body }: Statement & { kind: "branch" }): void {
    const to = this.#to;
    const varying = conditions.filter((condition) => this.#locals.differs(condition));
    const whole = to.all(
      conditions.filter((condition) => !this.#locals.differs(condition)).map((condition) => this.#condition(condition)),
    );
    const inside = () => {
      if (varying.length === 0) return this.#block(body);
      const all = this.#masks.length === 0 && isStraight(body) ? this.#holdForAll(varying) : null;
      if (!all) return this.#divided(varying, body);
      to.code.if(all, () => this.#block(body), () => this.#divided(varying, body));
    };
    if (whole) to.code.if(whole.parts[0], inside);
    else inside();
  }

  /** A scalar that is not 0 only if conditions hold for all threads of the block: as where it is not at the border of an image. */
  #holdForAll(conditions: readonly Expression[]): Value | null {
    let all: Value | null = null;
    for (const condition of conditions) {
      const holds = condition.kind === "within" ? this.#indices.allWithin(condition) : null;
      if (!holds) return null;
      all = all ? op("i32.and", all, holds) : holds;
    }
    return all;
  }

  /** Statements that some threads of the block run. */
  #divided(conditions: readonly Expression[], body: readonly Statement[]): void {
    const to = this.#to;
    const condition = to.all(conditions.map((condition) => this.#condition(condition)))!;
    const around = this.#masks.at(-1);
    const mask = to.bind(around ? to.both(around, condition) : condition);
    const inside = () => {
      this.#masks.push(mask);
      if (to.width > 1 && !this.#panel && isWorthAsking(body)) this.#byVector(mask, body);
      else this.#block(body);
      this.#masks.pop();
    };
    if (isHarmless(body)) return inside();
    const any = mask.parts.reduce((a, b) => op("v128.or", a, b));
    to.code.if(op("v128.any_true", any), inside);
  }

  /** Statements for those vectors of the block in which some thread runs them. */
  #byVector(mask: Operand, body: readonly Statement[]): void {
    const { code } = this.#to;
    mask.parts.forEach((part, u) => {
      code.if(op("v128.any_true", part), () => {
        new Body(new Scalars(code, 1, this.#to), this.#kernel, null, { of: this, u }).#block(body);
      });
    });
  }

  #condition(expression: Expression): Operand {
    const operand = this.#expression(expression);
    return operand.kind === "condition" ? operand : this.#to.call("holds", operand);
  }

  #expression(expression: Expression): Operand {
    const to = this.#to;
    const indices = this.#indices;
    switch (expression.kind) {
      case "local":
        return this.#operandOf(expression);
      case "literal":
        return to.literal(expression.value);
      case "read": {
        const place = this.#panel?.of.get(expression);
        if (place) return indices.packed(this.#panel!.address, place);
        return indices.read(expression.argument, expression.at[0], this.#masks.length > 0);
      }
      case "index":
        return indices.linear(expression.of);
      case "quotient":
        return indices.quotient(expression.of, expression.by, expression.most);
      case "remainder":
        return indices.remainder(expression.of, expression.by, expression.quotient);
      case "within":
        return indices.within(expression.of, expression.low, expression.end);
      case "call":
        return to.call(expression.name, ...expression.args.map((arg) => this.#expression(arg)));
      default:
        return expression satisfies never;
    }
  }
}

/** Whether statements run one after the other. */
function isStraight(body: readonly Statement[]): boolean {
  return body.every(({ kind }) => kind !== "loop" && kind !== "branch");
}

/** Whether statements take so long that it pays to ask which vectors need them, and are not written for longer than they are. */
function isWorthAsking(body: readonly Statement[]): boolean {
  return !hasLoop(body) && weightOfBody(body) >= WORTH_ASKING;
}

/** Whether statements in loops read what was copied. */
function hasPanel(body: readonly Statement[], panel: Panel): boolean {
  return readsOf(body).some((read) => panel.of.has(read)) ||
    body.some((statement) => statement.kind === "loop" && hasPanel(statement.body, panel));
}
