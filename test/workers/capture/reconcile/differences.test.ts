import { afterAll, beforeAll, expect, test } from "vitest";
import { COLUMNS_MAX } from "../../../../core/reconciliation.ts";
import type { SnapshotTable } from "../../../../core/ports/snapshot.ts";
import { type PostgresServer, startPostgres } from "../../../services/postgres.ts";
import { openWorld, type Texts, type Told, type World } from "./mirror-world.ts";

let server: PostgresServer;
let database: string;
let world: World;

beforeAll(async () => {
  server = await startPostgres();
  database = await server.freshDatabase();
  world = await openWorld(server, database);
}, 60_000);

afterAll(async () => {
  await world?.close();
  await server?.stop();
});

const run = (sql: string): Promise<unknown> => server.sql(sql, [], database);

/** The table in a snapshot that stays open for the test. */
async function open(name: string) {
  const snapshot = await world.snapshot();
  const table = await snapshot.table("public", name);
  return { snapshot, table, rows: await world.texts(table) };
}

const created = (row: Texts): Told => ({ change: "create", row });

const bigRow = (id: string, big: string | null, n: string): Texts => ({ id, big, n });

async function compared(table: SnapshotTable, lsn: bigint, named?: number) {
  return world.compare(table, lsn, named);
}

test("each planted difference is found and named with both values", async () => {
  await run(`create table planted (id int primary key, t text, c char(5), f float8, n numeric, tz timestamptz, j json,
      jb jsonb);
    insert into planted select i, 'text', 'ab', 1.5, 1.00, '2026-11-22 10:00:00.000001+00', '{"a":1}', '{"a":1,"b":2}'
    from generate_series(1, 40) i`);
  const { snapshot, table, rows } = await open("planted");
  const planted: Record<string, Texts | null> = {
    "1": null,
    "2": { t: "Text" },
    "3": { t: "" },
    "4": { t: null },
    "5": { c: "ab" },
    "6": { f: "NaN" },
    "7": { f: "1.5000000000000002" },
    "8": { n: "1.0" },
    "9": { tz: "2026-11-22 10:00:00.000002+00" },
    "10": { j: '{"a": 1}' },
    "11": { jb: '{"b": 2, "a": 1}' },
    "12": { jb: null },
    "13": { t: "text " },
    "14": { n: "NaN" },
    "15": { tz: "infinity" },
    "16": { t: null, n: null },
  };
  const told = rows.flatMap((row): Texts[] => {
    const change = planted[row["id"]!];
    return change === null ? [] : [{ ...row, ...change }];
  });
  await world.tell(table, [...told, { ...rows[0]!, id: "99" }].map(created));
  const found = await compared(table, snapshot.lsn);
  await snapshot.close();
  expect(found).toMatchObject({ isEqual: false, source: { rows: 40 }, lake: { rows: 40 }, isCut: false });
  const named = new Map(found.differences.map((one) => [one.key["id"], one]));
  expect([...named.keys()].map(Number).toSorted((a, b) => a - b)).toEqual([
    ...Object.keys(planted).map(Number),
    99,
  ]);
  const of = (id: string) => named.get(id)!;
  expect(of("1")).toMatchObject({ kind: "missing", columns: {} });
  expect(of("99")).toMatchObject({ kind: "extra", columns: {} });
  expect(of("3").columns).toEqual({ t: { source: "text", lake: "" } });
  expect(of("4").columns).toEqual({ t: { source: "text", lake: null } });
  expect(of("5").columns).toEqual({ c: { source: "ab   ", lake: "ab" } });
  expect(of("6").columns).toEqual({ f: { source: "1.5", lake: "NaN" } });
  expect(of("7").columns).toEqual({ f: { source: "1.5", lake: "1.5000000000000002" } });
  expect(of("8").columns).toEqual({ n: { source: "1.00", lake: "1.0" } });
  expect(of("9").columns).toEqual({
    tz: { source: "2026-11-22T10:00:00.000001Z", lake: "2026-11-22T10:00:00.000002Z" },
  });
  expect(of("10").columns).toEqual({ j: { source: '{"a":1}', lake: '{"a": 1}' } });
  expect(of("11").columns).toEqual({ jb: { source: '{"a": 1, "b": 2}', lake: '{"b": 2, "a": 1}' } });
  expect(of("15").columns).toEqual({ tz: { source: "2026-11-22T10:00:00.000001Z", lake: "infinity" } });
  expect(Object.keys(of("16").columns)).toEqual(["t", "n"]);
}, 60_000);

const row = (id: string, big: string | null, n: string, mid: string): Texts => ({ id, big, n, mid });
const deleted = (id: string): Told => ({ change: "delete", row: { id } });

function left(change: "create" | "update", one: Texts, ...unchanged: readonly string[]): Told {
  return { change, row: one, unchanged };
}

test("a column that was left out when the key changed has the value that the row had under its old keys", async () => {
  await run(`create table moved (id int primary key, big text, n int, mid text);
    insert into moved values (3, 'first', 2, 'm3'), (5, 'kept', 1, 'new'), (1, 'other', 9, 'o'), (9, null, 1, 'x'),
      (20, 'back', 1, 'r')`);
  const { snapshot, table } = await open("moved");
  await world.tell(table, [
    created(row("1", "first", "1", "a")),
    left("update", row("1", "", "2", "b"), "big"),
    deleted("1"),
    left("create", row("2", "", "2", "b"), "big"),
    deleted("2"),
    left("create", row("3", "", "2", ""), "big", "mid"),
    left("update", row("3", "", "2", "m3"), "big"),
    // The key that the row had is another row's by now.
    created(row("1", "other", "9", "o")),
    // And the key that it gets was another row's before.
    created(row("5", "of another life", "0", "z")),
    deleted("5"),
    created(row("6", "kept", "1", "old")),
    deleted("6"),
    left("create", row("5", "", "1", ""), "big", "mid"),
    left("update", row("5", "", "1", "new"), "big"),
    created(row("8", null, "1", "x")),
    deleted("8"),
    left("create", row("9", "", "1", "x"), "big"),
    created(row("20", "back", "1", "r")),
    deleted("20"),
    left("create", row("21", "", "1", "r"), "big"),
    deleted("21"),
    left("create", row("20", "", "1", "r"), "big"),
  ]);
  const found = await compared(table, snapshot.lsn);
  await snapshot.close();
  expect(found).toMatchObject({ isEqual: true, lake: { rows: 5 }, differences: [] });
}, 60_000);

async function compareWide(columns: number) {
  const kinds = ["text", "numeric", "timestamptz", "float8", "int[]", "jsonb"];
  const others = Array.from({ length: columns - 1 }, (_, i) => `c${i} ${kinds[i % kinds.length]}`);
  await run(`create table wide${columns} (id int primary key, ${others.join(", ")});
      insert into wide${columns} (id, c0, c1, c2, c3, c4, c5)
        select i, 'x', 1.50, now(), 0.1, '{1,2}', '{"a":1}' from generate_series(1, 3) i`);
  const { snapshot, table, rows } = await open(`wide${columns}`);
  await world.tell(table, rows.map(created));
  try {
    return await compared(table, snapshot.lsn);
  } finally {
    await snapshot.close();
  }
}

test("500 columns are compared, one more is refused by name", async () => {
  expect(await compareWide(COLUMNS_MAX)).toMatchObject({ isEqual: true, lake: { rows: 3 } });
  await expect(compareWide(COLUMNS_MAX + 1)).rejects.toMatchObject({
    code: "reconciliation.impossible",
    message: expect.stringContaining("wide501 has 501 columns") as string,
  });
}, 60_000);

test("the newest change of each key up to the snapshot counts; columns that were left out are filled", async () => {
  await run(`create table changed (id int primary key, big text, n int);
    insert into changed values (1, 'toast', 2), (2, 'new', 1), (4, null, 5)`);
  const { snapshot, table, rows } = await open("changed");
  expect(rows).toHaveLength(3);
  await world.tell(table, [
    created(bigRow("7", "gone by the truncate", "1")),
    { change: "truncate", row: {} },
    { change: "copy", row: bigRow("1", "toast", "1") },
    { change: "update", row: bigRow("1", "", "2"), unchanged: ["big"] },
    created(bigRow("2", "old", "1")),
    { change: "delete", row: { id: "2" } },
    created(bigRow("2", "new", "1")),
    created(bigRow("3", "deleted", "1")),
    { change: "delete", row: { id: "3" } },
    created(bigRow("4", "x", "4")),
    { change: "update", row: bigRow("4", null, "5") },
    // After the snapshot: counts in no comparison at its place.
    { change: "update", row: bigRow("1", "later", "9"), lsn: snapshot.lsn },
    { change: "create", row: bigRow("8", "later", "9"), lsn: snapshot.lsn },
  ]);
  expect(await compared(table, snapshot.lsn)).toMatchObject({ isEqual: true, lake: { rows: 3 } });
  expect(
    (await compared(table, snapshot.lsn + 1n)).differences.map(({ kind, key }) => [kind, key["id"]]),
  ).toEqual(
    expect.arrayContaining([
      ["different", "1"],
      ["extra", "8"],
    ]),
  );
  await snapshot.close();
}, 60_000);

test("without a key rows are a multiset: one too few, one too many, and before images take rows away", async () => {
  await run(`create table bag (a text, f float8, tz timestamptz);
    insert into bag values ('x', 1, '2026-01-01 00:00:00+00'), ('x', 1, '2026-01-01 00:00:00+00'),
      ('y', null, null), ('z', -0.5, 'infinity')`);
  const { snapshot, table, rows } = await open("bag");
  expect(table.key).toEqual([]);
  const old = { a: "old", f: "NaN", tz: "2026-01-01 00:00:00+00" };
  const gone = { a: "gone", f: "0.1", tz: null };
  const last = rows.at(-1)!;
  const rest = rows.slice(0, -1).map(created);
  await world.tell(table, [
    ...rest,
    created(old),
    { change: "update", row: last, before: old },
    created(gone),
    { change: "delete", row: {}, before: gone },
  ]);
  expect(await compared(table, snapshot.lsn)).toMatchObject({ isEqual: true, lake: { rows: 4 } });
  await world.tell(table, [{ change: "delete", row: {}, before: rows[0]! }, created(gone)]);
  const found = await compared(table, snapshot.lsn);
  expect(found).toMatchObject({ isEqual: false, lake: { rows: 4 } });
  expect(new Map(found.differences.map(({ kind, key }) => [kind, key["a"]]))).toEqual(
    new Map([
      ["missing", rows[0]!["a"]],
      ["extra", "gone"],
    ]),
  );
  await snapshot.close();
}, 60_000);

test("partitions are read one by one, generated columns are nobody's, and writers are not in the way", async () => {
  await run(`create table parted (id int, day date, twice int generated always as (id * 2) stored,
        primary key (id, day))
      partition by range (day);
    create table parted_1 partition of parted for values from ('2026-01-01') to ('2026-02-01');
    create table parted_2 partition of parted for values from ('2026-02-01') to ('2026-03-01')
      partition by list (id);
    create table parted_3 partition of parted_2 default;
    insert into parted select i, date '2026-01-01' + i % 50 from generate_series(1, 5000) i`);
  const { snapshot, table, rows } = await open("parted");
  expect(table.columns.map(({ name }) => name)).toEqual(["id", "day"]);
  await run(`delete from parted where id < 100; update parted set day = '2026-01-01' where id = 777;
    insert into parted values (6000, '2026-01-01')`);
  await world.tell(table, rows.map(created));
  expect(await compared(table, snapshot.lsn)).toMatchObject({
    isEqual: true,
    source: { rows: 5000 },
    lake: { rows: 5000 },
  });
  await snapshot.close();
  const later = await open("parted");
  const found = await compared(later.table, later.snapshot.lsn, 5);
  expect(found).toMatchObject({ isEqual: false, source: { rows: 4902 }, differingRows: 102, isCut: true });
  expect(found.differences).toHaveLength(5);
  await later.snapshot.close();
}, 60_000);
