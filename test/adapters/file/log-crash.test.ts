/**
 * A stop at every single operation that changes the disk, of a run that appends, rolls segments, creates streams,
 * holds, retains and compacts; kept as it was, and with everything lost that was never synced. Whatever was
 * acknowledged is there afterwards, and the log goes on.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, test } from "vitest";
import type { Disk } from "../../../adapters/file/disk.ts";
import { openFileLog } from "../../../adapters/file/log.ts";
import { ManualClock, seededRandomness } from "../../../core/clock.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { Log } from "../../../core/ports/log.ts";
import { packRecords } from "../../../core/record.ts";
import { HOUR_MS, readAll, stateOf } from "../../conformance/log-harness.ts";
import { CrashDisk, quickDisk, quickRoot } from "./log-disks.ts";

const root = await mkdtemp(join(quickRoot, "muara-crash-"));
afterAll(() => rm(root, { recursive: true, force: true }));

const START_MS = 1_700_000_000_000;

function open(directory: string, clock: ManualClock, disk: Disk): Promise<Log> {
  const randomness = seededRandomness(7);
  return openFileLog({ directory, clock, randomness, logger: silentLogger, disk, segmentBytes: 700 });
}

/** What was acknowledged, and what may or may not be there. */
interface Story {
  readonly events: { readonly text: string; readonly ingestMs: number }[];
  readonly meta: Map<string, string>;
  eventInDoubt: string | undefined;
  metaInDoubt: string | undefined;
  hold: number;
  streams: number;
}

const newStory = (): Story => ({
  events: [],
  meta: new Map(),
  eventInDoubt: undefined,
  metaInDoubt: undefined,
  hold: -1,
  streams: 0,
});

async function appendEvent(log: Log, story: Story, text: string): Promise<void> {
  story.eventInDoubt = text;
  const producer = { id: "producer", epoch: 0, sequence: story.events.length };
  const { ingestMs, baseOffset } = await log.append(
    "events",
    0,
    packRecords([{ payload: Buffer.from(text) }]),
    producer,
  );
  assert.equal(baseOffset, story.events.length);
  story.events.push({ text, ingestMs });
  story.eventInDoubt = undefined;
}

async function appendMeta(log: Log, story: Story, key: string, text: string): Promise<void> {
  story.metaInDoubt = key;
  await log.append("meta", 0, packRecords([{ key, payload: Buffer.from(text) }]));
  story.meta.set(key, text);
  story.metaInDoubt = undefined;
}

async function live(log: Log, clock: ManualClock, story: Story): Promise<void> {
  await log.createStream("events", { partitions: 1, cleanup: "delete", retentionMs: 3 * HOUR_MS });
  await log.createStream("meta", { partitions: 1, cleanup: "compact", retentionMs: 0 });
  story.streams = 2;
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 3; i++) {
      await appendEvent(log, story, `event ${round}.${i} ${"x".repeat(90)}`);
      await appendMeta(log, story, `key ${i}`, `${round}`);
    }
    clock.advance(2 * HOUR_MS);
    const offset = Math.max(0, story.events.length - 4);
    await log.hold("reader", [{ stream: "events", partition: 0, offset }]);
    story.hold = offset;
    await log.retain();
  }
  await log.close();
}

async function check(log: Log, story: Story): Promise<void> {
  assert.ok((await log.listStreams()).length >= story.streams);
  if (story.streams < 2) return;
  const { startOffset, endOffset } = await log.bounds("events", 0);
  const events = await readAll(log, "events", 0, startOffset);
  const { length } = story.events;
  assert.ok(
    endOffset === length || (endOffset === length + 1 && story.eventInDoubt),
    `${endOffset} of ${length}`,
  );
  assert.ok(story.hold < 0 || startOffset <= story.hold, "retention passed a hold");
  const texts = [...story.events.map((event) => event.text), story.eventInDoubt].slice(
    startOffset,
    endOffset,
  );
  assert.deepEqual(
    events.map((event) => event.payload),
    texts,
  );
  const counted = (await log.accepted("events")).reduce((sum, { count }) => sum + count, 0);
  assert.equal(counted, endOffset);
  const state = stateOf(await readAll(log, "meta", 0, 0));
  const keys = new Set([...story.meta.keys(), ...Object.keys(state)]);
  for (const key of keys) if (key !== story.metaInDoubt) assert.equal(state[key], story.meta.get(key), key);
}

/** The producer sends what it does not know about again, and life goes on, twice. */
async function goOn(log: Log, clock: ManualClock, story: Story): Promise<void> {
  await log.createStream("events", { partitions: 1, cleanup: "delete", retentionMs: 3 * HOUR_MS });
  await log.createStream("meta", { partitions: 1, cleanup: "compact", retentionMs: 0 });
  story.streams = 2;
  if (story.eventInDoubt) await appendEvent(log, story, story.eventInDoubt);
  if (story.metaInDoubt) await appendMeta(log, story, story.metaInDoubt, "again");
  await appendEvent(log, story, "after the crash");
  clock.advance(HOUR_MS);
  if (story.hold >= 0) {
    assert.equal(await log.retain(), 0, "retention before the reader has declared its holds");
    await log.hold("reader", [{ stream: "events", partition: 0, offset: story.hold }]);
  }
  await log.retain();
  await check(log, story);
  await appendMeta(log, story, "key 0", "last");
}

/** @returns whether the run was over before that operation */
async function crashAt(operation: number, isLossy: boolean): Promise<boolean> {
  const directory = join(root, `${operation}${isLossy ? "-lost" : ""}`);
  const clock = new ManualClock(START_MS);
  const story = newStory();
  const disk = new CrashDisk(operation);
  let isDone = false;
  try {
    await live(await open(directory, clock, disk), clock, story);
    isDone = true;
  } catch {
    // however the operation that was stopped reported it
  }
  await releaseLock(directory);
  if (isLossy) disk.lose();
  try {
    const log = await open(directory, clock, quickDisk);
    await check(log, story);
    await goOn(log, clock, story);
    await log.close();
    const again = await open(directory, clock, quickDisk);
    await check(again, story);
    await again.close();
  } catch (error) {
    throw new Error(`operation ${operation}, lossy ${isLossy}`, { cause: error });
  }
  await rm(directory, { recursive: true });
  return isDone;
}

/** The killed process's lock would go with it; here the process lives on. */
async function releaseLock(directory: string): Promise<void> {
  await rm(join(directory, "lock"), { force: true });
}

for (const isLossy of [false, true])
  test(`a stop at every operation loses nothing, ${isLossy ? "unsynced writes lost" : "all writes kept"}`, async () => {
    const stride = process.env["MUARA_LONG"] ? 1 : 4; // 4 and 250 operations: other ones in each mode
    let operation = isLossy ? 1 : 3;
    while (!(await crashAt(operation, isLossy))) operation += stride;
    assert.ok(operation > 80, `only ${operation} operations`);
  });
