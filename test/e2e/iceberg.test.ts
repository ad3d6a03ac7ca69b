/**
 * Tables exported as Iceberg, read by readers that know nothing of Delta here: PyIceberg, Polars and DuckDB's own
 * Iceberg extension. Every value of every row against the rows as they were made up; partitions and files left out by
 * filters; a second export after rows went and columns came; the files that an export needs.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, it } from "vitest";
import { createFileObjectStore } from "../../adapters/file/object-store.ts";
import { seededRandomness, systemClock, systemRandomness } from "../../core/clock.ts";
import { silentLogger } from "../../core/logger.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { AddFile, TableChange, TableLog, TableSnapshot } from "../../core/ports/table-log.ts";
import { dropIceberg, exportIceberg, icebergHold, type IcebergExport } from "../../lake/iceberg/export.ts";
import { addFile, dataFilePath, storePathOf } from "../../lake/table/add-file.ts";
import { createTableChange } from "../../lake/table/create-table.ts";
import { field, formatSchema, struct } from "../../lake/table/delta-schema.ts";
import { openTableLog } from "../../lake/table/table-log.ts";
import { eventually, startMuara, temporaryFolder } from "../services/muara.ts";
import { pythonEnvironment, runPython } from "../services/python.ts";
import { startS3 } from "../services/versitygw.ts";
import { runMuara } from "../services/command.ts";
import { type Row, ROW_FIELDS, rowFile, ROWS_PYTHON, rowsOf } from "./foreign-rows.ts";

const DAYS = ["2026-01-01", "2026-01-02", "2026-01-03"];
const FILE_ROWS = 40;

const CANONICAL = `${ROWS_PYTHON}
where, condition = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
`;
const PYICEBERG = `${CANONICAL}
from pyiceberg.table import StaticTable
t = StaticTable.from_metadata(where)
show(t.scan(row_filter=condition or "n >= 0").to_arrow().to_pylist())`;
const POLARS = `${CANONICAL}
import polars as pl
frame = pl.scan_iceberg(where)
if condition: frame = frame.filter(pl.sql_expr(condition))
show(frame.collect().to_dicts())`;
const DUCKDB = `${CANONICAL}
import duckdb, pathlib, duckdb_extension_avro, duckdb_extension_iceberg
c = duckdb.connect()
for module in (duckdb_extension_avro, duckdb_extension_iceberg):
    c.execute(f"LOAD '{next(pathlib.Path(module.__file__).parent.rglob('*.duckdb_extension'))}'")
c.execute("SET TimeZone = 'UTC'")
found = c.execute(f"""SELECT n, text, ratio, flag, epoch_us("at") AS at, amount, day, place, tags, raw, ingest_date, *
  EXCLUDE (n, text, ratio, flag, "at", amount, day, place, tags, raw, ingest_date)
  FROM iceberg_scan('{where}') WHERE {condition or 'true'}""").fetchall()
names = [d[0] for d in c.description]
show([dict(zip(names, row)) for row in found])`;
const READERS = [
  ["PyIceberg", PYICEBERG],
  ["Polars", POLARS],
  ["DuckDB", DUCKDB],
] as const;

const ports = { clock: systemClock, randomness: systemRandomness, logger: silentLogger };
const python = (script: string, args: readonly string[]): Promise<unknown> =>
  runPython(script, args, { set: "sharing", timeoutMs: 300_000 });

class World {
  readonly store: ObjectStore;
  readonly name: string;
  readonly log: TableLog;
  readonly live = new Map<string, readonly Row[]>();
  snapshot!: TableSnapshot;

  constructor(store: ObjectStore, name: string) {
    this.store = store;
    this.name = name;
    this.log = openTableLog(store, name, ports);
  }

  async create(): Promise<void> {
    this.snapshot = await this.log.snapshot();
    const change = createTableChange({
      id: systemRandomness.uuid(),
      name: this.name,
      schema: struct(...ROW_FIELDS),
      partitionColumns: ["ingest_date"],
      configuration: {},
      createdTime: 1,
    });
    await this.#commit(change);
  }

  async add(rows: readonly Row[], hasStatistics = true): Promise<void> {
    const partitionValues = { ingest_date: rows[0]!.ingest_date };
    const path = dataFilePath(partitionValues, systemRandomness.uuid());
    const bytes = rowFile(rows);
    await this.store.put(storePathOf(this.name, path), bytes);
    const statistics = {
      numRecords: rows.length,
      minValues: { n: BigInt(rows[0]!.n) },
      maxValues: { n: BigInt(rows.at(-1)!.n) },
      nullCount: { n: 0 },
    };
    const file = { path, partitionValues, bytes: bytes.length, modifiedMs: systemClock.nowMs() };
    const add: AddFile = addFile(hasStatistics ? { ...file, statistics } : file);
    this.live.set(path, rows);
    await this.#commit(changeOf({ add: [add] }));
  }

  async remove(path: string): Promise<void> {
    this.live.delete(path);
    const deletionTimestamp = systemClock.nowMs();
    await this.#commit(changeOf({ remove: [{ path, deletionTimestamp, dataChange: true }] }));
  }

  async widen(): Promise<void> {
    const schemaString = formatSchema(struct(...ROW_FIELDS, field("note", "string")));
    await this.#commit(changeOf({ metadata: { ...this.snapshot.metadata!, schemaString } }));
  }

  export(): Promise<IcebergExport> {
    return exportIceberg(this.store, this.name, this.snapshot);
  }

  /** As every reader shows them. */
  rows(): readonly Row[] {
    const hasNote = this.snapshot.metadata!.schemaString.includes('"note"');
    return [...this.live.values()]
      .flat()
      .sort((a, b) => Number(a.n) - Number(b.n))
      .map((row) => (hasNote ? { ...row, note: row.note ?? null } : row));
  }

  async #commit(change: TableChange): Promise<void> {
    const outcome = await this.log.commit({ base: this.snapshot, change, check: () => "abandon" });
    assert.equal(outcome.outcome, "committed");
    this.snapshot = outcome.snapshot;
  }
}

function changeOf(more: Partial<TableChange>): TableChange {
  return { operation: "WRITE", add: [], remove: [], txns: [], info: {}, ...more };
}

let root = "";
const random = seededRandomness(7);
beforeAll(async () => {
  await pythonEnvironment("sharing");
  root = await mkdtemp(join(tmpdir(), "muara-iceberg-"));
}, 600_000);
afterAll(() => rm(root, { recursive: true, force: true }));

async function world(name: string): Promise<World> {
  const made = new World(createFileObjectStore({ root }), name);
  await made.create();
  for (const [i, day] of DAYS.entries())
    await made.add(rowsOf(random, i * FILE_ROWS, FILE_ROWS, day), i !== 1);
  return made;
}

describe("a table as Iceberg", () => {
  it.each(READERS)(
    "%s reads every value, of a second export, too",
    { timeout: 600_000 },
    async (name, script) => {
      const made = await world(`orders.${name.toLowerCase()}`);
      const first = await made.export();
      assert.deepEqual([first.files, first.rows], [DAYS.length, DAYS.length * FILE_ROWS]);
      assert.deepEqual(await python(script, [first.metadataLocation]), made.rows());
      await made.remove([...made.live.keys()][0]!);
      await made.widen();
      const noted = rowsOf(random, 500, 10, "2026-01-04").map((row) => ({ ...row, note: `note ${row.n}` }));
      await made.add(noted);
      const second = await made.export();
      assert.ok(second.version > first.version);
      assert.deepEqual(await python(script, [second.metadataLocation]), made.rows());
      // The one before stays as long as there is one after it.
      const before = (await python(script, [first.metadataLocation])) as unknown[];
      assert.equal(before.length, first.rows);
    },
  );

  it.each(READERS)("%s finds the same rows by filters", { timeout: 600_000 }, async (name, script) => {
    const made = await world(`filtered.${name.toLowerCase()}`);
    const { metadataLocation } = await made.export();
    const conditions: readonly (readonly [string, (row: Row) => boolean])[] = [
      [
        name === "PyIceberg" ? "ingest_date = '2026-01-02'" : "ingest_date = DATE '2026-01-02'",
        (row) => row.ingest_date === DAYS[1],
      ],
      ["n >= 79 AND n < 82", (row) => Number(row.n) >= 79 && Number(row.n) < 82],
      ["n > 100000", () => false],
    ];
    for (const [condition, holds] of conditions)
      assert.deepEqual(
        await python(script, [metadataLocation, condition]),
        made.rows().filter(holds),
        condition,
      );
  });

  it("leaves out files by partition and bounds, and is marked as what it is", async () => {
    const made = await world("orders.planned");
    const { metadataLocation, version } = await made.export();
    const script = `${CANONICAL}
from pyiceberg.table import StaticTable
t = StaticTable.from_metadata(where)
def planned(condition): return len(list(t.scan(row_filter=condition).plan_files()))
say({"files": [planned(c) for c in ("n >= 0", "ingest_date = '2026-01-02'", "n < 40", "n > 1000")],
  "properties": {k: v for k, v in t.properties.items() if "mapping" not in k},
  "snapshots": len(t.metadata.snapshots), "uuid": str(t.metadata.table_uuid),
  "doc": t.schema().find_field("n").doc, "rows": t.current_snapshot().summary["total-records"]})`;
    assert.deepEqual(await python(script, [metadataLocation]), {
      // The file without statistics may hold anything.
      files: [3, 1, 2, 1],
      properties: {
        "muara.read-only": "true",
        "muara.delta-version": String(version),
        "gc.enabled": "false",
      },
      snapshots: 1,
      uuid: made.snapshot.metadata!.id,
      doc: "counts the rows",
      rows: String(DAYS.length * FILE_ROWS),
    });
  });

  it("exports that repeat or overtake each other agree; only two stay; an end leaves nothing", async () => {
    const made = await world("orders.again");
    const exportedFiles = async (): Promise<readonly string[]> =>
      (await made.store.list(`${made.name}/metadata`)).map(({ path }) => path.slice(made.name.length + 10));
    assert.equal(await icebergHold(made.store, made.name), undefined);
    const older = made.snapshot;
    const [a, b] = await Promise.all([made.export(), made.export()]);
    assert.deepEqual(a, b);
    assert.deepEqual(await icebergHold(made.store, made.name), {
      version: older.version,
      committedMs: older.timestampMs,
    });
    await made.add(rowsOf(random, 300, 5, DAYS[0]!));
    await made.export();
    await exportIceberg(made.store, made.name, older);
    const hold = await icebergHold(made.store, made.name);
    const newest = { version: made.snapshot.version, committedMs: made.snapshot.timestampMs };
    assert.deepEqual(hold, newest, "a slow one takes nobody back");
    await made.add(rowsOf(random, 400, 5, DAYS[0]!));
    await made.export();
    const [old, now] = [made.snapshot.version - 1, made.snapshot.version];
    assert.deepEqual(
      await exportedFiles(),
      [
        ...[old, now].map((version) => `manifest-${version}.avro`),
        ...[old, now].map((version) => `snapshot-${version}.avro`),
        ...[old, now].map((version) => `v${version}.metadata.json`),
        "version-hint.text",
      ].sort(),
    );
    await dropIceberg(made.store, made.name);
    assert.deepEqual(await exportedFiles(), []);
    assert.equal(await icebergHold(made.store, made.name), undefined);
  });

  it("a table without files, and one that nobody made", async () => {
    const made = new World(createFileObjectStore({ root }), "orders.empty");
    await made.create();
    const { metadataLocation } = await made.export();
    for (const [, script] of READERS) assert.deepEqual(await python(script, [metadataLocation]), []);
    const nothing = await openTableLog(made.store, "nothing", ports).snapshot();
    await assert.rejects(exportIceberg(made.store, "nothing", nothing), { code: "table.not_found" });
  });
});

it(
  "an event table on S3, exported by the command, is read with every row",
  { timeout: 600_000 },
  async () => {
    const server = await startS3();
    const folder = await temporaryFolder("iceberg");
    const { accessKeyId, secretAccessKey } = server.credentials;
    const lake = await server.freshAddress("lake");
    const muara = await startMuara(folder.path, {
      MUARA_LAKE: lake,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    });
    try {
      const schema = { type: "object", properties: { n: { type: "integer" }, open: { type: "object" } } };
      const type = {
        name: "order.created",
        owning_application: "shop",
        category: "undefined",
        schema: { type: "json_schema", schema: JSON.stringify(schema) },
      };
      assert.equal(
        (await muara.fetch("/event-types", { method: "POST", body: JSON.stringify(type) })).status,
        201,
      );
      const events = JSON.stringify(Array.from({ length: 100 }, (_, n) => ({ n, open: { a: n } })));
      assert.equal(
        (await muara.fetch("/event-types/order.created/events", { method: "POST", body: events })).status,
        200,
      );
      const sql = 'SELECT n::VARCHAR, event_id, "open" FROM "order.created" ORDER BY n';
      await eventually("all landed", 60_000, async () => (await muara.sql(sql)).length === 100);
      const at = ["--url", muara.url, "--token", muara.token, "-o", "json"];
      const { code, out, err } = await runMuara(["table", "iceberg", "order.created", ...at]);
      assert.equal(code, 0, err);
      const [exported] = JSON.parse(out) as [{ metadata_location: string; rows: number }];
      assert.equal(exported.rows, 100);
      const script = `${CANONICAL}
from pyiceberg.table import StaticTable
t = StaticTable.from_metadata(where, properties={"s3.endpoint": sys.argv[3], "s3.access-key-id": sys.argv[4],
  "s3.secret-access-key": sys.argv[5], "s3.region": "us-east-1"})
rows = t.scan().to_arrow().to_pylist()
say([[canon(r["n"]), r["event_id"], r["open"]] for r in sorted(rows, key=lambda r: r["n"])])`;
      const args = [exported.metadata_location, "", server.url, accessKeyId, secretAccessKey];
      assert.deepEqual(await python(script, args), await muara.sql(sql));
    } finally {
      await muara.kill();
      await server.stop();
      await folder.remove();
    }
  },
);
