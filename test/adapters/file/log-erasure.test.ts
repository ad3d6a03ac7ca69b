/**
 * Erasure in the log on disk, past the log itself: no file of its folder holds the text afterwards; and a stop at every
 * operation of it, kept as it was or with everything lost that was never synced, leaves each record as it was or
 * erased, and an erasure that is repeated finishes.
 */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Disk } from "../../../adapters/file/disk.ts";
import { openFileLog } from "../../../adapters/file/log.ts";
import { ManualClock, seededRandomness } from "../../../core/clock.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { Log, LogRecord } from "../../../core/ports/log.ts";
import { packRecords, RECORD_WORDS, type RecordBatch } from "../../../core/record.ts";
import { DELETE, payloadsOf, readAll, textBatch } from "../../conformance/log-harness.ts";
import { CrashDisk, diskError, hookedDisk, quickDisk, quickRoot } from "./log-disks.ts";

const SECRET = "canary-4417";
const root = await mkdtemp(join(quickRoot, "muara-erasure-"));
afterAll(() => rm(root, { recursive: true, force: true }));

const never = new AbortController().signal;
const ranges = [0, 1].map((partition) => ({ partition, from: 0, to: 1_000 }));
const isGone = ({ payload }: LogRecord): boolean => Buffer.from(payload).includes(SECRET);

function open(directory: string, disk: Disk, seed = 3): Promise<Log> {
  const clock = new ManualClock(1_700_000_000_000);
  const randomness = seededRandomness(seed);
  return openFileLog({ directory, clock, randomness, logger: silentLogger, disk, segmentBytes: 900 });
}

async function fill(log: Log): Promise<readonly (string | null)[]> {
  await log.createStream("s", DELETE);
  await log.createStream("meta", { partitions: 1, cleanup: "compact", retentionMs: 0 });
  const texts: string[] = [];
  for (let i = 0; i < 12; i++) {
    const own = [`${i} ${"x".repeat(60)}`, i % 3 === 0 ? `${i} ${SECRET}` : `${i} another`];
    const producer = { id: "producer", epoch: 0, sequence: i };
    await log.append("s", 0, textBatch(...own), producer);
    await log.append("meta", 0, packRecords([{ key: `${i % 2}`, payload: Buffer.from(`${i}`) }]));
    texts.push(...own);
  }
  return texts;
}

/** Files of the folder that hold the text. */
async function holders(directory: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const name of await readdir(directory)) {
    // A sidecar may be taking its name just now.
    const bytes = await readFile(join(directory, name)).catch(() => Buffer.alloc(0));
    if (bytes.includes(SECRET)) found.push(name);
  }
  return found;
}

const erased = (texts: readonly (string | null)[]): readonly (string | null)[] =>
  texts.map((text) => (text?.includes(SECRET) === true ? null : text));

test("no file of the log holds the text, the one that was written to included", async () => {
  const directory = join(root, "scan");
  const log = await open(directory, quickDisk);
  const texts = await fill(log);
  expect((await holders(directory)).length).toBeGreaterThan(2);
  const accepted = await log.accepted("s");
  expect(await log.erase!("s", ranges, isGone, never)).toBe(4);
  expect(await holders(directory)).toEqual([]);
  await log.close();
  expect(await holders(directory)).toEqual([]);
  const again = await open(directory, quickDisk);
  expect(await payloadsOf(again, "s", 0)).toEqual(erased(texts));
  expect(await again.accepted("s")).toEqual(accepted);
  await again.close();
});

/** Records that lie in one request's bytes, as the door hands them over. */
function batchOf(body: string, records: readonly string[]): RecordBatch {
  const bytes = new TextEncoder().encode(body);
  const index = new Uint32Array(records.length * RECORD_WORDS);
  records.forEach((record, i) => {
    index.set([body.indexOf(record), record.length, 0, 0xffff_ffff, 0, 0], i * RECORD_WORDS);
  });
  return { count: records.length, bytes, index };
}

test("what a request held for another partition is not stored beside it", async () => {
  const directory = join(root, "gaps");
  const log = await open(directory, quickDisk);
  await log.createStream("s", DELETE);
  const others = Array.from({ length: 20 }, (_, i) => `{"n":${i},"note":"${"y".repeat(40)}"}`);
  const mine = `{"who":"${SECRET}"}`;
  const body = `[${[...others.slice(0, 9), mine, ...others.slice(9)].join(",")}]`;
  await log.append("s", 0, batchOf(body, others));
  expect(await payloadsOf(log, "s", 0)).toEqual(others);
  expect(await holders(directory)).toEqual([]);
  await log.append("s", 1, batchOf(body, [mine]));
  expect((await holders(directory)).length).toBe(1);
  expect(await log.erase!("s", ranges, isGone, never)).toBe(1);
  expect(await holders(directory)).toEqual([]);
  await log.close();
});

/** @returns whether the erasure was over before that operation */
async function crashAt(operation: number, isLossy: boolean): Promise<boolean> {
  const directory = join(root, `${operation}${isLossy ? "-lost" : ""}`);
  const before = await open(directory, quickDisk);
  const texts = await fill(before);
  await before.close();
  const disk = new CrashDisk(operation);
  let isDone = false;
  try {
    const log = await open(directory, disk, 4);
    await log.erase!("s", ranges, isGone, never);
    isDone = true;
    await log.close();
  } catch {
    // however the operation that was stopped reported it
  }
  await rm(join(directory, "lock"), { force: true });
  if (isLossy) disk.lose();
  const log = await open(directory, quickDisk, 5);
  const left = await payloadsOf(log, "s", 0);
  const gone = erased(texts);
  assert.equal(left.length, texts.length);
  left.forEach((text, i) => assert.ok(text === texts[i] || text === gone[i], `record ${i}: ${text}`));
  assert.equal((await readAll(log, "meta", 0, 0)).length, 12);
  await log.erase!("s", ranges, isGone, never);
  assert.deepEqual(await payloadsOf(log, "s", 0), gone);
  const producer = { id: "producer", epoch: 0, sequence: 11 };
  assert.equal((await log.append("s", 0, textBatch("11", "another"), producer)).isRepeat, true);
  await log.close();
  assert.deepEqual(await holders(directory), []);
  await rm(directory, { recursive: true });
  return isDone;
}

for (const isLossy of [false, true])
  test(`a stop at every operation, ${isLossy ? "unsynced writes lost" : "all writes kept"}`, async () => {
    let operation = 1;
    while (!(await crashAt(operation, isLossy))) operation++;
    expect(operation).toBeGreaterThan(20);
  }, 120_000);

test("a full disk refuses it and changes nothing; a failed rename ends the log", async () => {
  const directory = join(root, "full");
  let isFull = false;
  let isBroken = false;
  const disk = hookedDisk({
    write: async (fd, source, position) => {
      if (isFull) throw diskError("ENOSPC");
      return quickDisk.write(fd, source, position);
    },
    rename: async (from, to) => {
      if (isBroken && to.endsWith(".log")) throw diskError("EIO");
      return quickDisk.rename(from, to);
    },
  });
  const log = await open(directory, disk);
  const texts = await fill(log);
  await log.append("meta", 0, packRecords([{ key: "k", payload: Buffer.alloc(900) }])); // seals the last one
  isFull = true;
  await expect(log.erase!("s", ranges, isGone, never)).rejects.toMatchObject({ code: "log.full" });
  isFull = false;
  expect(await payloadsOf(log, "s", 0)).toEqual(texts);
  expect((await readdir(directory)).filter((name) => name.endsWith(".log.tmp"))).toEqual([]);
  isBroken = true;
  await expect(log.erase!("s", ranges, isGone, never)).rejects.toMatchObject({ code: "log.sync_failed" });
  await expect(log.read("s", 0, 0, 1)).rejects.toMatchObject({ code: "log.sync_failed" });
  await log.close();
  const again = await open(directory, quickDisk);
  await again.erase!("s", ranges, isGone, never);
  expect(await payloadsOf(again, "s", 0)).toEqual(erased(texts));
  await again.close();
});
