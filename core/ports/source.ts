/**
 * Changes of a database as its log tells them: bytes of events, ready to be appended, cut at bounds of memory. An
 * adapter decodes; who asked for the changes says what becomes of each relation, appends what it gets, and
 * acknowledges what is durable.
 *
 * Contract, held by test/conformance/source.ts:
 * - batches come in the order of commits; within a stream and partition records are in the order of the changes.
 * - a transaction larger than a batch comes in several; only the one with its end moves the cursor past it.
 * - the source is told `acknowledged` and never more; whoever resumes gets everything after it, whole transactions.
 * - while nothing comes that is for us, an empty batch moves the cursor past what else the source has written: every
 *   `statusMs` at most, and as soon as it is known where somebody has asked. It is acknowledged like any other.
 * - the same change has the same bytes whenever it is read: its identity is in them.
 */
import type { JsonSchema } from "../event-type.ts";
import type { RecordBatch } from "../record.ts";

export interface SourceColumn {
  readonly name: string;
  /** Of the type in the source (PostgreSQL: its oid), and its modifier; -1 for none. */
  readonly typeId: number;
  readonly modifier: number;
  readonly isKey: boolean;
}

export interface SourceRelation {
  readonly id: number;
  readonly schema: string;
  readonly name: string;
  /** `default`: the key alone is known of a row that was; `index`: that of an index; `full`: all of it; `nothing`. */
  readonly identity: "default" | "nothing" | "full" | "index";
  readonly columns: readonly SourceColumn[];
}

/** What becomes of the changes of a relation. */
export interface SourceBinding {
  readonly stream: string;
  readonly partition: number;
  /** Of every record, UTF-8 JSON; "" for none. */
  readonly header: string;
  /** Per column of the relation: how its value is written; null: not at all. */
  readonly fields: readonly (SourceField | null)[];
  /** Places in `fields` of what makes the record's key, in order; [] for none. */
  readonly key: readonly number[];
  /** Stands first in the record's key; null where keys are the same on all shards. */
  readonly keyScope: string | null;
}

/** A relation whose inserts are messages, each with the type that its row says; nothing else of it is told. */
export interface OutboxBinding {
  /** Places of columns. */
  readonly outbox: { readonly eventType: number; readonly payload: number };
}

/** How a value of the source becomes JSON; see core/change.ts. */
export type ValueForm =
  | "boolean"
  | "integer"
  /** Text in quotes. */
  | "text"
  /** A JSON number; NaN and the infinities go beside. */
  | "float"
  /** A decimal in quotes; NaN and the infinities go beside. */
  | "decimal"
  /** RFC 3339 in UTC with six digits; infinities and years that have not four digits go beside. */
  | "instant"
  | "date"
  /** Base64 in quotes. */
  | "bytes"
  /** As it is, of a type that cannot repeat keys; one nested too deep goes beside. */
  | "json"
  /** The same, where keys may repeat and escapes be half of a pair: such a value goes beside. */
  | "loose-json"
  /** An array of values of `element`; one with other lower bounds than 1 goes beside. */
  | "array";

export interface SourceTableColumn {
  readonly name: string;
  readonly typeId: number;
  readonly modifier: number;
  /** As the server writes it: `numeric(12,2)`. */
  readonly typeName: string;
  /** A stored one that is computed from others is not told (before PostgreSQL 18). */
  readonly isGenerated: boolean;
  readonly form: ValueForm;
  readonly element?: ValueForm;
  /** Of its value. */
  readonly schema: JsonSchema;
}

export type SourceType = Pick<SourceTableColumn, "typeName" | "form" | "element" | "schema">;

export interface SourceField {
  /** JSON key in `data`. */
  readonly name: string;
  readonly form: ValueForm;
  readonly element?: ValueForm;
}

export interface SourcePart {
  readonly stream: string;
  readonly partition: number;
  readonly records: RecordBatch;
}

/** A message that was written into the source's log by its owner (PostgreSQL: pg_logical_emit_message). */
export interface SourceMessage {
  /** "" of a row of an outbox table. */
  readonly prefix: string;
  /** What a row of an outbox table says. */
  readonly eventType?: string;
  readonly content: Uint8Array;
  readonly isTransactional: boolean;
  /** As a change's (core/change.ts); outside of a transaction the last byte of its own record, with index 0. */
  readonly lsn: bigint;
  readonly index: number;
  /** µs since 1970 UTC; null outside of a transaction. */
  readonly commitUs: bigint | null;
}

export interface SourceBatch {
  /** One for each stream and partition that has records; bytes are valid until the next batch is asked for. */
  readonly parts: readonly SourcePart[];
  readonly messages: readonly SourceMessage[];
  /** Everything up to it is in this batch or in one before; null where no transaction ends in it. */
  readonly cursor: string | null;
  readonly changes: number;
  /** Of the last transaction, µs since 1970 UTC; null where there is none. */
  readonly commitUs: bigint | null;
}

export interface SourceStatus {
  /** Newest position that the server has told of. */
  readonly serverLsn: bigint;
  readonly receivedLsn: bigint;
  readonly acknowledgedLsn: bigint;
  readonly queuedBytes: number;
  readonly isPaused: boolean;
}

/**
 * Says what becomes of a relation's changes: asked at the first of them, and again whenever the relation has changed,
 * at that place among the changes; what follows waits for the answer. null: its changes are left out.
 */
export type BindRelation = (relation: SourceRelation) => Promise<SourceBinding | OutboxBinding | null>;

export interface SourceRequest {
  readonly slot: string;
  /** One at least; what any of them tells is told. */
  readonly publications: readonly string[];
  /** Everything up to it is durable here. null: from where the slot is. */
  readonly cursor: string | null;
  /** In every change. */
  readonly shard: string;
  readonly incarnation: number;
  readonly bind: BindRelation;
  readonly limits: SourceLimits;
}

/** As in the configuration's `capture`. */
export interface SourceLimits {
  readonly statusMs: number;
  readonly batchBytes: number;
  readonly batchMs: number;
  readonly queueBytes: number;
  /** Takes the place of the source's patience where that has no end (wal_sender_timeout = 0). */
  readonly quietMs: number;
}

export interface SourceStream {
  /** One at a time. undefined: nothing more, it was closed. @throws source.* */
  next(): Promise<SourceBatch | undefined>;
  /** Everything up to this cursor is durable here; told to the source by the next status. */
  acknowledge(cursor: string): void;
  /**
   * Asks the source how far it is. The answer is the next batch, be it an empty one; its cursor may lie behind the
   * last change; where a transaction is on its way there is none.
   */
  ask(): void;
  status(): SourceStatus;
  /** Tells what was acknowledged, and ends. */
  close(): Promise<void>;
}
