/** Copies of tables of a real server: what the stream tells of the same rows is the oracle. */
import assert from "node:assert/strict";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openCopy } from "../../../adapters/pg/copy.ts";
import { openDatabase } from "../../../adapters/pg/database.ts";
import { openReplication } from "../../../adapters/pg/replication.ts";
import { systemClock } from "../../../core/clock.ts";
import { hasCode } from "../../../core/errors.ts";
import type { ChunkRequest, CopyChunk, CopyTable, SourceCopy } from "../../../core/ports/source-copy.ts";
import { keyOf, payloadOf, type RecordBatch } from "../../../core/record.ts";
import { startPostgres, type PostgresServer } from "../../services/postgres.ts";
import { INCARNATION, LIMITS, makePlace, type Place } from "./replication-place.ts";

const readSecret = (): Promise<string> => Promise.resolve("");
const WATCH = { taking: () => undefined, taken: () => undefined };
const MATRIX: readonly (readonly [string, string, readonly string[]])[] = [
  ["a_int", "int4", ["1", "-2147483648"]],
  ["a_small", "int2", ["-1"]],
  ["a_big", "int8", ["9007199254740993"]],
  ["a_numeric", "numeric(12,2)", ["1.5", "'NaN'"]],
  ["a_free", "numeric", ["12345678901234567890.0001"]],
  ["a_real", "float4", ["1.1", "'NaN'"]],
  ["a_double", "float8", ["1e300", "'-Infinity'", "0.1"]],
  ["a_bool", "boolean", ["true", "false"]],
  [
    "a_text",
    "text",
    [String.raw`E'tab\t line\n back\\slash "quote" \\N é 😀 \x01\x0b'`, "''", String.raw`E'\\N'`],
  ],
  ["a_varchar", "varchar(9)", ["'NULL'"]],
  ["a_char", "char(5)", ["'ab'"]],
  ["a_bytes", "bytea", [String.raw`'\x00ff5c09'`, "''"]],
  ["a_date", "date", ["'2024-02-29'", "'infinity'", "'0044-03-15 BC'"]],
  ["a_time", "time", ["'23:59:59.999999'"]],
  ["a_stamp", "timestamp", ["'2026-11-22 13:45:00.5'", "'infinity'"]],
  ["a_instant", "timestamptz", ["'2026-11-22 13:45:00.123456+02'", "'-infinity'"]],
  ["a_interval", "interval", ["'1 mon -2 days 3:04:05.6'"]],
  ["a_uuid", "uuid", ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"]],
  ["a_json", "json", [`'{"a" : 1, "a":2}'`, `'[1.50]'`]],
  ["a_jsonb", "jsonb", [`'{"a":9007199254740993}'`]],
  ["a_ints", "int[]", ["'{1,NULL,3}'", "'[0:1]={1,2}'", "'{{1,2},{3,4}}'"]],
  ["a_texts", "text[]", [String.raw`ARRAY[E'a"b\\c', NULL, 'NULL', '', E'\t']`]],
  ["a_inet", "inet", ["'10.0.0.1/8'"]],
  ["a_range", "int4range", ["'[1,5)'"]],
  ["a_mood", "mood", ["'ok'"]],
  ["a_point", "point", ["'(1.5,2)'"]],
  ["a_bit", "bit(3)", ["B'101'"]],
  ["a_xml", "xml", ["'<a>1</a>'"]],
  ["a_money", "money", ["'12.30'"]],
  ["a_search", "tsvector", ["'a fat cat'"]],
  ["a_whole", "whole", ["row(1,'a b')::whole"]],
  ["a_limited", "limited", ["7"]],
];
let server: PostgresServer;
let place: Place;
let copy: SourceCopy;

beforeAll(async () => {
  server = await startPostgres();
  place = await makePlace(
    server,
    "create type mood as enum ('sad', 'ok'); create type whole as (a int, b text);",
  );
  await place.client.query("create domain limited as int check (value < 10); create extension citext");
  copy = openCopy(place.address, { readSecret });
}, 60_000);

afterAll(() => server?.stop());

function tableOf(name: string, schema = "public"): CopyTable {
  return { schema, name, shard: "shop1", incarnation: INCARNATION, bind: place.bind };
}

interface Seen {
  readonly key: string | null;
  readonly data: string;
  readonly head: string;
}

function seen(records: RecordBatch): Seen[] {
  return Array.from({ length: records.count }, (_, i) => {
    const text = Buffer.from(payloadOf(records, i)!).toString();
    const key = keyOf(records, i);
    const at = text.indexOf('},"data":');
    return { key: key && Buffer.from(key).toString(), data: text.slice(at), head: text.slice(0, at) };
  });
}

/** @returns what the stream tells of everything that `work` does */
async function streamed(work: () => Promise<unknown>, count: number): Promise<Seen[]> {
  const slot = `s${Math.trunc(performance.now() * 1_000)}`;
  await place.slot(slot);
  await work();
  const stream = await openReplication(
    place.address,
    { readSecret, clock: systemClock },
    {
      slot,
      publications: ["muara"],
      cursor: null,
      shard: "shop1",
      incarnation: 7,
      bind: place.bind,
      limits: LIMITS,
    },
  );
  const all: Seen[] = [];
  while (all.length < count) for (const part of (await stream.next())!.parts) all.push(...seen(part.records));
  await stream.close();
  await place.client.query(`select pg_drop_replication_slot('${slot}')`);
  return all;
}

async function atOnce(
  name: string,
  { isAgain = false, batchBytes = 100_000, schema = "public" } = {},
): Promise<Seen[]> {
  const slot = await openDatabase(place.address, { readSecret, clock: systemClock }).createSlot(
    `once_${name.length}`,
  );
  const snapshot = await copy.inSnapshot(slot.snapshot);
  try {
    const all: Seen[] = [];
    for await (const part of snapshot.rows(tableOf(name, schema), { at: slot.lsn, isAgain, batchBytes }))
      all.push(...seen(part.records));
    return all;
  } finally {
    await snapshot.close();
    await slot.release();
    await place.client.query(`select pg_drop_replication_slot('once_${name.length}')`);
  }
}

async function inChunks(
  name: string,
  request: Partial<ChunkRequest> = {},
  schema = "public",
): Promise<Seen[]> {
  const chunks = await copy.inChunks();
  try {
    const all: Seen[] = [];
    let [after, isLast]: [CopyChunk["to"], boolean] = [null, false];
    for (let number = 0; !isLast;) {
      const asked = { after, rows: 7, bytes: 1_000_000, number, ...request };
      const chunk = await chunks.chunk(tableOf(name, schema), asked, WATCH);
      if (typeof chunk === "string") throw new Error(chunk);
      all.push(...seen(chunk.records));
      assert(chunk.isLast || chunk.records.count > 0, "a chunk without rows that is not the last");
      ({ to: after, isLast } = chunk);
      number += chunk.records.count;
    }
    return all;
  } finally {
    await chunks.close();
  }
}

const rowsOf = (all: readonly Seen[]): Pick<Seen, "key" | "data">[] =>
  all.map(({ key, data }) => ({ key, data }));
const byKey = (a: Pick<Seen, "key">, b: Pick<Seen, "key">): number => (a.key! < b.key! ? -1 : 1);
const query = async <Row>(text: string): Promise<Row[]> => (await place.client.query(text)).rows as Row[];

describe("a row that is copied has the bytes that the stream gives it", () => {
  it("for all types", async () => {
    const columns = MATRIX.map(([name, type]) => `${name} ${type}`).join(", ");
    await place.client.query(`create table matrix (id int primary key, ${columns})`);
    const rows = 1 + Math.max(...MATRIX.map(([, , values]) => values.length));
    const told = await streamed(async () => {
      for (let id = 1; id <= rows; id++) {
        const values = MATRIX.map(([, , all]) => all[id - 1] ?? "null");
        await place.client.query(`insert into matrix values (${id}, ${values.join(", ")})`);
      }
    }, rows);
    expect(told).toHaveLength(rows);
    expect(rowsOf(await atOnce("matrix"))).toEqual(rowsOf(told));
    expect(rowsOf(await inChunks("matrix", { rows: 2 }))).toEqual(rowsOf(told));
    // Not by both being nothing: what stands beside is there, and the text that could be taken for null.
    expect(told[1]!.data).toContain('"a_numeric":null,"a_numeric__text":"NaN"');
    expect(told[2]!.data).toContain(String.raw`"a_text":"\\N"`);
  });

  it("for names that need quotes, partitions by their root, and without columns that are computed", async () => {
    await place.client.query(
      `create schema "Odd ""schema"""; set search_path = "Odd ""schema""";
       create table "Ta""ble" ("Key" text, "sel ect" int generated always as (length("Key")) stored, "na""me" int,
         primary key ("Key", "na""me")) partition by hash ("Key");
       create table part0 partition of "Ta""ble" for values with (modulus 2, remainder 0);
       create table part1 partition of "Ta""ble" for values with (modulus 2, remainder 1);
       reset search_path`,
    );
    const insert = `insert into "Odd ""schema"""."Ta""ble" ("Key", "na""me") 
      select 'k''' || n || chr(92), n from generate_series(1, 30) n`;
    const told = rowsOf(await streamed(() => place.client.query(insert), 30));
    const schema = 'Odd "schema"';
    const [once, chunked] = [await atOnce('Ta"ble', { schema }), await inChunks('Ta"ble', {}, schema)];
    expect(rowsOf(once).toSorted(byKey)).toEqual(told.toSorted(byKey));
    expect(rowsOf(chunked).toSorted(byKey)).toEqual(told.toSorted(byKey));
    expect(told[0]!.data).not.toContain("sel ect");
  });

  it("of a key whose index has other columns beside", async () => {
    await place.client.query(
      "create table beside (id int, note text, primary key (id) include (note)); insert into beside values (0, 'z')",
    );
    await streamed(() => place.client.query("insert into beside values (1, 'a')"), 1);
    const told = place.relations.at(-1)!;
    await atOnce("beside");
    expect(told.columns.map(({ isKey }) => isKey)).toEqual([true, false]);
    expect(place.relations.at(-1)!.columns).toEqual(told.columns);
  });

  it("of a parent without the rows of its children, which are tables of their own", async () => {
    await place.client.query(
      `create table parent (id int primary key); create table child (primary key (id)) inherits (parent);
       insert into parent values (1); insert into child values (2)`,
    );
    expect((await atOnce("parent")).map(({ key }) => key)).toEqual(['["shop1",1]']);
    expect((await inChunks("parent")).map(({ key }) => key)).toEqual(['["shop1",1]']);
  });
});

describe("chunks", () => {
  it.each([0, 1, 6, 7, 8, 14])("a table of %i rows comes whole, each row once", async (count) => {
    await place.client.query(
      `create table few_${count} as select n as id from generate_series(1, ${count}) n`,
    );
    await place.client.query(`alter table few_${count} add primary key (id)`);
    const keys = Array.from({ length: count }, (_, i) => `["shop1",${i + 1}]`);
    expect((await inChunks(`few_${count}`)).map(({ key }) => key)).toEqual(keys);
    expect((await atOnce(`few_${count}`)).map(({ key }) => key)).toEqual(keys);
  });

  it.each([
    ["citext", "citext", `('b'), ('A'), ('a b'), ('C'), ('aa'), ('B1'), ('c d'), ('_'), ('Z'), ('z z')`],
    [
      "linguistic",
      'text collate "en-x-icu"',
      `('b'), ('A'), ('a'), ('C'), ('ä'), ('B'), ('-a'), ('_'), ('Z'), ('z')`,
    ],
    [
      "escapes",
      "text",
      String.raw`(''), (''''), (E'\\'), (E'a\nb'), (E'\t'), ('"'), (E'\\N'), ('null'), ('NULL'), (',')`,
    ],
    ["padded", "char(3)", `('a'), ('ab'), ('abc'), (' a'), ('b'), ('c'), ('d'), ('e'), ('f')`],
    [
      "floats",
      "float8",
      `('NaN'), ('Infinity'), ('-Infinity'), (0.1), (1e300), (-5), (1e-300), (0), (3), (4)`,
    ],
    [
      "times",
      "timestamptz",
      `('infinity'), ('-infinity'), ('2026-11-22 1:00:00.000001'), ('0044-03-15 BC'), ('epoch')`,
    ],
    [
      "bytes",
      "bytea",
      String.raw`('\x'), ('\x00'), ('\xff'), ('\x5c'), ('\x27'), ('\x0a'), ('\x4e'), ('\x30')`,
    ],
    ["moods", "mood", `('ok'), ('sad')`],
    ["limits", "limited", `(3), (1), (9), (-4), (0), (2), (8), (7), (-1)`],
    [
      "arrays",
      "int[]",
      `('{}'), ('{1}'), ('{1,2}'), ('{NULL}'), ('{2}'), ('[0:0]={1}'), ('{0,0}'), ('{-1}')`,
    ],
  ])("keys of %s come in the order of the database", async (name, type, values) => {
    await place.client.query(`create table k_${name} (a ${type}, b int default 1, primary key (a, b))`);
    await place.client.query(`insert into k_${name} values ${values}`);
    await place.client.query(`insert into k_${name} select a, 2 from k_${name}`);
    const expected = await query<{ b: number }>(`select b from k_${name} order by a, b`);
    const chunked = await inChunks(`k_${name}`, { rows: 3 });
    expect(new Set(chunked.map(({ key }) => key)).size).toBe(expected.length);
    expect(chunked.map(({ data }) => Number(/"b":(\d)/.exec(data)![1]))).toEqual(expected.map(({ b }) => b));
    // And each can be asked for by itself, but an array.
    const chunks = await copy.inChunks();
    const again = chunked.map(({ key }) => key!);
    const request = { after: null, again, rows: again.length, bytes: 1, number: 0 };
    const asked = await chunks.chunk(tableOf(`k_${name}`), request, WATCH);
    await chunks.close();
    const keys =
      typeof asked === "string"
        ? asked
        : seen(asked.records)
            .map(({ key }) => key!)
            .toSorted();
    expect(keys).toEqual(type === "int[]" ? "unaskable" : again.toSorted());
  });

  it("end with the row that reaches their bytes, and go on behind it", async () => {
    await place.client.query(
      `create table wide as select n as id, repeat('x', case when n % 10 = 0 then 100000 else 10 end) as t
         from generate_series(1, 200) n; alter table wide add primary key (id)`,
    );
    const chunks = await copy.inChunks();
    let [after, isLast, number]: [CopyChunk["to"], boolean, number] = [null, false, 0];
    while (!isLast) {
      const chunk = (await chunks.chunk(
        tableOf("wide"),
        { after, rows: 1_000, bytes: 50_000, number },
        WATCH,
      )) as CopyChunk;
      expect(chunk.records.bytes.length).toBeLessThan(500_000);
      number += chunk.records.count;
      ({ to: after, isLast } = chunk);
      expect(after).toEqual([String(number)]);
    }
    expect(number).toBe(200);
    await chunks.close();
  });

  it("hold no lock and no snapshot between them, and nothing but ACCESS SHARE within", async () => {
    await place.client.query("create table held as select n as id from generate_series(1, 100) n");
    await place.client.query("alter table held add primary key (id)");
    const locks = `select distinct l.mode from pg_locks l join pg_stat_activity a using (pid)
       where a.application_name = 'muara copy' and l.locktype in ('relation', 'tuple', 'transactionid')`;
    let within: unknown[] = [];
    const chunks = await copy.inChunks();
    const bind: CopyTable["bind"] = async (relation) => {
      within = await query(locks);
      return place.bind(relation);
    };
    const request = { after: null, rows: 10, bytes: 100_000, number: 0 };
    await chunks.chunk({ ...tableOf("held"), bind }, request, WATCH);
    expect(within).toEqual([{ mode: "AccessShareLock" }]);
    expect(await query(locks)).toEqual([]);
    const idle = `select state, backend_xmin::text as xmin, backend_xid::text as xid from pg_stat_activity
       where application_name = 'muara copy'`;
    expect(await query(idle)).toEqual([{ state: "idle", xmin: null, xid: null }]);
    await chunks.close();
  });

  it("a look names who is under way, by top-level ids that snapshots name as well", async () => {
    const other = await server.connect(place.address.database);
    await other.query("create table looked (id int)");
    await other.query("begin; insert into looked values (1); savepoint s");
    await other.query("insert into looked values (2)");
    const [{ xid }] = (await other.query("select pg_current_xact_id()::xid::text as xid")).rows as [
      { xid: string },
    ];
    await other.query("release savepoint s");
    const chunks = await copy.inChunks();
    const look = await chunks.look();
    expect(look.running).toContain(Number(xid));
    // A later one that has ended moves the snapshot's end beyond the first and its sub-transaction.
    await place.client.query("insert into looked values (3)");
    const { snapshot } = await chunks.look();
    expect([...snapshot.running].map((id) => Number(id & 0xffff_ffffn))).toEqual([Number(xid)]);
    await other.query("commit");
    expect((await chunks.look()).running).toEqual([]);
    await other.end();
    await chunks.close();
  });

  it("a nudge brings the log to the disk and changes nothing", async () => {
    const chunks = await copy.inChunks();
    const { highLsn } = await chunks.look();
    await chunks.nudge();
    const deadline = performance.now() + 20_000;
    while ((await place.lsn()) <= highLsn) expect(performance.now()).toBeLessThan(deadline);
    await chunks.close();
  });
});

describe("a copy as of a slot's snapshot", () => {
  it("has the rows as they were, with places below all changes, and says that it begins anew", async () => {
    await place.client.query(
      "create table asof (id int primary key, t text); insert into asof values (1, 'old'), (2, 'old')",
    );
    const slot = await openDatabase(place.address, { readSecret, clock: systemClock }).createSlot("asof");
    await place.client.query("delete from asof where id = 1");
    await place.client.query("insert into asof values (3, 'new')");
    const snapshot = await copy.inSnapshot(slot.snapshot);
    const all: Seen[] = [];
    for await (const part of snapshot.rows(tableOf("asof"), { at: slot.lsn, isAgain: true, batchBytes: 1 }))
      all.push(...seen(part.records));
    expect(all.map(({ data }) => data)).toEqual([
      '},"data":{}}',
      '},"data":{"id":1,"t":"old"}}',
      '},"data":{"id":2,"t":"old"}}',
    ]);
    const places = all.map(
      ({ head }) => (JSON.parse(`${head}}}`) as { source: Record<string, number | string> }).source,
    );
    expect(places.map(({ change }) => change)).toEqual(["truncate", "copy", "copy"]);
    for (const { lsn } of places) expect(BigInt(lsn!)).toBeLessThan(slot.lsn);
    expect(places[0]!["lsn"]).toBeLessThan(Number(places[1]!["lsn"]));
    await snapshot.close();
    await slot.release();
    await place.client.query("select pg_drop_replication_slot('asof')");
    await expect(copy.inSnapshot(slot.snapshot)).rejects.toSatisfy((error) => hasCode(error, "source.lost"));
  });

  it("says so where the table was rewritten after the slot was made", async () => {
    await place.client.query(
      "create table altered (id int primary key, t int); insert into altered values (1, 1)",
    );
    const slot = await openDatabase(place.address, { readSecret, clock: systemClock }).createSlot("altered");
    await place.client.query("alter table altered alter column t type bigint");
    const snapshot = await copy.inSnapshot(slot.snapshot);
    const rows = snapshot.rows(tableOf("altered"), { at: slot.lsn, isAgain: false, batchBytes: 1_000 });
    const all = (async () => {
      for await (const _ of rows);
    })();
    await expect(all).rejects.toSatisfy((error) => hasCode(error, "source.rewritten"));
    await snapshot.close();
    await slot.release();
    await place.client.query("select pg_drop_replication_slot('altered')");
  });

  it("ends with an error that may pass when its session is ended, and reads no further than it is asked", async () => {
    await place.client.query(
      "create table much as select n, repeat('x', 1000) as t from generate_series(1, 200000) n",
    );
    const slot = await openDatabase(place.address, { readSecret, clock: systemClock }).createSlot("much");
    const snapshot = await copy.inSnapshot(slot.snapshot);
    const rows = snapshot.rows(tableOf("much"), { at: slot.lsn, isAgain: false, batchBytes: 100_000 });
    const before = process.memoryUsage.rss();
    const iterator = rows[Symbol.asyncIterator]();
    await iterator.next();
    const copying = "select pid, wait_event from pg_stat_activity where application_name = 'muara copy'";
    const deadline = performance.now() + 20_000;
    while ((await query<{ wait_event: string }>(copying))[0]?.wait_event !== "ClientWrite")
      expect(performance.now()).toBeLessThan(deadline);
    expect(process.memoryUsage.rss() - before).toBeLessThan(60_000_000);
    await query(`select pg_terminate_backend(pid) from (${copying}) s`);
    const rest = (async () => {
      while (!(await iterator.next()).done);
    })();
    await expect(rest).rejects.toSatisfy((error) => hasCode(error, "source.unavailable"));
    await snapshot.close();
    await slot.release();
    await place.client.query("select pg_drop_replication_slot('much')");
  });
});
