/** Changes of a captured table in the lake: what becomes of `source`, `before` and the key; who is whose twin. */
import { Buffer } from "node:buffer";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { expect, test } from "vitest";
import { changeId } from "../../../core/change.ts";
import { planColumns } from "../../../core/columns.ts";
import { TableLanding } from "../../../workers/land/table-landing.ts";
import { ACCOUNTS, capturedType, changeRecord, EPOCH_MS } from "../../lake/current/changes.ts";
import { createPlainEncoder } from "../../oracle/parquet/plain-encoder.ts";
import { counter, declare, install, type Installation, never, OPTIONS, send } from "./setup.ts";

const TYPE = capturedType({
  id: { type: "integer" },
  balance: { type: "string", format: "decimal(12,2)" },
  source: { type: "string" },
  Before: { type: "string" },
});

async function queryOf(
  files: readonly Uint8Array[],
  sql: string,
): Promise<readonly Record<string, unknown>[]> {
  const folder = mkdtempSync(join(tmpdir(), "muara-captured-"));
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  try {
    const paths = files.map((bytes, i) => {
      writeFileSync(join(folder, `${i}.parquet`), bytes);
      return `'${join(folder, `${i}.parquet`)}'`;
    });
    const events = `read_parquet([${paths.join(", ")}])`;
    return (await connection.runAndReadAll(`WITH events AS (FROM ${events}) ${sql}`)).getRowObjectsJson();
  } finally {
    connection.closeSync();
    instance.closeSync();
    rmSync(folder, { recursive: true });
  }
}

async function filesOf(at: Installation): Promise<readonly Uint8Array[]> {
  const { files } = await at.openTable(ACCOUNTS).snapshot();
  return Promise.all(
    [...files.values()].map(async ({ path }) => (await at.store.get(`${ACCOUNTS}/${path}`))!),
  );
}

const CHANGES = [
  changeRecord({ lsn: 100, index: 0, change: "create", key: ["shop1", 1], data: { id: 1, balance: "5.00" } }),
  changeRecord({
    lsn: 100,
    index: 1,
    change: "update",
    key: ["shop1", 1],
    data: { id: 1, source: "web", Before: "b", balance: null, balance__text: "NaN" },
    unchanged: ["bio", "note"],
    before: { id: 1, balance: "1e400" },
  }),
  changeRecord({ lsn: 2 ** 52, index: 2, change: "truncate", key: null, atMs: EPOCH_MS }),
];

test("source and before are columns, the record's key is the row's, fields of these names are data_*", async () => {
  const at = await install();
  await declare(at, TYPE);
  await send(at, [...CHANGES, CHANGES[1]!], 0, ACCOUNTS);
  const landing = await TableLanding.open(at.ports, OPTIONS, TYPE);
  while ((await landing.step(never)).hasBacklog);
  expect(
    await Promise.all(["landed", "duplicates", "dead"].map((name) => counter(at, name, ACCOUNTS))),
  ).toEqual([3, 1, 0]);
  const sql = `SELECT event_id, event_key, data_op, data_type, source, "before", id, balance, data_source,
    "data_Before", extra FROM events ORDER BY log_offset`;
  const rows = await queryOf(await filesOf(at), sql);
  const source = {
    shard: "shop1",
    incarnation: "7",
    lsn: "100",
    index: "0",
    xid: "100",
    change: "create",
    unchanged: null,
  };
  const none = { before: null, data_source: null, data_Before: null, extra: null };
  const place = { incarnation: 7, lsn: 100n };
  expect(rows).toEqual([
    {
      ...none,
      event_id: changeId({ ...place, index: 0 }),
      event_key: '["shop1",1]',
      data_op: "C",
      data_type: "public.accounts",
      source,
      id: "1",
      balance: "5.00",
    },
    {
      event_id: changeId({ ...place, index: 1 }),
      event_key: '["shop1",1]',
      data_op: "U",
      data_type: "public.accounts",
      source: { ...source, index: "1", change: "update", unchanged: ["bio", "note"] },
      before: '{"id":1,"balance":"1e400"}',
      id: "1",
      balance: null,
      data_source: "web",
      data_Before: "b",
      extra: '{"data":{"balance__text":"NaN"}}',
    },
    {
      ...none,
      event_id: changeId({ incarnation: 7, lsn: 2n ** 52n, index: 2 }),
      event_key: null,
      data_op: "D",
      data_type: "public.accounts",
      source: { ...source, lsn: String(2 ** 52), index: "2", xid: String(2 ** 52), change: "truncate" },
      id: null,
      balance: null,
    },
  ]);
});

test("the other encoder makes the same of them", async () => {
  const at = await install();
  await declare(at, TYPE);
  await send(at, CHANGES, 0, ACCOUNTS);
  const landing = await TableLanding.open(at.ports, OPTIONS, TYPE);
  while ((await landing.step(never)).hasBacklog);
  const plain = createPlainEncoder(planColumns(TYPE));
  for (const { payload } of CHANGES) {
    const bytes = Buffer.from(payload!);
    expect(plain.add(bytes, 0, bytes.length)).toBeUndefined();
  }
  const file = plain.write(Uint32Array.of(0, 1, 2), {
    eventIds: ["a", "b", "c"],
    eventTimesUs: new BigInt64Array(3),
    ingestMs: new Float64Array(3),
    keys: [null, null, null],
    partitions: new Int32Array(3),
    offsets: Float64Array.of(0, 1, 2),
    flowIds: [null, null, null],
    watermarkUs: null,
  });
  const sql = `SELECT * EXCLUDE (event_id, event_time, ingest_time, event_key, flow_id, watermark),
    typeof(source) AS types FROM events ORDER BY log_offset`;
  expect(await queryOf(await filesOf(at), sql)).toEqual(await queryOf([file.bytes], sql));
});

test("a source that is none of ours becomes a dead letter", async () => {
  const at = await install();
  await declare(at, TYPE);
  const bad = [
    { source: "shop1" },
    { source: { lsn: "1" } },
    { source: { lsn: 1.5 } },
    { source: { unchanged: "a" } },
  ];
  const good = JSON.parse(new TextDecoder().decode(CHANGES[0]!.payload!)) as object;
  await send(
    at,
    bad.map((part) => JSON.stringify({ ...good, ...part })),
    0,
    ACCOUNTS,
  );
  const landing = await TableLanding.open(at.ports, OPTIONS, TYPE);
  while ((await landing.step(never)).hasBacklog);
  expect(await counter(at, "dead", ACCOUNTS)).toBe(bad.length);
});
