/** The parts of the cases of the corpora. */
import type { Op, Vjp } from "../../../core/op.ts";
import { record } from "../../../core/record.ts";
import type { Tensor } from "../../../mod.ts";
import type { GradcheckOptions, GradcheckReport, InputLike, TensorFunction } from "../../../verify/mod.ts";
import { randomFrom } from "../../../verify/random.ts";

/** A function on the tape, and a point at which its gradient is checked. */
export interface Case {
  readonly name: string;
  /** The mistake, or the difficulty. */
  readonly kind: string;
  /** The report of a bug that it is modelled on: repository and number. */
  readonly source?: string;
  readonly f: TensorFunction;
  readonly inputs: readonly InputLike[];
  /** The checks that are made of it, default one of each element. */
  readonly checks: readonly GradcheckOptions[];
  /** The verdicts that are right, with the reason if there are several. */
  readonly accepts: readonly GradcheckReport["verdict"][];
  readonly because?: string;
}

/** A case without what the cases of a list share. */
export type Body =
  & Pick<Case, "source" | "f" | "inputs" | "because">
  & Partial<Pick<Case, "checks" | "accepts">>;

/** The cases of one kind, by name. */
export function listed(
  kind: string,
  accepts: Case["accepts"],
  cases: Readonly<Record<string, Body>>,
): readonly Case[] {
  return Object.entries(cases).map(([name, body]) => ({ checks: full, accepts, ...body, name, kind }));
}

export const full: readonly GradcheckOptions[] = [{ mode: "full" }];
export const fast: readonly GradcheckOptions[] = [{ mode: "fast" }];
export const both: readonly GradcheckOptions[] = [...full, ...fast];
/** The second order includes the first. */
export const second: readonly GradcheckOptions[] = [{ mode: "full", order: 2 }];
/** All modes and orders, for smooth functions. */
export const every: readonly GradcheckOptions[] = [...second, ...fast];

/** Checks with each of several seeds. */
export function seeds(count: number, checks: readonly GradcheckOptions[]): readonly GradcheckOptions[] {
  return checks.flatMap((options) => Array.from({ length: count }, (_, i) => ({ ...options, seed: i + 1 })));
}

/** A rule of differentiation: the cotangent of an input from that of the output. */
export type Rule = Vjp;

/**
 * A function with rules of its own, one for each input; `null` for an input that gets no gradient. Constants that are not
 * made by ops are inputs too.
 */
export function ruled(
  value: (...inputs: Tensor[]) => Tensor,
  ...rules: readonly (Rule | null)[]
): (...inputs: Tensor[]) => Tensor {
  const op: Op = {
    name: "planted",
    infer: (inputs) => {
      const { shape, dtype } = value(...inputs);
      return { shape, dtype };
    },
    kernel: { kind: "lowered", lower: (inputs) => value(...inputs) },
    vjp: rules,
  };
  return (...inputs) => record(op, inputs);
}

/** So many numbers from a generator with this seed. */
export function numbers(count: number, make: (random: () => number) => number, seed = 1): Float64Array {
  const random = randomFrom(seed);
  return Float64Array.from({ length: count }, () => make(random));
}

/** Values of both signs, without 0 and without ties. */
export const vector = [0.7, -1.3, 2.1, 0.4, -0.6];
export const positive = [0.7, 1.3, 2.1, 0.4, 0.6];
export const matrix = [[0.7, -1.3, 2.1], [0.4, -0.6, 1.7]];
export const square3 = [[0.7, -1.3, 2.1], [0.4, -0.6, 1.7], [-2.2, 0.9, 0.3]];
