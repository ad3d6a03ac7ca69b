/**
 * Random histories of a Log against a plain model: arrays, no files, no clever parts. Every fourth step or so the
 * whole log is compared. The seed is in the message of every failure.
 */
import assert from "node:assert/strict";
import { type Randomness, seededRandomness } from "../../core/clock.ts";
import { hasCode } from "../../core/errors.ts";
import type { Log } from "../../core/ports/log.ts";
import { packRecords, type RecordParts } from "../../core/record.ts";
import { HOUR_MS, type LogHarness, type PlainRecord, readAll, stateOf } from "./log-harness.ts";

const encoder = new TextEncoder();

interface ModelPartition {
  readonly stream: string;
  readonly partition: number;
  readonly isCompact: boolean;
  readonly records: PlainRecord[];
  readonly accepted: Map<number, number>;
  sequence: number;
  /** -1: none */
  hold: number;
  /** What retention was allowed to compact so far. */
  compactedTo: number;
}

export interface HistoryOptions {
  readonly seed: number;
  readonly steps: number;
}

/** Needs a harness with a clock, producers, retention and accepted counts; reopens where it can. */
export async function runHistory(harness: LogHarness, { seed, steps }: HistoryOptions): Promise<void> {
  const run = new History(harness, seed);
  try {
    await run.start();
    for (let step = 0; step < steps; step++) await run.step();
    await run.compare();
    await run.log.close();
  } catch (error) {
    throw new Error(`seed ${seed}, ${run.done.slice(-12).join("; ")}`, { cause: error });
  }
}

class History {
  log!: Log;
  readonly done: string[] = [];
  readonly #harness: LogHarness;
  readonly #randomness: Randomness;
  readonly #partitions: ModelPartition[] = [];
  #lastIngestMs = 0;
  #retainedMs = 0;
  #texts = 0;

  constructor(harness: LogHarness, seed: number) {
    this.#harness = harness;
    this.#randomness = seededRandomness(seed);
  }

  async start(): Promise<void> {
    this.log = await this.#harness.open();
    for (const [stream, partitions, cleanup] of [
      ["a", 3, "delete"],
      ["b", 1, "delete"],
      ["meta", 2, "compact"],
    ] as const) {
      const retentionMs = stream === "a" ? 3 * HOUR_MS : 30 * HOUR_MS;
      await this.log.createStream(stream, { partitions, cleanup, retentionMs });
      for (let partition = 0; partition < partitions; partition++)
        this.#partitions.push({
          stream,
          partition,
          isCompact: cleanup === "compact",
          records: [],
          accepted: new Map(),
          sequence: 0,
          hold: -1,
          compactedTo: 0,
        });
    }
  }

  #below(n: number): number {
    return Math.floor(this.#randomness.fraction() * n);
  }

  async step(): Promise<void> {
    const kind = this.#randomness.fraction();
    if (kind < 0.55) return this.#appendSome();
    if (kind < 0.67) return this.#readSome();
    if (kind < 0.79) return this.#tick();
    if (kind < 0.86) return this.#hold();
    if (kind < 0.93) return this.#retain();
    if (kind < 0.96 && this.#harness.reopen) return this.#reopen();
    return this.compare();
  }

  /** A few appends at once, some repeated. */
  async #appendSome(): Promise<void> {
    const size = 1 + this.#below(6);
    this.done.push(`append ${size}`);
    const jobs: Promise<void>[] = [];
    for (let i = 0; i < size; i++) jobs.push(this.#appendOne(this.#partitions[this.#below(6)]!));
    await Promise.all(jobs);
  }

  async #appendOne(place: ModelPartition): Promise<void> {
    const count = 1 + this.#below(4);
    const parts: (RecordParts & { readonly text: string | null; readonly keyText: string | null })[] = [];
    for (let i = 0; i < count; i++) {
      const isTombstone = place.isCompact && this.#randomness.fraction() < 0.2;
      const text = isTombstone ? null : `${this.#texts++}:${"v".repeat(this.#below(200))}`;
      const keyText = place.isCompact || this.#randomness.fraction() < 0.3 ? `k${this.#below(9)}` : null;
      parts.push({ text, keyText, payload: text === null ? null : encoder.encode(text), key: keyText });
    }
    const producer = { id: `writer-${place.stream}`, epoch: 1, sequence: place.sequence++ };
    const isRepeated = this.#randomness.fraction() < 0.2;
    const append = this.log.append(place.stream, place.partition, packRecords(parts), producer);
    const again = isRepeated
      ? this.log.append(place.stream, place.partition, packRecords(parts), producer)
      : undefined;
    const baseOffset = (place.records.at(-1)?.offset ?? -1) + 1;
    const records = parts.map(({ text, keyText }, i) => ({
      offset: baseOffset + i,
      ingestMs: 0,
      payload: text,
      key: keyText,
      header: "",
    }));
    place.records.push(...records);
    const { ingestMs, isRepeat, ...appended } = await append;
    assert.equal(appended.baseOffset, baseOffset);
    assert.equal(isRepeat, false);
    for (const record of records) Object.assign(record, { ingestMs });
    assert.ok(ingestMs >= this.#harness.clock!.nowMs(), "an ingest time below the clock");
    this.#lastIngestMs = Math.max(this.#lastIngestMs, ingestMs);
    const hourMs = ingestMs - (ingestMs % HOUR_MS);
    place.accepted.set(hourMs, (place.accepted.get(hourMs) ?? 0) + count);
    if (again) assert.deepEqual(await again, { ...appended, ingestMs, isRepeat: true });
  }

  async #readSome(): Promise<void> {
    const place = this.#partitions[this.#below(6)]!;
    const { startOffset, endOffset } = await this.log.bounds(place.stream, place.partition);
    const offset = this.#below(endOffset + 2);
    this.done.push(`read ${place.stream}/${place.partition} ${offset}`);
    const isInside = offset >= startOffset && offset <= endOffset;
    let records: PlainRecord[];
    try {
      records = await readAll(this.log, place.stream, place.partition, offset, this.#below(2000));
    } catch (error) {
      assert.ok(!isInside && hasCode(error, "log.offset_out_of_range"), String(error));
      return;
    }
    assert.ok(isInside);
    this.#check(place, records, offset);
    const ingestMs = this.#lastIngestMs - this.#below(20) * HOUR_MS;
    const found = await this.log.offsetAt(place.stream, place.partition, ingestMs);
    const all = await readAll(this.log, place.stream, place.partition, startOffset);
    assert.equal(found, all.find((record) => record.ingestMs >= ingestMs)?.offset ?? endOffset);
  }

  async #tick(): Promise<void> {
    const ms = this.#randomness.fraction() < 0.2 ? -this.#below(HOUR_MS) : this.#below(5 * HOUR_MS);
    this.done.push(`clock ${ms}`);
    this.#harness.clock!.advance(ms);
  }

  async #hold(): Promise<void> {
    const place = this.#partitions[this.#below(6)]!;
    const { startOffset, endOffset } = await this.log.bounds(place.stream, place.partition);
    const isReleased = this.#randomness.fraction() < 0.4;
    const offset = startOffset + this.#below(endOffset - startOffset + 1);
    place.hold = isReleased ? -1 : offset;
    this.done.push(`hold ${place.stream}/${place.partition} ${place.hold}`);
    await this.#declareHolds();
  }

  #declareHolds(): Promise<void> {
    const held = this.#partitions.filter((place) => place.hold >= 0);
    return this.log.hold(
      "reader",
      held.map(({ stream, partition, hold }) => ({ stream, partition, offset: hold })),
    );
  }

  async #retain(): Promise<void> {
    this.done.push("retain");
    this.#retainedMs = Math.max(this.#retainedMs, this.#harness.clock!.nowMs());
    await this.log.retain();
    for (const place of this.#partitions) {
      const { startOffset, endOffset } = await this.log.bounds(place.stream, place.partition);
      if (place.hold >= 0) assert.ok(startOffset <= place.hold, "retention passed a hold");
      const kept = place.records.filter((record) => record.offset < startOffset);
      place.compactedTo = Math.max(place.compactedTo, place.hold >= 0 ? place.hold : endOffset);
      assert.ok(endOffset === (place.records.at(-1)?.offset ?? -1) + 1);
      const youngest = kept.at(-1);
      if (!youngest) continue;
      const retentionMs = (await this.log.stream(place.stream))!.retentionMs;
      assert.ok(youngest.ingestMs + retentionMs <= this.#retainedMs, "retention removed too early");
    }
  }

  async #reopen(): Promise<void> {
    this.done.push("reopen");
    this.log = await this.#harness.reopen!(this.log);
    if (this.#partitions.some((place) => place.hold >= 0)) await this.#declareHolds();
    await this.compare();
  }

  async compare(): Promise<void> {
    this.done.push("compare");
    for (const place of this.#partitions) {
      const { startOffset } = await this.log.bounds(place.stream, place.partition);
      const records = await readAll(this.log, place.stream, place.partition, startOffset);
      this.#check(place, records, startOffset);
      const counts = (await this.log.accepted(place.stream))
        .filter(({ partition }) => partition === place.partition)
        .map(({ hourMs, count }) => [hourMs, count]);
      assert.deepEqual(
        counts,
        [...place.accepted].sort(([a], [b]) => a - b),
      );
    }
  }

  #check(place: ModelPartition, records: readonly PlainRecord[], from: number): void {
    const expected = place.records.filter((record) => record.offset >= from);
    if (!place.isCompact) {
      assert.deepEqual(records, expected);
      return;
    }
    const byOffset = new Map(expected.map((record) => [record.offset, record]));
    for (const record of records)
      assert.deepEqual(record, byOffset.get(record.offset), "a record nobody wrote");
    if (from === 0) assert.deepEqual(stateOf(records), stateOf(expected));
    const offsets = new Set(records.map((record) => record.offset));
    const newest = new Map(expected.map((record) => [record.key, record]));
    for (const record of newest.values())
      if (record.payload !== null)
        assert.ok(offsets.has(record.offset), `the newest of ${record.key} is missing`);
    for (const { offset } of expected)
      if (offset >= place.compactedTo) assert.ok(offsets.has(offset), `${offset} was held`);
  }
}
