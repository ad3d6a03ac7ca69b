/**
 * The rows of a captured table as they were at one place of the source's log, made from its changes alone: the newest
 * change of each key up to there. Neither the current state nor what made it is asked.
 *
 * Of a table without a key every change counts: the rows that came, less those that were, as far as the source tells
 * what they were.
 */
import type { Principal } from "../../../core/authorize.ts";
import type { SummedRows } from "../../../core/ports/snapshot.ts";
import type { SliceSum, RowDigest } from "../../../core/row-text.ts";
import type { QueryService } from "../../../lake/query/service.ts";
import { type LakeStateRequest, stateSql } from "./lake-state.ts";
import { quoteName, quoteText } from "./lake-text.ts";

/** Reads the table whatever has been granted: who may reconcile has been asked before. */
const SYSTEM: Principal = {
  id: "system:reconcile",
  grants: [{ action: "read", kind: "table", name: "*" }],
};
const TIMEOUT_MS = 600_000;
/** Every column stands several times in a statement. */
const SQL_BYTES_MAX = 4 * 1_048_576;
/** Of one answer; a table's slices are fewer. */
const ROWS_MAX = 1_000_000;

export interface LakeRowsRequest extends Omit<LakeStateRequest, "unsent"> {
  readonly query: Pick<QueryService, "rows">;
}

/** @throws sql.* */
export async function lakeRows(request: LakeRowsRequest, signal: AbortSignal): Promise<SummedRows> {
  const { query, columns, eventType } = request;
  const rows = async (sql: string): Promise<readonly (readonly unknown[])[]> => {
    const answer = await query.rows(
      { sql, principal: SYSTEM, timeoutMs: TIMEOUT_MS, limit: ROWS_MAX, sqlBytesMax: SQL_BYTES_MAX },
      signal,
    );
    return answer.rows;
  };
  const unsent = await rows(
    `SELECT DISTINCT unnest(source.unchanged) FROM ${quoteName(eventType)} WHERE source.unchanged IS NOT NULL`,
  );
  const state = stateSql({ ...request, unsent: new Set(unsent.map(([field]) => field as string)) });
  return {
    async *sums(slices) {
      const found = await rows(`${state} SELECT ${sliceSql(slices)} AS slice, sum(sign) AS rows,
        sum(sign * CAST('0x' || left(digest, 16) AS UBIGINT)::HUGEINT) AS first,
        sum(sign * CAST('0x' || right(digest, 16) AS UBIGINT)::HUGEINT) AS last FROM digested GROUP BY 1`);
      yield found.map(sumOf);
    },
    async *digests(slices, wanted) {
      const condition = `${sliceSql(slices)} IN (${wanted.map(Math.trunc).join(", ")})`;
      const found = await rows(`${state} SELECT key, digest, sum(sign) AS times FROM digested
        WHERE ${condition} GROUP BY 1, 2`);
      yield found.flatMap(([key, digest, times]) => repeated(times, digestOf(key, digest)));
    },
    async *values(keys) {
      const texts = columns.map((_, place) => `c${place}`).join(", ");
      const condition = `key IN (${keys.map(quoteText).join(", ")})`;
      const found = await rows(`${state} SELECT key, digest, sum(sign) AS times, ${texts} FROM digested
        WHERE ${condition} GROUP BY ALL`);
      yield found.flatMap(([key, digest, times, ...values]) =>
        repeated(times, { ...digestOf(key, digest), values: values as (string | null)[] }),
      );
    },
  };
}

function sliceSql(slices: number): string {
  return `CAST(CAST('0x' || left(key, 8) AS UBIGINT) & ${slices - 1} AS INTEGER)`;
}

/** Without a key equal rows are as many as were told. */
function repeated<Row>(times: unknown, row: Row): Row[] {
  return Array.from({ length: Math.max(0, Number(times)) }, () => row);
}

function digestOf(key: unknown, digest: unknown): RowDigest {
  return { key: key as string, digest: digest as string };
}

function sumOf([slice, rows, first, last]: readonly unknown[]): SliceSum {
  const [count, ...sums] = [rows, first, last].map((value) => BigInt.asUintN(64, BigInt(String(value))));
  return { slice: Number(slice), rows: count!, first: sums[0]!, last: sums[1]! };
}
