/**
 * Reads one partition: committed records from an offset on, straight out of the batches as they are stored. A fetch
 * brings whole batches, mostly more than was asked for; what is left over serves the next read, which nearly always
 * goes on where the last one ended.
 *
 * Offsets without records are passed: markers, aborted transactions, what compaction took. `next` is behind them. No
 * batch is passed whose checksum does not match: one changed bit would make a marker of it.
 *
 * Surprising rule: a leader that was elected though it had not everything may put other records where some were read
 * (unclean election). Which leader wrote what was read last is named with the next fetch, and the broker says where
 * its own records begin to differ.
 */
import { MuaraError } from "../../core/errors.ts";
import {
  HEADER_AT,
  HEADER_LENGTH,
  KEY_AT,
  PAYLOAD_AT,
  PAYLOAD_LENGTH,
  ABSENT,
  RECORD_WORDS,
  type ReadBatch,
} from "../../core/record.ts";
import { type BatchHead, batchHead, checkBatch, corrupt, Transactions } from "./batch-head.ts";
import { checkIdentity, type Cluster, type Place } from "./cluster.ts";
import { type DecodedBatch, decodeBatch } from "./decode-batch.ts";
import { CODE, Refusal } from "./failure.ts";
import { type Fetched, fetchBatches } from "./fetch.ts";
import { endsNow } from "./offsets.ts";

/** Fetched at once: at least, since a round trip costs more than some bytes; and at most. */
const FETCH_BYTES_MIN = 65_536;
const FETCH_BYTES_MAX = 4 * 1_048_576;
/** Left-over batches are read on with for so long, ms; later what the broker has may be another truth. */
const REST_MS = 5_000;
/** How long a broker may look for what it did not have at once, ms. */
const WAIT_MS = 250;
/** A batch is not put together with others when it is at least this part of what was asked for: one of so many. */
const ALONE = 4;
/** Places where somebody may read on; each reader of a partition has one. */
const PLACES_MAX = 16;

/** Fetched batches that were not read yet. */
interface Rest {
  readonly fetched: Fetched;
  readonly transactions: Transactions;
  readonly sinceMs: number;
  /** The offset to go on with. */
  offset: number;
  /** The batch to go on with begins here in the bytes. */
  at: number;
  /** Of the batches before it: where the last one ended, and its leader's epoch; -1 where there was none. */
  last: number;
  epoch: number;
  /** The batch at `at`, where some of its records were read. */
  begun: { readonly head: BatchHead; readonly records: DecodedBatch } | undefined;
}

/** Some records of a batch: [from, to). */
interface Slice {
  readonly head: BatchHead;
  readonly records: DecodedBatch;
  readonly from: number;
  readonly to: number;
}

export class Reader {
  readonly #cluster: Cluster;
  readonly #stream: string;
  readonly #place: Place;
  #rest: Rest | undefined;
  /** By offset the epoch of the leader that wrote what was read before it; oldest first. */
  readonly #epochs = new Map<number, number>();

  constructor(cluster: Cluster, stream: string, place: Place) {
    this.#cluster = cluster;
    this.#stream = stream;
    this.#place = place;
  }

  /** Bytes that are kept for the next read. */
  get restBytes(): number {
    return this.#rest?.fetched.bytes.length ?? 0;
  }

  dropRest(): void {
    this.#rest = undefined;
  }

  /** @throws log.offset_out_of_range, log.identity, log.corrupt, log.unavailable, log.refused */
  read(offset: number, maxBytes: number): Promise<ReadBatch> {
    const what = `${this.#place.topic}/${this.#place.partition} cannot be read`;
    return this.#cluster.persist(what, () => this.#read(offset, maxBytes));
  }

  async #read(offset: number, maxBytes: number): Promise<ReadBatch> {
    if (offset < 0) throw await this.#outOfRange(offset);
    for (let waitMs = 0; ;) {
      const rest = this.#restFor(offset) ?? (await this.#fetch(offset, maxBytes, waitMs));
      const slices = take(rest, maxBytes, this.#name);
      const { endOffset, bytes, throttledMs } = rest.fetched;
      this.#rest = rest.offset < endOffset && hasWhole(rest, this.#name) ? rest : undefined;
      const next = rest.offset;
      if (slices.length > 0 || next > offset || offset === endOffset) {
        this.#remember(next, rest.epoch);
        return this.#batchOf(slices, next, endOffset);
      }
      if (bytes.length > 0 && offset < endOffset)
        throw corrupt(this.#name, offset, "a batch that was not sent whole, or is not where it should be,");
      if (offset > endOffset) {
        // A leader that has just begun may not know yet how far readers may go.
        const ends = await endsNow(this.#cluster, this.#place.topic, this.#place.partition);
        if (offset > ends.endOffset) throw outOfRange(this.#stream, this.#place.partition, offset, ends);
      }
      // Nothing is sent, though something is there: it is on its way from where old segments are kept, or the broker
      // has no time. It is never passed over.
      if (waitMs > 0 && throttledMs === 0) throw new Refusal(CODE.offsetNotAvailable, this.#name);
      await this.#cluster.clock.sleep(throttledMs);
      waitMs = WAIT_MS;
    }
  }

  get #name(): string {
    return `${this.#place.topic}/${this.#place.partition}`;
  }

  #restFor(offset: number): Rest | undefined {
    const rest = this.#rest;
    if (!rest || rest.offset !== offset) return undefined;
    return this.#cluster.clock.monotonicMs() - rest.sinceMs > REST_MS ? undefined : rest;
  }

  async #fetch(offset: number, maxBytes: number, waitMs: number): Promise<Rest> {
    await checkIdentity(this.#cluster, this.#place);
    const bytes = Math.min(FETCH_BYTES_MAX, Math.max(FETCH_BYTES_MIN, maxBytes));
    const epoch = this.#epochs.get(offset) ?? -1;
    try {
      const fetched = await fetchBatches(this.#cluster, this.#place, offset, bytes, waitMs, epoch);
      if (fetched.cutOffAt !== undefined) throw this.#cutOff(offset, fetched.cutOffAt);
      const transactions = new Transactions(fetched.aborted);
      const sinceMs = this.#cluster.clock.monotonicMs();
      return { fetched, transactions, sinceMs, offset, at: 0, last: -1, epoch, begun: undefined };
    } catch (error) {
      if (error instanceof Refusal && error.code === CODE.offsetOutOfRange)
        throw await this.#outOfRange(offset, epoch);
      throw error;
    }
  }

  #remember(offset: number, epoch: number): void {
    this.#epochs.delete(offset);
    if (epoch >= 0) this.#epochs.set(offset, epoch);
    if (this.#epochs.size > PLACES_MAX) this.#epochs.delete(this.#epochs.keys().next().value!);
  }

  /** @param epoch of what was read before; one that no leader knows any more is out of range, too */
  async #outOfRange(offset: number, epoch = -1): Promise<MuaraError> {
    const { topic, partition } = this.#place;
    const ends = await endsNow(this.#cluster, topic, partition);
    if (epoch >= 0 && offset > ends.startOffset) return this.#cutOff(offset, ends.endOffset);
    return outOfRange(this.#stream, partition, offset, ends);
  }

  #cutOff(offset: number, at: number): MuaraError {
    return new MuaraError(
      "log.identity",
      `${this.#name} was cut off at or before offset ${Math.min(at, offset)}, though it was read up to ${offset}: ` +
        "a broker leads it that did not have everything (unclean leader election)",
      { details: { place: this.#name, offset, cutOffAt: at } },
    );
  }

  #batchOf(slices: readonly Slice[], next: number, endOffset: number): ReadBatch {
    const merged = merge(slices, this.#cluster.clock.nowMs());
    return {
      stream: this.#stream,
      partition: this.#place.partition,
      ...merged,
      next,
      endOffset: Math.max(endOffset, next),
    };
  }
}

/**
 * Takes records until about `maxBytes` of payload, at least one; moves `rest` on. A large batch is taken by itself and
 * a later one is not cut, so that nothing of them is copied.
 */
function take(rest: Rest, maxBytes: number, name: string): Slice[] {
  const { bytes } = rest.fetched;
  const slices: Slice[] = [];
  let taken = 0;
  while (rest.at < bytes.length && (slices.length === 0 || taken < maxBytes)) {
    const head = rest.begun?.head ?? batchHead(bytes, rest.at, name);
    // What became stable after the broker looked how far readers may go is for the next fetch.
    if (!head || head.baseOffset >= rest.fetched.endOffset) break;
    if (!rest.begun) {
      checkBatch(bytes, head, name);
      if (head.baseOffset <= rest.last)
        throw corrupt(
          name,
          head.baseOffset,
          `a batch that begins before offset ${rest.last}, where one ends,`,
        );
      rest.last = head.lastOffset;
      rest.epoch = head.leaderEpoch;
    }
    const isRead = head.lastOffset < rest.offset;
    if (!rest.begun && (!rest.transactions.isVisible(head, bytes) || isRead || head.count === 0)) {
      rest.at = head.end;
      rest.offset = Math.max(rest.offset, head.lastOffset + 1);
      continue;
    }
    const records = rest.begun?.records ?? decodeBatch(bytes, head, name);
    let from = 0;
    while (from < records.count && records.offsets[from]! < rest.offset) from++;
    if (slices.length > 0 && taken + records.starts[records.count]! > maxBytes) {
      rest.begun = { head, records };
      break;
    }
    let to = from;
    for (; to < records.count; to++) {
      const length = records.index[to * RECORD_WORDS + PAYLOAD_LENGTH]!;
      const size = length === ABSENT ? 0 : length;
      if (taken > 0 && taken + size > maxBytes) break;
      taken += Math.max(1, size);
    }
    if (to > from) slices.push({ head, records, from, to });
    if (to < records.count) {
      rest.begun = { head, records };
      rest.offset = records.offsets[to]!;
      break;
    }
    rest.begun = undefined;
    rest.at = head.end;
    rest.offset = head.lastOffset + 1;
    if (from === 0 && taken >= maxBytes / ALONE) break;
  }
  return slices;
}

/** Whether there is more than a part of a batch. */
function hasWhole(rest: Rest, name: string): boolean {
  const { bytes } = rest.fetched;
  return (
    rest.begun !== undefined || (rest.at < bytes.length && batchHead(bytes, rest.at, name) !== undefined)
  );
}

type Merged = Pick<ReadBatch, "count" | "bytes" | "index" | "offsets" | "ingestMs">;

/** One contiguous copy; none where it is all of one batch. Times that go back, since a clock did, are raised. */
function merge(slices: readonly Slice[], nowMs: number): Merged {
  const count = slices.reduce((sum, { from, to }) => sum + to - from, 0);
  const ingestMs = new Float64Array(count);
  let highestMs = -Infinity;
  let record = 0;
  for (const { head, records, from, to } of slices)
    for (let i = from; i < to; i++) {
      const storedMs = head.isAppendTime ? head.timestampMs : Math.min(records.timestampsMs[i]!, nowMs);
      ingestMs[record++] = highestMs = Math.max(highestMs, storedMs);
    }
  const [first] = slices;
  if (slices.length === 1 && first && first.to - first.from === first.records.count) {
    const { bytes, index, offsets } = first.records;
    return { count, bytes, index, offsets, ingestMs };
  }
  return { count, ingestMs, ...copy(slices, count) };
}

function copy(slices: readonly Slice[], count: number): Pick<ReadBatch, "bytes" | "index" | "offsets"> {
  const ranges = slices.map(rangeOf);
  const bytes = new Uint8Array(ranges.reduce((sum, { start, end, header }) => sum + end - start + header, 0));
  const index = new Uint32Array(count * RECORD_WORDS);
  const offsets = new Float64Array(count);
  let record = 0;
  let base = 0;
  slices.forEach(({ records, from, to }, i) => {
    const { start, end, headerAt, header } = ranges[i]!;
    bytes.set(records.bytes.subarray(headerAt, headerAt + header), base);
    base += header;
    bytes.set(records.bytes.subarray(start, end), base);
    offsets.set(records.offsets.subarray(from, to), record);
    index.set(records.index.subarray(from * RECORD_WORDS, to * RECORD_WORDS), record * RECORD_WORDS);
    for (let at = record * RECORD_WORDS; at < (record + to - from) * RECORD_WORDS; at += RECORD_WORDS)
      for (const word of [KEY_AT, PAYLOAD_AT, HEADER_AT])
        if (index[at + word + 1]! !== ABSENT && index[at + word + 1]! !== 0)
          index[at + word]! += index[at + word]! < start ? base - header - headerAt : base - start;
        else index[at + word] = 0;
    record += to - from;
    base += end - start;
  });
  return { bytes, index, offsets };
}

/** Bytes of a slice: a range, and the header of its first records where that is a record's before it. */
function rangeOf({ records, from, to }: Slice): {
  readonly start: number;
  readonly end: number;
  readonly headerAt: number;
  readonly header: number;
} {
  const { bytes, starts, count, index } = records;
  // What was made while decoding lies behind the records.
  if (bytes.length !== starts[count]) return { start: 0, end: bytes.length, headerAt: 0, header: 0 };
  const [start, end] = [starts[from]!, starts[to]!];
  const headerAt = index[from * RECORD_WORDS + HEADER_AT]!;
  const length = index[from * RECORD_WORDS + HEADER_LENGTH]!;
  const isBefore = headerAt < start && length !== ABSENT;
  return { start, end, headerAt, header: isBefore ? length : 0 };
}

function outOfRange(
  stream: string,
  partition: number,
  offset: number,
  { startOffset: start, endOffset: end }: { readonly startOffset: number; readonly endOffset: number },
): MuaraError {
  return new MuaraError(
    "log.offset_out_of_range",
    `${stream}/${partition} holds [${start}, ${end}), not ${offset}`,
    { details: { stream, partition, offset, start, end } },
  );
}
