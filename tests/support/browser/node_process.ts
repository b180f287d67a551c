/** `node:process` in a browser: the environment set by the runner. */

export const env: Record<string, string | undefined> = {};
export default { env };
