/** What becomes of changes of rows that are more than an insert: of keys, of values out of line, of whole tables. */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { from } from "pg-copy-streams";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startPostgres, type PostgresServer } from "../../services/postgres.ts";
import { makePlace, type ChangeEvent, type Place, type Reader } from "./replication-place.ts";

let server: PostgresServer;
let place: Place;
let slots = 0;

beforeAll(async () => {
  server = await startPostgres();
  place = await makePlace(
    server,
    `create table plain (id int primary key, v text);
     create table pair (a int, b text, v int, primary key (b, a));
     create table big (id int primary key, n int, bio text, note text);
     create table big_full (id int primary key, n int, bio text); alter table big_full replica identity full;
     create table big_index (id int primary key, code text not null, n int, bio text);
     create unique index by_code on big_index (code); alter table big_index replica identity using index by_code;
     create table long_key (code text primary key, n int);
     create table keyless (n int); alter table keyless replica identity full;
     create table parent (id int primary key); create table child (id int primary key, p int references parent);
     create table parted (id int, day date, v text, primary key (id, day)) partition by range (day);
     create table parted_1 partition of parted for values from ('2026-01-01') to ('2026-02-01');
     create table parted_2 partition of parted for values from ('2026-02-01') to ('2026-03-01');
     alter table big alter bio set storage external; alter table big_full alter bio set storage external;
     alter table big_index alter bio set storage external; alter table long_key alter code set storage external;`,
  );
}, 60_000);

afterAll(() => server?.stop());

/** What the statements make, read through a slot of its own. @param count of events */
async function changesOf(
  count: number,
  ...statements: readonly (string | (() => Promise<void>))[]
): Promise<ChangeEvent[]> {
  const slot = `row${++slots}`;
  await place.slot(slot);
  for (const statement of statements)
    await (typeof statement === "string" ? place.client.query(statement) : statement());
  await place.client.query("select pg_logical_emit_message(true, 'end', '')");
  const reader: Reader = await place.open(slot);
  await reader.until(() => reader.messages.some(({ prefix }) => prefix === "end"));
  await reader.close();
  await place.client.query("select pg_drop_replication_slot($1)", [slot]);
  expect(reader.events.map(({ source }) => source.change)).toHaveLength(count);
  return reader.events;
}

async function copyIn(statement: string, text: string): Promise<void> {
  await pipeline(Readable.from([text]), place.client.query(from(statement)));
}

const brief = ({ source, key, data, before }: ChangeEvent): unknown[] => [
  source.change,
  key,
  data,
  ...(before ? [before] : []),
  ...(source.unchanged ? [source.unchanged] : []),
];

it("a value that is out of line and left alone is named, not told", async () => {
  const bio = "x".repeat(5_000);
  const events = await changesOf(
    4,
    `insert into big values (1, 1, '${bio}', 'a')`,
    "update big set n = 2 where id = 1",
    "update big set bio = bio || 'y' where id = 1",
    "update big set bio = null where id = 1",
  );
  expect(events.map(brief)).toEqual([
    ["create", '["shop1",1]', { id: 1, n: 1, bio, note: "a" }],
    ["update", '["shop1",1]', { id: 1, n: 2, note: "a" }, ["bio"]],
    ["update", '["shop1",1]', { id: 1, n: 2, bio: `${bio}y`, note: "a" }],
    ["update", '["shop1",1]', { id: 1, n: 2, bio: null, note: "a" }],
  ]);
});

it("under a full identity it comes from the row that was, which is told whole", async () => {
  const bio = "f".repeat(5_000);
  const events = await changesOf(
    5,
    `insert into big_full values (11, 1, '${bio}')`,
    "update big_full set n = 2 where id = 11",
    "update big_full set id = 15 where id = 11",
    "delete from big_full where id = 15",
  );
  expect(events.map(brief)).toEqual([
    ["create", '["shop1",11]', { id: 11, n: 1, bio }],
    ["update", '["shop1",11]', { id: 11, n: 2, bio }, { id: 11, n: 1, bio }],
    ["delete", '["shop1",11]', { id: 11 }, { id: 11, n: 2, bio }],
    ["create", '["shop1",15]', { id: 15, n: 2, bio }, { id: 11, n: 2, bio }],
    ["delete", '["shop1",15]', { id: 15 }, { id: 15, n: 2, bio }],
  ]);
});

it("under an index its columns are the key", async () => {
  const bio = "i".repeat(5_000);
  const events = await changesOf(
    5,
    `insert into big_index values (1, 'one', 1, '${bio}')`,
    "update big_index set n = 2, id = 9 where id = 1",
    "update big_index set code = 'two' where id = 9",
    "delete from big_index where id = 9",
  );
  expect(events.map(brief)).toEqual([
    ["create", '["shop1","one"]', { id: 1, code: "one", n: 1, bio }],
    ["update", '["shop1","one"]', { id: 9, code: "one", n: 2 }, ["bio"]],
    ["delete", '["shop1","one"]', { code: "one" }],
    ["create", '["shop1","two"]', { id: 9, code: "two", n: 2 }, { code: "one" }, ["bio"]],
    ["delete", '["shop1","two"]', { code: "two" }],
  ]);
});

it("a key that is out of line and left alone is the same key", async () => {
  // Not to be compressed below what has to be in line, and short enough for an index.
  const code = Array.from({ length: 2_400 }, (_, i) => String.fromCharCode(33 + ((i * i * 7 + i * 13) % 90)))
    .join("")
    .replaceAll("'", "#")
    .replaceAll("\\", "#")
    .replaceAll('"', "#");
  const events = await changesOf(
    2,
    `insert into long_key values ('${code}', 1)`,
    "update long_key set n = 2",
  );
  expect(events.map(({ source, data }) => [source.change, data])).toEqual([
    ["create", { code, n: 1 }],
    ["update", { code, n: 2 }],
  ]);
  expect(events[1]!.key).toBe(JSON.stringify(["shop1", code]));
  expect(events[1]!.source).not.toHaveProperty("unchanged");
});

it("a changed key is a delete and a create; keys that change places are four", async () => {
  const events = await changesOf(
    8,
    "begin; insert into plain values (1, 'a'), (2, 'b'); commit",
    `begin; update plain set id = -1 where id = 1; update plain set id = 1 where id = 2;
       update plain set id = 2 where id = -1; commit`,
  );
  expect(events.map(brief)).toEqual([
    ["create", '["shop1",1]', { id: 1, v: "a" }],
    ["create", '["shop1",2]', { id: 2, v: "b" }],
    ["delete", '["shop1",1]', { id: 1 }],
    ["create", '["shop1",-1]', { id: -1, v: "a" }, { id: 1 }],
    ["delete", '["shop1",2]', { id: 2 }],
    ["create", '["shop1",1]', { id: 1, v: "b" }, { id: 2 }],
    ["delete", '["shop1",-1]', { id: -1 }],
    ["create", '["shop1",2]', { id: 2, v: "a" }, { id: -1 }],
  ]);
  expect(events.slice(2).map(({ source }) => source.index)).toEqual([0, 1, 2, 3, 4, 5]);
  const again = await changesOf(
    2,
    "begin; delete from plain where id = 1; insert into plain values (1, 'new'); commit",
  );
  expect(again.map(brief)).toEqual([
    ["delete", '["shop1",1]', { id: 1 }],
    ["create", '["shop1",1]', { id: 1, v: "new" }],
  ]);
});

it("a key of several columns stands in its own order", async () => {
  const events = await changesOf(
    3,
    "insert into pair values (1, 'x\"y', 3)",
    "update pair set v = 4",
    "delete from pair",
  );
  expect(events.map(({ key }) => key)).toEqual(Array.from({ length: 3 }, () => '["shop1","x\\"y",1]'));
  expect(events[2]!.data).toEqual({ a: 1, b: 'x"y' });
});

it("a table without a key has records without one", async () => {
  const events = await changesOf(
    3,
    "insert into keyless values (1)",
    "update keyless set n = 2",
    "delete from keyless",
  );
  expect(events.map(brief)).toEqual([
    ["create", null, { n: 1 }],
    ["update", null, { n: 2 }, { n: 1 }],
    ["delete", null, {}, { n: 2 }],
  ]);
});

it("a truncate is an event of every table that it empties", async () => {
  const events = await changesOf(
    4,
    "insert into parent values (1)",
    "insert into child values (1, 1)",
    "truncate parent cascade",
  );
  const emptied = events.slice(2);
  expect(emptied.map(brief)).toEqual([
    ["truncate", null, {}],
    ["truncate", null, {}],
  ]);
  expect(emptied.map(({ data_op, data_type }) => `${data_op} ${data_type}`).toSorted()).toEqual([
    "D public.child",
    "D public.parent",
  ]);
  expect(emptied.map(({ source }) => source.index)).toEqual([0, 1]);
});

it("rows of one statement and of a copy have one place each, though the source has one for many", async () => {
  const events = await changesOf(
    600,
    "insert into plain select g, repeat('m', 10) from generate_series(1000, 1299) g",
    () =>
      copyIn("copy plain from stdin", Array.from({ length: 300 }, (_, i) => `${2_000 + i}\tc\n`).join("")),
  );
  const indexes = [events.slice(0, 300), events.slice(300)].map((half) =>
    half.map(({ source }) => source.index),
  );
  expect(indexes).toEqual([
    Array.from({ length: 300 }, (_, i) => i),
    Array.from({ length: 300 }, (_, i) => i),
  ]);
  expect(new Set(events.map(({ metadata }) => metadata.eid)).size).toBe(600);
});

it("rows of partitions are their root's, also when they move", async () => {
  const events = await changesOf(
    4,
    "insert into parted values (1, '2026-01-05', 'a')",
    "update parted set v = 'b'",
    "update parted set day = '2026-02-05'",
  );
  expect(events.map(({ data_type, source, data }) => [data_type, source.change, data])).toEqual([
    ["public.parted", "create", { id: 1, day: "2026-01-05", v: "a" }],
    ["public.parted", "update", { id: 1, day: "2026-01-05", v: "b" }],
    ["public.parted", "delete", { id: 1, day: "2026-01-05" }],
    ["public.parted", "create", { id: 1, day: "2026-02-05", v: "b" }],
  ]);
  const attached = await changesOf(
    2,
    "create table parted_3 (id int, day date, v text, primary key (id, day))",
    "alter table parted attach partition parted_3 for values from ('2026-03-01') to ('2026-04-01')",
    "insert into parted values (3, '2026-03-05', 'c')",
    "truncate parted",
  );
  expect(attached.map(({ data_type, source }) => `${source.change} ${data_type}`)).toEqual([
    "create public.parted",
    "truncate public.parted",
  ]);
});

it("changes of ten thousand subtransactions come in order, those that were undone do not", async () => {
  const events = await changesOf(
    10_000,
    `do $$ begin for i in 1..10000 loop
       begin insert into keyless values (i); if i % 2 = 0 then raise 'undone'; end if;
       exception when others then insert into keyless values (-i); end; end loop; end $$`,
  );
  expect(events.map(({ data }) => data["n"])).toEqual(
    Array.from({ length: 10_000 }, (_, i) => (i % 2 === 0 ? i + 1 : -(i + 1))),
  );
});
