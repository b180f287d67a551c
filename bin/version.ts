/** The version of the package; a test compares it with package.json, which not every way of installing keeps within reach. */
export const version = "0.1.0";
