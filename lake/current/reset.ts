/**
 * Making a current state anew from all changes: its rows go, and nothing of the changes counts as merged. Queries give
 * the right rows at once, from the changes alone; the next merges write them again.
 */
import type { Clock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import { removedRows } from "../../core/landed.ts";
import type { TableLog, TableSnapshot, Txn } from "../../core/ports/table-log.ts";
import { CURRENT_SINCE, CURRENT_STEP } from "./current-table.ts";
import { stepTxn } from "./merge-round.ts";

/** @throws table.unsupported where changes are gone that rows came from: they could not be made again */
export function checkResettable(name: string, changes: TableSnapshot): void {
  const removed = removedRows(changes.txns);
  if (removed && removed.retention === 0) return;
  throw new MuaraError(
    "table.unsupported",
    `${name} cannot be rolled back: its current state takes changes that retention has removed.`,
    { details: { table: name } },
  );
}

/** @throws table.commit_unknown, store.unavailable */
export async function resetCurrent(
  { clock }: { readonly clock: Clock },
  log: TableLog,
  signal: AbortSignal,
): Promise<void> {
  for (let base = await log.snapshot(); base.version >= 0;) {
    const deletionTimestamp = clock.nowMs();
    const { outcome, snapshot } = await log.commit({
      base,
      change: {
        operation: "DELETE",
        add: [],
        remove: [...base.files.keys()].map((path) => ({ path, deletionTimestamp, dataChange: true })),
        txns: [...forgotten(base), sinceTxn(base), stepTxn(base)],
        info: { kind: "current", reset: true },
      },
      check: () => "abandon",
      signal,
    });
    if (outcome === "committed") return;
    base = snapshot;
  }
}

/** Older versions are not to be read any more, and a merge that is under way becomes none. */
export async function fenceCurrent(log: TableLog, signal: AbortSignal): Promise<TableSnapshot> {
  for (let base = await log.snapshot(); ;) {
    if (base.version < 0) return base;
    const { outcome, snapshot } = await log.commit({
      base,
      change: {
        operation: "FENCE",
        add: [],
        remove: [],
        txns: [sinceTxn(base), stepTxn(base)],
        info: { kind: "current", fence: true },
      },
      check: () => "abandon",
      signal,
    });
    if (outcome === "committed") return snapshot;
    base = snapshot;
  }
}

/** To be committed as the next version. */
function sinceTxn({ version }: TableSnapshot): Txn {
  return { appId: CURRENT_SINCE, version: BigInt(version + 1) };
}

function forgotten({ txns }: TableSnapshot): Txn[] {
  return [...txns.keys()]
    .filter((appId) => appId.startsWith(`${CURRENT_STEP}:`) && appId !== CURRENT_SINCE)
    .map((appId) => ({ appId, version: 0n }));
}
