/**
 * In a query process: the parts of a table's data files, each written as a Parquet file and sent. Columns and rows that
 * the part does not have never reach the new file: not its values, dictionaries, statistics or count.
 *
 * All that runs here is Muara's own but the condition, which was judged (row-condition.ts); it cannot fail on a row.
 */
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import type { DuckDBConnection } from "@duckdb/node-api";
import { columnsOf } from "../parquet/delta-type.ts";
import { deltaStats } from "../parquet/delta-stats.ts";
import { readFooter } from "../parquet/footer-file.ts";
import { footerStatistics } from "../parquet/footer-stats.ts";
import { parseSchema } from "../table/delta-schema.ts";
import { encodeFrame, encodeJson, FRAME_DATA, type CopyOrder, type Report } from "./protocol.ts";
import { lock } from "./session.ts";
import { partStatements, quoteText, type PinnedPart } from "./view.ts";

const CHUNK_BYTES = 262_144;

/** @param order of a table that has a part */
export async function copyParts(
  connection: DuckDBConnection,
  { table, schemaString, partitionColumns }: CopyOrder,
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  const output = path.join(process.cwd(), "part.parquet");
  const columns = columnsOf(parseSchema(schemaString)).filter(({ name }) => !partitionColumns.includes(name));
  const names = columns.map(({ name }) => name);
  const part: PinnedPart = table.part!;
  const copies = table.files.map((file, i) => partStatements({ ...table, part, files: [file] }, names, i));
  await connection.run(copies.flatMap(({ variables }) => variables).join(";\n"));
  await lock(connection, [...table.files.map((file) => file.path), output]);
  const report = (value: Report): Promise<void> => write(encodeJson(value));
  let total = 0;
  for (const { select } of copies) {
    fs.rmSync(output, { force: true });
    await connection.run(
      `COPY (${select}) TO ${quoteText(output)} (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)`,
    );
    const { size } = fs.statSync(output);
    const { rows, groups } = footerStatistics(readFooter(output, size), columns);
    const bytes = rows === 0 ? 0 : size;
    await report({ report: "copied", rows, bytes, stats: deltaStats(columns, rows, groups) });
    if (rows > 0) await send(output, write);
    total += rows;
  }
  await report({ report: "done", rows: total, isTruncated: false });
}

async function send(file: string, write: (bytes: Uint8Array) => Promise<void>): Promise<void> {
  const handle = fs.openSync(file, "r");
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const length = fs.readSync(handle, chunk);
      if (length === 0) return;
      await write(encodeFrame(FRAME_DATA, chunk.subarray(0, length)));
    }
  } finally {
    fs.closeSync(handle);
  }
}
