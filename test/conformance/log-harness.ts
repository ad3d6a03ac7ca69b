/** The harness of the Log's conformance cases, which an adapter's test provides, and records as plain text. */
import assert from "node:assert/strict";
import type { ManualClock } from "../../core/clock.ts";
import { type ErrorCode, hasCode } from "../../core/errors.ts";
import type { Log, StreamOptions } from "../../core/ports/log.ts";
import {
  headerOf,
  keyOf,
  packRecords,
  payloadOf,
  type ReadBatch,
  type RecordBatch,
} from "../../core/record.ts";

/**
 * What an adapter may lack. `clock`: the log's time is the harness's; `reopen`: it survives a close; `retention`: it
 * removes records itself, and heeds holds, in contrast to a log with `hasOwnRetention`.
 */
export type LogAbility = "clock" | "reopen" | "producers" | "retention" | "accepted" | "erase";

export interface LogHarness {
  /** A fresh, empty log. */
  readonly open: () => Promise<Log>;
  /** Closes the log and opens it again. */
  readonly reopen?: (log: Log) => Promise<Log>;
  /** The log's time. */
  readonly clock?: ManualClock;
  readonly abilities: readonly LogAbility[];
}

export type LogCase = readonly [
  name: string,
  run: (harness: LogHarness) => Promise<void>,
  needs?: readonly LogAbility[],
];

export const HOUR_MS = 3_600_000;
export const DELETE: StreamOptions = { partitions: 2, cleanup: "delete", retentionMs: 2 * HOUR_MS };
export const COMPACT: StreamOptions = { partitions: 1, cleanup: "compact", retentionMs: HOUR_MS };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A record as text: easy to compare, exact enough since every record has another text. */
export interface PlainRecord {
  readonly offset: number;
  readonly ingestMs: number;
  readonly payload: string | null;
  readonly key: string | null;
  readonly header: string;
}

export function textBatch(...payloads: readonly string[]): RecordBatch {
  return packRecords(payloads.map((payload) => ({ payload: encoder.encode(payload) })));
}

export function keyedBatch(
  ...records: readonly (readonly [key: string, payload: string | null])[]
): RecordBatch {
  return packRecords(
    records.map(([key, payload]) => ({ key, payload: payload === null ? null : encoder.encode(payload) })),
  );
}

export function plainRecords(batch: ReadBatch): PlainRecord[] {
  return Array.from({ length: batch.count }, (_, i) => {
    const payload = payloadOf(batch, i);
    const key = keyOf(batch, i);
    return {
      offset: batch.offsets[i]!,
      ingestMs: batch.ingestMs[i]!,
      payload: payload && decoder.decode(payload),
      key: key && decoder.decode(key),
      header: decoder.decode(headerOf(batch, i)),
    };
  });
}

/** Everything from `from` on, following `next`; checks on the way what every read must hold. */
export async function readAll(
  log: Log,
  stream: string,
  partition: number,
  from: number,
  maxBytes = 1_000_000,
): Promise<PlainRecord[]> {
  const records: PlainRecord[] = [];
  let at = from;
  for (;;) {
    const batch = await log.read(stream, partition, at, maxBytes);
    const found = plainRecords(batch);
    assert.ok(batch.next >= at && batch.next <= batch.endOffset, `next ${batch.next} after ${at}`);
    for (const { offset } of found) {
      assert.ok(offset >= at && offset < batch.next, `offset ${offset} outside of [${at}, ${batch.next})`);
      assert.ok(offset > (records.at(-1)?.offset ?? -1), "offsets increase");
    }
    for (const record of found) {
      assert.ok(record.ingestMs >= (records.at(-1)?.ingestMs ?? 0), "ingest times never decrease");
      records.push(record);
    }
    if (batch.next === batch.endOffset && found.length === 0) return records;
    assert.ok(found.length > 0 || batch.next > at, "a read that does not advance");
    at = batch.next;
  }
}

export async function payloadsOf(
  log: Log,
  stream: string,
  partition: number,
  from = 0,
): Promise<(string | null)[]> {
  return (await readAll(log, stream, partition, from)).map((record) => record.payload);
}

export async function rejects(work: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(work, (error: unknown) => {
    assert.ok(hasCode(error, code), `expected ${code}, got ${String(error)}`);
    return true;
  });
}

/** What a reader of a compacted stream ends up with. */
export function stateOf(records: readonly PlainRecord[]): Record<string, string> {
  const state = new Map<string, string>();
  for (const { key, payload } of records) {
    if (key === null) continue;
    if (payload === null) state.delete(key);
    else state.set(key, payload);
  }
  return Object.fromEntries([...state].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** An empty list of cases and what adds to it. */
export function caseList(): {
  readonly cases: readonly LogCase[];
  readonly add: (name: string, run: LogCase[1], ...needs: readonly LogAbility[]) => void;
} {
  const cases: LogCase[] = [];
  return { cases, add: (name, run, ...needs) => void cases.push([name, run, needs]) };
}
