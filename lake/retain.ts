/**
 * Retention of a table: files whose newest row was accepted before a time go, whole, in one commit. A file with one
 * younger row stays with all its rows until that one is old enough, so nothing goes before its time and no file is
 * rewritten for it.
 *
 * How long rows are kept is declared with the event type (annotation `muara/retention`). A table of another kind says
 * it itself, by the property `muara.retention`. Nothing said keeps them for ever. A file of such a table need not say
 * when its rows were accepted; then its rows are as old as the file, as its writer stated: a rewrite makes them young.
 */
import { MuaraError } from "../core/errors.ts";
import { EXPIRED_TXN } from "../core/landed.ts";
import { type EventType } from "../core/event-type.ts";
import { lakeRetentionMs } from "../core/event-type-annotations.ts";
import type { AddFile, TableMetadata } from "../core/ports/table-log.ts";
import {
  type RemovedFile,
  countRows,
  removeRows,
  type Removed,
  type RemoveRowsPorts,
} from "./remove-rows.ts";
import { ingestTimesOf } from "./ingest-times.ts";
import { isAppendOnly, rowRetentionMs } from "./table/table-properties.ts";

/** How long rows are kept, ms; Infinity: for ever. */
export function retentionMsOf(
  { eventType }: { readonly eventType?: EventType | undefined },
  metadata: TableMetadata | undefined,
): number {
  return eventType ? lakeRetentionMs(eventType) : rowRetentionMs(metadata);
}

export interface ExpireRequest {
  /** Rows accepted before then go, as far as their file has no younger ones; ms since 1970 UTC. */
  readonly beforeMs: number;
  /** As in `RowRemoval`. */
  readonly horizonMs: number;
  readonly partitions: number;
  /** Somebody else's table: a file may have to be judged by when it was written. */
  readonly isForeign?: boolean;
  /** Whether the table says up to when rows may be gone: some who read it need to have them all (`muara:expired`). */
  readonly isNoted?: boolean;
  readonly isDryRun?: boolean;
  readonly signal: AbortSignal;
}

/** @throws what `removeRows` throws */
export function expireTable(ports: RemoveRowsPorts, name: string, request: ExpireRequest): Promise<Removed> {
  const { beforeMs, isForeign = false, isNoted = false, ...rest } = request;
  return removeRows(ports, name, {
    ...rest,
    reason: "retention",
    operation: "DELETE",
    info: { beforeMs },
    txns: ({ txns }) => {
      if (!isNoted) return [];
      const version = BigInt(Math.floor(beforeMs));
      return version > (txns.get(EXPIRED_TXN) ?? -1n) ? [{ appId: EXPIRED_TXN, version }] : [];
    },
    plan: async ({ files, metadata }) => {
      if (isAppendOnly(metadata))
        throw new MuaraError("table.unsupported", `${name} is append-only: no row may be removed.`, {
          details: { table: name },
        });
      const old = [...files.values()].filter((file) => newestMs(file, isForeign) < beforeMs);
      const planned: RemovedFile[] = [];
      for (const file of old) planned.push({ file, rest: null, rows: await countRows(ports, name, file) });
      return planned;
    },
  });
}

/** No row of the file is younger, ms since 1970 UTC; Infinity where nothing says. */
function newestMs(file: AddFile, isForeign: boolean): number {
  const { toMs } = ingestTimesOf(file);
  return toMs === Infinity && isForeign ? file.modificationTime : toMs;
}
