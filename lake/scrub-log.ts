/**
 * Takes the statistics of files that are gone out of a table's log: their least and greatest values are values of rows
 * that were erased, perhaps. Nothing else of a commit changes, its id and its time least of all; readers of old
 * versions only skip files less well, and those files are gone.
 *
 * The surprising rule: a log is never written to but here. Each file is replaced only while it is the one that was
 * read, so that what the log's clean-up deletes meanwhile does not come back.
 */
import { hasCode } from "../core/errors.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import type { AddFile, TableSnapshot } from "../core/ports/table-log.ts";
import { statedRows } from "./table/add-file.ts";
import { hintOfFileName, logFolder, readCheckpoint, writeCheckpoint } from "./table/table-checkpoint.ts";
import { SortedMap } from "./table/sorted-map.ts";
import type { TableState } from "./table/table-state.ts";

const COMMIT = /\/\d{20}\.json$/;

/** @param newest whose files keep their statistics @returns files of the log that changed */
export async function scrubLog(store: ObjectStore, table: string, newest: TableSnapshot): Promise<number> {
  if (newest.version < 0) return 0;
  const folder = logFolder(table);
  let scrubbed = 0;
  for (const { path } of await store.list(folder)) {
    if (COMMIT.test(path)) scrubbed += (await scrubCommit(store, path, newest)) ? 1 : 0;
    const hint = hintOfFileName(path.slice(folder.length + 1));
    if (hint && (await scrubCheckpoint(store, table, hint, newest))) scrubbed++;
  }
  return scrubbed;
}

async function scrubCommit(store: ObjectStore, path: string, newest: TableSnapshot): Promise<boolean> {
  const head = await store.head(path);
  const bytes = head && (await store.get(path));
  if (!bytes) return false; // cleaned up meanwhile
  const text = new TextDecoder().decode(bytes);
  const scrubbed = text
    .split("\n")
    .map((line) => scrubLine(line, newest))
    .join("\n");
  if (scrubbed === text) return false;
  await store.putIfMatch(path, new TextEncoder().encode(scrubbed), head.etag);
  return true;
}

/** Only lines that add a file are written anew; integers of other actions would not survive it. */
function scrubLine(line: string, newest: TableSnapshot): string {
  if (!line.startsWith('{"add":')) return line;
  const { add } = JSON.parse(line) as { add: AddFile };
  const stats = bareStats(add, newest);
  return stats === add.stats ? line : JSON.stringify({ add: { ...add, stats } });
}

/** Statistics of a file, but for the number of rows none where it is gone. */
function bareStats(file: AddFile, newest: TableSnapshot): string | undefined {
  if (file.stats === undefined || newest.files.has(file.path)) return file.stats;
  const rows = statedRows(file);
  return rows === undefined ? "{}" : `{"numRecords":${rows}}`;
}

async function scrubCheckpoint(
  store: ObjectStore,
  table: string,
  hint: NonNullable<ReturnType<typeof hintOfFileName>>,
  newest: TableSnapshot,
): Promise<boolean> {
  let state: TableState;
  try {
    state = await readCheckpoint(store, table, hint);
  } catch (error) {
    if (hasCode(error, "table.corrupt")) return false; // nobody uses it
    throw error;
  }
  let isChanged = false;
  const files = [...state.files].map(([path, file]): [string, AddFile] => {
    const stats = bareStats(file, newest);
    if (stats === file.stats || stats === undefined) return [path, file];
    isChanged = true;
    return [path, { ...file, stats }];
  });
  if (!isChanged || hint.parts !== undefined) return false;
  await writeCheckpoint(store, table, state.withFiles(SortedMap.from(files)));
  return true;
}
