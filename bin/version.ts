/**
 * The version of the package. A test compares it with package.json, which is not always accessible after installation.
 */
export const version = "0.1.0";
