/**
 * Batches that are large enough to replace rows instead of updating them: what is there is what a plain map has, also
 * where rows are older than what is there, and where somebody sees every statement. That rows were replaced, or were
 * not, is what the server has counted.
 */
import { expect, test } from "vitest";
import { type Randomness, seededRandomness } from "../../../core/clock.ts";
import type { SinkRow } from "../../../core/ports/sink.ts";
import { eventually } from "../../services/muara.ts";
import { CAPTURED_ENVELOPE, column, eachSinkStand, sinkBatch } from "./sink-stand.ts";

const never = new AbortController().signal;
/** The least that is replaced. */
const LEAST = 2_000;
const TAKEN = { outcome: "taken" };

const it = eachSinkStand();

const COLUMNS = [
  column("id", "long"),
  column("name"),
  column("ingest_time", "timestamp"),
  column("log_partition", "long"),
  column("log_offset", "long"),
];
const UPSERT = { table: "ods.t", mode: "upsert" as const, key: ["id"] };
const START_US = 1_772_366_400_000_000n;

function accepted(id: number, name: string | null, offset: number): SinkRow["values"] {
  return {
    id: BigInt(id),
    name,
    ingest_time: START_US + BigInt(offset),
    log_partition: 0n,
    log_offset: BigInt(offset),
  };
}

function pick(chance: Randomness, below: number): number {
  return Math.floor(chance.fraction() * below);
}

function oddText(chance: Randomness): string | null {
  const dice = pick(chance, 10);
  if (dice === 0) return null;
  return ["", "NULL", "\\N", "a\tb\nc\rd\\", '"{,}"', "é🎈", "plain"][pick(chance, 7)]! + dice;
}

/** Of rows that were deleted and rows that were updated, once the server has told. */
async function counted(table: string): Promise<{ readonly deleted: number; readonly updated: number }> {
  const name = table.split(".")[1]!;
  const read = async () => {
    const [row] = await it.sql(`select n_tup_ins::int as inserted, n_tup_del::int as deleted,
      n_tup_upd::int as updated from pg_stat_user_tables where relname = '${name}'`);
    return row as { inserted: number; deleted: number; updated: number };
  };
  // A session that ends has told.
  await it.close();
  await eventually("the server has counted", 20_000, async () => (await read()).inserted > 0);
  return read();
}

test.each([1, 2])(
  "upsert, seed %i: of each key the newest row stays, in any order",
  async (seed) => {
    const chance = seededRandomness(seed);
    const sink = it.open(UPSERT);
    const newest = new Map<number, { name: string | null; offset: number }>();
    const used = new Set<number>();
    const older = (): number => {
      for (;;) {
        const offset = 1 + 2 * pick(chance, 20_000);
        if (!used.has(offset)) return used.add(offset) && offset;
      }
    };
    let next = 0;
    let sequence = 0;
    for (let round = 0; round < 6; round++) {
      const rows = Array.from({ length: LEAST * 2 }, () => {
        const offset = round === 4 ? older() : (next += 2);
        return { id: pick(chance, 9_000), name: oddText(chance), offset };
      });
      for (const { id, name, offset } of rows)
        if (offset > (newest.get(id)?.offset ?? -1)) newest.set(id, { name, offset });
      const batch = rows.map(({ id, name, offset }) => accepted(id, name, offset));
      expect(await sink.write(sinkBatch(sequence, COLUMNS, batch), never)).toEqual(TAKEN);
      sequence += batch.length;
    }
    const found = await it.sql(
      "select id::int as id, name, log_offset::int as offset from ods.t order by id",
    );
    const wanted = [...newest].map(([id, { name, offset }]) => ({ id, name, offset }));
    expect(found).toEqual(wanted.toSorted((a, b) => a.id - b.id));
    expect((await counted("ods.t")).deleted).toBeGreaterThan(LEAST);
  },
  60_000,
);

const ids = (length: number, from = 0): readonly number[] => Array.from({ length }, (_, i) => from + i);

test.each([LEAST - 1, LEAST])("%i rows: replaced from the limit on", async (length) => {
  const sink = it.open(UPSERT);
  for (const round of [0, 1]) {
    const rows = ids(length).map((id) => accepted(id, `r${round}`, round * 10_000 + id));
    expect(await sink.write(sinkBatch(round * length, COLUMNS, rows), never)).toEqual(TAKEN);
  }
  expect(await it.sql("select name, count(*)::int as n from ods.t group by name")).toEqual([
    { name: "r1", n: length },
  ]);
  const isReplaced = length >= LEAST;
  const { deleted, updated } = await counted("ods.t");
  expect([deleted, updated]).toEqual(isReplaced ? [length, 0] : [0, length]);
});

test("who watches a table's rows sees them updated, never deleted", async () => {
  await it.sql(`create schema ods; create table ods.t (id bigint primary key, name text, ingest_time timestamptz,
      log_partition bigint, log_offset bigint);
    create table ods.seen (op text);
    create function ods.see() returns trigger language plpgsql as
      $$ begin insert into ods.seen values (tg_op); return null; end $$;
    create trigger see after insert or update or delete on ods.t for each row execute function ods.see()`);
  const sink = it.open(UPSERT);
  for (const round of [0, 1]) {
    const rows = ids(LEAST).map((id) => accepted(id, "x", round * 10_000 + id));
    expect(await sink.write(sinkBatch(round * LEAST, COLUMNS, rows), never)).toEqual(TAKEN);
  }
  expect(await it.sql("select op, count(*)::int as n from ods.seen group by op order by op")).toEqual([
    { op: "INSERT", n: LEAST },
    { op: "UPDATE", n: LEAST },
  ]);
});

test("a column that is not ours keeps its values", async () => {
  await it.sql(`create schema ods; create table ods.t (id bigint primary key, name text, ingest_time timestamptz,
    log_partition bigint, log_offset bigint, theirs int default 7)`);
  const sink = it.open(UPSERT);
  const first = ids(LEAST).map((id) => accepted(id, "x", id));
  await sink.write(sinkBatch(0, COLUMNS, first), never);
  await it.sql("update ods.t set theirs = 8");
  const second = ids(LEAST).map((id) => accepted(id, "y", 10_000 + id));
  expect(await sink.write(sinkBatch(LEAST, COLUMNS, second), never)).toEqual(TAKEN);
  expect(await it.sql("select distinct name, theirs from ods.t")).toEqual([{ name: "y", theirs: 8 }]);
});

test("keys that are equal in several texts are one row; a refused row leaves all others as they were", async () => {
  await it.sql("create schema ods; create table ods.t (id numeric primary key, name varchar(4))");
  const sink = it.open(UPSERT);
  const own = [column("id"), column("name")];
  const first = ids(LEAST).map((id) => ({ id: `${id}`, name: "a" }));
  expect(await sink.write(sinkBatch(0, own, first), never)).toEqual(TAKEN);
  const long = ids(LEAST).map((id) => ({ id: `${id}.0`, name: id === 7 ? "wider" : "b" }));
  expect(await sink.write(sinkBatch(LEAST, own, long), never)).toMatchObject({ outcome: "refused" });
  expect(await it.sql("select distinct name from ods.t")).toEqual([{ name: "a" }]);
  const twice = ids(LEAST).flatMap((id) => [
    { id: `${id}.0`, name: "b" },
    { id: `${id}.00`, name: "b" },
  ]);
  expect(await sink.write(sinkBatch(LEAST, own, twice), never)).toEqual(TAKEN);
  expect(await it.sql("select name, count(*)::int as n from ods.t group by name")).toEqual([
    { name: "b", n: LEAST },
  ]);
});

interface Changed {
  readonly shard: string;
  readonly id: number;
  readonly name: string | null;
  readonly lsn: number;
}

function changeRow({ shard, id, name, lsn }: Changed): SinkRow["values"] & { readonly event_key: string } {
  const source = { shard, incarnation: 1n, lsn: BigInt(lsn), index: 0n, change: "update", unchanged: null };
  return {
    event_id: `${shard}-${lsn}`,
    event_key: JSON.stringify([shard, id]),
    source,
    id: BigInt(id),
    name,
  };
}

function inOrder(rows: readonly unknown[]): readonly string[] {
  return rows.map((row) => JSON.stringify(row)).toSorted();
}

test.each([3, 4])(
  "changes of two shards, seed %i: the newest of each key stays",
  async (seed) => {
    const chance = seededRandomness(seed);
    const columns = [...CAPTURED_ENVELOPE, column("id", "long"), column("name")];
    const sink = it.open({ table: "ods.t", mode: "state", key: ["id"] });
    const newest = new Map<string, Changed>();
    let lsn = 100_000;
    let old = 0;
    let sequence = 0;
    for (let round = 0; round < 5; round++) {
      const all = Array.from({ length: LEAST * 2 }, (): Changed => {
        const shard = pick(chance, 2) === 0 ? "a" : 'b "\\';
        // In one round all come that were written long before.
        return { shard, id: pick(chance, 5_000), name: oddText(chance), lsn: round === 3 ? ++old : ++lsn };
      });
      for (const change of all) {
        const key = `${change.shard} ${change.id}`;
        if (change.lsn > (newest.get(key)?.lsn ?? 0)) newest.set(key, change);
      }
      expect(await sink.write(sinkBatch(sequence, columns, all.map(changeRow)), never)).toEqual(TAKEN);
      sequence += all.length;
    }
    const found = await it.sql(
      "select _muara_shard as shard, id::int as id, name, _muara_lsn::int as lsn from ods.t",
    );
    expect(inOrder(found)).toEqual(inOrder([...newest.values()]));
  },
  60_000,
);
