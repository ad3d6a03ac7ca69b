/** Queries through real processes: what comes back, who may read, what is refused, and what kills them. */
import { zstdDecompressSync } from "node:zlib";
import { parquetReadObjects } from "hyparquet";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MuaraError } from "../../../core/errors.ts";
import type { QueryRequest, QueryRows, QueryService } from "../../../lake/query/service.ts";
import { ADMIN, makeTinyLake, schemaOf, type TinyLake } from "./tiny-lake.ts";

const CANARY = "canary-7f3a-must-not-be-read";
const HOUR = 3_600_000;
const NOW = Date.now();

let lake: TinyLake;
let service: QueryService;

const idle = new AbortController().signal;
const rows = (sql: string, more: Partial<QueryRequest> = {}, by = service): Promise<QueryRows> =>
  by.rows({ sql, principal: ADMIN, ...more }, idle);

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  if (error instanceof MuaraError) return error.code;
  return error === undefined ? "none" : messageOf(error);
}

beforeAll(async () => {
  lake = await makeTinyLake([
    {
      name: "orders",
      schemaString: schemaOf({
        event_id: "string",
        n: "long",
        ingest_time: "timestamp",
        address: { type: "struct", fields: [field("city", "string"), field("zip", "string")] },
        added: "string",
        ingest_date: "date",
      }),
      versions: [
        {
          timestampMs: NOW - 5 * HOUR,
          files: [
            {
              day: "2026-01-01",
              columns: [
                { name: "event_id", data: ["a", "b"] },
                { name: "n", data: [1n, 9_007_199_254_740_993n], type: "INT64" },
                { name: "ingest_time", data: [new Date(NOW - 5 * HOUR), new Date(NOW - 5 * HOUR)] },
              ],
            },
          ],
          txns: { "muara:watermark": 1_000n },
        },
        {
          timestampMs: NOW - HOUR,
          files: [
            {
              day: "2026-01-02",
              columns: [
                { name: "event_id", data: ["c"] },
                { name: "n", data: [3], type: "INT32" },
                { name: "added", data: ["new"] },
                { name: "ingest_time", data: [new Date(NOW)] },
              ],
            },
          ],
          txns: { "muara:watermark": 5_000n },
        },
      ],
    },
    {
      name: "order.placed",
      schemaString: schemaOf({ event_id: "string", ingest_date: "date" }),
      versions: [{ timestampMs: NOW, files: [], txns: { "muara:watermark": 3_000n } }],
    },
    {
      name: "secret",
      schemaString: schemaOf({ event_id: "string", ingest_date: "date" }),
      versions: [
        {
          timestampMs: NOW,
          files: [{ day: "2026-01-01", columns: [{ name: "event_id", data: [CANARY] }] }],
        },
      ],
    },
  ]);
  service = lake.service({ warm: 1 });
});

afterAll(() => lake.close());

function field(name: string, type: string): Record<string, unknown> {
  return { name, type, nullable: true, metadata: {} };
}

describe("an answer", () => {
  test("has every row of every file, with the columns of the schema, exact", async () => {
    const answer = await rows(
      "SELECT event_id, n, added, address, ingest_date FROM orders ORDER BY event_id",
    );
    expect(answer.columns.map((column) => column.type)).toEqual([
      "VARCHAR",
      "BIGINT",
      "VARCHAR",
      'STRUCT("city" VARCHAR, "zip" VARCHAR)',
      "DATE",
    ]);
    expect(answer.rows).toEqual([
      ["a", "1", null, null, "2026-01-01"],
      ["b", "9007199254740993", null, null, "2026-01-01"],
      ["c", "3", "new", null, "2026-01-02"],
    ]);
    expect(answer.versions).toEqual({ orders: 1 });
    expect(answer.completeThroughMs).toBe(5_000);
  });

  test("of an empty table has its columns and no row; names work as alias, quoted and in any case", async () => {
    for (const name of ["order_placed", '"order.placed"', '"ORDER.placed"']) {
      const answer = await rows(`SELECT * FROM ${name}`);
      expect(answer.rows).toEqual([]);
      expect(answer.columns.map((column) => column.name)).toEqual(["event_id", "ingest_date"]);
      expect(answer.versions).toEqual({ "order.placed": 0 });
    }
  });

  test("is complete through the lowest watermark, and through none where a table has none", async () => {
    expect((await rows("SELECT 1 FROM orders, order_placed")).completeThroughMs).toBe(3_000);
    expect((await rows("SELECT 1 FROM orders, secret")).completeThroughMs).toBe(null);
    expect((await rows("SELECT 1")).completeThroughMs).toBe(null);
  });

  test("stops at the limit and says so", async () => {
    const cut = await rows("SELECT * FROM range(5000)", { limit: 2_500 });
    expect([cut.rows.length, cut.isTruncated]).toEqual([2_500, true]);
    const whole = await rows("SELECT * FROM range(2500)", { limit: 2_500 });
    expect([whole.rows.length, whole.isTruncated]).toEqual([2_500, false]);
    const request = { principal: ADMIN, format: "json" } as const;
    const asked = (sql: string, limit?: number): Promise<string> =>
      codeOf(
        service.run({ ...request, sql, limit }, idle).then(({ body }) => body[Symbol.asyncIterator]().next()),
      );
    expect(await asked("SELECT 1", 1_000_001)).toBe("request.malformed");
    expect(await asked("SELECT 1", 1_000_000)).toBe("none");
    expect(await asked(`SELECT '${"x".repeat(70_000)}'`)).toBe("sql.too_large");
  });

  test("own reads are not bound by what requests may ask for", async () => {
    // The body of a request without a limit ends after 10,000 rows.
    const all = await rows("SELECT * FROM range(10001)");
    expect([all.rows.length, all.isTruncated]).toEqual([10_001, false]);
    expect(await codeOf(rows("SELECT 1", { limit: 1_000_001 }))).toBe("none");
    expect(await codeOf(rows(`SELECT '${"x".repeat(70_000)}'`))).toBe("none");
  });

  test("comes as NDJSON, CSV and Parquet with the same rows", async () => {
    const sql = "SELECT event_id, n, n > 2 AS big FROM orders ORDER BY event_id";
    const text = async (format: "ndjson" | "csv"): Promise<string> =>
      (await bytesOf({ sql, format })).toString();
    expect(await text("ndjson")).toBe(
      '{"event_id":"a","n":"1","big":false}\n{"event_id":"b","n":"9007199254740993","big":true}\n' +
        '{"event_id":"c","n":"3","big":true}\n',
    );
    expect(await text("csv")).toBe("event_id,n,big\r\na,1,false\r\nb,9007199254740993,true\r\nc,3,true\r\n");
    const parquet = await bytesOf({ sql, format: "parquet" });
    const file = parquet.buffer.slice(parquet.byteOffset, parquet.byteOffset + parquet.length) as ArrayBuffer;
    const read = await parquetReadObjects({
      file,
      compressors: { ZSTD: (input) => zstdDecompressSync(input) },
    });
    expect(read).toEqual([
      { event_id: "a", n: 1n, big: false },
      { event_id: "b", n: 9_007_199_254_740_993n, big: true },
      { event_id: "c", n: 3n, big: true },
    ]);
  });
});

describe("time travel", () => {
  test("by version, by recent time and by a time whose files may be gone", async () => {
    const ids = async (at: QueryRequest["at"]): Promise<unknown> => {
      const answer = await rows("SELECT event_id FROM orders ORDER BY event_id", { at });
      return [answer.rows.flat().join(""), answer.versions["orders"]];
    };
    expect(await ids(0)).toEqual(["ab", 0]);
    expect(await ids("1")).toEqual(["abc", 1]);
    expect(await ids({ orders: 0 })).toEqual(["ab", 0]);
    expect(await ids(new Date(NOW - 1.5 * HOUR).toISOString())).toEqual(["ab", 0]);
    // Long ago: the newest version, without what came in later.
    expect(await ids(new Date(NOW - 4 * HOUR).toISOString())).toEqual(["ab", 1]);
    expect(await ids(new Date(NOW).toISOString())).toEqual(["abc", 1]);
    expect(await codeOf(ids(7))).toBe("table.version_not_found");
    expect(await codeOf(ids("yesterday"))).toBe("request.malformed");
    // What is not over yet has no answer that stays; clocks may differ by a minute.
    expect(await ids(new Date(NOW + 60_000).toISOString())).toEqual(["abc", 1]);
    expect(await codeOf(ids(new Date(NOW + 120_000).toISOString()))).toBe("request.malformed");
    expect(await codeOf(rows("SELECT 1 FROM orders, secret", { at: 0 }))).toBe("request.malformed");
  });
});

describe("rights", () => {
  const reader = {
    id: "token:reader",
    grants: [{ action: "read", kind: "table", name: "orders" }],
  } as const;

  test("what one may not read does not exist", async () => {
    expect((await rows("SELECT count(*) FROM orders", { principal: reader })).rows).toEqual([["3"]]);
    const hidden = rows("SELECT * FROM secret", { principal: reader });
    await expect(hidden).rejects.toMatchObject({ code: "table.not_found" });
    const missing = await rows("SELECT * FROM sicret", { principal: reader }).catch(messageOf);
    expect(missing).toBe('There is no table "sicret".');
    expect(await rows("SELECT * FROM secret", { principal: reader }).catch(messageOf)).toBe(
      'There is no table "secret".',
    );
    expect((await rows("SHOW TABLES", { principal: reader })).rows).toEqual([["orders", "orders"]]);
    expect(await codeOf(rows("SELECT 1 FROM orders", { principal: { id: "x", grants: [] } }))).toBe(
      "table.not_found",
    );
  });
});

describe("mistakes", () => {
  test("say where they are", async () => {
    const syntax = await rows("SELECT *\nFRM orders").catch((error: unknown) => error);
    expect(syntax).toMatchObject({ code: "sql.syntax", details: { line: 2, column: 5 } });
    const column = await rows("SELECT 'ä',\n  nothing FROM orders").catch((error: unknown) => error);
    expect(column).toMatchObject({ code: "sql.failed", details: { line: 2, column: 3 } });
    const table = await rows("SELECT * FROM ordres").catch((error: unknown) => error);
    expect(table).toMatchObject({ code: "table.not_found", message: expect.stringContaining('"orders"') });
    expect(await codeOf(rows("SELECT 'a\0b'"))).toBe("sql.syntax");
    expect(await codeOf(rows(`SELECT '${"x".repeat(4 * 1_048_576)}'`))).toBe("sql.too_large");
    expect(await codeOf(rows("SELECT 12", { sqlBytesMax: 8 }))).toBe("sql.too_large");
  });

  test("do not repeat values of the data", async () => {
    const failed = await rows("SELECT event_id::INTEGER FROM secret").catch(messageOf);
    expect(failed).toMatch(/^Conversion: a text is no INT32/);
    expect(failed).not.toContain(CANARY);
  });
});

describe("limits", () => {
  test("a query beyond its time is killed, also in a function that never stops by itself", async () => {
    const started = performance.now();
    const sql = "SELECT levenshtein(repeat('ab', 200000), repeat('ba', 200000))";
    expect(await codeOf(rows(sql, { timeoutMs: 900 }))).toBe("sql.timeout");
    expect(performance.now() - started).toBeLessThan(20_000);
  });

  test("a query beyond its memory is killed or refused", async () => {
    const small = lake.service({ memoryBytes: 268_435_456, timeoutMs: 50_000 });
    // Outside of the engine's own accounting, and inside of it.
    expect(await codeOf(rows("SELECT length(repeat('x', 2000000000))", {}, small))).toBe("sql.memory");
    const sort =
      "SELECT count(*) FROM (SELECT i, hash(i)::VARCHAR AS h FROM range(20000000) AS r(i) ORDER BY h)";
    expect(await codeOf(rows(sort, {}, small))).toMatch(/^(?:sql\.memory|none)$/);
  });

  test("a query whose asker leaves is killed and frees its slot", async () => {
    const one = lake.service({ concurrency: 1 });
    const leaving = new AbortController();
    const endless = "SELECT count(*) FROM range(1000000000000)";
    const asked = one.rows({ sql: endless, principal: ADMIN }, leaving.signal);
    setTimeout(() => leaving.abort(), 400);
    expect(await codeOf(asked)).toBe("sql.timeout");
    expect((await rows("SELECT 1", {}, one)).rows).toEqual([[1]]);
  });

  test("more queries than slots wait a while, then are told to come back", async () => {
    const one = lake.service({ concurrency: 1 });
    const slow = rows("SELECT count(*) FROM range(1000000000000)", { timeoutMs: 4_000 }, one);
    const many = Array.from({ length: 8 }, () => codeOf(rows("SELECT 1", {}, one)));
    const codes = await Promise.all([codeOf(slow), ...many]);
    expect(codes).toEqual(["sql.timeout", ...many.map(() => "sql.busy")]);
  });
});

async function bytesOf(request: Pick<QueryRequest, "sql" | "format">): Promise<Buffer> {
  const answer = await service.run({ ...request, principal: ADMIN }, idle);
  const chunks: Uint8Array[] = [];
  for await (const chunk of answer.body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
