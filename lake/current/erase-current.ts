/**
 * Erasure in a current state: after the changes of a subject are gone, the rows that came from them. First merges that
 * are under way are made void, since they may have read what is gone by now; then the rows go, from the newest version
 * and with the files of older ones.
 */
import type { EraseRequest } from "../erase-request.ts";
import { FileEditor } from "../file-editor.ts";
import { dropIceberg } from "../iceberg/export.ts";
import { removeRows, type RemovedFile, type RemoveRowsPorts } from "../remove-rows.ts";
import { rewriteWithout } from "../rewrite-without.ts";
import { scrubLog } from "../scrub-log.ts";
import { dropParts } from "../share/part-store.ts";
import { rowsOf } from "../subject.ts";
import { storePathOf } from "../table/add-file.ts";
import { stateOf } from "../table/table-state.ts";
import { dataFilesOf } from "../table-files.ts";
import { currentName } from "./current-table.ts";
import { fenceCurrent } from "./reset.ts";

export interface ErasedCurrent {
  readonly rows: number;
  /** Files of older versions that were deleted. */
  readonly deleted: number;
  readonly scrubbed: number;
  /** Files that may be a merge under way: repeat the erasure later. */
  readonly waiting: readonly string[];
}

export const NOTHING_ERASED: ErasedCurrent = { rows: 0, deleted: 0, scrubbed: 0, waiting: [] };

/** @throws as `eraseSubject` */
export async function eraseCurrent(ports: RemoveRowsPorts, request: EraseRequest): Promise<ErasedCurrent> {
  const { eventType, subject, signal, isDryRun = false } = request;
  const name = currentName(eventType.name);
  const log = ports.openTable(name);
  const found = isDryRun ? await log.snapshot() : await fenceCurrent(log, signal);
  if (found.version < 0) return NOTHING_ERASED;
  const gone = rowsOf(subject);
  const editor = new FileEditor(ports.rewriting ?? {}, signal);
  try {
    const { rows } = await removeRows(ports, name, {
      reason: "erasure",
      operation: "DELETE",
      horizonMs: request.horizonMs,
      partitions: 0,
      info: { erasure: request.id },
      plan: async (now) => {
        const planned: RemovedFile[] = [];
        for (const file of now.files.values()) {
          signal.throwIfAborted();
          const without = await rewriteWithout(ports, name, editor, now, file, gone, isDryRun);
          if (without.rows > 0) planned.push(without);
        }
        return planned;
      },
      isDryRun,
      signal,
    });
    if (isDryRun) return { ...NOTHING_ERASED, rows };
    if (rows > 0) await fenceCurrent(log, signal);
    const old = await deleteOld(ports, name, request.sweepAfterMs);
    await dropIceberg(ports.store, name);
    await dropParts(ports.store, name);
    const scrubbed = await scrubLog(ports.store, name, await log.snapshot());
    return { rows, ...old, scrubbed };
  } finally {
    await editor.close();
  }
}

/** Every file of an older version, whatever it holds: there are few, and a query that reads one is asked again. */
async function deleteOld(
  { store, clock, openTable }: RemoveRowsPorts,
  name: string,
  sweepAfterMs: number,
): Promise<Pick<ErasedCurrent, "deleted" | "waiting">> {
  const snapshot = await openTable(name).snapshot();
  const live = new Set([...snapshot.files.values()].map(({ path }) => storePathOf(name, path)));
  const known = new Set([...stateOf(snapshot).tombstones].map(([path]) => storePathOf(name, path)));
  const waiting: string[] = [];
  let deleted = 0;
  for (const { path, modifiedMs } of await dataFilesOf(store, name)) {
    if (live.has(path)) continue;
    if (known.has(path) || modifiedMs < clock.nowMs() - sweepAfterMs) {
      await store.delete(path);
      deleted++;
    } else waiting.push(path);
  }
  return { deleted, waiting };
}
