/**
 * Batches of changes into the log: each with all of its parts at once, and the next one only then, so that within a
 * partition there is never more than one append. While one becomes durable, the source decodes the next; nothing is
 * copied in between, since the bytes of a batch are its own until another is asked for.
 */
import type { SourceBatch, SourcePart } from "../../core/ports/source.ts";
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

  /** Resolves once the batch is durable; the next one is asked for and added only then. @throws what an append throws */
  async add(batch: SourceBatch, signal: AbortSignal): Promise<void> {
    const { copies, resume } = this.#options;
    const woven = await copies?.weave(batch);
    const groups = (woven?.groups ?? [batch.parts]).map((parts) =>
      parts.flatMap((part) => resume.without(part) ?? []),
    );
    this.inFlightBytes = groups.flat().reduce((sum, { records }) => sum + records.bytes.length, 0);
    this.#underWay = this.#append(batch, groups, woven, signal);
    await this.#underWay;
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
