/**
 * The end of a stream, and what grows or is compacted while it lands: an event type that is deleted lands to its end,
 * its table stays, and another of its name goes on with the table.
 */
import { expect, test } from "vitest";
import { type Clock, systemClock } from "../../../core/clock.ts";
import type { EventType } from "../../../core/event-type.ts";
import { REMOVAL, REMOVAL_GRACE_MS, type Removal } from "../../../core/event-type-removal.ts";
import { landConsumer, landedPartitions } from "../../../core/landed.ts";
import { partitionAccounts } from "../../../api/accounts.ts";
import { readColumns } from "../../../lake/parquet/rows.ts";
import { storePathOf } from "../../../lake/table/add-file.ts";
import { declareEventType, ensureStream } from "../../../workers/ingest/declaration.ts";
import { removeEventType } from "../../../workers/ingest/remove-event-type.ts";
import { repartition } from "../../../workers/ingest/repartition.ts";
import { createLandWorker, type LandWorker } from "../../../workers/land/worker.ts";
import { counter, event, install, type Installation, OPTIONS, send } from "./setup.ts";

const NAME = "order.created";
const DECLARED = {
  name: NAME,
  owning_application: "test",
  category: "business",
  schema: { type: "json_schema", schema: '{"type":"object","properties":{"n":{"type":"integer"}}}' },
};

/** The hour is the test's; what waits, waits in real time. */
function portsOf(at: Installation): Installation["ports"] & { clock: Clock } {
  const clock: Clock = { ...systemClock, nowMs: () => at.clock.nowMs() };
  return { ...at.ports, clock: clock as never };
}

const installed = (): Promise<Installation> => install(undefined, systemClock);

/** Lands what there is, with a worker of its own. */
async function land(at: Installation, more: Partial<Installation["ports"]> = {}): Promise<LandWorker> {
  const worker = createLandWorker({ ...portsOf(at), ...more }, { ...OPTIONS, commitMs: 0 });
  await worker.drain();
  return worker;
}

/** The rows' `n`, sorted. */
async function rows(at: Installation): Promise<number[]> {
  const snapshot = await at.openTable(NAME).snapshot();
  const found: number[] = [];
  for (const { path } of snapshot.files.values()) {
    const bytes = await at.store.get(storePathOf(NAME, path));
    found.push(...(await readColumns(bytes!, ["n"]))["n"]!.map(Number));
  }
  return found.sort((a, b) => a - b);
}

const fails = async (): Promise<never> => Promise.reject(new Error("ended"));

const keyed = (n: number, key: string): { payload: Uint8Array; key: string } => {
  const { metadata, ...rest } = JSON.parse(event(n)) as { metadata: object };
  const full = { ...rest, metadata: { ...metadata, partition_compaction_key: key } };
  return { payload: new TextEncoder().encode(JSON.stringify(full)), key };
};

const removal = (at: Installation): Removal => at.registry.get<Removal>(REMOVAL, NAME)!.value!;

test("what was accepted lands, then the stream goes, the table stays and the name is free", async () => {
  const at = await installed();
  await declareEventType(at, DECLARED);
  await send(at, [event(1), event(2)]);
  await removeEventType(at, NAME);
  await expect(declareEventType(at, DECLARED)).rejects.toMatchObject({ code: "event_type.removing" });
  // A process that has not read of it yet.
  await send(at, [event(3)]);
  await land(at);
  expect(await rows(at)).toEqual([1, 2, 3]);
  expect([(await at.log.stream(NAME))?.name, removal(at).isDone]).toEqual([NAME, false]);
  await send(at, [event(4)]);
  at.clock.advance(REMOVAL_GRACE_MS);
  await land(at);
  await land(at);
  expect(await rows(at)).toEqual([1, 2, 3, 4]);
  expect([await at.log.stream(NAME), removal(at).isDone]).toEqual([undefined, true]);
  expect(await at.log.isHolding(landConsumer(NAME))).toBe(false);
});

test("declared again it goes on with the table: the old rows stay, a resend stays a duplicate", async () => {
  const at = await installed();
  const first = await declareEventType(at, DECLARED);
  await send(at, [event(1), event(2)]);
  await removeEventType(at, NAME);
  at.clock.advance(REMOVAL_GRACE_MS);
  for (let i = 0; i < 3; i++) await land(at);
  const again = await declareEventType(at, DECLARED);
  expect(again.schema.version).toBe(first.schema.version);
  await send(at, [event(2), event(5)]);
  await land(at);
  expect(await rows(at)).toEqual([1, 2, 5]);
  expect(await counter(at, "duplicates")).toBe(1);
  const snapshot = await at.openTable(NAME).snapshot();
  expect(new Set(landedPartitions(snapshot.txns).map(({ topicId }) => topicId)).size).toBe(2);
  const [books] = await partitionAccounts(at.log, (await at.log.stream(NAME))!, snapshot);
  expect(books).toMatchObject({ accepted: 2, landed: 1, duplicates: 1, inFlight: 0, isBalanced: true });
  // And once more.
  await removeEventType(at, NAME);
  at.clock.advance(REMOVAL_GRACE_MS);
  for (let i = 0; i < 3; i++) await land(at);
  const other = JSON.stringify({ type: "object", properties: { n: { type: "string" } } });
  const changed = { ...DECLARED, schema: { type: "json_schema", schema: other } };
  await expect(declareEventType(at, changed)).rejects.toMatchObject({ code: "event_type.incompatible" });
  await expect(declareEventType(at, { ...DECLARED, category: "data" })).rejects.toMatchObject({
    code: "event_type.incompatible",
  });
  const more = JSON.stringify({ properties: { n: { type: "integer" }, m: { type: "string" } } });
  const third = await declareEventType(at, { ...DECLARED, schema: { type: "json_schema", schema: more } });
  expect(third.schema.version).toBe("2.0.0");
  await send(at, [event(6, { m: "x" })]);
  await land(at);
  expect(await rows(at)).toEqual([1, 2, 5, 6]);
  expect(at.lines.filter(({ level }) => level === "error")).toEqual([]);
});

test("a stream that was made anew by somebody else is still another one", async () => {
  const at = await installed();
  const type = await declareEventType(at, DECLARED);
  await send(at, [event(1)]);
  await land(at);
  await at.log.deleteStream(NAME, (await at.log.stream(NAME))!.topicId);
  await ensureStream(at.log, type);
  await send(at, [event(2)]);
  const worker = await land(at);
  expect(worker.status()[0]).toMatchObject({ state: "stopped", code: "log.identity" });
});

test("a stop anywhere on the way to the end is made up for", async () => {
  for (let stop = 1; stop <= 2; stop++) {
    const at = await installed();
    await declareEventType(at, DECLARED);
    await send(at, [event(1)]);
    await removeEventType(at, NAME);
    await land(at);
    at.clock.advance(REMOVAL_GRACE_MS);
    let calls = 0;
    const log = new Proxy(at.log, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key, target);
        if (typeof value !== "function") return value;
        const isStep = key === "deleteStream" || (key === "hold" && calls > 0);
        return (...args: unknown[]) =>
          isStep && ++calls === stop
            ? fails()
            : (value as (...all: unknown[]) => unknown).apply(target, args);
      },
    });
    await land(at, { log });
    for (let i = 0; i < 3; i++) await land(at);
    expect(calls, "the stop came").toBeGreaterThanOrEqual(Math.min(stop, 2));
    expect([await at.log.stream(NAME), removal(at).isDone, await rows(at)], `stop ${stop}`).toEqual([
      undefined,
      true,
      [1],
    ]);
  }
});

test("partitions that are added land, too; the table's watermark and books hold", async () => {
  const at = await installed();
  await declareEventType(at, DECLARED);
  await send(at, [event(1)]);
  const worker = await land(at);
  await repartition(at, NAME, 3, false);
  await send(at, [event(2)], 2);
  await send(at, [event(3)], 0);
  await worker.drain();
  await land(at);
  expect(await rows(at)).toEqual([1, 2, 3]);
  const snapshot = await at.openTable(NAME).snapshot();
  const books = await partitionAccounts(at.log, (await at.log.stream(NAME))!, snapshot);
  expect(books.map(({ landed, isBalanced }) => [landed, isBalanced])).toEqual([
    [2, true],
    [0, true],
    [1, true],
  ]);
});

test("tombstones of a compacted type are no rows and no dead letters, and the books balance", async () => {
  const at = await installed();
  await declareEventType(at, { ...DECLARED, cleanup_policy: "compact_and_delete" });
  await send(at, [{ payload: null, key: "z" }]);
  await send(at, [keyed(1, "a"), { payload: null, key: "a" }, keyed(2, "b"), { payload: null, key: "b" }]);
  await land(at);
  expect(await rows(at)).toEqual([1, 2]);
  expect([await counter(at, "dead"), await counter(at, "gap")]).toEqual([0, 3]);
  const snapshot = await at.openTable(NAME).snapshot();
  const [books] = await partitionAccounts(at.log, (await at.log.stream(NAME))!, snapshot);
  expect(books).toMatchObject({ accepted: 5, landed: 2, gap: 3, inFlight: 0, isBalanced: true });
  await send(at, [{ payload: null, key: "b" }]);
  await land(at);
  await land(at);
  expect([await counter(at, "gap"), await rows(at)]).toEqual([4, [1, 2]]);
});

test("events of a type that is not materialised do not land, and do not hold the log", async () => {
  const at = await installed();
  const off = { annotations: { "datalake.zalando.org/materialize-events": "off" } };
  const type: EventType = await declareEventType(at, { ...DECLARED, ...off });
  expect(await at.log.isHolding(landConsumer(NAME))).toBe(false);
  await send(at, [event(1)]);
  const worker = await land(at);
  expect([worker.status(), (await at.openTable(NAME).snapshot()).version]).toEqual([[], -1]);
  at.clock.advance(type.options.retention_time! + 1);
  await at.log.retain();
  expect((await at.log.bounds(NAME, 0)).startOffset).toBe(1);
  await removeEventType(at, NAME);
  at.clock.advance(REMOVAL_GRACE_MS);
  await land(at);
  expect([await at.log.stream(NAME), removal(at).isDone]).toEqual([undefined, true]);
});
