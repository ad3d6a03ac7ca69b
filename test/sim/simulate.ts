/**
 * One seed, one history: door → log → landing → projections → compaction → sweep → read, under the faults that the
 * seed has drawn. The audits look after every write. At the end the faults stop, and everything must drain in time.
 */
import assert from "node:assert/strict";
import { basename } from "node:path";
import { silentLogger } from "../../core/logger.ts";
import { hintOfFileName, logFolder, readCheckpoint } from "../../lake/table/table-checkpoint.ts";
import { openTableLog } from "../../lake/table/table-log.ts";
import type { AuditTable } from "./audit-table.ts";
import { below, pick } from "./events.ts";
import type { FaultCounts } from "./faults.ts";
import { Foreigner } from "./foreign.ts";
import { declare, produce } from "./producers.ts";
import { settled, turnOfTheLoop } from "./scheduler.ts";
import { trouble } from "./trouble.ts";
import { OUTSIDE, type Plant, World } from "./world.ts";

/** Virtual ms in which everything must be drained once it is healed. */
const DRAIN_MS = 240_000;
/** Requests of a producer, at least. Most histories are short: many of them find more than a few long ones. */
const LENGTHS = [2, 2, 2, 2, 3, 3, 4, 8];
/** A history that takes more goes round in circles. */
const STEPS_MAX = 40_000;

export interface History {
  readonly seed: number;
  readonly faults: FaultCounts;
  readonly steps: number;
  readonly virtualMs: number;
  readonly events: number;
  readonly commits: number;
  /** The same for every run of a seed. */
  readonly trace: number;
}

/** @throws Error naming the seed and what it drew, with the first thing that is wrong as its cause */
export async function simulate(seed: number, plant?: Plant): Promise<History> {
  const world = new World(seed, plant);
  let phase = "play";
  try {
    world.slots.forEach((_, slot) => world.start(slot));
    const foreigner = new Foreigner(world);
    await turnUntilDone(world, play(world, foreigner));
    phase = "drain";
    await drain(world);
    phase = "check";
    await check(world, foreigner);
    return summaryOf(world);
  } catch (cause) {
    const drawn = `${world.slots.length} processes; ${JSON.stringify(world.options)}; ${world.faults.describe()}`;
    throw new Error(`seed ${seed}, ${phase}, at ${world.scheduler.nowMs} ms: ${drawn}`, { cause });
  } finally {
    for (const process of world.processes) if (process) process.isDead = true;
    world.scheduler.sweep();
    await settled();
    await turnOfTheLoop();
    for (const { kernel } of world.slots) kernel.empty();
  }
}

/** Producers for a while, and everybody who is in their way. */
async function play(world: World, foreigner: Foreigner): Promise<void> {
  const { random, faults } = world;
  const over = { is: false };
  const isOver = (): boolean => over.is;
  const fail = (error: unknown): void => world.fail(error);
  const others = [trouble(world, isOver), foreigner.run(isOver)].map((other) => other.catch(fail));
  await declare(world, "order.created");
  if (random.fraction() < 0.4) await declare(world, "parcel.sent");
  const length = pick(random, LENGTHS);
  const producers = Array.from({ length: 1 + below(random, 2) }, () =>
    produce(world, length + below(random, length)).catch(fail),
  );
  if (faults.has("type declared while running")) {
    await world.scheduler.wait(OUTSIDE, below(random, 3_000));
    faults.note("type declared while running");
    await declare(world, "order.cancelled");
  }
  await Promise.all(producers);
  over.is = true;
  await Promise.all(others);
}

async function turnUntilDone(world: World, work: Promise<void>): Promise<void> {
  const state = { isDone: false };
  work.then(
    () => (state.isDone = true),
    (error: unknown) => world.fail(error),
  );
  await turn(world, () => state.isDone);
}

async function turn(world: World, isDone: () => boolean): Promise<void> {
  while (!isDone()) {
    if (world.failure) throw world.failure;
    world.bury();
    if (world.isDirty) await world.audit();
    if (world.isRetentionDue) await world.retain();
    assert(world.scheduler.steps < STEPS_MAX, "a history without an end");
    assert(await world.scheduler.step(), "nobody waits for anything any more");
  }
}

/** Without faults everything lands and is booked, and soon. */
async function drain(world: World): Promise<void> {
  const { scheduler, faults } = world;
  faults.isHealed = true;
  world.logFullUntilMs = 0;
  if (world.disk) world.disk.fullUntilMs = 0;
  world.store.applyLate();
  for (const process of world.processes) {
    process!.callsLeft = Infinity;
    process!.losesPower = false;
    process!.pausedUntilMs = scheduler.nowMs;
  }
  const endMs = scheduler.nowMs + DRAIN_MS;
  world.isDirty = true;
  await turn(world, () => !world.isDirty && (world.isDrained || scheduler.nowMs > endMs));
  if (world.isDrained) return;
  const open = [...world.audits].map(([name, { isDrained }]) => `${name} ${isDrained}`);
  const booked = world.projections.map(({ table, isComplete }) => `${table.name} ${isComplete}`);
  const states = world.processes.map((process) => JSON.stringify(process?.worker?.status()));
  assert.fail(
    `not drained ${DRAIN_MS} ms after the last fault: ${[...open, ...booked, ...states].join(", ")}`,
  );
}

async function check(world: World, foreigner: Foreigner): Promise<void> {
  await foreigner.sweep(0);
  await world.audit();
  for (const audit of world.audits.values()) audit.checkDrained();
  for (const projection of world.projections) projection.checkDrained();
  for (const draft of world.drafts) {
    const { number, type, id, isGood, acknowledged, unknown } = draft;
    const audit = world.audits.get(type);
    const copies = audit?.copies.get(number) ?? 0;
    assert(
      copies >= acknowledged,
      `event ${number} was acknowledged ${acknowledged} times, stored ${copies}`,
    );
    assert(copies <= acknowledged + unknown, `event ${number} was stored ${copies} times, nobody knows why`);
    if (isGood && acknowledged > 0) assert(audit!.landedIds.has(id!), `event ${number} never landed`);
  }
  const tables = [...world.audits.values(), ...world.projections].map(({ table }) => table);
  for (const table of tables) {
    table.checkFiles();
    await checkReads(world, table);
  }
}

/** A reader that begins now, wherever it begins, sees what replaying every version gives. */
async function checkReads(world: World, table: AuditTable): Promise<void> {
  if (table.version < 0) return;
  const clock = { nowMs: () => world.wallMs(0), monotonicMs: () => world.nowMs(), sleep: async () => {} };
  const services = { clock, randomness: world.random, logger: silentLogger };
  const log = openTableLog(world.store, table.name, services);
  const head = await log.snapshot();
  assert.equal(head.version, table.version, `${table.name}: the newest version`);
  assert.deepEqual(
    [...head.files.keys()].sort(),
    [...table.files.keys()].sort(),
    `${table.name}: live files`,
  );
  assert.deepEqual(new Map(head.txns), table.txns, `${table.name}: txns`);
  const oldest = Math.min(await oldestReadable(world, table.name), head.version);
  const version = oldest + below(world.random, head.version + 1 - oldest);
  assert.equal((await log.snapshot({ version })).version, version, "every version is readable");
}

/** The version at which a table's log begins: where versions were removed, that of the first checkpoint left. */
async function oldestReadable({ store, oldest }: World, table: string): Promise<number> {
  const removed = oldest.get(table);
  if (removed === undefined) return 0;
  const hints = (await store.list(logFolder(table))).map(({ path }) => hintOfFileName(basename(path)));
  for (const hint of hints.filter((one) => one !== undefined).sort((a, b) => a.version - b.version)) {
    const isReadable = await readCheckpoint(store, table, hint).then(
      () => true,
      () => false,
    );
    if (hint.version >= removed && isReadable) return hint.version;
  }
  return Infinity;
}

function summaryOf(world: World): History {
  const tables = [...world.audits.values(), ...world.projections].map(({ table }) => table);
  return {
    seed: world.seed,
    faults: world.faults.counts,
    steps: world.scheduler.steps,
    virtualMs: world.scheduler.nowMs,
    events: [...world.audits.values()].reduce(
      (sum, { counts }) => sum + counts.landed + counts.duplicates + counts.dead,
      0,
    ),
    commits: tables.reduce((sum, table) => sum + table.version + 1, 0),
    trace: world.scheduler.trace,
  };
}
