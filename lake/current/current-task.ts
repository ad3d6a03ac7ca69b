/**
 * Upkeep of current states: merges what has landed, as often as it may. A merge writes every slice anew that changes
 * touch, so its cost is that of the table rather than of the changes; each turn is followed by a pause as long as keeps
 * merging below its share of a core. After a start there is none, so that processes that live briefly merge, too.
 * Queries do not wait for it: they lay over what is not merged.
 */
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import type { TableSnapshot } from "../../core/ports/table-log.ts";
import type { UpkeepTask } from "../upkeep.ts";
import { hasCurrent, unmergedRanges } from "./current-table.ts";
import type { CurrentMerger } from "./merge.ts";

export interface CurrentPace {
  /** A table is looked at this often, ms. */
  readonly everyMs: number;
  /** Of a core that merges of one table take at most, 0 to 1. */
  readonly share: number;
}

interface Known {
  /** Where landing was when nothing more could be merged. */
  seen: string | undefined;
  /** Monotonic ms. */
  dueMs: number;
}

export function currentTask(
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  merger: Pick<CurrentMerger, "merge">,
  { everyMs, share }: CurrentPace,
): UpkeepTask {
  const tables = new Map<string, Known>();
  return {
    name: "current",
    everyMs,
    run: async (table, signal) => {
      if (!table.eventType || !hasCurrent(table.eventType)) return;
      const known = tables.get(table.name) ?? { seen: undefined, dueMs: -Infinity };
      tables.set(table.name, known);
      const changes = await table.snapshot();
      const landed = placesOf(changes);
      if (known.seen === landed || clock.monotonicMs() < known.dueMs) return;
      const startedMs = clock.monotonicMs();
      const merged = await merger.merge(table.name, changes, signal);
      const ms = clock.monotonicMs() - startedMs;
      known.dueMs = startedMs + ms / share;
      known.seen = merged.hasMore || merged.isVoid ? undefined : landed;
      if (merged.steps > 0)
        logger.info("changes were merged", { table: table.name, ms: Math.round(ms), ...merged });
    },
  };
}

function placesOf(changes: TableSnapshot): string {
  return JSON.stringify(unmergedRanges(changes, undefined));
}
