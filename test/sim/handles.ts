/** Bytes that stand for an object of this process. Cut off or overwritten they stand for nothing. */

const MAGIC = 0x6d754c69;
const HANDLE_BYTES = 12;

let objects: unknown[] = [];
let byKey = new Map<string, Uint8Array<ArrayBuffer>>();

/** Forgets everything, when a world begins. */
export function forgetHandles(): void {
  objects = [];
  byKey = new Map();
}

export function handleOf(object: unknown): Uint8Array<ArrayBuffer> {
  const number = objects.push(object);
  return new Uint8Array(Uint32Array.of(MAGIC, number, ~number).buffer);
}

/** The same bytes for the same key. */
export function handleFor(key: string, make: () => unknown): Uint8Array<ArrayBuffer> {
  const known = byKey.get(key) ?? handleOf(make());
  byKey.set(key, known);
  return known;
}

/** @returns undefined where the bytes are no handle */
export function behind(bytes: Uint8Array): unknown {
  if (bytes.byteLength !== HANDLE_BYTES) return undefined;
  const words = new DataView(bytes.buffer, bytes.byteOffset, HANDLE_BYTES);
  const number = words.getUint32(4, true);
  const isWhole = words.getUint32(0, true) === MAGIC && words.getUint32(8, true) === ~number >>> 0;
  return isWhole ? objects[number - 1] : undefined;
}
