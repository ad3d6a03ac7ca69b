/** A data file written anew without some of its rows, beside the old one, for a commit that replaces it. */
import { MuaraError } from "../core/errors.ts";
import type { AddFile, TableSnapshot } from "../core/ports/table-log.ts";
import { checksumTags } from "./checksum.ts";
import type { FileEditor } from "./file-editor.ts";
import type { RemovedFile, RemoveRowsPorts } from "./remove-rows.ts";
import { addFile, dataFilePath, statedRows, storePathOf } from "./table/add-file.ts";

export interface RewrittenWithout extends RemovedFile {
  /** Rows for which the condition is NULL; they stay. */
  readonly rowsUnknown: number;
}

/**
 * @param gone SQL condition over the columns of the file: rows that go
 * @param isDryRun counts only
 * @throws table.corrupt where the file is missing or has another number of rows than its statistics say
 */
export async function rewriteWithout(
  { store, clock, randomness }: RemoveRowsPorts,
  name: string,
  editor: FileEditor,
  snapshot: TableSnapshot,
  file: AddFile,
  gone: string,
  isDryRun: boolean,
): Promise<RewrittenWithout> {
  const from = storePathOf(name, file.path);
  const old = await store.get(from);
  if (!old)
    throw new MuaraError("table.corrupt", `${name} names ${from}, which does not exist.`, {
      details: { path: from },
    });
  const { schemaString = "", partitionColumns = [] } = snapshot.metadata ?? {};
  const found = await editor.filter(old, schemaString, partitionColumns, gone);
  const { kept, stats, rowsGone: rows, rowsKept, rowsUnknown } = found;
  const stated = statedRows(file);
  if (stated !== undefined && stated !== rows + rowsKept)
    throw new MuaraError("table.corrupt", `${from} has ${rows + rowsKept} rows, the log says ${stated}.`, {
      details: { path: from, rows: rows + rowsKept, stated },
    });
  if (!kept || isDryRun) return { file, rest: null, rows, rowsUnknown };
  const path = dataFilePath(file.partitionValues, randomness.uuid());
  await store.put(storePathOf(name, path), kept.bytes);
  const rest = addFile({
    path,
    partitionValues: file.partitionValues,
    bytes: kept.bytes.length,
    modifiedMs: clock.nowMs(),
    tags: checksumTags(kept.bytes),
  });
  return { file, rest: { ...rest, stats }, rows, rowsUnknown };
}
