/** The requests of the page to its worker, and the answers: plain data. */
import type { Box, Truth } from "../boxes.ts";
import type { Predictions } from "../predictions.ts";

/** A loss at a point. */
export interface Problem extends Predictions {
  /** The loss, as text. */
  readonly text: string;
  readonly truths: readonly Truth[];
  readonly boxes: readonly Box[];
  /** Classes without the background. */
  readonly classes: number;
}

/** The loss, its gradient and its decisions. */
export interface Evaluation {
  readonly loss: number;
  /** Names and values, in the order of `componentNames`. */
  readonly components: readonly (readonly [name: string, value: number])[];
  /** `[4, boxes]` */
  readonly dLocations: Float32Array;
  /** `[classes + 1, boxes]` */
  readonly dLogits: Float32Array;
  /** The predicted boxes, decoded: `[4, boxes]`. */
  readonly decoded: Float32Array;
  /** For each default box the truth that it is matched to, or -1. */
  readonly target: Int32Array;
  /** For each default box whether it was mined. */
  readonly mined: Uint8Array;
  /** The device that computed it. */
  readonly device: string;
  readonly milliseconds: number;
  /** Whether kernels were compiled, which takes most of the time then. */
  readonly compiled: boolean;
}

/** A number that is moved: an element of the predictions, or a coordinate of a truth. */
export interface Parameter {
  readonly of: "locations" | "logits" | "truths";
  /** The default box, or the truth. */
  readonly index: number;
  /** The row of the predictions, or the coordinate. */
  readonly row: number;
}

/** The loss along a parameter. */
export interface Sweep {
  readonly at: readonly number[];
  readonly losses: readonly number[];
  /** The derivative with respect to the parameter; of a truth, the norm of the gradient with respect to the predictions. */
  readonly slopes: readonly number[];
}

/** Steps of gradient descent. */
export interface Descent extends Predictions {
  readonly losses: readonly number[];
}

/** The verdict of gradcheck. */
export interface Verdict {
  readonly verdict: "ok" | "wrong" | "undecided";
  /** The report as text. */
  readonly text: string;
  readonly summary: string;
  readonly milliseconds: number;
}

/** A kernel. */
export interface KernelText {
  readonly name: string;
  readonly shape: string;
  readonly reads: string;
  /** `null` if it is not known. */
  readonly milliseconds: number | null;
  /** Why the time is not known. */
  readonly reason: string | null;
  readonly loops: string;
  readonly source: string;
}

/** Tape, plan and kernels. */
export interface Insides {
  readonly device: string;
  readonly tape: string;
  readonly plan: string;
  readonly kernels: readonly KernelText[];
  /** The median of a whole call. */
  readonly milliseconds: number | null;
}

/** The answers, by request. */
export interface Answers {
  evaluate: Evaluation;
  sweep: Sweep;
  descend: Descent;
  inspect: Insides;
  check: Verdict;
}

/** The orders; all are about a loss at a point. */
export type Order =
  & { readonly problem: Problem; readonly device: string }
  & (
    | { readonly kind: "evaluate" | "check" }
    | { readonly kind: "inspect"; readonly time: boolean }
    | { readonly kind: "sweep"; readonly parameter: Parameter; readonly range: readonly [number, number] }
    | { readonly kind: "descend"; readonly steps: number; readonly rate: number }
  );

/** Why an order failed. A line and column, from 1 and 0, if it is a fault of the text. */
export interface Failure {
  readonly message: string;
  readonly line?: number;
  readonly column?: number;
}

/** To the worker. */
export interface Request {
  readonly id: number;
  readonly order: Order;
}

/** From the worker; `null` if it gave up for something else that was asked meanwhile. */
export type Reply =
  & { readonly id: number }
  & ({ readonly answer: Answers[keyof Answers] | null } | { readonly failure: Failure });
