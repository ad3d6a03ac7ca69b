/**
 * Holds a replayed lake against the file that it came from. The oracle is DuckDB over the file itself, and over the
 * table's Parquet files as the Delta log names them; sums are exact (decimals and 128-bit integers).
 */
import { DuckDBInstance } from "@duckdb/node-api";
import type { MuaraProcess } from "../test/services/muara.ts";
import { liveFiles } from "../test/proofs/table-folder.ts";
import { REPLAY_TYPE } from "./replay-plan.ts";

/** Per activity: rows and sums. In the file's words and in the table's. */
const SUMS_OF_FILE = `SELECT activity, CAST(count(*) AS VARCHAR),
    CAST(sum(CAST(value_eur AS DECIMAL(18,2))) AS VARCHAR),
    CAST(sum(CAST(split_part(case_id, '_', 1) AS BIGINT)) AS VARCHAR),
    CAST(sum(CAST(split_part(case_id, '_', 2) AS BIGINT)) AS VARCHAR),
    CAST(sum(CAST(epoch_us(ts) AS HUGEINT)) AS VARCHAR), CAST(sum(file_row_number) AS VARCHAR)
  FROM read_parquet($1, file_row_number = true) GROUP BY activity ORDER BY activity`;
const SUMS_OF_TABLE = `SELECT activity, CAST(count(*) AS VARCHAR), CAST(sum(value_eur) AS VARCHAR),
    CAST(sum(order_number) AS VARCHAR), CAST(sum(item) AS VARCHAR),
    CAST(sum(CAST(epoch_us(event_time) AS HUGEINT)) AS VARCHAR), CAST(sum("row") AS VARCHAR)
  FROM "${REPLAY_TYPE}" GROUP BY activity ORDER BY activity`;
/** Rows of one side only, or of both with any difference. */
const DIFFERENCES = `SELECT count(*) FROM read_parquet($1, file_row_number = true) f
  FULL JOIN read_parquet($2) t ON f.file_row_number = t."row"
  WHERE f.case_id IS NULL OR t.event_id IS NULL OR f.case_id <> t.case_id OR f.activity <> t.activity
    OR epoch_us(f.ts) <> epoch_us(t.event_time) OR f.item_type IS DISTINCT FROM t.item_type
    OR f.vendor IS DISTINCT FROM t.vendor OR f.gr_based_iv IS DISTINCT FROM t.gr_based_iv
    OR f.resource IS DISTINCT FROM t.resource
    OR CAST(f.value_eur AS DECIMAL(18,2)) IS DISTINCT FROM t.value_eur`;

export interface Compared {
  readonly activities: number;
  /** How many rows of the file have a value. */
  readonly values: number;
}

/** @throws Error naming the first difference */
export async function compareWithFile(
  muara: MuaraProcess,
  file: string,
  data: string,
  idOf: (key: number) => string,
): Promise<Compared> {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  try {
    const ofFile = (await connection.runAndReadAll(SUMS_OF_FILE, [file])).getRows();
    const ofTable = await muara.sql(SUMS_OF_TABLE);
    for (const [i, row] of ofFile.entries())
      if (JSON.stringify(row) !== JSON.stringify(ofTable[i]))
        throw new Error(`the table says ${JSON.stringify(ofTable[i])}, the file ${JSON.stringify(row)}`);
    if (ofTable.length !== ofFile.length)
      throw new Error(`${ofTable.length} activities, not ${ofFile.length}`);
    const paths = await liveFiles(data, REPLAY_TYPE);
    const list = `[${paths.map((path) => `'${path.replaceAll("'", "''")}'`).join(",")}]`;
    const differing = await connection.runAndReadAll(DIFFERENCES.replace("$2", list), [file]);
    const [[different]] = differing.getRows() as [[bigint]];
    if (different !== 0n) throw new Error(`${different} rows differ from the file's`);
    const ids = await connection.runAndReadAll(`SELECT "row", event_id FROM read_parquet(${list})`);
    for (const [row, id] of ids.getRows())
      if (id !== idOf(Number(row))) throw new Error(`row ${String(row)} has the id ${String(id)}`);
    const values = await connection.runAndReadAll("SELECT count(value_eur) FROM read_parquet($1)", [file]);
    return { activities: ofFile.length, values: Number(values.getRows()[0]![0]) };
  } finally {
    connection.closeSync();
  }
}
