/**
 * An event type that is declared anew with more columns, and wider ones, while its events land: rows of before and
 * after stand in one table, which our SQL and delta-rs read alike; and what else may happen to the table meanwhile.
 */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { systemClock } from "../../../core/clock.ts";
import type { EventType } from "../../../core/event-type.ts";
import type { TableLog } from "../../../core/ports/table-log.ts";
import { planColumns } from "../../../core/columns.ts";
import type { RecordParts } from "../../../core/record.ts";
import { Registry } from "../../../core/registry.ts";
import { evolveTable } from "../../../lake/evolve-table.ts";
import { openEngine } from "../../../lake/query/session.ts";
import { viewStatements } from "../../../lake/query/view.ts";
import { addFile, dataFilePath, storePathOf } from "../../../lake/table/add-file.ts";
import { TableLanding } from "../../../workers/land/table-landing.ts";
import { createLandWorker } from "../../../workers/land/worker.ts";
import { runPython } from "../../services/python.ts";
import {
  counter,
  declare,
  event,
  eventType,
  type Installation,
  install,
  never,
  OPTIONS,
  send,
} from "./setup.ts";

const TABLE = "order.created";
const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

const typeOf = (properties: Record<string, unknown>): EventType =>
  eventType({ schema: { type: "json_schema", schema: JSON.stringify({ type: "object", properties }) } });

const place = (more: Record<string, unknown>): Record<string, unknown> => ({
  type: "object",
  properties: { city: { type: "string" }, ...more },
});
const price = (digits: string): Record<string, unknown> => ({ type: "number", format: `decimal(${digits})` });

const FIRST = typeOf({ n: { type: "integer" }, total: price("10,2"), place: place({}) });
const ADDED = typeOf({
  n: { type: "integer" },
  total: price("10,2"),
  place: place({ floor: { type: "integer" } }),
  note: { type: "string" },
});
const WIDER = typeOf({
  n: price("30,2"),
  total: price("14,4"),
  place: place({ floor: { type: "integer" } }),
  note: { type: "string" },
});
const NARROWER = typeOf({ n: { type: "boolean" }, total: price("10,2"), place: place({}) });

/** Lands what is in the log, as an owner that knows `type`. */
async function land(at: Installation, type: EventType): Promise<void> {
  const landing = await TableLanding.open(at.ports, OPTIONS, type);
  while ((await landing.step(never)).hasBacklog);
  landing.discard();
}

/** The lake as a folder that others open. */
async function onDisk(at: Installation): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "muara-evolution-"));
  folders.push(folder);
  for (const { path } of await at.store.list("")) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), (await at.store.get(path))!);
  }
  return folder;
}

const COLUMNS = "CAST(n AS VARCHAR), CAST(total AS VARCHAR), place.city";

async function rowsOf(at: Installation, columns: string): Promise<readonly (readonly unknown[])[]> {
  const folder = await onDisk(at);
  const { files, metadata } = await at.openTable(TABLE).snapshot();
  const engine = await openEngine({ memoryBytes: 5e8, threads: 1 });
  const pinned = [...files.values()].map(({ path, partitionValues }) => ({
    path: join(folder, storePathOf(TABLE, path)),
    partitionValues,
  }));
  const { schemaString, partitionColumns } = metadata!;
  const table = { names: ["t"], schemaString, partitionColumns, files: pinned, ingestedUntilMs: null };
  for (const statement of viewStatements(table)) await engine.run(statement);
  const rows = await engine.runAndReadAll(`SELECT ${columns} FROM t ORDER BY event_id`);
  engine.closeSync();
  return rows.getRowsJson();
}

const DELTA_RS = `
import sys, json
from deltalake import DeltaTable
rows = sorted(DeltaTable(sys.argv[1]).to_pyarrow_table().to_pylist(), key=lambda r: r["event_id"])
t = lambda v: None if v is None else str(v)
def cells(r):
    place = r["place"] or {}
    return [t(r["n"]), t(r["total"]), place.get("city"), place.get("floor"), r["note"]]
print(json.dumps([cells(r) for r in rows]))
`;

test(
  "columns are added at any depth and get wider; old rows and new ones are read as one",
  { timeout: 240_000 },
  async () => {
    const at = await install();
    await declare(at, FIRST);
    await send(at, [
      event(1, { total: 1.5, place: { city: "Kuching" } }),
      event(2, { total: 99_999_999.99 }),
    ]);
    await land(at, FIRST);
    await send(at, [event(3, { note: "x", place: { city: "Miri", floor: 7 } }), event(2)]);
    await land(at, ADDED);
    expect(await rowsOf(at, `${COLUMNS}, place.floor, note`)).toEqual([
      ["1", "1.50", "Kuching", null, null],
      ["2", "99999999.99", null, null, null],
      ["3", null, "Miri", "7", "x"],
    ]);
    const before = await at.openTable(TABLE).snapshot();
    await send(at, [event(4, { n: 123_456_789.25, total: 1_234_567_890.1234 }), event(1)]);
    await land(at, WIDER);
    const ours = [
      ["1.00", "1.5000", "Kuching", null, null],
      ["2.00", "99999999.9900", null, null, null],
      ["3.00", null, "Miri", "7", "x"],
      ["123456789.25", "1234567890.1234", null, null, null],
    ];
    expect(await rowsOf(at, `${COLUMNS}, place.floor, note`)).toEqual(ours);
    // Nothing landed twice: resends of before are known, and the books' counters did not move with the rewrite.
    const after = await at.openTable(TABLE).snapshot();
    const commits = await Promise.all(
      Array.from({ length: after.version - before.version }, (_, i) =>
        at.openTable(TABLE).read(before.version + 1 + i),
      ),
    );
    const change = commits.find((commit) => commit!.metadata)!;
    expect(change.operation).toBe("CHANGE COLUMN");
    expect([change.add.length, change.remove.length]).toEqual([before.files.size, before.files.size]);
    expect(change.add.every((file) => !file.dataChange)).toBe(true);
    expect(change.txns).toEqual([]);
    const theirs = ours.map(([n, total, city, floor, note]) => [
      n,
      total,
      city,
      floor && Number(floor),
      note,
    ]);
    expect(await runPython(DELTA_RS, [join(await onDisk(at), TABLE)])).toEqual(theirs);
  },
);

test("what cannot be is refused by name, and the table stays as it is", async () => {
  const at = await install();
  await declare(at, FIRST);
  await send(at, [event(1)]);
  await land(at, FIRST);
  const before = await at.openTable(TABLE).snapshot();
  await send(at, [event(2)]);
  await expect(land(at, NARROWER)).rejects.toMatchObject({
    code: "table.unsupported",
    message: expect.stringContaining("n (long, not boolean)"),
  });
  expect((await at.openTable(TABLE).snapshot()).version).toBe(before.version);
});

test("a running worker follows a declaration; a stopped table goes on with one that fits", async () => {
  const at = await install(undefined, systemClock);
  await declare(at, FIRST);
  const worker = createLandWorker({ ...at.ports, clock: systemClock }, { ...OPTIONS, commitMs: 5 });
  const stop = new AbortController();
  const running = worker.run(stop.signal);
  const until = async (isSo: () => Promise<boolean>): Promise<void> => {
    for (let looks = 0; !(await isSo()); looks++) {
      expect(looks, JSON.stringify(worker.status())).toBeLessThan(1_000);
      await systemClock.sleep(10);
    }
  };
  await send(at, [event(1)]);
  await until(async () => (await counter(at, "landed")) === 1);
  await at.registry.put("event-type", TABLE, 1, NARROWER);
  await send(at, [event(2)]);
  await until(async () => worker.status()[0]?.state === "stopped");
  expect(await counter(at, "landed")).toBe(1);
  await at.registry.put("event-type", TABLE, 2, ADDED);
  await send(at, [event(3, { note: "x" }), event(1)]);
  await until(async () => (await counter(at, "landed")) === 3);
  expect(worker.status()[0]).toMatchObject({ state: "landing", problem: undefined });
  expect(await counter(at, "duplicates")).toBe(1);
  stop.abort();
  await running;
  await worker.drain();
  expect(await rowsOf(at, "note")).toEqual([[null], [null], ["x"]]);
});

const versioned = (type: EventType, version: string): EventType => ({
  ...type,
  schema: { ...type.schema, version },
});
const stamped = (version: string, n: number, fields: Record<string, unknown> = {}): RecordParts => ({
  payload: new TextEncoder().encode(event(n, fields)),
  header: JSON.stringify({ flow_id: `f"${n}`, schema_version: version, published_by: "token:1" }),
});

/** A worker whose registry reads on only when it is told to. */
async function blind(at: Installation) {
  const registry = await Registry.open(at.log, "blind", at.clock);
  const sight = { isBlind: true };
  const refresh = (): Promise<void> => Registry.prototype.refresh.call(registry);
  registry.refresh = () => (sight.isBlind ? Promise.resolve() : refresh());
  const ports = { ...at.ports, registry, clock: systemClock };
  const worker = createLandWorker(ports, { ...OPTIONS, commitMs: 5, commitRows: 3 });
  const stop = new AbortController();
  const running = worker.run(stop.signal);
  const until = async (isSo: () => Promise<boolean>): Promise<void> => {
    for (let looks = 0; !(await isSo()); looks++) {
      expect(looks, JSON.stringify(worker.status())).toBeLessThan(3_000);
      await systemClock.sleep(10);
    }
  };
  const end = async (): Promise<void> => {
    stop.abort();
    await running;
    await worker.drain();
  };
  return { worker, sight, until, end };
}

describe("events of a schema version that is not known here", () => {
  const V1 = versioned(FIRST, "1.0.0");
  const V2 = versioned(ADDED, "1.1.0");
  const V10 = versioned(WIDER, "1.10.0");

  test("wait, with those behind them; what came before lands, and so does everything else", async () => {
    const at = await install(undefined, systemClock);
    await declare(at, V1, 2);
    await declare(at, eventType({ name: "other.type" }));
    const { worker, sight, until, end } = await blind(at);
    await at.registry.put("event-type", TABLE, 1, V2);
    await send(at, [
      stamped("1.0.0", 1),
      stamped("1.0.0", 2),
      stamped("1.1.0", 3, { note: "x" }),
      stamped("1.0.0", 4),
    ]);
    await send(at, [stamped("1.0.0", 5), event(6)], 1);
    await until(async () => worker.status().some(({ state }) => state === "waiting"));
    await until(async () => (await counter(at, "landed")) === 4);
    await send(at, [JSON.stringify({ ...JSON.parse(event(1)), metadata: undefined, n: 1 })], 0, "other.type");
    await until(async () => (await counter(at, "dead", "other.type")) === 1);
    const status = worker.status().find(({ table }) => table === TABLE);
    expect(status).toMatchObject({ state: "waiting", code: "land.schema_unknown" });
    expect(status!.problem).toContain("at 0:2 is of schema version 1.1.0, known here is 1.0.0");
    expect(at.lines.filter(({ message }) => message === "landing waits for a schema version")).toHaveLength(
      1,
    );
    expect(await counter(at, "landed")).toBe(4);
    sight.isBlind = false;
    await until(async () => (await counter(at, "landed")) === 6);
    expect(worker.status().find(({ table }) => table === TABLE)).toMatchObject({
      state: "landing",
      problem: undefined,
    });
    await end();
    expect(await rowsOf(at, "n, note, extra")).toEqual(
      [1, 2, 3, 4, 5, 6].map((n) => [String(n), n === 3 ? "x" : null, null]),
    );
    expect([await counter(at, "dead"), await counter(at, "gap")]).toEqual([0, 0]);
  });

  test("wait although the first of a partition is one of them, and nothing is committed for them", async () => {
    const at = await install(undefined, systemClock);
    await declare(at, V1);
    const { worker, sight, until, end } = await blind(at);
    await at.registry.put("event-type", TABLE, 1, V10);
    await send(at, [stamped("1.10.0", 1, { n: 1.25 }), stamped("1.2.0", 2)]);
    await until(async () => worker.status()[0]?.state === "waiting");
    const { version } = await at.openTable(TABLE).snapshot();
    await until(async () => (worker.status()[0]?.problem ?? "").includes("1.10.0"));
    expect((await at.openTable(TABLE).snapshot()).version).toBe(version);
    sight.isBlind = false;
    await until(async () => (await counter(at, "landed")) === 2);
    await end();
    expect(await rowsOf(at, "CAST(n AS VARCHAR)")).toEqual([["1.25"], ["2.00"]]);
  });

  test("a table that somebody brought further is waited for, though its events are old ones", async () => {
    const at = await install(undefined, systemClock);
    await declare(at, V1);
    const { worker, sight, until, end } = await blind(at);
    await send(at, [stamped("1.0.0", 1)]);
    await until(async () => (await counter(at, "landed")) === 1);
    await at.registry.put("event-type", TABLE, 1, V10);
    await land(at, V10); // another owner: `n` is a decimal from now on
    await send(at, [stamped("1.0.0", 2)]);
    await until(async () => worker.status()[0]?.state === "waiting");
    expect(worker.status()[0]!.problem).toContain("has the columns of schema version 1.10.0");
    expect(await counter(at, "landed")).toBe(1);
    sight.isBlind = false;
    await until(async () => (await counter(at, "landed")) === 2);
    await end();
    expect(await rowsOf(at, "CAST(n AS VARCHAR)")).toEqual([["1.00"], ["2.00"]]);
  });
});

/** Runs `before` ahead of the first commit. */
const disturbed = (log: TableLog, before: () => Promise<unknown>): TableLog => {
  let isFirst = true;
  return {
    snapshot: (at) => log.snapshot(at),
    read: (version) => log.read(version),
    commit: async (request) => {
      if (isFirst) {
        isFirst = false;
        await before();
      }
      return log.commit(request);
    },
  };
};

describe("somebody else is faster", () => {
  test("with a file of the old type: it is written anew as well", async () => {
    const at = await install();
    await declare(at, FIRST);
    await send(at, [event(1, { total: 1 })]);
    await land(at, FIRST);
    const log = at.openTable(TABLE);
    const disturb = async (): Promise<void> => {
      await send(at, [event(2, { total: 2 })]);
      await land(at, FIRST); // an owner that does not know of the new declaration
    };
    const { columns } = planColumns(WIDER);
    const snapshot = await evolveTable(at, TABLE, disturbed(log, disturb), await log.snapshot(), columns);
    expect(snapshot.files.size).toBe(2);
    expect(await rowsOf(at, COLUMNS)).toEqual([
      ["1.00", "1.0000", null],
      ["2.00", "2.0000", null],
    ]);
  });

  test("with the same columns: nothing is left to do", async () => {
    const at = await install();
    await declare(at, FIRST);
    await send(at, [event(1)]);
    await land(at, FIRST);
    const log = at.openTable(TABLE);
    const { columns } = planColumns(ADDED);
    const base = await log.snapshot();
    const disturb = (): Promise<unknown> => evolveTable(at, TABLE, log, base, columns);
    const snapshot = await evolveTable(at, TABLE, disturbed(log, disturb), base, columns);
    expect(snapshot.version).toBe(base.version + 1);
  });

  test("a file that has other rows than its statistics say stops it", async () => {
    const at = await install();
    await declare(at, FIRST);
    await send(at, [event(1)]);
    await land(at, FIRST);
    const log = at.openTable(TABLE);
    const base = await log.snapshot();
    const [file] = base.files.values();
    const path = dataFilePath(file!.partitionValues, "00000000-0000-4000-8000-00000000abcd");
    await at.store.put(`${TABLE}/${path}`, (await at.store.get(`${TABLE}/${file!.path}`))!);
    const wrong = addFile({
      path,
      partitionValues: file!.partitionValues,
      bytes: file!.size,
      modifiedMs: 0,
      statistics: { numRecords: 7 },
    });
    const change = { operation: "WRITE", add: [wrong], remove: [], txns: [], info: {} };
    const { snapshot } = await log.commit({ base, change, check: () => "abandon", signal: never });
    await expect(evolveTable(at, TABLE, log, snapshot, planColumns(WIDER).columns)).rejects.toMatchObject({
      code: "table.corrupt",
    });
  });
});
