/**
 * Events of another Nakadi through our door: what it added goes to the header, what our door would refuse becomes a
 * record with a note, and all of it is in the log in its order.
 */
import { expect, test } from "vitest";
import { seededRandomness, systemClock } from "../../../core/clock.ts";
import { MuaraError } from "../../../core/errors.ts";
import { Door as IngestDoor } from "../../../workers/ingest/app.ts";
import type { Taken } from "../../../workers/ingest/pulled/take-pulled.ts";
import { createDoor, declaration, type Door, LIMITS } from "./door.ts";

const ORIGIN = { pull: "shop", event_type: "there", partition: "1", offset: "001-0001-000000000000000007" };
const EID = "00000000-0000-4000-8000-00000000000";
const never = new AbortController().signal;

const added = { received_at: "2026-03-01T12:00:00.001Z", version: "4.2.0", published_by: "stups_shop" };

function remoteEvent(n: number, metadata: object = {}, more: object = { n }): object {
  const own = { eid: `${EID}${n}`, occurred_at: "2026-03-01T11:59:59Z" };
  return { metadata: { ...own, event_type: "there", partition: "1", ...added, ...metadata }, ...more };
}

async function stand(more: Record<string, unknown> = {}): Promise<{
  door: Door;
  pull: (events: string, partition?: number | null, signal?: AbortSignal) => Promise<Taken>;
}> {
  const door = await createDoor();
  const ports = {
    ...door,
    authenticator: null,
    clock: systemClock,
    randomness: seededRandomness(3),
    logger: { warn: () => {} } as never,
  };
  const ingest = new IngestDoor(ports, { limits: { ...LIMITS, eventBytes: 2_000 } });
  await door.declare(
    declaration("here", {
      default_statistic: { read_parallelism: 3, write_parallelism: 3 },
      schema: { type: "object", properties: { n: { type: "integer", maximum: 100 }, k: { type: "string" } } },
      ...more,
    }),
  );
  const pull = (events: string, partition: number | null = 1, signal = never): Promise<Taken> =>
    ingest.pull(
      {
        origin: ORIGIN,
        eventType: "here",
        events: new TextEncoder().encode(events),
        partition: partition ?? undefined,
      },
      signal,
    );
  return { door, pull };
}

test("what the remote added goes to the header; the payload is what the producer sent", async () => {
  const { door, pull } = await stand();
  const events = [
    remoteEvent(1),
    remoteEvent(2),
    remoteEvent(3, { flow_id: "f3", published_by: "other" }),
    { metadata: { eid: `${EID}4`, occurred_at: "2026-03-01T11:59:59Z" }, n: 4 },
  ];
  expect(await pull(JSON.stringify(events))).toEqual({ events: 4, refused: 0 });
  const stored = await door.stored("here");
  expect(stored.map(({ partition, offset }) => [partition, offset])).toEqual([
    [1, 0],
    [1, 1],
    [1, 2],
    [1, 3],
  ]);
  const occurred_at = "2026-03-01T11:59:59Z";
  expect(stored.map(({ payload }) => JSON.parse(payload))).toEqual([
    { metadata: { eid: `${EID}1`, occurred_at }, n: 1 },
    { metadata: { eid: `${EID}2`, occurred_at }, n: 2 },
    { metadata: { eid: `${EID}3`, occurred_at, flow_id: "f3" }, n: 3 },
    { metadata: { eid: `${EID}4`, occurred_at }, n: 4 },
  ]);
  const known = { event_type: "there", partition: "1", ...added };
  const header = { schema_version: "1.0.0", published_by: "pull:shop" };
  expect(stored.map((record) => record.header)).toEqual([
    { ...header, origin: { ...ORIGIN, metadata: known } },
    { ...header, origin: { ...ORIGIN, metadata: known } },
    { ...header, origin: { ...ORIGIN, metadata: { ...known, published_by: "other" } } },
    { ...header, origin: { ...ORIGIN, metadata: {} } },
  ]);
});

test("whatever is between the members, the others stay byte for byte", async () => {
  const { door, pull } = await stand();
  const own = `"eid" : "${EID}1",\n "occurred_at":"2026-03-01T11:59:59Z"`;
  const escaped = String.raw`"versi\u006fn":"1"`;
  const body = `[ {"n" : 1.0 , "metadata" : { "received_at" : "a\\"}" , ${own} , ${escaped} } , "z":"ä"} ]`;
  await pull(body);
  const [record] = await door.stored("here");
  expect(record!.payload).toBe(
    `{"n" : 1.0 , "metadata" : {"eid" : "${EID}1","occurred_at":"2026-03-01T11:59:59Z"} , "z":"ä"}`,
  );
  expect(record!.header["origin"]).toMatchObject({ metadata: { received_at: 'a"}', version: "1" } });
});

const more = (n: number): object => ({ n, k: `k${n % 4}` });
const own = (n: number): object => ({ eid: `${EID}${n}`, occurred_at: "2026-03-01T11:59:59Z" });

async function places({ door }: { door: Door }): Promise<unknown[]> {
  return (await door.stored("here")).map(({ partition, offset, key, payload }) => {
    const { n } = JSON.parse(payload) as { n: number };
    return [partition, offset, key, n];
  });
}

test("each goes where the strategy of its type has it, as if it were published here", async () => {
  const hashed = { partition_strategy: "hash", partition_key_fields: ["k"] };
  const [direct, pulled] = [await stand(hashed), await stand(hashed)];
  const numbers = [0, 1, 2, 3, 4, 5, 6, 7, 8];
  await direct.door.publish("here", JSON.stringify(numbers.map((n) => ({ metadata: own(n), ...more(n) }))));
  await pulled.pull(JSON.stringify(numbers.map((n) => remoteEvent(n, { partition: "2" }, more(n)))), null);
  expect(await places(pulled)).toEqual(await places(direct));
  expect(new Set((await places(pulled)).map((place) => (place as number[])[0])).size).toBeGreaterThan(1);
});

test("what our door would refuse is a record with the reason, between the others", async () => {
  const { door, pull } = await stand();
  const long = "x".repeat(3_000);
  const body = `[${[
    JSON.stringify(remoteEvent(1)),
    JSON.stringify(remoteEvent(2, {}, { n: 101 })),
    "17",
    `{"n":1,"n":2}`,
    JSON.stringify(remoteEvent(3, {}, { n: 3, long })),
    JSON.stringify(remoteEvent(4, { surprise: 1 })),
    JSON.stringify(remoteEvent(5)),
  ].join(",")}]`;
  expect(await pull(body)).toEqual({ events: 7, refused: 5 });
  const stored = await door.stored("here");
  expect(stored.map(({ offset }) => offset)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(stored.map(({ header }) => (header["refused"] as { code: string } | undefined)?.code)).toEqual([
    undefined,
    "event.schema",
    "event.not_object",
    "event.duplicate_key",
    "event.too_large",
    "event.schema",
    undefined,
  ]);
  expect(stored[1]!.header).toMatchObject({ refused: { pointer: "/n" }, origin: ORIGIN });
  expect(stored[5]!.header).toMatchObject({ refused: { pointer: "/metadata/surprise" } });
  expect(Object.keys(stored[1]!.header)[0]).toBe("refused");
  expect(stored[2]!.payload).toBe("17");
  expect(stored[4]!.bytes.length).toBe(2_000);
});

test("what is no array of events is one record, as it came", async () => {
  const { door, pull } = await stand();
  expect(await pull(`[{"n":1},{"n":`)).toEqual({ events: 1, refused: 1 });
  const [record] = await door.stored("here");
  expect(record!.payload).toBe(`[{"n":1},{"n":`);
  expect(record!.header).toMatchObject({ refused: { code: "event.not_json" }, origin: ORIGIN });
});

test("subscribers get the good ones, with our additions and none of the remote's", async () => {
  const { door, pull } = await stand();
  await pull(`[${JSON.stringify(remoteEvent(1))},17,${JSON.stringify(remoteEvent(2))}]`);
  const cursors = JSON.stringify([{ partition: "1", offset: "BEGIN" }]);
  const response = await door.fetch(
    new Request("http://muara.test/event-types/here/events?batch_limit=2&stream_limit=2", {
      headers: { authorization: `Bearer ${door.admin}`, "x-nakadi-cursors": cursors },
    }),
  );
  const [line] = (await response.text()).split("\n");
  const { events } = JSON.parse(line!) as { events: { n: number; metadata: Record<string, unknown> }[] };
  expect(events.map(({ n }) => n)).toEqual([1, 2]);
  expect(events[0]!.metadata).toMatchObject({
    event_type: "here",
    partition: "1",
    version: "1.0.0",
    published_by: "pull:shop",
  });
  expect(JSON.stringify(events)).not.toContain("stups_shop");
});

test("a batch waits until the log takes it, and gives up with the signal", async () => {
  const { door, pull } = await stand();
  let refusals = 0;
  const append = door.log.append.bind(door.log);
  door.log.append = async (...args) => {
    if (refusals++ < 2) throw new MuaraError("log.overloaded", "later");
    return append(...args);
  };
  expect(await pull(JSON.stringify([remoteEvent(1)]))).toEqual({ events: 1, refused: 0 });
  expect(refusals).toBe(3);
  refusals = -1_000_000;
  door.log.append = () => Promise.reject(new MuaraError("log.full", "never"));
  const stop = new AbortController();
  const waiting = pull(JSON.stringify([remoteEvent(2)]), 1, stop.signal);
  stop.abort();
  await expect(waiting).rejects.toThrow();
  expect((await door.stored("here")).length).toBe(1);
});

test("a batch that the log finds too large goes in halves, in its order", async () => {
  const { door, pull } = await stand();
  const append = door.log.append.bind(door.log);
  door.log.append = async (...args) => {
    if (args[2].count > 2) throw new MuaraError("log.batch_too_large", "fewer at once");
    return append(...args);
  };
  await pull(JSON.stringify([1, 2, 3, 4, 5, 6, 7].map((n) => remoteEvent(n))));
  const stored = await door.stored("here");
  expect(stored.map(({ payload }) => (JSON.parse(payload) as { n: number }).n)).toEqual([
    1, 2, 3, 4, 5, 6, 7,
  ]);
});
