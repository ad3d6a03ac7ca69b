/**
 * Copies of whole tables as of the snapshot of a new slot, before its changes are read; and which way one is copied.
 *
 * Surprising rule: nothing of it is resumed, for the snapshot ends with its session. A table that was begun is copied
 * in chunks after a restart: its rows then stand behind those that are there already, and what was deleted since the
 * slot was made is in the stream.
 */
import type { CapturedTable } from "../../core/capture.ts";
import { hasCode } from "../../core/errors.ts";
import type { SnapshotCopy } from "../../core/ports/source-copy.ts";
import type { SourcePart } from "../../core/ports/source.ts";
import type { CopyRunTable } from "./copy-run.ts";

const TABLES_AT_A_TIME = 2;

export interface CopyChoice {
  /** The source's estimate. */
  readonly rows: number;
  readonly hasKey: boolean;
  readonly hasSnapshot: boolean;
  readonly onceRows: number;
}

/** `impossible`: without a key only a new slot's snapshot serves. */
export function copyWay({
  rows,
  hasKey,
  hasSnapshot,
  onceRows,
}: CopyChoice): "once" | "chunks" | "impossible" {
  if (hasSnapshot && (rows <= onceRows || !hasKey)) return "once";
  return hasKey ? "chunks" : "impossible";
}

export interface CopyAtOnceOptions {
  readonly snapshot: SnapshotCopy;
  /** Consistent point of the slot. */
  readonly at: bigint;
  /** Tables that have rows of a former slot here, by name. */
  readonly again: ReadonlySet<string>;
  readonly tables: readonly CopyRunTable[];
  readonly batchBytes: number;
  /** Resolves when the rows are durable; of a partition it is called one after the other. */
  readonly append: (part: SourcePart) => Promise<void>;
  readonly save: (name: string, progress: CapturedTable) => Promise<void>;
  readonly signal: AbortSignal;
}

/**
 * Copies tables, two at a time.
 * @returns names of those that were rewritten meanwhile, so that the snapshot does not have their rows: to be copied in
 *   chunks
 * @throws source.*, what `append` and `save` throw; the signal's reason
 */
export async function copyAtOnce(options: CopyAtOnceOptions): Promise<readonly string[]> {
  const waiting = [...options.tables];
  const rewritten: string[] = [];
  let isFailed = false;
  const worker = async (): Promise<void> => {
    for (let task = waiting.shift(); task && !isFailed; task = waiting.shift()) {
      try {
        await copyTable(options, task);
      } catch (error) {
        if (hasCode(error, "source.rewritten")) rewritten.push(task.name);
        else {
          isFailed = true;
          throw error;
        }
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: TABLES_AT_A_TIME }, worker));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
  return rewritten;
}

async function copyTable(
  { snapshot, at, again, batchBytes, append, save, signal }: CopyAtOnceOptions,
  { name, table, progress }: CopyRunTable,
): Promise<void> {
  await save(name, { ...progress, copy: "copying" });
  let copiedRows = 0;
  const isAgain = again.has(name);
  for await (const part of snapshot.rows(table, { at, isAgain, batchBytes })) {
    signal.throwIfAborted();
    await append(part);
    copiedRows += part.records.count;
  }
  await save(name, {
    ...progress,
    copy: "done",
    copiedRows: isAgain ? copiedRows - 1 : copiedRows,
    completeAt: String(at),
  });
}
