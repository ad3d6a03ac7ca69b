/** Receipts against a manifest of several windows: which difference is found, and where. */
import { expect, test } from "vitest";
import { compareReceipt } from "../../../lake/extract/receipts.ts";
import { sampleManifest } from "./samples.ts";

const manifest = sampleManifest(3); // 20 rows on the 20th, none on the 21st, 10 appended on the 22nd; 12.50 each

test("equal is equal, however the numbers are written", () => {
  expect(compareReceipt(manifest, { rows: 30 })).toEqual([]);
  expect(compareReceipt(manifest, { rows: 30, totals: { amount: "37.5" } })).toEqual([]);
  expect(compareReceipt(manifest, { rows: 30, totals: { amount: "37.5000" } })).toEqual([]);
  const partitions = [
    { partition: "2026-11-20", rows: 20, totals: { amount: "12.5" } },
    { partition: "2026-11-21", rows: 0 },
    { partition: "2026-11-22", rows: 10 },
  ];
  expect(compareReceipt(manifest, { rows: 30, partitions })).toEqual([]);
});

test("a difference of the whole names no partition, one by partition does", () => {
  expect(compareReceipt(manifest, { rows: 31 })).toEqual([
    { partition: null, what: "rows", expected: "30", reported: "31" },
  ]);
  expect(compareReceipt(manifest, { rows: 30, totals: { amount: "37.501" } })).toMatchObject([
    { what: "amount", expected: "37.50", reported: "37.501" },
  ]);
  const partitions = [
    { partition: "2026-11-20", rows: 19, totals: { amount: "12.51", other: "1" } },
    { partition: "2026-11-23", rows: 1 },
    { partition: "2026-11-22", rows: 10 },
    { partition: "2026-11-22", rows: 10 },
  ];
  expect(compareReceipt(manifest, { rows: 30, partitions })).toEqual([
    { partition: "2026-11-20", what: "rows", expected: "20", reported: "19" },
    { partition: "2026-11-20", what: "amount", expected: "12.50", reported: "12.51" },
    { partition: "2026-11-20", what: "other", expected: "no such total", reported: "1" },
    { partition: "2026-11-23", what: "partition", expected: "not in this version", reported: "loaded" },
    { partition: "2026-11-22", what: "times reported", expected: "1", reported: "2" },
    { partition: "2026-11-21", what: "partition", expected: "in this version", reported: "missing" },
  ]);
});

test("counts of distinct values do not add up, and are not compared as if they did", () => {
  expect(compareReceipt(manifest, { rows: 30, totals: { distinct_order_id: "3" } })).toMatchObject([
    { expected: "no such total of the whole version" },
  ]);
});
