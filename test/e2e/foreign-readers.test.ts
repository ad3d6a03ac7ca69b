/**
 * Tables that our log commits, read by readers that know nothing of us: delta-rs, Polars, DuckDB and ClickHouse (as
 * chdb, also from S3). Every value of every row is compared with the rows as they were made up, through removes, a
 * rewrite, a new column, time travel and a table checkpoint with the older commits gone. Then the other way round:
 * delta-rs writes, we read.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, it } from "vitest";
import { createFileObjectStore } from "../../adapters/file/object-store.ts";
import { parseS3Address } from "../../adapters/s3/address.ts";
import { ManualClock, seededRandomness, systemClock, systemRandomness } from "../../core/clock.ts";
import { silentLogger } from "../../core/logger.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { AddFile, TableChange, TableLog, TableSnapshot } from "../../core/ports/table-log.ts";
import { addFile, dataFilePath, storePathOf } from "../../lake/table/add-file.ts";
import { createTableChange } from "../../lake/table/create-table.ts";
import { field, formatSchema, struct } from "../../lake/table/delta-schema.ts";
import { cleanUpLog } from "../../lake/table/log-cleanup.ts";
import { openTableLog } from "../../lake/table/table-log.ts";
import { logPath } from "../conformance/table-model.ts";
import { pythonEnvironment, runPython } from "../services/python.ts";
import { startS3 } from "../services/versitygw.ts";
import { type Row, ROW_FIELDS, rowFile, ROWS_PYTHON, rowsOf } from "./foreign-rows.ts";

const WITNESS = 2n ** 63n - 25n;
const SCHEMA = struct(...ROW_FIELDS);
const WIDER = struct(...ROW_FIELDS, field("note", "string"));

const CANONICAL = `${ROWS_PYTHON}
version = int(sys.argv[2]) if len(sys.argv) > 2 else None
`;
const DELTA_RS = `${CANONICAL}
from deltalake import DeltaTable
show(DeltaTable(sys.argv[1], version=version).to_pyarrow_table().to_pylist())
`;
const POLARS = `${CANONICAL}
import polars as pl
show(pl.scan_delta(sys.argv[1], version=version).collect().to_dicts())
`;

/**
 * ClickHouse has no struct and no list that is NULL: they come as a struct of NULLs and as an empty list. It opens
 * files below its working folder only.
 */
const CHDB = `
import sys, json, os
place, versions, credentials = sys.argv[1], sys.argv[2].split(","), sys.argv[3:]
if not credentials: os.chdir(os.path.dirname(place))
import chdb
def texts(args): return ", ".join("'" + a.replace("'", "''") + "'" for a in args)
function = "deltaLake" if credentials else "deltaLakeLocal"
def rows(version):
    table = f"{function}({texts([place, *credentials])})"
    note = ", note" if int(version) >= 5 else ""
    answer = chdb.query(f"""
        SELECT toString(n) AS n, text, toString(ratio) AS ratio, flag, toString(toUnixTimestamp64Micro(at)) AS "at",
          toDecimalString(amount, 9) AS amount, toString(day) AS day,
          (tupleElement(place, 'city'), toString(tupleElement(place, 'floor'))) AS place,
          tags, lower(hex(raw)) AS raw, toString(ingest_date) AS ingest_date{note}
        FROM (SELECT * FROM {table}) ORDER BY toInt64(n)
        SETTINGS delta_lake_snapshot_version = {version}""", "JSONCompactEachRowWithNames")
    names, *found = [json.loads(line) for line in str(answer).splitlines()]
    found = [dict(zip(names, row)) for row in found]
    for row in found: row["ratio"] = None if row["ratio"] is None else float(row["ratio"])
    return found
print(json.dumps({version: rows(version) for version in versions}))
`;

interface Fixture {
  readonly store: ObjectStore;
  readonly table: string;
  readonly log: TableLog;
  readonly snapshot: TableSnapshot;
  /** The live rows after each version. [version] */
  readonly rows: readonly (readonly Row[])[];
  readonly removedPaths: readonly string[];
}

let root = "";
let plain: Fixture;
let checkpointed: Fixture;
let cleaned: Fixture;

beforeAll(async () => {
  await pythonEnvironment();
  await pythonEnvironment("clickhouse");
  root = await mkdtemp(join(tmpdir(), "muara-foreign-"));
  plain = await buildTable("orders.plain", "100");
  checkpointed = await buildTable("orders.checkpointed", "5");
  for (let version = 0; version < 5; version++) {
    await checkpointed.store.delete(logPath(checkpointed.table, version));
  }
  cleaned = await buildTable("orders.cleaned", "2");
  const clock = new ManualClock(systemClock.nowMs() + 100 * 86_400_000);
  const ports = { store: cleaned.store, clock, logger: silentLogger };
  const cleanUp = await cleanUpLog(ports, cleaned.table, { consumers: [], holdMs: 0 });
  assert.deepEqual(cleanUp, { deleted: 5, oldestVersion: 4, overtaken: [] });
}, 600_000);
afterAll(() => rm(root, { recursive: true, force: true }));

const change = (more: Partial<TableChange>): TableChange => ({
  operation: "WRITE",
  add: [],
  remove: [],
  txns: [],
  info: { ledger: [1, "2"] },
  ...more,
});

async function buildTable(
  table: string,
  checkpointInterval: string,
  store: ObjectStore = createFileObjectStore({ root }),
): Promise<Fixture> {
  const log = openTableLog(store, table, {
    clock: systemClock,
    randomness: systemRandomness,
    logger: silentLogger,
  });
  const random = seededRandomness(42);
  const live = new Map<string, readonly Row[]>();
  const rows: (readonly Row[])[] = [];
  const removedPaths: string[] = [];
  let snapshot = await log.snapshot();
  const commit = async (wanted: TableChange): Promise<void> => {
    const outcome = await log.commit({ base: snapshot, change: wanted, check: () => "abandon" });
    assert.equal(outcome.outcome, "committed");
    snapshot = outcome.snapshot;
    rows.push([...live.values()].flat().sort((a, b) => Number(a.n) - Number(b.n)));
  };
  const write = async (content: readonly Row[], isDataChange = true): Promise<AddFile> => {
    const partitionValues = { ingest_date: content[0]!.ingest_date };
    const path = dataFilePath(partitionValues, systemRandomness.uuid());
    const bytes = rowFile(content);
    await store.put(storePathOf(table, path), bytes);
    live.set(path, content);
    const modifiedMs = systemClock.nowMs();
    const statistics = {
      numRecords: content.length,
      minValues: { n: BigInt(content[0]!.n) },
      maxValues: { n: BigInt(content.at(-1)!.n) },
      nullCount: { n: 0 },
    };
    return addFile({ path, partitionValues, bytes: bytes.length, modifiedMs, statistics, isDataChange });
  };
  const remove = (paths: readonly string[], dataChange: boolean): TableChange["remove"] =>
    paths.map((path) => {
      live.delete(path);
      removedPaths.push(path);
      return { path, deletionTimestamp: systemClock.nowMs(), dataChange };
    });
  const configuration = { "delta.checkpointInterval": checkpointInterval, "muara.retention": "400 days" };
  const [id, partitionColumns] = [systemRandomness.uuid(), ["ingest_date"]];
  await commit(
    createTableChange({ id, name: table, schema: SCHEMA, partitionColumns, configuration, createdTime: 1 }),
  );
  const first = await write(rowsOf(random, 0, 50, "2026-01-01"));
  await commit(change({ add: [first, await write(rowsOf(random, 50, 40, "2026-01-02"))] }));
  const small = [
    await write(rowsOf(random, 90, 5, "2026-01-02")),
    await write(rowsOf(random, 95, 7, "2026-01-02")),
  ];
  await commit(change({ add: small, txns: [{ appId: "muara:land:witness", version: WITNESS }] }));
  await commit(change({ operation: "DELETE", remove: remove([first.path], true) }));
  const merged = small.flatMap((file) => live.get(file.path)!);
  const gone = remove(
    small.map((file) => file.path),
    false,
  );
  await commit(change({ operation: "OPTIMIZE", remove: gone, add: [await write(merged, false)] }));
  const metadata = { ...snapshot.metadata!, schemaString: formatSchema(WIDER) };
  await commit(change({ operation: "ADD COLUMNS", metadata }));
  const noted = rowsOf(random, 102, 30, "2026-01-03").map((row) =>
    Object.assign(row, { note: `note ${row.n}` }),
  );
  await commit(change({ add: [await write(noted)], txns: [{ appId: "muara:land", version: 7n }] }));
  return { store, table, log, snapshot, rows, removedPaths };
}

/** Rows as a reader shows them: with the column `note` where the version has it. */
const expected = (fixture: Fixture, version: number): readonly Row[] =>
  fixture.rows[version]!.map((row) => (version < 5 ? row : { ...row, note: row.note ?? null }));

const shownByChdb = ({ place, tags, ...row }: Row): unknown => ({
  ...row,
  place: [place?.city ?? null, place?.floor ?? null],
  tags: tags ?? [],
});

function expectedOfChdb(fixture: Fixture, versions: readonly number[]): Record<string, unknown> {
  return Object.fromEntries(
    versions.map((version) => [String(version), expected(fixture, version).map(shownByChdb)]),
  );
}

const fixtures = [
  ["plain log", () => plain],
  ["checkpoint and tail", () => checkpointed],
  ["cleaned-up log", () => cleaned],
] as const;

describe.each(fixtures)("%s", (name, fixture) => {
  const oldest = { "plain log": 1, "checkpoint and tail": 5, "cleaned-up log": 4 }[name];
  const versions = [1, 2, 3, 4, 5, 6].filter((version) => version >= oldest);

  it.each([
    ["delta-rs", DELTA_RS],
    ["Polars", POLARS],
  ])("%s reads every value of every version", async (_reader, script) => {
    const { store, table } = fixture();
    assert.deepEqual(await runPython(script, [store.location(table)]), expected(fixture(), 6));
    for (const version of versions) {
      const rows = await runPython(script, [store.location(table), String(version)]);
      assert.deepEqual(rows, expected(fixture(), version), `version ${version}`);
    }
  });

  it("ClickHouse reads every value of every version", async () => {
    const { store, table } = fixture();
    const read = await runPython(CHDB, [store.location(table), versions.join(",")], { set: "clickhouse" });
    assert.deepEqual(read, expectedOfChdb(fixture(), versions));
  });

  it("DuckDB reads every value from the list of files", async () => {
    const { store, table, log } = fixture();
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    for (const version of versions) {
      const { files } = await log.snapshot({ version });
      const list = [...files.keys()]
        .map((path) => `'${store.location(storePathOf(table, path))}'`)
        .join(", ");
      const note = version < 6 ? "NULL AS note" : "note"; // before version 6 no file has that column
      const reader = await connection.runAndReadAll(`
        SELECT n::VARCHAR AS n, text, ratio, flag, epoch_us("at")::VARCHAR AS "at", amount::VARCHAR AS amount,
          day::VARCHAR AS day, place.city AS city, place.floor::VARCHAR AS floor, place IS NULL AS nowhere, tags,
          lower(hex(raw)) AS raw, ingest_date::VARCHAR AS ingest_date, ${note}
        FROM read_parquet([${list}], hive_partitioning = true, hive_types = {ingest_date: DATE}, union_by_name = true)
        ORDER BY n::BIGINT`);
      const rows = reader.getRowObjectsJson().map(({ city, floor, nowhere, ...row }) => ({
        ...row,
        place: nowhere === true ? null : { city, floor },
      }));
      const wanted = fixture().rows[version]!.map((row) => ({ ...row, note: row.note ?? null }));
      assert.deepEqual(rows, wanted, `version ${version}`);
    }
    connection.closeSync();
    instance.closeSync();
  });

  it("filters on the partition and on skipped files find the same rows", async () => {
    const { store, table } = fixture();
    const script = `
import sys, json, datetime as dt, polars as pl
from deltalake import DeltaTable
day = dt.date(2026, 1, 2)
def facts(condition):
    rows = pl.scan_delta(sys.argv[1]).filter(condition)
    return list(rows.select(pl.len(), pl.col("n").sum()).collect().row(0))
a = facts((pl.col("ingest_date") == day) & (pl.col("n") >= 88))
b = facts(pl.col("n") >= 102)
import pyarrow.dataset as ds
condition = (ds.field("ingest_date") == day) & (ds.field("n") >= 88)
t = DeltaTable(sys.argv[1]).to_pyarrow_dataset().to_table(filter=condition)
print(json.dumps([a, b, [t.num_rows, sum(t["n"].to_pylist())]]))`;
    const live = expected(fixture(), 6);
    const onDay = facts(live.filter((row) => row.ingest_date === "2026-01-02" && Number(row.n) >= 88));
    const late = facts(live.filter((row) => Number(row.n) >= 102));
    assert.ok(onDay[0]! > 0 && late[0]! > 0);
    assert.deepEqual(await runPython(script, [store.location(table)]), [onDay, late, onDay]);
  });

  it("delta-rs sees the files, the txns to the last bit, the properties, the history and the tombstones", async () => {
    const { store, table, snapshot, removedPaths } = fixture();
    const script = `
import sys, json
from deltalake import DeltaTable
t = DeltaTable(sys.argv[1])
p = t.protocol()
print(json.dumps({
    "version": t.version(), "protocol": [p.min_reader_version, p.min_writer_version],
    "files": sorted(f.split(sys.argv[1] + "/")[-1] for f in t.file_uris()),
    "witness": str(t.transaction_version("muara:land:witness")), "land": t.transaction_version("muara:land"),
    "retention": t.metadata().configuration["muara.retention"], "id": str(t.metadata().id),
    "partitions": t.metadata().partition_columns,
    "newest": t.history(1)[0]["operation"],
    "removed": sorted(t.vacuum(retention_hours=0, dry_run=True, enforce_retention_duration=False)),
}))`;
    assert.deepEqual(await runPython(script, [store.location(table)]), {
      version: 6,
      protocol: [1, 2],
      files: [...snapshot.files.keys()],
      witness: String(WITNESS),
      land: 7,
      retention: "400 days",
      id: snapshot.metadata!.id,
      partitions: ["ingest_date"],
      newest: "WRITE",
      removed: [...removedPaths].sort(),
    });
  });
});

describe("on S3", () => {
  it("ClickHouse reads every value of every version", async () => {
    const server = await startS3();
    try {
      const address = await server.freshAddress("lake");
      const fixture = await buildTable("orders.remote", "5", server.store(address));
      const { base, prefix } = parseS3Address(address);
      const place = `${base}/${prefix}/${fixture.table}`;
      const { accessKeyId, secretAccessKey } = server.credentials;
      const versions = [1, 4, 5, 6];
      const read = await runPython(CHDB, [place, versions.join(","), accessKeyId, secretAccessKey], {
        set: "clickhouse",
      });
      assert.deepEqual(read, expectedOfChdb(fixture, versions));
    } finally {
      await server.stop();
    }
  });
});

describe("the other way round", () => {
  it("we read what delta-rs committed, removed and checkpointed in our table", async () => {
    const { store, table, snapshot } = await buildTable("orders.shared", "100");
    const script = `
import sys, json, pyarrow as pa, datetime as dt
from deltalake import DeltaTable, write_deltalake, CommitProperties, Transaction
t = DeltaTable(sys.argv[1])
rows = t.to_pyarrow_table().slice(0, 3)
properties = CommitProperties(app_transactions=[Transaction("foreign", 9007199254740993)])
write_deltalake(t, rows, mode="append", commit_properties=properties)
t.update_incremental()
t.delete("n >= 110")
t.create_checkpoint()
print(json.dumps({"version": t.version(), "files": sorted(f.split(sys.argv[1] + "/")[-1] for f in t.file_uris()),
                  "rows": t.to_pyarrow_table().num_rows}))`;
    const answer = await runPython(script, [store.location(table)]);
    const open = (): TableLog =>
      openTableLog(store, table, { clock: systemClock, randomness: systemRandomness, logger: silentLogger });
    const byReplay = await open().snapshot({ from: snapshot });
    for (let version = 0; version < byReplay.version; version++) await store.delete(logPath(table, version));
    const byCheckpoint = await open().snapshot();
    for (const { version, files, txns, metadata } of [byReplay, byCheckpoint]) {
      const records = [...files.values()].map((file) => Number(/"numRecords":(\d+)/.exec(file.stats!)![1]));
      const rows = records.reduce((sum, count) => sum + count, 0);
      assert.deepEqual({ version, files: [...files.keys()], rows }, answer);
      assert.equal(txns.get("foreign"), 9_007_199_254_740_993n);
      assert.equal(txns.get("muara:land:witness"), WITNESS);
      assert.equal(metadata!.id, snapshot.metadata!.id);
    }
    assert.equal(byReplay.version, 8);
    const outcome = await open().commit({
      base: byCheckpoint,
      change: { operation: "WRITE", add: [], remove: [], txns: [{ appId: "ours", version: 1n }], info: {} },
      check: () => "abandon",
    });
    assert.equal(outcome.outcome, "committed");
    const seen = `
import sys, json
from deltalake import DeltaTable
t = DeltaTable(sys.argv[1])
print(json.dumps([t.version(), t.transaction_version("ours")]))`;
    assert.deepEqual(await runPython(seen, [store.location(table)]), [9, 1]);
  });
});

/** How many rows, and the sum of n. */
function facts(rows: readonly Row[]): readonly number[] {
  return [rows.length, rows.reduce((sum, row) => sum + Number(row.n), 0)];
}
