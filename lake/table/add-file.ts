/**
 * Where a data file of a table lies, and the `add` action that names it.
 *
 * Polars takes partition values from the Hive directory, delta-rs compares percent-encoded paths literally (both
 * measured). So values are limited to characters that need no encoding anywhere: directory text = value = URI text.
 */
import { MuaraError } from "../../core/errors.ts";
import type { AddFile } from "../../core/ports/table-log.ts";
import { checkReadPath, checkStorePath, joinStorePath } from "../../core/store-path.ts";

const PARTITION_VALUE = /^[A-Za-z0-9_.-]{1,120}$/;
const HIVE_NULL = "__HIVE_DEFAULT_PARTITION__";

/** A file that no commit has named by then may be gone: sweepers take what is twice as old (lake/sweep.ts). */
export const UNNAMED_MS_MAX = 43_200_000;

export type PartitionValues = Readonly<Record<string, string | null>>;

export interface NewDataFile {
  /** As returned by `dataFilePath`. */
  readonly path: string;
  readonly partitionValues: PartitionValues;
  readonly bytes: number;
  /** ms since 1970 UTC. */
  readonly modifiedMs: number;
  readonly statistics?: FileStatistics;
  /** False when the rows were in the table before (compaction). */
  readonly isDataChange?: boolean;
  readonly tags?: Readonly<Record<string, string>>;
}

/** A value as Delta's statistics hold it; integers beyond 2^53 as bigint, timestamps and dates as ISO text. */
export type StatisticsValue =
  | string
  | number
  | bigint
  | boolean
  | { readonly [column: string]: StatisticsValue };

/** Left-out columns are simply not skipped by; leave out what is not exactly known. */
export interface FileStatistics {
  readonly numRecords: number;
  readonly minValues?: Readonly<Record<string, StatisticsValue>>;
  readonly maxValues?: Readonly<Record<string, StatisticsValue>>;
  readonly nullCount?: Readonly<Record<string, StatisticsValue>>;
}

/** The path inside the table of a new file, e.g. `ingest_date=2026-01-31/part-UUID.parquet`. @throws store.path */
export function dataFilePath(partitionValues: PartitionValues, uuid: string): string {
  const folders = Object.entries(partitionValues).map(([column, value]) => {
    if (value !== null && !PARTITION_VALUE.test(value)) {
      throw new MuaraError("store.path", "not a partition value that every reader agrees on", {
        details: { column, value },
      });
    }
    return `${column}=${value ?? HIVE_NULL}`;
  });
  return checkStorePath([...folders, `part-${uuid}.parquet`].join("/"));
}

export function addFile(file: NewDataFile): AddFile {
  return {
    path: file.path,
    partitionValues: file.partitionValues,
    size: file.bytes,
    modificationTime: file.modifiedMs,
    dataChange: file.isDataChange ?? true,
    ...(file.statistics === undefined ? {} : { stats: formatStatistics(file.statistics) }),
    ...(file.tags === undefined ? {} : { tags: file.tags }),
  };
}

/**
 * To be asked right before a commit: a writer that slept for long must not name what was taken for nobody's meanwhile.
 * @throws table.commit_conflict
 */
export function checkYoung(files: readonly AddFile[], nowMs: number): void {
  const old = files.find(({ modificationTime }) => nowMs - modificationTime > UNNAMED_MS_MAX);
  if (!old) return;
  const details = { path: old.path, ageMs: nowMs - old.modificationTime };
  throw new MuaraError("table.commit_conflict", "a file to be added is so old that it may be gone", {
    details,
  });
}

/** Rows of a file by its statistics; undefined where they do not say. */
export function statedRows({ stats }: AddFile): number | undefined {
  // The rest, which can be long, is not looked at.
  const match = /"numRecords"\s*:\s*(\d+)/.exec(stats ?? "");
  return match ? Number(match[1]) : undefined;
}

/**
 * The store's path of a data file. `path` may come from a foreign writer: it is decoded once and must stay inside
 * the table. @throws store.path, table.unsupported for absolute addresses (shallow clones)
 */
export function storePathOf(tablePath: string, path: string): string {
  if (/^[A-Za-z][A-Za-z0-9+.-]*:/.test(path) || path.startsWith("/")) {
    throw new MuaraError("table.unsupported", "a data file lies outside of its table", { details: { path } });
  }
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch (cause) {
    throw new MuaraError("store.path", "a data file's path is not a URI", { details: { path }, cause });
  }
  return checkReadPath(joinStorePath(tablePath, decoded));
}

export function formatStatistics(statistics: FileStatistics): string {
  const { numRecords, minValues = {}, maxValues = {}, nullCount = {} } = statistics;
  return formatExact({ numRecords, minValues, maxValues, nullCount });
}

/** JSON with bigints as bare integers. */
function formatExact(value: StatisticsValue): string {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([name, item]) => `${JSON.stringify(name)}:${formatExact(item)}`)
    .join(",")}}`;
}
