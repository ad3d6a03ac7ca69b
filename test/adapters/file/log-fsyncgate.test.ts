/**
 * A sync that failed once: the system reports it, forgets it, and keeps the bytes in memory as if they were written.
 * A log that is started again over them, goes on, and then loses power must not have a hole in the middle.
 */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, test } from "vitest";
import { type Disk, systemDisk } from "../../../adapters/file/disk.ts";
import { openFileLog } from "../../../adapters/file/log.ts";
import { ManualClock, seededRandomness } from "../../../core/clock.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { Log } from "../../../core/ports/log.ts";
import { DELETE, payloadsOf, rejects, textBatch } from "../../conformance/log-harness.ts";
import { diskError, quickDisk, quickRoot } from "./log-disks.ts";

const root = await mkdtemp(join(quickRoot, "muara-fsyncgate-"));
afterAll(() => rm(root, { recursive: true, force: true }));

/** What of the segments is on the disk itself; the files are the system's memory of them. */
class ForgetfulDisk {
  isFailing = false;
  readonly #paths = new Map<number, string>();
  readonly #durable = new Map<string, Buffer>();
  readonly #dirty = new Map<string, [number, number][]>();

  readonly disk: Disk = {
    ...quickDisk,
    open: async (path, mode) => {
      const fd = await systemDisk.open(path, mode);
      this.#paths.set(fd, path);
      return fd;
    },
    write: async (fd, source, position) => {
      const written = await systemDisk.write(fd, source, position);
      this.#of(this.#dirty, fd, []).push([position, position + written]);
      return written;
    },
    datasync: async (fd) => {
      const path = this.#paths.get(fd)!;
      const ranges = this.#of(this.#dirty, fd, []);
      this.#dirty.set(path, []);
      if (this.isFailing) throw diskError("EIO");
      const bytes = await readFile(path);
      const durable = Buffer.alloc(bytes.length);
      this.#of(this.#durable, fd, Buffer.alloc(0)).copy(durable);
      for (const [from, to] of ranges) bytes.copy(durable, from, from, Math.min(to, bytes.length));
      this.#durable.set(path, durable);
    },
  };

  async losePower(): Promise<void> {
    for (const [path, bytes] of this.#durable) if (path.endsWith(".log")) await writeFile(path, bytes);
  }

  #of<T>(map: Map<string, T>, fd: number, fresh: T): T {
    const path = this.#paths.get(fd)!;
    if (!map.has(path)) map.set(path, fresh);
    return map.get(path)!;
  }
}

async function open(directory: string, disk: Disk): Promise<Log> {
  const clock = new ManualClock(1_700_000_000_000);
  return openFileLog({ directory, disk, clock, randomness: seededRandomness(5), logger: silentLogger });
}

test("a group whose sync failed leaves no hole, though a later sync succeeds", async () => {
  const directory = join(root, "log");
  const forgetful = new ForgetfulDisk();
  const first = await open(directory, forgetful.disk);
  await first.createStream("s", DELETE);
  await first.append("s", 0, textBatch("before"));
  forgetful.isFailing = true;
  await rejects(first.append("s", 0, textBatch("in doubt")), "log.append_unknown");
  await first.close().catch(() => undefined);

  forgetful.isFailing = false;
  const second = await open(directory, forgetful.disk);
  assert.deepEqual(await payloadsOf(second, "s", 0), ["before", "in doubt"]); // the system remembers it
  await second.append("s", 0, textBatch("after"));
  await second.close();

  await forgetful.losePower();
  const third = await open(directory, quickDisk);
  assert.deepEqual(await payloadsOf(third, "s", 0), ["before", "in doubt", "after"]);
  await third.close();
});
