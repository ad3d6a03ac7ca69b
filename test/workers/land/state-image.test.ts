import { describe, expect, test } from "vitest";
import { createMemoryObjectStore, type MemoryObjectStore } from "../../../adapters/memory/object-store.ts";
import { seededRandomness } from "../../../core/clock.ts";
import { MuaraError } from "../../../core/errors.ts";
import type { ObjectStore } from "../../../core/ports/object-store.ts";
import { writeCheckpoint } from "../../../lake/table/table-checkpoint.ts";
import { TableLanding } from "../../../workers/land/table-landing.ts";
import {
  counter,
  DAY_MS,
  declare,
  event,
  eventType,
  HOUR_MS,
  install,
  type Installation,
  never,
  OPTIONS,
  send,
} from "./setup.ts";

const TABLE = "order.created";
const EACH = { ...OPTIONS, imageCommits: 1 };

async function installed(): Promise<{ at: Installation; state: MemoryObjectStore }> {
  const at = await install();
  await declare(at, eventType());
  return { at, state: createMemoryObjectStore() };
}

/** A process from its start to its end without a goodbye: lands each batch in a commit of its own. */
async function run(
  at: Installation,
  state: ObjectStore,
  batches: readonly (readonly number[])[],
  options = EACH,
): Promise<void> {
  const landing = await TableLanding.open({ ...at.ports, state }, options, eventType());
  try {
    for (const numbers of batches) {
      await send(
        at,
        numbers.map((n) => event(n)),
      );
      await landing.step(never);
      at.clock.advance(5 * HOUR_MS);
    }
  } finally {
    landing.discard();
  }
}

async function copyOf(store: ObjectStore): Promise<ReadonlyMap<string, Uint8Array>> {
  const objects = await store.list("");
  return new Map(
    await Promise.all(objects.map(async ({ path }) => [path, (await store.get(path))!] as const)),
  );
}

async function restore(store: ObjectStore, copy: ReadonlyMap<string, Uint8Array>): Promise<void> {
  for (const { path } of await store.list("")) if (!copy.has(path)) await store.delete(path);
  for (const [path, bytes] of copy) await store.put(path, bytes);
}

/** What was logged about images, each once. */
function problems(at: Installation): string[] {
  const lines = at.lines.filter(({ message }) => message === "a state image is discarded");
  return [...new Set(lines.map((line) => (line as unknown as { problem: string }).problem))];
}

/** How the last start came by its ids: the image's version, or null. */
function lastImage(at: Installation): number | null {
  const line = at.lines.findLast(({ message }) => message === "ids known");
  return (line as unknown as { image: number | null }).image;
}

/** Reads of data files while `work` runs. */
async function dataReads(at: Installation, work: (at: Installation) => Promise<void>): Promise<number> {
  let count = 0;
  const counted = (path: string): void =>
    void (count += path.endsWith(".parquet") && path.includes("=") ? 1 : 0);
  const store = {
    ...at.store,
    get: (path: string) => (counted(path), at.store.get(path)),
    getRange: (path: string, from: number, length: number) => (
      counted(path),
      at.store.getRange(path, from, length)
    ),
  };
  await work({ ...at, ports: { ...at.ports, store } });
  return count;
}

describe("a state image", () => {
  test("takes the place of the id column: only what came since is read", async () => {
    const { at, state } = await installed();
    await run(at, state, [[1, 2], [3], [4, 5]]);
    const withImage = await dataReads(at, (counted) => run(counted, state, [[1, 2, 3, 4, 5, 6]]));
    expect([withImage, lastImage(at)]).toEqual([0, 3]);
    expect([await counter(at, "landed"), await counter(at, "duplicates")]).toEqual([6, 5]);
    await run(at, createMemoryObjectStore(), [[7]]); // by a process that has another folder
    const rolled = await dataReads(at, (counted) => run(counted, state, [[6, 7]]));
    expect([rolled, lastImage(at)]).toEqual([1, 4]);
    expect([await counter(at, "landed"), await counter(at, "duplicates")]).toEqual([7, 7]);
    const without = await dataReads(at, (counted) => run(counted, createMemoryObjectStore(), [[1]]));
    expect(without).toBeGreaterThan(3);
    expect(problems(at)).toEqual([]);
  });

  test("is written by ids, by commits, and at a clean stop; two are kept, generations shared", async () => {
    const { at, state } = await installed();
    const images = async (): Promise<number[]> =>
      (await state.list("")).flatMap(({ path }) => /(\d{20})\.image$/.exec(path)?.slice(1).map(Number) ?? []);
    await run(at, state, [[1], [2], [3]], { ...OPTIONS, imageIds: 4, imageCommits: 100 });
    expect(await images()).toEqual([]);
    await run(at, state, [[4], [5]], { ...OPTIONS, imageIds: 4, imageCommits: 100 });
    expect(await images()).toEqual([4]);
    await run(at, state, [[6], [7]], { ...OPTIONS, imageCommits: 3 });
    expect(await images()).toEqual([4, 7]);
    await run(at, state, [[8], [9]], EACH);
    expect(await images()).toEqual([8, 9]);
    const parts = (await state.list("")).filter(({ path }) => path.endsWith(".ids"));
    expect(parts.length).toBeLessThan(2 * 4); // 9 × 5 hours are four generations; most are in both images
    const landing = await TableLanding.open({ ...at.ports, state }, OPTIONS, eventType());
    await landing.saveImage();
    expect(await images()).toEqual([8, 9]); // nothing has changed
    landing.discard();
    const stopping = await TableLanding.open(
      { ...at.ports, state },
      { ...OPTIONS, imageCommits: 10 },
      eventType(),
    );
    await send(at, [event(10)]);
    await stopping.step(never);
    expect(await images()).toEqual([8, 9]);
    await stopping.saveImage();
    expect(await images()).toEqual([9, 10]);
    stopping.discard();
  });

  test("forgets with the table: what expired is not brought back", async () => {
    const { at, state } = await installed();
    await run(at, state, [[1], [2]]);
    at.clock.advance(5 * DAY_MS);
    await run(at, state, [[3]]);
    await run(at, state, [[1, 2, 3]]);
    expect([await counter(at, "landed"), await counter(at, "duplicates")]).toEqual([5, 1]);
  });
});

describe("an image is not trusted", () => {
  test("newer than the table: what it alone knows lands", async () => {
    const { at, state } = await installed();
    await run(at, state, [[1], [2]]);
    const lake = await copyOf(at.store);
    const before = await copyOf(state);
    await run(at, state, [[3]]);
    expect([...(await copyOf(state)).keys()]).not.toEqual([...before.keys()]);
    await restore(at.store, lake);
    // The log still has the event; the table has lost it.
    await run(at, state, [[4]]);
    expect(problems(at)).toContain("it is newer than the table");
    expect([await counter(at, "landed"), await counter(at, "duplicates")]).toEqual([4, 0]);
  });

  test("of another history: the same version, written by somebody else", async () => {
    const { at, state } = await installed();
    await run(at, state, [[1]]);
    const lake = await copyOf(at.store);
    await run(at, state, [[2]]);
    await restore(at.store, lake);
    await run(at, createMemoryObjectStore(), [[3]]); // lands 2 and 3 as version 2
    await run(at, state, [[2, 3]]);
    expect(problems(at)).toEqual(["the table has another history"]);
    expect(lastImage(at)).toBe(1); // the one before it fits
    expect([await counter(at, "landed"), await counter(at, "duplicates")]).toEqual([3, 2]);
  });

  test("of another table, another key, another horizon, a version that was cleaned up", async () => {
    const { at, state } = await installed();
    await run(at, state, [[1], [2]]);
    const images = await copyOf(state);
    await run(at, state, [[1]], { ...EACH, horizonMs: 47 * HOUR_MS });
    expect(problems(at)).toEqual(["the horizon was another one"]);

    const commit = `${TABLE}/_delta_log/${"0".repeat(20)}.json`;
    const text = new TextDecoder().decode(await at.store.get(commit));
    const id = /"id":"([^"]+)"/.exec(text)![1]!;
    const lake = await copyOf(at.store);
    at.lines.length = 0;
    await at.store.put(commit, new TextEncoder().encode(text.replace(id, `f${id.slice(1)}`)));
    await restore(
      state,
      new Map([...images].map(([path, bytes]) => [path.replace(id, `f${id.slice(1)}`), bytes])),
    );
    await run(at, state, [[1]]);
    expect(problems(at)).toEqual(["it is another table's"]);

    await restore(at.store, lake);
    await restore(state, images);
    at.lines.length = 0;
    const keyed = text.replace(/("muara.idKey":")./, (_, start: string) => `${start}x`);
    const flipped = keyed.replace(
      '"muara.idKey":"x',
      `"muara.idKey":"${text.includes('Key":"0') ? "1" : "0"}`,
    );
    await at.store.put(commit, new TextEncoder().encode(flipped));
    await run(at, state, [[1]]);
    expect(problems(at)).toEqual(["the table's id key was another one"]);

    await restore(at.store, lake);
    await restore(state, images);
    at.lines.length = 0;
    const snapshot = await at.openTable(TABLE).snapshot();
    await writeCheckpoint(at.store, TABLE, snapshot);
    for (let version = 0; version < snapshot.version; version++)
      await at.store.delete(`${TABLE}/_delta_log/${String(version).padStart(20, "0")}.json`);
    await run(at, state, [[1]]);
    expect(problems(at)).toEqual(["its version was cleaned up"]);
  });

  test("damaged anywhere, or of an unknown format", async () => {
    const random = seededRandomness(7);
    const { at, state } = await installed();
    await run(at, state, [[1, 2], [3, 4], [5]]);
    const [lake, images] = [await copyOf(at.store), await copyOf(state)];
    const known = { landed: 0, damaged: 0 };
    for (const path of images.keys()) {
      for (let round = 0; round < 8; round++) {
        await restore(at.store, lake);
        await restore(state, images);
        const bytes = images.get(path)!.slice();
        const place = Math.floor(random.fraction() * bytes.length);
        if (round === 0) await state.delete(path);
        else if (round < 3) await state.put(path, bytes.subarray(0, place));
        else {
          bytes[place]! ^= 1 << Math.floor(random.fraction() * 8);
          await state.put(path, bytes);
        }
        at.lines.length = 0;
        const landing = await TableLanding.open({ ...at.ports, state }, EACH, eventType());
        expect(landing.knownIds, path).toBe(5);
        await send(
          at,
          [1, 2, 3, 4, 5].map((n) => event(n)),
        );
        await landing.step(never);
        landing.discard();
        expect(await counter(at, "landed"), path).toBe(5);
        known.landed++;
        known.damaged += problems(at).length > 0 ? 1 : 0;
      }
    }
    expect(known.damaged).toBeGreaterThan(known.landed / 3); // not all of the older image's parts are looked at
  });
});

describe("an image costs nothing but time", () => {
  test("a crash at any call to its store, or no answer: the next start knows the same ids", async () => {
    for (let calls = 0, isCrashed = true; isCrashed; calls++) {
      isCrashed = false;
      for (const kind of ["crash before", "crash after", "no answer"] as const) {
        const { at, state } = await installed();
        await run(at, state, [[1, 2], [3]]);
        let left = calls;
        const through =
          <Arguments extends unknown[], Answer>(call: (...given: Arguments) => Promise<Answer>) =>
          async (...given: Arguments): Promise<Answer> => {
            const isNow = left-- === 0;
            if (isNow) isCrashed = true;
            if (isNow && kind === "crash before") throw new Error("crash");
            if (isNow && kind === "no answer") throw new MuaraError("store.unavailable", "no answer");
            const answer = await call(...given);
            if (isNow) throw new Error("crash");
            return answer;
          };
        const failing: ObjectStore = {
          ...state,
          get: through((path: string) => state.get(path)),
          list: through((prefix: string) => state.list(prefix)),
          put: through((path: string, bytes: Uint8Array) => state.put(path, bytes)),
          delete: through((path: string) => state.delete(path)),
        };
        const end = await run(at, failing, [[4], [5]]).catch((error: unknown) => String(error));
        expect(end).toBe(isCrashed && kind !== "no answer" ? "Error: crash" : undefined);
        await run(at, state, [[1, 2, 3, 4, 5, 6]]);
        await run(at, state, [[6]]);
        const counts = [await counter(at, "landed"), (await copyOf(state)).size > 0];
        expect(counts, `${kind} at call ${calls}`).toEqual([6, true]);
      }
    }
  });
});
