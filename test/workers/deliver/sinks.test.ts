/** The conformance suite of sinks over webhooks and logs; over a real broker it is in test/adapters/kafka. */
import { afterEach, describe, expect, test } from "vitest";
import { createWebhookSink } from "../../../adapters/http/webhook-sink.ts";
import { createMemoryLog } from "../../../adapters/memory/log.ts";
import { ManualClock, seededRandomness, systemClock } from "../../../core/clock.ts";
import { MuaraError } from "../../../core/errors.ts";
import type { Log } from "../../../core/ports/log.ts";
import { packRecords } from "../../../core/record.ts";
import { openLogSink } from "../../../workers/deliver/log-sink.ts";
import { batchOf, SINK_CASES, type SinkPlace } from "../../conformance/sink.ts";
import { streamRows } from "./stream-rows.ts";
import { startReceiver } from "./receiver.ts";

const SECRET = Buffer.alloc(32, 9).toString("base64");
const never = new AbortController().signal;
const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function memoryLog(): Log {
  return createMemoryLog({ clock: new ManualClock(1_772_366_400_000), randomness: seededRandomness(1) });
}

/** The sink's own log stays open: others are opened over it. */
function shared(log: Log): Log {
  return Object.assign(Object.create(log) as Log, {
    close: async () => {},
    append: log.append.bind(log),
    read: log.read.bind(log),
    bounds: log.bounds.bind(log),
    stream: log.stream.bind(log),
    createStream: log.createStream.bind(log),
  });
}

const PLACES: readonly [string, () => Promise<SinkPlace>][] = [
  [
    "webhook",
    async () => {
      const receiver = await startReceiver(SECRET);
      cleanups.push(() => receiver.stop());
      return {
        open: async () =>
          createWebhookSink(
            { outgoing: receiver.outgoing, clock: systemClock },
            { url: receiver.url, secret: SECRET, timeoutMs: 5_000 },
          ),
        // A receiver keeps what comes under an id once.
        rows: async () => {
          const byId = new Map(receiver.received.map((one) => [one.id, one.rows]));
          return [...byId.values()].flat().map((row) => JSON.stringify(row));
        },
      };
    },
  ],
  [
    "log",
    async () => {
      const log = memoryLog();
      await log.createStream("out", { partitions: 3, cleanup: "delete", retentionMs: 1_000_000 });
      return { open: () => openLogSink(shared(log), "out", "d"), rows: () => streamRows(log, "out") };
    },
  ],
];

describe.each(PLACES)("%s", (_kind, open) => {
  test.each(SINK_CASES)("%s", async (_name, run) => run(await open()));
});

test("what a log may have stored is not stored twice, and the rest is", async () => {
  const log = memoryLog();
  await log.createStream("out", { partitions: 2, cleanup: "delete", retentionMs: 1_000_000 });
  const chance = seededRandomness(4);
  const moody = shared(log);
  moody.append = async (...args) => {
    const dice = chance.fraction();
    if (dice < 0.2) throw new MuaraError("log.append_unknown", "lost on the way");
    const appended = await log.append(...args);
    if (dice < 0.4) throw new MuaraError("log.append_unknown", "stored, and not answered");
    return appended;
  };
  let sink = await openLogSink(moody, "out", "d");
  for (let from = 0; from < 100; from += 5)
    while ((await sink.write(batchOf(from, from + 5), never)).outcome !== "taken")
      if (chance.fraction() < 0.5) sink = await openLogSink(moody, "out", "d");
  const rows = (await streamRows(log, "out")).map((row) => (JSON.parse(row) as { n: number }).n);
  expect(rows.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, n) => n));
});

test("two that write the same at the same time write it once", async () => {
  const log = memoryLog();
  await log.createStream("out", { partitions: 2, cleanup: "delete", retentionMs: 1_000_000 });
  const sinks = await Promise.all([1, 2, 3].map(() => openLogSink(shared(log), "out", "d")));
  for (let from = 0; from < 40; from += 4)
    await Promise.all(
      sinks.map(async (sink, i) => {
        // Other bounds of batches, as after a change of the configuration.
        const to = from + 4 + (i === 1 ? 3 : 0);
        while ((await sink.write(batchOf(from, to), never)).outcome !== "taken");
      }),
    );
  const rows = (await streamRows(log, "out")).map((row) => (JSON.parse(row) as { n: number }).n);
  expect(rows.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 43 }, (_, n) => n));
});

test("who comes second with a number writes what the first one did not", async () => {
  const log = memoryLog();
  await log.createStream("out", { partitions: 1, cleanup: "delete", retentionMs: 1_000_000 });
  const [first, second] = await Promise.all([1, 2].map(() => openLogSink(shared(log), "out", "d")));
  await first!.write(batchOf(0, 1), never);
  await second!.write(batchOf(0, 1), never);
  await first!.write(batchOf(1, 2), never);
  await second!.write(batchOf(1, 5), never);
  await first!.write(batchOf(2, 6), never);
  expect(await streamRows(log, "out")).toEqual(batchOf(0, 6).rows.map(({ json }) => json));
});

test("what others write between does not matter; a record that is too long is refused", async () => {
  const log = memoryLog();
  await log.createStream("out", { partitions: 1, cleanup: "delete", retentionMs: 1_000_000 });
  const sink = await openLogSink(shared(log), "out", "d");
  await sink.write(batchOf(0, 3), never);
  for (let i = 0; i < 300; i++)
    await log.append(
      "out",
      0,
      packRecords([{ payload: new TextEncoder().encode("x"), header: '{"other":1}' }]),
    );
  await sink.write(batchOf(3, 5), never);
  const again = await openLogSink(shared(log), "out", "d");
  await again.write(batchOf(0, 6), never);
  const rows = (await streamRows(log, "out")).filter((row) => row !== "x");
  expect(rows).toEqual(batchOf(0, 6).rows.map(({ json }) => json));
  const narrow = shared(log);
  narrow.append = async () => {
    throw new MuaraError("log.batch_too_large", "more than the stream takes");
  };
  const refused = await (await openLogSink(narrow, "out", "d")).write(batchOf(6, 7), never);
  expect(refused).toEqual({ outcome: "refused", reason: "more than the stream takes" });
});
