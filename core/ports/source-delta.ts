/** Rows of a table in the order of a column that tells when they changed: one page after the other. */
import type { CopyTable } from "./source-copy.ts";
import type { SourcePart } from "./source.ts";

export interface DeltaPageRequest {
  readonly column: string;
  /** From this time on, less the overlap; null: from the first row. */
  readonly from: string | null;
  readonly overlapMs: number;
  /** Only rows behind this one: its time and its key. */
  readonly after: readonly string[] | null;
  readonly rows: number;
  /** Number of the first row within the incarnation. */
  readonly number: number;
  /** Whether a row of this time and key is wanted. */
  readonly isWanted: (row: readonly string[]) => boolean;
}

export interface DeltaPage {
  /** undefined where no row is wanted. */
  readonly part: SourcePart | undefined;
  /** Time and key of the last row; null where there was none. */
  readonly last: readonly string[] | null;
  /** The source's clock before the page was read, in the form of the column. */
  readonly now: string;
  readonly isLast: boolean;
}

export interface SourceDelta {
  /** @throws source.*, config.invalid where the table has no key, or no such column */
  page(table: CopyTable, request: DeltaPageRequest): Promise<DeltaPage>;
  close(): Promise<void>;
}
