/** Objects of a lake as local files: where it is a directory they are some, else they are copied, to and fro. */
import { open, readFile } from "node:fs/promises";
import { isAbsolute } from "node:path";
import { MuaraError } from "../core/errors.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";

const RANGE_BYTES = 4_194_304;

/** Where the object lies on this machine; undefined where it does not. */
export function localPath(store: ObjectStore, path: string): string | undefined {
  const location = store.location(path);
  return isAbsolute(location) ? location : undefined;
}

/**
 * Copies an object part by part into a new file. What fails leaves a part of it there.
 * @param bytes as the table's log says
 * @throws table.version_not_found where the object is gone, table.corrupt where it has another length,
 *   store.unavailable, and what the disk throws
 */
export async function copyObject(
  store: ObjectStore,
  { path, bytes }: { readonly path: string; readonly bytes: number },
  to: string,
): Promise<void> {
  const handle = await open(to, "wx");
  try {
    let at = 0;
    while (at < bytes) {
      const chunk = await store.getRange(path, at, Math.min(RANGE_BYTES, bytes - at + 1));
      if (chunk === undefined)
        throw new MuaraError("table.version_not_found", "A file of this version is gone.", {
          details: { path },
        });
      if (chunk.length === 0) break;
      await handle.writeFile(chunk);
      at += chunk.length;
    }
    if (at !== bytes)
      throw new MuaraError("table.corrupt", `${path} is not as long as the table's log says.`, {
        details: { path, bytes, found: at },
      });
  } finally {
    await handle.close();
  }
}

/** Where the store can, part by part: a data file may be as large as a table's budget allows. */
async function putSource(store: ObjectStore, path: string, from: string, bytes: number): Promise<void> {
  const handle = await open(from, "r");
  const read = async (at: number, length: number): Promise<Uint8Array> => {
    const part = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await handle.read(part, filled, length - filled, at + filled);
      if (bytesRead === 0) throw new Error(`${from} ends before its ${bytes} bytes`);
      filled += bytesRead;
    }
    return part;
  };
  try {
    if (store.putFrom) await store.putFrom(path, { bytes, read });
    else await store.put(path, await read(0, bytes));
  } finally {
    await handle.close();
  }
}

/**
 * Writes a local file into a store.
 * @param bytes its length
 * @param etag undefined: whatever is there; else the file is small, and whole in memory
 * @returns false where the object is not the one with this etag (any more)
 * @throws store.unavailable, store.full
 */
export async function putLocalFile(
  store: ObjectStore,
  path: string,
  from: string,
  bytes: number,
  etag?: string,
): Promise<boolean> {
  if (etag === undefined) {
    await putSource(store, path, from, bytes);
    return true;
  }
  const outcome = await store.putIfMatch(path, await readFile(from), etag);
  if (outcome.outcome !== "unknown") return outcome.outcome === "done";
  throw new MuaraError("store.unavailable", `It is not known whether ${path} was replaced.`, {
    cause: outcome.cause,
  });
}
