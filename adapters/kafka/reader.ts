/**
 * Reads one partition: committed records from an offset on, straight out of the batches as they are stored. A fetch
 * brings whole batches, mostly more than was asked for; what is left over serves the next read, which nearly always
 * goes on where the last one ended.
 *
 * Offsets without records are passed: markers, aborted transactions, what compaction took. `next` is behind them.
 */
import { MuaraError } from "../../core/errors.ts";
import {
  HEADER_AT,
  KEY_AT,
  PAYLOAD_AT,
  PAYLOAD_LENGTH,
  ABSENT,
  RECORD_WORDS,
  type ReadBatch,
} from "../../core/record.ts";
import { type BatchHead, batchHead, corrupt, Transactions } from "./batch-head.ts";
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

/** Fetched batches that were not read yet. */
interface Rest {
  readonly fetched: Fetched;
  readonly transactions: Transactions;
  readonly sinceMs: number;
  /** The offset to go on with. */
  offset: number;
  /** The batch to go on with begins here in the bytes. */
  at: number;
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
      this.#rest = hasWhole(rest, this.#name) ? rest : undefined;
      const { endOffset, bytes, throttledMs } = rest.fetched;
      // A marker behind the last stable offset is no reason to go beyond it.
      const next = Math.min(rest.offset, Math.max(endOffset, offset));
      if (slices.length > 0 || next > offset || offset === endOffset)
        return this.#batchOf(slices, next, endOffset);
      if (bytes.length > 0) throw corrupt(this.#name, offset, "a batch that was not sent whole");
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
    try {
      const fetched = await fetchBatches(this.#cluster, this.#place, offset, bytes, waitMs);
      const transactions = new Transactions(fetched.aborted);
      return {
        fetched,
        transactions,
        sinceMs: this.#cluster.clock.monotonicMs(),
        offset,
        at: 0,
        begun: undefined,
      };
    } catch (error) {
      if (error instanceof Refusal && error.code === CODE.offsetOutOfRange)
        throw await this.#outOfRange(offset);
      throw error;
    }
  }

  async #outOfRange(offset: number): Promise<MuaraError> {
    const { topic, partition } = this.#place;
    return outOfRange(this.#stream, partition, offset, await endsNow(this.#cluster, topic, partition));
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

/** Takes records until about `maxBytes` of payload, at least one; moves `rest` on. */
function take(rest: Rest, maxBytes: number, name: string): Slice[] {
  const { bytes } = rest.fetched;
  const slices: Slice[] = [];
  let taken = 0;
  while (rest.at < bytes.length && (slices.length === 0 || taken < maxBytes)) {
    const head = rest.begun?.head ?? batchHead(bytes, rest.at, name);
    if (!head) break;
    const isRead = head.lastOffset < rest.offset;
    if (!rest.begun && (!rest.transactions.isVisible(head, bytes) || isRead || head.count === 0)) {
      rest.at = head.end;
      rest.offset = Math.max(rest.offset, head.lastOffset + 1);
      continue;
    }
    const records = rest.begun?.records ?? decodeBatch(bytes, head, name);
    let from = 0;
    while (from < records.count && records.offsets[from]! < rest.offset) from++;
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
  const ranges = slices.map(({ records, from, to }): readonly [number, number] => {
    // Headers that were made while decoding lie behind the records.
    const isPlain = records.bytes.length === records.starts[records.count];
    return isPlain ? [records.starts[from]!, records.starts[to]!] : [0, records.bytes.length];
  });
  const bytes = new Uint8Array(ranges.reduce((sum, [start, end]) => sum + end - start, 0));
  const index = new Uint32Array(count * RECORD_WORDS);
  const offsets = new Float64Array(count);
  let record = 0;
  let base = 0;
  slices.forEach(({ records, from, to }, i) => {
    const [start, end] = ranges[i]!;
    bytes.set(records.bytes.subarray(start, end), base);
    offsets.set(records.offsets.subarray(from, to), record);
    index.set(records.index.subarray(from * RECORD_WORDS, to * RECORD_WORDS), record * RECORD_WORDS);
    for (let at = record * RECORD_WORDS; at < (record + to - from) * RECORD_WORDS; at += RECORD_WORDS)
      for (const word of [KEY_AT, PAYLOAD_AT, HEADER_AT])
        if (index[at + word + 1]! !== ABSENT && index[at + word + 1]! !== 0)
          index[at + word]! += base - start;
        else index[at + word] = 0;
    record += to - from;
    base += end - start;
  });
  return { bytes, index, offsets };
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
