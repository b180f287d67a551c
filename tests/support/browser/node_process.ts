/** `node:process` in a browser: the environment that the runner gives. */

export const env: Record<string, string | undefined> = {};
export default { env };
