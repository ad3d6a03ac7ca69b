/**
 * Landing of one table, exactly once (design: docs/ARCHITECTURE.md, "Landing"). One attempt reads the log after the
 * cursors, judges every record, writes the files and makes one commit in which rows and cursors move together. If
 * anybody else's commit changed what the attempt decided on, all of it is taken back and decided again.
 */
import { assert } from "../../core/assert.ts";
import type { Clock, Randomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import { envelopePaths, type EventType } from "../../core/event-type.ts";
import type { IdentitySet, Kernel } from "../../core/kernel.ts";
import type { LandedPartition } from "../../core/landed.ts";
import type { Logger } from "../../core/logger.ts";
import type { Log, StreamInfo } from "../../core/ports/log.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { AddFile, TableChange, TableLog } from "../../core/ports/table-log.ts";
import { planColumns } from "../../core/columns.ts";
import { advanceWatermark, idleWatermark } from "../../core/watermark.ts";
import { createEventEncoder, type EventEncoder } from "../../lake/parquet/writer.ts";
import { storePathOf } from "../../lake/table/add-file.ts";
import { ensureTable } from "../../lake/tables.ts";
import { countLedger, judgeWinner, landChange, ledgerOf, type LandInfo } from "./change.ts";
import { gather, type Gathered } from "./gather.ts";
import { addIdentities, newSecret, secretOf } from "./identities.ts";
import { Judge, type Judged } from "./judge.ts";
import { writeDataFiles, writeSideRows } from "./files.ts";
import { slowestIngestMs } from "./slowest.ts";
import { stateOf, verifyWitnesses, type LandingState } from "./state.ts";

/** A watermark-only version at most this often. */
const WATERMARK_COMMIT_MS = 60_000;

export interface LandPorts {
  readonly log: Log;
  readonly store: ObjectStore;
  readonly openTable: (name: string) => TableLog;
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

export interface LandOptions {
  readonly commitMs: number;
  readonly commitBytes: number;
  readonly commitRows: number;
  readonly horizonMs: number;
  readonly generationMs: number;
  readonly disorderMs: number;
  readonly idleAfterMs: number;
  readonly skewMs: number;
  readonly eventBytes: number;
  readonly depth: number;
}

export class TableLanding {
  readonly #ports: LandPorts;
  readonly #options: LandOptions;
  readonly #type: EventType;
  readonly #table: TableLog;
  readonly #stream: StreamInfo;
  #ids: IdentitySet;
  readonly #judge: Judge;
  readonly #encoder: EventEncoder;
  #state: LandingState;
  #lastCommitId: string | null = null;
  #lastCommitMs: number;
  /** [partition] monotonic ms since which the cursor has been at the log's end; NaN while it is not. */
  readonly #atEndSinceMs: Float64Array;

  private constructor(
    ports: LandPorts,
    options: LandOptions,
    type: EventType,
    table: TableLog,
    stream: StreamInfo,
    state: LandingState,
  ) {
    this.#ports = ports;
    this.#options = options;
    this.#type = type;
    this.#table = table;
    this.#stream = stream;
    this.#state = state;
    this.#ids = ports.kernel.createIdentitySet(options);
    this.#encoder = createEventEncoder(planColumns(type));
    this.#judge = new Judge(ports, options, type, secretOf(state.snapshot), this.#encoder);
    this.#lastCommitMs = ports.clock.monotonicMs();
    this.#atEndSinceMs = new Float64Array(stream.partitions).fill(Number.NaN);
  }

  /** Opens or creates the table, holds it against the log, and rebuilds the id set. */
  static async open(ports: LandPorts, options: LandOptions, type: EventType): Promise<TableLanding> {
    const stream = await ports.log.stream(type.name);
    if (!stream)
      throw new MuaraError("log.stream_not_found", `${type.name} has no stream yet.`, {
        details: { stream: type.name },
      });
    const table = ports.openTable(type.name);
    const plan = planColumns(type);
    const snapshot = await ensureTable(table, type.name, plan.columns, newSecret(ports.randomness), ports);
    const state = stateOf(snapshot, ports.log, stream);
    await verifyWitnesses(state, ports.log, stream, ports.kernel);
    const landing = new TableLanding(ports, options, type, table, stream, state);
    await landing.#hold();
    await landing.#syncIdentities(undefined);
    return landing;
  }

  /** Frees the id set. The landing must not be used afterwards. */
  discard(): void {
    this.#ids.destroy();
  }

  /**
   * One attempt. @returns whether records were left in the log for lack of budget, or the attempt was abandoned
   * @throws what stops or delays this table; the caller then discards the landing
   */
  async step(signal: AbortSignal): Promise<{ hasBacklog: boolean }> {
    const gathered = await gather(
      this.#ports.log,
      this.#stream.name,
      this.#state.partitions,
      this.#options.commitBytes,
      this.#options.commitRows,
    );
    const isIdle = this.#idleFlags(gathered);
    const hasMoved = gathered.next.some((next, i) => next !== this.#state.partitions[i]!.cursor);
    if (!hasMoved) {
      await this.#commitWatermark(isIdle, signal);
      return { hasBacklog: false };
    }
    const judged = await this.#judge.decide(gathered.batches, this.#state.partitions, this.#ids);
    const isCommitted = await this.#commitRows(gathered, judged, isIdle, signal);
    return { hasBacklog: !isCommitted || gathered.isAtEnd.includes(false) };
  }

  async #commitRows(
    gathered: Gathered,
    judged: Judged,
    isIdle: boolean[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const { partitions } = this.#state;
    const ledger = ledgerOf(partitions, gathered.next, gathered.batches, judged);
    const seen = this.#judge.newest(gathered.batches, judged);
    const after = partitions.map((partition, i): LandedPartition => {
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
    const watermarkMs = advanceWatermark(this.#state.watermarkMs, after, this.#options.disorderMs);
    const add = await writeDataFiles(
      this.#ports,
      this.#type.name,
      this.#encoder,
      gathered.batches,
      judged,
      this.#state,
    );
    const side = await writeSideRows(this.#ports, this.#type.name, gathered.batches, judged, this.#state);
    const info: LandInfo = { kind: "land", previous: this.#lastCommitId, ledger, side };
    return this.#commit(landChange(this.#state, after, watermarkMs, add, info), signal);
  }

  async #commitWatermark(isIdle: boolean[], signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports;
    if (clock.monotonicMs() - this.#lastCommitMs < WATERMARK_COMMIT_MS || isIdle.includes(false)) return;
    const after = this.#state.partitions.map((partition) => ({ ...partition, isIdle: true }));
    const { idleAfterMs, disorderMs } = this.#options;
    const watermarkMs = idleWatermark(this.#state.watermarkMs, after, clock.nowMs(), idleAfterMs, disorderMs);
    if (watermarkMs === this.#state.watermarkMs) return;
    const info: LandInfo = { kind: "watermark", previous: this.#lastCommitId, ledger: [], side: null };
    await this.#commit(landChange(this.#state, after, watermarkMs, [], info), signal);
  }

  /** @returns false where another commit came first; everything of the attempt is then undone */
  async #commit(change: TableChange, signal: AbortSignal): Promise<boolean> {
    const outcome = await this.#table.commit({
      base: this.#state.snapshot,
      change,
      check: judgeWinner,
      signal,
    });
    this.#encoder.reset();
    if (outcome.outcome === "committed") {
      this.#ids.keep();
      this.#state = stateOf(outcome.snapshot, this.#ports.log, this.#stream);
      this.#lastCommitId = outcome.commit.commitId;
      this.#lastCommitMs = this.#ports.clock.monotonicMs();
      this.#ids.expire(slowestIngestMs(this.#state.partitions));
      await this.#hold();
      return true;
    }
    this.#ids.undo();
    await this.#discardFiles(change.add);
    const before = this.#state;
    this.#state = stateOf(outcome.snapshot, this.#ports.log, this.#stream);
    this.#lastCommitId = null;
    await verifyWitnesses(this.#state, this.#ports.log, this.#stream, this.#ports.kernel);
    await this.#syncIdentities(before);
    return false;
  }

  /** Brings the id set from an earlier state of the table to the present one; from nothing where files went away. */
  async #syncIdentities(before: LandingState | undefined): Promise<void> {
    if (envelopePaths(this.#type).id === undefined) return;
    const { snapshot } = this.#state;
    const isGrown =
      before !== undefined && [...before.snapshot.files.keys()].every((path) => snapshot.files.has(path));
    if (!isGrown) {
      this.#ids.destroy();
      this.#ids = this.#ports.kernel.createIdentitySet(this.#options);
    }
    await addIdentities(this.#ports, this.#ids, this.#type.name, isGrown ? before : undefined, this.#state);
  }

  /** Only after a proven refusal: no version names these files. */
  async #discardFiles(files: readonly AddFile[]): Promise<void> {
    for (const file of files) await this.#ports.store.delete(storePathOf(this.#type.name, file.path));
  }

  /** The log must keep what has not landed. */
  #hold(): Promise<void> {
    const holds = this.#state.partitions.map(({ partition, cursor }) => ({
      stream: this.#stream.name,
      partition,
      offset: cursor,
    }));
    return this.#ports.log.hold(`land:${this.#type.name}`, holds);
  }

  /** [partition] whether landing has been at the log's end for long enough. A backlog is never idle. */
  #idleFlags(gathered: Gathered): boolean[] {
    const nowMs = this.#ports.clock.monotonicMs();
    return this.#state.partitions.map(({ cursor }, i) => {
      const isStill = gathered.isAtEnd[i] === true && gathered.next[i] === cursor;
      if (!isStill) this.#atEndSinceMs[i] = Number.NaN;
      else if (Number.isNaN(this.#atEndSinceMs[i])) this.#atEndSinceMs[i] = nowMs;
      return isStill && nowMs - this.#atEndSinceMs[i]! >= this.#options.idleAfterMs;
    });
  }
}

function newer(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a > b ? a : b;
}
