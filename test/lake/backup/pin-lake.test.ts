/** Which versions a backup takes while tables go on: whoever reads is never ahead of what it reads. */
import { expect, test } from "vitest";
import { createMemoryObjectStore } from "../../../adapters/memory/object-store.ts";
import { ManualClock, systemRandomness } from "../../../core/clock.ts";
import { type DeliveryPosition, nothingDelivered } from "../../../core/delivery.ts";
import { jobInputTxn } from "../../../core/job.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { TableLog, TableSnapshot } from "../../../core/ports/table-log.ts";
import { movedToNoted, type PinPorts, type Pins, pinLake } from "../../../lake/backup/pin-lake.ts";
import { consumedTxn } from "../../../lake/projection.ts";
import { openTableLog } from "../../../lake/table/table-log.ts";
import { abandon, change, committed, creation } from "../../conformance/table-changes.ts";

const clock = new ManualClock(1_800_000_000_000);

interface Lake extends PinPorts {
  /** One more version, which says what it has read. @returns it */
  commit(name: string, read?: Readonly<Record<string, TableSnapshot>>): Promise<TableSnapshot>;
}

/** How a table says what it has read: as jobs do, and as what follows tables does. */
const WAYS: readonly [string, (id: string) => string][] = [
  ["a job", (id) => jobInputTxn("j1", id)],
  ["a projection", consumedTxn],
];

/** @param names of tables with one version each @param onRead before each second look at a table */
async function lakeOf(
  names: readonly string[],
  counter: (id: string) => string = consumedTxn,
  onRead: (lake: Lake, name: string) => Promise<unknown> = async () => {},
): Promise<Lake> {
  const store = createMemoryObjectStore({ clock });
  const options = { clock, randomness: systemRandomness, logger: silentLogger };
  const open = (name: string): TableLog => openTableLog(store, name, options);
  const lake: Lake = {
    store,
    openTable: (name) => ({
      ...open(name),
      snapshot: async (at) => {
        if (at?.from) await onRead(lake, name);
        return open(name).snapshot(at);
      },
    }),
    commit: async (name, read = {}) => {
      const base = await open(name).snapshot();
      const txns = Object.values(read).map(({ metadata, version }) => ({
        appId: counter(metadata!.id),
        version: BigInt(version),
      }));
      const wanted = base.version < 0 ? creation() : change([`f${base.version}`], { txns });
      return committed(open(name).commit({ base, change: wanted, check: abandon }));
    },
  };
  for (const name of names) await lake.commit(name);
  return lake;
}

const at = (lake: Lake, name: string): Promise<TableSnapshot> => lake.openTable(name).snapshot();
const versions = (pins: Pins): Record<string, number> =>
  Object.fromEntries([...pins].map(([name, { version }]) => [name, version]));

function position({ metadata }: TableSnapshot, more: Partial<DeliveryPosition>): DeliveryPosition {
  return { ...nothingDelivered({ id: "d" }, 0), tableId: metadata!.id, ...more };
}

test.each(WAYS)("%s that goes on meanwhile is pinned behind what it reads", async (_, counter) => {
  // In either order of their names, and over two steps.
  const chains = [
    ["a", "b", "c"],
    ["c", "b", "a"],
    ["b", "a", "c"],
  ] as const;
  for (const [source, middle, last] of chains) {
    const step = async (lake: Lake): Promise<void> => {
      const read = await lake.commit(source);
      await lake.commit(last, { [middle]: await lake.commit(middle, { [source]: read }) });
    };
    const lake = await lakeOf([source, middle, last], counter, step);
    await step(lake);
    const pins = await pinLake(lake);
    expect([...pins.keys()]).toEqual([last, middle, source]);
    for (const [reader, of] of [
      [middle, source],
      [last, middle],
    ] as const) {
      const noted = pins.get(reader)!.txns.get(counter(pins.get(of)!.metadata!.id));
      expect(Number(noted)).toBeLessThanOrEqual(pins.get(of)!.version);
      expect(Number(noted)).toBeGreaterThan(0);
    }
  }
});

test("a table that reads itself is pinned and moved once", async () => {
  const lake = await lakeOf(["a"]);
  await lake.commit("a", { a: await at(lake, "a") });
  const pins = await pinLake(lake);
  expect(versions(pins)).toEqual({ a: 1 });
  await lake.commit("a", { a: await at(lake, "a") });
  expect(versions(await movedToNoted(lake, pins, [position(pins.get("a")!, { version: 2 })]))).toEqual({
    a: 2,
  });
});

test.each([true, false])("what is no table is not pinned (folders are told: %s)", async (isTold) => {
  const lake = await lakeOf(["a"]);
  const names = ["_muara", "_extracts", "begun"];
  for (const name of names) await lake.store.put(`${name}/_delta_log/notes.txt`, new Uint8Array(1));
  for (const name of ["_muara", "a"])
    await lake.store.put(`${name}/deeper/_delta_log/${"0".repeat(20)}.json`, new Uint8Array(1));
  const store = { ...lake.store };
  if (!isTold) delete store.folders;
  const opened: string[] = [];
  const openTable = (name: string): TableLog => {
    opened.push(name);
    return lake.openTable(name);
  };
  const pins = await pinLake({ store, openTable });
  expect([versions(pins), opened]).toEqual([{ a: 0 }, ["a", "begun"]]);
});

test("tables that read each other are pinned once each", async () => {
  const lake = await lakeOf(["a", "b"]);
  await lake.commit("b", { a: await lake.commit("a", { b: await at(lake, "b") }) });
  expect(versions(await pinLake(lake))).toEqual({ a: 1, b: 1 });
});

test("a table goes forward to what a delivery has noted, no further, and never back", async () => {
  const lake = await lakeOf(["a", "b"]);
  for (let version = 1; version <= 2; version++) await lake.commit("a");
  const pins = await pinLake(lake);
  for (let version = 3; version <= 6; version++) await lake.commit("a");
  const a = pins.get("a")!;
  const moved = async (...noted: Partial<DeliveryPosition>[]): Promise<Record<string, number>> =>
    versions(
      await movedToNoted(
        lake,
        pins,
        noted.map((more) => position(a, more)),
      ),
    );
  expect(await moved()).toEqual({ a: 2, b: 0 });
  expect(await moved({ version: 1 })).toEqual({ a: 2, b: 0 });
  expect(await moved({ version: 2, rows: 0 })).toEqual({ a: 2, b: 0 });
  // Rows of the step after it.
  expect(await moved({ version: 2, rows: 1 })).toEqual({ a: 3, b: 0 });
  expect(await moved({ version: 5, rows: 1 }, { version: 4 })).toEqual({ a: 6, b: 0 });
  expect(await moved({ version: 6, rows: 0 })).toEqual({ a: 6, b: 0 });
  expect(await moved({ version: 5, tableId: "another" })).toEqual({ a: 2, b: 0 });
  // The whole table as of this version, of which some rows are brought: there need not be a later one.
  expect(await moved({ version: 6, snapshot: 6, rows: 1 })).toEqual({ a: 6, b: 0 });
  const gone = { code: "backup.moved", message: "a has no version 7, which has been noted." };
  await expect(moved({ version: 6, rows: 1 })).rejects.toMatchObject(gone);
  await expect(moved({ version: 7 })).rejects.toMatchObject(gone);
});

test.each(WAYS)("what %s reads goes forward with it, over every step", async (_, counter) => {
  for (const [source, middle, last] of [
    ["a", "b", "c"],
    ["c", "b", "a"],
  ] as const) {
    const lake = await lakeOf([source, middle, last], counter);
    const pins = await pinLake(lake);
    const read = await lake.commit(source);
    await lake.commit(last, { [middle]: await lake.commit(middle, { [source]: read }) });
    // Nobody has noted this one.
    await lake.commit(source);
    await lake.commit(middle, { [source]: await at(lake, source) });
    const moved = await movedToNoted(lake, pins, [position(pins.get(last)!, { version: 1 })]);
    expect(versions(moved)).toEqual({ [source]: 1, [middle]: 1, [last]: 1 });
  }
});
