/** Verification of a table: each kind of damage is found and named, and nothing else is. */
import assert from "node:assert/strict";
import { describe, expect, test } from "vitest";
import { hasCode } from "../../core/errors.ts";
import { landedPartitions } from "../../core/landed.ts";
import { statedChecksum } from "../../lake/checksum.ts";
import { diffSnapshots } from "../../lake/diff-snapshots.ts";
import { type Verification, verifyTable } from "../../lake/verify-table.ts";
import { TableLanding } from "../../workers/land/table-landing.ts";
import {
  declare,
  event,
  eventType,
  install,
  type Installation,
  never,
  OPTIONS,
  send,
} from "../workers/land/setup.ts";

const TABLE = "order.created";

/** Two files, three rows, a duplicate and a dead letter. */
async function landed(faults?: Parameters<typeof install>[0]): Promise<Installation> {
  const at = await install(faults);
  await declare(at, eventType());
  const landing = await TableLanding.open(at.ports, OPTIONS, eventType());
  for (const batch of [
    [event(1), event(2)],
    [event(3), event(1), event(4, { n: 0.5 })],
  ]) {
    await send(at, batch);
    await landing.step(never);
  }
  landing.discard();
  return at;
}

async function verify(at: Installation, isDeep = true): Promise<Verification> {
  const snapshot = await at.openTable(TABLE).snapshot();
  return verifyTable(at.store, at.clock, TABLE, snapshot, { isDeep, signal: never });
}

async function filesOf(at: Installation): Promise<readonly string[]> {
  return [...(await at.openTable(TABLE).snapshot()).files.keys()];
}

/** [check, state] */
const states = ({ checks }: Verification): Record<string, string> =>
  Object.fromEntries(checks.map(({ check, state }) => [check, state]));

const HOLDS = { files: "holds", content: "holds", cursors: "holds", rows: "holds" };

describe("verification", () => {
  test("of a sound table holds, every check of it", async () => {
    const at = await landed();
    const found = await verify(at);
    expect(found).toMatchObject({ files: 2, faultCount: 0, faults: [] });
    expect(states(found)).toEqual(HOLDS);
    expect(found.checks.find(({ check }) => check === "content")!.note).toBe("every checksum");
    expect(states(await verify(at, false))).toEqual({ ...HOLDS, content: "skipped" });
  });

  test("names a file that is missing, and one of another length", async () => {
    const at = await landed();
    const [first, second] = await filesOf(at);
    await at.store.delete(`${TABLE}/${first}`);
    const bytes = (await at.store.get(`${TABLE}/${second}`))!;
    await at.store.put(`${TABLE}/${second}`, bytes.subarray(1));
    const found = await verify(at, false);
    expect(states(found)).toEqual({ ...HOLDS, files: "broken", content: "skipped" });
    expect(found.faults.map(({ path, problem }) => [path, problem])).toEqual(
      expect.arrayContaining([
        [first, "it is missing"],
        [second, `it has ${bytes.length - 1} bytes, the log says ${bytes.length}`],
      ]),
    );
  });

  test("finds any flipped bit, and only when it reads deeply", async () => {
    const at = await landed();
    const [path] = await filesOf(at);
    const bytes = (await at.store.get(`${TABLE}/${path}`))!;
    for (const place of [0, 5, bytes.length >> 1, bytes.length - 20, bytes.length - 1]) {
      const flipped = bytes.slice();
      flipped[place]! ^= 1 << (place & 7);
      await at.store.put(`${TABLE}/${path}`, flipped);
      expect(states(await verify(at, false))["files"]).toBe("holds");
      const found = await verify(at);
      expect(states(found), String(place)).toEqual({ ...HOLDS, content: "broken" });
      expect(found.faults.every((fault) => fault.path === path)).toBe(true);
      expect(found.faults[0]!.problem).toContain("checksum");
    }
  });

  test("finds rows that landing does not account for, and cursors that do not add up", async () => {
    const at = await landed();
    const log = at.openTable(TABLE);
    const base = await log.snapshot();
    const [file] = base.files.values();
    const [partition] = landedPartitions(base.txns);
    const appId = `muara:land:${partition!.logId}:${partition!.topicId}:0:duplicates`;
    const change = {
      operation: "WRITE",
      add: [],
      remove: [{ path: file!.path, deletionTimestamp: 0, dataChange: true }],
      txns: [{ appId, version: 7n }],
      info: {},
    };
    await log.commit({ base, change, check: () => "abandon" });
    const found = await verify(at);
    expect(states(found)).toEqual({ ...HOLDS, cursors: "broken", rows: "broken" });
    expect(found.faults.map(({ problem }) => problem)).toEqual([
      "partition 0: the cursor is 5, 11 offsets are accounted for",
      "live files have 1 rows, 3 landed",
    ]);
  });

  test("says what it cannot know instead of taking it for sound", async () => {
    const at = await landed();
    const log = at.openTable(TABLE);
    const base = await log.snapshot();
    const files = [...base.files.values()];
    const [file] = files;
    const { tags: _tags, stats: _stats, ...bare } = file!;
    const path = `${file!.path.slice(0, -8)}-copy.parquet`;
    await at.store.put(`${TABLE}/${path}`, (await at.store.get(`${TABLE}/${file!.path}`))!);
    const change = {
      operation: "OPTIMIZE",
      add: [{ ...bare, path, dataChange: false }],
      remove: [{ path: file!.path, deletionTimestamp: 0, dataChange: false }],
      txns: [{ appId: "muara:removed", version: 1n }],
      info: {},
    };
    await log.commit({ base, change, check: () => "abandon" });
    const found = await verify(at);
    expect(found.faultCount).toBe(0);
    expect(states(found)).toEqual({ ...HOLDS, rows: "skipped" });
    expect(found.checks.map(({ note }) => note)).toEqual([
      "2 files",
      "1 files have no checksum",
      "",
      "rows were removed that nobody counted",
    ]);
    expect(statedChecksum(files[1]!)).toMatch(/^[0-9a-f]{8}$/);
  });

  test("a store that does not answer is no fault of the table", async () => {
    let isDown = false;
    const at = await landed(() => (isDown ? "lost" : undefined));
    const snapshot = await at.openTable(TABLE).snapshot();
    isDown = true;
    await assert.rejects(
      verifyTable(at.store, at.clock, TABLE, snapshot, { isDeep: true, signal: never }),
      (error) => hasCode(error, "store.unavailable"),
    );
  });
});

test("a diff tells files, rows, columns, properties and counters, and no secret", async () => {
  const at = await landed();
  const log = at.openTable(TABLE);
  const [created, newest] = [await log.snapshot({ version: 0 }), await log.snapshot()];
  const found = diffSnapshots(created, newest);
  expect(found).toMatchObject({
    from: 0,
    added: { files: 2, rows: 3 },
    removed: { files: 0, rows: 0 },
    columns: [],
  });
  expect(found.counters.find(({ name }) => name === "muara:land")).toEqual({
    name: "muara:land",
    from: null,
    to: "2",
  });
  const back = diffSnapshots(newest, created);
  expect([back.removed, back.added]).toEqual([found.added, found.removed]);
  const empty = await at.openTable("nothing").snapshot();
  const first = diffSnapshots(empty, created);
  expect(first.columns.map(({ name, to }) => `${name} ${to}`)).toContain("event_id string not null");
  expect(JSON.stringify(first)).not.toContain("muara.id");
  expect(first.properties.every(({ name }) => name.startsWith("delta."))).toBe(true);
  expect(diffSnapshots(newest, newest)).toMatchObject({ columns: [], properties: [], counters: [] });
});
