/**
 * Retention of a table: files whose newest row was accepted before a time go, whole, in one commit. A file with one
 * younger row stays with all its rows until that one is old enough, so nothing goes before its time and no file is
 * rewritten for it.
 *
 * How long rows are kept is declared with the event type (annotation `muara/retention`); nothing declared keeps them
 * for ever.
 */
import {
  type RemovedFile,
  countRows,
  removeRows,
  type Removed,
  type RemoveRowsPorts,
} from "./remove-rows.ts";
import { ingestTimesOf } from "./ingest-times.ts";

export interface ExpireRequest {
  /** Rows accepted before then go, as far as their file has no younger ones; ms since 1970 UTC. */
  readonly beforeMs: number;
  /** As in `RowRemoval`. */
  readonly horizonMs: number;
  readonly partitions: number;
  readonly isDryRun?: boolean;
  readonly signal: AbortSignal;
}

/** @throws what `removeRows` throws */
export function expireTable(ports: RemoveRowsPorts, name: string, request: ExpireRequest): Promise<Removed> {
  const { beforeMs, ...rest } = request;
  return removeRows(ports, name, {
    ...rest,
    reason: "retention",
    operation: "DELETE",
    info: { beforeMs },
    plan: async ({ files }) => {
      const old = [...files.values()].filter((file) => ingestTimesOf(file).toMs < beforeMs);
      const planned: RemovedFile[] = [];
      for (const file of old) planned.push({ file, rest: null, rows: await countRows(ports, name, file) });
      return planned;
    },
  });
}
