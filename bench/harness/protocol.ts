/** The messages between the bench and the programs of its peers. */
import type { DataType, Mode, Sizes } from "../cases/case.ts";

/** The location of an input's numbers. */
export interface Stored {
  readonly shape: readonly number[];
  readonly type: DataType;
  /** A file below the folder that both know. */
  readonly file: string;
}

/** A case that a peer is to make ready. */
export interface Order {
  readonly name: string;
  readonly sizes: Sizes;
  readonly mode: Mode;
  /** The inputs of each of several calls, which take turns. */
  readonly calls: readonly (readonly Stored[])[];
  readonly constants: readonly number[];
  readonly gradients: readonly number[] | null;
  /** Python text, for PyTorch. */
  readonly source: string;
  /** The order of axes that PyTorch likes best, for arrays of this many. */
  readonly layout: readonly number[] | null;
  /** Results are written below the folder as float32, with this before their numbers. */
  readonly prefix: string;
}

export type Request = { readonly prepare: Order } | { readonly run: number } | { readonly release: true };

/** A peer is ready, and its results for the first call are written. */
export interface Ready {
  readonly results: readonly string[];
  /** Milliseconds of the first call, in which much is compiled. */
  readonly first: number;
}

/** A case that cannot be written with a library, or that a device refuses. */
export interface Refusal {
  readonly cannot: string;
}

export interface Times {
  /** Milliseconds of each call. */
  readonly samples: readonly number[];
  /** Milliseconds of the processor's time a call, over all threads; `null` if not known. */
  readonly cpu: number | null;
}

/** A program's first message. */
export interface About {
  readonly version: string;
  /** How it is configured, and the layout of its tensors. */
  readonly configuration: string;
}

export type Answer = About | Refusal | Ready | Times | Record<never, never>;
