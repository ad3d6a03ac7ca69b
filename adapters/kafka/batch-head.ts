/** The heads of record batches as a broker sends them: enough to count records and to pass what is not for readers. */
import { MuaraError } from "../../core/errors.ts";
import {
  BATCH,
  checksum,
  COMPRESSION,
  IS_APPEND_TIME,
  IS_CONTROL,
  IS_TRANSACTIONAL,
} from "./batch-format.ts";

const VERSION = 2;
/** A control record of this type ends a transaction that never was. */
const ABORT = 0;

export interface BatchHead {
  /** Where it begins in the bytes, and where it ends. */
  readonly at: number;
  readonly end: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** Of the leader that wrote it first; never decreases within a partition. */
  readonly leaderEpoch: number;
  readonly count: number;
  readonly compression: number;
  /** The broker's time, or the largest that the producer gave its records, ms. */
  readonly timestampMs: number;
  readonly firstTimestampMs: number;
  /** Whether the time is the broker's. */
  readonly isAppendTime: boolean;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  readonly producerId: bigint;
}

/**
 * The batch that begins at `at`; undefined where the rest of it was not sent.
 * @throws log.corrupt
 */
export function batchHead(bytes: Buffer, at: number, place: string): BatchHead | undefined {
  if (at + BATCH.head > bytes.length) return undefined;
  const end = at + BATCH.leaderEpoch + bytes.readInt32BE(at + BATCH.length);
  const baseOffset = Number(bytes.readBigInt64BE(at + BATCH.baseOffset));
  const version = bytes.readInt8(at + BATCH.magic);
  if (version !== VERSION || end < at + BATCH.head)
    throw corrupt(place, baseOffset, `a record batch of version ${version}, not ${VERSION}`);
  if (end > bytes.length) return undefined;
  const attributes = bytes.readInt16BE(at + BATCH.attributes);
  return {
    at,
    end,
    baseOffset,
    lastOffset: baseOffset + bytes.readInt32BE(at + BATCH.lastOffsetDelta),
    leaderEpoch: bytes.readInt32BE(at + BATCH.leaderEpoch),
    count: bytes.readInt32BE(at + BATCH.count),
    compression: attributes & COMPRESSION,
    timestampMs: Number(bytes.readBigInt64BE(at + BATCH.maxTimestamp)),
    firstTimestampMs: Number(bytes.readBigInt64BE(at + BATCH.firstTimestamp)),
    isAppendTime: (attributes & IS_APPEND_TIME) !== 0,
    isTransactional: (attributes & IS_TRANSACTIONAL) !== 0,
    isControl: (attributes & IS_CONTROL) !== 0,
    producerId: bytes.readBigInt64BE(at + BATCH.producerId),
  };
}

/** @throws log.corrupt where the bytes are not those that were written */
export function checkBatch(bytes: Buffer, { at, end, baseOffset }: BatchHead, place: string): void {
  if (checksum(bytes.subarray(at + BATCH.attributes, end)) !== bytes.readUInt32BE(at + BATCH.crc))
    throw corrupt(place, baseOffset, "a checksum that does not match");
}

export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

/**
 * Passes over what a transaction wrote that was aborted. The broker names those in reach of a fetch; from its first
 * offset on all transactional batches of the producer belong to it, up to its marker.
 */
export class Transactions {
  readonly #coming: AbortedTransaction[];
  readonly #aborted = new Set<bigint>();

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#coming = aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
  }

  /** Whether a batch holds records for readers. Batches are asked about in their order, each once. */
  isVisible(head: BatchHead, bytes: Buffer): boolean {
    while (this.#coming[0] && this.#coming[0].firstOffset <= head.lastOffset)
      this.#aborted.add(this.#coming.shift()!.producerId);
    if (head.isControl) {
      if (isAbort(head, bytes)) this.#aborted.delete(head.producerId);
      return false;
    }
    return !head.isTransactional || !this.#aborted.has(head.producerId);
  }
}

/** Markers are never compressed: length, attributes, deltas of time and offset, length of the key, version, type. */
function isAbort({ at, count }: BatchHead, bytes: Buffer): boolean {
  if (count === 0) return false;
  let key = at + BATCH.head;
  const skipVarint = (): void => {
    while (bytes[key++]! > 127);
  };
  skipVarint();
  key++;
  for (let i = 0; i < 3; i++) skipVarint();
  return bytes.readInt16BE(key + 2) === ABORT;
}

export function corrupt(place: string, offset: number, what: string): MuaraError {
  return new MuaraError("log.corrupt", `${place} has ${what} at offset ${offset}`, {
    details: { place, offset },
  });
}
