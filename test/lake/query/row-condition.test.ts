/** Conditions of grants: what is taken, what is refused and why, and what they become for the query process. */
import type { DuckDBConnection } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Grant, Principal } from "../../../core/authorize.ts";
import type { CatalogTable } from "../../../lake/catalog.ts";
import { partOf, tableRight } from "../../../lake/query/part.ts";
import { conditionTexts, judgeCondition, type JudgedCondition } from "../../../lake/query/row-condition.ts";
import { openEngine, serializeSql } from "../../../lake/query/session.ts";

let engine: DuckDBConnection;
beforeAll(async () => void (engine = await openEngine({ memoryBytes: 134_217_728, threads: 1 })));
afterAll(() => engine.closeSync());

async function judged(condition: string): Promise<JudgedCondition> {
  const [bare, wrapped] = conditionTexts(condition);
  return judgeCondition(await serializeSql(engine, bare), await serializeSql(engine, wrapped));
}

test.each<[string, readonly string[]]>([
  ["country = 'DE'", ["country"]],
  ["Country IN ('DE', 'AT') AND NOT (total > 5 OR note IS NULL)", ["country", "total", "note"]],
  ["total BETWEEN 1 AND 2.5", ["total"]],
  ["customer.address.city = 'X'", ["customer"]],
  ["lower(ltrim(country)) LIKE 'd%' OR starts_with(note, 'n')", ["country", "note"]],
  [
    "event_time >= TIMESTAMPTZ '2026-01-01' AND ingest_date = DATE '2026-01-02'",
    ["event_time", "ingest_date"],
  ],
  ["list_contains(tags, 'a')", ["tags"]],
  ["coalesce(country, 'x') <> 'y'", ["country"]],
  // As a column, which the table lacks: so it is refused where the table is known.
  ["current_date = ingest_date", ["current_date", "ingest_date"]],
  ["true -- all", []],
  ["true /* all */", []],
])("%s is taken", async (condition, columns) => {
  expect(await judged(condition)).toMatchObject({ kind: "condition", columns });
});

test.each([
  "",
  "true,",
  "true, false",
  "true AS x",
  "true x",
  "true;",
  "true; SELECT 1",
  "true) OR (true",
  "true) FROM t WHERE (true",
  "/* true",
  "true FROM t",
  "DISTINCT true",
  "ALL true",
  "*",
  "COLUMNS('a')",
  "a = (SELECT 1)",
  "a IN (SELECT b FROM t)",
  "EXISTS (FROM t)",
  "sum(a) > 1",
  "row_number() OVER () = 1",
  "list_filter(a, lambda x: x > 1) = b",
  "random() < 1",
  "now() > event_time",
  "trim(a) = 'x'",
  "note::INTEGER = 1",
  "TRY_CAST(note AS INTEGER) = 1",
  "regexp_matches('a', note)",
  "a / b = 1",
  "a + b = 1",
  "note.lower() = 'x'",
  "lower(note) FILTER (WHERE true) = 'x'",
  "main.lower(note) = 'x'",
  "getvariable('x') = 'y'",
  "$1 = a",
  "? = a",
  "a COLLATE NOCASE = 'x'",
  "#1 = 1",
  "CASE WHEN a THEN b END",
])("%s is refused", async (condition) => {
  expect(await judged(condition)).toMatchObject({ kind: "refused", reason: expect.any(String) });
});

const table = (name: string, kind: CatalogTable["kind"]): CatalogTable => ({
  name,
  kind,
  alias: name,
  eventType: undefined,
});

const read = (name: string, part: Partial<Grant> = {}): Grant => ({
  action: "read",
  kind: "table",
  name,
  ...part,
});

describe("ledger tables", () => {
  const tables = [table("a", "event_type"), table("b'c", "event_type"), table("dead_letters", "ledger")];
  const rowsOf = (...grants: Grant[]): string | null | undefined => {
    const principal: Principal = { id: "p", grants };
    const right = tableRight(principal, tables[2]!, tables);
    return right && (partOf(right, ["event_type", "payload"], null)?.rows ?? null);
  };

  test("show rows of event types that one reads as a whole, and all to whoever reads everything", () => {
    const letters = read("dead_letters");
    expect(rowsOf(read("a"))).toBeUndefined();
    expect(rowsOf(letters)).toBe("false");
    expect(rowsOf(letters, read("a", { rows: "true" }))).toBe("false");
    expect(rowsOf(letters, read("a"))).toBe("event_type IN ('a')");
    expect(rowsOf(letters, read("a"), { ...read("b'c"), action: "admin" })).toBe(
      "event_type IN ('a', 'b''c')",
    );
    expect(rowsOf(read("dead_letters", { rows: "x" }), read("a"))).toBe("(event_type IN ('a')) AND ((x\n))");
    expect(rowsOf(read("*"))).toBeNull();
    expect(rowsOf({ action: "admin", kind: "*", name: "*" })).toBeNull();
  });
});
