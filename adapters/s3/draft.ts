/**
 * The next group of a stream, made of what waits: batches judged one after the other against the stream's state, and
 * changes that retention wants. A draft is good for one number only; when another writer takes that number, it is
 * thrown away and made again behind the other's group.
 */
import { isAssertion } from "../../core/assert.ts";
import type { Appended, ProducerSequence, StreamOptions } from "../../core/ports/log.ts";
import { MuaraError } from "../../core/errors.ts";
import { encodeFrame } from "./frame.ts";
import { CHECKPOINT_GROUPS, type GroupBatch, type GroupHeader, type SnapshotReference } from "./group.ts";
import type { StreamState } from "./stream-state.ts";

/** Waits for its group. */
export interface Waiting {
  readonly kind: "batch";
  readonly partition: number;
  readonly count: number;
  /** As `storedRecords` packs them. */
  readonly stored: Uint8Array;
  readonly producer: ProducerSequence | undefined;
}

/** What a group may change beside adding records. */
export interface Change {
  readonly starts?: readonly number[];
  readonly first?: number;
  readonly snapshot?: SnapshotReference;
  readonly erasures?: number;
  readonly options?: StreamOptions;
  readonly isClosed?: true;
}

export interface WaitingChange {
  readonly kind: "change";
  /** Decides on the stream as it is when the group is made. @returns undefined where nothing is to change */
  readonly decide: (header: GroupHeader) => Change | undefined;
}

export type Entry = Waiting | WaitingChange;

export type Result =
  | { readonly kind: "appended"; readonly appended: Appended }
  | { readonly kind: "refused"; readonly error: unknown }
  | { readonly kind: "changed"; readonly group: number | undefined };

export interface Draft {
  readonly group: number;
  readonly attempt: string;
  /** The whole object; undefined where no group is needed for the results. */
  readonly bytes: Uint8Array | undefined;
  readonly isCheckpoint: boolean;
  /** [entry] valid once the group is stored */
  readonly results: readonly Result[];
}

export async function makeDraft(
  state: StreamState,
  entries: readonly Entry[],
  attempt: string,
  nowMs: number,
): Promise<Draft> {
  const before = state.header;
  if (before.isClosed) return refusedDraft(before, entries, attempt);
  const group = before.group + 1;
  const ingestMs = Math.max(nowMs, before.ingestMs);
  const fork = state.fork();
  const ends = [...before.ends];
  const batches: GroupBatch[] = [];
  const parts: Uint8Array[] = [];
  let change: Change | undefined;
  const results = entries.map((entry): Result => {
    if (entry.kind === "change") {
      const decided = entry.decide(before);
      if (decided) change = { ...change, ...decided };
      return { kind: "changed", group: decided && group };
    }
    const { partition, count, producer, stored } = entry;
    try {
      const repeat = producer && fork.judge(partition, count, producer, ingestMs);
      if (repeat)
        return {
          kind: "appended",
          appended: { baseOffset: repeat.baseOffset, ingestMs: repeat.ingestMs, isRepeat: true },
        };
    } catch (error) {
      if (isAssertion(error)) throw error;
      return { kind: "refused", error };
    }
    const baseOffset = ends[partition]!;
    fork.note(partition, count, producer, { baseOffset, ingestMs });
    ends[partition]! += count;
    batches.push({ partition, count, bytes: stored.length, ...(producer ? { producer } : {}) });
    parts.push(stored);
    return { kind: "appended", appended: { baseOffset, ingestMs, isRepeat: false } };
  });
  if (batches.length === 0 && !change)
    return { group, attempt, bytes: undefined, isCheckpoint: false, results };
  const erasures = change?.erasures ?? before.erasures;
  const options = change?.options ?? before.options;
  const partitions = Math.max(ends.length, options?.partitions ?? 0);
  const isFloor = change !== undefined && Object.keys(change).length === 0;
  const isDue = group === 0 || group - before.checkpoint >= CHECKPOINT_GROUPS;
  const isCheckpoint = isDue || (change !== undefined && !isFloor);
  const header: GroupHeader = {
    group,
    attempt,
    ingestMs,
    ends: padded(ends, partitions),
    starts: padded(change?.starts ?? before.starts, partitions),
    first: change?.first ?? before.first,
    checkpoint: isCheckpoint ? group : before.checkpoint,
    totalBytes: before.totalBytes + parts.reduce((sum, part) => sum + part.length, 0),
    snapshot: change?.snapshot ?? before.snapshot,
    ...(erasures === undefined ? {} : { erasures }),
    ...(options ? { options } : {}),
    ...(change?.isClosed ? { isClosed: true as const } : {}),
    batches,
    ...(isCheckpoint ? { state: fork.checkpoint(ingestMs) } : {}),
  };
  return { group, attempt, bytes: await encodeFrame(header, parts), isCheckpoint, results };
}

/** Partitions that were added hold nothing yet. */
function padded(offsets: readonly number[], partitions: number): readonly number[] {
  return [...offsets, ...Array.from({ length: partitions - offsets.length }, () => 0)];
}

/** Nothing follows the group that closes a stream. */
function refusedDraft({ group }: GroupHeader, entries: readonly Entry[], attempt: string): Draft {
  const error = new MuaraError("log.stream_not_found", "The stream was deleted.");
  const results = entries.map(({ kind }): Result =>
    kind === "change" ? { kind: "changed", group: undefined } : { kind: "refused", error },
  );
  return { group: group + 1, attempt, bytes: undefined, isCheckpoint: false, results };
}
