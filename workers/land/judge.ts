/**
 * Decides the fate of every record of an attempt: landed, duplicate or dead letter.
 *
 * The order matters and is part of the protocol: a record whose id is already in the table is a duplicate, good or
 * bad; only what really lands enters the id set. Whether a value fits its column is known only after decoding, so
 * rejected rows are taken back: the tentative ids are undone, the rows marked, and the ids admitted again. A
 * corrected resend behind a bad event of the same id therefore lands.
 */
import type { Clock } from "../../core/clock.ts";
import type { ErrorCode } from "../../core/errors.ts";
import { envelopePaths, type EnvelopePaths, type EventType } from "../../core/event-type.ts";
import { FLAG_MALFORMED, FLAG_MISSING, FLAG_UUID, FLAG_WRONG_TYPE } from "../../core/kernel-abi.ts";
import type { ScanPath, ScanPlan } from "../../core/kernel-plan.ts";
import type { Scan } from "../../core/kernel-scan.ts";
import { ADMIT_DUPLICATE, type IdentitySet } from "../../core/kernel-set.ts";
import type { Kernel } from "../../core/kernel.ts";
import type { LandedPartition } from "../../core/landed.ts";
import { PAYLOAD_AT, PAYLOAD_LENGTH, payloadOf, RECORD_WORDS, type ReadBatch } from "../../core/record.ts";
import type { EventEncoder } from "../../lake/parquet/writer.ts";
import { TextReader } from "./text-reader.ts";

export const LANDED = 1;
export const DUPLICATE = 2;
export const DEAD = 3;

/** Rows decoded before the event loop gets a turn: the door must not wait for a backlog. */
const ROWS_PER_TURN = 2_000;

export interface DeadReason {
  readonly code: ErrorCode;
  /** RFC 6901, where one value is to blame. */
  readonly pointer: string | null;
  readonly detail: string;
}

/** What became of the rows of an attempt, in (partition, offset) order. */
export interface Judged {
  /** [rows] LANDED, DUPLICATE or DEAD. */
  readonly fates: Uint8Array;
  /** [rows] row slot in the encoder; -1 where it does not land. */
  readonly slots: Int32Array;
  /** [rows] event time, µs since 1970 UTC. */
  readonly timesUs: BigInt64Array;
  /** [rows] ms since 1970 UTC; never decreasing within a partition, whatever the log says. */
  readonly ingestMs: Float64Array;
  /** [rows] null where the event has none that could be read. */
  readonly eventIds: readonly (string | null)[];
  /** [rows] null where the event itself names none. */
  readonly flowIds: readonly (string | null)[];
  /** By row: why it is dead. */
  readonly reasons: ReadonlyMap<number, DeadReason>;
}

/** The newest that an attempt saw in a partition. */
export interface Seen {
  /** µs; undefined where nothing landed or everything was beyond the skew. */
  readonly newestUs: bigint | undefined;
  readonly ingestMs: number;
  readonly witness: bigint;
}

export interface JudgeOptions {
  readonly eventBytes: number;
  readonly depth: number;
  readonly skewMs: number;
}

interface Rows {
  readonly count: number;
  /** [rows] 1 where the scan, the envelope or the decoder condemns it. */
  readonly bad: Uint8Array;
  /** [rows] 1 where the event is readable and has an id. */
  readonly hasId: Uint8Array;
  readonly identities: BigUint64Array;
  readonly timesUs: BigInt64Array;
  readonly ingestMs: Float64Array;
  readonly eventIds: (string | null)[];
  readonly flowIds: (string | null)[];
  readonly reasons: Map<number, DeadReason>;
}

export class Judge {
  readonly #kernel: Kernel;
  readonly #clock: Clock;
  readonly #options: JudgeOptions;
  readonly #nameBytes: Uint8Array;
  readonly #secret: Uint8Array;
  readonly #encoder: EventEncoder;
  readonly #paths: EnvelopePaths;
  readonly #plan: ScanPlan;
  /** Places of the envelope's paths in the plan; -1 where the type has none. */
  readonly #places: {
    readonly id: number;
    readonly time: number;
    readonly eventType: number;
    readonly flowId: number;
  };

  constructor(
    services: { readonly kernel: Kernel; readonly clock: Clock },
    options: JudgeOptions,
    type: EventType,
    secret: Uint8Array,
    encoder: EventEncoder,
  ) {
    this.#kernel = services.kernel;
    this.#clock = services.clock;
    this.#options = options;
    this.#nameBytes = new TextEncoder().encode(type.name);
    this.#secret = secret;
    this.#encoder = encoder;
    this.#paths = envelopePaths(type);
    const paths: ScanPath[] = [];
    const place = (keys: readonly string[] | undefined, kind: ScanPath["kind"]): number =>
      keys ? paths.push({ keys, kind }) - 1 : -1;
    this.#places = {
      id: place(this.#paths.id, "id"),
      time: place(this.#paths.time, "time"),
      eventType: place(this.#paths.eventType, "text"),
      flowId: place(this.#paths.flowId, "text"),
    };
    this.#plan = this.#kernel.plan(paths, { maxBytes: options.eventBytes, maxDepth: options.depth });
  }

  /** Frees the scan plan. */
  discard(): void {
    this.#plan.destroy();
  }

  /** @param partitions [partition] the state before the attempt. Leaves the landing ids tentative in `ids`. */
  async decide(
    batches: readonly ReadBatch[],
    partitions: readonly LandedPartition[],
    ids: IdentitySet,
  ): Promise<Judged> {
    const rows = await this.#scan(batches, partitions);
    const slots = new Int32Array(rows.count).fill(-1);
    for (;;) {
      const fates = this.#admit(rows, ids);
      const rejected = await this.#decode(batches, rows, slots, (row) => fates[row] === LANDED);
      if (rejected.length === 0) return { ...rows, fates, slots };
      ids.undo();
      if (this.#places.id < 0) continue;
      // What was taken for their duplicates may land now. Decoding it first makes the next round the last one,
      // however often a bad event was resent.
      const orphaned = new Set(rejected.map((row) => rows.identities[row * 2]!));
      await this.#decode(batches, rows, slots, (row) => orphaned.has(rows.identities[row * 2]!));
    }
  }

  /** @returns [partition] undefined where the attempt read nothing of it */
  newest(batches: readonly ReadBatch[], judged: Judged): (Seen | undefined)[] {
    const seen: (Seen | undefined)[] = [];
    let first = 0;
    for (const batch of batches) {
      const end = first + batch.count;
      const landed = new Uint32Array(batch.count);
      let count = 0;
      for (let i = 0; i < batch.count; i++) if (judged.fates[first + i] === LANDED) landed[count++] = i;
      const newest = this.#kernel.newest(
        judged.timesUs.subarray(first, end),
        judged.ingestMs.subarray(first, end),
        landed.subarray(0, count),
        this.#options.skewMs,
      );
      const before = seen[batch.partition]?.newestUs;
      seen[batch.partition] = {
        newestUs: newest === null || (before !== undefined && before > newest) ? before : newest,
        ingestMs: judged.ingestMs[end - 1]!,
        witness: this.#kernel.hash64(payloadOf(batch, batch.count - 1) ?? new Uint8Array(0)),
      };
      first = end;
    }
    return seen;
  }

  async #scan(batches: readonly ReadBatch[], partitions: readonly LandedPartition[]): Promise<Rows> {
    const count = batches.reduce((sum, batch) => sum + batch.count, 0);
    const rows: Rows = {
      count,
      bad: new Uint8Array(count),
      hasId: new Uint8Array(count),
      identities: new BigUint64Array(count * 2),
      timesUs: new BigInt64Array(count),
      ingestMs: new Float64Array(count),
      eventIds: new Array<string | null>(count),
      flowIds: new Array<string | null>(count),
      reasons: new Map(),
    };
    let row = 0;
    const ingestFloorMs = partitions.map((partition) => partition.ingestMs ?? 0);
    for (const batch of batches) {
      let floorMs = ingestFloorMs[batch.partition]!;
      for (let i = 0; i < batch.count; i++) {
        floorMs = Math.max(floorMs, batch.ingestMs[i]!);
        rows.ingestMs[row + i] = floorMs;
      }
      ingestFloorMs[batch.partition] = floorMs;
      this.#scanBatch(batch, partitions[batch.partition]!, rows, row);
      row += batch.count;
      await this.#clock.sleep(0);
    }
    return rows;
  }

  #scanBatch(batch: ReadBatch, partition: LandedPartition, rows: Rows, first: number): void {
    const scan = this.#kernel.scanRecords(this.#plan, batch, this.#secret);
    const { verdicts, errorAt } = scan;
    const { id, time } = this.#places;
    for (let i = 0; i < batch.count; i++) {
      const verdict = verdicts[i]!;
      if (verdict !== 0)
        condemn(rows, first + i, this.#kernel.verdictCode(verdict), null, `at byte ${errorAt[i]!}`);
    }
    if (id >= 0) rows.identities.set(scan.identities(id), first * 2);
    this.#checkEnvelope(scan, rows, first);
    if (time >= 0) rows.timesUs.set(scan.timesUs(time), first);
    for (let row = first; row < first + batch.count; row++)
      if (time < 0 || rows.bad[row]) rows.timesUs[row] = BigInt(rows.ingestMs[row]!) * 1_000n;
    if (id < 0) {
      const place = `${partition.logId}/${partition.topicId}/${batch.partition}/`;
      for (let i = 0; i < batch.count; i++) rows.eventIds[first + i] = place + batch.offsets[i]!;
    }
    this.#copyTexts(scan, rows, first);
  }

  #checkEnvelope(scan: Scan, rows: Rows, first: number): void {
    const { id, time, eventType } = this.#places;
    if (id >= 0)
      this.#checkFlags(scan, id, rows, first, "event.id_missing", "event.id_malformed", this.#paths.id!);
    if (time >= 0)
      this.#checkFlags(
        scan,
        time,
        rows,
        first,
        "event.time_missing",
        "event.time_malformed",
        this.#paths.time!,
      );
    if (eventType < 0) return;
    const texts = new TextReader(scan, eventType);
    for (let i = 0; i < scan.count; i++) {
      // Absent is fine: the door adds it, other producers need not.
      if (rows.bad[first + i] || texts.isAbsent(i) || texts.equals(i, this.#nameBytes)) continue;
      condemn(
        rows,
        first + i,
        "event.type_mismatch",
        pointerOf(this.#paths.eventType!),
        "names another event type",
      );
    }
  }

  #checkFlags(
    scan: Scan,
    place: number,
    rows: Rows,
    first: number,
    missing: ErrorCode,
    malformed: ErrorCode,
    path: readonly string[],
  ): void {
    const { flags } = scan.field(place);
    const isId = place === this.#places.id;
    const needsUuid = isId && this.#paths.idMustBeUuid;
    for (let i = 0; i < scan.count; i++) {
      const flag = flags[i]!;
      if (isId && !rows.bad[first + i] && !(flag & (FLAG_MISSING | FLAG_WRONG_TYPE | FLAG_MALFORMED)))
        rows.hasId[first + i] = 1;
      if (flag & FLAG_MISSING) condemn(rows, first + i, missing, pointerOf(path), "is missing");
      else if (flag & (FLAG_WRONG_TYPE | FLAG_MALFORMED))
        condemn(rows, first + i, malformed, pointerOf(path), "is malformed");
      else if (needsUuid && !(flag & FLAG_UUID))
        condemn(rows, first + i, malformed, pointerOf(path), "is no UUID");
    }
  }

  /** Ids and flow ids as text: the only strings made per row, since they are columns. */
  #copyTexts(scan: Scan, rows: Rows, first: number): void {
    const { id, flowId } = this.#places;
    if (id >= 0) {
      const texts = new TextReader(scan, id);
      for (let i = 0; i < scan.count; i++) rows.eventIds[first + i] = texts.read(i);
    }
    if (flowId >= 0) {
      const texts = new TextReader(scan, flowId);
      for (let i = 0; i < scan.count; i++) rows.flowIds[first + i] = texts.read(i);
    }
  }

  #admit(rows: Rows, ids: IdentitySet): Uint8Array {
    const fates = new Uint8Array(rows.count);
    if (this.#places.id < 0) {
      // Known by their place in the log, which the cursor protects: no two rows share one.
      for (let row = 0; row < rows.count; row++) fates[row] = rows.bad[row] ? DEAD : LANDED;
      return fates;
    }
    const answers = ids.admit(rows.count, rows.identities, rows.ingestMs, rows.bad);
    for (let row = 0; row < rows.count; row++) {
      if (rows.bad[row]) fates[row] = answers[row] === ADMIT_DUPLICATE && rows.hasId[row] ? DUPLICATE : DEAD;
      else fates[row] = answers[row] === ADMIT_DUPLICATE ? DUPLICATE : LANDED;
    }
    return fates;
  }

  /** Decodes the selected good rows that have no slot yet. @returns rows that the decoder rejected: now bad */
  async #decode(
    batches: readonly ReadBatch[],
    rows: Rows,
    slots: Int32Array,
    isSelected: (row: number) => boolean,
  ): Promise<number[]> {
    const rejected: number[] = [];
    let row = -1;
    let turn = 0;
    for (const batch of batches) {
      for (let i = 0; i < batch.count; i++) {
        row++;
        if (rows.bad[row] || slots[row]! >= 0 || !isSelected(row)) continue;
        if (++turn % ROWS_PER_TURN === 0) await this.#clock.sleep(0);
        const at = batch.index[i * RECORD_WORDS + PAYLOAD_AT]!;
        const slot = this.#encoder.rows;
        const rejection = this.#encoder.add(batch.bytes, at, batch.index[i * RECORD_WORDS + PAYLOAD_LENGTH]!);
        if (!rejection) slots[row] = slot;
        else {
          condemn(rows, row, rejection.code, rejection.pointer, rejection.detail);
          rejected.push(row);
        }
      }
    }
    return rejected;
  }
}

function condemn(rows: Rows, row: number, code: ErrorCode, pointer: string | null, detail: string): void {
  if (rows.bad[row]) return; // the first reason stays
  rows.bad[row] = 1;
  rows.reasons.set(row, { code, pointer, detail });
}

function pointerOf(path: readonly string[]): string {
  return path.map((key) => `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
