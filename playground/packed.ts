/** Predictions as text for the address: where they differ from others, bit for bit. */
import type { Predictions } from "./predictions.ts";

/**
 * The changes from one array of numbers to another of the same length, in base64 for addresses: a bit for each element, then the elements
 * that changed, as float32. A step of descent changes few, those of matched and mined boxes.
 */
function packed(before: Float32Array, after: Float32Array): string {
  const mask = new Uint8Array(Math.ceil(after.length / 8));
  const changed = after.filter((value, i) => {
    const differs = !Object.is(value, before[i]);
    if (differs) mask[i >> 3] |= 1 << (i & 7);
    return differs;
  });
  const bytes = new Uint8Array(mask.length + 4 * changed.length);
  bytes.set(mask);
  const view = new DataView(bytes.buffer, mask.length);
  changed.forEach((value, k) => view.setFloat32(4 * k, value, true));
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The inverse of `packed`; `null` if the text was not made from an array of this length. */
function unpacked(before: Float32Array, text: string): Float32Array | null {
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
  } catch {
    return null;
  }
  const from = Math.ceil(before.length / 8);
  const isChanged = (i: number) => (bytes[i >> 3] >> (i & 7)) & 1;
  const count = before.reduce((sum, _, i) => sum + isChanged(i), 0);
  if (bytes.length !== from + 4 * count) return null;
  const view = new DataView(bytes.buffer, from);
  let k = 0;
  return before.map((value, i) => (isChanged(i) ? view.getFloat32(4 * k++, true) : value));
}

/** The changes between predictions, as text. */
export function packedPredictions(before: Predictions, after: Predictions): string {
  return `${packed(before.locations, after.locations)}.${packed(before.logits, after.logits)}`;
}

/** The predictions that a text was made from; `null` if it does not fit. */
export function unpackedPredictions(before: Predictions, text: string): Predictions | null {
  const [first, second] = text.split(".");
  const locations = unpacked(before.locations, first), logits = unpacked(before.logits, second ?? "");
  return locations && logits ? { locations, logits } : null;
}
