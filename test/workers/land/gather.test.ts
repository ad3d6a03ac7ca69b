import { expect, test } from "vitest";
import { freshPartition } from "../../../core/landed.ts";
import { gather } from "../../../workers/land/gather.ts";
import { slowestIngestMs } from "../../../core/slowest-ingest.ts";
import { StillTimer } from "../../../workers/land/still-timer.ts";
import { event, eventType, declare, install, type Installation, send } from "./setup.ts";

async function filled(
  partitions: number,
  batches: readonly (readonly [number, number])[],
): Promise<Installation> {
  const at = await install();
  await declare(at, eventType(), partitions);
  for (const [partition, count] of batches)
    await send(
      at,
      Array.from({ length: count }, (_, i) => event(i)),
      partition,
    );
  return at;
}

function cursors(...at: readonly number[]) {
  return at.map((cursor, i) => ({ ...freshPartition("log", "stream", i), cursor }));
}

test("rows are a hard bound, also within one batch of the log", async () => {
  const at = await filled(1, [[0, 100]]);
  for (let cursor = 0; cursor < 100;) {
    const { batches, count, next, isAtEnd } = await gather(at.log, "order.created", cursors(cursor), 1e9, 30);
    expect(count).toBe(Math.min(30, 100 - cursor));
    expect(batches.flatMap((batch) => [...batch.offsets])).toEqual(
      Array.from({ length: count }, (_, i) => cursor + i),
    );
    expect(next).toEqual([cursor + count]);
    cursor += count;
    expect(isAtEnd).toEqual([cursor === 100]);
  }
});

test("a backlog in one partition starves no other, however small the budget", async () => {
  const at = await filled(
    4,
    [0, 1, 2, 3].flatMap((partition) => Array.from({ length: 5 }, () => [partition, 50] as const)),
  );
  for (const [bytes, rows] of [
    [1, 1],
    [100, 1_000],
    [1e9, 3],
    [5_000, 40],
  ] as const) {
    const { next, isAtEnd } = await gather(at.log, "order.created", cursors(0, 0, 0, 0), bytes, rows);
    for (const offset of next) expect(offset).toBeGreaterThan(0);
    expect(isAtEnd).toEqual([false, false, false, false]);
  }
});

test("a log that ends before the cursor, or begins behind it, stops the table", async () => {
  const at = await filled(1, [[0, 3]]);
  await expect(gather(at.log, "order.created", cursors(4), 1e9, 9)).rejects.toMatchObject({
    code: "log.identity",
  });
  at.clock.advance(365 * 86_400_000);
  await at.log.retain();
  await expect(gather(at.log, "order.created", cursors(1), 1e9, 9)).rejects.toMatchObject({
    code: "log.offset_out_of_range",
    details: { from: 1, to: 3 },
  });
});

function of(ingestMs: number | undefined, isIdle = false) {
  return { ...cursors(0)[0]!, ingestMs, isIdle };
}

test("ids are kept for the slowest partition that counts, with slack for idle ones", () => {
  const day = 86_400_000;
  expect(slowestIngestMs([of(9 * day), of(5 * day)])).toBe(5 * day);
  expect(slowestIngestMs([of(9 * day), of(undefined)])).toBe(0);
  expect(slowestIngestMs([of(9 * day), of(5 * day, true)])).toBe(9 * day - 600_000);
  expect(slowestIngestMs([of(9 * day, true), of(undefined, true)])).toBe(9 * day - 600_000);
  expect(slowestIngestMs([of(undefined, true)])).toBe(0);
});

test("silence begins with the first look at a cursor and ends with its last", () => {
  const timer = new StillTimer(2);
  expect(timer.stillMs(0, 10, 1_000)).toBe(0);
  expect(timer.stillMs(0, 10, 61_000)).toBe(60_000);
  expect(timer.stillMs(1, 10, 61_000)).toBe(0);
  expect(timer.stillMs(0, 11, 62_000), "another owner landed").toBe(0);
  expect(timer.stillMs(0, undefined, 63_000), "a backlog").toBe(-1);
  expect(timer.stillMs(0, 11, 64_000)).toBe(0);
});
