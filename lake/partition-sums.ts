/** Files, bytes and rows of a table by its table partitions (`partitionValues`), from the statistics of a snapshot. */
import type { TableSnapshot } from "../core/ports/table-log.ts";
import { statedRows } from "./table/add-file.ts";

export interface PartitionSum {
  /** By partition column; null for rows that have no value there. */
  readonly values: Readonly<Record<string, string | null>>;
  readonly files: number;
  readonly bytes: number;
  /** null where a file does not say. */
  readonly rows: number | null;
  /** When the newest of its files was written, ms since 1970 UTC. */
  readonly newestFileMs: number;
}

/** The last partition first, by the text of its values; one without values for a table that is not partitioned. */
export function partitionSums({ files }: TableSnapshot, columns: readonly string[]): readonly PartitionSum[] {
  const sums = new Map<string, PartitionSum>();
  for (const file of files.values()) {
    const values = Object.fromEntries(columns.map((name) => [name, file.partitionValues[name] ?? null]));
    const key = JSON.stringify(Object.values(values));
    const sum = sums.get(key) ?? { values, files: 0, bytes: 0, rows: 0, newestFileMs: 0 };
    const stated = statedRows(file);
    sums.set(key, {
      values,
      files: sum.files + 1,
      bytes: sum.bytes + file.size,
      rows: sum.rows === null || stated === undefined ? null : sum.rows + stated,
      newestFileMs: Math.max(sum.newestFileMs, file.modificationTime),
    });
  }
  return [...sums.entries()].sort(([a], [b]) => (a < b ? 1 : -1)).map(([, sum]) => sum);
}
