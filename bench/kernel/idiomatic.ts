/** The operators as one would write them at first: objects, sets of strings, sorted arrays, maps, big integers. */
import { Report, type Run } from "./report.ts";
import {
  BATCH,
  DISORDER_US,
  EVENTS,
  GENERATION_MS,
  KEYS,
  KEY_BYTES,
  SPACING_US,
  START_US,
  WINDOW_MINUTES,
  type Workload,
} from "./workload.ts";

const MINUTE_US = 60_000_000;

export interface IdiomaticEvent {
  readonly id: string;
  readonly ingestMs: number;
  readonly timeUs: number;
  readonly offset: number;
  readonly key: string;
  readonly value: bigint;
}

interface Pane {
  count: number;
  sum: bigint;
  least: bigint;
  greatest: bigint;
}

/** The workload as objects: the ids as text, the keys as hexadecimal digits. */
export function toObjects({
  identities,
  ingestMs,
  timesUs,
  values,
  keyOf,
  keyBytes,
}: Workload): IdiomaticEvent[] {
  const ids = Buffer.from(identities.buffer);
  const keys = Array.from({ length: KEYS }, (_, key) =>
    Buffer.from(keyBytes.subarray(key * KEY_BYTES, (key + 1) * KEY_BYTES)).toString("hex"),
  );
  return Array.from({ length: EVENTS }, (_, i) => ({
    id: ids.subarray(i * 16, i * 16 + 16).toString("hex"),
    ingestMs: ingestMs[i]!,
    timeUs: Number(timesUs[i]!),
    offset: i,
    key: keys[keyOf[i]!]!,
    value: values[i]!,
  }));
}

class IdiomaticSet {
  #number = -1;
  #current = new Set<string>();
  #before = new Set<string>();

  admit(events: readonly IdiomaticEvent[]): IdiomaticEvent[] {
    return events.filter(({ id, ingestMs }) => {
      const number = Math.floor(ingestMs / GENERATION_MS);
      if (number !== this.#number) {
        this.#before = this.#current;
        this.#current = new Set();
        this.#number = number;
      }
      if (this.#before.has(id) || this.#current.has(id)) return false;
      this.#current.add(id);
      return true;
    });
  }
}

class IdiomaticReorder {
  #held: IdiomaticEvent[] = [];
  #watermarkUs = START_US - DISORDER_US;

  /** @returns how many are late */
  push(events: readonly IdiomaticEvent[]): number {
    const taken = events.filter(({ timeUs }) => timeUs >= this.#watermarkUs);
    this.#held.push(...taken);
    return events.length - taken.length;
  }

  release(watermarkUs: number): IdiomaticEvent[] {
    this.#watermarkUs = watermarkUs;
    this.#held.sort((a, b) => a.timeUs - b.timeUs || a.offset - b.offset);
    const end = this.#held.findIndex(({ timeUs }) => timeUs >= watermarkUs);
    return this.#held.splice(0, end === -1 ? this.#held.length : end);
  }
}

class IdiomaticPanes {
  /** By minute, by key. */
  readonly #panes = new Map<number, Map<string, Pane>>();
  #end: number | undefined;

  add(events: readonly IdiomaticEvent[]): void {
    for (const { timeUs, key, value } of events) {
      const minute = Math.floor(timeUs / MINUTE_US);
      this.#end ??= minute + 1;
      const keys = this.#panes.get(minute) ?? new Map<string, Pane>();
      this.#panes.set(minute, keys);
      const pane = keys.get(key);
      if (!pane) {
        keys.set(key, { count: 1, sum: value, least: value, greatest: value });
        continue;
      }
      pane.count++;
      pane.sum += value;
      if (value < pane.least) pane.least = value;
      if (value > pane.greatest) pane.greatest = value;
    }
  }

  /** Windows that are over, as [end in minutes, key, pane], by end and key. */
  advance(watermarkUs: number): [number, string, Pane][] {
    const results: [number, string, Pane][] = [];
    for (
      ;
      this.#end !== undefined && this.#panes.size > 0 && this.#end * MINUTE_US <= watermarkUs;
      this.#end++
    ) {
      const start = this.#end - WINDOW_MINUTES;
      const window = new Map<string, Pane>();
      for (let minute = start; minute < this.#end; minute++) {
        for (const [key, pane] of this.#panes.get(minute) ?? []) {
          const sum = window.get(key);
          if (!sum) {
            window.set(key, { ...pane });
            continue;
          }
          sum.count += pane.count;
          sum.sum += pane.sum;
          if (pane.least < sum.least) sum.least = pane.least;
          if (pane.greatest > sum.greatest) sum.greatest = pane.greatest;
        }
      }
      for (const key of [...window.keys()].toSorted()) results.push([this.#end, key, window.get(key)!]);
      this.#panes.delete(start);
    }
    return results;
  }
}

function lowWord(value: bigint): number {
  return Number(BigInt.asIntN(32, value));
}

export function runIdiomatic(events: readonly IdiomaticEvent[]): Run {
  const report = new Report();
  const set = new IdiomaticSet();
  const reorder = new IdiomaticReorder();
  const panes = new IdiomaticPanes();
  const release = (watermark: number): void => {
    const records = report.meter("reorder", () => reorder.release(watermark));
    for (const { offset } of records) report.record(offset);
    const results = report.meter("panes", () => {
      panes.add(records);
      return panes.advance(watermark);
    });
    for (const [end, key, { count, sum, least, greatest }] of results) {
      const word = Buffer.from(key.slice(0, 8), "hex").readUInt32LE();
      report.result(word, end, count, lowWord(sum), lowWord(least), lowWord(greatest));
    }
  };
  for (let from = 0; from < EVENTS; from += BATCH) {
    const batch = events.slice(from, from + BATCH);
    const fresh = report.meter("dedup", () => set.admit(batch));
    report.duplicates += batch.length - fresh.length;
    const ordered = report.meter("order", () => fresh.toSorted((a, b) => a.timeUs - b.timeUs));
    for (const { offset } of ordered) report.position(offset - from);
    report.late += report.meter("reorder", () => reorder.push(fresh));
    release(START_US + (from + batch.length) * SPACING_US - DISORDER_US);
  }
  release(2 ** 60);
  return report.end();
}
