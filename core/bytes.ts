/** Bytes compared in place: no view is made, no text. */

/** Whether `bytes[start, end)` is what is expected. */
export function isEqual(bytes: Uint8Array, start: number, end: number, expected: Uint8Array): boolean {
  if (end - start !== expected.length) return false;
  for (let i = 0; i < expected.length; i++) if (bytes[start + i] !== expected[i]) return false;
  return true;
}
