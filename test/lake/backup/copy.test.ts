/** What is copied of a lake and a log that change meanwhile: all that pinned versions need, nothing later. */
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { createMemoryObjectStore } from "../../../adapters/memory/object-store.ts";
import { ManualClock, systemRandomness } from "../../../core/clock.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { ObjectStore } from "../../../core/ports/object-store.ts";
import { copyLake, headsOf } from "../../../lake/backup/copy-lake.ts";
import { copyLog } from "../../../lake/backup/copy-log.ts";
import { createBackup } from "../../../lake/backup/create-backup.ts";
import { type Pins, pinLake } from "../../../lake/backup/pin-lake.ts";
import { openTableLog } from "../../../lake/table/table-log.ts";
import { abandon, change, committed, creation } from "../../conformance/table-changes.ts";

const clock = new ManualClock(1_800_000_000_000);
const services = { clock, randomness: systemRandomness, logger: silentLogger };
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const put = (store: ObjectStore, path: string, text = path): Promise<void> => store.put(path, bytesOf(text));
const pathsOf = async (store: ObjectStore): Promise<string[]> =>
  (await store.list("")).map(({ path }) => path).toSorted();
const version = (number: number): string => String(number).padStart(20, "0");

/** A table `t` with a file for each of its versions from 1 on. */
async function commit(store: ObjectStore): Promise<void> {
  const log = openTableLog(store, "t", services);
  const base = await log.snapshot();
  const file = `f${base.version}.parquet`;
  if (base.version >= 0) await put(store, `t/${file}`);
  const wanted = base.version < 0 ? creation() : change([file]);
  await committed(log.commit({ base, change: wanted, check: abandon }));
}

interface Lake {
  readonly store: ObjectStore;
  readonly pins: Pins;
}

async function lakeOf(commits: number): Promise<Lake> {
  const store = createMemoryObjectStore({ clock });
  for (let n = 0; n < commits; n++) await commit(store);
  const pins = await pinLake({ store, openTable: (name) => openTableLog(store, name, services) });
  return { store, pins };
}

test("what was committed after the pin is not of the backup; files of no version are", async () => {
  const { store, pins } = await lakeOf(3);
  await commit(store);
  await put(store, "t/loose.parquet");
  await put(store, `t/_delta_log/${version(2)}.checkpoint.parquet`);
  await put(store, `t/_delta_log/${version(3)}.checkpoint.parquet`);
  const to = createMemoryObjectStore({ clock });
  const files = await copyLake(store, to, pins, new Set());
  const expected = [
    ...[0, 1, 2].map((n) => `lake/t/_delta_log/${version(n)}.json`),
    `lake/t/_delta_log/${version(2)}.checkpoint.parquet`,
    ...["f0", "f1", "f2", "loose"].map((name) => `lake/t/${name}.parquet`),
  ].toSorted();
  expect(await pathsOf(to)).toEqual(expected);
  expect(files.map(({ path }) => path).toSorted()).toEqual(expected);
  for (const { path, bytes, sha256 } of files) {
    const copied = (await to.get(path))!;
    expect(copied).toEqual(await store.get(path.slice("lake/".length)));
    expect([bytes, sha256]).toEqual([copied.length, createHash("sha256").update(copied).digest("hex")]);
  }
});

test.each([
  ['{"version":2}', true],
  ['{"version":3}', false],
  ["{}", false],
  ["{", false],
])("where a checkpoint is said to be (%s) is copied: %s", async (text, isCopied) => {
  const { store, pins } = await lakeOf(3);
  await put(store, "t/_delta_log/_last_checkpoint", text);
  await put(store, "unpinned/_delta_log/_last_checkpoint", '{"version":0}');
  const to = createMemoryObjectStore({ clock });
  await copyLake(store, to, pins, new Set());
  const hints = (await pathsOf(to)).filter((path) => path.endsWith("_last_checkpoint"));
  expect(hints).toEqual(isCopied ? ["lake/t/_delta_log/_last_checkpoint"] : []);
});

test("caches and leases stay; of extracts the versions that were published before", async () => {
  const { store, pins } = await lakeOf(1);
  const kept = [
    "_extracts/a/2026/_versions/1.json",
    "_extracts/a/2026/data/1.csv",
    "_jobs/p.json",
    "t/_parts/x",
    "t/my.leases",
  ];
  for (const path of [...kept, "_parts/x/y", "t/landing.lease", "_muara/z"]) await put(store, path);
  const heads = await headsOf(store);
  expect([...heads]).toEqual(["_extracts/a/2026/_versions/1.json"]);
  await put(store, "_extracts/a/2026/_versions/2.json");
  const to = createMemoryObjectStore({ clock });
  await copyLake(store, to, pins, heads);
  const copied = (await pathsOf(to)).filter((path) => !path.includes("_delta_log"));
  expect(copied).toEqual(kept.map((path) => `lake/${path}`));
});

test("a file that a pinned version names must be there; another one may go meanwhile", async () => {
  const { store, pins } = await lakeOf(2);
  await put(store, "t/loose.parquet");
  const losing = (lost: string): ObjectStore => ({
    ...store,
    getRange: async (path, at, length) => (path === lost ? undefined : store.getRange(path, at, length)),
  });
  const to = createMemoryObjectStore({ clock });
  const files = await copyLake(losing("t/loose.parquet"), to, pins, new Set());
  expect(files.map(({ path }) => path)).not.toContain("lake/t/loose.parquet");
  const moved = { code: "backup.moved", details: { path: "t/f0.parquet" } };
  await expect(copyLake(losing("t/f0.parquet"), to, pins, new Set())).rejects.toMatchObject(moved);
  await store.delete("t/f0.parquet");
  await expect(copyLake(store, to, pins, new Set())).rejects.toMatchObject(moved);
});

test("a file that somebody else gave a name that is only read is named, and not said to be gone", async () => {
  const { store } = await lakeOf(1);
  const log = openTableLog(store, "t", services);
  const base = await log.snapshot();
  await committed(log.commit({ base, change: change(["city=New%20York/f.parquet"]), check: abandon }));
  const pins = await pinLake({ store, openTable: () => log });
  const to = createMemoryObjectStore({ clock });
  await expect(copyLake(store, to, pins, new Set())).rejects.toMatchObject({
    code: "store.path",
    details: { path: "t/city=New York/f.parquet" },
  });
  expect(await pathsOf(to)).toEqual([]);
});

/** A log's folder in which something happens while its n-th file is read. */
function logOf(onRead: (store: ObjectStore, reads: number) => Promise<unknown>): ObjectStore {
  const store = createMemoryObjectStore({ clock });
  let reads = 0;
  return {
    ...store,
    getRange: async (path, at, length) => {
      await onRead(store, ++reads);
      return store.getRange(path, at, length);
    },
  };
}

const LOG_FILES = [
  "base.json",
  "compacted-0.log",
  "holds.json",
  "log.json",
  "segment-1.log",
  "segment-2.log",
];

async function fill(store: ObjectStore): Promise<void> {
  for (const path of [...LOG_FILES, "lock", "reserve", "index/segment-1.log"]) await put(store, path);
}

test("a log is its segments and what describes them; that its end grows is no reason to begin anew", async () => {
  let reads = 0;
  const from = logOf(async (store, now) => {
    reads = now;
    if (now !== LOG_FILES.length) return;
    await put(store, "segment-2.log", "segment-2.log and more");
    await put(store, "holds.json", "others");
    await put(store, "segment-3.log");
  });
  await fill(from);
  const to = createMemoryObjectStore({ clock });
  const files = await copyLog(from, to);
  expect(files.map(({ path }) => path)).toEqual(LOG_FILES.map((path) => `log/${path}`));
  expect([reads, new TextDecoder().decode(await to.get("log/segment-2.log"))]).toEqual([6, "segment-2.log"]);
});

test.each<[string, (store: ObjectStore) => Promise<unknown>]>([
  ["an older segment is another one", (store) => put(store, "segment-1.log", "erased")],
  ["an older segment is gone", (store) => store.delete("segment-1.log")],
  ["what it begins with is another", (store) => put(store, "base.json", "moved")],
])("where %s all of it is copied again", async (_, happens) => {
  const from = logOf(async (store, reads) => (reads === LOG_FILES.length ? happens(store) : undefined));
  await fill(from);
  const to = createMemoryObjectStore({ clock });
  const files = await copyLog(from, to);
  expect(await pathsOf(to)).toEqual(files.map(({ path }) => path));
  for (const path of await pathsOf(to)) expect(await to.get(path)).toEqual(await from.get(path.slice(4)));
});

test("a log that never rests is given up after five times, with nothing left behind", async () => {
  let changes = 0;
  const from = logOf(async (store, reads) =>
    reads % LOG_FILES.length === 0 ? put(store, "base.json", String(++changes)) : undefined,
  );
  await fill(from);
  const to = createMemoryObjectStore({ clock });
  await expect(copyLog(from, to)).rejects.toMatchObject({ code: "backup.moved" });
  expect([changes, await pathsOf(to)]).toEqual([5, []]);
});

test("a backup goes to an empty place, and is copied up to three times where files went meanwhile", async () => {
  const { store: lake } = await lakeOf(2);
  let goneBefore = 3;
  let attempts = 0;
  const source = {
    lake: {
      ...lake,
      getRange: async (path: string, at: number, length: number) => {
        if (path !== "t/f0.parquet") return lake.getRange(path, at, length);
        return ++attempts < goneBefore ? undefined : lake.getRange(path, at, length);
      },
    },
    log: undefined,
    address: "kafka://h",
  };
  const create = (store: ObjectStore): ReturnType<typeof createBackup> =>
    createBackup(
      services,
      source,
      { store, stage: store, openLog: () => Promise.reject(new Error("no")) },
      "1",
    );
  const to = createMemoryObjectStore({ clock });
  const log = { id: null, address: "kafka://h", isCopied: false };
  expect(await create(to)).toMatchObject({ log, tables: { t: 1 } });
  expect(attempts).toBe(3);
  await expect(create(to)).rejects.toMatchObject({ code: "backup.exists" });
  const taken = createMemoryObjectStore({ clock });
  await put(taken, "somebody/else");
  await expect(create(taken)).rejects.toMatchObject({ code: "backup.exists" });
  expect(await pathsOf(taken)).toEqual(["somebody/else"]);
  goneBefore = Infinity;
  attempts = 0;
  const other = createMemoryObjectStore({ clock });
  await expect(create(other)).rejects.toMatchObject({ code: "backup.moved" });
  // Without a manifest it is none.
  expect([attempts, await other.get("backup.json")]).toEqual([3, undefined]);
});
