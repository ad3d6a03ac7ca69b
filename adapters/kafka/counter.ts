/**
 * How many records were accepted per hour, counted from the heads of the batches as they are stored: a pass of its
 * own, that shares nothing with what landing read. What was counted is noted by day, so that it outlives both the
 * process and the records.
 *
 * A day's note says which offsets it covers. Several processes count the same and may overwrite each other with older
 * notes; where days do not join, counting goes on from the end of the first.
 */
import type { AcceptedCount } from "../../core/ports/log.ts";
import { batchHead, checkBatch, Transactions } from "./batch-head.ts";
import type { Cluster, Place } from "./cluster.ts";
import { CODE, Refusal } from "./failure.ts";
import { fetchBatches } from "./fetch.ts";
import type { Notes } from "./notes.ts";
import { endsNow } from "./offsets.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const FETCH_BYTES = 4 * 1_048_576;

/** Offsets [from, to) of a partition, accepted on one day. */
interface Day {
  readonly dayMs: number;
  from: number;
  to: number;
  /** The newest time so far: a clock that goes back moves no record into an hour before. */
  newestMs: number;
  readonly hours: Record<number, number>;
}

export class Counter {
  readonly #cluster: Cluster;
  readonly #notes: Notes;
  readonly #place: Place;
  #days: Day[] = [];
  #changed = new Set<Day>();
  #counting: Promise<void> = Promise.resolve();

  constructor(cluster: Cluster, notes: Notes, place: Place) {
    this.#cluster = cluster;
    this.#notes = notes;
    this.#place = place;
  }

  /** Everything up to the end as it is now. The notes should have been read. */
  async accepted(): Promise<readonly AcceptedCount[]> {
    this.#counting = this.#counting.catch(() => undefined).then(() => this.#count());
    await this.#counting;
    const { partition } = this.#place;
    return this.#days.flatMap(({ hours }) =>
      Object.entries(hours).map(([hourMs, count]) => ({ partition, hourMs: Number(hourMs), count })),
    );
  }

  /** What has to be noted since the last time; noting it twice does no harm. */
  takeNotes(): readonly (readonly [key: string, value: Day])[] {
    const notes = [...this.#changed].map((day) => [`${this.#key}${day.dayMs}`, day] as const);
    this.#changed = new Set();
    return notes;
  }

  get #key(): string {
    return `count/${this.#place.topicId}/${this.#place.partition}/`;
  }

  get #next(): number {
    return this.#days.at(-1)?.to ?? 0;
  }

  async #count(): Promise<void> {
    const noted = joined(this.#notes.entries(this.#key).map(([, value]) => structuredClone(value as Day)));
    if ((noted.at(-1)?.to ?? 0) > this.#next) {
      this.#days = noted;
      this.#changed.clear();
    }
    const { topic, partition } = this.#place;
    await this.#cluster.persist(`${topic}/${partition} cannot be counted`, async () => {
      const { endOffset } = await endsNow(this.#cluster, topic, partition);
      while (this.#next < endOffset) await this.#countOn(endOffset);
    });
  }

  async #countOn(endOffset: number): Promise<void> {
    const { topic, partition } = this.#place;
    const { startOffset } =
      this.#next > 0 ? { startOffset: 0 } : await endsNow(this.#cluster, topic, partition);
    let offset = Math.max(this.#next, startOffset);
    const fetched = await fetchBatches(this.#cluster, this.#place, offset, FETCH_BYTES, 250).catch(
      async (error: unknown) => {
        // Retention came first: those are counted by nobody, and landing stops for the same reason.
        if (!(error instanceof Refusal) || error.code !== CODE.offsetOutOfRange) throw error;
        offset = (await endsNow(this.#cluster, topic, partition)).startOffset;
        return fetchBatches(this.#cluster, this.#place, offset, FETCH_BYTES, 250);
      },
    );
    const transactions = new Transactions(fetched.aborted);
    const { bytes } = fetched;
    let at = 0;
    for (
      let head = batchHead(bytes, 0, topic);
      head && at < bytes.length;
      head = batchHead(bytes, at, topic)
    ) {
      checkBatch(bytes, head, `${topic}/${partition}`);
      const isVisible = transactions.isVisible(head, bytes);
      // The first may begin before the offset, where compaction has put batches together.
      const count = isVisible && head.baseOffset >= offset ? head.count : 0;
      this.#add(head.timestampMs, count, head.lastOffset + 1);
      at = head.end;
    }
    if (at > 0) return;
    if (this.#next < endOffset) throw new Refusal(CODE.offsetNotAvailable, `${topic}/${partition}`);
  }

  #add(timestampMs: number, count: number, to: number): void {
    const last = this.#days.at(-1);
    const newestMs = Math.max(last?.newestMs ?? 0, Math.min(timestampMs, this.#cluster.clock.nowMs()));
    const dayMs = newestMs - (newestMs % DAY_MS);
    let day = last;
    if (day?.dayMs !== dayMs) {
      day = { dayMs, from: last?.to ?? 0, to: 0, newestMs, hours: {} };
      this.#days.push(day);
    }
    day.to = to;
    day.newestMs = newestMs;
    const hourMs = newestMs - (newestMs % HOUR_MS);
    if (count > 0) day.hours[hourMs] = (day.hours[hourMs] ?? 0) + count;
    this.#changed.add(day);
  }
}

/** The days that join, from the first on. */
function joined(days: readonly Day[]): Day[] {
  const sorted = days.toSorted((a, b) => a.dayMs - b.dayMs);
  const gap = sorted.findIndex(({ from }, i) => from !== (sorted[i - 1]?.to ?? 0));
  return gap < 0 ? sorted : sorted.slice(0, gap);
}
