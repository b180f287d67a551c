const ulps = {
  exp: 1.1,
  expm1: 0.6,
  sigmoid: 2,
  tanh: 0.6,
  log: 1,
  log2: 1.3,
  log1p: 1,
  sin: 0.6,
  cos: 0.6,
  atan: 1.6,
  pow: 0.6,
  erf: 1.5,
  lgamma: 0.6,
};

/** The functions that are written in lanes. */
export type LaneName = keyof typeof ulps;

/**
 * How exact functions in lanes are, in units in the last place, over all of float32; a float32 that is rounded once is off by half of one.
 * Apart from the functions, which are loaded when the device is opened.
 */
export const LANE_ULPS: Readonly<Record<string, number>> = ulps;
