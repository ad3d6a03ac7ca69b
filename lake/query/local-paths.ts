/** Data files where a query process finds them: in the lake's own folder, or as copies of what lies on S3. */
import { MuaraError } from "../../core/errors.ts";
import type { AddFile } from "../../core/ports/table-log.ts";
import type { Catalog } from "../catalog.ts";
import { storePathOf } from "../table/add-file.ts";
import type { FileCache } from "./file-cache.ts";
import type { QueryProcess } from "./query-process.ts";

export interface FileSight {
  readonly catalog: Catalog;
  /** Local copies of the data files, where the lake is no local folder. */
  readonly cache?: FileCache | undefined;
}

/** @returns absolute paths, in order. Copies stay for as long as the query process lives. */
export async function localPaths(
  { cache, catalog }: FileSight,
  files: readonly { readonly table: string; readonly file: AddFile }[],
  child: QueryProcess,
): Promise<readonly string[]> {
  if (!cache) return files.map(({ table, file }) => localPath(catalog.location(table, file.path)));
  const over = new AbortController();
  const gone = child.gone().then(() => over.abort());
  const wanted = files.map(({ table, file }) => ({
    path: storePathOf(table, file.path),
    bytes: file.size,
    modifiedMs: file.modificationTime,
  }));
  try {
    const lease = await cache.lease(wanted, over.signal);
    void gone.then(lease.release);
    return lease.paths;
  } catch (error) {
    if (over.signal.aborted) await child.next(); // throws why it has ended: the deadline, or nobody waits
    throw error;
  }
}

export const isUrl = (location: string): boolean => /^[a-z][a-z0-9+.-]+:\//i.test(location);

/** The query process reads plain files and has no network. */
function localPath(location: string): string {
  if (isUrl(location)) throw new MuaraError("table.unsupported", "SQL needs a lake in a local folder.");
  return location;
}
