import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { crc32 } from "node:zlib";
import { afterAll, test } from "vitest";
import type { Disk } from "../../../adapters/file/disk.ts";
import { type FileLogOptions, openFileLog } from "../../../adapters/file/log.ts";
import { ManualClock, seededRandomness } from "../../../core/clock.ts";
import { MuaraError } from "../../../core/errors.ts";
import { createLogger, silentLogger } from "../../../core/logger.ts";
import type { Log } from "../../../core/ports/log.ts";
import { DELETE, payloadsOf, rejects, textBatch } from "../../conformance/log-harness.ts";
import { hookedDisk, quickDisk, quickRoot } from "./log-disks.ts";

const root = await mkdtemp(join(quickRoot, "muara-recovery-"));
afterAll(() => rm(root, { recursive: true, force: true }));
let directories = 0;

const newDirectory = (): string => join(root, `${directories++}`);

function open(directory: string, options: Partial<FileLogOptions> = {}): Promise<Log> {
  const clock = new ManualClock(1_700_000_000_000);
  const randomness = seededRandomness(directories);
  return openFileLog({ directory, clock, randomness, logger: silentLogger, disk: quickDisk, ...options });
}

/** As a killed process leaves it: the files of a log that is still open, without its lock. */
async function copyOpen(directory: string): Promise<string> {
  const copy = newDirectory();
  await cp(directory, copy, { recursive: true, filter: (path) => basename(path) !== "lock" });
  return copy;
}

async function segmentsOf(directory: string): Promise<string[]> {
  const names = await readdir(directory);
  return names
    .filter((name) => /^segment-.*\.log$/.test(name))
    .sort()
    .map((name) => join(directory, name));
}

async function corruptAt(work: Promise<unknown>, file: string): Promise<number> {
  const error = await work.then(
    () => assert.fail("a damaged log was opened"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof MuaraError && error.code === "log.corrupt", String(error));
  assert.equal(basename(String(error.details["file"])), basename(file));
  return Number(error.details["position"]);
}

/** Appends `count` groups of one batch each. @returns what they hold, and where each group ends in the segment */
async function writeGroups(
  log: Log,
  directory: string,
  count: number,
): Promise<{ texts: string[]; ends: number[] }> {
  const texts: string[] = [];
  const ends: number[] = [];
  for (let i = 0; i < count; i++) {
    const text = `group ${i} ${"x".repeat(i * 13)}`;
    await log.append("s", 0, textBatch(text), { id: "producer", epoch: 0, sequence: i });
    texts.push(text);
    ends.push((await readFile((await segmentsOf(directory)).at(-1)!)).length);
  }
  return { texts, ends };
}

async function crashed(): Promise<{ directory: string; segment: Buffer; texts: string[]; ends: number[] }> {
  const original = newDirectory();
  const log = await open(original);
  await log.createStream("s", DELETE);
  const { texts, ends } = await writeGroups(log, original, 4);
  const directory = await copyOpen(original);
  await log.close();
  return { directory, segment: await readFile((await segmentsOf(directory))[0]!), texts, ends };
}

test("cut at every byte of its tail, a log keeps every whole group and goes on", async () => {
  const { directory, segment, texts, ends } = await crashed();
  const path = (await segmentsOf(directory))[0]!;
  const warnings: string[] = [];
  const logger = createLogger(
    (line) => warnings.push(line),
    "warn",
    () => 0,
  );
  for (let length = ends[1]!; length <= segment.length; length++) {
    for (const garbage of [0, segment.length - length]) {
      await writeFile(path, Buffer.concat([segment.subarray(0, length), Buffer.alloc(garbage, 0xee)]));
      const log = await open(directory, { logger });
      const whole = ends.filter((end) => end <= length).length;
      assert.deepEqual(
        await payloadsOf(log, "s", 0),
        texts.slice(0, whole),
        `cut at ${length} of ${ends.join()}`,
      );
      const isTorn = length + garbage > ends[whole - 1]!;
      assert.equal(warnings.splice(0).length, isTorn ? 1 : 0);
      if (length % 20 === 0) {
        const again = { id: "producer", epoch: 0, sequence: whole - 1 };
        assert.equal((await log.append("s", 0, textBatch(texts[whole - 1]!), again)).isRepeat, true);
        await log.append("s", 0, textBatch("next"));
        assert.deepEqual(await payloadsOf(log, "s", 0), [...texts.slice(0, whole), "next"]);
      }
      await log.close();
      const sidecar = path.replace(/log$/, "index");
      await rm(sidecar); // what the close promised is not what the next cut leaves
    }
  }
});

test("a flipped byte is a torn tail inside the last group, and corruption anywhere before", async () => {
  const { directory, segment, texts, ends } = await crashed();
  const path = (await segmentsOf(directory))[0]!;
  for (let at = 0; at < segment.length; at++) {
    const damaged = Buffer.from(segment);
    damaged[at]! ^= 1 << (at % 8);
    await writeFile(path, damaged);
    if (at < ends.at(-2)!) {
      const position = await corruptAt(open(directory), path);
      assert.ok(position <= at && position >= (ends.findLast((end) => end <= at) ?? 0), `${at}: ${position}`);
      continue;
    }
    const log = await open(directory);
    assert.deepEqual(await payloadsOf(log, "s", 0), texts.slice(0, -1), `byte ${at}`);
    await log.close();
    await rm(path.replace(/log$/, "index"));
  }
});

test("a group taken out of the middle is corruption", async () => {
  const { directory, segment, ends } = await crashed();
  const path = (await segmentsOf(directory))[0]!;
  await writeFile(path, Buffer.concat([segment.subarray(0, ends[1]), segment.subarray(ends[2])]));
  assert.equal(await corruptAt(open(directory), path), ends[1]);
});

test("nothing of a torn tail is left behind what is written next", async () => {
  const { directory, segment, texts } = await crashed();
  const path = (await segmentsOf(directory))[0]!;
  await writeFile(path, Buffer.concat([segment, Buffer.alloc(5000, 0xee)]));
  const log = await open(directory, { segmentBytes: segment.length + 300 });
  await log.append("s", 0, textBatch("after"));
  await log.append("s", 0, textBatch("in the next segment".repeat(30)));
  await log.close();
  await rm(path.replace(/log$/, "index"));
  const again = await open(directory);
  assert.equal((await payloadsOf(again, "s", 0)).length, texts.length + 2);
  await again.close();
});

test("what a killed process left is synced before anybody reads it", async () => {
  const { directory, texts } = await crashed();
  const paths = new Map<number, string>();
  const synced: string[] = [];
  const opening: Disk["open"] = async (path, mode) => {
    const fd = await quickDisk.open(path, mode);
    paths.set(fd, path);
    return fd;
  };
  const datasync: Disk["datasync"] = async (fd) => void synced.push(paths.get(fd)!);
  const log = await open(directory, { disk: hookedDisk({ open: opening, datasync }) });
  assert.ok(synced.includes((await segmentsOf(directory))[0]!), "the last segment was not synced");
  assert.deepEqual(await payloadsOf(log, "s", 0), texts);
  await log.close();
});

test("a payload that looks like a group does not turn a torn tail into corruption", async () => {
  const original = newDirectory();
  const log = await open(original);
  await log.createStream("s", DELETE);
  await log.append("s", 0, textBatch("a"));
  const [path] = await segmentsOf(original);
  const segment = await readFile(path!);
  const bytes = Buffer.concat([segment.subarray(64), segment.subarray(64), Buffer.alloc(1000)]);
  const index = Uint32Array.from([0, bytes.length, 0, 0xffff_ffff, 0, 0]);
  await log.append("s", 0, { count: 1, bytes, index });
  const directory = await copyOpen(original);
  await log.close();
  const [copy] = await segmentsOf(directory);
  await truncate(copy!, (await readFile(copy!)).length - 5);
  const again = await open(directory);
  assert.deepEqual(await payloadsOf(again, "s", 0), ["a"]);
  await again.close();
});

test("what was durable when the log was closed must be there: then even the last group is corruption", async () => {
  const directory = newDirectory();
  const log = await open(directory);
  await log.createStream("s", DELETE);
  const { ends } = await writeGroups(log, directory, 3);
  await log.close();
  const [path] = await segmentsOf(directory);
  const segment = await readFile(path!);
  await truncate(path!, segment.length - 1);
  assert.equal(await corruptAt(open(directory), path!), ends[1]);
  await writeFile(path!, segment.subarray(0, ends[1]));
  assert.equal(await corruptAt(open(directory), path!), ends[1]);
  await rm(path!);
  await corruptAt(open(directory), path!);
  await writeFile(path!, segment);
  await (await open(directory)).close();
});

async function sealedLog(): Promise<{ directory: string; texts: string[] }> {
  const directory = newDirectory();
  const log = await open(directory, { segmentBytes: 600 });
  await log.createStream("s", DELETE);
  const { texts } = await writeGroups(log, directory, 12);
  await log.append("s", 1, textBatch("other"));
  await log.close();
  return { directory, texts };
}

test("sealed segments: a cut, a missing file or a flipped byte is found, at the start or when read", async () => {
  const { directory, texts } = await sealedLog();
  const segments = await segmentsOf(directory);
  assert.ok(segments.length >= 4);
  const path = segments[1]!;
  const bytes = await readFile(path);
  await writeFile(path, bytes.subarray(0, -8));
  assert.equal(await corruptAt(open(directory), path), bytes.length - 8);
  await rm(path);
  await corruptAt(open(directory), path);
  const damaged = Buffer.from(bytes);
  damaged[bytes.length - 30]! ^= 4;
  await writeFile(path, damaged);
  const log = await open(directory, { cacheBytes: 0 });
  assert.deepEqual(await payloadsOf(log, "s", 1), ["other"]);
  await rejects(payloadsOf(log, "s", 0), "log.corrupt");
  await log.close();
  await rm(path.replace(/log$/, "index"));
  await corruptAt(open(directory), path);
  await writeFile(path, bytes);
  const whole = await open(directory);
  assert.deepEqual(await payloadsOf(whole, "s", 0), texts);
  await whole.close();
});

async function filesOf(directory: string): Promise<Record<string, string>> {
  const names = (await readdir(directory)).filter((name) => name !== "lock").sort();
  const bytes = await Promise.all(names.map((name) => readFile(join(directory, name), "base64")));
  return Object.fromEntries(names.map((name, i) => [name, bytes[i]!]));
}

/** As a newer release would write it: all else is as it was. */
function ofFormat(segment: Uint8Array, format: number): Buffer {
  const bytes = Buffer.from(segment);
  bytes.writeUInt32LE(format, 8);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60);
  return bytes;
}

test("one segment of a newer format is refused as such, wherever it is, and nothing is changed", async () => {
  const { directory, texts } = await sealedLog();
  const segments = await segmentsOf(directory);
  assert.ok(segments.length >= 4);
  // What is cut off, sealed or removed where all is of this format.
  await rm(segments[0]!.replace(/log$/, "index"));
  await writeFile(join(directory, "base.json.tmp"), "{");
  for (const path of segments) {
    const original = await readFile(path);
    const isLast = path === segments.at(-1);
    // The last one may have just been created, or end in a group that is not finished.
    for (const rest of isLast ? [0, original.length - 64, original.length - 65] : [original.length - 64]) {
      for (const readOnly of [false, true]) {
        await writeFile(path, ofFormat(original, 2).subarray(0, 64 + rest));
        const before = await filesOf(directory);
        const error = await open(directory, { readOnly }).then(
          () => assert.fail("it was opened"),
          (reason: unknown) => reason,
        );
        assert.ok(error instanceof MuaraError, String(error));
        assert.equal(error.code, "format.newer");
        assert.equal(error.message, `${path} is of format 2; this release has 1`);
        assert.deepEqual(error.details, { file: path, format: 2, known: 1 });
        assert.deepEqual(await filesOf(directory), before);
      }
    }
    await writeFile(path, original);
  }
  const log = await open(directory);
  assert.deepEqual(await payloadsOf(log, "s", 0), texts);
  await log.close();
});

test("sidecars are a cache: missing or damaged at any byte, they are made again, the same", async () => {
  const { directory, texts } = await sealedLog();
  const sidecars = (await segmentsOf(directory)).map((path) => path.replace(/log$/, "index"));
  const originals = await Promise.all(sidecars.slice(0, -1).map((path) => readFile(path)));
  const reopen = async (): Promise<void> => {
    const log = await open(directory, { cacheBytes: 0 });
    assert.deepEqual(await payloadsOf(log, "s", 0), texts);
    assert.equal((await log.accepted("s"))[0]!.count, texts.length);
    await log.close();
  };
  for (const path of sidecars) await rm(path);
  await reopen();
  for (const [i, original] of originals.entries())
    assert.deepEqual(await readFile(sidecars[i]!), original, "rebuilt differently");
  const [first] = originals;
  for (let at = 0; at < first!.length; at += 7) {
    const damaged = Buffer.from(first!);
    damaged[at]! ^= 64;
    await writeFile(sidecars[0]!, damaged);
    await reopen();
  }
  await writeFile(sidecars[0]!, first!.subarray(0, 60));
  await reopen();
});

test("a segment being created when the process stopped is begun again", async () => {
  for (const length of [0, 1, 63]) {
    const { directory, texts } = await sealedLog();
    const last = (await segmentsOf(directory)).at(-1)!;
    const name = join(directory, `segment-${"15".padStart(16, "0")}.log`);
    assert.equal(basename(last) < basename(name), true);
    await writeFile(name, (await readFile(last)).subarray(0, length));
    const log = await open(directory);
    assert.deepEqual(await payloadsOf(log, "s", 0), texts);
    // However little: the segment before is sealed, and not open for more.
    await log.append("s", 0, textBatch("m"));
    await log.close();
    const again = await open(directory, { readOnly: true });
    assert.deepEqual(await payloadsOf(again, "s", 0), [...texts, "m"]);
    await again.close();
  }
});

test("a segment or an identity of another log is refused", async () => {
  const { directory } = await sealedLog();
  const other = await sealedLog();
  const [first] = await segmentsOf(directory);
  const [foreign] = await segmentsOf(other.directory);
  const own = await readFile(first!);
  await writeFile(first!, await readFile(foreign!));
  await rejects(open(directory), "log.identity");
  await writeFile(first!, own);
  await rm(join(directory, "log.json"));
  await rejects(open(directory), "log.identity");
});

test("the base is no cache: damaged, the log is refused", async () => {
  const directory = newDirectory();
  const clock = new ManualClock(1_700_000_000_000);
  const log = await open(directory, { clock, segmentBytes: 0 });
  await log.createStream("s", DELETE);
  await log.append("s", 0, textBatch("a"));
  await log.append("s", 0, textBatch("b"));
  clock.advance(100 * 3_600_000);
  await log.retain();
  await log.close();
  const path = join(directory, "base.json");
  const base = await readFile(path);
  const damaged = Buffer.from(base);
  damaged[60]! ^= 1;
  await writeFile(path, damaged);
  await corruptAt(open(directory), path);
  await rm(path);
  await assert.rejects(open(directory), MuaraError);
  await writeFile(path, base);
  await (await open(directory)).close();
});

test("a start reads the headers and sidecars of sealed segments, not their records", async () => {
  const directory = newDirectory();
  const log = await open(directory, { segmentBytes: 1 << 20 });
  await log.createStream("s", DELETE);
  for (let i = 0; i < 40; i++) await log.append("s", 0, textBatch("x".repeat(250_000)));
  await log.close();
  let bytes = 0;
  const read: Disk["read"] = async (fd, target, position) => {
    const count = await quickDisk.read(fd, target, position);
    bytes += count;
    return count;
  };
  const again = await open(directory, { disk: hookedDisk({ read }) });
  assert.ok(bytes < 1_200_000, `${bytes} bytes read of 10,000,000`);
  assert.equal((await again.bounds("s", 0)).endOffset, 40);
  await again.close();
});
