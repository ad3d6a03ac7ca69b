/**
 * Compaction beside landing: rows, types and statistics stay what they are, ids stay known, readers of every version
 * see the same rows, and whoever else compacts, appends, removes or dies changes nothing of that.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { MuaraError } from "../../core/errors.ts";
import type { EventType } from "../../core/event-type.ts";
import type { AddFile, TableSnapshot } from "../../core/ports/table-log.ts";
import { type Compacted, type CompactOptions, compactionTask, compactTable } from "../../lake/compact.ts";
import { takeLease } from "../../lake/lease.ts";
import { readIdRows } from "../../lake/parquet/id-column.ts";
import { openEngine } from "../../lake/query/session.ts";
import { viewStatements } from "../../lake/query/view.ts";
import { FileRewriter } from "../../lake/rewrite.ts";
import { pauseTable, resumeTable } from "../../lake/table/table-pause.ts";
import { createUpkeep } from "../../lake/upkeep.ts";
import { TableLanding } from "../../workers/land/table-landing.ts";
import { runPython } from "../services/python.ts";
import {
  counter,
  declare,
  event,
  eventType,
  type Installation,
  install,
  never,
  OPTIONS as LAND,
  send,
} from "../workers/land/setup.ts";

const TABLE = "order.created";
const TYPE: EventType = eventType({
  schema: {
    type: "json_schema",
    schema: JSON.stringify({
      type: "object",
      properties: {
        n: { type: "integer" },
        total: { type: "number", format: "decimal(30,2)" },
        at: { type: "string", format: "date-time" },
        day: { type: "string", format: "date" },
        share: { type: "number" },
        ok: { type: "boolean" },
        place: { type: "object", properties: { city: { type: "string" }, floor: { type: "integer" } } },
        tags: { type: "array", items: { type: "string" } },
        note: { type: "string" },
      },
    }),
  },
});
const OPTIONS: CompactOptions = {
  filesMin: 4,
  targetBytes: 1 << 27,
  fileBytes: 1 << 28,
  runBytes: 1 << 30,
  runRows: 1e7,
};

const rewriter = new FileRewriter();
const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});
afterAll(() => rewriter.close());

function richEvent(n: number): string {
  const full = {
    total: `${n}00000000000000000.${n % 10}5`,
    at: `1960-01-0${(n % 9) + 1}T00:00:00.00000${n % 10}Z`,
    day: `2026-02-${String((n % 28) + 1).padStart(2, "0")}`,
    share: n / 3,
    ok: n % 2 === 0,
    place: n % 3 === 0 ? null : { city: `Kuching ${n}`, floor: n, unknown: [n] },
    tags: n % 4 === 0 ? [] : ["a", `é${n}`],
    note: n % 5 === 0 ? null : "x".repeat(n),
    more: { deep: n },
  };
  // Numbers beyond a double must stay as they are written.
  return event(n, full).replace(/"total":"([^"]*)"/, '"total":$1');
}

/** Lands each of the numbers in a commit of its own. */
async function landEach(at: Installation, from: number, count: number): Promise<void> {
  const landing = await TableLanding.open(at.ports, LAND, TYPE);
  for (let n = from; n < from + count; n++) {
    await send(at, [richEvent(n)]);
    await landing.step(never);
    at.clock.advance(500);
  }
  landing.discard();
}

async function landed(count: number): Promise<Installation> {
  const at = await install();
  await declare(at, TYPE);
  await landEach(at, 1, count);
  return at;
}

async function compact(
  at: Installation,
  changed: Partial<CompactOptions> = {},
  base?: TableSnapshot,
  owner = "me",
): Promise<Compacted> {
  const log = at.openTable(TABLE);
  const request = { name: TABLE, log, base: base ?? (await log.snapshot()), owner };
  return compactTable({ ...at.ports, rewriter }, { ...OPTIONS, ...changed }, request, never);
}

async function onDisk(at: Installation): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "muara-compact-"));
  folders.push(folder);
  for (const { path } of await at.store.list("")) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), (await at.store.get(path))!);
  }
  return folder;
}

/** Every row with all its columns as text, sorted, as an engine reads the snapshot; or what is selected. */
async function seen(
  at: Installation,
  snapshot: TableSnapshot,
  select = "SELECT t::VARCHAR AS row",
): Promise<string[]> {
  const folder = await onDisk(at);
  const connection = await openEngine({ memoryBytes: 500_000_000, threads: 1 });
  const { schemaString, partitionColumns } = snapshot.metadata!;
  const files = [...snapshot.files.values()].map(({ path, partitionValues }) => ({
    path: join(folder, TABLE, decodeURIComponent(path)),
    partitionValues,
  }));
  const table = { names: ["t"], schemaString, partitionColumns, files, ingestedUntilMs: null };
  for (const statement of viewStatements(table)) await connection.run(statement);
  const rows = (await connection.runAndReadAll(`${select} FROM t`)).getRows();
  connection.closeSync();
  return rows.map((row) => row.map(String).join("|")).toSorted();
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);
const snapshotOf = (at: Installation, version?: number): Promise<TableSnapshot> =>
  at.openTable(TABLE).snapshot(version === undefined ? {} : { version });

test("rows, order of columns, types and ids stay; the commit says that no row changed", async () => {
  const at = await landed(12);
  const before = await snapshotOf(at);
  expect(before.files.size).toBe(12);
  const rows = await seen(at, before);
  const done = await compact(at);
  expect(done).toMatchObject({
    groups: 1,
    filesBefore: 12,
    filesAfter: 1,
    rows: 12,
    voided: 0,
    isElsewhere: false,
  });

  const after = await snapshotOf(at);
  expect(after.files.size).toBe(1);
  expect(await seen(at, after)).toEqual(rows);
  expect(new Set(rows).size).toBe(12);
  expect(after.txns).toEqual(before.txns);
  const commit = (await at.openTable(TABLE).read(after.version))!;
  expect(commit.operation).toBe("OPTIMIZE");
  expect(commit.txns).toEqual([]);
  expect([...commit.add, ...commit.remove].every(({ dataChange }) => !dataChange)).toBe(true);
  // Readers that were pinned before still find what they read.
  expect(await seen(at, before)).toEqual(rows);
}, 60_000);

test("delta-rs reads every version, and after the last one finds the columns typed as declared", async () => {
  const at = await landed(6);
  await compact(at);
  await landEach(at, 7, 5);
  await compact(at);
  const folder = await onDisk(at);
  const { version } = await snapshotOf(at);
  const found = (await runPython(
    `
import sys, json
from deltalake import DeltaTable
out = []
for version in range(int(sys.argv[2]) + 1):
    rows = DeltaTable(sys.argv[1], version=version).to_pyarrow_table()
    out.append(sorted(rows["n"].to_pylist()))
table = DeltaTable(sys.argv[1])
types = {f.name: str(f.type) for f in table.to_pyarrow_table().schema}
print(json.dumps({"versions": out, "types": types}))
`,
    [join(folder, TABLE), String(version)],
    { timeoutMs: 300_000 },
  )) as { versions: number[][]; types: Record<string, string> };
  expect(found.versions).toEqual([
    ...Array.from({ length: 7 }, (_, i) => upTo(i)),
    upTo(6),
    ...Array.from({ length: 5 }, (_, i) => upTo(7 + i)),
    upTo(11),
  ]);
  expect(found.types).toMatchObject({
    event_time: "timestamp[us, tz=UTC]",
    total: "decimal128(30, 2)",
    at: "timestamp[us, tz=UTC]",
    day: "date32[day]",
    place: expect.stringContaining("struct<city:"),
    tags: expect.stringContaining("list<"),
  });
}, 600_000);

test("statistics of the new file are what the rows say, and its id column can be read fast", async () => {
  const at = await landed(9);
  await compact(at);
  const snapshot = await snapshotOf(at);
  const [file] = [...snapshot.files.values()];
  const stats = JSON.parse(file!.stats!.replace(/":(-?\d+\.\d+)/g, '":"$1"')) as Record<
    string,
    Record<string, unknown>
  >;
  expect(stats["numRecords"]).toBe(9);
  const [bounds] = await seen(
    at,
    snapshot,
    `SELECT min(n), max(n), min(total), max(total), min(day), max(day), count(*) - count(note), count(*) - count("at"),
      strftime(min("at"), '%Y-%m-%dT%H:%M:%S.%gZ'), min(note), max(share) `,
  );
  expect(bounds!.split("|")).toEqual(
    [
      stats["minValues"]!["n"],
      stats["maxValues"]!["n"],
      stats["minValues"]!["total"],
      stats["maxValues"]!["total"],
      stats["minValues"]!["day"],
      stats["maxValues"]!["day"],
      stats["nullCount"]!["note"],
      stats["nullCount"]!["at"],
      stats["minValues"]!["at"],
      stats["minValues"]!["note"],
      stats["maxValues"]!["share"],
    ].map(String),
  );
  expect(stats["maxValues"]!["at"]).toBe("1960-01-09T00:00:00.001Z"); // rounded up: a bound may be wide, not narrow
  const bytes = (await at.store.get(`${TABLE}/${file!.path}`))!;
  let ids = 0;
  const isFast = await readIdRows(
    (from, to) => Promise.resolve(bytes.subarray(from, to)),
    bytes.length,
    ["event_id", "ingest_time"],
    ({ count }) => (ids += count),
  );
  expect([isFast, ids]).toEqual([true, 9]);
}, 60_000);

test("a table that grew its columns is put together under the newest schema", async () => {
  const at = await landed(4);
  const wider = eventType({
    schema: {
      type: "json_schema",
      schema: TYPE.schema.schema.replace('"note"', '"later":{"type":"integer"},"note"'),
    },
  });
  const landing = await TableLanding.open(at.ports, LAND, wider);
  await send(at, [event(50, { later: 5 })]);
  await landing.step(never);
  landing.discard();
  const rows = await seen(at, await snapshotOf(at));
  await compact(at);
  const after = await snapshotOf(at);
  expect(after.files.size).toBe(1);
  expect(await seen(at, after)).toEqual(rows);
  expect(await seen(at, after, "SELECT sum(later), count(later) ")).toEqual(["5|1"]);
}, 60_000);

describe("beside landing", () => {
  test("a landing attempt that meets a compaction commits its rows on top; none is landed twice", async () => {
    const at = await landed(6);
    const landing = await TableLanding.open(at.ports, LAND, TYPE);
    await send(at, [richEvent(7)]);
    await compact(at); // after the landing read its state
    const compacted = (await snapshotOf(at)).version;
    expect(await landing.step(never)).toMatchObject({ isCommitted: true });
    landing.discard();
    const after = await snapshotOf(at);
    expect(after.version).toBe(compacted + 1);
    expect(await seen(at, after, "SELECT n ")).toEqual(["1", "2", "3", "4", "5", "6", "7"]);
    expect(at.lines.filter(({ message }) => message.includes("abandon"))).toEqual([]);
  }, 60_000);

  test("ids are known after it, to the landing that went on and to one that starts from the lake", async () => {
    const at = await landed(6);
    const landing = await TableLanding.open(at.ports, LAND, TYPE);
    await compact(at);
    await send(at, [richEvent(3)]);
    await landing.step(never);
    landing.discard();
    expect(await counter(at, "duplicates")).toBe(1);
    const fresh = await TableLanding.open(at.ports, LAND, TYPE);
    expect(fresh.knownIds).toBe(6);
    await send(at, [richEvent(4)]);
    await fresh.step(never);
    fresh.discard();
    expect(await counter(at, "duplicates")).toBe(2);
    expect(await seen(at, await snapshotOf(at), "SELECT n ")).toEqual(["1", "2", "3", "4", "5", "6"]);
  }, 60_000);

  test("what lands while it works stays", async () => {
    const at = await landed(6);
    const base = await snapshotOf(at);
    await landEach(at, 7, 2);
    const done = await compact(at, {}, base);
    expect(done).toMatchObject({ filesBefore: 6, voided: 0 });
    expect(await seen(at, await snapshotOf(at), "SELECT n ")).toEqual([
      "1",
      "2",
      "3",
      "4",
      "5",
      "6",
      "7",
      "8",
    ]);
  }, 60_000);
});

describe("others", () => {
  test("of two without a lease one wins each file, and no row is lost or doubled", async () => {
    const at = await landed(10);
    const rows = await seen(at, await snapshotOf(at));
    const base = await snapshotOf(at);
    const [one, other] = await Promise.all([
      compact(at, {}, base, "one"),
      compact(at, { filesMin: 2 }, base, "other"),
    ]);
    expect(one.voided + other.voided).toBe(1);
    const after = await snapshotOf(at);
    expect(await seen(at, after)).toEqual(rows);
    // What the slower one wrote is gone again.
    const objects = await at.store.list(TABLE);
    const names = new Set([...base.files.keys(), ...after.files.keys()]);
    expect(
      objects.filter(({ path }) => path.endsWith(".parquet") && !path.includes("_delta_log")).length,
    ).toBe(names.size);
  }, 60_000);

  test("a group of which a file was removed is planned anew without it", async () => {
    const at = await landed(6);
    const base = await snapshotOf(at);
    const [gone] = [...base.files.values()];
    await at.openTable(TABLE).commit({
      base,
      change: {
        operation: "DELETE",
        add: [],
        remove: [{ path: gone!.path, deletionTimestamp: at.clock.nowMs(), dataChange: true }],
        txns: [],
        info: {},
      },
      check: () => "abandon",
    });
    const done = await compact(at, {}, base);
    expect(done).toMatchObject({ groups: 1, filesBefore: 5, voided: 1 });
    expect((await seen(at, await snapshotOf(at))).length).toBe(5);
  }, 60_000);

  test("where its file was swept already, too", async () => {
    const at = await landed(6);
    const base = await snapshotOf(at);
    await compact(at, {}, base);
    for (const { path } of base.files.values()) await at.store.delete(`${TABLE}/${path}`);
    const done = await compact(at, {}, base);
    expect(done).toMatchObject({ groups: 0, voided: 1 });
    expect((await seen(at, await snapshotOf(at))).length).toBe(6);
  }, 60_000);

  test("a file that is not what the log says stops it, and nothing is committed", async () => {
    const at = await landed(5);
    const base = await snapshotOf(at);
    const [file] = [...base.files.values()] as [AddFile];
    const path = `${TABLE}/${file.path}`;
    const whole = (await at.store.get(path))!;
    const bytes = whole.slice();
    bytes[100]! ^= 1;
    await at.store.put(path, bytes);
    await expect(compact(at)).rejects.toMatchObject({ code: "table.corrupt" });
    await at.store.delete(path);
    await expect(compact(at)).rejects.toMatchObject({ code: "table.corrupt" });
    expect((await snapshotOf(at)).version).toBe(base.version);
    await at.store.put(path, whole);
    expect((await compact(at)).groups).toBe(1);
  }, 60_000);

  test("a lost answer to the commit is settled by reading back; the rows are there once", async () => {
    let isLost = false;
    const at = await install((operation, path) => {
      if (!isLost || operation !== "putIfAbsent" || !path.includes("_delta_log")) return undefined;
      isLost = false;
      return "lost";
    });
    await declare(at, TYPE);
    await landEach(at, 1, 5);
    isLost = true;
    expect((await compact(at)).groups).toBe(1);
    expect(isLost).toBe(false);
    const after = await snapshotOf(at);
    expect(after.files.size).toBe(1);
    expect(await seen(at, after, "SELECT n ")).toEqual(["1", "2", "3", "4", "5"]);
  }, 60_000);

  test("when the process that rewrites dies, this one goes on, and the next run does the work", async () => {
    const at = await landed(5);
    let starts = 0;
    const { spawn } = await import("node:child_process");
    const dying = new FileRewriter({
      spawn: (command, args, options) => {
        const child = spawn(command, [...args], { ...options, stdio: ["pipe", "pipe", "pipe"] });
        if (starts++ === 0) child.stdin.write = () => child.kill("SIGKILL");
        return child;
      },
    });
    const log = at.openTable(TABLE);
    const run = async (): Promise<Compacted> => {
      const request = { name: TABLE, log, base: await log.snapshot(), owner: "me" };
      return compactTable({ ...at.ports, rewriter: dying }, OPTIONS, request, never);
    };
    await expect(run()).rejects.toMatchObject({ code: "table.rewrite_failed" });
    expect((await run()).groups).toBe(1);
    expect(starts).toBe(2);
    await dying.close();
  }, 60_000);
});

describe("the lease", () => {
  test("keeps a second compactor from the same work until it ends or is over", async () => {
    const at = await landed(5);
    const lease = await takeLease(at.ports, `${TABLE}/_compact.lease`, "other", 60_000);
    expect(await compact(at, { leaseMs: 60_000 })).toMatchObject({ groups: 0, isElsewhere: true });
    at.clock.advance(60_001);
    expect(await compact(at, { leaseMs: 60_000 })).toMatchObject({ groups: 1, isElsewhere: false });
    await lease!.release(); // it is another's meanwhile, or nobody's
    expect(await at.store.get(`${TABLE}/_compact.lease`)).toBeUndefined();
  }, 60_000);
});

test("upkeep puts files together by itself, in turns", async () => {
  const at = await landed(5);
  const task = compactionTask({ ...at.ports, rewriter }, OPTIONS, 1_000, "me");
  const upkeep = createUpkeep(at.ports, [task]);
  await upkeep.pass(never);
  expect((await snapshotOf(at)).files.size).toBe(1);
  await landEach(at, 6, 12);
  at.clock.advance(1_000);
  await upkeep.pass(never);
  expect((await snapshotOf(at)).files.size).toBe(1);
  expect(await seen(at, await snapshotOf(at), "SELECT n ")).toEqual(upTo(17).map(String).toSorted());
  expect(at.lines.filter(({ level }) => level === "error" || level === "warn")).toEqual([]);
}, 60_000);

describe("a pause", () => {
  test("stops compaction and landing, whatever they had decided, until it is lifted or over", async () => {
    const at = await landed(5);
    const landing = await TableLanding.open(at.ports, LAND, TYPE);
    const base = await snapshotOf(at);
    await pauseTable(at.openTable(TABLE), at.clock.nowMs() + 60_000);
    await send(at, [richEvent(6)]);
    const paused = { code: "table.paused" };
    await expect(landing.step(never)).rejects.toMatchObject(paused);
    landing.discard();
    await expect(compact(at)).rejects.toMatchObject(paused);
    // One that had planned before the pause meets it in the commit.
    await expect(compact(at, {}, base)).rejects.toMatchObject(paused);
    await expect(TableLanding.open(at.ports, LAND, TYPE)).rejects.toMatchObject(paused);
    expect((await snapshotOf(at)).version).toBe(base.version + 1);

    at.clock.advance(60_000);
    expect((await compact(at)).groups).toBe(1);
    await pauseTable(at.openTable(TABLE), at.clock.nowMs() + 60_000);
    await expect(TableLanding.open(at.ports, LAND, TYPE)).rejects.toMatchObject(paused);
    const resumed = await resumeTable(at.openTable(TABLE));
    expect((await resumeTable(at.openTable(TABLE))).version).toBe(resumed.version);
    const again = await TableLanding.open(at.ports, LAND, TYPE);
    await again.step(never);
    again.discard();
    expect(await seen(at, await snapshotOf(at), "SELECT n ")).toEqual(["1", "2", "3", "4", "5", "6"]);
  }, 60_000);

  test("of a table that does not exist is refused", async () => {
    const at = await install();
    await expect(pauseTable(at.openTable("nothing"), 1)).rejects.toBeInstanceOf(MuaraError);
  });
});
