/** Which rows count for a window, in the engine's SQL and in a plain model: those that landed before it had closed. */
import { DuckDBInstance } from "@duckdb/node-api";
import { expect, test } from "vitest";
import { ruleRequestSchema } from "../../../core/rule.ts";
import { readCounts } from "../../../lake/rule/drop-counts.ts";
import type { QueryRows } from "../../../lake/query/service.ts";

const MINUTE_MS = 60_000;
const FROM_MS = Date.UTC(2026, 10, 2, 10);
const TO_MS = FROM_MS + 3 * MINUTE_MS;

interface Row {
  readonly atMs: number;
  /** Of the table before the commit that brought the row; null: there was none. */
  readonly watermarkMs: number | null;
  readonly country: string | null;
}

/** Around the edges: of the windows, of the time that is asked for, of when a window has closed. */
const rows: readonly Row[] = [
  -1,
  0,
  1,
  MINUTE_MS - 1,
  MINUTE_MS,
  2 * MINUTE_MS,
  3 * MINUTE_MS - 1,
  3 * MINUTE_MS,
].flatMap((offset) =>
  [null, offset, MINUTE_MS - 1, MINUTE_MS, MINUTE_MS + 1, 2 * MINUTE_MS, 3 * MINUTE_MS].map((behind, i) => ({
    atMs: FROM_MS + offset,
    watermarkMs: behind === null ? null : FROM_MS + behind,
    country: i % 3 === 0 ? null : i % 3 === 1 ? "DE" : "FR",
  })),
);

function model(isEventTable: boolean): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { atMs, watermarkMs, country } of rows) {
    const window = Math.floor(atMs / MINUTE_MS) * MINUTE_MS;
    const isLate = isEventTable && watermarkMs !== null && watermarkMs >= window + MINUTE_MS;
    if (atMs < FROM_MS || atMs >= TO_MS || isLate) continue;
    const key = `${country ?? ""} ${window - FROM_MS}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

test.each([
  ["events", true],
  ["results of a job", false],
])("%s", async (_what, isEventTable) => {
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  const values = rows.map(
    ({ atMs, watermarkMs, country }) =>
      `(make_timestamptz(${atMs}000), ${watermarkMs === null ? "NULL" : `make_timestamptz(${watermarkMs}000)`},
        ${country === null ? "NULL" : `'${country}'`})`,
  );
  await connection.run(`CREATE TABLE "shop.sale" AS
    SELECT * FROM (VALUES ${values.join(", ")}) AS t (event_time, watermark, country)`);
  const query = {
    rows: async ({ sql }: { readonly sql: string }): Promise<QueryRows> => ({
      columns: [],
      rows: (await connection.runAndReadAll(sql)).getRowsJson(),
      versions: {},
      completeThroughMs: null,
      isTruncated: false,
    }),
  };
  const drop = { table: "shop.sale", labels: ["country"], window_ms: MINUTE_MS };
  const rule = ruleRequestSchema.parse({ name: "Sales", drop }).drop!;
  const request = { rule, isEventTable, version: 1, fromMs: FROM_MS, toMs: TO_MS, timeoutMs: 1_000 };
  const found = await readCounts(
    query,
    { ...request, principal: { id: "test", grants: [] } },
    new AbortController().signal,
  );
  const counts = [...found.values()].flatMap(({ labels, counts: byWindow }) =>
    [...byWindow].map(([window, count]) => [`${labels["country"]} ${window - FROM_MS}`, count]),
  );
  expect(Object.fromEntries(counts)).toEqual(model(isEventTable));
});
