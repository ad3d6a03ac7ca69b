/**
 * Which files of a table are put together, as a pure function of a snapshot: files of one table partition each, from
 * the smallest up, towards files of a target size. What has reached the target is not rewritten any more.
 *
 * In a day that still gets files a group must be worth it: no file of it is larger than a quarter of the group. So
 * with every rewrite a row comes into a file four times as large, and what a table's rows cost in rewriting grows with
 * the logarithm of the target only (size-tiered compaction; O'Neil et al., "The Log-Structured Merge-Tree", 1996). What
 * stays is geometric in size, hence few. A closed day is put together once, as far as the target goes.
 */
import { INGEST_DATE } from "../core/columns.ts";
import type { AddFile, TableSnapshot } from "../core/ports/table-log.ts";
import { statedRows } from "./table/add-file.ts";

const HOUR_MS = 3_600_000;
/** A group is at least this many times as large as its largest file. */
export const GROWTH = 4;
/** And where it reaches the target with that, which is the last time. */
export const LAST_GROWTH = 2;

export interface PlanOptions {
  /** Small files of a partition that get files, before they are put together. At least 2. */
  readonly filesMin: number;
  /** A file of this size is large enough, bytes. */
  readonly targetBytes: number;
  /** Files put together to one, bytes at most. */
  readonly fileBytes: number;
  /** All groups of a plan together, at most. */
  readonly runBytes: number;
  readonly runRows: number;
}

export interface Group {
  readonly partitionValues: Readonly<Record<string, string | null>>;
  /** At least two of one partition, in the order in which they came. */
  readonly files: readonly AddFile[];
  readonly bytes: number;
  readonly rows: number;
}

/** @returns groups that share no file, those that save most files first */
export function planCompaction(
  snapshot: TableSnapshot,
  nowMs: number,
  options: PlanOptions,
): readonly Group[] {
  const columns = snapshot.metadata?.partitionColumns ?? [];
  const partitions = Map.groupBy(snapshot.files.values(), ({ partitionValues }) =>
    JSON.stringify(columns.map((column) => partitionValues[column] ?? null)),
  );
  const found = [...partitions.values()].flatMap((files) => groupsOf(files, nowMs, options));
  return withinRun(
    found.sort((a, b) => b.files.length - a.files.length),
    options,
  );
}

function groupsOf(files: readonly AddFile[], nowMs: number, options: PlanOptions): readonly Group[] {
  const small = files
    .filter((file) => file.size < options.targetBytes && rowsOf(file) <= options.runRows)
    .sort((a, b) => a.size - b.size || (a.path < b.path ? -1 : 1));
  if (small.length < 2) return [];
  const isClosed = isOver(files, nowMs);
  if (!isClosed && small.length < options.filesMin) return [];
  const groups: Group[] = [];
  for (let rest = small; rest.length >= 2;) {
    const count = isClosed ? fitting(rest, options) : worthIt(rest, options);
    if (count < 2) break;
    groups.push(groupOf(rest.slice(0, count)));
    rest = rest.slice(count);
  }
  return groups;
}

/** How many of the smallest files fit into one. */
function fitting(files: readonly AddFile[], { fileBytes, runBytes, runRows }: PlanOptions): number {
  let bytes = 0;
  let rows = 0;
  const end = files.findIndex((file) => {
    bytes += file.size;
    rows += rowsOf(file);
    return bytes > Math.min(fileBytes, runBytes) || rows > runRows;
  });
  return end < 0 ? files.length : end;
}

/** How many of the smallest files are worth a rewrite while more are to come; 0 for none. */
function worthIt(files: readonly AddFile[], options: PlanOptions): number {
  const most = fitting(files, options);
  // Where few fit, because they are large or the budget is small, they need not be many.
  const least = Math.min(options.filesMin, most);
  let bytes = sizeOf(files.slice(0, most));
  for (let count = most; count >= Math.max(2, least); count--) {
    const growth = bytes >= options.targetBytes ? LAST_GROWTH : GROWTH;
    if (bytes >= growth * files[count - 1]!.size) return count;
    bytes -= files[count - 1]!.size;
  }
  return 0;
}

/** Whether nothing comes to the partition any more: its day is over, and so is an hour since its newest file. */
function isOver(files: readonly AddFile[], nowMs: number): boolean {
  const date = files[0]!.partitionValues[INGEST_DATE];
  const today = new Date(nowMs).toISOString().slice(0, 10);
  // Where partitions are no days, or are not known, there is always more to come.
  if (!date || date >= today) return false;
  return files.every((file) => file.modificationTime <= nowMs - HOUR_MS);
}

/** The first groups that are within the budget together. */
function withinRun(groups: readonly Group[], { runBytes, runRows }: PlanOptions): readonly Group[] {
  let bytes = 0;
  let rows = 0;
  return groups.filter((group) => {
    if (bytes + group.bytes > runBytes || rows + group.rows > runRows) return false;
    bytes += group.bytes;
    rows += group.rows;
    return true;
  });
}

function groupOf(files: readonly AddFile[]): Group {
  const inOrder = files.toSorted(
    (a, b) => a.modificationTime - b.modificationTime || (a.path < b.path ? -1 : 1),
  );
  const rows = files.reduce((sum, file) => sum + rowsOf(file), 0);
  return { partitionValues: files[0]!.partitionValues, files: inOrder, bytes: sizeOf(files), rows };
}

function sizeOf(files: readonly AddFile[]): number {
  return files.reduce((sum, file) => sum + file.size, 0);
}

/** As its statistics say; where they do not, no more than it has bytes. */
export function rowsOf(file: AddFile): number {
  return statedRows(file) ?? file.size;
}
