/** What the log says of a disk that is full, and what it does when anything of its directory is in doubt. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, test } from "vitest";
import type { Disk } from "../../../adapters/file/disk.ts";
import { type FileLogOptions, openFileLog } from "../../../adapters/file/log.ts";
import { ManualClock, seededRandomness } from "../../../core/clock.ts";
import { type MuaraError, hasCode } from "../../../core/errors.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { Log } from "../../../core/ports/log.ts";
import { DELETE, payloadsOf, rejects, textBatch } from "../../conformance/log-harness.ts";
import { diskError, quickDisk, quickRoot } from "./log-disks.ts";

const root = await mkdtemp(join(quickRoot, "muara-doubt-"));
afterAll(() => rm(root, { recursive: true, force: true }));
let directories = 0;

const failToSync: Disk["syncDirectory"] = () =>
  Promise.reject(Object.assign(diskError("EIO"), { syscall: "fsync" }));

async function open(
  disk: Disk,
  limits: Partial<FileLogOptions> = {},
): Promise<{ log: Log; fatals: MuaraError[]; directory: string }> {
  const { directory = join(root, `${directories++}`) } = limits;
  const fatals: MuaraError[] = [];
  const onFatal = (error: MuaraError): void => void fatals.push(error);
  const services = { clock: new ManualClock(1_700_000_000_000), randomness: seededRandomness(directories) };
  const log = await openFileLog({ ...services, logger: silentLogger, disk, onFatal, ...limits, directory });
  return { log, fatals, directory };
}

test("a log says why it would refuse: its budget, its disk, or the last group that did not fit", async () => {
  let free = 1 << 30;
  let isFull = false;
  const disk: Disk = {
    ...quickDisk,
    freeBytes: async () => free,
    write: (fd, source, position) =>
      isFull && source.length > 100_000
        ? Promise.reject(diskError("ENOSPC"))
        : quickDisk.write(fd, source, position),
  };
  const { log } = await open(disk);
  await log.createStream("s", DELETE);
  const code = async (): Promise<string | undefined> => (await log.refusal!())?.code;
  assert.equal(await code(), undefined);
  free = 1_000;
  assert.equal(await code(), "log.full");
  free = 150_000;
  assert.equal(await code(), undefined);
  isFull = true;
  await rejects(log.append("s", 0, textBatch("x".repeat(200_000))), "log.full");
  assert.equal(await code(), "log.full"); // there is room, but not for what is sent
  await log.append("s", 0, textBatch("little"));
  assert.equal(await code(), undefined);
  await log.close();

  const small = await open(quickDisk, { diskBytesMax: 1_000 });
  await small.log.createStream("s", DELETE);
  await small.log.append("s", 0, textBatch("x".repeat(300)));
  await rejects(small.log.append("s", 0, textBatch("x".repeat(900))), "log.full");
  assert.equal((await small.log.refusal!())?.code, "log.full");
  await small.log.append("s", 0, textBatch("little"));
  assert.equal(await small.log.refusal!(), undefined);
  await small.log.close();
});

test("a log opens on a full disk, is read, and takes appends when there is room", async () => {
  const { log, directory } = await open(quickDisk);
  await log.createStream("s", DELETE);
  await log.append("s", 0, textBatch("before"));
  await log.close();
  let isFull = true;
  const write: Disk["write"] = (...args) =>
    isFull ? Promise.reject(diskError("ENOSPC")) : quickDisk.write(...args);
  const { log: again } = await open({ ...quickDisk, write }, { directory });
  assert.deepEqual(await payloadsOf(again, "s", 0), ["before"]);
  await rejects(again.append("s", 0, textBatch("no")), "log.full");
  assert.ok(!(await readdir(directory)).some((name) => name.endsWith(".tmp")));
  const locked = await open(quickDisk, { directory }).catch((error: unknown) => error);
  assert.ok(hasCode(locked, "log.locked"), String(locked));
  isFull = false;
  await again.append("s", 0, textBatch("after"));
  assert.deepEqual(await payloadsOf(again, "s", 0), ["before", "after"]);
  await again.close();
});

test("a failed sync of holds, and of a directory even for a cache, ends the log, and is told once", async () => {
  const failing = { file: false, directory: false };
  const disk: Disk = {
    ...quickDisk,
    datasync: () => (failing.file ? Promise.reject(diskError("EIO")) : Promise.resolve()),
    syncDirectory: () => (failing.directory ? Promise.reject(diskError("EIO")) : Promise.resolve()),
  };
  const held = await open(disk);
  await held.log.createStream("s", DELETE);
  failing.file = true;
  const holds = [{ stream: "s", partition: 0, offset: 0 }];
  await rejects(held.log.hold("somebody", holds), "log.sync_failed");
  failing.file = false;
  await rejects(held.log.append("s", 0, textBatch("x")), "log.sync_failed");
  await held.log.close();
  assert.deepEqual(
    held.fatals.map((error) => error.code),
    ["log.sync_failed"],
  );

  const sealed = await open(disk, { segmentBytes: 300 });
  await sealed.log.createStream("s", DELETE);
  await sealed.log.append("s", 0, textBatch("x".repeat(200)));
  await sealed.log.append("s", 0, textBatch("y".repeat(200))); // rolls; the sidecar is written behind
  await new Promise((resolve) => setTimeout(resolve, 50));
  failing.directory = true;
  await sealed.log.append("s", 0, textBatch("z")).catch(() => undefined);
  await sealed.log.append("s", 0, textBatch("z".repeat(200))).catch(() => undefined);
  await rejects(sealed.log.append("s", 0, textBatch("x")), "log.sync_failed");
  await sealed.log.close();
  assert.equal(sealed.fatals.length, 1);

  const { directory } = sealed;
  const refused = await open({ ...quickDisk, syncDirectory: failToSync }, { directory }).catch(
    (error: unknown) => error,
  );
  assert.ok(hasCode(refused, "log.sync_failed"), String(refused));
  const reopened = await open(quickDisk, { directory });
  assert.equal((await payloadsOf(reopened.log, "s", 0))[0], "x".repeat(200));
  await reopened.log.close();
});
