/**
 * The name and the options of a test that has a requirement, such as a GPU. The reason for skipping goes into the name
 * too, because the reports of Deno and Bun drop it.
 *
 * ```ts
 * test(...skip("exp agrees with the oracle [webgpu]", device.available ? undefined : device.reason), async () => {});
 * ```
 */
export function skip(name: string, reason: string | undefined): [name: string, options: { skip: string | false }] {
  return reason === undefined ? [name, { skip: false }] : [`${name} (skipped: ${reason})`, { skip: reason }];
}
