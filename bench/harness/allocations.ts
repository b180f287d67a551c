/** Counts large arrays and memories of WebAssembly that are made. */

/** The memory allocated while a program ran. */
export interface Allocations {
  /** Bytes of arrays of a megabyte or more, by kind. */
  readonly arrays: Map<string, number>;
  /** The memories of WebAssembly that are in use. */
  readonly memories: Set<WebAssembly.Memory>;
  /** Stops counting. */
  stop(): void;
}

const LARGE = 2 ** 20;
const KINDS = ["ArrayBuffer", "SharedArrayBuffer", "Float32Array", "Float64Array", "Int32Array", "Uint8Array"] as const;

/** Counts from now on, in this thread. Views of a buffer that exists count nothing. */
export function countAllocations(): Allocations {
  const arrays = new Map<string, number>(), memories = new Set<WebAssembly.Memory>();
  const undo: (() => void)[] = [];
  const note = (kind: string, bytes: number) => {
    if (bytes >= LARGE) arrays.set(kind, (arrays.get(kind) ?? 0) + bytes);
  };
  const world = globalThis as unknown as Record<string, new (...args: unknown[]) => { byteLength: number }>;
  for (const kind of KINDS) {
    const original = world[kind];
    world[kind] = new Proxy(original, {
      construct(target, args, as) {
        const made = Reflect.construct(target, args, as) as { byteLength: number };
        const isView = kind.endsWith("Array") &&
          (args[0] instanceof ArrayBuffer || args[0] instanceof SharedArrayBuffer);
        if (!isView) note(kind, made.byteLength);
        return made;
      },
    });
    const prototype = original.prototype as { slice(...args: unknown[]): { byteLength: number } };
    const { slice } = prototype;
    // A slice is made by the species of the array, which is the original.
    if (slice) {
      prototype.slice = function (...args) {
        const made = slice.apply(this, args);
        note(`${kind}.slice`, made.byteLength);
        return made;
      };
    }
    undo.push(() => {
      world[kind] = original;
      if (slice) prototype.slice = slice;
    });
  }
  const { Memory } = WebAssembly;
  WebAssembly.Memory = new Proxy(Memory, {
    construct(target, args, as) {
      const made = Reflect.construct(target, args, as) as WebAssembly.Memory;
      memories.add(made);
      return made;
    },
  });
  undo.push(() => {
    WebAssembly.Memory = Memory;
  });
  return { arrays, memories, stop: () => undo.forEach((back) => back()) };
}
