/**
 * Erasure in the log on S3, past the log itself: no object of the bucket holds the text afterwards, on a real server no
 * file of its folder; a stop at every request, and answers that are lost, leave each record as it was or erased, and a
 * repeat finishes; other processes forget what they kept; several that erase at once undo nothing of each other.
 */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createMemoryObjectStore,
  type MemoryFault,
  type MemoryOperation,
} from "../../../adapters/memory/object-store.ts";
import { openS3Log, type S3LogOptions } from "../../../adapters/s3/log.ts";
import { type Clock, ManualClock, seededRandomness, systemClock } from "../../../core/clock.ts";
import { hasCode } from "../../../core/errors.ts";
import type { Log, LogRecord } from "../../../core/ports/log.ts";
import type { ObjectStore } from "../../../core/ports/object-store.ts";
import { packRecords } from "../../../core/record.ts";
import { DELETE, payloadsOf, readAll, rejects, textBatch } from "../../conformance/log-harness.ts";
import { type S3Server, startS3 } from "../../services/versitygw.ts";

const SECRET = "canary-4417";
const KEY_SECRET = "key-canary-81";
/** Beyond what is read of a group at first. */
const LARGE = "y".repeat(70_000);
const never = new AbortController().signal;
const ranges = [0, 1].map((partition) => ({ partition, from: 0, to: 1_000 }));
const isGone = ({ payload }: LogRecord): boolean => Buffer.from(payload).includes(SECRET);
/** Pauses take no time. */
const quickClock: Clock = { ...systemClock, sleep: (_ms, signal) => systemClock.sleep(0, signal) };

let logs = 0;
function open(store: ObjectStore, options: Partial<S3LogOptions> = {}): Promise<Log> {
  const randomness = seededRandomness(logs++); // each its own: by it they know their groups
  return openS3Log({ store, clock: quickClock, randomness, freshMs: 0, ...options });
}

async function fill(log: Log, count = 12): Promise<readonly string[]> {
  await log.createStream("s", DELETE);
  const texts: string[] = [];
  for (let i = 0; i < count; i++) {
    const own = [`${i} ${"x".repeat(60)}`, i % 3 === 0 ? `${i} ${SECRET}` : `${i} another`];
    await log.append("s", 0, textBatch(...own), { id: "producer", epoch: 0, sequence: i });
    texts.push(...own);
  }
  const keyed = { payload: Buffer.from(SECRET), key: KEY_SECRET, header: `{"h":"${KEY_SECRET}"}` };
  await log.append("s", 1, packRecords([keyed]));
  return texts;
}

const erased = (texts: readonly (string | null)[]): readonly (string | null)[] =>
  texts.map((text) => (text?.includes(SECRET) === true ? null : text));

/** Objects that hold one of the texts. */
async function holders(store: ObjectStore): Promise<readonly string[]> {
  const found: string[] = [];
  for (const { path } of await store.list("")) {
    const bytes = Buffer.from((await store.get(path))!);
    if (bytes.includes(SECRET) || bytes.includes(KEY_SECRET)) found.push(path);
  }
  return found;
}

/** The same on a disk. */
async function files(folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const file of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const path = join(file.parentPath, file.name);
    const bytes = await readFile(path);
    if (bytes.includes(SECRET) || bytes.includes(KEY_SECRET)) found.push(path);
  }
  return found;
}

describe("on a real server", () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3();
  });
  afterAll(() => server.stop());

  test("no file of the bucket holds the text, and everything else is what it was", async () => {
    const address = await server.freshAddress("log");
    const store = server.store(address);
    const log = await open(store, { clock: systemClock });
    const texts = await fill(log);
    expect((await files(server.folderOf(address))).length).toBe(5);
    const before = [await log.accepted("s"), await readAll(log, "s", 0, 0)] as const;
    expect(await log.erase!("s", ranges, isGone, never)).toBe(5);
    expect(await files(server.folderOf(address))).toEqual([]);
    expect(await log.erase!("s", ranges, isGone, never)).toBe(0);
    const again = await open(store, { clock: systemClock });
    for (const one of [log, again]) {
      expect(await one.accepted("s")).toEqual(before[0]);
      const expected = before[1].map((record) => ({ ...record, payload: erased([record.payload])[0]! }));
      expect(await readAll(one, "s", 0, 0)).toEqual(expected);
    }
    expect(await payloadsOf(again, "s", 0)).toEqual(erased(texts));
  });
});

test("another process forgets what it kept in memory, large groups included", async () => {
  const store = createMemoryObjectStore();
  let passedMs = 0;
  const monotonicMs = (): number => systemClock.monotonicMs() + passedMs;
  const options = { clock: { ...quickClock, monotonicMs } };
  const [writer, reader, idle] = await Promise.all([1, 2, 3].map(() => open(store, options)));
  const texts = await fill(writer!);
  const large = textBatch(LARGE, `${SECRET} in a large group`);
  await writer!.append("s", 0, large);
  const all = [...texts, LARGE, `${SECRET} in a large group`];
  for (const log of [writer!, reader!, idle!]) expect(await payloadsOf(log, "s", 0)).toEqual(all);
  expect(await writer!.erase!("s", ranges, isGone, never)).toBe(6);
  expect(await payloadsOf(writer!, "s", 0)).toEqual(erased(all));
  // It reads to the end, and so meets the group that says so.
  await reader!.bounds("s", 0);
  expect(await payloadsOf(reader!, "s", 0)).toEqual(erased(all));
  // One that does not look forgets after some minutes.
  passedMs = 241_000;
  expect((await idle!.read("s", 0, 0, 100_000)).count).toBeGreaterThan(0);
  expect(await payloadsOf(idle!, "s", 0)).toEqual(erased(all));
});

test("what was asked for before an erasure and arrives after it is not kept", async () => {
  const memory = createMemoryObjectStore();
  let held: { readonly asked: () => void; readonly go: Promise<void> } | undefined;
  const slow: ObjectStore = {
    ...memory,
    get: async (path) => {
      const bytes = await memory.get(path);
      if (held && path.startsWith("groups/")) {
        held.asked();
        await held.go;
      }
      return bytes;
    },
  };
  const writer = await open(memory);
  await writer.createStream("s", DELETE);
  await writer.append("s", 0, textBatch(LARGE, SECRET));
  const reader = await open(slow);
  const [asked, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  held = { asked: asked.resolve, go: go.promise };
  const reading = payloadsOf(reader, "s", 0);
  await asked.promise;
  held = undefined;
  expect(await writer.erase!("s", ranges, isGone, never)).toBe(1);
  await reader.bounds("s", 0);
  go.resolve();
  expect(await reading).toEqual([LARGE, SECRET]); // as it was when it was asked for
  expect(await payloadsOf(reader, "s", 0)).toEqual([LARGE, null]);
});

type Stop = "before" | "after";

/** Nothing reaches the store any more, from one request on. @returns whether the erasure was over before that */
async function stopAt(request: number, stop: Stop): Promise<boolean> {
  let left = Infinity;
  const memory = createMemoryObjectStore({
    faults: (operation): MemoryFault | undefined => {
      left--;
      if (left < 0 || (left === 0 && stop === "before")) return "lost";
      return left === 0 && operation !== "get" ? "answer_lost" : undefined;
    },
  });
  const log = await open(memory, { settleMs: 0, cacheBytes: 0 });
  const texts = await fill(log);
  const other = await open(memory);
  assert.deepEqual(await payloadsOf(other, "s", 0), texts);
  left = request;
  const isDone = await log.erase!("s", ranges, isGone, never).then(
    () => left > 0,
    () => false,
  );
  left = Infinity;
  const gone = erased(texts);
  const next = await open(memory);
  (await payloadsOf(next, "s", 0)).forEach((text, i) =>
    assert.ok(text === texts[i] || text === gone[i], `record ${i}: ${text}`),
  );
  await next.erase!("s", ranges, isGone, never);
  assert.deepEqual(await holders(memory), []);
  assert.deepEqual(await payloadsOf(next, "s", 0), gone);
  // Though nobody may know whether the first one had said so.
  await other.bounds("s", 0);
  assert.deepEqual(await payloadsOf(other, "s", 0), gone);
  const last = textBatch(texts.at(-2)!, texts.at(-1)!);
  assert.equal((await next.append("s", 0, last, { id: "producer", epoch: 0, sequence: 11 })).isRepeat, true);
  return isDone;
}

test.each<Stop>(["before", "after"])("a stop at every request, %s it is carried out", async (stop) => {
  let request = 1;
  while (!(await stopAt(request, stop))) request++;
  expect(request).toBeGreaterThan(25);
});

test("over a network that loses requests and answers, several that erase undo nothing", async () => {
  for (let seed = 1; seed <= 15; seed++) {
    const randomness = seededRandomness(seed);
    let isFaulty = false;
    const faults = (operation: MemoryOperation): MemoryFault | undefined => {
      const chance = isFaulty ? randomness.fraction() : 1;
      if (operation === "delete" || chance > 0.15) return undefined;
      if (chance < 0.05) return "lost";
      if (chance < 0.1 || operation !== "putIfMatch") return "answer_lost";
      return { kind: "late", afterCalls: Math.floor(randomness.fraction() * 30) };
    };
    const store = createMemoryObjectStore({ faults });
    const racing = await Promise.all([1, 2, 3].map(() => open(store, { settleMs: 60_000 })));
    const texts = await fill(racing[0]!);
    isFaulty = true;
    await Promise.all(
      racing.map(async (log, i) => {
        // Each another third, all of them the secret.
        const mine = (record: LogRecord): boolean => isGone(record) || record.offset % 9 === i;
        for (;;)
          try {
            return await log.erase!("s", ranges, mine, never);
          } catch (error) {
            const isPassing = (["store.unavailable", "log.append_unknown"] as const).some((code) =>
              hasCode(error, code),
            );
            if (!isPassing) throw error;
          }
      }),
    );
    isFaulty = false;
    store.applyLate();
    const expected = texts.map((text, i) => (text.includes(SECRET) || i % 9 < 3 ? null : text));
    assert.deepEqual(await holders(store), [], `seed ${seed}`);
    for (const log of racing) {
      await log.bounds("s", 0);
      assert.deepEqual(await payloadsOf(log, "s", 0), expected, `seed ${seed}`);
    }
  }
});

test("groups that expired and are still there are erased from, those that are gone are no damage", async () => {
  const clock = new ManualClock(1_700_000_000_000);
  // By the store's own time its objects are too young to be deleted.
  const store = createMemoryObjectStore({ clock: new ManualClock(clock.nowMs()) });
  const log = await open(store, { clock: { ...quickClock, nowMs: () => clock.nowMs() } });
  const texts = await fill(log, 100);
  clock.advance(DELETE.retentionMs * 2);
  await log.append("s", 0, textBatch(`${SECRET}, newest`));
  expect((await log.bounds("s", 0)).startOffset).toBe(0);
  await log.retain();
  const { startOffset } = await log.bounds("s", 0);
  expect(startOffset).toBe(texts.length);
  // As a sweep does that was stopped.
  const groups = await store.list("groups");
  expect(groups.length).toBeGreaterThan(100);
  for (const { path } of groups.slice(0, 40)) await store.delete(path);
  expect((await holders(store)).length).toBeGreaterThan(20);
  expect(await log.erase!("s", ranges, isGone, never)).toBe(22);
  expect(await holders(store)).toEqual([]);
  expect(await payloadsOf(log, "s", 0, startOffset)).toEqual([null]);
});

test("a group that is missing where records are needed is damage, and no tombstone", async () => {
  const store = createMemoryObjectStore();
  const log = await open(store, { cacheBytes: 0 });
  await fill(log);
  const groups = await store.list("groups");
  await store.delete(groups[4]!.path);
  await rejects(log.erase!("s", ranges, isGone, never), "log.corrupt");
});

test("a store that overwrites what changed meanwhile is refused before anything is written", async () => {
  const memory = createMemoryObjectStore();
  const careless: ObjectStore = {
    ...memory,
    putIfMatch: async (path, bytes) => {
      await memory.put(path, bytes);
      return { outcome: "done", etag: "e" };
    },
  };
  const log = await open(careless);
  const texts = await fill(log);
  await rejects(log.erase!("s", ranges, isGone, never), "store.not_atomic");
  expect(await payloadsOf(await open(memory), "s", 0)).toEqual(texts);
});
