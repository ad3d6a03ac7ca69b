/**
 * A generated file of the shape of the BPI Challenge 2019 log as the replay reads it: purchase-order events sorted
 * by time, with clocks that are decades off, rows that differ in nothing but their place, and values in cents.
 */
import { DuckDBInstance } from "@duckdb/node-api";

export async function writeOrderFile(path: string, rows: number): Promise<void> {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  await connection.run(
    `COPY (
      SELECT (4500000000 + hash(i // 12) % 900) || '_' || lpad(CAST(hash(i) % 40 AS VARCHAR), 5, '0') AS case_id,
        CASE WHEN hash(i) % 5 > 0 THEN ${pick("Standard", 1)} END AS item_type,
        ${pick("vendor", 2)} AS vendor,
        CASE WHEN hash(i) % 3 > 0 THEN hash(i) % 2 = 0 END AS gr_based_iv,
        ${pick('Record "Goods" Receipt é', 3)} AS activity,
        CASE WHEN i < 5 THEN TIMESTAMP '1948-01-26 22:59:00'
          ELSE TIMESTAMP '2018-01-01 00:00:00' + to_seconds(i // 3 * 60) END AS ts,
        CASE WHEN hash(i) % 4 > 0 THEN ${pick("batch", 4)} END AS resource,
        CASE WHEN hash(i) % 10 > 0 THEN
          CAST(CAST(CAST(hash(i * 17) % 900000000 AS DECIMAL(18,2)) / 100 - 4000000 AS DECIMAL(18,2)) AS DOUBLE)
        END AS value_eur
      FROM range(${rows}) numbers(i) ORDER BY i
    ) TO '${path}' (FORMAT parquet)`,
  );
  connection.closeSync();
}

/** One of seven texts. */
function pick(name: string, salt: number): string {
  return `'${name} ' || (hash(i * 31 + ${salt}) % 7)`;
}
