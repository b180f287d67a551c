/** Runtimes that share the tests of devices on the host, and those without a device. */

/** One runtime's share of the tests. */
export interface Turn {
  readonly own: number;
  /** How many runtimes share. */
  readonly of: number;
  /** The devices whose tests are shared. */
  readonly hosts: readonly string[];
}

/** Whether a test is another runtime's. The devices of a test go to different ones, since its name decides where the first one goes. */
export function isLeft(name: string, { own, of, hosts }: Turn): boolean {
  const [, text, device] = /^(.*?)(?: \[(\w+)\])?$/s.exec(name)!;
  if (device !== undefined && !hosts.includes(device)) return false;
  return (numberOf(text) + Math.max(0, hosts.indexOf(device))) % of !== own;
}

/** A number that a text decides. */
export function numberOf(text: string): number {
  let sum = 0;
  for (const letter of text) sum = (31 * sum + letter.codePointAt(0)!) % 9973;
  return sum;
}
