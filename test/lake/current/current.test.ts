/** Current states of captured tables: as of then, for whom, of what has no key, under new columns, and what races. */
import { afterEach, expect, test } from "vitest";
import type { Principal } from "../../../core/authorize.ts";
import { EPOCH_MS, type Change, capturedType } from "./changes.ts";
import { World } from "./world.ts";

const PROPERTIES = { id: { type: "integer" }, name: { type: "string" }, bio: { type: "string" } };
const TYPE = capturedType(PROPERTIES);
const NOW = `"shop1.public.accounts.current"`;

let world: World;
afterEach(async () => world.close());

/** A row is created or updated. */
function put(lsn: number, id: number, name: string, more: Partial<Change> = {}): Change {
  const shard = more.shard ?? "shop1";
  return { lsn, change: "create", key: [shard, id], data: { id, name, bio: "b" }, ...more };
}

function gone(lsn: number, id: number, more: Partial<Change> = {}): Change {
  return { lsn, change: "delete", key: ["shop1", id], data: { id }, ...more };
}

async function landed(changes: readonly Change[], merge = false): Promise<void> {
  await world.send(changes);
  await world.land();
  if (merge) await world.merge();
}

async function names(at?: string, principal?: Principal): Promise<readonly unknown[]> {
  const { rows } = await world.rows(`SELECT name FROM ${NOW} ORDER BY source.shard, id`, at, principal);
  return rows.map(([name]) => name);
}

test("as of an LSN or a time: of one shard or all, by a kept version or by all changes", async () => {
  world = await World.open(TYPE);
  await landed([put(100, 1, "a"), put(200, 2, "b"), put(150, 1, "x", { shard: "s2", incarnation: 9 })], true);
  await landed([gone(300, 2), put(400, 1, "A", { change: "update" })], true);
  await landed([put(500, 3, "c")]);
  const { rows } = await world.rows(`SELECT count(*) FROM ${NOW}`);
  expect(rows).toEqual([["3"]]);
  expect(await names()).toEqual(["x", "A", "c"]);
  const all = [
    ["lsn:99", [], []],
    ["lsn:100", ["a"], ["a"]],
    ["lsn:0/64", ["a"], ["a"]],
    ["lsn:299", ["x", "a", "b"], ["a", "b"]],
    ["lsn:300", ["x", "a"], ["a"]],
    ["lsn:499", ["x", "A"], ["A"]],
    ["lsn:9223372036854775807", ["x", "A", "c"], ["A", "c"]],
  ] as const;
  for (const [at, every, one] of all) {
    expect(await names(at), at).toEqual(every);
    expect(await names(`${at}@shop1`), at).toEqual(one);
  }
  for (const [ms, wanted] of [
    [99, []],
    [150, ["x", "a"]],
    [299, ["x", "a", "b"]],
    [450, ["x", "A"]],
    [10_000, ["x", "A", "c"]],
  ] as const)
    expect(await names(new Date(EPOCH_MS + ms).toISOString())).toEqual(wanted);
  const answer = await world.rows(`SELECT 1 FROM ${NOW}`);
  expect(Object.keys(answer.versions).toSorted()).toEqual([TYPE.name, world.current]);
  // A version is what was merged, and nothing over it.
  expect(await names(String(answer.versions[world.current]))).toEqual(["x", "A"]);
  expect(await names(String(answer.versions[world.current]! - 1))).toEqual(["x", "a", "b"]);
  await expect(world.rows(`SELECT 1 FROM "${TYPE.name}"`, "lsn:100")).rejects.toMatchObject({
    code: "request.malformed",
  });
  for (const at of ["lsn:", "lsn:1/", "lsn:1/123456789", "lsn:9223372036854775808", "lsn:1@", "then"])
    await expect(names(at), at).rejects.toMatchObject({ code: "request.malformed" });
});

test("changes that retention took cannot be told any more, the newest rows can", async () => {
  world = await World.open(TYPE);
  await landed([put(100, 1, "a")], true);
  await landed([put(200, 1, "b", { change: "update" })], true);
  await landed([put(300, 2, "c")]);
  const request = { signal: new AbortController().signal };
  const table = { name: TYPE.name, eventType: TYPE };
  const removals = world.removals();
  const changes = async (): Promise<unknown> =>
    (await world.rows(`SELECT count(*) FROM "${TYPE.name}"`)).rows[0]![0];
  // Not beyond what is merged, whatever is asked for.
  await removals.expire(table, Date.now() + 10_000, request);
  expect(Number(await changes())).toBeGreaterThan(0);
  expect(await names()).toEqual(["b", "c"]);
  await world.merge();
  await removals.expire(table, Date.now() + 10_000, request);
  expect(await changes()).toBe("0");
  expect(await names()).toEqual(["b", "c"]);
  expect(await names("lsn:300")).toEqual(["b", "c"]);
  await expect(names("lsn:99")).rejects.toMatchObject({ code: "table.version_not_found" });
  await expect(removals.rollBack(table, { version: 1 }, request)).rejects.toMatchObject({
    code: "table.unsupported",
  });
});

test("a rollback of the changes makes the state anew", async () => {
  world = await World.open(TYPE);
  await landed([put(100, 1, "a"), put(101, 2, "b")], true);
  const { version } = await world.ports.openTable(TYPE.name).snapshot();
  await landed([put(200, 1, "A", { change: "update" }), gone(201, 2), put(202, 3, "c")], true);
  expect(await names()).toEqual(["A", "c"]);
  const table = { name: TYPE.name, eventType: TYPE };
  await world.removals().rollBack(table, { version }, { signal: new AbortController().signal });
  expect(await names()).toEqual(["a", "b"]);
  expect((await world.merge()).changes).toBe(2);
  expect(await names()).toEqual(["a", "b"]);
  await landed([put(300, 2, "B", { change: "update" })], true);
  expect(await names()).toEqual(["a", "B"]);
  // No version of before the rollback stands in for what it took away.
  expect(await names("lsn:201")).toEqual(["a", "b"]);
});

test("of two that merge the same one commits, the other leaves nothing", async () => {
  world = await World.open(TYPE);
  await landed([put(100, 1, "a"), put(101, 2, "b")], true);
  await world.send([put(200, 1, "A", { change: "update" }), put(201, 3, "c")]);
  await world.land();
  const first = world.merger();
  const second = world.merger({}, async () => {
    expect(await world.merge(first)).toMatchObject({ changes: 2, isVoid: false });
  });
  expect(await world.merge(second)).toMatchObject({ changes: 0, isVoid: true });
  expect(await names()).toEqual(["A", "b", "c"]);
  const { files } = await world.ports.openTable(world.current).snapshot();
  const live = new Set([...files.keys()].map((path) => `${world.current}/${path}`));
  const there = (await world.store.list(world.current)).filter(({ path }) => path.endsWith(".parquet"));
  // What the first merge replaced stays until it is swept.
  expect(there.filter(({ path }) => !live.has(path)).length).toBeLessThanOrEqual(2);
});

test("a table without a key has its inserts; an update of it is told", async () => {
  world = await World.open(TYPE);
  await landed([put(100, 1, "a", { key: null }), put(100, 1, "a", { key: null, index: 1 })], true);
  await landed([put(101, 1, "a", { key: null })]);
  expect(await names()).toEqual(["a", "a", "a"]);
  await landed([{ lsn: 102, change: "truncate", key: null }, put(103, 2, "b", { key: null })]);
  expect(await names()).toEqual(["b"]);
  await landed([put(104, 2, "c", { key: null, change: "update" })], true);
  await expect(names()).rejects.toMatchObject({ code: "table.no_current_state" });
});

test("columns that come later are there at once, null in older rows", async () => {
  world = await World.open(TYPE);
  await landed([put(100, 1, "a"), put(101, 2, "b")], true);
  const wider = capturedType({ ...PROPERTIES, email: { type: "string" } });
  await world.send([
    put(200, 2, "B", { change: "update", data: { id: 2, name: "B", bio: "b", email: "e" } }),
  ]);
  await world.land(wider);
  const rows = async (): Promise<unknown> =>
    (await world.rows(`SELECT name, email FROM ${NOW} ORDER BY id`)).rows;
  const wanted = [
    ["a", null],
    ["B", "e"],
  ];
  expect(await rows()).toEqual(wanted);
  await world.merge();
  expect(await rows()).toEqual(wanted);
  const { columns } = await world.rows(`SELECT * FROM ${NOW}`);
  expect(columns.map(({ name }) => name).join()).toBe(
    "event_id,event_time,ingest_time,event_key,source,id,name,bio,extra,email",
  );
});

test("a key that changes keeps what the source did not send, also where the two changes land apart", async () => {
  world = await World.open(TYPE);
  await landed([put(100, 1, "a", { data: { id: 1, name: "a", bio: "long" } })], true);
  await landed([gone(200, 1)], true);
  await landed([
    {
      lsn: 200,
      index: 1,
      change: "create",
      key: ["shop1", 2],
      data: { id: 2, name: "a" },
      unchanged: ["bio"],
      before: { id: 1 },
    },
  ]);
  const rows = async (): Promise<unknown> =>
    (await world.rows(`SELECT id, bio, source.unchanged FROM ${NOW}`)).rows;
  expect(await rows()).toEqual([["2", "long", null]]);
  await world.merge();
  expect(await rows()).toEqual([["2", "long", null]]);
});

test("who may read the changes may read the state, in whole or in part; nobody else", async () => {
  world = await World.open(TYPE);
  await landed([put(100, 1, "a"), put(101, 2, "b")], true);
  await landed([put(200, 2, "B", { change: "update" }), put(201, 3, "a")]);
  const read = { action: "read", kind: "table" } as const;
  const who = (id: string, more: object): Principal => ({ id, grants: [{ ...read, ...more } as never] });
  expect(await names(undefined, who("whole", { name: TYPE.name }))).toEqual(["a", "B", "a"]);
  expect(await names(undefined, who("state", { name: world.current }))).toEqual(["a", "B", "a"]);
  const rows = who("rows", { name: TYPE.name, rows: "name = 'a'" });
  await expect(names(undefined, rows)).resolves.toEqual(["a", "a"]);
  const columns = who("columns", { name: TYPE.name, columns: ["id", "source", "name"] });
  await expect(names(undefined, columns)).resolves.toEqual(["a", "B", "a"]);
  await expect(world.rows(`SELECT bio FROM ${NOW}`, undefined, columns)).rejects.toMatchObject({
    code: "sql.failed",
  });
  for (const nobody of [who("other", { name: "other" }), { id: "none", grants: [] }])
    await expect(names(undefined, nobody)).rejects.toMatchObject({ code: "table.not_found" });
  const stateOnly = who("state", { name: world.current });
  await expect(world.rows(`SELECT 1 FROM "${TYPE.name}"`, undefined, stateOnly)).rejects.toMatchObject({
    code: "table.not_found",
  });
});
