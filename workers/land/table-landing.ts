/**
 * Landing of one table, exactly once (design: docs/ARCHITECTURE.md, "Landing"). One attempt reads the log after the
 * cursors, judges every record, writes the files and makes one commit in which rows and cursors move together. If
 * anybody else's commit changed what the attempt decided on, all of it is taken back and decided again.
 */
import { assert } from "../../core/assert.ts";
import { ByteLoan, BytePool } from "../../core/byte-pool.ts";
import { MuaraError } from "../../core/errors.ts";
import type { EventType } from "../../core/event-type.ts";
import { type LandedPartition, retiredTxn } from "../../core/landed.ts";
import type { StreamInfo } from "../../core/ports/log.ts";
import { linksOf } from "../../core/record-links.ts";
import { type SpanOptions, traced } from "../../core/trace.ts";
import { advanceWatermark, idleWatermark } from "../../core/watermark.ts";
import { createEventEncoder, type EventEncoder } from "../../lake/parquet/event-encoder.ts";
import { ZSTD } from "../../lake/parquet/zstd.ts";
import { countLedger, landChange, ledgerOf, type LandInfo } from "./change.ts";
import { writeDataFiles, writeSideRows } from "./files.ts";
import { gather, type Gathered } from "./gather.ts";
import { cutUnknown, schemaUnknown } from "./known-schema.ts";
import { Judge, type Judged } from "./judge.ts";
import { LandTable } from "./land-table.ts";
import { landedRun, landingRun, type Written } from "./landing-lineage.ts";
import type { LandOptions, LandPorts } from "./options.ts";
import type { LandingState } from "./state.ts";
import { StillTimer } from "./still-timer.ts";

/** A watermark-only version at most this often. */
const WATERMARK_COMMIT_MS = 60_000;

type Timed = "muara_land_commit_seconds" | "muara_land_settle_seconds";

/** What an attempt came to. */
export interface Step {
  readonly hasBacklog: boolean;
  readonly isCommitted: boolean;
}

export class TableLanding {
  readonly #ports: LandPorts;
  readonly #options: LandOptions;
  readonly #type: EventType;
  readonly #stream: StreamInfo;
  readonly #table: LandTable;
  readonly #judge: Judge;
  readonly #encoder: EventEncoder;
  readonly #still: StillTimer;
  readonly #buffers: BytePool;
  /** Monotonic ms of the newest commit that this landing made or met. */
  #lastCommitMs: number;
  /** Payload bytes of an event, as of the newest attempt that had any. */
  #eventBytes = 0;

  private constructor(
    ports: LandPorts,
    options: LandOptions,
    type: EventType,
    stream: StreamInfo,
    table: LandTable,
  ) {
    this.#ports = ports;
    this.#options = options;
    this.#type = type;
    this.#stream = stream;
    this.#table = table;
    const limits = { maxBytes: options.eventBytes, maxDepth: options.depth };
    this.#encoder = createEventEncoder(ports.kernel, type, limits, ZSTD);
    this.#judge = new Judge(ports, options, type, table.secret, this.#encoder);
    this.#still = new StillTimer(stream.partitions);
    this.#buffers = ports.buffers ?? new BytePool();
    this.#lastCommitMs = ports.clock.monotonicMs();
  }

  /** Opens or creates the table, holds it against the log, and rebuilds the id set. */
  static async open(ports: LandPorts, options: LandOptions, type: EventType): Promise<TableLanding> {
    const stream = await ports.log.stream(type.name);
    if (!stream)
      throw new MuaraError("log.stream_not_found", `${type.name} has no stream yet.`, {
        details: { stream: type.name },
      });
    const table = await LandTable.open(ports, options, type, stream);
    try {
      return new TableLanding(ports, options, type, stream, table);
    } catch (error) {
      table.discard();
      throw error;
    }
  }

  /** The table as far as this landing knows it. */
  get state(): LandingState {
    return this.#table.state;
  }

  /** Ids that a record is compared with. */
  get knownIds(): number {
    return this.#table.ids.size;
  }

  /** Whether `step` may be called again after it threw; where not, the landing must be discarded. */
  get isUsable(): boolean {
    return this.#table.isKnown;
  }

  /** At a clean stop: stores what the next start would have to read again. */
  saveImage(): Promise<void> {
    return this.#table.saveImage();
  }

  /** Frees the kernel's memory. The landing must not be used afterwards. */
  discard(): void {
    this.#table.discard();
    this.#encoder.destroy();
  }

  /** What the log holds behind the cursors, and whether that is enough for a commit as large as commits get. */
  async waiting(): Promise<{ offsets: number; isFull: boolean }> {
    const { log } = this.#ports;
    const { commitBytes, commitRows } = this.#options;
    let offsets = 0;
    for (const { partition, cursor } of this.state.partitions) {
      const { endOffset } = await log.bounds(this.#stream.name, partition);
      // Where the log ends before the cursor it is another log: the attempt will say so.
      offsets += Math.abs(endOffset - cursor);
    }
    return { offsets, isFull: offsets >= commitRows || offsets * this.#eventBytes >= commitBytes };
  }

  /**
   * Says in the table that all of its stream has landed, which goes now. @returns false where another commit came first
   */
  async retire(signal: AbortSignal): Promise<boolean> {
    const { state } = this;
    const appId = retiredTxn(this.#ports.log.id, this.#stream.topicId);
    if (state.snapshot.txns.has(appId)) return true;
    // Nothing is awaited of it any more: it holds back neither watermark nor ids.
    const after = state.partitions.map((partition) => ({ ...partition, isIdle: true }));
    const info: LandInfo = { kind: "watermark", previous: this.#table.previous, ledger: [], side: null };
    const change = landChange(state, after, state.watermarkMs, [], info);
    return this.#table.commit({ ...change, txns: [...change.txns, { appId, version: 1n }] }, signal);
  }

  /**
   * One attempt. @returns whether records were left in the log for lack of budget, or the attempt was abandoned;
   * and whether it committed anything
   * @throws what stops or delays this table; everything tentative is taken back then
   */
  async step(signal: AbortSignal): Promise<Step> {
    assert(this.isUsable, "a landing that lost track of its table is used again");
    const read = new ByteLoan(this.#buffers);
    try {
      const step = await this.#attempt(read, signal);
      read.end();
      return step;
    } catch (error) {
      this.#table.ids.undo();
      throw error;
    } finally {
      this.#encoder.reset();
    }
  }

  /** @param supply of what is read: nothing of it is looked at afterwards */
  async #attempt(supply: ByteLoan, signal: AbortSignal): Promise<Step> {
    await this.#checkStream();
    const { partitions } = this.state;
    const { commitBytes, commitRows } = this.#options;
    const lookedMs = this.#ports.clock.monotonicMs();
    const { name } = this.#stream;
    const isCompacted = this.#stream.cleanup !== "delete";
    const { log } = this.#ports;
    const read = await gather(log, name, partitions, commitBytes, commitRows, isCompacted, supply);
    const { version } = this.#type.schema;
    const { gathered, unknown } = cutUnknown(read, partitions, version);
    const isIdle = this.#idleFlags(gathered, lookedMs);
    if (gathered.next.every((next, i) => next === partitions[i]!.cursor)) {
      if (unknown) throw schemaUnknown(name, version, unknown);
      return { hasBacklog: false, isCommitted: await this.#commitWatermark(gathered, isIdle, signal) };
    }
    if (gathered.count > 0)
      this.#eventBytes = gathered.batches.reduce((sum, { bytes }) => sum + bytes.length, 0) / gathered.count;
    const isCommitted = await this.#land(gathered, isIdle, signal);
    return { hasBacklog: !isCommitted || gathered.isAtEnd.includes(false), isCommitted };
  }

  #land(gathered: Gathered, isIdle: readonly boolean[], signal: AbortSignal): Promise<boolean> {
    const { partitions } = this.state;
    const about = (): SpanOptions => ({
      attributes: { "muara.table": this.#type.name, "muara.records": gathered.count },
      links: linksOf(gathered.batches),
    });
    const { lineage } = this.#ports;
    const run = landingRun(lineage, this.#type);
    return traced("landing commit", about, async (span) => {
      const judged = await this.#judge.decide(gathered.batches, partitions, this.#table.ids, (unsettled) =>
        this.#timed("muara_land_settle_seconds", () => this.#table.settle(unsettled)),
      );
      const written = await this.#commitRows(gathered, judged, isIdle, signal);
      const isCommitted = written !== undefined;
      if (lineage && run && written) landedRun(lineage, run, this.#type, this.state, written);
      else run?.abort();
      span.setAttributes({ "muara.committed": isCommitted, "muara.version": this.state.snapshot.version });
      return isCommitted;
    }).catch((error: unknown) => {
      run?.fail(error);
      throw error;
    });
  }

  /** @returns undefined where another commit came first */
  async #commitRows(
    gathered: Gathered,
    judged: Judged,
    isIdle: readonly boolean[],
    signal: AbortSignal,
  ): Promise<Written | undefined> {
    const { state } = this;
    const { batches } = gathered;
    const ledger = ledgerOf(state.partitions, gathered.next, batches, judged);
    const seen = this.#judge.newest(batches, judged);
    const after = state.partitions.map((partition, i): LandedPartition => {
      const counted = countLedger(partition, ledger);
      assert(counted.cursor === gathered.next[i], `the ledger of partition ${i} ends where reading ended`);
      const last = seen[i];
      if (!last) return { ...counted, isIdle: isIdle[i]! };
      return {
        ...counted,
        isIdle: false,
        newestUs: newer(partition.newestUs, last.newestUs),
        ingestMs: Math.max(partition.ingestMs ?? 0, last.ingestMs),
        witness: last.witness,
      };
    });
    const watermarkMs = advanceWatermark(state.watermarkMs, after, this.#options.disorderMs);
    const add = await writeDataFiles(this.#ports, this.#type.name, this.#encoder, judged, state);
    // Before the commit: a crash between the two leaves a file that nobody names, never a commit without its file.
    const side = await writeSideRows(this.#ports, this.#type.name, this.#encoder, batches, judged, state);
    const replays = side.replays > 0 ? { replays: side.replays } : {};
    const info: LandInfo = {
      kind: "land",
      previous: this.#table.previous,
      ledger,
      side: side.path,
      ...replays,
    };
    const isCommitted = await this.#timed("muara_land_commit_seconds", () =>
      this.#commit(after, watermarkMs, add, info, signal),
    );
    this.#noteCommit(batches, isCommitted);
    return isCommitted ? { add, ledger } : undefined;
  }

  /** How long the oldest of what is visible now had to wait. */
  #noteCommit(batches: Gathered["batches"], isCommitted: boolean): void {
    const { clock, measures } = this.#ports;
    if (!isCommitted) return measures?.count("muara_land_lost_attempts", {});
    const oldestMs = Math.min(...batches.map(({ ingestMs }) => ingestMs[0]!));
    if (!Number.isFinite(oldestMs)) return; // nothing but offsets that hold nothing
    measures?.observe("muara_land_freshness_seconds", Math.max(0, clock.nowMs() - oldestMs) / 1_000, {});
  }

  #timed<Result>(name: Timed, work: () => Promise<Result>): Promise<Result> {
    const { clock, measures } = this.#ports;
    return measures ? measures.timed(name, {}, clock, work) : work();
  }

  /** When everything is idle, time goes on without rows. */
  async #commitWatermark(
    gathered: Gathered,
    isIdle: readonly boolean[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const { clock } = this.#ports;
    if (clock.monotonicMs() - this.#lastCommitMs < WATERMARK_COMMIT_MS || isIdle.includes(false))
      return false;
    const { state } = this;
    const { idleAfterMs, disorderMs } = this.#options;
    const after = state.partitions.map((partition) => ({ ...partition, isIdle: true }));
    // The log's word counts as well: a clock that ran ahead here must not make late what is accepted next.
    const nowMs = Math.min(clock.nowMs(), gathered.ingestFloorMs);
    const watermarkMs = idleWatermark(state.watermarkMs, after, nowMs, idleAfterMs, disorderMs);
    if (watermarkMs === state.watermarkMs) return false;
    const info: LandInfo = { kind: "watermark", previous: this.#table.previous, ledger: [], side: null };
    return this.#commit(after, watermarkMs, [], info, signal);
  }

  async #commit(
    after: readonly LandedPartition[],
    watermarkMs: number | undefined,
    add: Parameters<typeof landChange>[3],
    info: LandInfo,
    signal: AbortSignal,
  ): Promise<boolean> {
    const change = landChange(this.state, after, watermarkMs, add, info);
    try {
      return await this.#table.commit(change, signal);
    } finally {
      this.#lastCommitMs = this.#ports.clock.monotonicMs();
    }
  }

  /** A stream that was deleted, recreated or repartitioned meanwhile has other offsets than the cursors mean. */
  async #checkStream(): Promise<void> {
    const { name, topicId, partitions } = this.#stream;
    const present = await this.#ports.log.stream(name);
    if (present?.topicId === topicId && present.partitions === partitions) return;
    throw new MuaraError("land.fenced", `${name}: its stream is not the one that landing began with.`, {
      details: { table: name, began: topicId, present: present?.topicId ?? null },
    });
  }

  /**
   * [partition] whether landing has been at the log's end for long enough. A backlog is never idle.
   * @param lookedMs before the log was read: what a slow answer took was no silence
   */
  #idleFlags(gathered: Gathered, lookedMs: number): boolean[] {
    return this.state.partitions.map(({ cursor }, i) => {
      const isAtEnd = gathered.isAtEnd[i] === true && gathered.next[i] === cursor;
      return this.#still.stillMs(i, isAtEnd ? cursor : undefined, lookedMs) >= this.#options.idleAfterMs;
    });
  }
}

function newer(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a > b ? a : b;
}
