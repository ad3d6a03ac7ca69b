/** Tables that change while they are captured: each change has the properties that its row had. */
import { expect, test } from "vitest";
import { CAPTURED_ANNOTATION } from "../../../core/change.ts";
import { type EventType, payloadSchema } from "../../../core/event-type.ts";
import { type CapturePlace, capturePlaces, streams } from "./capture-place.ts";

const places = capturePlaces();

async function open(ddl: string, more: object = {}): Promise<CapturePlace> {
  const place = await places.open(ddl);
  await place.declare("shop", more);
  await place.start();
  await place.until("shop", "streams", streams);
  return place;
}

async function typeOf(place: CapturePlace, name: string): Promise<EventType> {
  await place.registry.refresh();
  return place.registry.get<EventType>("event-type", name)!.value!;
}

test("columns that are added, retyped, dropped and renamed", async () => {
  const place = await open("CREATE TABLE t (id int PRIMARY KEY, v int, w text)");
  const type = await typeOf(place, "shop.public.t");
  expect(type).toMatchObject({
    category: "data",
    compatibility_mode: "none",
    owning_application: "tests",
    annotations: { [CAPTURED_ANNOTATION]: "on" },
  });
  await place.sql("INSERT INTO t VALUES (1, 1, 'a')");
  await place.sql("ALTER TABLE t ADD COLUMN x numeric(6,2); INSERT INTO t VALUES (2, 2, 'b', 2.5)");
  await place.sql("ALTER TABLE t ALTER v TYPE text; INSERT INTO t VALUES (3, 'three', 'c', 3)");
  await place.sql("ALTER TABLE t DROP COLUMN w; INSERT INTO t VALUES (4, 'four', 4)");
  await place.sql("ALTER TABLE t RENAME x TO y; INSERT INTO t VALUES (5, 'five', 5)");
  await place.sql("ALTER TABLE t ALTER v TYPE int USING id; INSERT INTO t VALUES (6, 6, 6)");
  await place.sql("ALTER TABLE t ALTER y TYPE numeric(9,4); INSERT INTO t VALUES (7, 7, 7.1234)");
  const records = await place.landed("shop.public.t", 7);
  expect(records.map(({ data }) => data)).toEqual([
    { id: 1, v: 1, w: "a" },
    { id: 2, v: 2, w: "b", x: "2.50" },
    { id: 3, v__text_2: "three", w: "c", x: "3.00" },
    { id: 4, v__text_2: "four", x: "4.00" },
    { id: 5, v__text_2: "five", y: "5.00" },
    { id: 6, v: 6, y: "6.00" },
    { id: 7, v: 7, y: "7.1234" },
  ]);
  const versions = records.map(({ header }) => header["schema_version"]);
  const { properties } = payloadSchema(await typeOf(place, "shop.public.t"));
  expect(Object.keys(properties!)).toEqual(["id", "v", "w", "x", "v__text_2", "y"]);
  expect(properties!["y"]!.format).toBe("decimal(9,4)");
  expect(new Set(versions).size).toBe(5);
  expect((await typeOf(place, "shop.public.t")).schema.version).toBe(versions.at(-1));
});

test("several in one transaction, with rows in between", async () => {
  const place = await open("CREATE TABLE t (id int PRIMARY KEY)");
  await place.sql(
    `BEGIN; INSERT INTO t VALUES (1); ALTER TABLE t ADD a int; INSERT INTO t VALUES (2, 2);
     ALTER TABLE t ADD b bool; UPDATE t SET b = true WHERE id = 1; COMMIT`,
  );
  const records = await place.landed("shop.public.t", 3);
  expect(records.map(({ data }) => data)).toEqual([{ id: 1 }, { id: 2, a: 2 }, { id: 1, a: null, b: true }]);
});

test("a table that is dropped and made again", async () => {
  const place = await open("CREATE TABLE t (id int PRIMARY KEY, v int)");
  await place.sql("INSERT INTO t VALUES (1, 1)");
  await place.landed("shop.public.t", 1);
  await place.sql("DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, v bool)");
  // The new one is no part of the publication until the capture connects anew.
  await place.change("shop", (capture) => ({ ...capture, isPaused: true }));
  await expect
    .poll(
      async () =>
        (
          await place.sql(
            "SELECT count(*)::int AS n FROM pg_stat_replication WHERE application_name LIKE 'muara%'",
          )
        )[0]!["n"],
    )
    .toBe(0);
  await place.change("shop", (capture) => ({ ...capture, isPaused: false }));
  await expect
    .poll(async () => (await place.sql("SELECT count(*)::int AS n FROM pg_publication_tables"))[0]!["n"], {
      timeout: 20_000,
    })
    .toBe(1);
  await place.sql("INSERT INTO t VALUES (2, true)");
  expect((await place.landed("shop.public.t", 2)).map(({ data }) => data)).toEqual([
    { id: 1, v: 1 },
    { id: 2, v__boolean: true },
  ]);
});

test("partitions under the name of their table, ones that come later, too", async () => {
  const place = await open(
    `CREATE TABLE t (id int, day date, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
     CREATE TABLE t1 PARTITION OF t FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')`,
  );
  await place.sql("INSERT INTO t VALUES (1, '2026-01-05')");
  await place.sql(
    `CREATE TABLE t2 PARTITION OF t FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
     INSERT INTO t VALUES (2, '2026-02-05')`,
  );
  await place.sql("UPDATE t SET day = '2026-02-06' WHERE id = 1");
  const records = await place.landed("shop.public.t", 4);
  expect(records.map(({ source, key }) => [source.change, key])).toEqual([
    ["create", '["shop","2026-01-05",1]'],
    ["create", '["shop","2026-02-05",2]'],
    ["delete", '["shop","2026-01-05",1]'],
    ["create", '["shop","2026-02-06",1]'],
  ]);
});

test("a table without identity tells its inserts, and its updates are not refused", async () => {
  const place = await open("CREATE TABLE t (id int); CREATE TABLE keyed (id int PRIMARY KEY)", {
    tables: ["public.t", "public.keyed"],
  });
  await place.sql("INSERT INTO t VALUES (1); UPDATE t SET id = 2; DELETE FROM t; INSERT INTO t VALUES (3)");
  await place.sql("INSERT INTO keyed VALUES (1); DELETE FROM keyed");
  const records = await place.landed("shop.public.t", 2);
  expect(records.map(({ data, key }) => [data["id"], key])).toEqual([
    [1, null],
    [3, null],
  ]);
  expect((await place.landed("shop.public.keyed", 2)).map(({ data_op: op }) => op)).toEqual(["C", "D"]);
});

test("shards of one event type have partitions of their own, and order within them", async () => {
  const place = await open("CREATE TABLE t (id int PRIMARY KEY, v int)", { shard: "a" });
  await place.declare("shop2", { shard: "b", keys: "global" });
  await place.until("shop2", "streams", streams);
  await place.sql("INSERT INTO t VALUES (1, 1); UPDATE t SET v = 2; DELETE FROM t");
  const records = await place.landed("shop.public.t", 6);
  const of = (shard: string) =>
    records
      .filter(({ source }) => source.shard === shard)
      .map(({ partition, key, data_op: op }) => [partition, key, op]);
  expect(of("a")).toEqual(["C", "U", "D"].map((op) => [0, '["a",1]', op]));
  expect(of("b")).toEqual(["C", "U", "D"].map((op) => [1, "[1]", op]));
  expect(new Set(records.map(({ metadata }) => metadata.eid)).size).toBe(6);
});
