/** What waits for a receiver is bounded: the rest is dropped and counted, and whoever works never waits. */
import { expect, test } from "vitest";
import { ManualClock, seededRandomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import { createLineage, type LineageOptions } from "../../core/lineage-sender.ts";
import { createLogger, silentLogger } from "../../core/logger.ts";
import type { Lineage } from "../../core/ports/lineage.ts";

const QUEUE = 5;
const BATCH = 3;

const nothing = (): void => undefined;
const name = (text: string): { namespace: string; name: string } => ({ namespace: "n", name: text });

test(`${QUEUE} events wait, one more is dropped; a batch that is sent makes room`, async () => {
  const batches: string[][] = [];
  let take = nothing;
  const lineage = createLineage(
    { clock: new ManualClock(0), randomness: seededRandomness(1), logger: silentLogger },
    {
      namespace: "n",
      producer: "https://example.org/",
      queue: QUEUE,
      batch: BATCH,
      places: { stream: name, table: name, extract: name },
      send: (events) => {
        batches.push([...events]);
        return new Promise<void>((done) => (take = done));
      },
    },
  );
  const figures = (): Record<string, number> =>
    Object.fromEntries(
      lineage
        .samples()
        .map((sample) => [sample.name.replace("muara_lineage_", ""), (sample as { value: number }).value]),
    );
  const tell = (count: number): void => {
    for (let i = 0; i < count; i++) lineage.start({ name: `j${i}`, kind: "LANDING" }, [], []);
  };
  tell(QUEUE);
  expect(figures()).toEqual({ sent: 0, dropped: 0, waiting: QUEUE });
  tell(1);
  expect(figures()).toEqual({ sent: 0, dropped: 1, waiting: QUEUE });
  await expect.poll(() => batches.length).toBe(1);
  // A batch that is under way waits no more.
  expect(figures()).toEqual({ sent: 0, dropped: 1, waiting: QUEUE - BATCH });
  tell(BATCH + 1);
  expect(figures()).toEqual({ sent: 0, dropped: 2, waiting: QUEUE });
  for (let batch = 1; batch <= 3; batch++) {
    await expect.poll(() => batches.length).toBe(batch);
    take();
  }
  await expect.poll(() => figures()["sent"]).toBe(QUEUE + BATCH);
  expect(batches.map(({ length }) => length)).toEqual([3, 3, 2]);
  await lineage.close();
  tell(1);
  expect(figures()).toEqual({ sent: QUEUE + BATCH, dropped: 3, waiting: 0 });
});

type Send = LineageOptions["send"];

interface Told {
  readonly eventType: string;
  readonly eventTime: string;
  readonly run: { readonly runId: string; readonly facets: { errorMessage?: { message: string } } };
}

function senderOf(send: Send): {
  clock: ManualClock;
  lineage: Lineage;
  lines: string[];
  figures: () => number[];
} {
  const clock = new ManualClock(1_000);
  const lines: string[] = [];
  const logger = createLogger(
    (line) => lines.push((JSON.parse(line) as { message: string }).message),
    "info",
    () => 0,
  );
  const places = { stream: name, table: name, extract: name };
  const options = {
    namespace: "n",
    producer: "https://example.org/",
    queue: QUEUE,
    batch: BATCH,
    places,
    send,
  };
  const lineage = createLineage({ clock, randomness: seededRandomness(1), logger }, options);
  return {
    clock,
    lineage,
    lines,
    figures: () => lineage.samples().map((one) => (one as { value: number }).value),
  };
}

const start = (lineage: Lineage, beganMs?: number): ReturnType<Lineage["start"]> =>
  lineage.start({ name: "j", kind: "LANDING" }, [], [], beganMs);

/** Lets everything that waits for promises go on. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("what is refused is sent three times, then dropped; both ends of the trouble are told once", async () => {
  let isRefusing = true;
  const attemptsMs: number[] = [];
  const { clock, lineage, lines, figures } = senderOf(async () => {
    attemptsMs.push(clock.monotonicMs());
    if (isRefusing) throw new MuaraError("outgoing.failed", "no");
  });
  start(lineage);
  start(lineage);
  for (let at = 0; at < 60; at++) {
    await turn();
    clock.advance(50);
  }
  expect(attemptsMs).toEqual([1_000, 1_500, 2_500]);
  expect(figures()).toEqual([0, 2, 0]);
  isRefusing = false;
  start(lineage);
  await turn();
  expect(figures()).toEqual([1, 2, 0]);
  start(lineage);
  await turn();
  expect(lines).toEqual(["lineage is not taken", "lineage is taken again"]);
  await lineage.close();
});

test("a receiver that never answers keeps a stop for a second, and what waits is dropped and counted", async () => {
  const { clock, lineage, figures } = senderOf(
    (_, signal) =>
      new Promise((_done, reject) => signal.addEventListener("abort", () => reject(new Error("aborted")))),
  );
  for (let i = 0; i < QUEUE; i++) start(lineage);
  await turn();
  let isClosed = false;
  const closing = lineage.close().then(() => (isClosed = true));
  clock.advance(999);
  await turn();
  expect(isClosed).toBe(false);
  clock.advance(1);
  await closing;
  expect(figures()).toEqual([0, QUEUE, 0]);
});

test("what comes in any moment around the end of a batch is sent without another one behind it", async () => {
  for (let ticks = 0; ticks < 12; ticks++) {
    const { lineage, figures } = senderOf(async () => {
      void (async () => {
        if (figures()[0]! > 0) return;
        for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
        start(lineage);
      })();
    });
    start(lineage);
    await turn();
    expect([ticks, ...figures()]).toEqual([ticks, 2, 0, 0]);
    await lineage.close();
  }
});

test("a run is told from its beginning to its one end, without what somebody sent", async () => {
  const told: Told[] = [];
  const { clock, lineage } = senderOf(async (events) => {
    told.push(...events.map((text) => JSON.parse(text) as Told));
  });
  const ends: ((run: ReturnType<typeof start>) => void)[] = [
    (run) => run.complete([], []),
    (run) => run.abort(),
    (run) => run.fail(new MuaraError("store.full", "no room")),
    (run) => run.fail(new Error("could not cast 'canary'")),
  ];
  for (const end of ends) {
    const run = start(lineage, 400);
    clock.advance(10);
    end(run);
    end(run);
    await turn();
  }
  expect(told.map(({ eventType }) => eventType)).toEqual(
    ["COMPLETE", "ABORT", "FAIL", "FAIL"].flatMap((end) => ["START", end]),
  );
  expect(told.map(({ eventTime }) => Date.parse(eventTime))).toEqual([
    400, 1_010, 400, 1_020, 400, 1_030, 400, 1_040,
  ]);
  expect(new Set(told.map(({ run }) => run.runId)).size).toBe(4);
  for (let at = 0; at < told.length; at += 2) expect(told[at]!.run.runId).toBe(told[at + 1]!.run.runId);
  expect(told.map(({ run }) => run.facets.errorMessage?.message).filter(Boolean)).toEqual([
    "store.full: no room",
    "internal",
  ]);
  await lineage.close();
});
