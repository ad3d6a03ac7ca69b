/**
 * Batches of changes into the log: each with all of its parts at once, and the next one only then, so that within a
 * partition there is never more than one append. While one becomes durable, the next is read and decoded.
 */
import type { SourceBatch, SourcePart } from "../../core/ports/source.ts";
import { RECORD_WORDS, type RecordBatch } from "../../core/record.ts";
import { appendAtLast, type AppendPorts } from "../ingest/append-at-last.ts";
import type { Resume } from "./resume.ts";

export interface AppendOptions {
  readonly resume: Resume;
  /** For what is no change of a table: resolves when it is durable. */
  readonly publish: (batch: SourceBatch) => Promise<void>;
  /** Called in order, with each cursor up to which all is durable, and what it took. */
  readonly onDurable: (batch: Durable) => void;
}

export interface Durable {
  readonly cursor: string | null;
  readonly changes: number;
  readonly commitUs: bigint | null;
  readonly bytes: number;
}

export class BatchAppender {
  readonly #ports: AppendPorts;
  readonly #options: AppendOptions;
  #underWay: Promise<void> = Promise.resolve();
  /** Of the batch under way, bytes. */
  inFlightBytes = 0;

  constructor(ports: AppendPorts, options: AppendOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  /** Resolves once the batch before it is durable; its own bytes are free then. @throws what an append throws */
  async add(batch: SourceBatch, signal: AbortSignal): Promise<void> {
    const parts = withOwnBytes(batch.parts.flatMap((part) => this.#options.resume.without(part) ?? []));
    const messages = batch.messages.map((one) => ({ ...one, content: one.content.slice() }));
    await this.#underWay;
    const bytes = parts.reduce((sum, { records }) => sum + records.bytes.length, 0);
    this.inFlightBytes = bytes;
    this.#underWay = this.#append({ ...batch, parts, messages }, bytes, signal);
    // Told when the next one is added, or at the end.
    this.#underWay.catch(() => undefined);
  }

  /** @throws what an append throws */
  async settled(): Promise<void> {
    await this.#underWay;
  }

  async #append(batch: SourceBatch, bytes: number, signal: AbortSignal): Promise<void> {
    await Promise.all([
      ...batch.parts.map(({ stream, partition, records }) =>
        appendAtLast(this.#ports, stream, partition, records, signal),
      ),
      this.#options.publish(batch),
    ]);
    this.inFlightBytes = 0;
    const { cursor, changes, commitUs } = batch;
    this.#options.onDurable({ cursor, changes, commitUs, bytes });
  }
}

/** Copies: the source's memory is used again for what comes next. Parts may share theirs. */
function withOwnBytes(parts: readonly SourcePart[]): readonly SourcePart[] {
  const copies = new Map<Uint8Array, Uint8Array>();
  return parts.map((part) => {
    const { count, bytes, index, ...rest } = part.records;
    let copy = copies.get(bytes);
    if (!copy) copies.set(bytes, (copy = bytes.slice()));
    const records: RecordBatch = { ...rest, count, bytes: copy, index: index.slice(0, count * RECORD_WORDS) };
    return { ...part, records };
  });
}
