/** `support/source.ts` in a browser: the test server provides the project's files. */

/**
 * A file of the project, as text. Synchronous as in the other runtimes, because tests are declared from its contents.
 */
export function readText(path: string): string {
  const request = new XMLHttpRequest();
  request.open("GET", `project/${path}`, false);
  request.send();
  if (request.status !== 200) throw new Error(`${path}: the test server answered ${request.status}`);
  return request.responseText;
}

/** A file of the project, as JSON. */
// deno-lint-ignore no-explicit-any
export function readJson(path: string): any {
  return JSON.parse(readText(path));
}
