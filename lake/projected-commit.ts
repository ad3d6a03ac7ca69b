/**
 * The commit of a projection: rows and what they came from, at once. Of two owners the first one wins; the other one's
 * files go, since no version names them.
 */
import type { Clock } from "../core/clock.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import type { AddFile, TableLog, TableSnapshot, Txn } from "../core/ports/table-log.ts";
import { checkYoung, storePathOf } from "./table/add-file.ts";

export interface ProjectedTable {
  readonly name: string;
  readonly log: TableLog;
  readonly snapshot: TableSnapshot;
}

/**
 * @param own names of the `txn`s that nobody else may have moved since the snapshot
 * @returns the newest snapshot, and whether it has these rows
 * @throws table.commit_conflict, table.commit_unknown, table.paused, store.unavailable
 */
export async function commitProjected(
  { store, clock }: { readonly store: ObjectStore; readonly clock: Clock },
  { name, log, snapshot: base }: ProjectedTable,
  {
    add,
    txns,
    own,
  }: { readonly add: readonly AddFile[]; readonly txns: readonly Txn[]; readonly own: ReadonlySet<string> },
  signal: AbortSignal,
): Promise<{ readonly isOurs: boolean; readonly snapshot: TableSnapshot }> {
  checkYoung(add, clock.nowMs());
  const { outcome, snapshot } = await log.commit({
    base,
    change: { operation: "WRITE", add, remove: [], txns, info: { kind: "projection" } },
    check: (winner) =>
      winner.metadata !== undefined || winner.txns.some(({ appId }) => own.has(appId)) ? "abandon" : "rebase",
    signal,
  });
  const isOurs = outcome === "committed";
  // Proven refused: no version names these files.
  if (!isOurs) for (const { path } of add) await store.delete(storePathOf(name, path));
  return { isOurs, snapshot };
}
