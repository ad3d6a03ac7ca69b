/**
 * Pulls against a remote that misbehaves: an HTTP server that says what the test has it say. What is asked of it, and
 * when, is the oracle; what a real remote does is test/e2e/pull.test.ts.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { afterEach, expect, test } from "vitest";
import { createOutgoing } from "../../../adapters/http/outgoing.ts";
import { seededRandomness, systemClock } from "../../../core/clock.ts";
import { silentLogger } from "../../../core/logger.ts";
import { declaredPullsSchema, pullsOf } from "../../../core/pull.ts";
import type { PulledBatch } from "../../../workers/ingest/pulled/take-pulled.ts";
import { createPullWorker, type PullWorker } from "../../../workers/pull/worker.ts";
import { handlingServer } from "../../services/handling-server.ts";

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly authorization: string | undefined;
  readonly streamId: string | undefined;
  readonly body: string;
}

interface Stand {
  readonly asked: Asked[];
  readonly taken: PulledBatch[];
  readonly worker: PullWorker;
  /** Each is used up by one stream; the last one stays. */
  readonly streams: Answer[];
  commit: Answer;
  take: (batch: PulledBatch, signal: AbortSignal) => Promise<void>;
  token: string;
  stop(): Promise<void>;
}

const SUBSCRIPTION = "11111111-2222-4333-8444-555555555555";
const LIFE: Answer = (_request, response) => {
  response.writeHead(200, { "X-Nakadi-StreamId": "s" }).flushHeaders();
};

async function stand(pull: Record<string, unknown> = {}): Promise<Stand> {
  const asked: Asked[] = [];
  const taken: PulledBatch[] = [];
  const streams: Answer[] = [];
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    const url = new URL(request.url!, "http://remote");
    asked.push({
      method: request.method!,
      path: url.pathname,
      query: url.searchParams,
      authorization: request.headers.authorization,
      streamId: request.headers["x-nakadi-streamid"] as string | undefined,
      body,
    });
    if (url.pathname === "/subscriptions") response.writeHead(201).end(JSON.stringify({ id: SUBSCRIPTION }));
    else if (url.pathname.endsWith("/cursors")) it.commit(request, response, body);
    else (streams.length > 1 ? streams.shift()! : (streams[0] ?? LIFE))(request, response, body);
  };
  const server = handlingServer(handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const outgoing = createOutgoing({ allow: ["127.0.0.1"] });
  const declared = declaredPullsSchema.parse({
    shop: {
      url: `http://127.0.0.1:${port}/`,
      token: { env: "REMOTE" },
      owningApplication: "lake",
      eventTypes: { there: "here" },
      ...pull,
    },
  });
  const worker = createPullWorker(
    {
      outgoing,
      readSecret: async () => it.token,
      take: async (batch, signal) => {
        await it.take(batch, signal);
        taken.push(batch);
        return { events: 1, refused: batch.fault ? 1 : 0 };
      },
      clock: systemClock,
      randomness: seededRandomness(5),
      logger: silentLogger,
    },
    pullsOf(declared),
  );
  const over = new AbortController();
  const running = worker.run(over.signal);
  const it: Stand = {
    asked,
    taken,
    worker,
    streams,
    commit: (_request, response) => void response.writeHead(204).end(),
    take: async () => {},
    token: "first",
    stop: async () => {
      over.abort();
      await running;
    },
  };
  cleanups.push(async () => {
    await it.stop();
    outgoing.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return it;
}

function line(offset: number, partition = "0", events = '[{"n":1}]'): string {
  const cursor = { partition, offset: String(offset), event_type: "there", cursor_token: "t" };
  return `{"cursor":${JSON.stringify(cursor)},"events":${events}}\n`;
}

function streamOf(...lines: string[]): Answer {
  return (request, response) => {
    LIFE(request, response, "");
    for (const one of lines) response.write(one);
  };
}

function refusal(status: number, headers: Record<string, string> = {}): Answer {
  return (_request, response) =>
    void response.writeHead(status, headers).end(JSON.stringify({ detail: "no" }));
}

async function until(what: string, check: () => boolean): Promise<void> {
  const endMs = performance.now() + 30_000;
  while (!check()) {
    if (performance.now() > endMs) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const commitsOf = ({ asked }: Stand): string[][] =>
  asked
    .filter(({ path }) => path.endsWith("/cursors"))
    .map(({ body }) =>
      (JSON.parse(body) as { items: { partition: string; offset: string }[] }).items.map(
        ({ partition, offset }) => `${partition}:${offset}`,
      ),
    );
const streamsOf = ({ asked }: Stand): Asked[] => asked.filter(({ path }) => path.endsWith("/events"));

test("the subscription is made, the stream opened, a batch taken and committed by its stream's id", async () => {
  const it = await stand({ batchEvents: 7, maxUncommittedEvents: 70, flushSeconds: 2, commitSeconds: 9 });
  it.streams.push(streamOf(line(3)));
  await until("commit", () => commitsOf(it).length > 0);
  expect(JSON.parse(it.asked[0]!.body)).toEqual({
    owning_application: "lake",
    event_types: ["there"],
    consumer_group: "muara",
    read_from: "begin",
  });
  expect(Object.fromEntries(streamsOf(it)[0]!.query)).toEqual({
    batch_limit: "7",
    max_uncommitted_events: "70",
    batch_flush_timeout: "2",
    commit_timeout: "9",
  });
  expect(it.taken).toMatchObject([
    {
      eventType: "here",
      partition: 0,
      origin: { pull: "shop", event_type: "there", partition: "0", offset: "3" },
    },
  ]);
  expect(commitsOf(it)).toEqual([["0:3"]]);
  expect(it.asked.at(-1)!.streamId).toBe("s");
  expect(it.asked.every(({ authorization }) => authorization === "Bearer first")).toBe(true);
});

test("nothing is committed before it is durable, and a partition keeps its order", async () => {
  const it = await stand();
  const done: (() => void)[] = [];
  it.take = () => new Promise((resolve) => done.push(resolve));
  it.streams.push(streamOf(line(1), line(2), line(9, "1")));
  await until("both partitions", () => done.length === 2);
  expect(commitsOf(it)).toEqual([]);
  done[1]!();
  await until("partition 1", () => commitsOf(it).length === 1);
  expect(commitsOf(it)).toEqual([["1:9"]]);
  expect(it.taken.length).toBe(1);
  done[0]!();
  await until("the next of partition 0", () => done.length === 3);
  done[2]!();
  await until("partition 0", () => commitsOf(it).at(-1)!.includes("0:2"));
  expect(it.taken.map(({ origin }) => origin.offset)).toEqual(["9", "1", "2"]);
});

test("a lost session is followed by a new stream at once", async () => {
  const it = await stand();
  it.commit = refusal(422);
  it.streams.push(streamOf(line(1)), streamOf(line(1)));
  await until("second stream", () => streamsOf(it).length >= 2);
  it.commit = (_request, response) => void response.writeHead(204).end();
  await until("streaming", () => it.worker.status()[0]!.commits >= 1);
  expect(it.worker.status()[0]!.state).toBe("streaming");
});

test("while others have all partitions it waits and asks again", async () => {
  const it = await stand();
  it.streams.push(refusal(409), streamOf(line(1)));
  await until("waiting", () => it.worker.status()[0]!.state === "waiting");
  await until("streaming", () => it.worker.status()[0]!.state === "streaming");
});

test("a token that was rotated counts; a commit is tried again with it", async () => {
  const it = await stand();
  let commits = 0;
  it.commit = (request, response) => {
    it.token = "second";
    const isNew = request.headers.authorization === "Bearer second";
    commits++;
    response.writeHead(isNew ? 204 : 401).end();
  };
  it.streams.push(streamOf(line(1)));
  await until("commit", () => it.worker.status()[0]!.events === 1 && commits >= 2);
  expect(streamsOf(it).length).toBe(1);
});

test("a subscription that is gone is made again", async () => {
  const it = await stand();
  it.streams.push(refusal(404), streamOf(line(1)));
  await until("commit", () => commitsOf(it).length > 0);
  expect(it.asked.filter(({ path }) => path === "/subscriptions").length).toBe(2);
});

test("a stream in gzip is read as it comes", async () => {
  const it = await stand();
  it.streams.push((_request, response) => {
    response.writeHead(200, { "X-Nakadi-StreamId": "s", "content-encoding": "gzip" });
    response.end(gzipSync(line(1) + line(2)));
  }, LIFE);
  await until("both", () => it.taken.length === 2);
});

test("what is silent for too long is given up", async () => {
  const it = await stand({ silenceMs: 2_000 });
  it.streams.push(streamOf(line(1)), streamOf(line(2)));
  await until("the second stream", () => it.taken.length === 2);
});

/** Whatever is asked for, there is a long event, and with one at a time another behind it. */
function tooLong(request: IncomingMessage, response: ServerResponse): void {
  const limit = Number(new URL(request.url!, "http://x").searchParams.get("batch_limit"));
  const events = `[${JSON.stringify({ long: "x".repeat(70_000) })}]`;
  streamOf(limit > 1 ? line(1, "0", events) : line(1, "0", events) + line(2))(request, response, "");
}

test("a batch that is too long comes again in smaller ones; an event that is too long is a dead letter", async () => {
  const it = await stand({ lineBytes: 65_536, batchEvents: 100 });
  it.streams.push(tooLong);
  await until("both", () => it.taken.length === 2);
  expect(streamsOf(it).map(({ query }) => query.get("batch_limit"))).toEqual(["100", "25", "6", "1"]);
  expect(it.taken[0]!.fault).toMatchObject({ code: "event.too_large" });
  expect(it.taken[0]!.events.length).toBeGreaterThan(60_000);
  expect(it.taken[1]!.fault).toBeUndefined();
  await until("commit", () => commitsOf(it).flat().includes("0:2"));
});

test("what is no Nakadi is told, and asked again ever more seldom", async () => {
  const it = await stand();
  it.streams.push(streamOf('{"hello":1}\n'));
  await until("a problem", () => (it.worker.status()[0]!.problem ?? "").includes("cursor"));
  expect(it.worker.status()[0]!.state).toBe("retrying");
  expect(it.taken).toEqual([]);
});

test("an event type that nobody mapped stops nothing silently", async () => {
  const it = await stand({ subscription: SUBSCRIPTION, owningApplication: undefined, eventTypes: ["other"] });
  it.streams.push(streamOf(line(1)));
  await until("a problem", () => (it.worker.status()[0]!.problem ?? "").includes('"there"'));
  expect(commitsOf(it)).toEqual([]);
});

test("no more is read than may be in memory", async () => {
  const it = await stand({ bufferBytes: 65_536 });
  let isOpen = false;
  const waiting: (() => void)[] = [];
  it.take = () => (isOpen ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve)));
  const events = `[${JSON.stringify({ long: "x".repeat(30_000) })}]`;
  it.streams.push(streamOf(...Array.from({ length: 12 }, (_, i) => line(i, String(i), events))));
  await until("the bound", () => waiting.length === 3);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(waiting.length).toBe(3); // the third reached it
  isOpen = true;
  for (const go of waiting) go();
  await until("the rest", () => it.taken.length === 12);
});

test("a stop commits what is under way before it hangs up", async () => {
  const it = await stand();
  let finish: (() => void) | undefined;
  it.take = () => new Promise((resolve) => (finish = resolve));
  let closedAt = Infinity;
  it.streams.push((request, response) => {
    response.on("close", () => (closedAt = it.asked.length));
    streamOf(line(4))(request, response, "");
  });
  await until("under way", () => finish !== undefined);
  const stopped = it.stop();
  finish!();
  await stopped;
  expect(commitsOf(it)).toEqual([["0:4"]]);
  await until("closed", () => closedAt < Infinity);
  expect(closedAt).toBe(it.asked.length);
});
