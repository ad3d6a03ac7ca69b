/**
 * Somewhere outside of Muara that takes rows.
 *
 * Contract, held by test/conformance/sink.ts:
 * - a batch that is `taken` is durable there; one that is not may be there all the same.
 * - the same batch again, by its id, has the same id and the same bytes there.
 * - `refused` is about these rows: the same rows will never be taken, others may be. Everything else says `later`.
 * - a sink that says `transactional` has each row once, whatever happens: it knows what it has taken.
 */
import type { Column } from "../columns.ts";

export interface SinkRow {
  /** Decides what keeps its order; null: nothing. */
  readonly key: string | null;
  /** One JSON object. */
  readonly json: string;
  /**
   * The same by column, as data files hold it: integers, times (µs) and unscaled decimals as bigint or number, dates
   * as days, or any of them as text; null or absent for NULL.
   */
  readonly values: Readonly<Record<string, unknown>>;
}

export interface SinkColumn extends Column {
  /** Of a captured table: the column's name in the source. */
  readonly field?: string;
  /** And its type there, as PostgreSQL writes it. */
  readonly sourceType?: string;
}

export interface SinkBatch {
  /** Stable: of these rows of this delivery, whenever they are sent. */
  readonly id: string;
  readonly delivery: string;
  readonly table: string;
  /** Of the commit, ms since 1970 UTC. */
  readonly committedMs: number;
  /** Grows where a delivery has to begin again: then its rows have other numbers than before. */
  readonly generation: number;
  /** Number of its first row among all of the delivery; grows without gaps, the same at every attempt. */
  readonly sequence: number;
  /** Of the table, in its order; the same object until they change. */
  readonly columns: readonly SinkColumn[];
  /** Whether more rows of the same version of the table follow. Only then an older row may follow a newer one. */
  readonly hasMore: boolean;
  readonly rows: readonly SinkRow[];
}

/** Rows in which a column has a value are to go. */
export interface SinkErasure {
  /** Stable: the same erasure, whenever it is asked for. */
  readonly id: string;
  /** A column of the table, or a field inside of one: `customer.email`. */
  readonly column: string;
  readonly value: string;
  readonly columns: readonly SinkColumn[];
  /** Whether the delivery has brought rows: who knows nothing of it then has lost what it knew. */
  readonly hasDelivered?: boolean;
}

export type SinkOutcome =
  | { readonly outcome: "taken" }
  | { readonly outcome: "refused"; readonly reason: string }
  /** @param afterMs when it may be tried again, where the other side says so */
  | { readonly outcome: "later"; readonly reason: string; readonly afterMs?: number | undefined };

export type SinkErased = { readonly rows: number } | { readonly reason: string } | undefined;

export interface Sink {
  /** `transactional`: each row once. `idempotent`: a row may come again, under the same id. */
  readonly guarantee: "transactional" | "idempotent";
  /** Never throws for what the other side does. One at a time. */
  write(batch: SinkBatch, signal: AbortSignal): Promise<SinkOutcome>;
  /**
   * Between two batches. Done once, whatever happens, and the number of rows that went is kept there.
   * However long it takes. @returns a reason, or undefined: not now
   * Absent: what is there cannot be taken back.
   */
  erase?(erasure: SinkErasure, signal: AbortSignal): Promise<SinkErased>;
  close(): Promise<void>;
}
