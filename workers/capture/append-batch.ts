/**
 * Batches of changes into the log: each with all of its parts at once, and the next one only then, so that within a
 * partition there is never more than one append. While one becomes durable, the next is read and decoded.
 */
import type { SourceBatch, SourcePart } from "../../core/ports/source.ts";
import { RECORD_WORDS, type RecordBatch } from "../../core/record.ts";
import type { AppendPorts } from "../ingest/append-at-last.ts";
import { appendChanges } from "./append-changes.ts";
import type { CopyRun, WovenBatch } from "./copy-run.ts";
import type { Resume } from "./resume.ts";

export interface AppendOptions {
  readonly resume: Resume;
  /** Copies beside the stream; undefined where there are none. */
  readonly copies: Pick<CopyRun, "weave" | "durable"> | undefined;
  /** For what is no change of a table: resolves when it is durable. */
  readonly publish: (batch: SourceBatch, signal: AbortSignal) => Promise<void>;
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
    const { copies, resume } = this.#options;
    const woven = await copies?.weave(batch);
    const own = (woven?.groups ?? [batch.parts]).map((parts) =>
      withOwnBytes(parts.flatMap((part) => resume.without(part) ?? [])),
    );
    const messages = batch.messages.map((one) => ({ ...one, content: one.content.slice() }));
    await this.#underWay;
    this.inFlightBytes = own.flat().reduce((sum, { records }) => sum + records.bytes.length, 0);
    this.#underWay = this.#append({ ...batch, parts: [], messages }, own, woven, signal);
    // Told when the next one is added, or at the end.
    this.#underWay.catch(() => undefined);
  }

  /** @throws what an append throws */
  async settled(): Promise<void> {
    await this.#underWay;
  }

  async #append(
    batch: SourceBatch,
    groups: readonly (readonly SourcePart[])[],
    woven: WovenBatch | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const published = this.#options.publish(batch, signal);
    published.catch(() => undefined); // looked at below
    for (const parts of groups)
      await Promise.all(
        parts.map(({ stream, partition, records }) =>
          appendChanges(this.#ports, stream, partition, records, signal),
        ),
      );
    await published;
    if (woven) this.#options.copies!.durable(woven);
    const { cursor, changes, commitUs } = batch;
    this.#options.onDurable({ cursor, changes, commitUs, bytes: this.inFlightBytes });
    this.inFlightBytes = 0;
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
