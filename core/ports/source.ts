/** A producer of events outside of Muara: resumes from an opaque cursor, acknowledged only after durability. */
import type { RecordBatch } from "../record.ts";

export interface SourceBatch {
  readonly stream: string;
  readonly records: RecordBatch;
  /** From here the source resumes once this batch is durable in the log. */
  readonly cursor: string;
}

export interface Source {
  /** Batches after `cursor` (undefined: from the start), until the signal is aborted. */
  read(cursor: string | undefined, signal: AbortSignal): AsyncIterable<SourceBatch>;
  /** Tells the source that everything up to `cursor` is durable here. */
  acknowledge(cursor: string): Promise<void>;
}
