/** Rows read without any of Muara's code: plain DuckDB over files by path. */
import { DuckDBInstance } from "@duckdb/node-api";
import type { SalesLake } from "./sales-lake.ts";
import { SALES } from "./sales-lake.ts";

const LIST = "event_id, epoch_ms(event_time) AS at, amount, note";

/** One text per row, by id. @param asStored in the order of the files instead */
export async function rowsOfFiles(
  paths: readonly string[],
  { asStored = false } = {},
): Promise<readonly string[]> {
  if (paths.length === 0) return [];
  return ask(`SELECT ${LIST} FROM read_parquet(${listText(paths)})${asStored ? "" : " ORDER BY ALL"}`);
}

/** Rows of the table whose time lies in there, by id. ms since 1970 UTC */
export async function rowsOfTable(
  lake: SalesLake,
  fromMs: number,
  untilMs: number,
): Promise<readonly string[]> {
  const { files } = await lake.table.snapshot();
  const paths = [...files.keys()].map((file) => lake.store.location(`${SALES}/${file}`));
  if (paths.length === 0) return [];
  const where = `epoch_ms(event_time) >= ${fromMs} AND epoch_ms(event_time) < ${untilMs}`;
  return ask(`SELECT ${LIST} FROM read_parquet(${listText(paths)}) WHERE ${where} ORDER BY ALL`);
}

export async function ask(sql: string): Promise<readonly string[]> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  try {
    const rows = (await connection.runAndReadAll(sql)).getRows();
    return rows.map((row) => row.map(String).join("|"));
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

function listText(paths: readonly string[]): string {
  return `[${paths.map((one) => `'${one}'`).join(", ")}]`;
}
