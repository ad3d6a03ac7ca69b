/** A Parquet file in memory, and what all of ours have in common. */

/** DuckDB's own: what its parallel reader hands to a thread. */
export const ROW_GROUP_ROWS = 122_880;
/** Named so that readers which look for bugs of known writers find a version. */
export const CREATED_BY = "muara version 0.1.0";

export interface EncodedFile {
  readonly bytes: Uint8Array;
  readonly rows: number;
  /** Delta statistics, JSON text for `add.stats`. */
  readonly stats: string;
}
