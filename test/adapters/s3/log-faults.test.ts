import assert from "node:assert/strict";
import { describe, test } from "vitest";
import {
  createMemoryObjectStore,
  type MemoryFault,
  type MemoryOperation,
} from "../../../adapters/memory/object-store.ts";
import { type S3LogOptions, openS3Log } from "../../../adapters/s3/log.ts";
import { type Clock, seededRandomness, systemClock, systemRandomness } from "../../../core/clock.ts";
import { hasCode } from "../../../core/errors.ts";
import type { Log } from "../../../core/ports/log.ts";
import type { ObjectStore } from "../../../core/ports/object-store.ts";
import { DELETE, payloadsOf, readAll, rejects, textBatch } from "../../conformance/log-harness.ts";

/** Pauses take no time, so that a fault costs none. */
const quickClock: Clock = { ...systemClock, sleep: (_ms, signal) => systemClock.sleep(0, signal) };

function openLog(store: ObjectStore, options: Partial<S3LogOptions> = {}): Promise<Log> {
  return openS3Log({ store, clock: quickClock, randomness: systemRandomness, freshMs: 0, ...options });
}

describe("answers that are lost", () => {
  test.each<[string, MemoryFault]>([
    ["the request never arrived", "lost"],
    ["it was carried out", "answer_lost"],
    ["it is carried out later", { kind: "late", afterCalls: 3 }],
  ])("%s: the append is settled by putting the same object again", async (_name, fault) => {
    let faults = 0;
    const store = createMemoryObjectStore({
      faults: (operation, path) =>
        operation === "putIfAbsent" && path.startsWith("groups/") && faults-- > 0 ? fault : undefined,
    });
    const log = await openLog(store);
    await log.createStream("s", DELETE);
    for (let i = 0; i < 10; i++) {
      faults = i % 4;
      const { baseOffset } = await log.append("s", 0, textBatch(`${i}`));
      assert.equal(baseOffset, i);
    }
    store.applyLate();
    assert.deepEqual(
      await payloadsOf(log, "s", 0),
      Array.from({ length: 10 }, (_, i) => `${i}`),
    );
  });

  test.each<[string, MemoryFault, string[]]>([
    ["lost for ever", "lost", ["after"]],
    ["stored all the same", "answer_lost", ["before", "after"]],
  ])("a store that stays silent: log.append_unknown; %s", async (_name, fault, expected) => {
    let isSilent = false;
    const store = createMemoryObjectStore({ faults: () => (isSilent ? fault : undefined) });
    const log = await openLog(store, { settleMs: 30 });
    await log.createStream("s", DELETE);
    await log.bounds("s", 0);
    isSilent = true;
    await rejects(log.append("s", 0, textBatch("before")), "log.append_unknown");
    isSilent = false;
    await log.append("s", 0, textBatch("after"));
    assert.deepEqual(await payloadsOf(log, "s", 0), expected);
  });

  test("a write that arrives after its append was given up is one record, in its place", async () => {
    let fault: MemoryFault | undefined;
    const store = createMemoryObjectStore({
      faults: (operation) => (operation === "putIfAbsent" ? fault : undefined),
    });
    const log = await openLog(store, { settleMs: 0 });
    await log.createStream("s", DELETE);
    fault = { kind: "late", afterCalls: 1_000 };
    await rejects(log.append("s", 0, textBatch("late")), "log.append_unknown");
    fault = undefined;
    store.applyLate();
    const { baseOffset } = await log.append("s", 0, textBatch("next"));
    assert.equal(baseOffset, 1);
    assert.deepEqual(await payloadsOf(log, "s", 0), ["late", "next"]);
  });
});

test.each([
  ["never sent its request", false],
  ["never saw the answer to its request", true],
])("others take over from a leader that died and %s", async (_name, isStored) => {
  const memory = createMemoryObjectStore();
  let deaths = 1;
  const store: ObjectStore = {
    ...memory,
    putIfAbsent: async (path, bytes) => {
      if (!path.startsWith("groups/") || deaths-- <= 0) return memory.putIfAbsent(path, bytes);
      if (isStored) await memory.putIfAbsent(path, bytes);
      return new Promise(() => undefined); // as a request that was stopped on an edge
    },
  };
  const log = await openLog(store, { clock: systemClock, leaderMs: 60 });
  await log.createStream("s", DELETE);
  void log.append("s", 0, textBatch("of the dead"));
  await new Promise((resolve) => setTimeout(resolve, 20));
  const others = await Promise.all(["a", "b"].map((text) => log.append("s", 0, textBatch(text))));
  assert.deepEqual(
    others.map(({ baseOffset }) => baseOffset),
    [1, 2],
  );
  assert.deepEqual(await payloadsOf(log, "s", 0), ["of the dead", "a", "b"]);
});

test("a leader that was slow, not dead, stores nothing a second time", async () => {
  const memory = createMemoryObjectStore();
  let slow = 1;
  const store: ObjectStore = {
    ...memory,
    putIfAbsent: async (path, bytes) => {
      if (path.startsWith("groups/") && slow-- > 0) await systemClock.sleep(200);
      return memory.putIfAbsent(path, bytes);
    },
  };
  const log = await openLog(store, { clock: systemClock, leaderMs: 40 });
  const other = await openLog(memory);
  await log.createStream("s", DELETE);
  const first = log.append("s", 0, textBatch("first"));
  await systemClock.sleep(10);
  await other.append("s", 0, textBatch("other")); // takes the number that the slow one asked for
  const second = log.append("s", 0, textBatch("second"));
  assert.deepEqual([(await first).baseOffset, (await second).baseOffset], [1, 2]);
  await systemClock.sleep(400);
  assert.deepEqual(await payloadsOf(other, "s", 0), ["other", "first", "second"]);
});

test("a slow store makes many leaders of one round, and one group", async () => {
  const memory = createMemoryObjectStore();
  const store: ObjectStore = {
    ...memory,
    putIfAbsent: async (path, bytes) => {
      await systemClock.sleep(path.startsWith("groups/") ? 50 : 0);
      return memory.putIfAbsent(path, bytes);
    },
  };
  const log = await openLog(store, { clock: systemClock, leaderMs: 10 });
  await log.createStream("s", DELETE);
  const texts = Array.from({ length: 40 }, (_, i) => `${i}`);
  const appends = texts.map(async (text, i) => {
    await systemClock.sleep(i * 7);
    return log.append("s", 0, textBatch(text));
  });
  const offsets = (await Promise.all(appends)).map(({ baseOffset }) => baseOffset);
  assert.deepEqual(
    offsets,
    offsets.toSorted((a, b) => a - b),
  );
  assert.deepEqual(await payloadsOf(log, "s", 0), texts);
});

interface Sent {
  readonly text: string;
  readonly outcome: "stored" | "unknown";
}

/** Several processes, a network that fails a tenth of all calls, in three ways. */
async function race(seed: number): Promise<void> {
  const randomness = seededRandomness(seed);
  const faults = (operation: MemoryOperation): MemoryFault | undefined => {
    const chance = randomness.fraction();
    if (operation === "delete" || chance > 0.12) return undefined;
    if (chance < 0.04) return "lost";
    if (chance < 0.08 || !operation.startsWith("putIf")) return "answer_lost";
    return { kind: "late", afterCalls: Math.floor(randomness.fraction() * 30) };
  };
  let isFaulty = true;
  const store = createMemoryObjectStore({
    faults: (operation) => (isFaulty ? faults(operation) : undefined),
  });
  const logs = await Promise.all([0, 1, 2].map(() => patiently(() => openLog(store, { settleMs: 40 }))));
  await patiently(() => logs[0]!.createStream("s", DELETE));
  const sent: Sent[] = [];
  await Promise.all(
    logs.map(async (log, writer) => {
      for (let sequence = 0; sequence < 30; sequence++) {
        const text = `${writer}.${sequence}`;
        const producer = { id: `${writer}`, epoch: 0, sequence };
        // What is not known is sent again, as a producer does.
        await patiently(() =>
          log.append("s", sequence % 2, textBatch(text), {
            ...producer,
            id: `${writer}.${sequence % 2}`,
            sequence: sequence >> 1,
          }),
        );
        sent.push({ text, outcome: "stored" });
      }
    }),
  );
  isFaulty = false;
  store.applyLate();
  const reader = await openLog(store);
  const found: string[] = [];
  for (const partition of [0, 1]) {
    const records = await readAll(reader, "s", partition, 0);
    records.forEach(({ offset }, i) => assert.equal(offset, i));
    found.push(...records.map(({ payload }) => payload!));
  }
  assert.deepEqual(found.toSorted(), sent.map(({ text }) => text).toSorted());
}

async function patiently<Result>(work: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const isPassing = (["log.append_unknown", "log.overloaded", "store.unavailable"] as const).some(
        (code) => hasCode(error, code),
      );
      if (!isPassing) throw error;
    }
  }
}

test("processes that race over a failing network: every record once, offsets without a gap", async () => {
  for (let seed = 1; seed <= 60; seed++)
    await race(seed).catch((error: unknown) => {
      throw new Error(`seed ${seed}`, { cause: error });
    });
});

test("of writers that never pause each gets a share, though the last winner knows the end first", async () => {
  const memory = createMemoryObjectStore();
  const store: ObjectStore = {
    ...memory,
    putIfAbsent: async (path, bytes) => {
      await systemClock.sleep(4);
      return memory.putIfAbsent(path, bytes);
    },
    getRange: async (path, at, length) => {
      await systemClock.sleep(4);
      return memory.getRange(path, at, length);
    },
  };
  const logs = await Promise.all([1, 2, 3].map(() => openLog(store, { clock: systemClock })));
  await logs[0]!.createStream("s", DELETE);
  const endMs = systemClock.monotonicMs() + 2_500;
  const counts = logs.map(() => 0);
  await Promise.all(
    [0, 0, 1, 1, 2, 2].map(async (writer) => {
      while (systemClock.monotonicMs() < endMs) {
        await logs[writer]!.append("s", 0, textBatch("x"));
        counts[writer]!++;
      }
    }),
  );
  const total = counts.reduce((sum, count) => sum + count, 0);
  assert.ok(total > 100, `${total} appends`);
  assert.ok(Math.min(...counts) > total / 30, `${counts.join(", ")} appends`);
});

test("a store where several win the same name is refused", async () => {
  const store = createMemoryObjectStore();
  const careless: ObjectStore = {
    ...store,
    putIfAbsent: async (path, bytes) => {
      await store.put(path, bytes);
      return { outcome: "done", etag: "e" };
    },
  };
  await rejects(openLog(careless), "store.not_atomic");
});

test("a damaged or missing group is log.corrupt, never skipped", async () => {
  const store = createMemoryObjectStore();
  const log = await openLog(store, { cacheBytes: 0 });
  await log.createStream("s", DELETE);
  for (let i = 0; i < 3; i++) await log.append("s", 0, textBatch(`${i}`));
  const [, second] = await store.list("groups");
  const bytes = (await store.get(second!.path))!;
  for (const at of [3, 20, 60, 90, bytes.length - 1]) {
    const damaged = bytes.slice();
    damaged[at]! ^= 1;
    await store.put(second!.path, damaged);
    await rejects(readAll(log, "s", 0, 0), "log.corrupt");
    await rejects(
      openLog(store).then((other) => readAll(other, "s", 0, 0)),
      "log.corrupt",
    );
  }
  await store.put(second!.path, bytes.subarray(0, 40));
  await rejects(readAll(log, "s", 0, 0), "log.corrupt");
  await store.delete(second!.path);
  await rejects(readAll(log, "s", 0, 0), "log.corrupt");
  await store.put(second!.path, bytes);
  assert.deepEqual(await payloadsOf(log, "s", 0), ["0", "1", "2"]);
});

test("an old or missing hint costs time only", async () => {
  const store = createMemoryObjectStore();
  const log = await openLog(store);
  await log.createStream("s", { ...DELETE, retentionMs: 3_600_000_000 });
  for (let i = 0; i < 150; i++) await log.append("s", 0, textBatch(`${i}`));
  await log.close();
  const [hint] = await store.list("hints");
  for (const text of [undefined, '{"group":0}', '{"group":64}', '{"group":149}', '{"group":5000}']) {
    if (text === undefined) await store.delete(hint!.path);
    else await store.put(hint!.path, new TextEncoder().encode(text));
    const other = await openLog(store);
    assert.equal((await other.bounds("s", 0)).endOffset, 150, `hint ${text}`);
    assert.equal((await payloadsOf(other, "s", 0, 140)).length, 10);
  }
});
