/** What every source of changes does: cases over whatever opens the same place again and again. */
import { isDeepStrictEqual } from "node:util";
import type { SourceBatch, SourceLimits, SourceStream } from "../../core/ports/source.ts";
import { keyOf, payloadOf } from "../../core/record.ts";

export interface SourcePlace {
  /** Reads on after a cursor; null: from where the source thinks that we are. */
  open(cursor: string | null, limits: SourceLimits): Promise<SourceStream>;
  /** One transaction that makes `count` new rows of each of two tables, in turns. */
  transact(count: number): Promise<void>;
}

export type SourceCase = readonly [string, (place: SourcePlace) => Promise<void>];

const LIMITS: SourceLimits = {
  statusMs: 50,
  batchBytes: 1_048_576,
  batchMs: 5,
  queueBytes: 4_194_304,
  quietMs: 60_000,
};
/** As small as they can be: a batch for every change. */
const NARROW: SourceLimits = { ...LIMITS, batchBytes: 1, queueBytes: 1 };
const decoder = new TextDecoder();

interface Told {
  /** Per stream and partition, records as key and payload. */
  readonly parts: Record<string, string[]>;
  readonly cursors: (string | null)[];
  changes: number;
}

/** Copies what a batch says, for its bytes are another batch's later. */
function note(told: Told, batch: SourceBatch): void {
  for (const { stream, partition, records } of batch.parts) {
    const part = (told.parts[`${stream} ${partition}`] ??= []);
    for (let i = 0; i < records.count; i++) {
      const key = keyOf(records, i);
      part.push(`${key ? decoder.decode(key) : "-"} ${decoder.decode(payloadOf(records, i)!)}`);
    }
  }
  told.changes += batch.changes;
  told.cursors.push(batch.cursor);
}

/** Reads so many changes, and on to the end of their transaction. */
async function read(stream: SourceStream, changes: number): Promise<Told> {
  const told: Told = { parts: {}, cursors: [], changes: 0 };
  while (told.changes < changes || told.cursors.at(-1) === null) {
    const batch = await stream.next();
    if (!batch) throw new Error(`the stream has ended after ${told.changes} of ${changes} changes`);
    // One that only tells how far the source is may come at any time.
    const isOnlyPlace = batch.changes === 0 && batch.commitUs === null;
    if (!isOnlyPlace) note(told, batch);
  }
  return told;
}

function same(found: unknown, expected: unknown, what: string): void {
  if (!isDeepStrictEqual(found, expected))
    throw new Error(
      `${what}: ${JSON.stringify(found)?.slice(0, 500)}, not ${JSON.stringify(expected)?.slice(0, 500)}`,
    );
}

/** In the order of the changes, as the source itself numbers them. */
function inOrder({ parts }: Told): void {
  for (const [name, records] of Object.entries(parts)) {
    const places = records.map((record) => {
      const [, lsn, index] = /"lsn":(\d+),"index":(\d+)/.exec(record)!;
      return [Number(lsn), Number(index)] as const;
    });
    for (let i = 1; i < places.length; i++) {
      const [[lsn, index], [nextLsn, nextIndex]] = [places[i - 1]!, places[i]!];
      if (nextLsn < lsn || (nextLsn === lsn && nextIndex <= index))
        throw new Error(`record ${i} of ${name} is out of order`);
    }
  }
}

export const SOURCE_CASES: readonly SourceCase[] = [
  [
    "tells the changes of each table in order, and the same bytes however they are cut",
    async (place) => {
      for (const count of [1, 20, 3]) await place.transact(count);
      const wide = await place.open(null, LIMITS);
      const whole = await read(wide, 48);
      await wide.close();
      inOrder(whole);
      same(whole.changes, 48, "changes");
      const narrow = await place.open(null, NARROW);
      const parts = await read(narrow, 48);
      await narrow.close();
      same(parts.parts, whole.parts, "records");
      if (parts.cursors.length < 40) throw new Error(`${parts.cursors.length} batches are too few`);
    },
  ],
  [
    "moves the cursor with the end of a transaction, and never within",
    async (place) => {
      for (const count of [4, 4]) await place.transact(count);
      const stream = await place.open(null, NARROW);
      const told = await read(stream, 16);
      await stream.close();
      const cursors = told.cursors.filter((cursor) => cursor !== null);
      same(cursors.length, 2, "cursors");
      const again = await place.open(cursors[0]!, LIMITS);
      const rest = await read(again, 8);
      await again.close();
      same(rest.changes, 8, "changes after the first transaction");
    },
  ],
  [
    "tells everything again that was not acknowledged, and nothing that was",
    async (place) => {
      for (const count of [2, 2, 2]) await place.transact(count);
      const first = await place.open(null, NARROW);
      const told = await read(first, 12);
      const acknowledged = told.cursors.find((cursor) => cursor !== null);
      first.acknowledge(acknowledged!);
      await first.close();
      const second = await place.open(null, LIMITS);
      const rest = await read(second, 8);
      await second.close();
      same(rest.changes, 8, "changes");
      const expected = Object.fromEntries(
        Object.entries(told.parts).map(([name, records]) => [name, records.slice(2)]),
      );
      same(rest.parts, expected, "records");
    },
  ],
  [
    "ends for who waits when it is closed, and refuses a cursor that it never told",
    async (place) => {
      const stream = await place.open(null, LIMITS);
      const waiting = stream.next();
      let refused = false;
      try {
        stream.acknowledge("9007199254740991");
      } catch {
        refused = true;
      }
      same(refused, true, "refused");
      await stream.close();
      same(await waiting, undefined, "what was waited for");
      same(await stream.next(), undefined, "what is asked for later");
      await stream.close();
    },
  ],
];
