/** The sweeper: what goes and when, what never goes, and the races that would make it delete what is needed. */
import assert from "node:assert/strict";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { REMOVED_TXN } from "../../core/landed.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import { dropIceberg, exportIceberg } from "../../lake/iceberg/export.ts";
import { expireTable } from "../../lake/retain.ts";
import { rollBack } from "../../lake/roll-back.ts";
import { createSweeper, type Sweeper, type SweepRequest, type Swept } from "../../lake/sweep.ts";
import { cleanUpLog } from "../../lake/table/log-cleanup.ts";
import { TableLanding } from "../../workers/land/table-landing.ts";
import {
  DAY_MS,
  event,
  eventType,
  HOUR_MS,
  type Installation,
  never,
  OPTIONS,
  send,
} from "../workers/land/setup.ts";
import {
  compact,
  filesOf,
  HORIZON,
  land,
  landEach,
  live,
  prepared,
  TABLE,
  verified,
} from "./removal-world.ts";

const REQUEST: SweepRequest = { ageMs: DAY_MS, consumers: [], holdMs: 7 * DAY_MS, signal: never };
const NOTHING = { expired: 0, orphans: 0, sideFiles: 0, removedIds: 0, bytes: 0 };

async function sweep(sweeper: Sweeper, more: Partial<SweepRequest> = {}): Promise<Swept> {
  return (await sweeper.sweep(TABLE, { ...REQUEST, ...more }))!;
}

/** Three events in files of their own. */
async function threeFiles(): Promise<{ at: Installation; sweeper: Sweeper }> {
  const at = await prepared();
  for (const n of [1, 2, 3]) await land(at, [n]);
  return { at, sweeper: createSweeper(at.ports) };
}

async function paths(at: Installation): Promise<readonly string[]> {
  const found = await at.store.list(TABLE);
  return found
    .map(({ path }) => path.slice(TABLE.length + 1))
    .filter((path) => !path.startsWith("_delta_log"));
}

const ORPHAN = `${TABLE}/ingest_date=2026-03-01/part-00000000-0000-4000-8000-00000000dead.parquet`;

describe("data files", () => {
  test("that the log removed go when older versions need not be readable any more, and no live one ever", async () => {
    const { at, sweeper } = await threeFiles();
    const files = await filesOf(at);
    await compact(at, files.slice(0, 2));
    const { timestampMs: removedMs } = await at.openTable(TABLE).snapshot();
    at.clock.advance(removedMs - at.clock.nowMs() + 2 * HOUR_MS - 1);
    expect(await sweep(sweeper)).toMatchObject({ ...NOTHING, files: 4, waiting: 2 });
    expect(await live(at, 3)).toEqual([1, 2, 3]);
    at.clock.advance(2);
    expect(await sweep(sweeper, { isDryRun: true })).toMatchObject({ expired: 2, isDryRun: true });
    expect(await paths(at)).toHaveLength(4);
    const swept = await sweep(sweeper);
    expect(swept).toMatchObject({
      ...NOTHING,
      expired: 2,
      bytes: files[0]!.size + files[1]!.size,
      waiting: 0,
    });
    expect(await live(at)).toEqual([1, 2, 3]);
    expect((await verified(at)).faultCount).toBe(0);
    expect(await sweep(sweeper)).toMatchObject({ ...NOTHING, files: 2 });
    at.clock.advance(40 * DAY_MS);
    expect(await sweep(sweeper)).toMatchObject({ ...NOTHING, files: 2, waiting: 0 });
  });

  test("whose tombstones were forgotten go as soon if the sweeper met them, else as strangers", async () => {
    const { at, sweeper } = await threeFiles();
    await compact(at, (await filesOf(at)).slice(0, 2));
    await sweep(sweeper);
    at.clock.advance(3 * HOUR_MS);
    await landEach(
      at,
      Array.from({ length: 97 }, (_, i) => 100 + i),
    );
    const strange = createSweeper(at.ports);
    expect(await sweep(strange, { isDryRun: true })).toMatchObject({ ...NOTHING, waiting: 2 });
    expect(await sweep(sweeper, { isDryRun: true })).toMatchObject({ expired: 2, orphans: 0 });
    at.clock.advance(DAY_MS);
    expect(await sweep(strange)).toMatchObject({ expired: 0, orphans: 2 });
    expect((await verified(at)).faultCount).toBe(0);
  });

  test("that an export as Iceberg names stay for as long as it stands", async () => {
    const { at, sweeper } = await threeFiles();
    await exportIceberg(at.store, TABLE, await at.openTable(TABLE).snapshot());
    await compact(at, (await filesOf(at)).slice(0, 2));
    at.clock.advance(30 * DAY_MS);
    expect(await sweep(sweeper)).toMatchObject({ expired: 0, orphans: 0 });
    await dropIceberg(at.store, TABLE);
    expect(await sweep(sweeper)).toMatchObject({ expired: 2, orphans: 0 });
    expect(await live(at)).toEqual([1, 2, 3]);
  });

  test("that no commit names go at the age of strangers, not before", async () => {
    const { at, sweeper } = await threeFiles();
    await at.store.put(ORPHAN, new Uint8Array(9));
    at.clock.advance(DAY_MS);
    expect(await sweep(sweeper)).toMatchObject({ ...NOTHING, waiting: 1 });
    at.clock.advance(1);
    expect(await sweep(sweeper)).toMatchObject({ ...NOTHING, orphans: 1, bytes: 9 });
    expect(await at.store.get(ORPHAN)).toBeUndefined();
    expect(at.lines.filter(({ message }) => message === "files swept")).toHaveLength(1);
  });

  test("and others that Muara did not make stay", async () => {
    const { at, sweeper } = await threeFiles();
    const theirs = [
      "notes.txt",
      "ingest_date=2026-03-01/mine.parquet",
      "_muara/other",
      "_delta_log/_tmp",
      "_x/part-1.parquet",
    ];
    for (const path of theirs) await at.store.put(`${TABLE}/${path}`, new Uint8Array(1));
    await at.store.put(`${TABLE}2/part-1.parquet`, new Uint8Array(1)); // of another table
    at.clock.advance(100 * DAY_MS);
    expect(await sweep(sweeper)).toMatchObject(NOTHING);
    expect((await at.store.list("")).map(({ path }) => path)).toContain(`${TABLE}2/part-1.parquet`);
    expect(await createSweeper(at.ports).sweep("nothing", REQUEST)).toBeUndefined();
  });
});

describe("races", () => {
  test("a file that is committed between list and snapshot stays, however old it is", async () => {
    const { at } = await threeFiles();
    await at.store.put(ORPHAN, (await at.store.get(`${TABLE}/${(await filesOf(at))[0]!.path}`))!);
    at.clock.advance(2 * DAY_MS);
    const [file] = await filesOf(at);
    const store: ObjectStore = {
      ...at.store,
      list: async (prefix) => {
        const listed = await at.store.list(prefix);
        const log = at.openTable(TABLE);
        const add = [{ ...file!, path: ORPHAN.slice(TABLE.length + 1) }];
        const change = { operation: "WRITE", add, remove: [], txns: [], info: {} };
        await log.commit({ base: await log.snapshot(), change, check: () => "abandon" });
        return listed;
      },
    };
    expect(await sweep(createSweeper({ ...at.ports, store }))).toMatchObject({ ...NOTHING, version: 4 });
    expect(await at.store.get(ORPHAN)).toBeDefined();
  });

  test("a landing in the middle of its attempt keeps its files, and one that slept for a day lands anew", async () => {
    for (const sleepMs of [HOUR_MS, 11 * HOUR_MS, 25 * HOUR_MS]) {
      let onCommit: (() => Promise<void>) | undefined;
      const at = await prepared(async (operation, path) => {
        const isCommit = operation === "get" && path.endsWith("00000000000000000001.json");
        const [hook] = isCommit ? [onCommit] : [];
        if (hook) onCommit = undefined;
        await hook?.();
        return undefined;
      });
      await land(at, [1]);
      await send(at, [event(2)]);
      const sweeper = createSweeper(at.ports);
      const found: Swept[] = [];
      const landing = await TableLanding.open(at.ports, OPTIONS, eventType());
      // The files are written; the last look before the commit finds the world much later.
      onCommit = async () => {
        at.clock.advance(sleepMs);
        found.push(await sweep(sweeper));
      };
      await landing.step(never).catch((error: unknown) => {
        assert((error as { code?: string }).code === "table.commit_conflict", String(error));
      });
      landing.discard();
      expect(found).toMatchObject([{ orphans: sleepMs > DAY_MS ? 1 : 0, waiting: sleepMs > DAY_MS ? 0 : 1 }]);
      expect(await live(at), String(sleepMs)).toEqual(sleepMs > DAY_MS ? [1] : [1, 2]);
      await land(at, [3]);
      expect(await live(at), String(sleepMs)).toEqual([1, 2, 3]);
      expect((await verified(at)).faultCount).toBe(0);
    }
  });

  test("a commit with an unknown outcome: its file is there when the outcome is", async () => {
    let isLost = false;
    const at = await prepared((operation, path) => {
      if (!isLost || operation !== "putIfAbsent" || !path.includes("_delta_log")) return undefined;
      isLost = false;
      return { kind: "late", afterCalls: 30 };
    });
    await land(at, [1]);
    isLost = true;
    const sweeper = createSweeper(at.ports);
    await Promise.all([land(at, [2]), sweep(sweeper), sweep(sweeper)]);
    at.clock.advance(20 * HOUR_MS);
    await sweep(sweeper);
    expect(await live(at)).toEqual([1, 2]);
    expect((await verified(at)).faultCount).toBe(0);
  });

  test("half a list deletes nothing", async () => {
    let isDown = false;
    const at = await prepared((operation) => (isDown && operation === "list" ? "lost" : undefined));
    await land(at, [1]);
    await at.store.put(ORPHAN, new Uint8Array(9));
    at.clock.advance(9 * DAY_MS);
    isDown = true;
    await expect(sweep(createSweeper(at.ports))).rejects.toMatchObject({ code: "store.unavailable" });
    isDown = false;
    expect(await at.store.get(ORPHAN)).toBeDefined();
  });
});

const behind = (version: number): Partial<SweepRequest> => ({
  consumers: [{ name: "job", version }],
  isDryRun: true,
});

test("what a consumer has still to read stays, but not for ever", async () => {
  const { at, sweeper } = await threeFiles();
  at.clock.advance(HOUR_MS);
  await compact(at, await filesOf(at)); // version 4
  at.clock.advance(3 * HOUR_MS);
  for (const version of [-1, 0, 2, 3])
    expect(await sweep(sweeper, behind(version)), String(version)).toMatchObject({
      ...NOTHING,
      waiting: 3,
    });
  expect(await sweep(sweeper, behind(4))).toMatchObject({ expired: 3 });
  at.clock.advance(2 * DAY_MS);
  await at.store.put(ORPHAN, new Uint8Array(1));
  at.clock.advance(2 * DAY_MS);
  const strange = createSweeper(at.ports);
  expect(await sweep(strange, behind(2))).toMatchObject({ ...NOTHING, waiting: 4 });
  expect(await sweep(strange, { ...behind(2), holdMs: 3 * DAY_MS })).toMatchObject({
    expired: 3,
    orphans: 1,
  });
  at.clock.advance(2 * DAY_MS);
  expect(await sweep(strange, behind(2))).toMatchObject({ ...NOTHING, waiting: 4 });
  at.clock.advance(2 * DAY_MS);
  expect(await sweep(strange, behind(2))).toMatchObject({ expired: 3, orphans: 1, waiting: 0 });
  at.clock.advance(DAY_MS);
  expect(await sweep(strange, { ...behind(4), isDryRun: false })).toMatchObject({
    expired: 3,
    orphans: 1,
  });
});

test("what a consumer has still to see removed stays, also where nobody remembers that it was", async () => {
  const { at } = await threeFiles();
  const { version } = await at.openTable(TABLE).snapshot();
  await compact(at, (await filesOf(at)).slice(0, 2));
  at.clock.advance(3 * HOUR_MS);
  // The next checkpoint is without the tombstones.
  await landEach(
    at,
    Array.from({ length: 97 }, (_, i) => 100 + i),
  );
  at.clock.advance(2 * DAY_MS);
  const one = { consumers: [{ name: "c", version }] };
  expect(await sweep(createSweeper(at.ports), one)).toMatchObject({ expired: 0, orphans: 0 });
  const there = { consumers: [{ name: "c", version: (await at.openTable(TABLE).snapshot()).version }] };
  expect(await sweep(createSweeper(at.ports), there)).toMatchObject({ expired: 0, orphans: 2 });
});

test("however far ahead the clock of whoever landed was, a consumer is waited for", async () => {
  const at = await prepared();
  const sweeper = createSweeper(at.ports);
  at.clock.advance(3 * DAY_MS);
  await land(at, [1]); // version 1
  at.clock.advance(-3 * DAY_MS);
  await compact(at, await filesOf(at)); // version 2, by a clock that is right
  at.clock.advance(2 * DAY_MS);
  expect(await sweep(sweeper, behind(0))).toMatchObject({ expired: 0, orphans: 0, waiting: 1 });
  at.clock.advance(2 * DAY_MS);
  expect(await sweep(sweeper, behind(0))).toMatchObject({ expired: 0, orphans: 0, waiting: 1 });
  expect(await sweep(sweeper, behind(2))).toMatchObject({ expired: 1 });
});

test("files of removed ids stay while anybody may land on an older version", async () => {
  const { at, sweeper } = await threeFiles();
  for (const version of [2, 1, 0]) {
    at.clock.advance(2 * DAY_MS);
    await rollBack(at.ports, TABLE, { ...HORIZON, to: { version } });
  }
  expect(await sweep(sweeper)).toMatchObject({ removedIds: 0, expired: 2, waiting: 3 });
  at.clock.advance(2 * DAY_MS);
  const names = async () => (await paths(at)).filter((path) => path.endsWith(".ids"));
  expect(await names()).toHaveLength(3);
  await at.store.put(`${TABLE}/_muara/removed-5.ids`, new Uint8Array(1)); // of an attempt that crashed
  expect(await sweep(sweeper)).toMatchObject({ removedIds: 2 });
  await rollBack(at.ports, TABLE, { ...HORIZON, to: { version: 0 } });
  const { txns } = await at.openTable(TABLE).snapshot();
  expect(await names()).toEqual(
    ["_muara/removed-5.ids", `_muara/removed-${txns.get(REMOVED_TXN)}.ids`].sort(),
  );
  at.clock.advance(DAY_MS + 1);
  expect(await sweep(sweeper)).toMatchObject({ removedIds: 1 });
});

test("side files go after the commits that name them", async () => {
  const at = await prepared();
  const sweeper = createSweeper(at.ports);
  await land(at, [1]);
  await land(at, [1]); // a duplicate
  await at.store.put(`${TABLE}/_muara/side-of-a-crash.parquet`, new Uint8Array(1));
  const sides = async () => (await paths(at)).filter((path) => path.includes("/side-"));
  expect(await sides()).toHaveLength(2);
  at.clock.advance(40 * DAY_MS);
  await landEach(
    at,
    Array.from({ length: 200 }, (_, i) => 2 + i),
  );
  expect(await sweep(sweeper)).toMatchObject({ sideFiles: 0, waiting: 2 });
  at.clock.advance(2 * DAY_MS);
  const cleaned = await cleanUpLog(at.ports, TABLE, { consumers: [], holdMs: 0 });
  expect(cleaned!.oldestVersion).toBe(100);
  expect(await sweep(sweeper)).toMatchObject({ sideFiles: 2 });
  expect(await sides()).toEqual([]);
});

test("a paused table is left alone", async () => {
  const { at, sweeper } = await threeFiles();
  const log = at.openTable(TABLE);
  const base = await log.snapshot();
  const configuration = {
    ...base.metadata!.configuration,
    "muara.pausedUntil": String(at.clock.nowMs() + 1),
  };
  const change = { operation: "SET", add: [], remove: [], txns: [], info: {} };
  const metadata = { ...base.metadata!, configuration };
  await log.commit({ base, change: { ...change, metadata }, check: () => "abandon" });
  await expect(sweep(sweeper)).rejects.toMatchObject({ code: "table.paused" });
  await expect(rollBack(at.ports, TABLE, { ...HORIZON, to: { version: 0 } })).rejects.toMatchObject({
    code: "table.paused",
  });
  at.clock.advance(2);
  expect(await sweep(sweeper)).toMatchObject(NOTHING);
});

type Act = {
  readonly kind: "land" | "compact" | "expire" | "rollback" | "orphan" | "wait";
  readonly by: number;
};

/** Whatever happened: what is live is what the model says, and versions of the last two hours are readable. */
test("random lives of a table", { timeout: 120_000 }, async () => {
  const act = fc.record({
    kind: fc.constantFrom<Act["kind"]>("land", "land", "compact", "expire", "rollback", "orphan", "wait"),
    by: fc.nat(1_000),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 5, maxLength: 14 }), async (acts) => {
      const at = await prepared();
      const sweeper = createSweeper(at.ports);
      await land(at, [1]);
      const rows = new Map<number, readonly number[]>();
      let next = 2;
      for (const { kind, by } of acts) {
        next = await play(at, kind, by, next);
        const { version } = await at.openTable(TABLE).snapshot();
        rows.set(version, await live(at));
        at.clock.advance(by * 20_000);
        await sweep(sweeper);
        await expectReadable(at, rows);
      }
      expect((await verified(at)).faults).toEqual([]);
    }),
    { numRuns: 15 },
  );
});

async function play(at: Installation, kind: Act["kind"], by: number, next: number): Promise<number> {
  const { version } = await at.openTable(TABLE).snapshot();
  const files = await filesOf(at);
  const days = [...Map.groupBy(files, (file) => file.partitionValues["ingest_date"]).values()];
  if (kind === "land") await land(at, [next, next + 1]);
  if (kind === "compact" && days.length > 0) await compact(at, days[by % days.length]!);
  if (kind === "expire")
    await expireTable(at.ports, TABLE, { ...HORIZON, beforeMs: at.clock.nowMs() - by * 10_000 });
  if (kind === "rollback") {
    const to = { version: Math.max(1, version - (by % 3)) };
    await rollBack(at.ports, TABLE, { ...HORIZON, to }).catch((error: unknown) => {
      assert((error as { code?: string }).code === "table.version_not_found", String(error));
    });
  }
  if (kind === "orphan") await at.store.put(ORPHAN, new Uint8Array(1));
  return kind === "land" ? next + 2 : next;
}

async function expectReadable(at: Installation, rows: ReadonlyMap<number, readonly number[]>): Promise<void> {
  const log = at.openTable(TABLE);
  const versions = [...rows.keys()];
  for (const [version, expected] of rows) {
    const following = versions.find((other) => other > version);
    // A version is readable until two hours after the first one that followed.
    const endedMs = following === undefined ? Infinity : (await log.read(version + 1))!.timestampMs;
    if (at.clock.nowMs() - endedMs <= 2 * HOUR_MS) assert.deepEqual(await live(at, version), expected);
  }
}
