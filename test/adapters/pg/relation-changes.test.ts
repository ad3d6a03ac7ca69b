/** Tables that change while their changes are read: what is asked at each of them, and what becomes of the rows. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { startPostgres, type PostgresServer } from "../../services/postgres.ts";
import { makePlace, type Place, type Reader } from "./replication-place.ts";

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres();
}, 60_000);

afterAll(() => server?.stop());

async function readAll(place: Place, slot: string): Promise<Reader> {
  await place.client.query("select pg_logical_emit_message(true, 'end', '')");
  const reader = await place.open(slot);
  await reader.until(() => reader.messages.some(({ prefix }) => prefix === "end"));
  await reader.close();
  return reader;
}

it("every row is read with the columns that its table had then", async () => {
  const place = await makePlace(server, "create table t (id int primary key, v text)");
  await place.slot("ddl");
  for (const statement of [
    "insert into t values (1, 'a')",
    "alter table t add n int default 5",
    "insert into t values (2, 'b', 6)",
    "alter table t drop v",
    "insert into t values (3, 7)",
    "alter table t rename n to m",
    "insert into t values (4, 8)",
    "alter table t alter m type bigint",
    "insert into t values (5, 9007199254740993)",
    "begin; insert into t values (6, 1); alter table t add late bool; insert into t values (7, 2, true); commit",
    "alter table t rename to moved",
    "insert into moved values (8, 3, false)",
    "drop table moved",
    "create table t (id text primary key)",
    "insert into t values ('nine')",
  ])
    await place.client.query(statement);
  const { events } = await readAll(place, "ddl");
  expect(events.map(({ data_type, data }) => [data_type, data])).toEqual([
    ["public.t", { id: 1, v: "a" }],
    ["public.t", { id: 2, v: "b", n: 6 }],
    ["public.t", { id: 3, n: 7 }],
    ["public.t", { id: 4, m: 8 }],
    ["public.t", { id: 5, m: "9007199254740993" }],
    ["public.t", { id: 6, m: "1" }],
    ["public.t", { id: 7, m: "2", late: true }],
    ["public.moved", { id: 8, m: "3", late: false }],
    ["public.t", { id: "nine" }],
  ]);
  const names = place.relations.map(
    ({ name, columns }) => `${name}(${columns.map((column) => column.name).join()})`,
  );
  expect(names).toEqual([
    "t(id,v)",
    "t(id,v,n)",
    "t(id,n)",
    "t(id,m)",
    "t(id,m)",
    "t(id,m,late)",
    "moved(id,m,late)",
    "t(id)",
  ]);
  const ids = place.relations.map(({ id }) => id);
  expect(new Set(ids).size).toBe(2); // a dropped and created table is another one
});

it("what follows a changed table waits until somebody has said what becomes of it", async () => {
  const place = await makePlace(
    server,
    "create table a (id int primary key); create table b (id int primary key)",
  );
  await place.slot("waits");
  for (let i = 0; i < 20; i++) {
    await place.client.query(`begin; insert into a values (${i}); insert into b values (${i}); commit`);
    await place.client.query(`alter table a add c${i} int`);
  }
  const asked: string[] = [];
  await place.client.query("select pg_logical_emit_message(true, 'end', '')");
  const reader = await place.open("waits", {
    limits: { batchBytes: 1 },
    bind: async (relation) => {
      asked.push(relation.name);
      const binding = await place.bind(relation);
      await new Promise((resolve) => setTimeout(resolve, relation.columns.length % 3));
      return binding && { ...binding, stream: "both" };
    },
  });
  await reader.until(() => reader.messages.length > 0);
  expect(reader.events.map(({ data_type, data }) => `${data_type} ${String(data["id"])}`)).toEqual(
    Array.from({ length: 40 }, (_, i) => `public.${i % 2 === 0 ? "a" : "b"} ${Math.floor(i / 2)}`),
  );
  expect(asked.filter((name) => name === "a")).toHaveLength(20);
  await reader.close();
});

it("a table that nobody wants is left out, and counts all the same", async () => {
  const place = await makePlace(
    server,
    "create table a (id int primary key); create table b (id int primary key)",
  );
  await place.slot("unwanted");
  await place.client.query(
    "begin; insert into a values (1); insert into b values (1); update a set id = 2; insert into b values (2); commit",
  );
  await place.client.query("select pg_logical_emit_message(true, 'end', '')");
  const both = await place.open("unwanted");
  await both.until(() => both.messages.length > 0);
  await both.close();
  const one = await place.open("unwanted", {
    bind: async (relation) => (relation.name === "a" ? null : await place.bind(relation)),
  });
  await one.until(() => one.messages.length > 0);
  await one.close();
  expect(one.events).toEqual(both.events.filter(({ data_type }) => data_type === "public.b"));
  expect(one.events.map(({ source }) => source.index)).toEqual([1, 4]);
});

it("who says what becomes of a table may fail, and the stream ends with that", async () => {
  const place = await makePlace(server, "create table a (id int primary key)");
  await place.slot("fails");
  await place.client.query("insert into a values (1)");
  const failure = new Error("no room for another type");
  const reader = await place.open("fails", { bind: () => Promise.reject(failure) });
  await expect(reader.until(() => false)).rejects.toBe(failure);
  await expect(reader.stream.next()).rejects.toBe(failure);
  await reader.close();
});

it("a new value of an enum is a value", async () => {
  const place = await makePlace(
    server,
    "create type mood as enum ('calm'); create table a (id int primary key, m mood, ms mood[])",
  );
  await place.slot("enums");
  await place.client.query("insert into a values (1, 'calm', '{calm}')");
  await place.client.query("alter type mood add value 'wild \"one\"'");
  await place.client.query(`insert into a values (2, 'wild "one"', array['wild "one"', 'calm']::mood[])`);
  const { events } = await readAll(place, "enums");
  expect(events.map(({ data }) => data)).toEqual([
    { id: 1, m: "calm", ms: ["calm"] },
    { id: 2, m: 'wild "one"', ms: ['wild "one"', "calm"] },
  ]);
});

it("a publication that gets a table tells its changes from then on", async () => {
  const place = await makePlace(
    server,
    "create table a (id int primary key); create table b (id int primary key)",
  );
  await place.client.query("drop publication muara; create publication muara for table a");
  await place.slot("grows");
  const reader = await place.open("grows");
  for (const statement of [
    "insert into a values (1)",
    "insert into b values (1)",
    "alter publication muara add table b",
    "insert into b values (2)",
    "alter publication muara drop table a",
    "insert into a values (3)",
    "insert into b values (4)",
  ])
    await place.client.query(statement);
  await reader.until(() => reader.events.length >= 3);
  expect(reader.events.map(({ key, data_type }) => `${data_type} ${key}`)).toEqual([
    'public.a ["shop1",1]',
    'public.b ["shop1",2]',
    'public.b ["shop1",4]',
  ]);
  await reader.close();
});

it("messages of the database's owner come at their place, with what they say", async () => {
  const place = await makePlace(server, "create table a (id int primary key)");
  await place.slot("messages");
  await place.client.query(
    `begin; insert into a values (1); select pg_logical_emit_message(true, 'outbox', 'within');
     insert into a values (2); commit`,
  );
  await place.client.query(String.raw`select pg_logical_emit_message(false, 'outside', '\x00ff22'::bytea)`);
  // One that is told although its transaction is undone.
  await place.client.query("begin; select pg_logical_emit_message(false, 'outside', 'undone'); rollback");
  await place.client.query("begin; select pg_logical_emit_message(true, 'outbox', 'never'); rollback");
  const { messages, events, cursors } = await readAll(place, "messages");
  expect(
    messages.map(({ prefix, content, isTransactional, index }) => [
      prefix,
      Buffer.from(content).toString("latin1"),
      isTransactional,
      index,
    ]),
  ).toEqual([
    ["outbox", "within", true, 1],
    ["outside", "\u0000\u00ff\u0022", false, 0],
    ["outside", "undone", false, 0],
    ["end", "", true, 0],
  ]);
  const [within, outside, undone, end] = messages;
  expect(within!.lsn).toBe(BigInt(events[0]!.source.lsn));
  expect(within!.commitUs).toBeGreaterThan(0n);
  expect(outside!.commitUs).toBeNull();
  expect([within!.lsn < outside!.lsn, outside!.lsn < undone!.lsn, undone!.lsn < end!.lsn]).toEqual([
    true,
    true,
    true,
  ]);
  expect(events.map(({ source }) => source.index)).toEqual([0, 2]);
  expect(BigInt(cursors.at(-1)!)).toBeGreaterThan(end!.lsn);

  // Told that all of it is durable, the source tells none of it again.
  const reader = await place.open("messages");
  await reader.until(() => reader.messages.length === 4);
  await reader.acknowledge();
  await reader.close();
  const again = await readAll(place, "messages");
  expect(again.messages.map(({ prefix }) => prefix)).toEqual(["end"]);
});
