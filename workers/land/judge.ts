/**
 * Decides the fate of every record of an attempt: landed, duplicate or dead letter.
 *
 * The order matters and is part of the protocol: a record whose id is already in the table is a duplicate, good or
 * bad; only what really lands enters the id set. The scan already knows whether each value fits its column, so a bad
 * event's id is never admitted, and a corrected resend behind it lands.
 *
 * What a sealed part of the id set leaves open, the lake settles before anything is admitted: a maybe never decides.
 */
import type { Clock } from "../../core/clock.ts";
import type { ErrorCode } from "../../core/errors.ts";
import { envelopePaths, type EnvelopePaths, type EventType } from "../../core/event-type.ts";
import {
  FLAG_MALFORMED,
  FLAG_MISSING,
  FLAG_UUID,
  FLAG_WRONG_TYPE,
  VALUE_NULL,
} from "../../core/kernel-abi.ts";
import type { Scan, ScanField } from "../../core/kernel-scan.ts";
import { ADMIT_DUPLICATE, ADMIT_UNSETTLED, type IdentitySet, SETTLED_NEW } from "../../core/kernel-set.ts";
import type { Kernel } from "../../core/kernel.ts";
import type { LandedPartition } from "../../core/landed.ts";
import {
  ABSENT,
  HEADER_AT,
  HEADER_LENGTH,
  headerOf,
  payloadOf,
  type ReadBatch,
  RECORD_WORDS,
} from "../../core/record.ts";
import { hasRefusalNote, refusalNoteOf } from "../../core/refusal-note.ts";
import type { EventEncoder } from "../../lake/parquet/event-encoder.ts";
import type { Unsettled } from "./settle.ts";
import { TextReader } from "./text-reader.ts";

export const LANDED = 1;
export const DUPLICATE = 2;
export const DEAD = 3;

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
  /** [rows] event time, µs since 1970 UTC. */
  readonly timesUs: BigInt64Array;
  /** [rows] ms since 1970 UTC; never decreasing within a partition, whatever the log says. */
  readonly ingestMs: Float64Array;
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

/** Asks the lake. @returns [record] SETTLED_IN_LAKE or SETTLED_NEW */
export type Settle = (unsettled: Unsettled) => Promise<Uint8Array>;

export interface JudgeOptions {
  readonly skewMs: number;
}

interface Rows {
  readonly count: number;
  /** [rows] 1 where the scan, the envelope or a column condemns it. */
  readonly bad: Uint8Array;
  /** [rows] 1 where the event is readable and has an id. */
  readonly hasId: Uint8Array;
  /** [rows] SETTLED_*: the lake does not change while an attempt is judged. */
  readonly settled: Uint8Array;
  readonly identities: BigUint64Array;
  readonly timesUs: BigInt64Array;
  readonly ingestMs: Float64Array;
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
  }

  /**
   * Leaves the landing ids tentative in `ids`.
   * @param partitions [partition] the state before the attempt
   * @param settle asks the lake that `ids` stands for; without a lake nothing is in it
   */
  async decide(
    batches: readonly ReadBatch[],
    partitions: readonly LandedPartition[],
    ids: IdentitySet,
    settle?: Settle,
  ): Promise<Judged> {
    const rows = await this.#scan(batches, partitions);
    return { ...rows, fates: await this.#admit(rows, ids, settle) };
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
      settled: new Uint8Array(count),
      identities: new BigUint64Array(count * 2),
      timesUs: new BigInt64Array(count),
      ingestMs: new Float64Array(count),
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
    const place = `${partition.logId}/${partition.topicId}/${batch.partition}/`;
    const { scan, rejections } = this.#encoder.scan(batch, this.#secret, place);
    condemnRefused(batch, rows, first);
    const { verdicts, errorAt } = scan;
    const { id, time } = this.#encoder.places;
    for (let i = 0; i < batch.count; i++) {
      const verdict = verdicts[i]!;
      if (verdict !== 0)
        condemn(rows, first + i, this.#kernel.verdictCode(verdict), null, `at byte ${errorAt[i]!}`);
    }
    if (id >= 0) rows.identities.set(scan.identities(id), first * 2);
    this.#checkEnvelope(scan, rows, first);
    for (const [i, { code, pointer, detail }] of rejections) condemn(rows, first + i, code, pointer, detail);
    if (time >= 0) rows.timesUs.set(scan.timesUs(time), first);
    const timed = time >= 0 ? scan.field(time) : undefined;
    for (let i = 0; i < batch.count; i++) {
      const row = first + i;
      const hasTime = timed !== undefined && !isUnset(timed, i);
      if (!hasTime || rows.bad[row]) rows.timesUs[row] = BigInt(rows.ingestMs[row]!) * 1_000n;
    }
  }

  #checkEnvelope(scan: Scan, rows: Rows, first: number): void {
    const { id, time, eventType } = this.#encoder.places;
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
    const field = scan.field(place);
    const { flags } = field;
    const isId = place === this.#encoder.places.id;
    const needsUuid = isId && this.#paths.idMustBeUuid;
    const isOptional = !isId && this.#paths.isTimeOptional;
    for (let i = 0; i < scan.count; i++) {
      const flag = flags[i]!;
      if (isId && !rows.bad[first + i] && !(flag & (FLAG_MISSING | FLAG_WRONG_TYPE | FLAG_MALFORMED)))
        rows.hasId[first + i] = 1;
      if (isOptional && isUnset(field, i)) continue;
      if (flag & FLAG_MISSING) condemn(rows, first + i, missing, pointerOf(path), "is missing");
      else if (flag & (FLAG_WRONG_TYPE | FLAG_MALFORMED))
        condemn(rows, first + i, malformed, pointerOf(path), "is malformed");
      else if (needsUuid && !(flag & FLAG_UUID))
        condemn(rows, first + i, malformed, pointerOf(path), "is no UUID");
    }
  }

  async #admit(rows: Rows, ids: IdentitySet, settle: Settle | undefined): Promise<Uint8Array> {
    const fates = new Uint8Array(rows.count);
    if (this.#encoder.places.id < 0) {
      // Known by their place in the log, which the cursor protects: no two rows share one.
      for (let row = 0; row < rows.count; row++) fates[row] = rows.bad[row] ? DEAD : LANDED;
      return fates;
    }
    const answers = await admitSettled(rows, ids, (row) => this.#encoder.eventId(row), settle);
    for (let row = 0; row < rows.count; row++) {
      if (rows.bad[row]) fates[row] = answers[row] === ADMIT_DUPLICATE && rows.hasId[row] ? DUPLICATE : DEAD;
      else fates[row] = answers[row] === ADMIT_DUPLICATE ? DUPLICATE : LANDED;
    }
    return fates;
  }
}

/** Each round settles at least one record more. */
async function admitSettled(
  rows: Rows,
  ids: IdentitySet,
  eventId: (row: number) => string | null,
  settle: Settle | undefined,
): Promise<Uint8Array> {
  const { count, identities, ingestMs, bad, hasId, settled } = rows;
  for (;;) {
    const answers = ids.admit(count, identities, ingestMs, bad, settled);
    if (!answers.includes(ADMIT_UNSETTLED)) return answers;
    const open: number[] = [];
    for (let row = 0; row < count; row++) {
      if (answers[row] === ADMIT_DUPLICATE) continue;
      if (answers[row] === ADMIT_UNSETTLED && hasId[row] && settle) open.push(row);
      else settled[row] = SETTLED_NEW; // what has no id is in no lake, and what the set never had, neither
    }
    if (!settle || open.length === 0) continue;
    const some = {
      count: open.length,
      identities: BigUint64Array.from(
        open.flatMap((row) => [identities[row * 2]!, identities[row * 2 + 1]!]),
      ),
      ingestMs: Float64Array.from(open, (row) => ingestMs[row]!),
      eventIds: open.map(eventId),
    };
    const spans = ids.locate(some.count, some.identities, some.ingestMs);
    const found = await settle({ ...some, spans });
    open.forEach((row, i) => (settled[row] = found[i]!));
  }
}

/** Of an optional attribute, null is the same as none (CloudEvents, JSON format, §2.2). */
function isUnset({ flags, types }: ScanField, i: number): boolean {
  return (flags[i]! & FLAG_MISSING) !== 0 || types[i] === VALUE_NULL;
}

/** What was appended although the door found fault with it. */
function condemnRefused(batch: ReadBatch, rows: Rows, first: number): void {
  const { index, bytes } = batch;
  let place = -1;
  let isRefused = false;
  for (let i = 0; i < batch.count; i++) {
    const at = index[i * RECORD_WORDS + HEADER_AT]!;
    const length = index[i * RECORD_WORDS + HEADER_LENGTH]!;
    if (at !== place) isRefused = length !== ABSENT && hasRefusalNote(bytes, at, length);
    place = at;
    if (!isRefused) continue;
    const { code, pointer, detail } = refusalNoteOf(headerOf(batch, i));
    condemn(rows, first + i, code, pointer, detail);
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
