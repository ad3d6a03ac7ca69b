/** Objects of a lake as local files: where it is a directory they are some, from elsewhere they are copied. */
import { open } from "node:fs/promises";
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
