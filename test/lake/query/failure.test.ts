/** Errors of the engine over rows with a canary: the canary never comes through, one's own mistakes stay readable. */
import type { DuckDBConnection } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readFailure, type Phase } from "../../../lake/query/failure.ts";
import type { Failure } from "../../../lake/query/protocol.ts";
import { openEngine, prepareSelect } from "../../../lake/query/session.ts";

/** Breaks out of quotes, looks like JSON, a path and a number at once. */
const VALUES = [`zebra"quagga' (okapi) {"gnu": 1}`, "/var/zebra/quagga.parquet", "zebra to QUAGGA", "okapi"];
const CANARY = /zebra|quagga|okapi|gnu|4711|4712/i;

let engine: DuckDBConnection;

beforeAll(async () => {
  engine = await openEngine({ memoryBytes: 5e8, threads: 1 });
  const rows = VALUES.map((value, i) => `('${value.replaceAll("'", "''")}', ${4711 + i})`);
  await engine.run(`CREATE TABLE t AS SELECT * FROM (VALUES ${rows.join(", ")}) AS r(v, n)`);
});
afterAll(() => engine.closeSync());

async function failureOf(sql: string): Promise<Failure | undefined> {
  let phase: Phase = "preparing";
  try {
    const prepared = await prepareSelect(engine, sql);
    phase = "running";
    const result = await prepared.stream();
    for (let chunk = await result.fetchChunk(); chunk && chunk.rowCount > 0;)
      chunk = await result.fetchChunk();
    return undefined;
  } catch (error) {
    return readFailure(error, phase);
  }
}

/** Each fails on the value of a row, and the engine's own text of most has the value in it. */
const FAILING =
  `INTEGER DOUBLE DECIMAL(4,1) DATE TIMESTAMP TIMESTAMPTZ TIME INTERVAL UUID BOOLEAN BIT JSON INTEGER[]
  HUGEINT UTINYINT STRUCT("a"INTEGER) MAP(INTEGER,INTEGER)`
    .split(/\s+/)
    .map((type) => `SELECT v::${type} FROM t`);
const FUNCTIONS = [
  "regexp_matches(v, v || '(')",
  "regexp_replace('a', '[' || v, '')",
  "json_extract('{\"a\" x' || v, '$.a')",
  "json_extract(v, '$.a')",
  "strptime(v, '%Y')",
  "strptime('2026', v)",
  "strftime(now(), v || '%')",
  "from_base64(v)",
  "unhex(v)",
  "('\\x' || v)::BLOB",
  "format('{:d}', v)",
  "format(v || '{', 1)",
  "printf('%d', v)",
  "date_trunc(v, now())",
  "date_part(v, now())",
  "timezone(v, now())",
  "url_decode('%FF' || v)",
  "list_aggregate([1], v)",
  "n::TINYINT",
  "n::DECIMAL(2,1)",
  "n * 9223372036854775807",
  "make_date(2026, n::INTEGER, 1)",
  "make_timestamp(n::BIGINT * 1000000000000000)",
  "chr(-n::INTEGER)",
  "factorial(n::INTEGER)",
  "repeat(v, n * 100000000000)",
  "bitstring(v, 3)",
  "sqrt(-n)",
  "log(-n)",
  "map([v, v], [1, 2])",
  "hamming(v, 'a')",
  "(SELECT v FROM t)",
  "get_bit('0101'::BIT, n::INTEGER)",
  "(n * 1e300)::FLOAT",
  "to_timestamp(n * 1e18)",
  "array_value(n, n)::INTEGER[3]",
  "TIMESTAMP '2026-01-01' + to_years(n::INTEGER * 100000)",
  "array_extract(v::INTEGER[], 1)",
  "try_cast(v AS VARCHAR)::SMALLINT",
].map((call) => `SELECT ${call} FROM t`);

describe("an error", () => {
  test.each([...FAILING, ...FUNCTIONS])("of a row does not tell the row: %s", async (sql) => {
    const failure = await failureOf(sql);
    expect(failure?.message ?? "").not.toMatch(CANARY);
  });

  test("is raised by most of them", async () => {
    const failures = await Promise.all([...FAILING, ...FUNCTIONS].map(failureOf));
    const raised = failures.filter((failure) => failure !== undefined);
    console.log(`${raised.length} of ${failures.length} failed on a row`);
    expect(raised.length).toBeGreaterThan(40);
    expect(new Set(raised.map((failure) => failure.message)).size).toBeGreaterThan(12);
  });

  test("of the SQL itself names what is wrong, and where", async () => {
    expect(await failureOf("SELECT nn FROM t")).toEqual({
      kind: "failed",
      message: 'Referenced column "nn" not found in FROM clause!\nCandidate bindings: "n"',
      byte: 7,
    });
    expect(await failureOf("SELECT sum(v) FROM t")).toMatchObject({
      message: expect.stringContaining("sum(VARCHAR)") as string,
    });
    expect(await failureOf("SELECT 'abc'::INTEGER")).toEqual({
      kind: "failed",
      message: "Conversion: a text is no INT32; TRY_CAST gives NULL instead.",
      byte: 12,
    });
  });

  test("of the engine tells no path, no setting and no advice", async () => {
    for (const phase of ["preparing", "running"] as const) {
      for (const type of [
        "IO",
        "Permission",
        "Binder",
        "Catalog",
        "Invalid Input",
        "Internal",
        "Settings",
        "HTTP",
      ]) {
        const text = said(
          type,
          "Cannot open file /srv/zebra/a.parquet: SET quagga\nDid you mean okapi",
          phase,
        );
        expect(text).not.toMatch(/zebra|a\.parquet|okapi/);
        expect(["Binder", "Catalog"].includes(type) ? "" : text).not.toMatch(CANARY);
      }
    }
    expect(said("Conversion", "Could not convert string 'x' to ZEBRA", "running")).not.toMatch(CANARY);
    expect(readFailure(new Error("Invalid string length"), "running").message).not.toContain("string");
    expect(readFailure(new Error("Out of Memory Error: quagga"), "running").kind).toBe("memory");
  });
});

function said(type: string, message: string, phase: Phase): string {
  return readFailure(new Error(JSON.stringify({ exception_type: type, exception_message: message })), phase)
    .message;
}
