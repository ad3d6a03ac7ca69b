/** One client's stream by a clock of ours: heartbeats, four frames a second, and a client that takes nothing. */
import { expect, test } from "vitest";
import type { Principal } from "../../core/authorize.ts";
import { ManualClock } from "../../core/clock.ts";
import { FrameRing } from "../../api/live/frame-ring.ts";
import { liveStream, type LiveStream } from "../../api/live/live-stream.ts";
import type { NowChannel } from "../../api/live/now-channel.ts";
import type { TailChannel } from "../../api/live/tail-channel.ts";
import { LiveReader } from "./live-reader.ts";

const SLOW_MS = 5_000;
const RING_BYTES = 4_000_000;

function streamOf(now?: NowChannel): {
  clock: ManualClock;
  ring: FrameRing;
  stream: LiveStream;
  ended: () => number;
} {
  const clock = new ManualClock(0);
  const ring = new FrameRing(RING_BYTES);
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
