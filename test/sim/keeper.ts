/**
 * Upkeep as the product has it: compaction, retention, rolling back, sweeping and pausing by the code of lake/, with a
 * light rewriter in the place of the engine. Two keepers at once know nothing of each other but the lease.
 */
import assert from "node:assert/strict";
import { silentLogger } from "../../core/logger.ts";
import { type CompactOptions, compactTable } from "../../lake/compact.ts";
import { createRemovals, type Removals } from "../../lake/removals.ts";
import type { Swept } from "../../lake/sweep.ts";
import { pauseTable, resumeTable } from "../../lake/table/table-pause.ts";
import { PROJECTIONS } from "./audit-projections.ts";
import { below, pick, type SimType } from "./events.ts";
import type { Fault } from "./faults.ts";
import { forgive, Helper, type Machine } from "./helpers.ts";
import { lightRewrite } from "./light-rewriter.ts";
import type { World } from "./world.ts";
import type { KeeperPorts } from "./keeper-ports.ts";

const HOUR_MS = 3_600_000;
/** What nobody names is swept at this age. The product takes no less. */
export const SWEEP_AFTER_MS: number = 24 * HOUR_MS;
/** `delta.deletedFileRetentionDuration` of every table here. */
export const KEPT_MS: number = 2 * HOUR_MS;
/** A consumer is waited for, however slow. */
const HOLD_MS = 1e12;
/** Light files are 12 bytes: two that are put together are worth it, and so is one that was. */
const PLAN = { filesMin: 2, targetBytes: 13, fileBytes: 1_000, runBytes: 1_000, runRows: 1_000 };

export class Keeper extends Helper {
  readonly #ports: KeeperPorts;
  readonly #removals: Removals;

  constructor(world: World, machine: Machine) {
    super(world, machine);
    const { clock, randomness, store } = this;
    const base: KeeperPorts = {
      store,
      clock,
      randomness,
      logger: silentLogger,
      kernel: world.slots[0]!.kernel,
      openTable: (name) => this.openTable(name),
      rewriter: { rewrite: lightRewrite },
      consumersOf: async (table) => world.consumersOf(table),
      sweepAfterMs: SWEEP_AFTER_MS,
      leaseMs: world.leaseMs,
    };
    this.#ports = planted(world, base);
    const { sweepAfterMs } = this.#ports;
    const { horizonMs } = world.options;
    this.#removals = createRemovals(this.#ports, {
      horizonMs,
      sweepAfterMs,
      holdMs: HOLD_MS,
      partsMs: HOLD_MS,
    });
  }

  async work(isOver: () => boolean): Promise<void> {
    const { world } = this;
    const { random } = world;
    const acts: readonly [Fault, () => Promise<boolean>][] = [
      ["table compacted", () => this.#compact()],
      ["table compacted", () => this.#compact()],
      ["rows expired", () => this.#expire(pick(random, world.types))],
      ["table rolled back", () => this.#rollBack(pick(random, world.types))],
      ["table swept", () => this.#sweep()],
      ["table paused", () => this.#pause(pick(random, world.types))],
    ];
    while (!isOver()) {
      await this.clock.sleep(50 + below(random, 900));
      const possible = acts.filter(([fault]) => world.faults.has(fault));
      if (isOver() || possible.length === 0 || world.types.length === 0) continue;
      const [fault, act] = pick(random, possible);
      try {
        if (await act()) world.faults.note(fault);
      } catch (error) {
        forgive(world, error);
      }
    }
  }

  #anyTable(): string {
    return pick(this.world.random, [...this.world.types.map(({ name }) => name), ...PROJECTIONS]);
  }

  async #compact(): Promise<boolean> {
    const { world, machine } = this;
    const name = this.#anyTable();
    const log = this.openTable(name);
    const base = await log.snapshot();
    if (base.version < 0) return false;
    const options: CompactOptions = { ...PLAN, leaseMs: this.#ports.leaseMs };
    const request = { name, log: this.#ports.openTable(name), base, owner: machine.name };
    const done = await compactTable(this.#ports, options, request, new AbortController().signal);
    if (done.isElsewhere) world.faults.note("lease held by another");
    if (done.voided > 0) world.faults.note("compaction made void");
    return done.groups > 0;
  }

  async #expire({ name, declared }: SimType): Promise<boolean> {
    const keptMs = pick(this.world.random, [0, 5_000, 60_000, 10 * HOUR_MS]);
    const options = { signal: new AbortController().signal };
    const table = { name, eventType: declared };
    return (await this.#removals.expire(table, this.clock.nowMs() - keptMs, options)).rows > 0;
  }

  async #rollBack({ name, declared }: SimType): Promise<boolean> {
    const { world } = this;
    const { version } = await this.openTable(name).snapshot();
    if (version < 0) return false;
    const to = { version: Math.max(0, version - below(world.random, 6)) };
    const options = { signal: new AbortController().signal };
    const done = await this.#removals.rollBack({ name, eventType: declared }, to, options);
    if (done.version === null) return false;
    await world.audit();
    world.audits.get(name)?.checkRolledBack(done.to, done.from);
    return true;
  }

  async #sweep(): Promise<boolean> {
    const table = { name: this.#anyTable() };
    const swept = await this.#removals.sweep(table, { signal: new AbortController().signal });
    if (!swept) return false;
    noteSwept(this.world, swept);
    return true;
  }

  async #pause({ name }: SimType): Promise<boolean> {
    const log = this.openTable(name);
    if ((await log.snapshot()).version < 0) return false;
    await pauseTable(log, this.clock.nowMs() + 1_000 + below(this.world.random, 15_000));
    if (this.world.random.fraction() < 0.5) {
      await this.clock.sleep(below(this.world.random, 4_000));
      await resumeTable(log);
    }
    return true;
  }
}

function planted(world: World, ports: KeeperPorts): KeeperPorts {
  return world.planted?.keeper?.(ports, world) ?? ports;
}

function noteSwept({ faults }: World, { expired, orphans, sideFiles, removedIds }: Swept): void {
  const counts: readonly [Fault, number][] = [
    ["expired file swept", expired],
    ["orphan swept", orphans + sideFiles],
    ["file of removed ids swept", removedIds],
  ];
  for (const [fault, count] of counts) for (let i = 0; i < count; i++) faults.note(fault);
}

/** A sweeper that nothing gets in the way of. */
export async function sweepAll(world: World): Promise<void> {
  const keeper = planted(world, {
    ...world.outsideServices(),
    store: world.store,
    kernel: world.slots[0]!.kernel,
    rewriter: { rewrite: lightRewrite },
    consumersOf: async (table) => world.consumersOf(table),
    sweepAfterMs: SWEEP_AFTER_MS,
    leaseMs: 1,
  });
  const { sweepAfterMs } = keeper;
  const options = { horizonMs: world.options.horizonMs, sweepAfterMs, holdMs: HOLD_MS, partsMs: HOLD_MS };
  const removals = createRemovals(keeper, options);
  for (const name of [...world.audits.keys(), ...PROJECTIONS]) {
    const swept = await removals.sweep({ name }, { signal: new AbortController().signal });
    if (swept) noteSwept(world, swept);
  }
}

/** After a night and a sweep. Side files stay until the log is cleaned up beyond them. */
export function checkSwept(world: World): void {
  const nowMs = world.wallMs(0);
  const tables = [...world.audits.values(), ...world.projections].map(({ table }) => table);
  // By the time of a commit of somebody whose clock is ahead, a file is removed only later.
  const isKept = (path: string): boolean =>
    tables.some(
      ({ name, lives }) => (lives.get(path.slice(name.length + 1))?.removedMs ?? 0) > nowMs - KEPT_MS,
    );
  const left = [...world.store.paths()].filter(
    (path) =>
      !isKept(path) &&
      !world.named.has(path) &&
      /^[^_/][^/]*\/(?:_muara\/removed-|(?:ingest_date=[^/]*\/)?part-)/.test(path),
  );
  assert.deepEqual(left, [], "nobody names it, and the sweeper has left it");
}
