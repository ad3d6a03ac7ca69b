/** One client's stream by a clock of ours: heartbeats, four frames a second, and a client that takes nothing. */
import { expect, test } from "vitest";
import type { Principal } from "../../core/authorize.ts";
import { ManualClock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import { FrameRing } from "../../api/live/frame-ring.ts";
import { type LiveClient, liveStream, type LiveStream } from "../../api/live/live-stream.ts";
import type { NowChannel } from "../../api/live/now-channel.ts";
import type { TailChannel } from "../../api/live/tail-channel.ts";
import { LiveReader } from "./live-reader.ts";

const SLOW_MS = 5_000;
const RING_BYTES = 4_000_000;

function streamOf(
  now?: NowChannel,
  more: Partial<LiveClient> & { readonly frames?: readonly string[] } = {},
): {
  clock: ManualClock;
  ring: FrameRing;
  stream: LiveStream;
  ended: () => number;
} {
  const clock = new ManualClock(0);
  const ring = new FrameRing(RING_BYTES);
  for (const frame of more.frames ?? []) ring.push(frame);
  let ends = 0;
  const stream = liveStream({
    clock,
    epoch: "e",
    watched: { now, tails: [{ ring } as unknown as TailChannel] },
    principal: (): Principal => ({ id: "me", grants: [] }),
    lastEventId: undefined,
    slowMs: SLOW_MS,
    endMs: Infinity,
    onEnd: () => ends++,
    ...more,
  });
  return { clock, ring, stream, ended: () => ends };
}

/** Lets everything that waits for promises go on. */
async function advance(clock: ManualClock, ms: number): Promise<void> {
  for (let gone = 0; gone < ms; gone += 50) {
    clock.advance(50);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("comments come every 15 s where nothing else does", async () => {
  const { clock, stream } = streamOf();
  const reader = new LiveReader();
  void reader.read(stream.body);
  await advance(clock, 14_900);
  expect(reader.comments.length).toBe(1);
  await advance(clock, 400);
  expect(reader.comments.length).toBe(2);
  stream.end("done");
});

test("values of a gauge are told at most four times a second, the last one each time", async () => {
  const now = { sequence: 0, valueFor: () => ({ value: now.sequence }) };
  const { clock, stream } = streamOf(now as unknown as NowChannel);
  const reader = new LiveReader();
  void reader.read(stream.body);
  for (let at = 0; at < 100; at++) {
    now.sequence++;
    clock.advance(10);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const values = reader.of("now").map(({ data }) => (data as { value: number }).value);
  expect(values.length).toBeLessThanOrEqual(4);
  expect(values.length).toBeGreaterThanOrEqual(3);
  expect(values).toEqual(values.toSorted((a, b) => a - b));
  stream.end("done");
});

test("what a client does not take is not kept for it; then it is let go and told why", async () => {
  const { clock, ring, stream, ended } = streamOf();
  const frame = JSON.stringify({ filler: "x".repeat(50_000) });
  // Nobody reads: three frames fill what is kept.
  for (let at = 0; at < 40; at++) {
    ring.push(frame);
    await advance(clock, 100);
  }
  expect(ended()).toBe(0);
  await advance(clock, SLOW_MS);
  expect(ended()).toBe(1);
  const reader = new LiveReader();
  await reader.read(stream.body);
  const kept = reader.of("tail").reduce((sum, { data }) => sum + JSON.stringify(data).length, 0);
  expect(kept).toBeGreaterThan(50_000);
  expect(kept).toBeLessThan(350_000);
  expect(reader.frames.at(-1)).toMatchObject({ event: "bye", data: { code: "slow" } });
});

test("a client that was slow for a moment is told that it missed frames", async () => {
  const { clock, ring, stream } = streamOf();
  const frame = JSON.stringify({ filler: "x".repeat(140_000) });
  ring.push(frame);
  await advance(clock, 300);
  for (let at = 0; at < 60; at++) ring.push(frame);
  await advance(clock, 300);
  const reader = new LiveReader();
  void reader.read(stream.body);
  await advance(clock, 600);
  expect(reader.frames.map(({ event }) => event)).toEqual(["tail", "resync"]);
  stream.end("done");
});

test("a ring keeps the newest frames, and says what is gone", () => {
  const ring = new FrameRing(10);
  expect(ring.after(0)).toEqual([]);
  for (const text of ["aaaa", "bbbb", "cccc"]) ring.push(text);
  expect(ring.after(0)).toBeUndefined();
  expect(ring.after(1)!.map(({ text }) => text)).toEqual(["bbbb", "cccc"]);
  expect(ring.after(3)).toEqual([]);
  expect(ring.after(4)).toBeUndefined();
  expect([ring.behind(1), ring.behind(20)]).toEqual([2, 1]);
  ring.push("far too long for it");
  expect(ring.after(3)!.length).toBe(1);
  expect(ring.after(2)).toBeUndefined();
});

/** What one hears who comes with such a Last-Event-ID when three frames are there. */
async function heard(lastEventId: string | undefined): Promise<unknown[]> {
  const { clock, ring, stream } = streamOf(undefined, { frames: ["1", "2", "3"], lastEventId });
  const reader = new LiveReader();
  void reader.read(stream.body);
  await advance(clock, 300);
  ring.push("4");
  await advance(clock, 300);
  stream.end("done");
  return reader.frames.flatMap(({ event, data }) => {
    if (event === "bye") return [];
    return event === "tail" ? (data as { frames: unknown[] }).frames : [event];
  });
}

test.each([
  ["e-0", [1, 2, 3, 4]],
  ["e-2", [3, 4]],
  ["e-3", [4]],
])("after %s only what came since is told", async (id, expected) => {
  expect(await heard(id)).toEqual(expected);
});

test.each([
  "e-4",
  "f-2",
  "e",
  "e-2-2",
  "e-",
  "e-x",
  "e-NaN",
  "e--1",
  "e-1.5",
  "e-1e0",
  "e-Infinity",
  "",
  "2",
])("the place %j is not known: the client is told so, once, and gets what there is", async (id) => {
  expect(await heard(id)).toEqual(["resync", 1, 2, 3, 4]);
});

test("who comes for the first time is not told that he missed anything", async () => {
  expect(await heard(undefined)).toEqual([1, 2, 3, 4]);
});

test("who may not look any more hears why, gets nothing else, and his place is free, once", async () => {
  let isAllowed = true;
  const principal = (): Principal => {
    if (isAllowed) return { id: "me", grants: [] };
    throw new MuaraError("auth.invalid", "It was for an hour.");
  };
  let ends = 0;
  const { clock, ring, stream } = streamOf(undefined, { principal, onEnd: () => ends++ });
  const reader = new LiveReader();
  void reader.read(stream.body);
  await advance(clock, 300);
  isAllowed = false;
  ring.push('"secret"');
  await advance(clock, 300);
  expect(reader.frames).toMatchObject([{ event: "bye", data: { code: "auth.invalid" } }]);
  stream.end("again");
  await advance(clock, 300);
  expect([reader.isOver, reader.frames.length, ends]).toEqual([true, 1, 1]);
});

test("a stream ends when it was asked to, not before", async () => {
  const { clock, stream, ended } = streamOf(undefined, { endMs: 2_000 });
  const reader = new LiveReader();
  void reader.read(stream.body);
  await advance(clock, 1_900);
  expect(reader.isOver).toBe(false);
  await advance(clock, 400);
  expect([reader.isOver, reader.frames.map(({ data }) => (data as { code: string }).code)]).toEqual([
    true,
    ["over"],
  ]);
  expect(ended()).toBe(1);
});

test("a client that goes away frees its place, and nothing is written for it any more", async () => {
  const { clock, ring, stream, ended } = streamOf();
  await advance(clock, 300);
  await stream.body.cancel();
  expect(ended()).toBe(1);
  ring.push("1");
  await advance(clock, 1_000);
  expect(ended()).toBe(1);
});
