/** What others do to a table between an attempt's reading and its commit. */
import { expect, test } from "vitest";
import { planColumns } from "../../../core/columns.ts";
import type { TableChange } from "../../../core/ports/table-log.ts";
import { addFile, dataFilePath } from "../../../lake/table/add-file.ts";
import { writeRows } from "../../../lake/parquet/rows.ts";
import { openTableLog } from "../../../lake/table/table-log.ts";
import { TableLanding } from "../../../workers/land/table-landing.ts";
import {
  counter,
  declare,
  event,
  eventType,
  install,
  type Installation,
  never,
  OPTIONS,
  send,
  uuid,
} from "./setup.ts";

const type = eventType();

/** An installation in which `meanwhile` happens right before the first landing commit is put. */
async function interrupted(meanwhile: (at: Installation) => Promise<void>): Promise<Installation> {
  let isDone = false;
  const at = await install(async (operation, path) => {
    if (operation !== "putIfAbsent" || !path.endsWith("1.json") || isDone) return undefined;
    isDone = true;
    await meanwhile(at);
    return undefined;
  });
  await declare(at, type);
  return at;
}

async function commit(at: Installation, change: Partial<TableChange>): Promise<void> {
  const table = openTableLog(at.store, type.name, at);
  const whole = { operation: "WRITE", add: [], remove: [], txns: [], info: {}, ...change };
  await table.commit({ base: await table.snapshot(), change: whole, check: () => "rebase" });
}

async function foreignFile(at: Installation, id: string) {
  const us = BigInt(at.clock.nowMs()) * 1_000n;
  const row = { event_id: id, event_time: us, ingest_time: us, log_partition: -1n, log_offset: -1n };
  const { bytes, stats } = writeRows(planColumns(type).columns, [row]);
  const partitionValues = { ingest_date: new Date(at.clock.nowMs()).toISOString().slice(0, 10) };
  const path = dataFilePath(partitionValues, at.randomness.uuid());
  await at.store.put(`${type.name}/${path}`, bytes);
  return { ...addFile({ path, partitionValues, bytes: bytes.length, modifiedMs: 0 }), stats };
}

async function landAll(at: Installation): Promise<TableLanding> {
  const landing = await TableLanding.open(at.ports, OPTIONS, type);
  while ((await landing.step(never)).hasBacklog);
  return landing;
}

async function fates(at: Installation): Promise<number[]> {
  return Promise.all(["landed", "duplicates", "dead"].map((name) => counter(at, name)));
}

test("rows that somebody adds: their ids count, the attempt is decided again", async () => {
  const at = await interrupted(async (one) =>
    commit(one, { add: [await foreignFile(one, uuid(1).toUpperCase())] }),
  );
  await send(at, [event(1), event(2)]);
  await landAll(at);
  expect(await fates(at)).toEqual([1, 1, 0]);
  const named = [...(await at.openTable(type.name).snapshot()).files.keys()];
  const stored = (await at.store.list(type.name))
    .map(({ path }) => path)
    .filter((path) => path.includes("part-"));
  expect(stored.length, "files of the abandoned attempt are deleted").toBe(named.length);
});

test("a commit that changes no rows is no reason to decide again", async () => {
  let reads = 0;
  const at = await interrupted((one) => commit(one, { operation: "OPTIMIZE" }));
  await send(at, [event(1)]);
  const read: typeof at.log.read = async (...place) => {
    reads++;
    return at.log.read(...place);
  };
  const log = { ...at.log, id: at.log.id, appendCount: 0, read } as typeof at.log;
  for (const name of ["stream", "bounds", "hold"] as const)
    Object.assign(log, {
      [name]: (...given: never[]) => (at.log[name] as (...a: never[]) => unknown)(...given),
    });
  const landing = await TableLanding.open({ ...at.ports, log }, OPTIONS, type);
  await landing.step(never);
  expect(await fates(at)).toEqual([1, 0, 0]);
  expect(landing.state.snapshot.version).toBe(2);
  expect(reads).toBe(1);
});

test("a changed metadata is read anew before anything is written by the old one", async () => {
  const at = await interrupted(async (one) => {
    const { metadata } = await one.openTable(type.name).snapshot();
    await commit(one, { metadata: { ...metadata!, name: "renamed" } });
  });
  await send(at, [event(1)]);
  const landing = await TableLanding.open(at.ports, OPTIONS, type);
  await expect(landing.step(never)).rejects.toMatchObject({ code: "land.fenced" });
  expect(landing.isUsable).toBe(false);
  landing.discard();
  await landAll(at);
  expect(await fates(at)).toEqual([1, 0, 0]);
});

test("a log that grows while it is read lands each event once", async () => {
  const at = await install();
  await declare(at, type, 2);
  const landing = await TableLanding.open(at.ports, OPTIONS, type);
  for (let i = 0; i < 20; i++) {
    await send(at, [event(i), event(i - 1 >= 0 ? i - 1 : 0)], i % 2);
    if (i % 3 === 0) await landing.step(never);
  }
  while ((await landing.step(never)).hasBacklog);
  expect(await fates(at)).toEqual([20, 20, 0]);
});

test("a file that is gone by the time it is read stops a table only where its newest version names it", async () => {
  let part: string | undefined;
  let isRemoved = true;
  const at = await install(async (operation, path) => {
    if (!operation.startsWith("get") || part === undefined || path !== `${type.name}/${part}`)
      return undefined;
    await at.store.delete(path);
    const remove = [{ path: part, deletionTimestamp: 1, dataChange: true }];
    part = undefined;
    if (isRemoved) await commit(at, { remove });
    return undefined;
  });
  await declare(at, type);
  await send(at, [event(1)]);
  await landAll(at);
  const partOf = async (): Promise<string> =>
    [...(await at.openTable(type.name).snapshot()).files.keys()][0]!;
  part = await partOf();
  const landing = await TableLanding.open(at.ports, OPTIONS, type);
  expect(landing.state.snapshot.files.size).toBe(0);
  landing.discard();
  await send(at, [event(2)]);
  await landAll(at);
  isRemoved = false;
  part = await partOf();
  await expect(TableLanding.open(at.ports, OPTIONS, type)).rejects.toMatchObject({ code: "table.corrupt" });
});
