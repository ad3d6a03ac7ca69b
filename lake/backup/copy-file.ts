/** One file from store to store, with the hash of the bytes that were read. */
import { createHash } from "node:crypto";
import type { ObjectStore } from "../../core/ports/object-store.ts";

const PART_BYTES = 8_388_608;

/** @param bytes so many from the beginning @returns undefined where the file is gone, or shorter by now */
export async function copyFile(
  from: ObjectStore,
  path: string,
  bytes: number,
  to: ObjectStore,
  toPath: string,
): Promise<string | undefined> {
  const hash = createHash("sha256");
  if (bytes <= PART_BYTES || !to.putFrom) {
    const whole = bytes === 0 ? new Uint8Array(0) : await from.getRange(path, 0, bytes);
    if (whole?.length !== bytes) return undefined;
    await to.put(toPath, whole);
    return hash.update(whole).digest("hex");
  }
  let gone = false;
  let hashed = 0;
  const read = async (at: number, length: number): Promise<Uint8Array> => {
    const part = await from.getRange(path, at, length);
    if (part?.length !== length) {
      gone = true;
      throw new Error(`${path} is gone`);
    }
    // A store may ask for a part again; the hash takes each byte once, in order.
    if (at <= hashed && at + length > hashed) {
      hash.update(part.subarray(hashed - at));
      hashed = at + length;
    }
    return part;
  };
  try {
    await to.putFrom(toPath, { bytes, read });
  } catch (error) {
    if (gone) return undefined;
    throw error;
  }
  return hashed === bytes ? hash.digest("hex") : hashOf(from, path, bytes);
}

/** @returns undefined where the file is gone, or not as long */
export async function hashOf(store: ObjectStore, path: string, bytes: number): Promise<string | undefined> {
  const hash = createHash("sha256");
  for (let at = 0; at < bytes; at += PART_BYTES) {
    const length = Math.min(PART_BYTES, bytes - at);
    const part = await store.getRange(path, at, length);
    if (part?.length !== length) return undefined;
    hash.update(part);
  }
  return hash.digest("hex");
}
