/**
 * Somewhere outside of Muara that takes rows.
 *
 * Contract, held by test/conformance/sink.ts:
 * - a batch that is `taken` is durable there; one that is not may be there all the same.
 * - the same batch again, by its id, has the same id and the same bytes there.
 * - `refused` is about these rows: the same rows will never be taken, others may be. Everything else says `later`.
 * - a sink that says `transactional` has each row once, whatever happens: it knows what it has taken.
 */
export interface SinkRow {
  /** Decides what keeps its order; null: nothing. */
  readonly key: string | null;
  /** One JSON object. */
  readonly json: string;
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
  readonly rows: readonly SinkRow[];
}

export type SinkOutcome =
  | { readonly outcome: "taken" }
  | { readonly outcome: "refused"; readonly reason: string }
  /** @param afterMs when it may be tried again, where the other side says so */
  | { readonly outcome: "later"; readonly reason: string; readonly afterMs?: number | undefined };

export interface Sink {
  /** `transactional`: each row once. `idempotent`: a row may come again, under the same id. */
  readonly guarantee: "transactional" | "idempotent";
  /** Never throws for what the other side does. One at a time. */
  write(batch: SinkBatch, signal: AbortSignal): Promise<SinkOutcome>;
  close(): Promise<void>;
}
