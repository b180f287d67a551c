/** A value of a plan's graph. */
import type { Attributes, PrimitiveKernel } from "../kernel.ts";
import { boundOfRoutine } from "../routine.ts";
import { type Shape, sizeOf } from "../shape.ts";

/** The facts of a value besides its kernel and inputs. */
export interface NodeOptions {
  readonly shape: Shape;
  /** The attributes of the op, default none. */
  readonly attributes?: Attributes;
  /** One of the stages that a long reduction is split into, which serves only where it has threads, and an array, of its own. */
  readonly isStage?: boolean;
  /** A product that a sum adds without rounding it: it never has an array. */
  readonly isUnrounded?: boolean;
  /** For values known to be whole and in `[0, bound)`: the bound. */
  readonly bound?: number;
}

/** A value of the graph. */
export class Node {
  /** Position in topological order. */
  order = -1;
  readonly size: number;
  readonly isStage: boolean;
  readonly isUnrounded: boolean;
  /** For values known to be whole and in `[0, bound)`: the bound. */
  readonly bound: number | null;
  readonly name: string;
  readonly kernel: PrimitiveKernel;
  readonly inputs: readonly Node[];
  readonly attributes: Attributes;
  readonly shape: Shape;

  constructor(name: string, kernel: PrimitiveKernel, inputs: readonly Node[], options: NodeOptions) {
    const { shape, attributes = {}, isStage = false, isUnrounded = false, bound } = options;
    this.name = name;
    this.kernel = kernel;
    this.inputs = inputs;
    this.attributes = attributes;
    this.shape = shape;
    this.size = sizeOf(shape);
    this.isStage = isStage;
    this.isUnrounded = isUnrounded;
    this.bound = bound ?? boundOf(this);
  }
}

function boundOf({ kernel, inputs, attributes }: Node): number | null {
  switch (kernel.kind) {
    case "reduce":
      return kernel.position ? sizeOf(kernel.axes(attributes).map((a) => inputs[0].shape[a])) : null;
    case "search":
      return inputs[0].shape[kernel.axis(attributes)] + 1;
    case "movement":
      return kernel.fill ? null : inputs[0].bound;
    case "gather":
      return inputs[0].bound;
    case "elementwise":
      return kernel.bound?.(attributes) ?? null;
    case "routine":
      return boundOfRoutine(kernel.routine);
    case "leaf":
    case "position":
      return null;
    default:
      return kernel satisfies never;
  }
}
