/**
 * The four tables that every landing feeds: `books` (what became of every offset), `dead_letters` (what could
 * not land, with its bytes), `duplicates` (what had landed before) and `replays` (what became of dead letters that
 * were published again). Each is a projection of landing commits.
 */
import type { LedgerLine } from "../core/books.ts";
import type { Column, ColumnType } from "../core/columns.ts";
import { recordId, replayNoteOf } from "../core/replay.ts";
import type { TableCommit } from "../core/ports/table-log.ts";
import type { ProjectedRow } from "./projection.ts";
import type { SideRow } from "./side-file.ts";

const column = (name: string, kind: "string" | "long" | "timestamp" | "binary" | "boolean"): Column => {
  const type: ColumnType = { kind };
  return { name, type, nullable: true };
};

export const BOOKS = "books";
export const DEAD_LETTERS = "dead_letters";
export const DUPLICATES = "duplicates";
export const REPLAYS = "replays";

export const BOOKS_COLUMNS: readonly Column[] = [
  column("event_type", "string"),
  column("table_version", "long"),
  column("log_id", "string"),
  column("topic_id", "string"),
  column("log_partition", "long"),
  column("ingest_hour", "timestamp"),
  column("from_offset", "long"),
  column("to_offset", "long"),
  column("landed", "long"),
  column("duplicates", "long"),
  column("dead_letters", "long"),
  column("gap", "long"),
  column("committed_at", "timestamp"),
];

export const DEAD_LETTERS_COLUMNS: readonly Column[] = [
  column("dead_letter_id", "string"),
  column("event_type", "string"),
  column("event_id", "string"),
  column("reason", "string"),
  column("pointer", "string"),
  column("detail", "string"),
  column("payload", "binary"),
  column("header", "string"),
  column("event_key", "string"),
  column("log_id", "string"),
  column("topic_id", "string"),
  column("log_partition", "long"),
  column("log_offset", "long"),
  column("ingest_time", "timestamp"),
  column("table_version", "long"),
];

export const DUPLICATES_COLUMNS: readonly Column[] = [
  column("event_type", "string"),
  column("event_id", "string"),
  column("log_id", "string"),
  column("topic_id", "string"),
  column("log_partition", "long"),
  column("log_offset", "long"),
  column("ingest_time", "timestamp"),
  column("bytes_hash", "long"),
  column("verdict", "string"),
  column("first_partition", "long"),
  column("first_offset", "long"),
  column("table_version", "long"),
];

export const REPLAYS_COLUMNS: readonly Column[] = [
  column("dead_letter_id", "string"),
  column("event_type", "string"),
  column("event_id", "string"),
  column("outcome", "string"),
  column("reason", "string"),
  column("corrected", "boolean"),
  column("replayed_by", "string"),
  column("flow_id", "string"),
  column("log_id", "string"),
  column("topic_id", "string"),
  column("log_partition", "long"),
  column("log_offset", "long"),
  column("ingest_time", "timestamp"),
  column("table_version", "long"),
];

/** How a duplicate compares with the record that landed; `unknown` when that one is no longer in the log. */
export type DuplicateVerdict = "identical" | "different" | "unknown";

export interface FirstLanding {
  readonly verdict: DuplicateVerdict;
  readonly partition: bigint | null;
  readonly offset: bigint | null;
}

export function booksRows(
  eventType: string,
  commit: TableCommit,
  ledger: readonly LedgerLine[],
): ProjectedRow[] {
  return ledger.map((line) => ({
    ingestMs: line.hourMs,
    values: {
      event_type: eventType,
      table_version: BigInt(commit.version),
      log_id: line.logId,
      topic_id: line.topicId,
      log_partition: BigInt(line.partition),
      ingest_hour: BigInt(line.hourMs) * 1_000n,
      from_offset: BigInt(line.from),
      to_offset: BigInt(line.to),
      landed: BigInt(line.landed),
      duplicates: BigInt(line.duplicates),
      dead_letters: BigInt(line.dead),
      gap: BigInt(line.gap),
      committed_at: BigInt(commit.timestampMs) * 1_000n,
    },
  }));
}

export function deadLetterRow(eventType: string, commit: TableCommit, side: SideRow): ProjectedRow {
  return {
    ingestMs: Number(side.ingest_time / 1_000n),
    values: {
      dead_letter_id: recordId(side.topic_id, side.log_partition, side.log_offset),
      event_type: eventType,
      event_id: side.event_id,
      reason: side.reason,
      pointer: side.pointer,
      detail: side.detail,
      payload: side.payload,
      header: side.header,
      event_key: side.event_key,
      log_id: side.log_id,
      topic_id: side.topic_id,
      log_partition: side.log_partition,
      log_offset: side.log_offset,
      ingest_time: side.ingest_time,
      table_version: BigInt(commit.version),
    },
  };
}

export function duplicateRow(
  eventType: string,
  commit: TableCommit,
  side: SideRow,
  first: FirstLanding,
): ProjectedRow {
  return {
    ingestMs: Number(side.ingest_time / 1_000n),
    values: {
      event_type: eventType,
      event_id: side.event_id,
      log_id: side.log_id,
      topic_id: side.topic_id,
      log_partition: side.log_partition,
      log_offset: side.log_offset,
      ingest_time: side.ingest_time,
      bytes_hash: side.bytes_hash,
      verdict: first.verdict,
      first_partition: first.partition,
      first_offset: first.offset,
      table_version: BigInt(commit.version),
    },
  };
}

/** @returns undefined for a note that no door of ours wrote */
export function replayRow(eventType: string, commit: TableCommit, side: SideRow): ProjectedRow | undefined {
  const note = replayNoteOf(new TextEncoder().encode(side.header ?? ""));
  if (!note) return undefined;
  return {
    ingestMs: Number(side.ingest_time / 1_000n),
    values: {
      dead_letter_id: note.replayOf,
      event_type: eventType,
      event_id: side.event_id,
      outcome: side.fate,
      reason: side.reason,
      corrected: note.isCorrected,
      replayed_by: note.replayedBy,
      flow_id: note.flowId,
      log_id: side.log_id,
      topic_id: side.topic_id,
      log_partition: side.log_partition,
      log_offset: side.log_offset,
      ingest_time: side.ingest_time,
      table_version: BigInt(commit.version),
    },
  };
}
