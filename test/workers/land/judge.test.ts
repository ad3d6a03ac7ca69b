/** Fates of records, against what each record was made to be; and bytes that nobody made to be anything. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { seededRandomness } from "../../../core/clock.ts";
import { freshPartition } from "../../../core/landed.ts";
import type { ReadBatch } from "../../../core/record.ts";
import { createEventEncoder } from "../../../lake/parquet/event-encoder.ts";
import { ZSTD } from "../../../lake/parquet/zstd.ts";
import { DEAD, DUPLICATE, Judge, LANDED } from "../../../workers/land/judge.ts";
import { EventSource, typeOf } from "../../property/landing-events.ts";
import { event, eventType, HOUR_MS, install, OPTIONS, send, uuid } from "./setup.ts";

const at = await install();
const LIMITS = { maxBytes: OPTIONS.eventBytes, maxDepth: OPTIONS.depth };
const secret = new Uint8Array(16).fill(1);

async function batchOf(payloads: Parameters<typeof send>[1], type = eventType()): Promise<ReadBatch> {
  const one = await install();
  await one.log.createStream(type.name, { partitions: 1, cleanup: "delete", retentionMs: 1e12 });
  await send(one, payloads, 0, type.name);
  return one.log.read(type.name, 0, 0, 1e9);
}

async function judge(payloads: Parameters<typeof send>[1], type = eventType()) {
  const ids = at.kernel.createIdentitySet(OPTIONS);
  const encoder = createEventEncoder(at.kernel, type, LIMITS, ZSTD);
  let admits = 0;
  const counted = new Proxy(ids, {
    get: (target, name) => {
      if (name === "admit") admits++;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
  const one = new Judge(at, OPTIONS, type, secret, encoder);
  const batch = await batchOf(payloads, type);
  const judged = await one.decide([batch], [freshPartition("log", "stream", 0)], counted);
  const eventIds = Array.from(judged.fates, (_, row) => encoder.eventId(row));
  const result = {
    ...judged,
    eventIds,
    admits,
    tentative: ids.tentative,
    newest: one.newest([batch], judged)[0],
  };
  ids.destroy();
  encoder.destroy();
  return result;
}

test.each([
  ["event.not_json", '{"metadata":'],
  ["event.not_object", "[1]"],
  ["event.utf8", new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
  ["event.duplicate_key", event(1).replace('"n":1', '"n":1,"n":2')],
  ["event.too_deep", event(1, { a: [[[[[[[[1]]]]]]]] })],
  ["event.id_missing", '{"metadata":{"occurred_at":"2026-03-01T00:00:00Z"},"n":1}'],
  ["event.id_malformed", event(1).replace(uuid(1), "no-uuid")],
  ["event.time_missing", event(1).replace(/,"occurred_at":"[^"]+"/, "")],
  ["event.time_malformed", event(1).replace("2026-03-01T22:00:00Z", "yesterday")],
  ["event.type_mismatch", event(1).replace('"metadata":{', '"metadata":{"event_type":"order.paid",')],
  ["event.type_mismatch", event(1).replace('"metadata":{', '"metadata":{"event_type":null,')],
  ["event.value_type", event(1).replace('"n":1', '"n":"one"')],
  ["event.value_inexact", event(1).replace('"n":1', '"n":1.5')],
  ["event.value_out_of_range", event(1).replace('"n":1', '"n":1e40')],
])("dead for %s", async (code, payload) => {
  const { fates, reasons, tentative } = await judge([payload]);
  expect([...fates]).toEqual([DEAD]);
  expect(reasons.get(0)!.code).toBe(code);
  expect(tentative, "ids of dead letters are not remembered").toBe(0);
});

function named(name: string): string {
  return event(1).replace('"metadata":{', `"metadata":{"event_type":${name},`);
}

function annotatedEvent(id: string, time = "1969-12-31T23:59:59.999999Z"): string {
  return `{"head":{"id":"${id}","at":"${time}"}}`;
}

function timed(n: number, ms: number): string {
  return event(n).replace("2026-03-01T22:00:00Z", new Date(ms).toISOString());
}

test("the type's own name is no mismatch, escaped or not", async () => {
  for (const name of ['"order.created"', '"order\\u002ecreated"'])
    expect([...(await judge([named(name)])).fates]).toEqual([LANDED]);
});

test("bad, then good, then anything of the same id: dead, landed, duplicates", async () => {
  const bad = event(1, { n: 1.5 });
  const broken = event(1).slice(0, -1);
  const { fates } = await judge([bad, broken, bad, event(1), bad, broken, event(1)]);
  expect([...fates]).toEqual([DEAD, DEAD, DEAD, LANDED, DUPLICATE, DEAD, DUPLICATE]);
});

test("however often a bad event was resent, ids are asked once only", async () => {
  const bad = Array.from({ length: 500 }, () => event(1, { n: 1.5 }));
  const { fates, admits, tentative } = await judge([...bad, event(1), event(2)]);
  expect(fates.slice(0, 500).every((fate) => fate === DEAD)).toBe(true);
  expect(Array.from(fates.slice(500))).toEqual([LANDED, LANDED]);
  expect(admits).toBe(1);
  expect(tentative).toBe(2);
});

test("types without metadata: ids and times by annotation, or none at all", async () => {
  const annotations = { "muara/event-id-path": "/head/id", "muara/event-time-path": "/head/at" };
  const annotated = eventType({ category: "undefined", annotations });
  const found = await judge(
    [annotatedEvent("a b"), annotatedEvent("a\\u0020b"), annotatedEvent("A B"), annotatedEvent("c", "soon")],
    annotated,
  );
  expect([...found.fates]).toEqual([LANDED, DUPLICATE, LANDED, DEAD]);
  expect(found.eventIds).toEqual(["a b", "a b", "A B", "c"]);
  expect(found.timesUs[0]).toBe(-1n);
  const plain = await judge(['{"n":1}', '{"n":1}', "[]"], eventType({ category: "undefined" }));
  expect([...plain.fates]).toEqual([LANDED, LANDED, DEAD]);
  expect(plain.eventIds).toEqual([0, 1, 2].map((offset) => `log/stream/0/${offset}`));
  expect(plain.timesUs[0]).toBe(BigInt(plain.ingestMs[0]!) * 1_000n);
});

test("ingest times never go back, whatever the log says", async () => {
  const ids = at.kernel.createIdentitySet(OPTIONS);
  const type = eventType();
  const one = new Judge(at, OPTIONS, type, secret, createEventEncoder(at.kernel, type, LIMITS, ZSTD));
  const batch = await batchOf([event(1), event(2), event(3)]);
  const times = (...ingestMs: number[]): ReadBatch => ({ ...batch, ingestMs: Float64Array.from(ingestMs) });
  const before = { ...freshPartition("log", "stream", 0), ingestMs: 500 };
  const judged = await one.decide([times(400, 600, 550), times(590, 700, 0)], [before], ids);
  expect([...judged.ingestMs]).toEqual([500, 600, 600, 600, 700, 700]);
  expect(one.newest([times(400, 600, 550), times(590, 700, 0)], judged)[0]!.ingestMs).toBe(700);
});

test("what is too far ahead of its ingest time never counts as the newest", async () => {
  const nowMs = Date.UTC(2026, 2, 1, 22, 30);
  const inside = nowMs + HOUR_MS;
  const { newest, fates } = await judge([
    timed(1, inside),
    timed(2, inside + 1),
    timed(3, 253_402_300_799_000),
  ]);
  expect([...fates]).toEqual([LANDED, LANDED, LANDED]);
  expect(newest!.newestUs).toBe(BigInt(inside) * 1_000n);
  expect((await judge([timed(1, inside + 1)])).newest!.newestUs).toBeUndefined();
});

test("no bytes make it throw, and whoever is dead has a reason", async () => {
  const source = new EventSource(seededRandomness(5), "business");
  const seeds = Array.from({ length: 60 }, () => source.draw(0).payload ?? new Uint8Array(0));
  const cut = fc.record({
    seed: fc.nat(59),
    at: fc.nat(200),
    bytes: fc.uint8Array({ maxLength: 6 }),
    drop: fc.nat(8),
  });
  const mutated = cut.map(({ seed, at: place, bytes, drop }) => {
    const original = seeds[seed]!;
    return Uint8Array.from([...original.subarray(0, place), ...bytes, ...original.subarray(place + drop)]);
  });
  const escaped = fc
    .constantFrom("\\u00", "\\ud800", "\\x", "\\", '\\"', "\\u0000", "\\ud83d\\ude00")
    .map((text) => new TextEncoder().encode(event(1).replace(uuid(1), uuid(1) + text)));
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(mutated, escaped), { minLength: 1, maxLength: 40 }),
      async (payloads) => {
        const { fates, reasons } = await judge(payloads, typeOf("business"));
        const dead = Array.from(fates.keys()).filter((row) => fates[row] === DEAD);
        expect(dead.filter((row) => !reasons.has(row))).toEqual([]);
      },
    ),
    { numRuns: 60 },
  );
});
