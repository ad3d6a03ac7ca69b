/**
 * SIGTERM while readers hold streams open that never end by themselves: a live stream, a subscription's stream, a job
 * and a delivery, all under load. Each of them ends in its own way, in time, and goes on after the next start without a
 * hole.
 */
import { writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { LiveReader } from "../api/live-reader.ts";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { booksOf, lakeFaults, Load, TYPE } from "./load.ts";

const STOP_MS_MAX = 9_000; // stop.maxMs
const PRODUCERS = 3;
const DEADLINE_MS = 30_000;
/** A result for each event. */
const JOB = `CREATE JOB kept AS SELECT event_time, watermark, event_id AS id FROM fire_event
EMIT ON WINDOW CLOSE INTO lake kept_events`;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Notes ids of what is delivered; an answer takes a while. */
class Hook {
  readonly ids = new Set<string>();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async listen(): Promise<Hook> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { rows } = (
          JSON.parse(Buffer.concat(chunks).toString()) as { data: { rows: { event_id: string }[] } }
        ).data;
        setTimeout(() => {
          for (const { event_id: id } of rows) hook.ids.add(id);
          response.end();
        }, 50);
      });
    });
    const hook = new Hook(server);
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    cleanups.push(async () => {
      server.closeAllConnections();
      server.close();
    });
    return hook;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }
}

interface Batch {
  readonly cursor: object;
  readonly events?: readonly { readonly metadata: { readonly eid: string } }[];
}

/** Reads a subscription and commits each batch. */
class Consumer {
  readonly ids = new Set<string>();
  readonly #muara: MuaraProcess;
  readonly #path: string;
  /** @returns whether the stream ended by itself, by nobody's cut */
  readonly over: Promise<boolean>;

  constructor(muara: MuaraProcess, subscription: string) {
    this.#muara = muara;
    this.#path = `/subscriptions/${subscription}`;
    this.over = this.#read().then(
      () => true,
      () => false,
    );
  }

  async #read(): Promise<void> {
    const query = "batch_limit=50&batch_flush_timeout=1&max_uncommitted_events=100000";
    const answer = await this.#muara.fetch(`${this.#path}/events?${query}`);
    if (!answer.ok) throw new Error(await answer.text());
    const stream = answer.headers.get("x-nakadi-streamid")!;
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop()!;
      for (const line of lines) await this.#take(JSON.parse(line) as Batch, stream);
    }
    if (rest !== "") throw new Error(`it ends in the middle of a batch: ${rest.slice(0, 100)}`);
  }

  async #take({ cursor, events = [] }: Batch, stream: string): Promise<void> {
    for (const { metadata } of events) this.ids.add(metadata.eid);
    if (events.length === 0) return;
    await this.#muara
      .fetch(`${this.#path}/cursors`, {
        method: "POST",
        body: JSON.stringify({ items: [cursor] }),
        headers: { "x-nakadi-streamid": stream },
      })
      .catch(() => undefined); // then it comes again
  }
}

async function post(muara: MuaraProcess, path: string, body: object): Promise<Record<string, unknown>> {
  const answer = await muara.fetch(path, { method: "POST", body: JSON.stringify(body) });
  const text = await answer.text();
  expect([path, answer.status], text).toEqual([path, 201]);
  return JSON.parse(text || "{}") as Record<string, unknown>;
}

async function resultsOf(muara: MuaraProcess): Promise<readonly string[]> {
  return ((await muara.sql("SELECT id FROM kept_events")) as [string][]).map(([id]) => id);
}

test("live stream, subscription, job and delivery end with the process, in time, and go on whole", async () => {
  const folder = await temporaryFolder("stop-readers");
  cleanups.push(folder.remove);
  const data = join(folder.path, "data");
  const config = join(folder.path, "muara.config.ts");
  const hook = await Hook.listen();
  await writeFile(config, `export default ${JSON.stringify({ outgoing: { allow: [hook.address] } })};`);
  const begin = async (): Promise<MuaraProcess> => {
    const muara = await startMuara(data, { MUARA_LAND_COMMIT_MS: "200", MUARA_CONFIG: config });
    cleanups.push(() => muara.kill());
    return muara;
  };
  const muara = await begin();
  const load = new Load();
  await load.declare(muara);
  await post(muara, "/v1/jobs", { text: JOB });
  await post(muara, "/v1/deliveries", {
    name: "hook",
    table: TYPE,
    url: `http://${hook.address}/`,
    batch_rows: 50,
  });
  const { id } = await post(muara, "/subscriptions", {
    owning_application: "test",
    event_types: [TYPE],
    read_from: "begin",
  });
  const consumer = new Consumer(muara, String(id));
  const live = await LiveReader.open(`${muara.url}/v1/live?topics=now,tail:${TYPE}`, {
    authorization: `Bearer ${muara.token}`,
  });
  const producing = Array.from({ length: PRODUCERS }, async () => {
    while (await load.send(muara, 20, 200));
  });
  await eventually("all of them are at work", DEADLINE_MS, async () => {
    const isJobAtWork = (await resultsOf(muara).catch(() => [])).length > 0;
    return isJobAtWork && hook.ids.size > 0 && consumer.ids.size > 0 && live.of("tail").length > 0;
  });
  const startMs = performance.now();
  expect(await muara.stop()).toBe(0);
  const tookMs = performance.now() - startMs;
  await Promise.all(producing);
  expect(tookMs).toBeLessThanOrEqual(STOP_MS_MAX);
  expect(muara.log()).not.toContain("cut off");
  await eventually("the live stream is over", 1_000, async () => live.isOver);
  expect(live.of("bye")).toHaveLength(1);
  expect(await consumer.over).toBe(true);

  const again = await begin();
  expect((await booksOf(again)).in_flight).toBe(0); // landed before the end
  expect(await lakeFaults(again, load)).toEqual([]);
  const acknowledged = [...load.acknowledged];
  const rest = new Consumer(again, String(id));
  await eventually("the consumer has everything", DEADLINE_MS, async () =>
    acknowledged.every((one) => consumer.ids.has(one) || rest.ids.has(one)),
  );
  await eventually("everything is delivered", DEADLINE_MS, async () =>
    acknowledged.every((one) => hook.ids.has(one)),
  );
  await eventually("the job has everything", DEADLINE_MS, async () => {
    const ids = new Set(await resultsOf(again));
    return acknowledged.every((one) => ids.has(one));
  });
  const results = await resultsOf(again);
  expect(new Set(results).size).toBe(results.length);
  console.log(`stopped in ${Math.round(tookMs)} ms, ${acknowledged.length} events`);
  expect(await again.stop()).toBe(0);
}, 180_000);
