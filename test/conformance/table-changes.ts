/** Changes, commits and random histories of one table, for the tests of table logs. */
import assert from "node:assert/strict";
import {
  type Clock,
  ManualClock,
  seededRandomness,
  systemClock,
  systemRandomness,
} from "../../core/clock.ts";
import { silentLogger } from "../../core/logger.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type {
  CommitOutcome,
  TableChange,
  TableLog,
  TableSnapshot,
  Verdict,
} from "../../core/ports/table-log.ts";
import { createTableChange } from "../../lake/table/create-table.ts";
import { field, struct } from "../../lake/table/delta-schema.ts";
import { openTableLog } from "../../lake/table/table-log.ts";

export const TABLE = "orders.created";

export function logOver(store: ObjectStore, clock: Clock = systemClock): TableLog {
  return openTableLog(store, TABLE, { clock, randomness: systemRandomness, logger: silentLogger });
}

export function creation(configuration: Record<string, string> = {}): TableChange {
  const schema = struct(field("n", "long"));
  const id = systemRandomness.uuid();
  return createTableChange({ id, name: TABLE, schema, partitionColumns: [], configuration, createdTime: 1 });
}

export function change(paths: readonly string[], more: Partial<TableChange> = {}): TableChange {
  const add = paths.map((path) => ({
    path,
    partitionValues: { ingest_date: "2026-01-01" },
    size: path.length,
    modificationTime: 1_700_000_000_000,
    dataChange: true,
    stats: '{"numRecords":1}',
  }));
  return { operation: "WRITE", add, remove: [], txns: [], info: {}, ...more };
}

export const removal = (
  path: string,
  deletionTimestamp = 1_700_000_000_000,
): TableChange["remove"][number] => ({
  path,
  deletionTimestamp,
  dataChange: true,
});

export const rebase = (): Verdict => "rebase";
export const abandon = (): Verdict => "abandon";

/** The snapshot after a commit that must succeed. */
export async function committed(outcome: Promise<CommitOutcome>): Promise<TableSnapshot> {
  const result = await outcome;
  assert.equal(result.outcome, "committed");
  return result.snapshot;
}

export async function created(
  log: TableLog,
  configuration: Record<string, string> = {},
): Promise<TableSnapshot> {
  const base = await log.snapshot();
  return committed(log.commit({ base, change: creation(configuration), check: abandon }));
}

/** Commits `count` random changes: adds, removes, re-adds and txns. Creates the table where there is none. */
export async function randomHistory(
  store: ObjectStore,
  seed: number,
  count: number,
  configuration?: Record<string, string>,
  clock: Clock = new ManualClock(1_800_000_000_000),
): Promise<void> {
  const random = seededRandomness(seed);
  const pick = (limit: number): number => Math.floor(random.fraction() * limit);
  const log = logOver(store, clock);
  let base = await log.snapshot();
  if (base.version < 0) base = await created(log, configuration);
  for (let step = 0; step < count; step++) {
    const live = [...base.files.keys()];
    const gone = new Set(
      Array.from({ length: live.length === 0 ? 0 : pick(3) }, () => live[pick(live.length)]!),
    );
    const fresh = new Set(Array.from({ length: pick(4) }, () => `f${pick(60)}`));
    const add = [...fresh].filter((path) => !base.files.has(path) && !gone.has(path));
    const txns = pick(2) ? [{ appId: `app${pick(5)}`, version: BigInt(pick(1e9)) * 2n ** 32n + 1n }] : [];
    const remove = [...gone].map((path) => removal(path, clock.nowMs()));
    const wanted = change(add, { remove, txns, info: { step } });
    base = await committed(log.commit({ base, change: wanted, check: abandon }));
  }
}
