/**
 * Those who work beside the processes that land: keepers of tables, and whoever reads them. Each is a process of
 * its own, which may be killed anywhere and is started again; what it must not forget lies in the store, or with
 * its employer.
 */
import { MuaraError } from "../../core/errors.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { TableLog } from "../../core/ports/table-log.ts";
import { silentLogger } from "../../core/logger.ts";
import { openTableLog } from "../../lake/table/table-log.ts";
import { below } from "./events.ts";
import { Life } from "./life.ts";
import { simRandomness } from "./randomness.ts";
import { OUTSIDE, type World } from "./world.ts";

/** What a machine of a helper is, from one start to the next. */
export interface Machine {
  readonly name: string;
  /** ms that its wall clock is off: within what the product allows clocks to differ. */
  readonly wallOffsetMs: number;
  starts: number;
}

/** Clocks of machines are this far from the store's, at most. */
const SKEW_MS = 120_000;

export abstract class Helper extends Life {
  readonly world: World;
  readonly machine: Machine;
  readonly store: ObjectStore;

  constructor(world: World, machine: Machine) {
    const randomness = simRandomness(world.seed * 4_096 + ++world.hired);
    super(world, `${machine.name}${++machine.starts}`, randomness, () => machine.wallOffsetMs);
    this.world = world;
    this.machine = machine;
    this.store = this.storeView(world.store);
  }

  /** Until it is over, and whatever has to be finished then is done. */
  abstract work(isOver: () => boolean): Promise<void>;

  openTable(name: string): TableLog {
    const { clock, randomness } = this;
    return openTableLog(this.store, name, { clock, randomness, logger: silentLogger });
  }

  /** Nobody is told, and nothing is left to do. */
  protected onEnd(): void {}
}

/** Keeps a helper at work: who was killed is started again after a while. */
export async function employ(
  world: World,
  name: string,
  isOver: () => boolean,
  start: (machine: Machine) => Helper,
): Promise<void> {
  const { random, scheduler, helpers } = world;
  const machine: Machine = { name, wallOffsetMs: below(random, 2 * SKEW_MS) - SKEW_MS, starts: 0 };
  for (;;) {
    const helper = start(machine);
    helpers.add(helper);
    await Promise.race([helper.work(isOver), helper.gone]);
    helpers.delete(helper);
    if (!helper.isDead) return;
    scheduler.sweep();
    await scheduler.wait(OUTSIDE, below(random, 2_000));
  }
}

/** What may stand in the way of who works on a table that is not theirs alone. */
const IN_THE_WAY = new Set([
  "table.paused",
  "table.commit_conflict",
  "table.commit_unknown",
  "table.version_not_found",
  "table.unsupported",
  "table.not_found",
  "sql.failed",
]);

/** @throws what comes neither from faults nor from others at work */
export function forgive(world: World, error: unknown): void {
  if (error instanceof MuaraError) {
    if (error.retryable || IN_THE_WAY.has(error.code)) return;
    const { path } = error.details;
    // Compacted and swept, or spoilt, while somebody read an older version.
    if (error.code === "table.corrupt" && (typeof path !== "string" || !world.named.has(path))) return;
  }
  throw error;
}
