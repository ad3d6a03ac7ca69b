/**
 * A transaction whose commit is in the log, told to us, and that nobody sees yet: it waits for a standby that does not
 * come. What a copy reads then is older than what it has handed over.
 */
import { afterAll, beforeAll, beforeEach, afterEach, expect, it } from "vitest";
import type { Client } from "pg";
import { openCopy } from "../../../adapters/pg/copy.ts";
import { systemClock } from "../../../core/clock.ts";
import { createLogger } from "../../../core/logger.ts";
import type { SourceCopy } from "../../../core/ports/source-copy.ts";
import type { SourceStream } from "../../../core/ports/source.ts";
import { CopyRun } from "../../../workers/capture/copy-run.ts";
import { openReplication } from "../../../adapters/pg/replication.ts";
import { startPostgres, type PostgresServer } from "../../services/postgres.ts";
import {
  type ChangeEvent,
  eventsOf,
  INCARNATION,
  LIMITS,
  makePlace,
  type Place,
} from "./replication-place.ts";

const readSecret = (): Promise<string> => Promise.resolve("");
const logger = createLogger(
  () => undefined,
  "error",
  () => 0,
);
let server: PostgresServer;
let place: Place;
let writer: Client;
let names = 0;

beforeAll(async () => {
  server = await startPostgres();
  place = await makePlace(
    server,
    `create table t (id int primary key, v int, big text);
     alter table t alter column big set storage external;`,
  );
  writer = await server.connect(place.address.database);
  await writer.query("set synchronous_commit = local");
}, 60_000);

afterAll(() => server?.stop());

beforeEach(async () => {
  await writer.query("truncate t");
  await writer.query("insert into t select n, 0, repeat('x', 5000) from generate_series(1, 3) n");
});

afterEach(() => standby(""));

async function standby(name: string): Promise<void> {
  await writer.query(`alter system set synchronous_standby_names = '${name}'`);
  await writer.query("select pg_reload_conf()");
  const deadline = performance.now() + 20_000;
  const other = await server.connect(place.address.database);
  while (
    (
      (await other.query("show synchronous_standby_names")).rows[0] as object & {
        synchronous_standby_names: string;
      }
    ).synchronous_standby_names !== name
  )
    expect(performance.now()).toBeLessThan(deadline);
  await other.end();
}

interface Capture {
  readonly events: ChangeEvent[];
  readonly run: CopyRun;
  readonly stream: SourceStream;
  end(): Promise<void>;
}

async function newSlot(): Promise<string> {
  const slot = `u${++names}`;
  await place.slot(slot);
  return slot;
}

/** @param from everything before it was handed over by somebody else */
async function capture(copy: SourceCopy, slot: string, from: bigint): Promise<Capture> {
  const stream = await openReplication(
    place.address,
    { readSecret, clock: systemClock },
    {
      slot,
      publications: ["muara"],
      cursor: String(from),
      shard: "s",
      incarnation: 7,
      bind: place.bind,
      limits: LIMITS,
    },
  );
  const stop = new AbortController();
  const run = new CopyRun({
    copy,
    from,
    tables: [
      {
        name: "public.t",
        table: { schema: "public", name: "t", shard: "s", incarnation: INCARNATION, bind: place.bind },
        progress: {
          eventType: "public.t",
          partition: 0,
          copy: "waiting",
          copiedTo: null,
          copiedRows: 0,
          completeAt: null,
        },
      },
    ],
    chunkRows: 100,
    chunkBytes: 1_000_000,
    save: () => Promise.resolve(),
    ask: () => stream.ask(),
    clock: systemClock,
    logger,
  });
  const events: ChangeEvent[] = [];
  const reading = (async () => {
    for (let batch = await stream.next(); batch; batch = await stream.next()) {
      const woven = await run.weave(batch);
      for (const parts of woven.groups) events.push(...eventsOf({ ...batch, parts }));
      run.durable(woven);
    }
  })();
  const end = async (): Promise<void> => {
    stop.abort();
    await stream.close();
    await Promise.all([reading, running]);
  };
  const running = run.run(stop.signal);
  return { events, run, stream, end };
}

async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!isSo()) {
    expect(performance.now()).toBeLessThan(deadline);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const told = (events: readonly ChangeEvent[]): string[] =>
  events.map(({ source, data }) => `${source.change} ${String(data["id"])} ${String(data["v"])}`);

it("is left to the stream where it was noted, and read again where the stream has less than the row", async () => {
  const gate = Promise.withResolvers<void>();
  const copy = openCopy(place.address, { readSecret });
  const gated: SourceCopy = {
    ...copy,
    inChunks: async () => {
      const chunks = await copy.inChunks();
      return {
        look: () => chunks.look(),
        emptied: (...args) => chunks.emptied(...args),
        nudge: () => chunks.nudge(),
        close: () => chunks.close(),
        chunk: async (...args) => {
          await gate.promise;
          return chunks.chunk(...args);
        },
      };
    },
  };
  const slot = await newSlot();
  const one = await capture(gated, slot, await place.confirmed(slot));
  await until(() => one.run.tables["public.t"]!.copyNumbers !== undefined); // it has asked for its first chunk
  await standby("nobody");
  const client = await server.connect(place.address.database);
  const waiting = client.query(
    "begin; update t set v = 1, big = 'y' where id = 1; update t set v = 1 where id = 2; commit",
  );
  await until(() => one.events.length === 2);
  gate.resolve();
  await until(() => told(one.events).includes("copy 3 0"));
  expect(told(one.events)).toEqual(["update 1 1", "update 2 1", "copy 3 0"]);
  expect(one.run.isDone).toBe(false);
  await standby("");
  await waiting;
  await until(() => one.run.isDone);
  // The second one's `big` was not told: the row has to come whole, as it is after the update.
  expect(told(one.events)).toEqual(["update 1 1", "update 2 1", "copy 3 0", "copy 2 1"]);
  await one.end();
  await client.end();
});

it("is waited for where it may have been handed over before anything was noted", async () => {
  const slot = await newSlot();
  await standby("nobody");
  const client = await server.connect(place.address.database);
  const before = await place.lsn();
  const waiting = client.query("update t set v = 1 where id = 1");
  while ((await place.lsn()) <= before);
  const one = await capture(openCopy(place.address, { readSecret }), slot, await place.lsn());
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(told(one.events)).toEqual([]);
  await standby("");
  await waiting;
  await until(() => one.run.isDone);
  expect(told(one.events)).toEqual(["copy 1 1", "copy 2 0", "copy 3 0"]);
  await one.end();
  await client.end();
});
