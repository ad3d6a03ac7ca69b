import assert from "node:assert/strict";
import { describe, it } from "vitest";
import { createMemoryObjectStore, type MemoryFault } from "../../../adapters/memory/object-store.ts";
import { hasCode } from "../../../core/errors.ts";
import { objectStoreCases } from "../../conformance/object-store.ts";

const one = new Uint8Array([1]);
const two = new Uint8Array([2]);

const storeWith = (faults: (MemoryFault | undefined)[]): ReturnType<typeof createMemoryObjectStore> =>
  createMemoryObjectStore({ faults: () => faults.shift() });

describe("object store in memory", () => {
  it.each(objectStoreCases)("%s", (_name, run) => run({ open: async () => createMemoryObjectStore() }));
});

describe("its faults", () => {
  it("a lost request changes nothing, a lost answer does; both are unknown", async () => {
    const store = storeWith(["lost", undefined, "answer_lost", undefined, undefined]);
    assert.equal((await store.putIfAbsent("x", one)).outcome, "unknown");
    assert.equal(await store.get("x"), undefined);
    assert.equal((await store.putIfAbsent("x", one)).outcome, "unknown");
    assert.deepEqual(await store.get("x"), one);
    assert.equal((await store.putIfAbsent("x", one)).outcome, "refused");
  });

  it("a late request takes effect after some calls, or is refused by what came first", async () => {
    const store = storeWith([{ kind: "late", afterCalls: 2 }]);
    assert.equal((await store.putIfAbsent("x", one)).outcome, "unknown");
    assert.equal(await store.get("x"), undefined);
    assert.deepEqual(await store.get("x"), one);

    const beaten = storeWith([{ kind: "late", afterCalls: 100 }]);
    await beaten.putIfAbsent("x", one);
    assert.equal((await beaten.putIfAbsent("x", two)).outcome, "done");
    beaten.applyLate();
    assert.deepEqual(await beaten.get("x"), two);
  });

  it("plain operations without an answer throw store.unavailable", async () => {
    const store = storeWith(["lost", "answer_lost", "lost", "lost", "lost"]);
    const calls = [
      () => store.put("x", one),
      () => store.put("x", one),
      () => store.get("x"),
      () => store.list(""),
      () => store.delete("x"),
    ];
    for (const call of calls) await assert.rejects(call, (error) => hasCode(error, "store.unavailable"));
    assert.deepEqual(await store.get("x"), one);
  });
});
