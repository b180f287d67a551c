/** The numbers, whole numbers and conditions of a kernel, for several threads at a time. */
import { type Block, type Code, f32x4, i32, i32x4, load, op, type Value } from "./code.ts";

/**
 * The meaning of a value: a number is a float32, a whole number an int32 (an index, a counter), a condition 0 or not 0, in lanes a mask.
 */
export type Kind = "number" | "whole" | "condition";

/** A value of a kernel. */
export interface Operand {
  readonly kind: Kind;
  /** Whether it differs between the threads of a block along x. */
  readonly varies: boolean;
  /** One vector for every four threads of the block, or one scalar if it does not vary. */
  readonly parts: readonly Value[];
  /** The block that all its locals are known in. */
  readonly home: Block;
}

/** A scalar in memory: it is loaded as what it is used as first, a scalar or a vector of it. */
class Loaded implements Operand {
  readonly kind = "number";
  readonly varies = false;
  readonly home: Block;
  readonly #code: Code;
  readonly #address: Value;
  readonly #offset: number;
  #scalar: Value | null = null;
  #vector: Value | null = null;

  constructor(code: Code, address: Value, offset: number) {
    this.#code = code;
    this.home = code.block;
    this.#address = address;
    this.#offset = offset;
  }

  get parts(): readonly Value[] {
    return [this.#scalar ??= this.#load("f32.load")];
  }

  get repeated(): Value {
    return this.#vector ??= this.#load("v128.load32_splat");
  }

  #load(name: string): Value {
    return this.#code.bind(load(name, this.#address, this.#offset), this.home);
  }
}

/** One of the vectors of an operand. */
export function oneOf(operand: Operand, u: number): Operand {
  return operand.varies ? { ...operand, parts: [operand.parts[u]] } : operand;
}

/** The threads that one vector takes. */
export const LANES = 4;

/** Writes operations on operands into the code of a function. */
export class Operands {
  readonly code: Code;
  /** How many vectors a block of threads has. */
  readonly width: number;
  /** Scalars that were repeated in all lanes. */
  readonly #splats: Map<Value, Value>;

  /** @param around others, whose scalars are repeated once for both. */
  constructor(code: Code, width: number, around?: Operands) {
    this.code = code;
    this.width = width;
    this.#splats = around ? around.#splats : new Map();
  }

  /** A scalar, known in the current block. */
  scalar(kind: Kind, value: Value, home: Block = this.code.block): Operand {
    return { kind, varies: false, parts: [value], home };
  }

  /** A vector for every four threads, by its number. */
  lanes(kind: Kind, part: (u: number) => Value): Operand {
    return { kind, varies: true, parts: Array.from({ length: this.width }, (_, u) => part(u)), home: this.code.block };
  }

  /** A number of the program. */
  literal(value: number): Operand {
    return this.scalar("number", { kind: "number", type: "f32", value }, this.#root);
  }

  /** A number in memory, known in the current block. */
  loaded(address: Value, offset: number): Operand {
    return new Loaded(this.code, address, offset);
  }

  /** Computes an operand once. */
  bind(operand: Operand): Operand {
    const { code } = this;
    if (operand instanceof Loaded) return operand;
    return { ...operand, parts: operand.parts.map((part) => code.bind(part)), home: code.block };
  }

  /** The operands of one vector, as vectors. */
  vector(operand: Operand, u: number): Value {
    return operand.varies ? operand.parts[u] : this.#splat(operand);
  }

  get #root(): Block {
    return this.code.root;
  }

  #splat(operand: Operand): Value {
    if (operand instanceof Loaded) return operand.repeated;
    const { kind, parts: [value], home } = operand;
    const { code } = this;
    if (value.kind === "number") {
      if (kind === "number") return code.keep(f32x4(value.value));
      return code.keep(i32x4(kind === "condition" && value.value !== 0 ? -1 : value.value));
    }
    const isFixed = value.kind === "variable" && value.fixed;
    const known = isFixed ? this.#splats.get(value) : undefined;
    if (known) return known;
    const repeated = kind === "number"
      ? op("f32x4.splat", value)
      : op("i32x4.splat", kind === "condition" ? op("i32.sub", i32(0), op("i32.ne", value, i32(0))) : value);
    if (!isFixed) return repeated;
    // In the block that knows the scalar, so that blocks inside share it.
    const splat = code.bind(repeated, home);
    this.#splats.set(value, splat);
    return splat;
  }

  /**
   * An operation on each vector, or on scalars if no operand varies.
   *
   * @param inLanes of vectors.
   * @param alone of scalars.
   */
  apply(
    kind: Kind,
    operands: readonly Operand[],
    inLanes: (...vectors: Value[]) => Value,
    alone: (...scalars: Value[]) => Value,
  ): Operand {
    if (!operands.some(({ varies }) => varies)) {
      return this.scalar(
        kind,
        alone(...operands.map(({ parts }) => parts[0])),
      );
    }
    return this.lanes(kind, (u) => inLanes(...operands.map((operand) => this.vector(operand, u))));
  }

  /** An operand as a number, which is 1 or 0 for a condition. */
  number(operand: Operand): Operand {
    switch (operand.kind) {
      case "number":
        return operand;
      case "whole":
        return this.apply(
          "number",
          [operand],
          (x) => op("f32x4.convert_i32x4_s", x),
          (x) => op("f32.convert_i32_s", x),
        );
      case "condition":
        return this.apply(
          "number",
          [operand],
          (mask) => op("v128.and", mask, this.code.keep(f32x4(1))),
          (x) => op("f32.convert_i32_u", op("i32.ne", x, i32(0))),
        );
      default:
        return operand.kind satisfies never;
    }
  }

  /** A number as a whole number: those too large are the largest, NaN is 0. */
  whole(operand: Operand): Operand {
    if (operand.kind === "whole") return operand;
    return this.apply(
      "whole",
      [this.number(operand)],
      (x) => op("i32x4.trunc_sat_f32x4_s", x),
      (x) => op("i32.trunc_sat_f32_s", x),
    );
  }

  /** Whether all conditions hold; `null` if there are none. */
  all(conditions: readonly Operand[]): Operand | null {
    if (conditions.length === 0) return null;
    return conditions.reduce((a, b) => this.both(a, b));
  }

  both(a: Operand, b: Operand): Operand {
    return this.apply("condition", [a, b], (x, y) => op("v128.and", x, y), (x, y) => op("i32.and", x, y));
  }
}
