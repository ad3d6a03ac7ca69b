/**
 * The table of a captured type's current state (decision 040): what it is called, which columns it has, and what its
 * `txn`s say of the changes that are in it.
 *
 * `muara:current`                              step, grows by one with every merge
 * `muara:current:<log>:<topic>:<partition>`    the next offset to merge; `…:ingest` newest ingest time merged, ms;
 *                                              `…:to` where the round ends that is under way (merge-round.ts)
 * `muara:current:round`                        number of the last round that took several commits
 * `muara:current:slice:<slice>`                the last such round that the slice has
 * `muara:current:lsn:<shard>`                  of the newest change merged of a shard
 * `muara:current:time`                         newest event time merged, µs since 1970 UTC
 * `muara:current:since`                        older versions are not to be read any more
 * `muara:current:unkeyed`                      changes met that have no key and are no inserts
 */
import { CURRENT_SLICE, INGEST_DATE, RESERVED_FIELD_PREFIX } from "../../core/columns.ts";
import { CURRENT_SUFFIX, type EventType } from "../../core/event-type.ts";
import { isCaptured, isMaterialised } from "../../core/event-type-annotations.ts";
import { EXPIRED_TXN, landedPartitions, type LandedPartition } from "../../core/landed.ts";
import type { AddFile, TableSnapshot } from "../../core/ports/table-log.ts";
import type { FoldColumn } from "./fold.ts";
import { type DeltaField, type DeltaStruct, formatSchema, parseSchema } from "../table/delta-schema.ts";

export const CURRENT_STEP = "muara:current";
export const CURRENT_ROUND: string = `${CURRENT_STEP}:round`;
export const CURRENT_TIME: string = `${CURRENT_STEP}:time`;
export const CURRENT_SINCE: string = `${CURRENT_STEP}:since`;
export const CURRENT_UNKEYED: string = `${CURRENT_STEP}:unkeyed`;
/** Property of the table: into how many slices its rows are spread, fixed when it is made. */
export const SLICES = "muara.slices";

/** Columns of the change table that say where a row came from, and nothing of the row that it is about. */
const LEFT_OUT = new Set([
  "log_partition",
  "log_offset",
  "watermark",
  "flow_id",
  "data_op",
  "data_type",
  "before",
  INGEST_DATE,
]);

/** Columns that hold no value of the source's row. */
const ENVELOPE = new Set(["event_id", "event_time", "ingest_time", "event_key", "source", "extra"]);

/** Whether the type has a current state. */
export function hasCurrent(type: EventType): boolean {
  return isCaptured(type) && isMaterialised(type);
}

export function currentName(eventTypeName: string): string {
  return eventTypeName + CURRENT_SUFFIX;
}

/** @param changes Delta schema of the change table, JSON text */
export function currentSchema(changes: string): string {
  const { fields } = parseSchema(changes);
  const slice: DeltaField = { name: CURRENT_SLICE, type: "string", nullable: true, metadata: {} };
  const own = fields.filter(({ name }) => !LEFT_OUT.has(name)).map((field) => ({ ...field, nullable: true }));
  return formatSchema({ type: "struct", fields: [...own, slice] } satisfies DeltaStruct);
}

/** Of a current state that nothing was merged into yet. @param changes as in `currentSchema` */
export function currentTableSchema(changes: string): {
  readonly schemaString: string;
  readonly partitionColumns: readonly string[];
} {
  return { schemaString: currentSchema(changes), partitionColumns: [CURRENT_SLICE] };
}

/** What the fold needs to know of the columns of a current state. @param schemaString its Delta schema */
export function foldColumns(schemaString: string): readonly FoldColumn[] {
  const { fields } = parseSchema(schemaString);
  return fields.flatMap(({ name }) => {
    if (name === CURRENT_SLICE) return [];
    if (ENVELOPE.has(name)) return [{ name, fields: [] }];
    // A name that was taken stands behind a prefix; or the field is called so itself.
    const bare = name.startsWith(RESERVED_FIELD_PREFIX) ? [name.slice(RESERVED_FIELD_PREFIX.length)] : [];
    return [{ name, fields: [name, ...bare] }];
  });
}

/** Rows of the change table, by their place in the log. */
export interface OffsetRange {
  readonly partition: number;
  readonly from: number;
  /** Not included; null: whatever has landed. */
  readonly to: number | null;
  /** Of several streams that landed one after the other: ingest times after this and up to that, ms. */
  readonly afterMs: number | null;
  readonly untilMs: number | null;
}

/** A range and the stream that its offsets are of. */
export interface StreamRange extends OffsetRange {
  readonly logId: string;
  readonly topicId: string;
}

/** What has landed and is not merged. @param current at a version; undefined: nothing is merged */
export function unmergedRanges(
  changes: TableSnapshot,
  current: TableSnapshot | undefined,
): readonly StreamRange[] {
  const landed = landedPartitions(changes.txns);
  return landed.map((one) => {
    const { partition, logId, topicId } = one;
    const merged = current?.txns.get(mergedTxn(one));
    const streams = landed.filter((other) => other.partition === partition).toSorted(byIngest);
    const place = streams.indexOf(one);
    return {
      partition,
      logId,
      topicId,
      from: Number(merged ?? 0n),
      to: one.cursor,
      afterMs: streams[place - 1]?.ingestMs ?? null,
      untilMs: place < streams.length - 1 ? (one.ingestMs ?? null) : null,
    };
  });
}

function byIngest(a: LandedPartition, b: LandedPartition): number {
  return (a.ingestMs ?? Infinity) - (b.ingestMs ?? Infinity);
}

export function mergedTxn(stream: Pick<StreamRange, "logId" | "topicId" | "partition">): string {
  return `${CURRENT_STEP}:${stream.logId}:${stream.topicId}:${stream.partition}`;
}

/** Under which name stands the newest ingest time merged, ms. */
export function mergedIngestTxn(stream: Pick<StreamRange, "logId" | "topicId" | "partition">): string {
  return `${mergedTxn(stream)}:ingest`;
}

/** Under which name stands where the round ends that is under way; not beyond the next offset: none is. */
export function roundEndTxn(stream: Pick<StreamRange, "logId" | "topicId" | "partition">): string {
  return `${mergedTxn(stream)}:to`;
}

export function sliceTxn(slice: string): string {
  return `${CURRENT_STEP}:slice:${slice}`;
}

/** Rows of the change table that were accepted before are merged, ms; Infinity where all are. */
export function mergedUntilMs(changes: TableSnapshot, current: TableSnapshot): number {
  const open = unmergedRanges(changes, current).filter(({ from, to }) => to === null || from < to);
  return Math.min(
    Infinity,
    ...open.map((range) => Number(current.txns.get(mergedIngestTxn(range)) ?? -Infinity)),
  );
}

/**
 * Whether the changes that a version of the current state has not merged are all there still.
 * @param current undefined: it has merged none
 */
export function hasAllSince(changes: TableSnapshot, current: TableSnapshot | undefined): boolean {
  const expired = changes.txns.get(EXPIRED_TXN);
  if (expired === undefined) return true;
  return unmergedRanges(changes, current)
    .filter(({ from, to }) => from < to!)
    .every((range) => (current?.txns.get(mergedIngestTxn(range)) ?? -1n) >= expired);
}

export function lsnTxn(shard: string): string {
  return `${CURRENT_STEP}:lsn:${shard}`;
}

/** As a condition on rows of the change table. @returns "false" without ranges */
export function rangeCondition(ranges: readonly OffsetRange[]): string {
  const parts = ranges.map(({ partition, from, to, afterMs, untilMs }) =>
    [
      `log_partition = ${partition} AND log_offset >= ${from}`,
      ...(to === null ? [] : [`log_offset < ${to}`]),
      ...(afterMs === null ? [] : [`ingest_time > ${timeOf(afterMs)}`]),
      ...(untilMs === null ? [] : [`ingest_time <= ${timeOf(untilMs)}`]),
    ].join(" AND "),
  );
  return parts.length === 0 ? "false" : parts.map((part) => `(${part})`).join(" OR ");
}

function timeOf(ms: number): string {
  return `make_timestamptz(${BigInt(Math.floor(ms)) * 1_000n})`;
}

/** Whether a file of the change table may have rows of the ranges: unless its statistics say that it has none. */
export function mayHold({ stats }: AddFile, ranges: readonly OffsetRange[]): boolean {
  const bounds = boundsOf(stats);
  if (!bounds) return true;
  const { firstPartition, lastPartition, firstOffset, lastOffset } = bounds;
  return ranges.some(
    ({ partition, from, to }) =>
      partition >= firstPartition &&
      partition <= lastPartition &&
      lastOffset >= from &&
      (to === null || firstOffset < to),
  );
}

interface PlaceBounds {
  readonly firstPartition: number;
  readonly lastPartition: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
}

function boundsOf(stats: string | undefined): PlaceBounds | undefined {
  if (stats === undefined) return undefined;
  try {
    const { minValues: least, maxValues: most } = JSON.parse(stats) as Record<
      string,
      Record<string, unknown>
    >;
    const numbers = [least, most].flatMap((values) => [values?.["log_partition"], values?.["log_offset"]]);
    if (!numbers.every((value) => typeof value === "number")) return undefined;
    const [firstPartition, firstOffset, lastPartition, lastOffset] = numbers as [
      number,
      number,
      number,
      number,
    ];
    return { firstPartition, lastPartition, firstOffset, lastOffset };
  } catch {
    return undefined; // statistics are a hint; without them the file is read
  }
}
