/**
 * The log on an object store, limited by round trips: `node bench/s3-log.ts` (`--json` for one object). The store is
 * in memory and answers after a fixed time, as S3 does after its own; so what is measured is how many round trips the
 * log needs, not how fast a store is. One and four processes' logs append batches of 100 events of 500 bytes to one
 * stream, 32 at a time each. The reference is one conditional put after the other of the same bytes.
 */
import process from "node:process";
import { createMemoryObjectStore } from "../adapters/memory/object-store.ts";
import { openS3Log } from "../adapters/s3/log.ts";
import { systemClock, systemRandomness } from "../core/clock.ts";
import type { Log } from "../core/ports/log.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import { packRecords } from "../core/record.ts";
import { type Metric, printResult } from "./result.ts";

const ANSWER_MS = Number(process.env["BENCH_ANSWER_MS"] ?? 20);
const RUN_MS = 6_000;
const AT_ONCE = 32;
const EVENTS = 100;

const batch = packRecords(
  Array.from({ length: EVENTS }, (_, i) => ({ payload: new Uint8Array(500).fill(32 + (i % 90)) })),
);

/** A call that takes a round trip; the work itself takes none. */
function late<Given extends unknown[], Answer>(
  call: (...given: Given) => Promise<Answer>,
): (...given: Given) => Promise<Answer> {
  return async (...given) => {
    await systemClock.sleep(ANSWER_MS / 2);
    const answer = await call(...given);
    await systemClock.sleep(ANSWER_MS / 2);
    return answer;
  };
}

function distant(store: ObjectStore): ObjectStore {
  return {
    location: (path) => store.location(path),
    put: late((path: string, bytes: Uint8Array) => store.put(path, bytes)),
    putIfAbsent: late((path: string, bytes: Uint8Array) => store.putIfAbsent(path, bytes)),
    putIfMatch: late((path: string, bytes: Uint8Array, etag: string) => store.putIfMatch(path, bytes, etag)),
    get: late((path: string) => store.get(path)),
    getRange: late((path: string, at: number, length: number) => store.getRange(path, at, length)),
    head: late((path: string) => store.head(path)),
    list: late((prefix: string) => store.list(prefix)),
    delete: late((path: string) => store.delete(path)),
  };
}

interface Measured {
  readonly events: number;
  readonly groups: number;
  /** ms, ascending */
  readonly waitsMs: readonly number[];
  /** Events of the writer that got least, as a part of an equal share. */
  readonly fairness: number;
}

async function run(writers: number): Promise<Measured> {
  const memory = createMemoryObjectStore();
  const store = distant(memory);
  const services = { store, clock: systemClock, randomness: systemRandomness };
  const logs: Log[] = [];
  for (let i = 0; i < writers; i++) logs.push(await openS3Log(services));
  await logs[0]!.createStream("s", { partitions: 4, cleanup: "delete", retentionMs: 86_400_000 });
  const waitsMs: number[] = [];
  const counts = logs.map(() => 0);
  const endMs = performance.now() + RUN_MS;
  const lane = async (writer: number, partition: number): Promise<void> => {
    while (performance.now() < endMs) {
      const startedMs = performance.now();
      await logs[writer]!.append("s", partition, batch);
      waitsMs.push(performance.now() - startedMs);
      counts[writer]! += EVENTS;
    }
  };
  await Promise.all(
    logs.flatMap((_, writer) => Array.from({ length: AT_ONCE }, (__, i) => lane(writer, i % 4))),
  );
  const events = counts.reduce((sum, count) => sum + count, 0);
  const groups = (await memory.list("groups")).length;
  waitsMs.sort((a, b) => a - b);
  return { events, groups, waitsMs, fairness: (Math.min(...counts) * writers) / events };
}

async function roundTripsPerSecond(): Promise<number> {
  const store = distant(createMemoryObjectStore());
  const startedMs = performance.now();
  let puts = 0;
  while (performance.now() - startedMs < 2_000) await store.putIfAbsent(`g/${puts++}`, batch.bytes);
  return (puts * 1_000) / (performance.now() - startedMs);
}

const reference = await roundTripsPerSecond();
const metrics: Metric[] = [
  { name: "conditional puts, one after the other", value: reference, unit: "puts/s" },
];
for (const writers of [1, 4]) {
  const { events, groups, waitsMs, fairness } = await run(writers);
  const perSecond = (groups * 1_000) / RUN_MS;
  const named = (what: string): string => `${writers} writer${writers > 1 ? "s" : ""}: ${what}`;
  metrics.push(
    { name: named("groups"), value: perSecond, unit: "groups/s", reference, ratio: perSecond / reference },
    { name: named("events"), value: (events * 1_000) / RUN_MS, unit: "events/s" },
    { name: named("append p50"), value: waitsMs[waitsMs.length >> 1]!, unit: "ms" },
    { name: named("append p99"), value: waitsMs[Math.floor(waitsMs.length * 0.99)]!, unit: "ms" },
    { name: named("least share"), value: fairness, unit: "of an equal one" },
  );
}
printResult("s3-log", metrics);
