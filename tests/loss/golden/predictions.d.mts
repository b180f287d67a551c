/** The predictions of a golden case. */
export function predictions(seed: number, n: number, scale: number): Float32Array;
