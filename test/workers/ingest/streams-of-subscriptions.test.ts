/**
 * Streams of subscriptions and their commits: Nakadi's `HilaAT`, line by line, over every kind of log.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Grant } from "../../../core/authorize.ts";
import { offsetText } from "../../../workers/ingest/cursors/offset-text.ts";
import { Consumers } from "./consumers.ts";
import type { Door } from "./door.ts";
import { apart, call, closeDoor, doorOver, LOG_KINDS, pass, until } from "./nakadi.ts";

const grant = (name: string): Grant => ({ action: "read", kind: "event_type", name });

describe.each(LOG_KINDS)("$name", (kind) => {
  let door: Door;
  let at: Consumers;
  beforeAll(async () => {
    door = await doorOver(kind);
    at = new Consumers(door);
  });
  afterAll(async () => {
    await closeDoor(door);
    await kind.clean();
  });

  test("goes on behind the last commit", async () => {
    const name = await at.type();
    await at.publish(name, 4);
    const id = await at.subscription([name]);
    const first = await at.stream(id, "stream_limit=2");
    await first.gets(2);
    expect(await at.commit(id, first.streamId, [first.full[0]!.cursor])).toEqual({
      status: 204,
      body: undefined,
    });
    await at.commitLast(id, first);
    await first.ends();
    expect(first.notes).toEqual(["Stream started", "Stream limit in events reached: 2"]);
    const second = await at.stream(id);
    await second.gets(2);
    expect(second.events.map(({ number }) => number)).toEqual([2, 3]);
    expect(second.full[0]!.cursor).toEqual({
      partition: "0",
      offset: offsetText(2),
      event_type: name,
      cursor_token: expect.any(String),
    });
    await second.leave();
  });

  test("without events the first cursor is before everything; the first event can be committed", async () => {
    const name = await at.type();
    const id = await at.subscription([name]);
    expect(await at.cursors(id)).toEqual({ 0: "001-0001--1" });
    const client = await at.stream(id, "batch_flush_timeout=1");
    await until(door.clock, () => client.batches.length > 0);
    expect(client.batches[0]!.cursor.offset).toBe("001-0001--1");
    expect(client.batches[0]!.events).toBeUndefined();
    await at.publish(name, 1);
    await client.gets(1);
    await at.commitLast(id, client);
    expect(await at.cursors(id)).toEqual({ 0: offsetText(0) });
    await client.leave();
  });

  test("no more than the window without commits; a part of it makes room for as many", async () => {
    const name = await at.type();
    await at.publish(name, 15);
    const id = await at.subscription([name]);
    const client = await at.stream(id, "batch_limit=1&max_uncommitted_events=5");
    await client.gets(5);
    await pass(door.clock, 2_000);
    expect(client.full).toHaveLength(5);
    await at.commitLast(id, client);
    await client.gets(10);
    await pass(door.clock, 2_000);
    expect(client.full).toHaveLength(10);
    await at.commit(id, client.streamId, [client.full[6]!.cursor]);
    await client.gets(12);
    await pass(door.clock, 2_000);
    expect(client.full).toHaveLength(12);
    await client.leave();
  });

  test("without a commit in time the stream is closed and says so; the events come again", async () => {
    const name = await at.type();
    await at.publish(name, 2);
    const id = await at.subscription([name]);
    const client = await at.stream(id, "batch_limit=2&commit_timeout=1");
    await client.ends();
    expect(client.notes).toEqual(["Stream started", "Commit timeout reached"]);
    expect(client.batches.at(-1)!.events).toBeUndefined();
    const again = await at.stream(id, "batch_limit=2");
    expect((await again.gets(1))[0]!.events).toHaveLength(2);
    await again.leave();
  });

  test("at its timeout what is there is sent, then the reason", async () => {
    const name = await at.type();
    const id = await at.subscription([name]);
    const client = await at.stream(id, "batch_limit=10&stream_timeout=3");
    await at.publish(name, 2);
    await client.ends();
    expect(client.batches.map(({ events, info }) => [events?.length, info?.debug])).toEqual([
      [2, "Stream started"],
      [undefined, "Stream timeout reached"],
    ]);
  });

  test("what was sent can be committed after the client has gone; then the place is free", async () => {
    const name = await at.type();
    await at.publish(name, 2);
    const id = await at.subscription([name]);
    const client = await at.stream(id, "batch_limit=1&stream_limit=2&stream_timeout=1");
    await client.gets(2);
    const cursor = client.full[1]!.cursor;
    await client.leave();
    await pass(door.clock, 3_000);
    expect(await at.commit(id, client.streamId, [cursor])).toEqual({ status: 204, body: undefined });
    await until(door.clock, () => at.isIdle(id));
    expect((await at.commit(id, client.streamId, [cursor])).status).toBe(422);
    const next = await at.stream(id);
    await until(door.clock, async () => (await at.shares(id))[next.streamId] !== undefined);
    await next.leave();
  });

  test("a client that has gone without commits keeps its partition until the commit timeout", async () => {
    const name = await at.type();
    await at.publish(name, 1);
    const id = await at.subscription([name]);
    const gone = await at.stream(id, "commit_timeout=5");
    await gone.gets(1);
    await gone.leave();
    const next = await at.stream(id, "batch_flush_timeout=1");
    await pass(door.clock, 3_000);
    expect(next.batches).toEqual([]);
    expect((await at.stats(id))[0]!.partitions[0]!).toMatchObject({ state: "reassigning" });
    await next.gets(1);
    expect(next.events.map(({ number }) => number)).toEqual([0]);
    await next.leave();
  });

  test("batch limit and flush timeout", async () => {
    const name = await at.type();
    await at.publish(name, 12);
    const id = await at.subscription([name]);
    const client = await at.stream(id, "batch_limit=5&batch_flush_timeout=1&max_uncommitted_events=20");
    await client.gets(3);
    expect(client.full.map(({ events }) => events!.length)).toEqual([5, 5, 2]);
    await client.leave();
  });

  test("keep-alives end a stream, with the reason", async () => {
    const id = await at.subscription([await at.type(2)]);
    const client = await at.stream(id, "batch_flush_timeout=1&stream_keep_alive_limit=3");
    await client.ends();
    expect(client.batches.length).toBeGreaterThanOrEqual(6);
    expect(client.notes.at(-1)).toBe("All partitions reached keepAlive limit");
  });

  test("no slot: 409; the server notices that a client has gone, and the place is free", async () => {
    const id = await at.subscription([await at.type()]);
    const client = await at.stream(id);
    await until(door.clock, async () => Object.keys(await at.shares(id)).length === 1);
    const refused = await at.ask(id);
    expect(refused.status).toBe(409);
    expect(await refused.json()).toMatchObject({ code: "subscription.no_slot", title: expect.any(String) });
    await client.leave();
    const next = await at.stream(id, "batch_flush_timeout=1");
    await until(door.clock, () => next.batches.length > 0);
    await next.leave();
  });

  test("an endless stream with all parameters at zero, asked for by POST", async () => {
    const name = await at.type();
    const id = await at.subscription([name]);
    const body = {
      batch_limit: 1,
      stream_limit: 0,
      batch_flush_timeout: 0,
      batch_timespan: 0,
      stream_timeout: 0,
      commit_timeout: 0,
      stream_keep_alive_limit: 0,
    };
    const client = await at.stream(id, "", { body });
    await pass(door.clock, 100_000);
    expect(client.isOver).toBe(false);
    await at.publish(name, 1);
    await client.gets(1);
    await client.leave();
  });

  test("an old cursor: 200 with what became of each", async () => {
    const name = await at.type(2);
    await at.publish(name, 2);
    await at.publish(name, 1, 0, 1);
    const id = await at.subscription([name]);
    const client = await at.stream(id);
    await client.gets(3);
    const cursor = (
      partition: number,
      offset: number,
    ): { event_type: string; partition: string; offset: string } => ({
      event_type: name,
      partition: String(partition),
      offset: offsetText(offset),
    });
    const items = [cursor(0, 0), cursor(1, 0)];
    expect((await at.commit(id, client.streamId, [items[1]!])).status).toBe(204);
    expect(await at.commit(id, client.streamId, items)).toEqual({
      status: 200,
      body: {
        items: [
          { cursor: items[0], result: "committed" },
          { cursor: items[1], result: "outdated" },
        ],
      },
    });
    expect(await at.cursors(id)).toEqual({ 0: offsetText(0), 1: offsetText(0) });
    await client.leave();
  });

  test("commits that are wrong", async () => {
    const name = await at.type(2);
    await at.publish(name, 2);
    const id = await at.subscription([name]);
    const client = await at.stream(id);
    await client.gets(2);
    const { cursor } = client.full[0]!;
    const stream = client.streamId;
    expect((await at.commit(id, stream, [])).status).toBe(422);
    expect((await at.commit(id, "00000000-0000-4000-8000-000000000000", [cursor])).status).toBe(422);
    expect((await at.commit(id, stream, [{ ...cursor, partition: "2" }])).status).toBe(422);
    expect((await at.commit(id, stream, [{ ...cursor, event_type: "none" }])).status).toBe(422);
    expect((await at.commit(id, stream, [{ ...cursor, offset: "x" }])).status).toBe(422);
    expect((await at.commit(id, stream, [{ ...cursor, offset: offsetText(2) }])).status).toBe(422);
    const path = `/subscriptions/${id}/cursors`;
    expect((await call(door, "POST", path, { items: [cursor] })).status).toBe(400);
    expect((await call(door, "POST", path, "x", { "x-nakadi-streamid": stream })).status).toBe(400);
    expect((await call(door, "POST", "/subscriptions/x/cursors", { items: [cursor] })).status).toBe(404);
    expect(await at.cursors(id)).toMatchObject({ 0: "001-0001--1" });
    await client.leave();
  });

  test.each([
    ["batch_limit=0", 422],
    ["max_uncommitted_events=0", 422],
    ["commit_timeout=61", 422],
    ["commit_timeout=-1", 422],
    ["batch_limit=x", 400],
  ])("parameters %s: %i", async (query, status) => {
    const id = await at.subscription([await at.type()]);
    expect((await at.ask(id, query)).status).toBe(status);
    expect((await at.ask("none", query)).status).toBe(404);
  });

  test("who may not read an event type gets no stream, and loses the one that is open", async () => {
    const [one, other] = [await at.type(), await at.type()];
    const id = await at.subscription([one, other]);
    const half = await door.token([grant(one)]);
    expect((await at.ask(id, "", { token: half })).status).toBe(403);
    const whole = await door.token([grant(one), grant(other)]);
    const client = await at.stream(id, "batch_flush_timeout=1", { token: whole });
    await until(door.clock, () => client.batches.length > 0);
    await door.registry.put("token", whole.split("_")[1]!, 1, null);
    await client.ends();
    expect(client.notes.at(-1)).toBe("Access was withdrawn: The token is not known here.");
    await until(door.clock, () => at.isIdle(id));
  });

  test("a reset ends streams and moves cursors, back too, by offset and by time", async () => {
    const name = await at.type(2);
    await at.publish(name, 5);
    const midMs = await apart(kind, door.clock, 60_000);
    await at.publish(name, 5, 5);
    const id = await at.subscription([name]);
    const client = await at.stream(id, "batch_limit=10");
    await client.gets(1);
    await at.commitLast(id, client);
    const reset = async (items: unknown): Promise<number> =>
      (await call(door, "PATCH", `/subscriptions/${id}/cursors`, { items })).status;
    expect(await reset([{ event_type: name, partition: "0", offset: offsetText(2) }])).toBe(204);
    await client.ends();
    expect(client.notes.at(-1)).toBe("The cursors were reset");
    const { cursor } = client.full.at(-1)!;
    expect((await at.commit(id, client.streamId, [cursor])).status).toBe(422);
    expect(await at.cursors(id)).toEqual({ 0: offsetText(2), 1: "001-0001--1" });
    const second = await at.stream(id, "batch_limit=7");
    await second.gets(1);
    expect(second.events.map(({ number }) => number)).toEqual([3, 4, 5, 6, 7, 8, 9]);
    expect(await reset([{ timestamp: new Date(midMs).toISOString() }])).toBe(204);
    await second.ends();
    expect(await at.cursors(id)).toEqual({ 0: offsetText(4), 1: "001-0001--1" });
    expect(await reset([{ event_type: name, partition: "0", offset: "BEGIN" }])).toBe(204);
    expect(await at.cursors(id)).toMatchObject({ 0: "001-0001--1" });
    expect(await reset([])).toBe(204);
    for (const wrong of [
      [{ event_type: name, partition: "7", offset: "BEGIN" }],
      [{ event_type: name, partition: "0", offset: offsetText(10) }],
      [{ event_type: name, partition: "0", timestamp: "yesterday" }],
      "none",
    ])
      expect(await reset(wrong)).toBe(422);
  });

  test("stats: states, what is left, and since when", async () => {
    const [one, other] = [await at.type(2), await at.type()];
    await at.publish(one, 3);
    const id = await at.subscription([one, other]);
    door.clock.advance(90_000);
    const idle = { state: "unassigned", stream_id: "", consumer_lag_seconds: 0 };
    const stats = await at.stats(id, "show_time_lag=true");
    expect(stats.map(({ event_type }) => event_type)).toEqual([one, other].toSorted());
    expect(stats.find(({ event_type }) => event_type === one)!.partitions).toEqual([
      { ...idle, partition: "0", unconsumed_events: 3, consumer_lag_seconds: expect.any(Number) },
      { ...idle, partition: "1", unconsumed_events: 0 },
    ]);
    const lag = stats.find(({ event_type }) => event_type === one)!.partitions[0]!.consumer_lag_seconds!;
    expect(lag).toBeGreaterThanOrEqual(90);
    const direct = { partitions: [{ event_type: one, partition: "0" }] };
    const [client, rest] = [await at.stream(id, "", { body: direct }), await at.stream(id)];
    await client.gets(3);
    await at.commitLast(id, client);
    const now = await at.stats(id);
    const partitions = now.find(({ event_type }) => event_type === one)!.partitions;
    expect(partitions[0]).toEqual({
      partition: "0",
      state: "assigned",
      stream_id: client.streamId,
      assignment_type: "direct",
      unconsumed_events: 0,
    });
    expect(partitions[1]).toMatchObject({ stream_id: rest.streamId, assignment_type: "auto" });
    await client.leave();
    await rest.leave();
  });

  test("a deleted subscription ends its streams", async () => {
    const name = await at.type();
    const id = await at.subscription([name]);
    const client = await at.stream(id, "batch_flush_timeout=1");
    await until(door.clock, () => client.batches.length > 0);
    expect((await call(door, "DELETE", `/subscriptions/${id}`)).status).toBe(204);
    await client.ends();
    expect(client.notes.at(-1)).toBe("The subscription was deleted");
    expect((await at.ask(id)).status).toBe(404);
    await at.publish(name, 2);
    const anew = await at.subscription([name], { read_from: "end" });
    expect(await at.cursors(anew)).toEqual({ 0: offsetText(1) });
  });

  test("all event types at once, also those that are declared later", async () => {
    const own = await doorOver(kind);
    const there = new Consumers(own);
    const one = await there.type();
    const id = await there.subscription(["*"]);
    const client = await there.stream(id, "batch_flush_timeout=1&max_uncommitted_events=100");
    await there.publish(one, 1);
    await client.getsEvents(1);
    const later = await there.type(2);
    await there.publish(later, 2, 0, 1);
    await client.getsEvents(3);
    expect(new Set(client.full.map(({ cursor }) => cursor.event_type))).toEqual(new Set([one, later]));
    expect((await there.commit(id, client.streamId, [client.full.at(-1)!.cursor])).status).toBe(204);
    const reader = await own.token([{ action: "read", kind: "event_type", name: one }]);
    expect((await there.ask(id, "", { token: reader })).status).toBe(403);
    await client.leave();
    await own.subscriptions.close();
    await own.log.close();
  });
});
