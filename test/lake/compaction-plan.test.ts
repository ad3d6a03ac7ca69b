/** The plan of compaction: what it must keep to on any table, and what a table comes to that is compacted by it. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AddFile, TableSnapshot } from "../../core/ports/table-log.ts";
import { type Group, LAST_GROWTH, planCompaction, type PlanOptions } from "../../lake/compaction-plan.ts";

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 2, 10, 12);
const TODAY = "2026-03-10";
const OPTIONS: PlanOptions = {
  filesMin: 8,
  targetBytes: 128_000,
  fileBytes: 256_000,
  runBytes: 1_000_000,
  runRows: 1_000_000,
};

function file(path: string, size: number, date: string, modifiedMs: number, rows?: number): AddFile {
  return {
    path,
    partitionValues: { ingest_date: date },
    size,
    modificationTime: modifiedMs,
    dataChange: false,
    ...(rows === undefined ? {} : { stats: `{"numRecords":${rows}}` }),
  };
}

function snapshotOf(files: readonly AddFile[]): TableSnapshot {
  const metadata = { partitionColumns: ["ingest_date"] };
  return { files: new Map(files.map((one) => [one.path, one])), metadata } as unknown as TableSnapshot;
}

const anyFiles = fc
  .array(
    fc.record({
      size: fc.oneof(fc.integer({ min: 100, max: 9_000 }), fc.integer({ min: 100, max: 300_000 })),
      rows: fc.option(fc.integer({ min: 1, max: 50_000 }), { nil: undefined }),
      day: fc.constantFrom("2026-03-08", "2026-03-09", TODAY),
      ageMs: fc.integer({ min: 0, max: 3 * DAY_MS }),
    }),
    { maxLength: 60 },
  )
  .map((all) => all.map(({ size, rows, day, ageMs }, i) => file(`f${i}`, size, day, NOW_MS - ageMs, rows)));
const anyOptions = fc.record({
  filesMin: fc.integer({ min: 2, max: 16 }),
  targetBytes: fc.constantFrom(10_000, 128_000),
  fileBytes: fc.constantFrom(20_000, 256_000),
  runBytes: fc.constantFrom(5_000, 300_000, 10_000_000),
  runRows: fc.constantFrom(1_000, 60_000, 10_000_000),
});

/** Paths of each group. */
function shown(plan: readonly Group[]): readonly string[][] {
  const groups = plan.map((group) => group.files.map(({ path }) => path));
  return groups.toSorted((a, b) => (a[0]! < b[0]! ? -1 : 1));
}

function smallFiles(count: number, date: string, ageMs: number, size = 1_000): AddFile[] {
  return Array.from({ length: count }, (_, i) => file(`${date}-${i}`, size, date, NOW_MS - ageMs, 10));
}

/** Files that are put together. */
function countOf(files: readonly AddFile[]): number {
  const plan = planCompaction(snapshotOf(files), NOW_MS, OPTIONS);
  return plan.reduce((sum, group) => sum + group.files.length, 0);
}

describe("on any table", () => {
  test("groups are of one partition, share nothing, hold small files only and stay within every budget", () => {
    fc.assert(
      fc.property(anyFiles, anyOptions, (files, options) => {
        const plan = planCompaction(snapshotOf(files), NOW_MS, options);
        const paths = plan.flatMap((group) => group.files.map(({ path }) => path));
        expect(new Set(paths).size).toBe(paths.length);
        let [bytes, rows] = [0, 0];
        for (const group of plan) {
          expect(group.files.length).toBeGreaterThanOrEqual(2);
          expect(new Set(group.files.map((one) => one.partitionValues["ingest_date"])).size).toBe(1);
          expect(group.files.every((one) => one.size < options.targetBytes)).toBe(true);
          expect(group.bytes).toBe(group.files.reduce((sum, one) => sum + one.size, 0));
          expect(group.bytes).toBeLessThanOrEqual(options.fileBytes);
          bytes += group.bytes;
          rows += group.rows;
        }
        expect(bytes).toBeLessThanOrEqual(options.runBytes);
        expect(rows).toBeLessThanOrEqual(options.runRows);
      }),
    );
  });

  test("it does not depend on the order in which a snapshot has its files", () => {
    fc.assert(
      fc.property(anyFiles, anyOptions, (files, options) => {
        const plan = planCompaction(snapshotOf(files), NOW_MS, { ...options, runBytes: 1e12, runRows: 1e12 });
        const other = planCompaction(snapshotOf(files.toReversed()), NOW_MS, {
          ...options,
          runBytes: 1e12,
          runRows: 1e12,
        });
        expect(shown(other)).toEqual(shown(plan));
      }),
    );
  });

  test("while a day goes on, no file is rewritten that is most of its group", () => {
    fc.assert(
      fc.property(anyFiles, anyOptions, (files, options) => {
        for (const group of planCompaction(snapshotOf(files), NOW_MS, options)) {
          if (group.partitionValues["ingest_date"] !== TODAY) continue;
          const largest = Math.max(...group.files.map(({ size }) => size));
          expect(group.bytes).toBeGreaterThanOrEqual(LAST_GROWTH * largest);
        }
      }),
    );
  });

  test("rewriting ends, and leaves few files", () => {
    fc.assert(
      fc.property(anyFiles, fc.double({ min: 0.3, max: 1, noNaN: true }), (files, shrink) => {
        let live = [...files];
        const large = { ...OPTIONS, runBytes: 1e12, runRows: 1e12 };
        for (let run = 0; ; run++) {
          expect(run).toBeLessThan(60);
          const plan = planCompaction(snapshotOf(live), NOW_MS + 2 * 3_600_000, large);
          if (plan.length === 0) break;
          live = applied(live, plan, NOW_MS - DAY_MS, shrink, `r${run}-`);
        }
        for (const day of ["2026-03-08", "2026-03-09"]) {
          const small = live.filter(
            (one) => one.partitionValues["ingest_date"] === day && one.size < OPTIONS.targetBytes,
          );
          // Those that are left do not fit into one file with any other.
          const [first, second] = small.map(({ size }) => size).toSorted((a, b) => a - b);
          expect((first ?? Infinity) + (second ?? Infinity)).toBeGreaterThan(OPTIONS.fileBytes);
        }
      }),
    );
  });
});

function applied(
  files: readonly AddFile[],
  plan: readonly Group[],
  modifiedMs: number,
  shrink: number,
  prefix: string,
): AddFile[] {
  const gone = new Set(plan.flatMap((group) => group.files.map(({ path }) => path)));
  const made = plan.map((group, i) =>
    file(
      `${prefix}${i}`,
      Math.ceil(group.bytes * shrink),
      String(group.partitionValues["ingest_date"]),
      modifiedMs,
      group.rows,
    ),
  );
  return [...files.filter(({ path }) => !gone.has(path)), ...made];
}

describe("when", () => {
  test("today from filesMin on, a closed day from two on, an hour after its newest file", () => {
    expect(countOf(smallFiles(7, TODAY, 0))).toBe(0);
    expect(countOf(smallFiles(8, TODAY, 0))).toBe(8);
    expect(countOf(smallFiles(2, "2026-03-09", 2 * 3_600_000))).toBe(2);
    expect(countOf(smallFiles(1, "2026-03-09", 2 * 3_600_000))).toBe(0);
    expect(countOf(smallFiles(2, "2026-03-09", 3_599_999))).toBe(0);
    expect(countOf(smallFiles(2, "2026-03-09", 3_600_000))).toBe(2);
    expect(countOf(smallFiles(2, TODAY, 2 * DAY_MS))).toBe(0);
  });

  test("a file at the target is left alone, one byte below is not", () => {
    const at = (size: number): number =>
      planCompaction(snapshotOf(smallFiles(2, "2026-03-09", DAY_MS, size)), NOW_MS, OPTIONS).length;
    expect(at(OPTIONS.targetBytes)).toBe(0);
    expect(at(OPTIONS.targetBytes - 1)).toBe(1);
  });

  test("a file of more rows than a run may have is left alone", () => {
    const files = [file("a", 1_000, "2026-03-09", 0, 1_000_001), ...smallFiles(2, "2026-03-09", DAY_MS)];
    const plan = planCompaction(snapshotOf(files), NOW_MS, OPTIONS);
    expect(plan.map((group) => group.files.length)).toEqual([2]);
  });
});

test("a week of commits each 500 ms: files stay below 1,000, and a row is rewritten a few times", () => {
  const options: PlanOptions = {
    filesMin: 16,
    targetBytes: 134_217_728,
    fileBytes: 268_435_456,
    runBytes: 1_073_741_824,
    runRows: 50_000_000,
  };
  const [everyMs, commitMs, commitBytes] = [30_000, 500, 5_000];
  const startMs = Date.UTC(2026, 2, 2);
  let live: AddFile[] = [];
  let most = 0;
  let [landed, rewritten] = [0, 0];
  for (let nowMs = startMs; nowMs < startMs + 7 * DAY_MS; nowMs += everyMs) {
    const date = new Date(nowMs).toISOString().slice(0, 10);
    for (let i = 0; i < everyMs / commitMs; i++)
      live.push(file(`${nowMs}-${i}`, commitBytes, date, nowMs + i * commitMs, 20));
    landed += (everyMs / commitMs) * commitBytes;
    most = Math.max(most, live.length);
    const plan = planCompaction(snapshotOf(live), nowMs + everyMs, options);
    rewritten += plan.reduce((sum, { bytes }) => sum + bytes, 0);
    live = applied(live, plan, nowMs + everyMs, 0.9, `r${nowMs}-`);
  }
  console.log(
    `a simulated week: at most ${most} files, ${(rewritten / landed).toFixed(2)} bytes rewritten per byte`,
  );
  expect(most).toBeLessThan(1_000);
  expect(rewritten / landed).toBeLessThan(8);
}, 60_000);
