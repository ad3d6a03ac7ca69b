/** Retention and rollback: which rows go, that they are counted, and that nothing that went can come again. */
import { describe, expect, test } from "vitest";
import { landedPartitions, REMOVED_TXN, removedRows } from "../../core/landed.ts";
import { expireTable } from "../../lake/retain.ts";
import { rollBack } from "../../lake/roll-back.ts";
import { counter, DAY_MS, HOUR_MS, type Installation, never } from "../workers/land/setup.ts";
import {
  compact,
  disturbed,
  filesOf,
  HORIZON,
  land,
  live,
  prepared,
  TABLE,
  verified,
} from "./removal-world.ts";

const snapshotOf = (at: Installation) => at.openTable(TABLE).snapshot();

/** Landed − removed = live rows, every file and cursor sound. */
async function expectSound(at: Installation): Promise<void> {
  const { faults, checks } = await verified(at);
  expect(faults).toEqual([]);
  expect(checks.map(({ state }) => state)).toEqual(["holds", "holds", "holds", "holds"]);
}

/** Sends events that landed before: they are duplicates, and no row comes back. */
async function expectKnown(at: Installation, numbers: readonly number[]): Promise<void> {
  const [rows, landed, duplicates] = [
    await live(at),
    await counter(at, "landed"),
    await counter(at, "duplicates"),
  ];
  await land(at, numbers);
  expect(await live(at)).toEqual(rows);
  expect(await counter(at, "landed")).toBe(landed);
  expect(await counter(at, "duplicates")).toBe(duplicates + numbers.length);
}

/** Events 1 and 2 in the first hour, 3 in the second, 4 in the third. @returns times between them */
async function threeHours(): Promise<{ at: Installation; between: readonly number[] }> {
  const at = await prepared();
  const between: number[] = [];
  for (const numbers of [[1, 2], [3], [4]]) {
    between.push(at.clock.nowMs());
    await land(at, numbers);
    at.clock.advance(HOUR_MS);
  }
  return { at, between };
}

/** Versions 1 to 3 land events 1 and 2, 3, 4 and 5. */
async function threeVersions(): Promise<Installation> {
  const at = await prepared();
  for (const numbers of [[1, 2], [3], [4, 5]]) {
    await land(at, numbers);
    at.clock.advance(1_000);
  }
  return at;
}

describe("retention", () => {
  test("takes files whose newest row is older, counts them, and leaves cursors alone", async () => {
    const { at, between } = await threeHours();
    const before = landedPartitions((await snapshotOf(at)).txns);
    const removed = await expireTable(at.ports, TABLE, { ...HORIZON, beforeMs: between[2]! - HOUR_MS / 2 });
    expect(removed).toMatchObject({ version: 4, rows: 3, files: 2, rewritten: 0 });
    expect(await live(at)).toEqual([4]);
    const { txns } = await snapshotOf(at);
    expect(removedRows(txns)).toEqual({ retention: 3, erasure: 0, rollback: 0 });
    expect(landedPartitions(txns)).toEqual(before);
    expect(await at.openTable(TABLE).read(4)).toMatchObject({
      operation: "DELETE",
      info: { kind: "retention", rows: 3 },
    });
    await expectSound(at);
    await expectKnown(at, [1, 2, 3]);
    await expectSound(at);
  });

  test("keeps a file with a single younger row, with all its rows", async () => {
    const { at, between } = await threeHours();
    const files = await filesOf(at);
    await compact(at, files.slice(0, 2));
    const beforeMs = between[1]! - 1_000;
    expect((await expireTable(at.ports, TABLE, { ...HORIZON, beforeMs })).version).toBeNull();
    expect(await live(at)).toEqual([1, 2, 3, 4]);
    await expireTable(at.ports, TABLE, { ...HORIZON, beforeMs: between[2]! });
    expect(await live(at)).toEqual([4]);
    await expectSound(at);
  });

  test("a dry run tells the same and removes nothing", async () => {
    const { at, between } = await threeHours();
    const request = { ...HORIZON, beforeMs: between[2]! };
    const { version, ...told } = await expireTable(at.ports, TABLE, { ...request, isDryRun: true });
    expect(version).toBeNull();
    expect(await live(at)).toEqual([1, 2, 3, 4]);
    expect((await snapshotOf(at)).txns.has(REMOVED_TXN)).toBe(false);
    expect(await expireTable(at.ports, TABLE, request)).toEqual({ version: 4, ...told });
  });

  test("of long ago leaves no ids behind, and the events may land again", async () => {
    const { at } = await threeHours();
    at.clock.advance(10 * DAY_MS);
    await land(at, [5]);
    await expireTable(at.ports, TABLE, { ...HORIZON, beforeMs: at.clock.nowMs() - DAY_MS });
    expect(await live(at)).toEqual([5]);
    await land(at, [1]);
    expect(await live(at)).toEqual([1, 5]);
    await expectSound(at);
  });

  test("counts on through several removals, whatever landing does between plan and commit", async () => {
    const { at, between } = await threeHours();
    const ports = disturbed(at, () => land(at, [6, 7]));
    await expireTable(ports, TABLE, { ...HORIZON, beforeMs: between[1]! });
    expect(await live(at)).toEqual([3, 4, 6, 7]);
    await expireTable(at.ports, TABLE, { ...HORIZON, beforeMs: between[2]! });
    expect(removedRows((await snapshotOf(at)).txns)).toEqual({ retention: 3, erasure: 0, rollback: 0 });
    await expectSound(at);
    await expectKnown(at, [1, 2, 3, 6]);
  });

  test("begins again where a compaction or another removal took its files, and leaves nothing lying", async () => {
    const { at, between } = await threeHours();
    const files = await filesOf(at);
    const ports = disturbed(at, () => compact(at, files.slice(0, 2)));
    const removed = await expireTable(ports, TABLE, { ...HORIZON, beforeMs: between[2]! });
    expect(removed).toMatchObject({ rows: 3, files: 1 });
    await land(at, [8]);
    const both = disturbed(at, () =>
      expireTable(at.ports, TABLE, { ...HORIZON, beforeMs: at.clock.nowMs() - 1_800_000 }),
    );
    const again = await expireTable(both, TABLE, { ...HORIZON, beforeMs: at.clock.nowMs() - 1_800_000 });
    expect(again).toMatchObject({ version: null, rows: 0 });
    const { txns } = await snapshotOf(at);
    expect(removedRows(txns)).toEqual({ retention: 4, erasure: 0, rollback: 0 });
    const named = `${TABLE}/_muara/removed-${txns.get(REMOVED_TXN)}.ids`;
    const lying = (await at.store.list(`${TABLE}/_muara`)).map(({ path }) => path);
    expect(lying.filter((path) => path.endsWith(".ids"))).toContain(named);
    expect(lying.filter((path) => path.endsWith(".ids"))).toHaveLength(2); // of the two that were committed
    await expectSound(at);
    await expectKnown(at, [1, 2, 3, 4]);
  });

  test("of a table that does not exist says so", async () => {
    const at = await prepared();
    await expect(expireTable(at.ports, TABLE, { ...HORIZON, beforeMs: 0 })).rejects.toMatchObject({
      code: "table.not_found",
    });
  });
});

describe("rollback", () => {
  test("is a new version with the old rows; cursors and ids stay where they are", async () => {
    const at = await threeVersions();
    const before = await snapshotOf(at);
    const rolled = await rollBack(at.ports, TABLE, { ...HORIZON, to: { version: 1 } });
    expect(rolled).toMatchObject({ to: 1, version: 4, rows: 3, files: 2, rewritten: 0 });
    expect(await live(at)).toEqual([1, 2]);
    const after = await snapshotOf(at);
    expect(landedPartitions(after.txns)).toEqual(landedPartitions(before.txns));
    expect(after.txns.get("muara:watermark")).toBe(before.txns.get("muara:watermark"));
    expect(removedRows(after.txns)).toEqual({ retention: 0, erasure: 0, rollback: 3 });
    await expectSound(at);
    await expectKnown(at, [1, 3, 4, 5]);
    await land(at, [6]);
    expect(await live(at)).toEqual([1, 2, 6]);
    await expectSound(at);
    expect(await live(at, 3)).toEqual([1, 2, 3, 4, 5]);
  });

  test("tells rows apart in files that were compacted since, and without the files of then", async () => {
    const at = await threeVersions();
    const files = await filesOf(at);
    await compact(at, files);
    for (const { path } of files) await at.store.delete(`${TABLE}/${path}`);
    const rolled = await rollBack(at.ports, TABLE, { ...HORIZON, to: { version: 2 } });
    expect(rolled).toMatchObject({ to: 2, version: 5, rows: 2, files: 1, rewritten: 1 });
    expect(await live(at)).toEqual([1, 2, 3]);
    await expectSound(at);
    await expectKnown(at, [2, 3, 4, 5]);
  });

  test("brings nothing back that was removed since", async () => {
    const at = await threeVersions();
    await rollBack(at.ports, TABLE, { ...HORIZON, to: { version: 1 } });
    const again = await rollBack(at.ports, TABLE, { ...HORIZON, to: { version: 3 } });
    expect(again).toMatchObject({ to: 3, version: null, rows: 0 });
    expect(await live(at)).toEqual([1, 2]);
    await expectSound(at);
  });

  test("to a time, and to the empty table; a dry run only tells", async () => {
    const at = await threeVersions();
    const timeMs = (await at.openTable(TABLE).snapshot({ version: 2 })).timestampMs;
    const dry = await rollBack(at.ports, TABLE, { ...HORIZON, to: { timeMs }, isDryRun: true });
    expect(dry).toMatchObject({ to: 2, version: null, rows: 2 });
    expect(await live(at)).toHaveLength(5);
    await rollBack(at.ports, TABLE, { ...HORIZON, to: { version: 0 } });
    expect(await live(at)).toEqual([]);
    await expectSound(at);
    await expectKnown(at, [1, 2, 3, 4, 5]);
  });

  test("leaves what lands meanwhile, and plans again after a compaction", async () => {
    const at = await threeVersions();
    const files = await filesOf(at);
    const landing = disturbed(at, async () => {
      await land(at, [7]);
      await compact(at, files.slice(1));
    });
    const rolled = await rollBack(landing, TABLE, { ...HORIZON, to: { version: 2 } });
    expect(rolled).toMatchObject({ to: 2, from: 3, version: 6, rows: 2, rewritten: 1 });
    expect(await live(at)).toEqual([1, 2, 3, 7]);
    await expectSound(at);
    await expectKnown(at, [3, 4, 5, 7]);
  });

  test("refuses what it cannot decide", async () => {
    const at = await threeVersions();
    const roll = (version: number) => rollBack(at.ports, TABLE, { ...HORIZON, to: { version } });
    await expect(roll(99)).rejects.toMatchObject({ code: "table.version_not_found" });
    const log = at.openTable(TABLE);
    const base = await log.snapshot();
    const change = { operation: "WRITE", add: [], remove: [], info: {} };
    const txns = [{ appId: "muara:land:another:stream:0", version: 0n }];
    await log.commit({ base, change: { ...change, txns }, check: () => "abandon" });
    await expect(roll(1)).rejects.toMatchObject({ code: "table.unsupported" });
    expect(await live(at)).toEqual([1, 2, 3, 4, 5]);
    await expect(
      rollBack(at.ports, "books", { ...HORIZON, to: { version: 0 }, signal: never }),
    ).rejects.toMatchObject({ code: "table.version_not_found" });
  });
});
