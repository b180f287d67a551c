/** `node:util` in a browser, whose console has no escape sequences. */

export function styleText(_format: string, text: string): string {
  return text;
}
