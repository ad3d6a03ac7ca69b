/** A data file of a table without some of its rows, written and ready to take the other's place. */
import { hasCode, MuaraError } from "../core/errors.ts";
import type { AddFile, TableSnapshot } from "../core/ports/table-log.ts";
import { tagsOf } from "./checksum.ts";
import { editedFile } from "./edited-file.ts";
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
  const from = editedFile(store, name, snapshot, file);
  const { partitionValues } = file;
  let rest: AddFile | null = null;
  const found = await editor
    .filter(
      from,
      gone,
      isDryRun
        ? undefined
        : async ({ bytes, checksum }, put) => {
            const path = dataFilePath(partitionValues, randomness.uuid());
            await put(storePathOf(name, path));
            const modifiedMs = clock.nowMs();
            rest = addFile({ path, partitionValues, bytes, modifiedMs, tags: tagsOf(checksum) });
          },
    )
    .catch((error: unknown) => {
      throw hasCode(error, "table.version_not_found") ? missing(name, from.path, error) : error;
    });
  const { stats, rowsGone: rows, rowsKept, rowsUnknown } = found;
  const stated = statedRows(file);
  if (stated !== undefined && stated !== rows + rowsKept)
    throw new MuaraError(
      "table.corrupt",
      `${from.path} has ${rows + rowsKept} rows, the log says ${stated}.`,
      {
        details: { path: from.path, rows: rows + rowsKept, stated },
      },
    );
  return { file, rest: rest && { ...(rest as AddFile), stats }, rows, rowsUnknown };
}

/** A file of the newest version that does not exist. */
export function missing(table: string, path: string, cause: unknown): MuaraError {
  return new MuaraError("table.corrupt", `${table} names ${path}, which does not exist.`, {
    details: { path },
    cause,
  });
}
