/** Messages of a source's log as events: in order, with ids that are theirs for ever, and never refused. */
import { expect, test } from "vitest";
import { seededRandomness, systemClock } from "../../../core/clock.ts";
import { changeId } from "../../../core/change.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { SourceMessage } from "../../../core/ports/source.ts";
import { createOutbox } from "../../../workers/capture/outbox.ts";
import { createDoor, declaration, LIMITS } from "../ingest/door.ts";

const never = new AbortController().signal;
const EID = "00000000-0000-4000-8000-000000000001";
const COMMIT_US = 1_795_000_000_123_456n;
const COMMIT = "2026-11-18T11:06:40.123456Z";

function message(content: string, more: Partial<SourceMessage> = {}): SourceMessage {
  const bytes = new TextEncoder().encode(content);
  const place = { lsn: 500n, index: 0, commitUs: COMMIT_US, isTransactional: true };
  return { prefix: "orders", content: bytes, ...place, ...more };
}

async function stand(more: Record<string, unknown> = {}) {
  const door = await createDoor();
  await door.declare(
    declaration("order.placed", {
      schema: { type: "object", properties: { n: { type: "integer" }, t: { type: "string" } } },
      ...more,
    }),
  );
  const ports = { ...door, clock: systemClock, randomness: seededRandomness(3), logger: silentLogger };
  const outbox = createOutbox(ports, { ...LIMITS, eventBytes: 2_000 });
  const capture = { name: "shop1", messages: { orders: "order.placed" } };
  return {
    door,
    publish: (messages: readonly SourceMessage[]) => outbox.publish(capture, 7, messages, never),
    /** As whoever has the capture next: it sends again what was not acknowledged. */
    again: (messages: readonly SourceMessage[]) =>
      outbox.publish(capture, 7, messages, new AbortController().signal),
  };
}

const id = (lsn: bigint, index: number): string => changeId({ incarnation: 7, lsn, index });
const at = (index: number): Partial<SourceMessage> => ({ index });

test("an own id stays; a missing one, and a missing time, come from the message's place and commit", async () => {
  const { door, publish } = await stand();
  const messages = [
    message(`{"metadata":{"eid":"${EID}","occurred_at":"2026-01-01T00:00:00Z"},"n":1}`),
    message(` { "metadata" : { "occurred_at":"2026-01-01T00:00:00Z" }, "n":2}`, at(1)),
    message(`{"n":3}`, at(2)),
    message(`{"metadata":{},"n":4}`, at(3)),
    message(`{"other":"prefix"}`, { prefix: "others" }),
    message(`{"metadata":{"flow_id":"f"},"n":6}\n`, { index: 5, lsn: 900n }),
  ];
  await publish(messages);
  const stored = await door.stored("order.placed");
  const occurred_at = "2026-01-01T00:00:00Z";
  expect(stored.map(({ payload }) => JSON.parse(payload))).toEqual([
    { metadata: { eid: EID, occurred_at }, n: 1 },
    { metadata: { eid: id(500n, 1), occurred_at }, n: 2 },
    { metadata: { eid: id(500n, 2), occurred_at: COMMIT }, n: 3 },
    { metadata: { eid: id(500n, 3), occurred_at: COMMIT }, n: 4 },
    { metadata: { eid: id(900n, 5), occurred_at: COMMIT, flow_id: "f" }, n: 6 },
  ]);
  expect(stored[2]!.header).toEqual({
    schema_version: "1.0.0",
    published_by: "capture:shop1",
    origin: { capture: "shop1", prefix: "orders", incarnation: 7, lsn: "500", index: 2 },
  });
});

test("what the judge finds wrong is in the log with a note, in its place, and nothing else suffers", async () => {
  const { door, publish } = await stand();
  await publish([
    message(`{"n":1}`),
    message(`no JSON`, at(1)),
    message(`{"n":"text"}`, at(2)),
    message(`{"n":2}`, at(3)),
    message("", at(4)),
    message(`{"n":3},{"n":4}`, at(5)),
    message(`[{"n":5}]`, at(6)),
    message(`{"t":"${"x".repeat(3_000)}"}`, at(7)),
    message(`{"n":6}`, at(8)),
  ]);
  const stored = await door.stored("order.placed");
  const notes = stored.map(({ header }) => (header as { refused?: { code: string } }).refused?.code);
  expect(notes).toEqual([
    undefined,
    "event.not_json",
    "event.schema",
    undefined,
    "event.not_json",
    "event.not_json",
    "event.not_object",
    "event.too_large",
    undefined,
  ]);
  expect(stored[1]!.payload).toBe("no JSON");
  expect(stored[7]!.payload).toHaveLength(2_000);
});

test("two messages that are an event only together are none, each for itself", async () => {
  const { door, publish } = await stand();
  await publish([message(`{"n":1},{"t":"`), message(`"}`, at(1)), message(`{"n":2}`, at(2))]);
  const stored = await door.stored("order.placed");
  expect(stored.map(({ payload }) => payload.slice(0, 13))).toEqual([
    `{"n":1},{"t":"`.slice(0, 13),
    `"}`,
    expect.stringMatching(/^\{"metadata"/),
  ]);
  expect(stored.slice(0, 2).every(({ header }) => "refused" in header)).toBe(true);
});

test("CloudEvents get an id; events that have no envelope stay as they are", async () => {
  const cloud = await stand({ category: "cloudevent", enrichment_strategies: [] });
  const sent = `{"specversion":"1.0","source":"/shop","type":"order.placed","data":{"n":1}}`;
  await cloud.publish([message(sent)]);
  const [stored] = await cloud.door.stored("order.placed");
  expect(JSON.parse(stored!.payload)).toEqual({ id: id(500n, 0), ...(JSON.parse(sent) as object) });
  const plain = await stand({ category: "undefined", enrichment_strategies: [] });
  await plain.publish([message(`{"n":1}`), message(`{"n":2}`, { commitUs: null, isTransactional: false })]);
  expect((await plain.door.stored("order.placed")).map(({ payload }) => payload)).toEqual([
    `{"n":1}`,
    `{"n":2}`,
  ]);
});

test("without a commit there is no time to add: such a message has its own, or is a dead letter", async () => {
  const { door, publish } = await stand();
  await publish([message(`{"n":1}`, { commitUs: null, isTransactional: false })]);
  const [stored] = await door.stored("order.placed");
  expect(stored!.header).toMatchObject({ refused: { pointer: "/metadata/occurred_at" } });
});

test("rows of an outbox table say their type; one that is not declared is waited for", async () => {
  const { door, publish } = await stand();
  await publish([message(`{"n":1}`, { prefix: "", eventType: "order.placed" })]);
  expect(await door.stored("order.placed")).toHaveLength(1);
  await expect(publish([message(`{"n":1}`, { prefix: "", eventType: "order.lost" })])).rejects.toMatchObject({
    code: "event_type.not_found",
  });
});

test("what is sent again is left out where it is there, whatever it is", async () => {
  const { door, publish, again } = await stand();
  const messages = [message(`{"n":1}`), message("bad", at(1)), message(`{"n":2}`, { lsn: 600n })];
  await publish(messages.slice(0, 2));
  await again(messages);
  await again(messages);
  const stored = await door.stored("order.placed");
  const ends = [`"n":1}`, "bad", `"n":2}`];
  expect(stored).toHaveLength(ends.length);
  for (const [i, end] of ends.entries()) expect(stored[i]!.payload.endsWith(end)).toBe(true);
});
