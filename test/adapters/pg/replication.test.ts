/** What is read from a replication slot, and what the source is told: against a real server. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { changeId } from "../../../core/change.ts";
import { startPostgres, type PostgresServer } from "../../services/postgres.ts";
import { INCARNATION, makePlace, type ChangeEvent, type Place } from "./replication-place.ts";

let server: PostgresServer;
let place: Place;

beforeAll(async () => {
  server = await startPostgres();
  place = await makePlace(
    server,
    `create table t (id int primary key, v text);
     create table other (id int primary key);`,
  );
}, 60_000);

afterAll(() => server?.stop());

const told = (events: readonly ChangeEvent[]): string[] =>
  events.map(({ source, key }) => `${source.change} ${key}`);

it("tells inserts, updates and deletes as events that say what they are", async () => {
  await place.slot("kinds");
  await place.client.query("insert into t values (1, 'one \"quoted\"'), (2, null)");
  await place.client.query("update t set v = 'two' where id = 2");
  await place.client.query("delete from t where id = 1");
  const reader = await place.open("kinds");
  await reader.until(() => reader.events.length === 4);
  const [first, second, third, fourth] = reader.events;
  expect(first).toMatchObject({
    data_op: "C",
    data_type: "public.t",
    source: { shard: "shop1", incarnation: INCARNATION, index: 0, change: "create" },
    data: { id: 1, v: 'one "quoted"' },
    key: '["shop1",1]',
    stream: "public.t",
  });
  expect(second).toMatchObject({ source: { index: 1, lsn: first!.source.lsn }, data: { id: 2, v: null } });
  expect(third).toMatchObject({ data_op: "U", source: { change: "update" }, data: { id: 2, v: "two" } });
  expect(third).not.toHaveProperty("before");
  expect(fourth).toMatchObject({
    data_op: "D",
    source: { change: "delete" },
    data: { id: 1 },
    key: '["shop1",1]',
  });
  for (const { metadata, source } of reader.events) {
    const lsn = BigInt(source.lsn);
    expect(metadata.eid).toBe(changeId({ incarnation: INCARNATION, lsn, index: source.index }));
    expect(metadata.occurred_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect(Math.abs(Date.parse(metadata.occurred_at) - Date.now())).toBeLessThan(60_000);
  }
  await reader.close();
});

it("acknowledges nothing unless it is told, and then exactly that", async () => {
  await place.slot("told");
  const before = await place.confirmed("told");
  await place.client.query("insert into t values (11, 'a')");
  await place.client.query("insert into t values (12, 'b')");
  const reader = await place.open("told");
  await reader.until(() => reader.events.length === 2);
  await new Promise((resolve) => setTimeout(resolve, 300)); // six times the status
  expect(await place.confirmed("told")).toBe(before);
  await reader.close();
  expect(await place.confirmed("told")).toBe(before);

  const again = await place.open("told");
  await again.until(() => again.events.length === 2);
  expect(again.events).toEqual(reader.events);
  await again.acknowledge();
  await again.close();
  await place.client.query("insert into t values (13, 'c')");
  const last = await place.open("told");
  await last.until(() => last.events.length > 0);
  expect(told(last.events)).toEqual(['create ["shop1",13]']);
  await last.close();
});

it("loses nothing of two transactions that follow each other without a gap", async () => {
  const [first, second] = [
    await server.connect(place.address.database),
    await server.connect(place.address.database),
  ];
  let adjacent = 0;
  for (let round = 0; round < 10; round++) {
    const slot = `adjacent${round}`;
    const id = 100 + round * 2;
    await place.slot(slot);
    await first.query("begin");
    await first.query(`insert into t values (${id}, 'a')`);
    await second.query("begin");
    await second.query(`insert into t values (${id + 1}, 'b')`);
    await first.query("commit");
    await second.query("commit");
    // Each in a batch of its own.
    const reader = await place.open(slot, { limits: { batchBytes: 1 } });
    await reader.until(() => reader.cursors.length >= 1);
    const cursor = reader.cursors[0]!;
    expect(told(reader.events)[0]).toBe(`create ["shop1",${id}]`);
    reader.stream.acknowledge(cursor);
    await reader.close();
    expect(await place.confirmed(slot)).toBe(BigInt(cursor));
    const again = await place.open(slot);
    await again.until(() => again.events.length >= 1);
    expect(told(again.events)).toEqual([`create ["shop1",${id + 1}]`]);
    if (BigInt(again.events[0]!.source.lsn) === BigInt(cursor)) adjacent++;
    await again.close();
    await place.client.query("select pg_drop_replication_slot($1)", [slot]);
  }
  // Others write their log in between every now and then; without such a pair this would show nothing.
  expect(adjacent).toBeGreaterThan(0);
});
