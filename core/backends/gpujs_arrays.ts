/** Values on their way into gpu.js and out of it. */

/**
 * A view that gpu.js takes as it is. A pipeline copies its arguments when it is called, since the caller might change them before they
 * are used; it spares what has a `toArray`, as its own results do. A tensor's values never change, so the copy would be wasted:
 * for the logits of a batch it takes tens of megabytes, which the garbage collector then has to free.
 */
export function unsampled(values: Float32Array): Float32Array {
  return Object.assign(values.subarray(), { toArray: () => values });
}

/** A result of gpu.js as one array: nested rows are views of one buffer if the executor is fused, otherwise separate arrays. */
export function flat(result: unknown, size: number): Float32Array {
  if (result instanceof Float32Array) return result;
  let first = result;
  while (Array.isArray(first)) first = first[0];
  const row = first as Float32Array;
  if (row.length !== size && row.byteOffset === 0 && row.buffer.byteLength === size * 4) {
    return new Float32Array(row.buffer as ArrayBuffer);
  }
  const out = new Float32Array(size);
  let at = 0;
  const copy = (part: unknown): void => {
    if (Array.isArray(part)) part.forEach(copy);
    else {
      out.set(part as Float32Array, at);
      at += (part as Float32Array).length;
    }
  };
  copy(result);
  return out;
}
