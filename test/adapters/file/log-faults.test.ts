import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, test } from "vitest";
import type { Disk } from "../../../adapters/file/disk.ts";
import { type FileLogOptions, openFileLog } from "../../../adapters/file/log.ts";
import { ManualClock, seededRandomness } from "../../../core/clock.ts";
import type { MuaraError } from "../../../core/errors.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { Log } from "../../../core/ports/log.ts";
import { DELETE, HOUR_MS, payloadsOf, rejects, textBatch } from "../../conformance/log-harness.ts";
import { diskError, hookedDisk, quickDisk, quickRoot, SlowSync } from "./log-disks.ts";

const root = await mkdtemp(join(quickRoot, "muara-faults-"));
afterAll(() => rm(root, { recursive: true, force: true }));
let directories = 0;

interface Opened {
  readonly log: Log;
  readonly directory: string;
  readonly fatals: MuaraError[];
  readonly clock: ManualClock;
  readonly again: () => Promise<Log>;
  /** Opens a directory without faults. */
  readonly reopen: (directory: string) => Promise<Log>;
}

async function open(hooks: Partial<Disk>, limits: Partial<FileLogOptions> = {}): Promise<Opened> {
  const directory = join(root, `${directories++}`);
  const clock = new ManualClock(1_700_000_000_000);
  const common = { directory, clock, randomness: seededRandomness(directories), logger: silentLogger };
  const fatals: MuaraError[] = [];
  const onFatal = (error: MuaraError): void => void fatals.push(error);
  // The hooks take effect once the log is open.
  const disk = { ...quickDisk };
  const log = await openFileLog({ ...common, disk, onFatal, ...limits });
  await log.createStream("s", DELETE);
  await log.append("s", 0, textBatch("before"));
  Object.assign(disk, hookedDisk(hooks));
  const reopen = (path: string): Promise<Log> =>
    openFileLog({ ...common, directory: path, disk: quickDisk, ...limits });
  const again = async (): Promise<Log> => {
    await log.close();
    return reopen(directory);
  };
  return { log, directory, fatals, clock, again, reopen };
}

const writeLittle: Disk["write"] = (fd, source, position) =>
  quickDisk.write(fd, source.subarray(0, Math.min(source.length, 37)), position);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("nothing is visible, counted or acknowledged before its sync is over", async () => {
  const sync = new SlowSync();
  const { log } = await open({ datasync: sync.datasync });
  const seen = log.appendCount;
  let acknowledged = 0;
  const first = log.append("s", 0, textBatch("one")).then(() => acknowledged++);
  await pause(30);
  const later = ["two", "three", "four"].map((text) =>
    log.append("s", 0, textBatch(text)).then(() => acknowledged++),
  );
  const stream = log.createStream("t", DELETE);
  await pause(30);
  assert.equal(sync.count, 1, "a second group was written before the first was durable");
  assert.deepEqual([acknowledged, log.appendCount], [0, seen]);
  assert.deepEqual(await payloadsOf(log, "s", 0), ["before"]);
  assert.equal((await log.bounds("s", 0)).endOffset, 1);
  assert.equal((await log.accepted("s"))[0]!.count, 1);
  assert.equal(await log.stream("t"), undefined);
  sync.release();
  await first;
  assert.deepEqual([acknowledged, log.appendCount], [1, seen + 1]);
  assert.deepEqual(await payloadsOf(log, "s", 0), ["before", "one"]);
  await pause(30);
  assert.equal(sync.count, 2, "what was queued meanwhile goes into one group");
  sync.release();
  await Promise.all([...later, stream]);
  assert.deepEqual(await payloadsOf(log, "s", 0), ["before", "one", "two", "three", "four"]);
});

test("no record becomes visible below the ingest floor told while it was being written", async () => {
  const sync = new SlowSync();
  const { log, clock } = await open({ datasync: sync.datasync });
  const writing = log.append("s", 0, textBatch("slow"));
  await pause(20);
  clock.advance(60_000);
  const { endOffset, ingestFloorMs } = await log.bounds("s", 0);
  sync.release();
  const { baseOffset, ingestMs } = await writing;
  assert.equal(baseOffset, endOffset);
  assert.ok(ingestMs >= ingestFloorMs, `${ingestMs} below the floor ${ingestFloorMs}`);
});

test("short writes are continued", async () => {
  const { log, again } = await open({ write: writeLittle }, { segmentBytes: 5000, cacheBytes: 0 });
  const texts = Array.from({ length: 30 }, (_, i) => `${i} ${"x".repeat(500)}`);
  for (const text of texts) await log.append("s", 0, textBatch(text));
  assert.deepEqual(await payloadsOf(log, "s", 0), ["before", ...texts]);
  const reopened = await again();
  assert.deepEqual(await payloadsOf(reopened, "s", 0), ["before", ...texts]);
  await reopened.close();
});

test("a full disk: appends are refused and not stored, reads go on, and it recovers by itself", async () => {
  let room = 700;
  const write: Disk["write"] = async (fd, source, position) => {
    if (room <= 0) throw diskError("ENOSPC");
    const part = source.subarray(0, Math.min(source.length, room));
    room -= part.length;
    return quickDisk.write(fd, part, position);
  };
  const { log, again, fatals } = await open({ write }, { cacheBytes: 0 });
  const stored = ["before"];
  for (let round = 0; round < 4; round++) {
    const texts = [0, 1, 2].map((i) => `${round}.${i} ${"x".repeat(150)}`);
    const producer = { id: `p${round}`, epoch: 0, sequence: 0 };
    try {
      await log.append("s", 0, textBatch(...texts), producer);
      stored.push(...texts);
    } catch (error) {
      assert.equal((error as MuaraError).code, "log.full");
      assert.deepEqual(await payloadsOf(log, "s", 0), stored);
      room = 900;
      const { isRepeat } = await log.append("s", 0, textBatch(...texts), producer);
      assert.equal(isRepeat, false);
      stored.push(...texts);
    }
    assert.deepEqual(await payloadsOf(log, "s", 0), stored);
  }
  assert.equal(fatals.length, 0);
  const reopened = await again(); // and closing does not mind
  assert.deepEqual(await payloadsOf(reopened, "s", 0), stored);
  await reopened.close();
});

test("a full disk at the sync, or while a segment is created, is survived as well", async () => {
  let isFull = true;
  const datasync: Disk["datasync"] = async () => {
    if (!isFull) return;
    isFull = false;
    throw diskError("ENOSPC");
  };
  const synced = await open({ datasync });
  await rejects(synced.log.append("s", 0, textBatch("lost")), "log.full");
  const copy = `${synced.directory}-killed`;
  await cp(synced.directory, copy, { recursive: true, filter: (path) => !path.endsWith("lock") });
  const killed = await synced.reopen(copy);
  assert.deepEqual(await payloadsOf(killed, "s", 0), ["before"], "a refused append was stored");
  await killed.close();
  assert.deepEqual(await payloadsOf(synced.log, "s", 0), ["before"]);
  await synced.log.append("s", 0, textBatch("kept"));
  const reopened = await synced.again();
  assert.deepEqual(await payloadsOf(reopened, "s", 0), ["before", "kept"]);
  await reopened.close();

  let creates = 0;
  const opening: Disk["open"] = (path, mode) => {
    if (mode === "create" && path.endsWith(".log") && creates++ === 0) throw diskError("EDQUOT");
    return quickDisk.open(path, mode);
  };
  const rolled = await open({ open: opening }, { segmentBytes: 0 });
  await rejects(rolled.log.append("s", 0, textBatch("lost")), "log.full");
  await rolled.log.append("s", 0, textBatch("kept"));
  assert.deepEqual(await payloadsOf(rolled.log, "s", 0), ["before", "kept"]);
  assert.deepEqual([synced.fatals.length, rolled.fatals.length], [0, 0]);
  await (await rolled.again()).close();
});

for (const operation of ["datasync", "write"] as const)
  test(`an input/output error of ${operation} ends the log: unknown, refused, and told once`, async () => {
    let failures = 0;
    const fail = async (): Promise<never> => {
      await pause(20);
      failures++;
      throw diskError("EIO");
    };
    const { log, fatals, again } = await open({ [operation]: fail });
    const waiting = log.waitForAppend(log.appendCount, new AbortController().signal);
    const writing = log.append("s", 0, textBatch("in doubt"));
    const queued = pause(5).then(() => log.append("s", 0, textBatch("queued")));
    await Promise.all([rejects(writing, "log.append_unknown"), rejects(queued, "log.sync_failed"), waiting]);
    await rejects(log.append("s", 0, textBatch("later")), "log.sync_failed");
    await rejects(log.read("s", 0, 0, 1000), "log.sync_failed");
    await rejects(log.createStream("t", DELETE), "log.sync_failed");
    assert.deepEqual(
      fatals.map((error) => error.code),
      ["log.sync_failed"],
    );
    assert.equal(failures, 1, "a failed sync was tried again");
    const reopened = await again();
    const found = await payloadsOf(reopened, "s", 0);
    assert.deepEqual(
      found.filter((text) => text !== "in doubt"),
      ["before"],
    );
    await reopened.close();
  });

test("what waits for the disk is bounded; what comes on top is refused at once", async () => {
  const sync = new SlowSync();
  const { log } = await open({ datasync: sync.datasync }, { pendingBytesMax: 10_000 });
  const work = Array.from({ length: 20 }, () => log.append("s", 0, textBatch("x".repeat(1000))));
  const outcomes = Promise.allSettled(work);
  await rejects(log.append("s", 1, textBatch("x".repeat(9000))), "log.overloaded");
  for (let i = 0; i < 3; i++) {
    await pause(20);
    sync.release();
  }
  const accepted = (await outcomes).filter((outcome) => outcome.status === "fulfilled").length;
  assert.ok(accepted >= 8 && accepted <= 9, `${accepted} accepted`);
  assert.equal((await log.bounds("s", 0)).endOffset, 1 + accepted);
  const large = log.append("s", 1, textBatch("x".repeat(50_000)));
  await pause(20);
  sync.release();
  assert.equal((await large).baseOffset, 0, "a batch larger than the bound passes when nothing waits");
});

/** What the log says of itself, against its files. Call it after `retain`, which waits for indexes being written. */
async function assertDiskUse(log: Log, directory: string): Promise<void> {
  const names = (await readdir(directory)).filter((name) => /^(segment|compacted)-/.test(name));
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(directory, name))).size));
  const bytes = sizes.reduce((sum, size) => sum + size, 0);
  const segments = names.filter((name) => name.endsWith(".log")).length;
  assert.deepEqual(log.diskUse?.(), { bytes, bytesMax: 20_000, segments });
}

test("the disk budget refuses, deletes nothing, and opens again after retention", async () => {
  const { log, clock, directory } = await open({}, { diskBytesMax: 20_000, segmentBytes: 4000 });
  let accepted = 0;
  const fill = async (): Promise<void> => {
    for (;;) {
      await log.append("s", 0, textBatch("x".repeat(900)));
      accepted++;
    }
  };
  await rejects(fill(), "log.full");
  assert.ok(accepted >= 12 && accepted <= 20, `${accepted} accepted`);
  await rejects(log.append("s", 0, textBatch("x".repeat(900))), "log.full");
  await log.retain();
  await assertDiskUse(log, directory);
  assert.equal((await payloadsOf(log, "s", 0)).length, 1 + accepted);
  clock.advance(3 * HOUR_MS);
  assert.ok((await log.retain()) > 10_000);
  await assertDiskUse(log, directory);
  await log.append("s", 0, textBatch("room again"));
  assert.ok((await readdir(directory)).filter((name) => name.endsWith(".log")).length <= 2);
  await log.close();
});

test("above its size the log gives up the oldest segments before their age, but none that is held", async () => {
  const { log } = await open({}, { retentionBytes: 10_000, segmentBytes: 2000 });
  await log.hold("reader", [{ stream: "s", partition: 0, offset: 3 }]);
  for (let i = 0; i < 30; i++) await log.append("s", 0, textBatch("x".repeat(900)));
  await log.retain();
  assert.ok((await log.bounds("s", 0)).startOffset <= 3);
  await log.hold("reader", [{ stream: "s", partition: 0, offset: 31 }]);
  await log.retain();
  const { startOffset, endOffset } = await log.bounds("s", 0);
  assert.ok(endOffset - startOffset >= 6 && endOffset - startOffset <= 10, `${startOffset} to ${endOffset}`);
  await log.close();
});

test("after a start nothing is removed until every consumer has said what it needs", async () => {
  const { log, clock, again } = await open({}, { segmentBytes: 0 });
  await log.append("s", 0, textBatch("second"));
  await log.hold("fast", [{ stream: "s", partition: 0, offset: 2 }]);
  await log.hold("slow", [{ stream: "s", partition: 0, offset: 0 }]);
  await log.hold("released", [{ stream: "s", partition: 0, offset: 0 }]);
  await log.hold("released", []);
  const reopened = await again();
  clock.advance(100 * HOUR_MS);
  await reopened.hold("fast", [{ stream: "s", partition: 0, offset: 2 }]);
  assert.equal(await reopened.retain(), 0);
  await reopened.hold("slow", [{ stream: "s", partition: 0, offset: 1 }]);
  assert.ok((await reopened.retain()) > 0);
  assert.equal((await reopened.bounds("s", 0)).startOffset, 1);
  await reopened.close();
});

test("retention works on a full disk, from the room kept for it", async () => {
  let isFull = false;
  const write: Disk["write"] = async (fd, source, position) => {
    if (isFull) throw diskError("ENOSPC");
    return quickDisk.write(fd, source, position);
  };
  const remove: Disk["remove"] = (path) => {
    if (path.endsWith("reserve")) isFull = false;
    return quickDisk.remove(path);
  };
  const { log, clock, directory } = await open({ write, remove }, { segmentBytes: 1000 });
  for (let i = 0; i < 10; i++) await log.append("s", 0, textBatch("x".repeat(500)));
  clock.advance(3 * HOUR_MS);
  isFull = true;
  await rejects(log.append("s", 0, textBatch("full")), "log.full");
  await rejects(log.hold("reader", [{ stream: "s", partition: 0, offset: 5 }]), "log.full");
  assert.ok((await log.retain()) > 4000);
  assert.ok((await readdir(directory)).includes("reserve"));
  assert.equal((await log.bounds("s", 0)).startOffset, 5);
  await log.append("s", 0, textBatch("room again"));
  await log.close();
});

test("a segment that is being read is removed only afterwards", async () => {
  const slow = new SlowSync();
  let isSlow = false;
  const read: Disk["read"] = async (fd, target, position) => {
    if (isSlow) await slow.datasync();
    return quickDisk.read(fd, target, position);
  };
  const { log, clock } = await open({ read }, { segmentBytes: 0, cacheBytes: 0 });
  await log.append("s", 0, textBatch("second"));
  clock.advance(100 * HOUR_MS);
  isSlow = true;
  const reading = log.read("s", 0, 0, 1000);
  const retaining = log.retain();
  await pause(50);
  isSlow = false;
  slow.release();
  assert.equal((await reading).count, 1);
  assert.ok((await retaining) > 0);
  await log.close();
});
