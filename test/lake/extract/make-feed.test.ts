/** Versions of a feed against the table that they come from: which windows, which rows, which revisions, and why. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Feed } from "../../../core/extract-feed.ts";
import { keepFeed } from "../../../lake/extract/keep-feed.ts";
import type { FeedMaker } from "../../../lake/extract/make-feed.ts";
import type { Manifest } from "../../../lake/extract/manifest.ts";
import { manifestHash } from "../../../lake/extract/manifest.ts";
import { holds } from "../byte-scan.ts";
import { rowsOfFiles, rowsOfTable } from "./independent-rows.ts";
import {
  DAY_MS,
  FIRST_MS,
  HOUR_MS,
  makeSalesLake,
  salesFeed,
  salesOf,
  type Sale,
  type SalesLake,
} from "./sales-lake.ts";

const signal = new AbortController().signal;
let lake: SalesLake;

beforeEach(async () => {
  lake = await makeSalesLake();
});
afterEach(() => lake.close());

async function manifestOf(maker: FeedMaker, version: number): Promise<Manifest> {
  const manifest = await maker.store.manifest(version);
  if (!manifest) throw new Error(`no version ${version}`);
  return manifest;
}

/** Rows of all windows as a consumer of replace_partition has them. */
async function published(maker: FeedMaker, of = lake): Promise<readonly string[]> {
  const { windows } = await maker.store.state();
  const files = [...windows.values()].flatMap((window) => window.files);
  return rowsOfFiles(files.map(({ name }) => of.store.location(maker.store.filePath(name))));
}

/** Whether a file of the feed has the text in its bytes, or in a value. */
async function heldIn(maker: FeedMaker, text: string): Promise<boolean> {
  for (const { path } of await maker.store.list())
    if (await holds((await lake.store.get(path))!, text)) return true;
  return false;
}

const at = (atMs: number, id: string): Sale => ({ id, atMs, cents: 1 });

describe("windows", { timeout: 240_000 }, () => {
  test("only those that the watermark has closed are published", async () => {
    await lake.land([...salesOf(0, 20), ...salesOf(1, 20)], FIRST_MS + DAY_MS - 1);
    const maker = await lake.maker(salesFeed());
    expect(await maker.pass(signal)).toMatchObject({ published: 0, completeThroughMs: FIRST_MS });
    await lake.land([], FIRST_MS + DAY_MS);
    expect(await maker.pass(signal)).toMatchObject({ published: 1, completeThroughMs: FIRST_MS + DAY_MS });
    const manifest = await manifestOf(maker, 1);
    expect(manifest).toMatchObject({
      feed: "sales_daily",
      version: 1,
      previous: null,
      complete_through: "2026-11-21T00:00:00.000Z",
      rows: 20,
      inputs: { "shop.sale": 2 },
    });
    expect(manifest.partitions).toMatchObject([
      { day: "2026-11-20", revision: 1, revises: null, reason: "first", action: "replace", late_rows: 0 },
    ]);
    // 1.00 + 1.01 + … + 1.19
    expect(manifest.partitions[0]!.totals).toEqual({ amount: "21.90", distinct_event_id: "20" });
    expect(manifest.files[0]!.name).toMatch(/^sales_daily\/day=2026-11-20\/r1-[0-9a-f]{16}\.parquet$/);
    expect(manifestHash(manifest)).toBe(manifest.manifest_sha256);
    expect(await published(maker)).toEqual(await rowsOfTable(lake, FIRST_MS, FIRST_MS + DAY_MS));
  });

  test("a manifest under another number is told, not read for ever", async () => {
    await lake.land(salesOf(0, 20), FIRST_MS + DAY_MS);
    const maker = await lake.maker(salesFeed());
    await maker.pass(signal);
    const bytes = await lake.store.get(maker.store.manifestPath(1));
    await lake.store.put(maker.store.manifestPath(2), bytes!);
    await expect(maker.pass(signal)).rejects.toMatchObject({ code: "extract.corrupt" });
  });

  test("by the hour, with rows on both bounds", async () => {
    await lake.land(
      [at(FIRST_MS, "a"), at(FIRST_MS + HOUR_MS - 1, "b"), at(FIRST_MS + HOUR_MS, "c")],
      FIRST_MS + DAY_MS,
    );
    const maker = await lake.maker(salesFeed({ window: "hour" }));
    await maker.pass(signal);
    const { partitions } = await manifestOf(maker, 1);
    // Equal amounts count as often as they are there.
    expect(partitions.map(({ hour, rows, totals }) => [hour, rows, totals["amount"]])).toEqual([
      ["2026-11-20T00", 2, "0.02"],
      ["2026-11-20T01", 1, "0.01"],
    ]);
  });

  test("before 1970, too; rows without a time are counted, not hidden", async () => {
    await lake.land(
      [
        { id: "old", atMs: -1, cents: 1 },
        { id: "none", atMs: null, cents: 1 },
      ],
      FIRST_MS,
    );
    const maker = await lake.maker(salesFeed());
    expect(await maker.pass(signal)).toMatchObject({ published: 1, rowsWithoutTime: 1 });
    expect((await manifestOf(maker, 1)).partitions.map(({ day }) => day)).toEqual(["1969-12-31"]);
  });

  test("many windows come in several versions, the oldest first, and the promise grows with them", async () => {
    await lake.land(
      [0, 1, 2].flatMap((day) => salesOf(day, 1)),
      FIRST_MS + 3 * DAY_MS,
    );
    const maker = await lake.maker(salesFeed(), lake.store, { windowsPerVersion: 2 });
    expect((await maker.pass(signal)).published).toBe(2);
    expect((await manifestOf(maker, 1)).complete_through).toBe(new Date(FIRST_MS + 2 * DAY_MS).toISOString());
    expect((await manifestOf(maker, 2)).complete_through).toBe(new Date(FIRST_MS + 3 * DAY_MS).toISOString());
  });
});

describe("revisions", { timeout: 240_000 }, () => {
  test("late rows make one, a commit that changes no row makes none", async () => {
    await lake.land([...salesOf(0, 5), ...salesOf(1, 5)], FIRST_MS + 2 * DAY_MS);
    const maker = await lake.maker(salesFeed());
    await maker.pass(signal);
    await lake.land(salesOf(1, 3, 5), FIRST_MS + 2 * DAY_MS + 1);
    expect((await maker.pass(signal)).published).toBe(1);
    const second = await manifestOf(maker, 2);
    expect(second.partitions).toMatchObject([
      {
        day: "2026-11-21",
        revision: 2,
        revises: 1,
        reason: "late events",
        rows: 8,
        late_rows: 3,
        removed_rows: 0,
      },
    ]);
    // The same rows in other files: nothing new, for this maker and for one that was just started.
    await lake.erase([...salesOf(0, 5), ...salesOf(1, 5), ...salesOf(1, 3, 5)].toReversed(), "compact");
    expect((await maker.pass(signal)).published).toBe(0);
    expect((await (await lake.maker(salesFeed())).pass(signal)).published).toBe(0);
    expect(await published(maker)).toEqual(await rowsOfTable(lake, FIRST_MS, FIRST_MS + 2 * DAY_MS));
  });

  test("an erasure makes one, down to a window without rows", async () => {
    await lake.land([...salesOf(0, 2), ...salesOf(1, 1)], FIRST_MS + 2 * DAY_MS);
    const maker = await lake.maker(salesFeed());
    await maker.pass(signal);
    await lake.erase(salesOf(0, 2).slice(1));
    await maker.pass(signal);
    expect((await manifestOf(maker, 2)).partitions).toMatchObject([
      { day: "2026-11-20", reason: "erasure", rows: 1, late_rows: 0, removed_rows: 1 },
      { day: "2026-11-21", reason: "erasure", rows: 0, removed_rows: 1, files: [] },
    ]);
    expect((await maker.pass(signal)).published).toBe(0);
  });

  test("rows that retention took from the table stay in the extract, an erasure beside it does not", async () => {
    await lake.land([...salesOf(0, 2), ...salesOf(1, 1)], FIRST_MS + 2 * DAY_MS);
    await (await lake.maker(salesFeed())).pass(signal);
    await lake.erase(salesOf(1, 1), "retention");
    const maker = await lake.maker(salesFeed());
    expect((await maker.pass(signal)).published).toBe(0);
    await lake.land(salesOf(1, 1, 1));
    expect(await maker.pass(signal)).toMatchObject({ published: 1, erased: false });
    // A maker that was just started knows it still.
    expect((await (await lake.maker(salesFeed())).pass(signal)).published).toBe(0);
    expect((await maker.store.state()).windows.get("2026-11-20")?.partition.rows).toBe(2);
    await lake.erase(salesOf(1, 1));
    expect(await maker.pass(signal)).toMatchObject({ published: 1, erased: true });
  });

  test("another SQL makes one where the rows are others", async () => {
    await lake.land(salesOf(0, 3), FIRST_MS + DAY_MS);
    await (await lake.maker(salesFeed())).pass(signal);
    const same = await lake.maker(
      salesFeed({ sql: `SELECT event_id, event_time, amount, note FROM shop_sale` }),
    );
    expect((await same.pass(signal)).published).toBe(0);
    const other = await lake.maker(salesFeed({ sql: `SELECT event_id, event_time, amount FROM shop_sale` }));
    await other.pass(signal);
    expect((await manifestOf(other, 2)).partitions).toMatchObject([
      { reason: "changed definition", late_rows: null },
    ]);
  });

  test("a final window stays as it is, and what came too late is counted", async () => {
    await lake.land(salesOf(0, 2), FIRST_MS + DAY_MS);
    const maker = await lake.maker(salesFeed({ reviseDays: 3 }));
    await maker.pass(signal);
    await lake.land(salesOf(0, 4, 2), FIRST_MS + 4 * DAY_MS - 1);
    expect(await maker.pass(signal)).toMatchObject({ published: 1, rowsTooLate: 0 });
    await lake.land(salesOf(0, 8, 6), FIRST_MS + 4 * DAY_MS);
    expect(await maker.pass(signal)).toMatchObject({ published: 0, rowsTooLate: 8 });
  });

  test("an erasure makes a final window anew, with what came too late, and takes the older files", async () => {
    await lake.land(salesOf(0, 3), FIRST_MS + DAY_MS);
    const maker = await lake.maker(salesFeed({ reviseDays: 3 }));
    await maker.pass(signal);
    await lake.land([...salesOf(0, 1, 3), ...salesOf(1, 2)], FIRST_MS + 5 * DAY_MS);
    expect(await maker.pass(signal)).toMatchObject({ published: 1, rowsTooLate: 1 });
    const stays = [...salesOf(0, 3).slice(1), ...salesOf(0, 1, 3)];
    expect(await heldIn(maker, "sale-0-0")).toBe(true);
    await lake.erase([...stays, ...salesOf(1, 2)]);
    expect(await maker.pass(signal)).toMatchObject({ published: 1, erased: true, rowsTooLate: 0 });
    expect((await manifestOf(maker, 3)).partitions).toMatchObject([
      { day: "2026-11-20", reason: "erasure", revision: 2, rows: 3, late_rows: 1, removed_rows: 1 },
    ]);
    expect(await published(maker)).toEqual(await rowsOfTable(lake, FIRST_MS, FIRST_MS + 5 * DAY_MS));
    await keepFeed(maker.store, lake.clock, signal);
    expect(await heldIn(maker, "sale-0-0")).toBe(false);
    expect(await heldIn(maker, "sale-0-1")).toBe(true);
    // Neither the next row that is too late nor the erasure of somebody who is not in it makes it anew.
    await lake.land(salesOf(0, 1, 4));
    expect(await maker.pass(signal)).toMatchObject({ published: 0, rowsTooLate: 1 });
    await lake.erase([...stays, ...salesOf(0, 1, 4), ...salesOf(1, 2)]);
    expect(await maker.pass(signal)).toMatchObject({ published: 0, rowsTooLate: 1 });
    expect((await (await lake.maker(salesFeed({ reviseDays: 3 }))).pass(signal)).published).toBe(0);
  });

  test("but not where the table has lost other rows, which only the extract still has", async () => {
    await lake.land(salesOf(0, 3), FIRST_MS + DAY_MS);
    const maker = await lake.maker(salesFeed({ reviseDays: 3 }));
    await maker.pass(signal);
    await lake.land([], FIRST_MS + 5 * DAY_MS);
    await lake.erase(salesOf(0, 3).slice(1), "retention");
    await lake.erase(salesOf(0, 3).slice(2));
    expect((await maker.pass(signal)).published).toBe(0);
    expect((await maker.store.state()).windows.get("2026-11-20")?.partition.rows).toBe(3);
  });

  test("an append feed brings only the rows that came, unless some are gone", async () => {
    await lake.land(salesOf(0, 4), FIRST_MS + DAY_MS);
    const maker = await lake.maker(salesFeed({ kind: "append" }));
    await maker.pass(signal);
    await lake.land(salesOf(0, 2, 4), FIRST_MS + DAY_MS + 1);
    await maker.pass(signal);
    expect((await manifestOf(maker, 2)).partitions).toMatchObject([
      { revision: 2, action: "append", rows: 2, window_rows: 6, totals: { amount: "2.01" } },
    ]);
    expect(await published(maker)).toEqual(await rowsOfTable(lake, FIRST_MS, FIRST_MS + DAY_MS));
    await lake.erase(salesOf(0, 4));
    await maker.pass(signal);
    expect((await manifestOf(maker, 3)).partitions).toMatchObject([{ action: "replace", rows: 4 }]);
    expect(await published(maker)).toEqual(await rowsOfTable(lake, FIRST_MS, FIRST_MS + DAY_MS));
  });
});

describe("checks", { timeout: 240_000 }, () => {
  const checks: Feed["checks"] = [
    { notNull: ["event_id"], severity: "error" },
    { unique: ["event_id"], severity: "error" },
    { rows: { min: 2, max: 10 }, severity: "warning" },
    { name: "no free sales", sql: "SELECT count(*) FROM extract WHERE amount <= 0", severity: "error" },
  ];

  test("one of severity error withholds its window and the promise, not the others", async () => {
    const free = { id: "free", atMs: FIRST_MS + DAY_MS + 1, cents: 0 };
    await lake.land([...salesOf(0, 3), free, ...salesOf(2, 1)], FIRST_MS + 3 * DAY_MS);
    const maker = await lake.maker(salesFeed({ checks }));
    const report = await maker.pass(signal);
    expect(report).toMatchObject({ published: 1, completeThroughMs: FIRST_MS + DAY_MS });
    expect(report.withheld).toMatchObject([
      {
        window: "2026-11-21",
        failed: [{ check: "row count" }, { check: "no free sales", expected: "0", actual: "1" }],
      },
    ]);
    const manifest = await manifestOf(maker, 1);
    expect(manifest.partitions.map(({ day }) => day)).toEqual(["2026-11-20", "2026-11-22"]);
    expect(manifest.complete_through).toBe("2026-11-21T00:00:00.000Z");
    expect(manifest.quality.filter(({ ok }) => !ok)).toEqual([
      {
        partition: "2026-11-22",
        check: "row count",
        ok: false,
        severity: "warning",
        expected: "2 to 10",
        actual: "1",
      },
    ]);
    // It is still withheld when nothing has changed, and comes when it has.
    expect((await maker.pass(signal)).withheld.length).toBe(1);
    await lake.erase([...salesOf(0, 3), { ...free, cents: 5 }, ...salesOf(2, 1)]);
    expect(await maker.pass(signal)).toMatchObject({
      withheld: [],
      completeThroughMs: FIRST_MS + 3 * DAY_MS,
    });
  });

  test("duplicates and nulls are found", async () => {
    const twice = [...salesOf(0, 2), ...salesOf(0, 1)];
    await lake.land(twice, FIRST_MS + DAY_MS);
    const maker = await lake.maker(
      salesFeed({ checks: [checks[1]!, { notNull: ["note"], severity: "error" }] }),
    );
    expect((await maker.pass(signal)).withheld[0]!.failed).toMatchObject([
      { check: "event_id unique", actual: "1" },
      { check: "note not null", actual: "2" },
    ]);
  });
});

describe("files", { timeout: 240_000 }, () => {
  test("a window beyond the size is cut, and order goes on from file to file", async () => {
    await lake.land(salesOf(0, 5_000), FIRST_MS + DAY_MS);
    const maker = await lake.maker(salesFeed(), lake.store, { fileBytes: 12_000 });
    await maker.pass(signal);
    const { files, partitions } = await manifestOf(maker, 1);
    expect(files.length).toBeGreaterThan(2);
    expect(files.every(({ bytes }) => bytes <= 12_000)).toBe(true);
    expect(partitions[0]!.files).toEqual(files.map(({ id }) => id));
    const inOrder = await rowsOfFiles(
      files.map(({ name }) => lake.store.location(maker.store.filePath(name))),
      { asStored: true },
    );
    expect(inOrder).toEqual([...(await rowsOfTable(lake, FIRST_MS, FIRST_MS + DAY_MS))]);
  });
});
