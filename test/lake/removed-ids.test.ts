import { describe, expect, test } from "vitest";
import { createMemoryObjectStore } from "../../adapters/memory/object-store.ts";
import { REMOVED_TXN } from "../../core/landed.ts";
import type { AddFile } from "../../core/ports/table-log.ts";
import { identitiesOfFiles, readRemovedIds, writeRemovedIds } from "../../lake/removed-ids.ts";
import { TableLanding } from "../../workers/land/table-landing.ts";
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
} from "../workers/land/setup.ts";

const TABLE = "order.created";
const options = { ...OPTIONS, imageCommits: 1 };

/** Removes files as retention or erasure would. @returns the file of ids */
async function remove(
  at: Installation,
  files: readonly AddFile[],
  isRecorded = true,
  keepFromMs = -Infinity,
): Promise<string> {
  const log = at.openTable(TABLE);
  const base = await log.snapshot();
  const rows = await identitiesOfFiles(at.ports, TABLE, base, files);
  const { txn, path } = await writeRemovedIds(at.ports, TABLE, base, rows, keepFromMs);
  const deletionTimestamp = at.clock.nowMs();
  const change = {
    operation: "DELETE",
    add: [],
    remove: files.map((file) => ({ path: file.path, deletionTimestamp, dataChange: true })),
    txns: isRecorded ? [txn] : [],
    info: {},
  };
  await log.commit({ base, change, check: () => "abandon" });
  return path;
}

async function filesOf(at: Installation): Promise<AddFile[]> {
  return [...(await at.openTable(TABLE).snapshot()).files.values()].sort(
    (a, b) => a.modificationTime - b.modificationTime,
  );
}

/** Three events, each in a file of its own. */
async function landed(): Promise<{ at: Installation; state: ReturnType<typeof createMemoryObjectStore> }> {
  const at = await install();
  await declare(at, eventType());
  const state = createMemoryObjectStore({ clock: at.clock });
  const landing = await TableLanding.open({ ...at.ports, state }, options, eventType());
  for (const n of [1, 2, 3]) {
    await send(at, [event(n)]);
    await landing.step(never);
    at.clock.advance(HOUR_MS);
  }
  landing.discard();
  return { at, state };
}

describe("a resend of a removed event", () => {
  test.each(["the live worker", "a start with an image", "a start without"])(
    "is a duplicate for %s, and lands where its id was not recorded",
    async (who) => {
      for (const isRecorded of [true, false]) {
        const { at, state } = await landed();
        const open = (): Promise<TableLanding> =>
          TableLanding.open(
            { ...at.ports, state: who === "a start without" ? createMemoryObjectStore() : state },
            options,
            eventType(),
          );
        const live = who === "the live worker" ? await open() : undefined;
        const [first, second] = await filesOf(at);
        await remove(at, [first!], isRecorded);
        if (isRecorded) await remove(at, [second!]); // names the first one's ids as well
        const landing = live ?? (await open());
        await send(at, [event(1), event(3), event(4)]);
        while ((await landing.step(never)).hasBacklog);
        expect([await counter(at, "landed"), await counter(at, "duplicates")]).toEqual(
          isRecorded ? [4, 2] : [5, 1],
        );
        await send(at, [event(2)]);
        while ((await landing.step(never)).hasBacklog);
        expect(await counter(at, "landed")).toBe(isRecorded ? 4 : 5);
        landing.discard();
      }
    },
  );

  test("lands once the horizon has passed", async () => {
    const { at, state } = await landed();
    await remove(at, await filesOf(at));
    at.clock.advance(4 * DAY_MS);
    const landing = await TableLanding.open({ ...at.ports, state }, options, eventType());
    await send(at, [event(1)]);
    while ((await landing.step(never)).hasBacklog);
    expect([await counter(at, "landed"), await counter(at, "duplicates")]).toEqual([4, 0]);
    landing.discard();
  });
});

describe("the file of removed ids", () => {
  test("carries on what its predecessor held, as far as that is to be kept", async () => {
    const { at } = await landed();
    const [first, second, third] = await filesOf(at);
    await remove(at, [first!]);
    const read = async () => (await readRemovedIds(at.ports, TABLE, await at.openTable(TABLE).snapshot()))!;
    const one = await read();
    expect(one.count).toBe(1);
    await remove(at, [second!]);
    expect((await read()).count).toBe(2);
    await remove(at, [third!], true, one.ingestMs[0]! + 1);
    const rest = await read();
    expect(rest.count).toBe(2);
    expect([...rest.identities]).not.toContain(one.identities[0]);
    const names = (await at.store.list(`${TABLE}/_muara`)).map(({ path }) => path);
    const { txns } = await at.openTable(TABLE).snapshot();
    expect(names).toContain(`${TABLE}/_muara/removed-${txns.get(REMOVED_TXN)}.ids`);
  });

  test("holds no id, and is refused where anything about it is wrong", async () => {
    const { at } = await landed();
    const path = await remove(at, await filesOf(at));
    const snapshot = await at.openTable(TABLE).snapshot();
    const bytes = (await at.store.get(path))!;
    expect(Buffer.from(bytes).toString("latin1")).not.toContain("4000-8000");
    const wrong: (Uint8Array | undefined)[] = [undefined, new Uint8Array(0), bytes.subarray(0, 60)];
    wrong.push(bytes.subarray(0, -1), Buffer.concat([bytes, bytes.subarray(0, 1)]));
    for (let place = 0; place < bytes.length; place++) {
      const flipped = bytes.slice();
      flipped[place]! ^= 1 << (place % 8);
      wrong.push(flipped);
    }
    for (const content of wrong) {
      if (content) await at.store.put(path, content);
      else await at.store.delete(path);
      await expect(readRemovedIds(at.ports, TABLE, snapshot)).rejects.toMatchObject({
        code: "table.corrupt",
      });
    }
    await at.store.put(path, bytes);
    const configuration = { ...snapshot.metadata!.configuration, "muara.idKey": "0".repeat(32) };
    const other = { ...snapshot, metadata: { ...snapshot.metadata!, configuration } };
    await expect(readRemovedIds(at.ports, TABLE, other)).rejects.toThrow("another id key");
    expect((await readRemovedIds(at.ports, TABLE, snapshot))!.count).toBe(3);
  });
});
