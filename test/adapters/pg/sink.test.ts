/** The conformance suite of sinks over a real PostgreSQL, and what its tables become, whoever writes them. */
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { SinkRow } from "../../../core/ports/sink.ts";
import { batchOf, SINK_CASES, type SinkPlace } from "../../conformance/sink.ts";
import { type PostgresServer, startPostgres } from "../../services/postgres.ts";
import { column, sinkBatch, sinkStand, type SinkStand } from "./sink-stand.ts";

const never = new AbortController().signal;
let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
}, 60_000);
afterAll(() => server.stop());

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function stand(): Promise<SinkStand> {
  const made = await sinkStand(server);
  cleanups.push(() => made.close());
  return made;
}

const accepted = (id: number, name: string | null, offset: number): SinkRow["values"] => ({
  id: BigInt(id),
  name,
  ingest_time: 1_772_366_400_000_000n + BigInt(offset),
  log_partition: 0n,
  log_offset: BigInt(offset),
});

describe("conformance", () => {
  test.each(SINK_CASES)("%s", async (_name, run) => {
    const { open, sql } = await stand();
    const place: SinkPlace = {
      open: async () => open({ table: "ods.rows", mode: "append", key: ["generation", "n"] }),
      rows: async () => (await sql("select generation, n from ods.rows")).map((found) => rowOf(found)),
    };
    await run(place);
  });
});

function rowOf({ generation, n }: Record<string, unknown>): string {
  return JSON.stringify({ generation: Number(generation), n: Number(n) });
}

describe("upsert", () => {
  const columns = [
    column("id", "long"),
    column("name"),
    column("ingest_time", "timestamp"),
    column("log_partition", "long"),
    column("log_offset", "long"),
  ];
  test("of each key the row that was accepted last stays, in whatever order they come", async () => {
    const { open, sql } = await stand();
    const sink = open({ table: "ods.Odd name", mode: "upsert", key: ["id"] });
    const first = sinkBatch(0, columns, [
      accepted(1, "a", 0),
      accepted(2, "b", 1),
      accepted(1, "c\t\\\n\"'", 5),
    ]);
    expect(await sink.write(first, never)).toEqual({ outcome: "taken" });
    const later = sinkBatch(3, columns, [
      accepted(1, "older", 3),
      accepted(2, null, 6),
      accepted(3, "new", 7),
      accepted(3, "old", 2),
    ]);
    expect(await sink.write(later, never)).toEqual({ outcome: "taken" });
    expect(await sql(`select id, name from ods."Odd name" order by id`)).toEqual([
      { id: "1", name: "c\t\\\n\"'" },
      { id: "2", name: null },
      { id: "3", name: "new" },
    ]);
  });

  test("a row that its column cannot take is refused, and nothing of its batch is there", async () => {
    const { open, sql } = await stand();
    await sql("create schema ods; create table ods.t (id bigint primary key, name varchar(3))");
    const sink = open({ table: "ods.t", mode: "upsert", key: ["id"] });
    const own = columns.slice(0, 2);
    const both = sinkBatch(0, own, [accepted(1, "abc", 0), accepted(2, "abcd", 1)]);
    expect(await sink.write(both, never)).toMatchObject({
      outcome: "refused",
      reason: expect.stringContaining("too long") as string,
    });
    expect(await sql("select * from ods.t")).toEqual([]);
    expect(await sink.write(sinkBatch(0, own, [accepted(1, "abc", 0)]), never)).toEqual({ outcome: "taken" });
    expect(await sink.write(sinkBatch(2, own, [accepted(3, "a\0", 0)]), never)).toMatchObject({
      outcome: "refused",
    });
    const keyless = { ...accepted(3, "x", 1), id: null };
    expect(await sink.write(sinkBatch(2, own, [keyless]), never)).toMatchObject({ outcome: "refused" });
  });

  test("a column that appears is added; a table that was there before gets none, and says so", async () => {
    const { open, sql } = await stand();
    const sink = open({ table: "ods.t", mode: "upsert", key: ["id"] });
    const two = columns.slice(0, 2);
    await sink.write(sinkBatch(0, two, [accepted(1, "a", 0)]), never);
    expect(
      await sink.write(
        sinkBatch(1, [...two, column("more", "json")], [{ id: 2n, more: '{"a": 1e400}' }]),
        never,
      ),
    ) //
      .toEqual({ outcome: "taken" });
    expect(await sql("select id, name, more ->> 'a' is not null as more from ods.t order by id")).toEqual([
      { id: "1", name: "a", more: false },
      { id: "2", name: null, more: true },
    ]);
    await sql("create table ods.theirs (id bigint primary key)");
    const other = open({ table: "ods.theirs", mode: "upsert", key: ["id"] }, "d2");
    expect(await other.write(sinkBatch(0, two, [accepted(1, "a", 0)]), never)).toMatchObject({
      outcome: "later",
      reason: expect.stringContaining('no column "name"') as string,
    });
    await sql("create table ods.bare (id bigint, name text)");
    const bare = open({ table: "ods.bare", mode: "upsert", key: ["id"] }, "d3");
    expect(await bare.write(sinkBatch(0, two, [accepted(1, "a", 0)]), never)).toMatchObject({
      outcome: "later",
      reason: expect.stringContaining("no unique index") as string,
    });
  });

  test("equal keys with several texts are one row", async () => {
    const { open, sql } = await stand();
    await sql("create schema ods; create table ods.t (id numeric primary key, name text)");
    const sink = open({ table: "ods.t", mode: "upsert", key: ["id"] });
    const own = [column("id"), column("name")];
    const rows = [
      { id: "1.0", name: "a" },
      { id: "1.00", name: "b" },
    ];
    expect(await sink.write(sinkBatch(0, own, rows), never)).toEqual({ outcome: "taken" });
    expect(await sql("select count(*)::int as n from ods.t")).toEqual([{ n: 1 }]);
  });
});

test("of two that deliver the same one is told that the other has taken over, and nothing is there twice", async () => {
  const { open, sql } = await stand();
  const target = { table: "ods.rows", mode: "append" as const, key: ["generation", "n"] };
  const [first, second] = [open(target), open(target)];
  await first.write(batchOf(0, 5), never);
  await second.write(batchOf(0, 7), never);
  expect(await first.write(batchOf(5, 9), never)).toMatchObject({
    outcome: "later",
    reason: expect.stringContaining("taken the delivery over") as string,
  });
  expect(await first.write(batchOf(5, 9), never)).toEqual({ outcome: "taken" });
  expect(await sql("select count(*)::int as n from ods.rows")).toEqual([{ n: 9 }]);
  expect(await sql("select next::int from muara.deliveries")).toEqual([{ next: 9 }]);
});

test("a target that has forgotten a delivery gets nothing more", async () => {
  const { open, sql } = await stand();
  const target = { table: "ods.rows", mode: "append" as const, key: ["generation", "n"] };
  await open(target).write(batchOf(0, 5), never);
  await sql("drop schema muara cascade; drop schema ods cascade");
  const outcome = await open(target).write(batchOf(5, 9), never);
  expect(outcome).toMatchObject({
    outcome: "later",
    reason: expect.stringContaining("declare it again") as string,
  });
});

test("a session that waits for too long is given up; what it was to do is done by the next try", async () => {
  const { open, sql, database } = await stand();
  const target = { table: "ods.rows", mode: "append" as const, key: ["generation", "n"] };
  const sink = open(target);
  await sink.write(batchOf(0, 5), never);
  const blocker = await server.connect(database);
  await blocker.query("begin; lock table ods.rows in access exclusive mode");
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 300);
  expect(await sink.write(batchOf(5, 9), stop.signal)).toMatchObject({ outcome: "later" });
  await blocker.query("rollback");
  expect(await sink.write(batchOf(5, 9), never)).toEqual({ outcome: "taken" });
  expect(await sql("select count(*)::int as n from ods.rows")).toEqual([{ n: 9 }]);
});

test("what is taken survives a crash of the server, whatever its settings are", async () => {
  const { open, sql, database } = await stand();
  await sql(`alter database ${database} set synchronous_commit = off`);
  const target = { table: "ods.rows", mode: "append" as const, key: ["generation", "n"] };
  const sink = open(target);
  await sink.write(batchOf(0, 5), never);
  await server.restart("immediate");
  expect(await sql("select count(*)::int as n from ods.rows")).toEqual([{ n: 5 }]);
  expect(await sink.write(batchOf(5, 9), never)).toMatchObject({ outcome: "later" });
  expect(await sink.write(batchOf(5, 9), never)).toEqual({ outcome: "taken" });
}, 30_000);

test("a table that cannot be made is no fault of the rows", async () => {
  const wide = Array.from({ length: 1_700 }, (_, i) => column(`c${i}`));
  const sink = (await stand()).open({ table: "ods.wide", mode: "append" });
  const batch = sinkBatch(0, [column("event_id"), ...wide], [{ event_id: "1" }]);
  expect(await sink.write(batch, never)).toMatchObject({
    outcome: "later",
    reason: expect.stringContaining("1600 columns"),
  });
});

test("batches leave nothing behind in this process", async () => {
  const sink = (await stand()).open({ table: "ods.t", mode: "append" });
  const columns = [column("event_id")];
  const signal = new AbortController().signal;
  const added = vi.spyOn(EventTarget.prototype, "addEventListener");
  const removed = vi.spyOn(EventTarget.prototype, "removeEventListener");
  for (let n = 0; n < 20; n++) await sink.write(sinkBatch(n, columns, [{ event_id: `${n}` }]), signal);
  const aborts = (spy: typeof added | typeof removed): number =>
    spy.mock.calls.filter(([type]) => type === "abort").length;
  const [left, right] = [aborts(added), aborts(removed)];
  vi.restoreAllMocks();
  expect(left).toBeGreaterThanOrEqual(20);
  expect(right).toBe(left);
});
