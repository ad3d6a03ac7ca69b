/**
 * One seed, one history: door → log → landing → projections → compaction → sweep → read, under the faults
 * that the
 * seed has drawn. The audits look after every write. At the end the faults stop, and everything must drain in time.
 */
import assert from "node:assert/strict";
import { basename } from "node:path";
import { silentLogger } from "../../core/logger.ts";
import { hintOfFileName, logFolder, readCheckpoint } from "../../lake/table/table-checkpoint.ts";
import { openTableLog } from "../../lake/table/table-log.ts";
import { resumeTable } from "../../lake/table/table-pause.ts";
import type { AuditTable } from "./audit-table.ts";
import { below, pick } from "./events.ts";
import type { FaultCounts } from "./faults.ts";
import { Extractor, makeAll } from "./extractor.ts";
import { FEED_TABLE } from "./feed.ts";
import { FeedStore } from "../../lake/extract/feed-store.ts";
import { keepFeed } from "../../lake/extract/keep-feed.ts";
import { checkFollowed, Follower } from "./follower.ts";
import { Foreigner } from "./foreign.ts";
import { employ } from "./helpers.ts";
import { checkSwept, Keeper, KEPT_MS, SWEEP_AFTER_MS, sweepAll } from "./keeper.ts";
import { declare, produce } from "./producers.ts";
import { settled, turnOfTheLoop } from "./scheduler.ts";
import { trouble } from "./trouble.ts";
import { grantAndRevoke, Recipient } from "./recipients.ts";
import { Warehouse } from "./warehouse.ts";
import { OUTSIDE, type Plant, World } from "./world.ts";

const HOUR_MS = 3_600_000;
/** Virtual ms in which everything must be drained once it is healed. */
const DRAIN_MS = 240_000;
/** Requests of a producer, at least. Most histories are short: many of them find more than a few long ones. */
const LENGTHS = [2, 2, 2, 2, 3, 3, 4, 8];
/** Histories that go on after a night. */
const SECOND_DAY = 0.2;
/** What clocks differ. */
const SLACK_MS = 600_000;
/** Those at whose end everything old is swept. */
const LAST_NIGHT = 0.2;
/** So much passes in a night: more than what nobody names is kept. */
const NIGHT_MS: number = SWEEP_AFTER_MS + 2 * HOUR_MS;
/** A history that takes more goes round in circles. */
const LOOKS_MAX = 100;
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
    const days = world.random.fraction() < SECOND_DAY ? 2 : 1;
    for (let day = 1; day <= days; day++) {
      phase = `play ${day}`;
      const rest = await turnUntilDone(world, play(world, day));
      phase = `drain ${day}`;
      await drain(world, rest);
      phase = `night ${day}`;
      if (day < days) await night(world);
    }
    phase = "check";
    await check(world);
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

/** Producers for a while, and everybody who is in their way. @returns when helpers have gone home */
async function play(world: World, day: number): Promise<Promise<unknown>[]> {
  const { random, faults } = world;
  const over = { is: false };
  const isOver = (): boolean => over.is;
  const fail = (error: unknown): void => world.fail(error);
  const others = [trouble(world, isOver), new Foreigner(world, day).run(isOver)].map((other) =>
    other.catch(fail),
  );
  const helpers = employAll(world, isOver).map((helper) => helper.catch(fail));
  if (day === 1) {
    await declare(world, "order.created");
    if (random.fraction() < 0.4) await declare(world, "parcel.sent");
  }
  const length = day === 1 ? pick(random, LENGTHS) : 1;
  const producers = Array.from({ length: 1 + below(random, 2) }, () =>
    produce(world, length + below(random, length)).catch(fail),
  );
  if (day === 1 && faults.has("type declared while running")) {
    await world.scheduler.wait(OUTSIDE, below(random, 3_000));
    faults.note("type declared while running");
    await declare(world, "order.cancelled");
  }
  await Promise.all(producers);
  over.is = true;
  await Promise.all(others);
  return helpers;
}

function employAll(world: World, isOver: () => boolean): Promise<void>[] {
  const keepers = ["k", "l"].slice(0, 1 + below(world.random, 2));
  return [
    ...keepers.map((name) => employ(world, name, isOver, (machine) => new Keeper(world, machine))),
    ...(world.faults.has("extract published") ? makeAndLoad(world, isOver) : []),
    ...(world.faults.has("right changed") ? share(world, isOver) : []),
    employ(world, "f", isOver, (machine) => new Follower(world, machine, world.followed)),
  ];
}

function makeAndLoad(world: World, isOver: () => boolean): Promise<void>[] {
  const makers = ["e", ...(world.faults.has("two makers of a feed") ? ["g"] : [])];
  if (makers.length > 1) world.faults.note("two makers of a feed");
  return [
    ...makers.map((name) => employ(world, name, isOver, (machine) => new Extractor(world, machine))),
    employ(world, "w", isOver, (machine) => new Warehouse(world, machine)),
  ];
}

function share(world: World, isOver: () => boolean): Promise<void>[] {
  return [
    grantAndRevoke(world, isOver),
    employ(world, "r", isOver, (machine) => new Recipient(world, machine)),
  ];
}

/**
 * Whoever has addresses of files, of old versions too, gets those files for as long as the addresses are good,
 * whatever the sweeper takes meanwhile, and although its clock is ahead of the server's.
 */
async function readShares(world: World): Promise<void> {
  if (!world.faults.has("right changed") || world.audits.size === 0) return;
  world.faults.isHealed = true;
  const last = new Recipient(world, { name: "r", wallOffsetMs: -60_000, starts: 1_000 });
  await turnUntilDone(world, last.open());
  world.sleep(below(world.random, 2.2 * HOUR_MS));
  await turnUntilDone(world, last.ask(6));
  world.sleep(world.urlMs - 30_000);
  await world.audit();
  await sweepAll(world);
  await turnUntilDone(world, last.fetchAll());
}

/** What is left to be extracted is made and loaded; then warehouse and table agree. */
async function feedAll(world: World): Promise<void> {
  const audit = world.audits.get(FEED_TABLE);
  if (!audit || !world.faults.has("extract published")) return;
  world.faults.isHealed = true;
  const last = new Extractor(world, { name: "e", wallOffsetMs: 0, starts: 1_000 });
  const warehouse = new Warehouse(world, { name: "w", wallOffsetMs: 0, starts: 1_000 });
  const report = await turnUntilDone(world, makeAll(last, world));
  await turnUntilDone(world, warehouse.load());
  await world.audit();
  for (let i = 0; i < world.feedAudit.revised; i++) world.faults.note("extract revised");
  if (report.waitsFor === null) world.feedAudit.checkLoaded(world.loaded, audit.table, report);
}

/** What a feed no longer owes is gone; whoever begins now ends with the same. */
async function feedAnew(world: World): Promise<void> {
  const { faults, feed, store } = world;
  const table = world.audits.get(FEED_TABLE)?.table;
  if (!table || !faults.has("extract published") || world.feedAudit.version === 0) return;
  faults.isHealed = true;
  const { clock } = world.outsideServices();
  const kept = await keepFeed(new FeedStore(store, feed.name, clock), clock, new AbortController().signal);
  for (let i = 0; i < kept.versions; i++) faults.note("extract expired");
  for (let i = 0; i < kept.files; i++) faults.note("file of an extract swept");
  world.loaded = { version: 0, windows: new Map() };
  const warehouse = new Warehouse(world, { name: "w", wallOffsetMs: 0, starts: 2_000 });
  await turnUntilDone(world, warehouse.load());
  world.feedAudit.checkWindows(world.loaded);
}

/** Nothing is under way; then much time passes, and in the morning the sweeper comes. */
async function night(world: World): Promise<void> {
  world.sleep(NIGHT_MS);
  world.faults.note("a night passed");
  await world.audit();
  await sweepAll(world);
  world.faults.isHealed = false;
}

async function turnUntilDone<Value>(world: World, work: Promise<Value>): Promise<Value> {
  const state: { value?: Value; isDone: boolean } = { isDone: false };
  work.then(
    (value) => Object.assign(state, { value, isDone: true }),
    (error: unknown) => world.fail(error),
  );
  await turn(world, () => state.isDone);
  return state.value!;
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
async function drain(world: World, helpers: readonly Promise<unknown>[]): Promise<void> {
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
  for (const helper of world.helpers) {
    helper.callsLeft = Infinity;
    helper.pausedUntilMs = scheduler.nowMs;
  }
  await turnUntilDone(world, Promise.all(helpers));
  for (const name of world.audits.keys()) await liftPause(world, name);
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

/** By a clock that is behind, a pause may be long. */
async function liftPause(world: World, name: string): Promise<void> {
  const log = world.outsideServices().openTable(name);
  if ((await log.snapshot()).metadata) await resumeTable(log);
}

async function check(world: World): Promise<void> {
  await world.audit();
  const isLong = world.random.fraction() < LAST_NIGHT;
  if (isLong) await sweepAll(world);
  for (const name of world.audits.keys()) await checkVersion(world, name);
  // Whoever is behind when the sweeper comes, finds what he has still to read.
  if (isLong) await readShares(world);
  if (isLong) await night(world);
  await followAll(world);
  await feedAll(world);
  if (isLong) {
    // Meanwhile somebody may have committed, and what a follower has still to read is not swept.
    for (let tries = 0; isFollowerBehind(world) && tries < LOOKS_MAX; tries++) await followAll(world);
    await night(world);
    checkSwept(world);
    await feedAnew(world);
  }
  // A look at a disk may take turns of its own: what was written last may not have been seen yet.
  for (let tries = 0; world.isDirty && tries < LOOKS_MAX; tries++) await world.audit();
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

function isFollowerBehind(world: World): boolean {
  return [...world.audits].some(([name, { table }]) =>
    world.consumersOf(name).some(({ version }) => version < table.version),
  );
}

/** Whoever follows the tables comes to their ends. */
async function followAll(world: World): Promise<void> {
  const machine = { name: "f", wallOffsetMs: 0, starts: 1_000 };
  const last = new Follower(world, machine, world.followed);
  world.faults.isHealed = true;
  const heads = new Map([...world.audits].map(([name, { table }]) => [name, table.version]));
  await turnUntilDone(
    world,
    (async () => {
      for (const name of world.audits.keys()) for (let tries = 0; tries < 2; tries++) await last.follow(name);
    })(),
  );
  checkFollowed(world, world.followed, heads);
}

/** Of any version that the log has not yet let go, the files are there for as long as was promised. */
async function checkVersion(world: World, name: string): Promise<void> {
  const { table } = world.audits.get(name)!;
  if (!world.isClockRight(name)) return;
  const nowMs = world.wallMs(0);
  for (const [path, { removedMs }] of table.lives)
    if (removedMs > nowMs - KEPT_MS + SLACK_MS)
      assert(world.store.peek(`${name}/${path}`), `${name}/${path} was removed at ${removedMs}, and is gone`);
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
