/** Arrow streams as PyArrow reads them, also from the service: every type, nested, NULLs, no row, many batches. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ArrowStream } from "../../../lake/query/arrow.ts";
import { openEngine } from "../../../lake/query/session.ts";
import { runPython } from "../../services/python.ts";
import { ADMIN, makeTinyLake, schemaOf } from "./tiny-lake.ts";

const SLOW_MS = 180_000;
const READ = `
import sys, json, base64, datetime, decimal, pyarrow as pa
def plain(value):
    if isinstance(value, bytes): return "base64:" + base64.b64encode(value).decode()
    if isinstance(value, decimal.Decimal): return "decimal:" + str(value)
    if isinstance(value, datetime.datetime): return value.isoformat()
    if isinstance(value, (datetime.date, datetime.time)): return value.isoformat()
    if isinstance(value, list): return [plain(item) for item in value]
    if isinstance(value, tuple): return [plain(item) for item in value]
    if isinstance(value, dict): return {key: plain(item) for key, item in value.items()}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 2**53: return "int:" + str(value)
    return value
with pa.ipc.open_stream(sys.argv[1]) as reader:
    batches = [batch for batch in reader]
    for batch in batches: batch.validate(full=True)
    table = pa.Table.from_batches(batches, reader.schema)
    print(json.dumps({
        "types": {field.name: str(field.type) for field in reader.schema},
        "batches": len(batches),
        "rows": table.num_rows,
        "sums": {name: str(pa.compute.sum(table[name]).as_py()) for name in sys.argv[2:]},
        "data": [plain(list(row.values())) for row in table.slice(0, 10).to_pylist()],
    }))
`;

interface Read {
  readonly types: Readonly<Record<string, string>>;
  readonly batches: number;
  readonly rows: number;
  readonly sums: Readonly<Record<string, string>>;
  readonly data: readonly unknown[];
}

let folder: string;
let engine: DuckDBConnection;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "muara-arrow-"));
  engine = await openEngine({ memoryBytes: 268_435_456, threads: 1 });
});

afterAll(async () => {
  engine.closeSync();
  await rm(folder, { recursive: true, force: true });
});

async function bytesOf(sql: string): Promise<Uint8Array> {
  const result = await engine.stream(sql);
  const stream = new ArrowStream(result.deduplicatedColumnNames(), result.columnTypes());
  const parts = [stream.head()];
  for (;;) {
    const chunk = await result.fetchChunk();
    if (!chunk || chunk.rowCount === 0) break;
    parts.push(stream.rows(chunk.getColumns(), chunk.rowCount));
  }
  return Buffer.concat([...parts, stream.end()]);
}

async function readBack(bytes: Uint8Array, sums: readonly string[] = []): Promise<Read> {
  const file = path.join(folder, "stream.arrow");
  await writeFile(file, bytes);
  return (await runPython(`import pyarrow.compute\n${READ}`, [file, ...sums])) as Read;
}

/** [SQL of a value, Arrow's type, the value as PyArrow gives it] */
const VALUES: readonly (readonly [string, string, unknown])[] = [
  ["true", "bool", true],
  ["(-128)::TINYINT", "int8", -128],
  ["(-32768)::SMALLINT", "int16", -32_768],
  ["(-2147483648)::INTEGER", "int32", -2_147_483_648],
  ["9223372036854775807::BIGINT", "int64", "int:9223372036854775807"],
  ["(-9223372036854775808)::BIGINT", "int64", "int:-9223372036854775808"],
  ["255::UTINYINT", "uint8", 255],
  ["65535::USMALLINT", "uint16", 65_535],
  ["4294967295::UINTEGER", "uint32", 4_294_967_295],
  ["18446744073709551615::UBIGINT", "uint64", "int:18446744073709551615"],
  ["99999999999999999999999999999999999999::HUGEINT", "decimal128(38, 0)", `decimal:${"9".repeat(38)}`],
  ["(-1)::HUGEINT", "decimal128(38, 0)", "decimal:-1"],
  ["0.1::DOUBLE", "double", 0.1],
  ["1.5::FLOAT", "float", 1.5],
  ["(-0.05)::DECIMAL(4, 2)", "decimal128(4, 2)", "decimal:-0.05"],
  [
    "123456789012345678901234567890.12345678::DECIMAL(38, 8)",
    "decimal128(38, 8)",
    "decimal:123456789012345678901234567890.12345678",
  ],
  ["'ä€😀'", "string", "ä€😀"],
  ["''", "string", ""],
  ["'\\x00\\xFF'::BLOB", "binary", "base64:AP8="],
  ["DATE '1969-12-31'", "date32[day]", "1969-12-31"],
  ["TIME '23:59:59.999999'", "time64[us]", "23:59:59.999999"],
  ["TIMESTAMP '1969-12-31 23:59:59.999999'", "timestamp[us]", "1969-12-31T23:59:59.999999"],
  [
    "TIMESTAMPTZ '2026-03-29 02:30:00.000001+02'",
    "timestamp[us, tz=UTC]",
    "2026-03-29T00:30:00.000001+00:00",
  ],
  ["TIMESTAMP_S '2026-01-01 00:00:01'", "timestamp[s]", "2026-01-01T00:00:01"],
  ["TIMESTAMP_MS '2026-01-01 00:00:00.001'", "timestamp[ms]", "2026-01-01T00:00:00.001000"],
  ["'123e4567-e89b-12d3-a456-426614174000'::UUID", "string", "123e4567-e89b-12d3-a456-426614174000"],
  ["INTERVAL '1 month 2 days'", "string", "1 month 2 days"],
  ["[1, NULL, 3]::BIGINT[]", "list<item: int64>", [1, null, 3]],
  ["[]::VARCHAR[]", "list<item: string>", []],
  ["[['a'], [], NULL]", "list<item: list<item: string>>", [["a"], [], null]],
  [
    "{'a': 1::INTEGER, 'b': {'c': NULL::VARCHAR, 'd': [1.25::DECIMAL(5, 2)]}}",
    "struct<a: int32, b: struct<c: string, d: list<item: decimal128(5, 2)>>>",
    { a: 1, b: { c: null, d: ["decimal:1.25"] } },
  ],
  [
    "MAP {'k': {'x': [1::BIGINT]}, 'l': NULL}",
    "map<string, struct<x: list<item: int64>>>",
    [
      ["k", { x: [1] }],
      ["l", null],
    ],
  ],
];

test("every type, with NULL before and behind", { timeout: SLOW_MS }, async () => {
  const list = VALUES.map(([sql], i) => `CASE WHEN row = 1 THEN ${sql} END AS c${i}`);
  const read = await readBack(
    await bytesOf(`SELECT ${list.join(", ")} FROM range(3) AS rows(row) ORDER BY row`),
  );
  expect(read.types).toEqual(Object.fromEntries(VALUES.map(([, type], i) => [`c${i}`, type])));
  const nothing = VALUES.map(() => null);
  expect(read.data).toEqual([nothing, VALUES.map(([, , value]) => value), nothing]);
});

test("no row has the columns; no NULL needs no bitmap", { timeout: SLOW_MS }, async () => {
  expect(await readBack(await bytesOf("SELECT 1::BIGINT AS a, [{'b': 'x'}] AS l WHERE false"))).toMatchObject(
    { types: { a: "int64", l: "list<item: struct<b: string>>" }, rows: 0, batches: 0 },
  );
  expect(await readBack(await bytesOf("SELECT 'x' AS a, [1, 2]::INTEGER[2] AS b"))).toMatchObject({
    rows: 1,
    data: [["x", [1, 2]]],
  });
});

test("many batches, all rows", { timeout: SLOW_MS }, async () => {
  const sql =
    "SELECT range AS n, CASE WHEN range % 3 = 0 THEN range END AS m, range::VARCHAR AS t FROM range(10000)";
  const read = await readBack(await bytesOf(sql), ["n", "m"]);
  expect(read).toMatchObject({ rows: 10_000, sums: { n: "49995000", m: "16668333" } });
  expect(read.batches).toBeGreaterThan(3);
});

test("an integer that no decimal holds is an error, not another number", async () => {
  await expect(bytesOf("SELECT 100000000000000000000000000000000000000::HUGEINT")).rejects.toThrow(
    "38 digits",
  );
});

test("the service answers so, also behind its walls, up to the limit", { timeout: SLOW_MS }, async () => {
  const lake = await makeTinyLake([
    {
      name: "t",
      schemaString: schemaOf({ a: "string", ingest_date: "date" }),
      versions: [
        { timestampMs: 1, files: [{ day: "2026-01-01", columns: [{ name: "a", data: ["x", "y"] }] }] },
      ],
    },
  ]);
  try {
    const sql = "SELECT a, ingest_date, sum(n) AS s FROM t, range(3000) AS r(n) GROUP BY ALL ORDER BY a";
    const parts: Uint8Array[] = [];
    const answer = await lake
      .service({ timeoutMs: 90_000 })
      .run({ sql, principal: ADMIN, format: "arrow", limit: 1 }, new AbortController().signal);
    for await (const part of answer.body) parts.push(part);
    expect(await readBack(Buffer.concat(parts))).toMatchObject({
      types: { a: "string", ingest_date: "date32[day]", s: "decimal128(38, 0)" },
      data: [["x", "2026-01-01", "decimal:4498500"]],
    });
    expect(answer.end).toEqual({ rows: 1, isTruncated: true });
  } finally {
    await lake.close();
  }
});
