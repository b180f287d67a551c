/** Which values of a kernel move with its arguments. */
import type { Expression } from "../expression.ts";
import type { LoopForm, Statement } from "../plan/form.ts";
import { rules } from "./partials.ts";

/** Thrown if a plan calls a scalar function whose derivative is not known. */
export class NoDual extends Error {
  override readonly name = "NoDual";
}

/** The values of a kernel that have a derivative with respect to some of its arguments. */
export class Moving {
  readonly #arguments: readonly boolean[];
  /** The locals that move, by their numbers. */
  readonly #locals = new Set<number>();

  /**
   * @param args for each argument whether it moves.
   * @throws {NoDual} if a scalar function of something that moves has no known derivative.
   */
  constructor(form: LoopForm, args: readonly boolean[]) {
    this.#arguments = args;
    // An accumulator may move because of what is assigned to it later, and so may what was computed from it before.
    for (let before = -1; before < this.#locals.size;) {
      before = this.#locals.size;
      this.#spread(form.body);
    }
  }

  /** Notes the locals that move. */
  #spread(body: readonly Statement[]): void {
    for (const statement of body) {
      if (statement.kind === "loop" || statement.kind === "branch") this.#spread(statement.body);
      else if (statement.kind !== "constant" && this.has(statement.value)) this.#locals.add(statement.local.id);
    }
  }

  /** Whether an expression moves. */
  has(expression: Expression): boolean {
    switch (expression.kind) {
      case "local":
        return this.#locals.has(expression.id);
      case "read":
        return this.#arguments[expression.argument];
      case "call": {
        const { name, args } = expression;
        const moving = args.map((arg) => this.has(arg));
        if (!moving.includes(true)) return false;
        if (!Object.hasOwn(rules, name)) throw new NoDual(`dual numbers: the derivative of "${name}" is not known`);
        return rules[name].kind !== "constant";
      }
      case "literal":
      case "index":
      case "quotient":
      case "remainder":
      case "within":
        return false;
      default:
        return expression satisfies never;
    }
  }
}
