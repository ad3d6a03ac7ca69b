/** The start-up race probe against stores that break the promise in each of the known ways. */
import assert from "node:assert/strict";
import { describe, it } from "vitest";
import { createMemoryObjectStore } from "../../adapters/memory/object-store.ts";
import { systemRandomness } from "../../core/clock.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import { type Atomicity, probeAtomicity } from "../../core/probe-atomicity.ts";
import { serialStore } from "../../core/serial-store.ts";

type PutIfAbsent = ObjectStore["putIfAbsent"];

/** The probe's verdict on a store in memory whose put-if-absent is `of` that store. */
const verdict = (of: (store: ObjectStore) => PutIfAbsent): Promise<Atomicity> => {
  const store = createMemoryObjectStore();
  return probeAtomicity({ ...store, putIfAbsent: of(store) }, "probe", systemRandomness);
};

/** Right one call at a time, wrong in a race: what two of four S3 servers did. */
const lookingFirst =
  (store: ObjectStore): PutIfAbsent =>
  async (path, bytes) => {
    if ((await store.head(path)) !== undefined) return { outcome: "refused" };
    await store.put(path, bytes);
    return { outcome: "done", etag: "" };
  };
const ignoring =
  (store: ObjectStore): PutIfAbsent =>
  async (path, bytes) => {
    await store.put(path, bytes);
    return { outcome: "done", etag: "" };
  };
const refusing = (): PutIfAbsent => async () => ({ outcome: "refused" });
const losingTheWinner =
  (store: ObjectStore): PutIfAbsent =>
  async (path, bytes) => {
    const outcome = await store.putIfAbsent(path, bytes);
    await store.put(path, bytes);
    return outcome;
  };
/** Carries out what it gives no answer to. */
const forgetful =
  (store: ObjectStore): PutIfAbsent =>
  async (path, bytes) => {
    const answer = await store.putIfAbsent(path, bytes);
    return answer.outcome === "done" ? { outcome: "unknown", cause: "no answer" } : answer;
  };

describe("race probe", () => {
  it("passes an atomic store", async () => {
    assert.equal(await verdict((store) => (path, bytes) => store.putIfAbsent(path, bytes)), "atomic");
  });

  it.each([
    ["looks first and writes then", lookingFirst, "sequential"],
    ["ignores the condition", ignoring, "none"],
    ["refuses everything", refusing, "none"],
    ["keeps the bytes of a loser", losingTheWinner, "none"],
    ["does not always answer", forgetful, "unknown"],
  ] as const)("finds a store that %s", async (_name, broken, atomicity) => {
    assert.equal(await verdict(broken), atomicity);
  });

  it("a store that only races is atomic for one process that takes turns", async () => {
    const store = createMemoryObjectStore();
    const racing = { ...store, putIfAbsent: lookingFirst(store) };
    assert.equal(await probeAtomicity(serialStore(racing), "probe", systemRandomness), "atomic");
    assert.equal(await probeAtomicity(racing, "probe", systemRandomness), "sequential");
  });
});
