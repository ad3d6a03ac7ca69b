/** A merge in steps: what a commit has, what others find who go on with it, and what must stay until its end. */
import { afterEach, expect, test, vi } from "vitest";
import { mergedUntilMs, sliceTxn, unmergedRanges } from "../../../lake/current/current-table.ts";
import { type Change, capturedType } from "./changes.ts";
import { World } from "./world.ts";

const TYPE = capturedType({ id: { type: "integer" }, name: { type: "string" }, bio: { type: "string" } });
const ROWS = 40;
/** One slice in a commit (with a file for each row or so), one commit in a turn. */
const BRIEF = { rowsAtOnce: 1, stepMs: 0, turnMs: 0 };

// Each step starts processes, which take long where everything runs at once.
vi.setConfig({ testTimeout: 240_000 });

let world: World;
afterEach(async () => world.close());

function puts(lsn: number, name: string, more: Partial<Change> = {}): readonly Change[] {
  return Array.from({ length: ROWS }, (_, id) => ({
    lsn: lsn + id,
    change: "create" as const,
    key: ["shop1", id],
    data: { id, name, bio: "b" },
    ...more,
  }));
}

async function land(changes: readonly Change[]): Promise<void> {
  await world.send(changes);
  await world.land();
}

async function seen(): Promise<unknown> {
  const { rows } = await world.rows(
    `SELECT name, count(*), count(bio) FROM "${world.current}" GROUP BY 1 ORDER BY 1`,
  );
  return rows;
}

async function state() {
  const snapshot = await world.ports.openTable(world.current).snapshot();
  const changes = await world.ports.openTable(TYPE.name).snapshot();
  const done = [0, 1, 2, 3].filter((slice) => (snapshot.txns.get(sliceTxn(String(slice))) ?? 0n) > 0n);
  const [range] = unmergedRanges(changes, snapshot);
  return { ...snapshot, from: range!.from, done, untilMs: mergedUntilMs(changes, snapshot) };
}

test("each commit has one more slice; whoever comes next goes on, and takes nothing that came later", async () => {
  world = await World.open(TYPE);
  await land(puts(100, "a"));
  const [one, other] = [world.merger(BRIEF), world.merger(BRIEF)];
  for (let step = 1; step <= 3; step++) {
    const merged = await world.merge(step === 2 ? other : one);
    expect(merged).toMatchObject({ changes: 0, steps: 1, hasMore: true });
    const { from, done, untilMs } = await state();
    expect([from, done.length, untilMs]).toEqual([0, step, -Infinity]);
    const count = String(step === 3 ? ROWS - 1 : ROWS);
    expect(await seen()).toEqual([[step === 1 ? "a" : "b", count, count]]);
    if (step === 1) await land(puts(1_000, "b", { change: "update" }));
    if (step === 2) await land([{ lsn: 2_000, change: "delete", key: ["shop1", 0], data: { id: 0 } }]);
  }
  expect(await world.merge(other)).toMatchObject({ changes: ROWS, steps: 1, hasMore: true });
  expect(await state()).toMatchObject({ from: ROWS });
  // A round with all that has landed since, and a commit for all slices.
  expect(await world.merge(world.merger())).toMatchObject({
    changes: ROWS,
    steps: 1,
    files: 4,
    hasMore: false,
  });
  expect(await state()).toMatchObject({ from: 2 * ROWS });
  expect(await seen()).toEqual([["b", String(ROWS - 1), String(ROWS - 1)]]);
});

test("rows that go on under another key are merged with those that they come from", async () => {
  world = await World.open(TYPE);
  await land(puts(100, "a"));
  const whole = world.merger();
  await world.merge(whole);
  const moved = Array.from({ length: ROWS }, (_, id): readonly Change[] => [
    { lsn: 1_000 + id, change: "delete", key: ["shop1", id], data: { id } },
    {
      lsn: 1_000 + id,
      index: 1,
      change: "create",
      key: ["shop1", ROWS + id],
      data: { id: ROWS + id, name: "c" },
      unchanged: ["bio"],
    },
  ]);
  await land(moved.flat());
  const brief = world.merger(BRIEF);
  do expect(await seen()).toEqual([["c", String(ROWS), String(ROWS)]]);
  while ((await world.merge(brief)).hasMore);
  expect(await seen()).toEqual([["c", String(ROWS), String(ROWS)]]);
});

test("a rollback and a retention in the midst of a round", async () => {
  world = await World.open(TYPE);
  await land(puts(100, "a"));
  const { version } = await world.ports.openTable(TYPE.name).snapshot();
  await land(puts(1_000, "b", { change: "update" }));
  const brief = world.merger(BRIEF);
  await world.merge(brief);
  const table = { name: TYPE.name, eventType: TYPE };
  const request = { signal: new AbortController().signal };
  // Nothing is merged in all slices, so nothing may go.
  await world.removals().expire(table, Date.now() + 10_000, request);
  expect(await seen()).toEqual([["b", String(ROWS), String(ROWS)]]);
  await world.removals().rollBack(table, { version }, request);
  expect(await seen()).toEqual([["a", String(ROWS), String(ROWS)]]);
  while ((await world.merge(brief)).hasMore)
    expect(await seen()).toEqual([["a", String(ROWS), String(ROWS)]]);
  expect(await seen()).toEqual([["a", String(ROWS), String(ROWS)]]);
});
