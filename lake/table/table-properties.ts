/** Properties of a Delta table that steer its log, with their defaults. */
import { periodMs } from "../../core/event-type-annotations.ts";
import type { TableMetadata } from "../../core/ports/table-log.ts";
import { SCHEMA_VERSION } from "./table-schema-version.ts";

export const CHECKPOINT_INTERVAL = "delta.checkpointInterval";
export const DELETED_FILE_RETENTION = "delta.deletedFileRetentionDuration";
export const LOG_RETENTION = "delta.logRetentionDuration";
/** How long rows are kept: `unlimited`, or a number of days, weeks, months or years. Of an event table as declared. */
export const RETENTION = "muara.retention";
/** The application that an event type belongs to. */
export const OWNER = "muara.owner";
/** Rows are added and never taken away (Delta's protocol, writer 2). */
const APPEND_ONLY = "delta.appendOnly";
/** Muara's own properties that anybody may see; the key of the id hashes is none. */
const PUBLIC: ReadonlySet<string> = new Set([OWNER, RETENTION, SCHEMA_VERSION]);

const CHECKPOINT_INTERVAL_DEFAULT = 100; // versions; measured: research on readers' open times
const DELETED_FILE_RETENTION_MS_DEFAULT = 7 * 86_400_000; // Delta's own where the table says nothing
const LOG_RETENTION_MS_DEFAULT = 30 * 86_400_000; // Delta's own
/** A writer that slept looks whether the log was cleaned up meanwhile once its base is an hour old. */
const LOG_RETENTION_MS_MIN = 2 * 3_600_000;

const UNIT_MS: Readonly<Record<string, number>> = {
  millisecond: 1,
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 7 * 86_400_000,
};

/**
 * What Muara gives every table that it creates. With two commits a second Delta's own 30 days would be five million
 * commit files beside data files that compaction has removed long ago; a consumer that is behind holds the log longer.
 */
export const DEFAULT_PROPERTIES: Readonly<Record<string, string>> = {
  [CHECKPOINT_INTERVAL]: String(CHECKPOINT_INTERVAL_DEFAULT),
  [DELETED_FILE_RETENTION]: "interval 2 hours",
  [LOG_RETENTION]: "interval 1 day",
};

/** A table checkpoint is written each so many versions. */
export function checkpointInterval(metadata: TableMetadata | undefined): number {
  const interval = Number(metadata?.configuration[CHECKPOINT_INTERVAL]);
  return Number.isSafeInteger(interval) && interval > 0 ? interval : CHECKPOINT_INTERVAL_DEFAULT;
}

/** ms for which the log remembers a removed file. */
export function tombstoneRetentionMs(metadata: TableMetadata | undefined): number {
  const text = metadata?.configuration[DELETED_FILE_RETENTION];
  return (text === undefined ? undefined : parseIntervalMs(text)) ?? DELETED_FILE_RETENTION_MS_DEFAULT;
}

/** ms for which commits are kept, at least two hours. */
export function logRetentionMs(metadata: TableMetadata | undefined): number {
  const text = metadata?.configuration[LOG_RETENTION];
  const wantedMs = (text === undefined ? undefined : parseIntervalMs(text)) ?? LOG_RETENTION_MS_DEFAULT;
  return Math.max(wantedMs, LOG_RETENTION_MS_MIN);
}

/** How long rows are kept by the table's own word, ms; Infinity: for ever, also where it says what nobody can read. */
export function rowRetentionMs(metadata: TableMetadata | undefined): number {
  const text = metadata?.configuration[RETENTION];
  return (text === undefined ? undefined : periodMs(text)) ?? Infinity;
}

/** Whether rows must not be removed. */
export function isAppendOnly(metadata: TableMetadata | undefined): boolean {
  return metadata?.configuration[APPEND_ONLY]?.trim().toLowerCase() === "true";
}

/** What a reader of the table may see of its properties: Delta's, and some of ours. */
export function publicProperties(metadata: TableMetadata | undefined): Readonly<Record<string, string>> {
  const properties = Object.entries(metadata?.configuration ?? {});
  return Object.fromEntries(properties.filter(([name]) => name.startsWith("delta.") || PUBLIC.has(name)));
}

/** `interval 1 day 2 hours` in ms. @returns undefined for anything else */
export function parseIntervalMs(text: string): number | undefined {
  const words = text.trim().toLowerCase().split(/\s+/);
  if (words[0] === "interval") words.shift();
  if (words.length === 0 || words.length % 2 !== 0) return undefined;
  let totalMs = 0;
  for (let at = 0; at < words.length; at += 2) {
    const amount = words[at]!;
    const unitMs = UNIT_MS[words[at + 1]!.replace(/s$/, "")];
    if (!/^\d{1,9}$/.test(amount) || unitMs === undefined) return undefined;
    totalMs += Number(amount) * unitMs;
  }
  return totalMs;
}
