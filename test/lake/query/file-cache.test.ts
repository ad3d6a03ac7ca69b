/** Local copies of data files: the budget at its edge, who waits for whom, what a restart takes over. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { createMemoryObjectStore, type MemoryFault } from "../../../adapters/memory/object-store.ts";
import { systemRandomness } from "../../../core/clock.ts";
import { hasCode } from "../../../core/errors.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { ObjectStore } from "../../../core/ports/object-store.ts";
import { FileCache, type RemoteFile } from "../../../lake/query/file-cache.ts";

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

const never = new AbortController().signal;
const remote = (path: string, bytes: number): RemoteFile => ({ path, bytes, modifiedMs: 1 });

interface World {
  readonly store: ObjectStore;
  readonly folder: string;
  /** Reads of the store so far. */
  readonly reads: readonly string[];
  readonly cache: (budgetBytes: number) => Promise<FileCache>;
  readonly put: (path: string, bytes: number) => Promise<RemoteFile>;
  fault: (path: string) => MemoryFault | undefined | Promise<undefined>;
}

async function world(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), "muara-cache-"));
  folders.push(folder);
  const reads: string[] = [];
  const store = createMemoryObjectStore({
    faults: (operation, path) => {
      if (operation !== "getRange") return undefined;
      reads.push(path);
      return made.fault(path);
    },
  });
  const made: World = {
    store,
    folder,
    reads,
    fault: () => undefined,
    cache: (budgetBytes) =>
      FileCache.open({ store, folder, budgetBytes, randomness: systemRandomness, logger: silentLogger }),
    put: async (path, bytes) => {
      await store.put(path, new Uint8Array(bytes).fill(path.charCodeAt(0)));
      return remote(path, bytes);
    },
  };
  return made;
}

/** Bytes of all files in the cache's folder; what vanishes meanwhile has none. */
async function onDisk({ folder }: FileCache): Promise<number> {
  const names = await readdir(folder);
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((total, size) => total + size, 0);
}

const isPending = async (promise: Promise<unknown>): Promise<boolean> => {
  const late = new Promise((resolve) => setTimeout(resolve, 20, "late"));
  return (await Promise.race([promise, late])) === "late";
};

describe("copies", () => {
  it("go when they are cleared: at once, or when the last who uses them has ended", async () => {
    const { put, cache: open, reads } = await world();
    const cache = await open(100);
    const [used, unused] = [await put("a", 10), await put("b", 20)];
    const lease = await cache.lease([used], never);
    (await cache.lease([unused], never)).release();
    const again = await cache.lease([used], never);
    cache.clear();
    expect([cache.bytes, await onDisk(cache)]).toEqual([10, 10]);
    lease.release();
    expect((await readFile(again.paths[0]!)).length).toBe(10);
    again.release();
    expect([cache.bytes, await onDisk(cache)]).toEqual([0, 0]);
    (await cache.lease([used, unused], never)).release();
    expect([cache.bytes, reads.length]).toEqual([30, 4]);
  });

  it("have the object's bytes, also beyond one range, and are fetched once for all who want them", async () => {
    const { put, cache: open, reads } = await world();
    const cache = await open(20_000_000);
    const files = [await put("a", 9_000_000), await put("b", 0), await put("c", 1)];
    const leases = await Promise.all([cache.lease(files, never), cache.lease(files.toReversed(), never)]);
    assert.deepEqual(leases[1].paths, leases[0].paths.toReversed());
    for (const [i, path] of leases[0].paths.entries()) {
      const bytes = await readFile(path);
      assert.equal(bytes.length, files[i]!.bytes);
      assert.ok(bytes.every((byte) => byte === files[i]!.path.charCodeAt(0)));
    }
    assert.equal(reads.filter((path) => path === "a").length, 3);
    assert.equal(reads.filter((path) => path === "c").length, 1);
  });

  it("of another length than the log says are refused, longer and shorter", async () => {
    const { store, cache: open } = await world();
    const cache = await open(100);
    await store.put("x", new Uint8Array(10));
    for (const bytes of [9, 11])
      await assert.rejects(cache.lease([remote("x", bytes)], never), (error) =>
        hasCode(error, "table.corrupt"),
      );
    await assert.rejects(cache.lease([remote("gone", 5)], never), (error) =>
      hasCode(error, "table.version_not_found"),
    );
    assert.equal(cache.bytes, 0);
    assert.equal(await onDisk(cache), 0);
  });

  it("a failed fetch costs the one who waits an error, and the next one nothing", async () => {
    const made = await world();
    const cache = await made.cache(100);
    const file = await made.put("a", 10);
    made.fault = () => "lost";
    await assert.rejects(cache.lease([file], never), (error) => hasCode(error, "store.unavailable"));
    assert.equal(cache.bytes, 0);
    made.fault = () => undefined;
    assert.equal((await cache.lease([file], never)).paths.length, 1);
  });
});

describe("the budget", () => {
  it("is enough for exactly as much, and one byte more is refused by name", async () => {
    const { put, cache: open } = await world();
    const cache = await open(100);
    const files = [await put("a", 60), await put("b", 40)];
    (await cache.lease(files, never)).release();
    const more = [...files, await put("c", 1)];
    await assert.rejects(cache.lease(more, never), (error) => hasCode(error, "sql.cache_too_small"));
    assert.equal(cache.bytes, 100);
  });

  it("counts a file once that is asked for twice", async () => {
    const { put, cache: open } = await world();
    const cache = await open(60);
    const file = await put("a", 60);
    assert.equal((await cache.lease([file, file], never)).paths.length, 2);
  });

  it("makes the longest unused go, and nothing that is used", async () => {
    const { put, cache: open, reads } = await world();
    const cache = await open(100);
    const [a, b, c, d] = [await put("a", 40), await put("b", 40), await put("c", 40), await put("d", 60)];
    (await cache.lease([a], never)).release();
    (await cache.lease([b], never)).release();
    const used = await cache.lease([a], never);
    (await cache.lease([c], never)).release(); // b goes
    assert.equal(await onDisk(cache), 80);
    assert.deepEqual(reads, ["a", "b", "c"]);
    const last = await cache.lease([d], never); // c goes
    assert.deepEqual((await readFile(used.paths[0]!)).length, 40);
    assert.equal(await onDisk(cache), 100);
    last.release();
    used.release();
    await cache.lease([b], never);
    assert.deepEqual(reads, ["a", "b", "c", "d", "b"]);
  });

  it("lets queries wait in turn until others have ended; who gives up makes room for the next", async () => {
    const { put, cache: open } = await world();
    const cache = await open(100);
    const [a, b, c] = [await put("a", 60), await put("b", 60), await put("c", 30)];
    const first = await cache.lease([a], never);
    const impatient = new AbortController();
    const second = cache.lease([b], impatient.signal);
    const third = cache.lease([c], never);
    assert.ok(await isPending(second));
    assert.ok(await isPending(third), "it would fit, but it came later");
    impatient.abort(new Error("enough"));
    await assert.rejects(second, /enough/);
    assert.equal((await third).paths.length, 1);
    first.release();
    first.release(); // twice is once
    const again = await cache.lease([b], never);
    assert.equal(again.paths.length, 1);
    assert.equal(cache.bytes, 90);
  });

  it("holds over any history, and every leased file is there and right", { timeout: 120_000 }, async () => {
    const sizes = [10, 20, 30, 40, 50];
    const step = fc.record({
      files: fc.subarray([0, 1, 2, 3, 4], { minLength: 1 }),
      ends: fc.boolean(),
      aborts: fc.boolean(),
      fails: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const made = await world();
        const cache = await made.cache(90);
        const files = await Promise.all(sizes.map((size, i) => made.put(String(i), size)));
        const held: (() => void)[] = [];
        const ends: Promise<unknown>[] = [];
        for (const { files: wanted, ends: isEnding, aborts, fails } of steps) {
          made.fault = () => (fails ? "lost" : undefined);
          const abort = new AbortController();
          const need = wanted.map((i) => files[i]!);
          const leasing = (async () => {
            const lease = await cache.lease(need, abort.signal).catch(() => undefined);
            for (const [i, path] of (lease?.paths ?? []).entries())
              assert.equal((await readFile(path)).length, need[i]!.bytes);
            if (lease) held.push(lease.release);
          })();
          ends.push(leasing);
          if (aborts) abort.abort(new Error("enough"));
          await isPending(leasing);
          if (isEnding) held.shift()?.();
          assert.ok((await onDisk(cache)) <= 90);
          assert.ok(cache.bytes <= 90);
        }
        made.fault = () => undefined;
        // Whatever happened, all get their turn in the end.
        for (let i = 0; i < 100 && (await isPending(Promise.all(ends))); i++) held.shift()?.();
        assert.ok(!(await isPending(Promise.all(ends))));
        for (const release of held) release();
        await isPending(Promise.race([])); // a copy that nobody waits for any more may still fail
        (await cache.lease([files[4]!, files[3]!], never)).release();
        assert.equal(await onDisk(cache), cache.bytes);
      }),
      { numRuns: 25 },
    );
  });
});

describe("a restart", () => {
  it("takes over whole copies, and throws away halves, strangers and what is over a smaller budget", async () => {
    const { put, cache: open, reads, folder } = await world();
    const cache = await open(100);
    const [a, b, c] = [await put("a", 30), await put("b", 30), await put("c", 30)];
    const { paths } = await cache.lease([a, b, c], never);
    await truncate(paths[1]!, 29);
    await writeFile(join(cache.folder, "stranger"), "x");
    await writeFile(join(folder, "boot-before"), "x");
    const again = await open(100);
    assert.equal(again.bytes, 60);
    assert.equal(await onDisk(again), 60);
    assert.equal((await readdir(folder)).length, 1);
    await again.lease([a, b, c], never);
    expect(reads.toSorted()).toEqual(["a", "b", "b", "c"]);
    const smaller = await open(59);
    assert.equal(smaller.bytes, 30);
    assert.equal(await onDisk(smaller), 30);
  });
});
