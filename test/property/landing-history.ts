/**
 * A seeded history of one table: producers, owners that crash, lose answers and race, writers that compact or remove,
 * gaps, retention, days going by. After every step the audit holds the table against the model. At the end the
 * faults stop, and everything must drain.
 */
import assert from "node:assert/strict";
import { hasCode } from "../../core/errors.ts";
import { planColumns } from "../../core/columns.ts";
import { landedPartitions } from "../../core/landed.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { AddFile, TableChange, Txn } from "../../core/ports/table-log.ts";
import { neededFromMs } from "../../lake/remove-rows.ts";
import { identitiesOfFiles, writeRemovedIds } from "../../lake/removed-ids.ts";
import { readRows, writeRows } from "../../lake/parquet/rows.ts";
import { addFile, dataFilePath } from "../../lake/table/add-file.ts";
import { ensureTable } from "../../lake/tables.ts";
import { newSecret } from "../../lake/id-key.ts";
import { type AuditCounts, LandingAudit } from "./landing-audit.ts";
import { below, pick } from "./landing-events.ts";
import { kernel, LandingWorld, type Owner, type Plant } from "./landing-world.ts";

const STEPS = 40;
const DRAIN_STEPS_MAX = 400;
const HOUR_MS = 3_600_000;

export interface History {
  readonly world: LandingWorld;
  readonly audit: LandingAudit;
}

/** Runs one history. @throws Error naming the seed, with the first thing that is wrong as its cause */
export async function runLandingHistory(
  seed: number,
  counts: AuditCounts,
  plant?: Plant,
  observe: (world: LandingWorld) => Promise<void> = async () => {},
  base?: ObjectStore,
): Promise<History> {
  const world = new LandingWorld(seed, plant, base);
  const audit = new LandingAudit(world, counts);
  const done: string[] = [];
  try {
    await world.start();
    if (world.random.fraction() < 0.5) await createWithCheckpoints(world);
    for (let step = 0; step < STEPS; step++) {
      const [name, act] = choose(world);
      done.push(name);
      await act(audit);
      await audit.catchUp();
      await observe(world);
    }
    done.push("drain");
    await drain(world, audit);
    await observe(world);
    await checkEnd(world, audit);
    return { world, audit };
  } catch (error) {
    throw new Error(`landing history with seed ${seed} (${world.kind}), after ${done.join(", ")}`, {
      cause: error,
    });
  } finally {
    for (const owner of world.owners) world.drop(owner);
  }
}

export function noCounts(): AuditCounts {
  return { commits: 0, landed: 0, duplicates: 0, dead: 0, watermarkCommits: 0, idle: 0, foreignCommits: 0 };
}

type Act = (audit: LandingAudit) => Promise<unknown>;

function choose(world: LandingWorld): [string, Act] {
  const { random, clock } = world;
  const owner = pick(random, world.owners);
  const dice = random.fraction();
  if (dice < 0.33) return ["publish", () => world.publish()];
  if (dice < 0.5) {
    const ms = pick(random, [
      200,
      2_000,
      30_000,
      70_000,
      20 * 60_000,
      3 * HOUR_MS,
      15 * HOUR_MS,
      30 * HOUR_MS,
    ]);
    return [`+${ms} ms`, async () => clock.advance(ms)];
  }
  if (dice < 0.52) {
    const ms = pick(random, [-3_600_000, -5_000, 5_000]);
    return [`wall clock ${ms} ms`, async () => clock.jump(ms)];
  }
  if (dice < 0.55) return [`silence for ${owner.name}`, () => silence(world, owner)];
  if (dice < 0.73) return [`${owner.name} steps`, () => world.step(owner)];
  if (dice < 0.79) return ["both step", () => Promise.all(world.owners.map((one) => world.step(one)))];
  if (dice < 0.84) {
    owner.callsLeft = 1 + below(random, 40);
    return [`${owner.name} crashes within ${owner.callsLeft} calls`, () => world.step(owner)];
  }
  if (dice < 0.87) {
    return [`${owner.name} is aborted`, () => abortedStep(world, owner)];
  }
  if (dice < 0.875) return [`${owner.name} starts anew`, async () => world.drop(owner)];
  if (dice < 0.88) return [`images of ${owner.name} are damaged`, () => damageImages(world, owner)];
  if (dice < 0.9) {
    const partition = below(random, world.model.partitions.length);
    const length = 1 + below(random, 3);
    return ["gap", () => world.log.addGap(world.type.name, partition, length)];
  }
  if (dice < 0.91) {
    const partition = below(random, world.model.partitions.length);
    const isStalled = random.fraction() < 0.6;
    const name = `partition ${partition} ${isStalled ? "stalls" : "answers"}`;
    return [name, async () => world.log.stall(partition, isStalled)];
  }
  if (dice < 0.93) return ["retention", () => world.log.retain()];
  const change = pick(random, [compact, compact, compact, removeFile, removeRecorded, appendForeign]);
  if (dice < 0.965) return [change.name, (audit) => change(world, audit)];
  return [
    `${owner.name} steps beside ${change.name}`,
    (audit) => Promise.all([world.step(owner), afterSome(world, () => change(world, audit))]),
  ];
}

/** The process is told to stop while a commit does not get through. */
async function abortedStep(world: LandingWorld, owner: Owner): Promise<void> {
  owner.abortIn = 1 + below(world.random, 20);
  world.commitFaultRate = 0.8;
  await world.step(owner);
  world.commitFaultRate = 0;
}

/** Nothing is published, one owner looks every minute or so. */
async function silence(world: LandingWorld, owner: Owner): Promise<void> {
  for (let looks = 3 + below(world.random, 5); looks > 0; looks--) {
    await world.step(owner);
    world.clock.advance(5_000 + below(world.random, 65_000));
  }
}

/** Lets the others go first for a while. */
async function afterSome(world: LandingWorld, act: () => Promise<unknown>): Promise<void> {
  for (let turns = below(world.random, 150); turns > 0; turns--) await Promise.resolve();
  await act();
}

/** A table whose log is checkpointed often, so that reopening goes through checkpoints. */
async function createWithCheckpoints(world: LandingWorld): Promise<void> {
  const { columns } = planColumns(world.type);
  const properties = { ...newSecret(world.random), "delta.checkpointInterval": "5" };
  await ensureTable(world.table, world.type.name, columns, properties, world.owners[0]!.ports);
}

async function compact(world: LandingWorld, audit: LandingAudit): Promise<void> {
  await audit.catchUp();
  const files = [...(await world.table.snapshot()).files.values()];
  const dates = Map.groupBy(files, (file) => file.partitionValues["ingest_date"]!);
  const crowded = [...dates.values()].filter((some) => some.length > 1);
  if (crowded.length === 0) return;
  const chosen = pick(world.random, crowded);
  const { columns } = planColumns(world.type);
  const rows = [];
  for (const file of chosen)
    rows.push(...(await readRows((await world.store.get(`${world.type.name}/${file.path}`))!, columns)));
  const add = await writeFile(world, rows, chosen[0]!.partitionValues["ingest_date"]!, false);
  await commit(world, [add], chosen, false);
}

async function removeFile(world: LandingWorld): Promise<void> {
  const files = [...(await world.table.snapshot()).files.values()];
  if (files.length > 0) await commit(world, [], [pick(world.random, files)], true);
}

/** As retention would: the ids of what goes stay known. */
async function removeRecorded(world: LandingWorld): Promise<void> {
  const snapshot = await world.table.snapshot();
  const files = [...snapshot.files.values()];
  if (files.length === 0) return;
  const { name } = world.type;
  const ports = { store: world.store, kernel, randomness: world.random };
  const removed = [pick(world.random, files)];
  const ids = await identitiesOfFiles(ports, name, snapshot, removed);
  const landed = landedPartitions(snapshot.txns);
  const keepFromMs = neededFromMs(landed, world.model.partitions.length, world.options.horizonMs);
  const { txn } = await writeRemovedIds(ports, name, snapshot, ids, keepFromMs);
  await commit(world, [], removed, true, [txn]);
}

/** One object of an owner's images is lost, cut off or overwritten; then it starts anew. */
async function damageImages(world: LandingWorld, owner: Owner): Promise<void> {
  const objects = await owner.images.list("");
  world.drop(owner);
  if (objects.length === 0) return;
  const { path, bytes: size } = pick(world.random, objects);
  const bytes = (await owner.images.get(path))!;
  const kind = below(world.random, 3);
  if (kind === 0) return owner.images.delete(path);
  if (kind === 1) return owner.images.put(path, bytes.subarray(0, below(world.random, size)));
  bytes[below(world.random, size)]! ^= 1 << below(world.random, 8);
  await owner.images.put(path, bytes);
}

async function appendForeign(world: LandingWorld): Promise<void> {
  if ((await world.table.snapshot()).version < 0) return;
  const us = BigInt(world.clock.nowMs()) * 1_000n;
  const id = world.random.uuid();
  const row = { event_id: id, event_time: us, ingest_time: us, log_partition: -1n, log_offset: -1n, n: 0n };
  const date = new Date(world.clock.nowMs()).toISOString().slice(0, 10);
  await commit(world, [await writeFile(world, [row], date, true)], [], true);
}

async function writeFile(
  world: LandingWorld,
  rows: readonly object[],
  date: string,
  isDataChange: boolean,
): Promise<AddFile> {
  const { bytes, stats } = writeRows(planColumns(world.type).columns, rows);
  const partitionValues = { ingest_date: date };
  const path = dataFilePath(partitionValues, world.random.uuid());
  await world.store.put(`${world.type.name}/${path}`, bytes);
  const modifiedMs = world.clock.nowMs();
  return { ...addFile({ path, partitionValues, bytes: bytes.length, modifiedMs, isDataChange }), stats };
}

/** As a foreign writer would: whatever came meanwhile, unless its files are gone. */
async function commit(
  world: LandingWorld,
  add: readonly AddFile[],
  remove: readonly AddFile[],
  dataChange: boolean,
  txns: readonly Txn[] = [],
): Promise<void> {
  const base = await world.table.snapshot();
  const deletionTimestamp = world.clock.nowMs();
  const change: TableChange = {
    operation: "OPTIMIZE",
    add,
    remove: remove.map(({ path }) => ({ path, deletionTimestamp, dataChange })),
    txns,
    info: {},
  };
  try {
    await world.table.commit({ base, change, check: () => "rebase" });
  } catch (error) {
    if (!hasCode(error, "table.commit_conflict")) throw error;
  }
}

/** Without faults everything lands, whoever does it. */
async function drain(world: LandingWorld, audit: LandingAudit): Promise<void> {
  world.faultRate = 0;
  world.model.partitions.forEach((_, p) => world.log.stall(p, false));
  world.applyLate();
  world.clock.advance(60_000);
  const owner = pick(world.random, world.owners);
  for (let steps = 0; steps < DRAIN_STEPS_MAX; steps++) {
    await world.step(owner);
    await audit.catchUp();
    const isDone = owner.landing?.state.partitions.every(({ cursor }, p) => cursor === endOf(audit, p));
    if (isDone && world.model.inFlight === 0) {
      const ends = await Promise.all(
        world.model.partitions.map((_, p) => world.log.bounds(world.type.name, p)),
      );
      if (ends.every(({ endOffset }, p) => endOffset === world.model.partitions[p]!.cursor)) return;
    }
  }
  assert.fail(`${world.model.inFlight} events are still in flight after ${DRAIN_STEPS_MAX} steps`);
}

function endOf(audit: LandingAudit, partition: number): number {
  for (const [app, value] of audit.txns)
    if (/^muara:land:[^:]+:[^:]+:\d+$/.test(app) && app.endsWith(`:${partition}`)) return Number(value);
  return 0;
}

async function checkEnd(world: LandingWorld, audit: LandingAudit): Promise<void> {
  const head = await world.table.snapshot();
  assert.equal(head.version, audit.version);
  assert.deepEqual(new Set(head.files.keys()), new Set(audit.files.keys()), "live files");
  assert.deepEqual(new Map(head.txns), audit.txns, "txns");
  for (const path of world.named) assert(await world.store.head(path), `${path} is named and gone`);
  const version = below(world.random, head.version + 1);
  assert.equal((await world.table.snapshot({ version })).version, version, "every version is readable");
  const accepted = world.model.records.reduce((sum, records) => sum + records.size, 0);
  const { landed, duplicates, dead } = audit.fates;
  assert.equal(
    landed.length + duplicates.length + dead.length,
    accepted,
    "accepted = landed + duplicates + dead",
  );
  const places = landed.map(({ partition, offset }) => `${partition}/${offset}`);
  assert.equal(new Set(places).size, places.length, "no offset landed twice");
}
