/**
 * The source is not hurt: what a capture holds there while it copies and while it streams, how much log is kept for it,
 * and that somebody is told before a dead capture fills the source's disk.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { type PostgresServer, startPostgres } from "../services/postgres.ts";
import { retainedBytes, type SourceSight, SourceWatch } from "./source-watch.ts";

const ROWS = 60_000;
const CHUNK_ROWS = 2_000;
const LATE_MS = 60_000;
/** Of a chunk's transaction; a copy of the whole table takes longer on this machine. */
const CHUNK_MS_MAX = 2_000;
const MIB = 1_048_576;
const STEP_BYTES = 16 * MIB;

const cleanups: (() => Promise<unknown>)[] = [];
let source: PostgresServer;

beforeEach(async () => {
  source = await startPostgres({ min_wal_size: "32MB", max_wal_size: "64MB", autovacuum: "off" });
  cleanups.push(() => source.stop());
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Place {
  readonly data: string;
  readonly config: string;
}

async function place(settings: object): Promise<Place> {
  const folder = await temporaryFolder("manners");
  cleanups.push(folder.remove);
  const { host, port, user } = source;
  const postgres = { shop: { host, port, user, database: "postgres" } };
  const config = join(folder.path, "muara.config.js");
  await writeFile(config, `export default ${JSON.stringify({ postgres, capture: settings })};\n`);
  return { data: join(folder.path, "data"), config };
}

/** @param workers all unless named */
async function start({ data, config }: Place, workers: readonly string[] = []): Promise<MuaraProcess> {
  const environment = { MUARA_CONFIG: config, MUARA_QUERY_WARM: "0" };
  const muara = await startMuara(data, environment, [], workers);
  cleanups.push(() => muara.kill());
  return muara;
}

/** Resolves once its slot is read. */
async function capture(muara: MuaraProcess, copy: "initial" | "none" = "initial"): Promise<void> {
  const declared = { name: "shop", database: "shop", tables: { "public.item": "shop.item" }, copy };
  const body = JSON.stringify(declared);
  const response = await muara.fetch("/v1/captures", { method: "POST", body });
  expect([response.status, await response.text()]).toEqual([201, expect.anything()]);
  await eventually("the slot is read", LATE_MS, async () => {
    const slots = await source.sql("select 1 from pg_replication_slots where active");
    return slots.length > 0;
  });
}

const fill = `create table item (id bigint primary key, note text not null);
  insert into item select g, repeat('x', 200) from generate_series(1, ${ROWS}) g; analyze item`;

async function landed(muara: MuaraProcess): Promise<number> {
  const rows = await muara.sql('SELECT count(DISTINCT id) FROM "shop.item"').catch(() => [[0]]);
  return Number(rows[0]![0]);
}

/**
 * Writes all the while, each time under a lock that waits for nobody and that every lock but ACCESS SHARE forbids.
 * @returns how many transactions @throws where anybody held more
 */
async function writeUntil(isOver: () => boolean): Promise<number> {
  const client = await source.connect();
  let count = 0;
  while (!isOver()) {
    count++;
    await client.query(`begin; lock table item in exclusive mode nowait;
      insert into item values (${ROWS + count}, 'new');
      update item set note = 'changed' where id = ${count}; commit`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return count;
}

function expectGentle({ locks, looks }: SourceSight): void {
  expect(looks).toBeGreaterThan(20);
  expect(locks.size).toBeGreaterThan(0);
  // A publication takes its tables with another lock, before anything is copied; neither readers nor writers wait.
  const more = [...locks].filter((lock) => !lock.startsWith("AccessShareLock"));
  expect(more.filter((lock) => !/^ShareUpdateExclusiveLock .*: (?:CREATE|ALTER)$/.test(lock))).toEqual([]);
}

describe.each([
  ["at once", {}, LATE_MS],
  ["in chunks", { copyOnceRows: 1, copyRows: CHUNK_ROWS }, CHUNK_MS_MAX],
] as const)("a copy %s, and the stream behind it", (_way, options, transactionMsMax) => {
  test("hold nothing that a writer waits for", { timeout: 120_000 }, async () => {
    await source.sql(fill);
    const watch = await SourceWatch.begin(source);
    const muara = await start(await place(options));
    await capture(muara);
    let isOver = false;
    const writing = writeUntil(() => isOver);
    writing.catch(() => undefined);
    await eventually("copied", LATE_MS, async () => (await landed(muara)) > ROWS);
    isOver = true;
    const written = await writing;
    await eventually("streamed", LATE_MS, async () => (await landed(muara)) === ROWS + written);
    const sight = await watch.end();
    expectGentle(sight);
    expect(Math.max(...sight.transactionMs.values())).toBeLessThan(transactionMsMax);
    // Nothing stays open that would keep the source from cleaning up behind its writers.
    const idle = await source.sql(
      `select query from pg_stat_activity where application_name like 'muara %'
          and xact_start < now() - interval '1s' and backend_type = 'client backend'`,
    );
    expect(idle).toEqual([]);
  });
});

test("the log that a source keeps for a capture goes along", { timeout: 120_000 }, async () => {
  await source.sql(
    "create table item (id bigint primary key, note text not null); alter table item alter note set storage external",
  );
  const muara = await start(await place({ statusMs: 200 }));
  await capture(muara, "none");
  await source.sql("insert into item values (0, '')");
  await eventually("captured", LATE_MS, async () => (await landed(muara)) === 1);
  const [slot] = await source.sql("select slot_name from pg_replication_slots");
  const name = String(slot!["slot_name"]);
  const write = async (step: number): Promise<void> => {
    await source.sql(
      `insert into item select ${step} * 100000 + g, repeat(md5(g::text), 250)
         from generate_series(1, ${STEP_BYTES / 8_000}) g`,
    );
    await source.sql("checkpoint");
  };
  for (let step = 1; step <= 4; step++) {
    await write(step);
    await eventually(`step ${step} let go`, LATE_MS, async () => {
      await source.sql("checkpoint"); // a slot moves on with the notes of who is active, which a checkpoint makes
      return (await retainedBytes(source, name))! < MIB;
    });
  }
  // And with nobody there it does not: the check can fail.
  await muara.kill();
  await write(5);
  await source.sql("checkpoint");
  expect(await retainedBytes(source, name)).toBeGreaterThan(MIB);
});

/** Reasons of the alerts of its captures. */
async function alerts(muara: MuaraProcess): Promise<readonly string[]> {
  const text = await (await muara.fetch("/metrics")).text();
  return [...text.matchAll(/muara_capture_alert\{[^}]*reason="(\w+)"[^}]*\} 1/g)].map((match) => match[1]!);
}

test(
  "a capture that nobody runs is told of before its slot endangers the source",
  {
    timeout: 120_000,
  },
  async () => {
    await source.sql("alter system set max_slot_wal_keep_size = '128MB'");
    await source.sql("select pg_reload_conf()");
    await source.sql(
      "create table item (id bigint primary key, note text not null); alter table item alter note set storage external",
    );
    const where = await place({ silentMs: 2_000, statusMs: 200 });
    const first = await start(where);
    await capture(first, "none");
    expect(await alerts(first)).toEqual([]);
    await first.kill();
    const muara = await start(where, ["ingest", "land", "api"]);
    await eventually("silence is told", LATE_MS, async () => (await alerts(muara)).includes("silent"));
    const slot = async (): Promise<Record<string, unknown>> =>
      (await source.sql("select wal_status, safe_wal_size::float8 as safe from pg_replication_slots"))[0]!;
    expect(await slot()).toMatchObject({ wal_status: "reserved" });
    // Written half the limit, and never more than an eighth between two looks.
    for (let step = 1; !(await alerts(muara)).includes("half"); step++) {
      await source.sql(
        `insert into item select ${step} * 100000 + g, repeat(md5(g::text), 250)
         from generate_series(1, ${STEP_BYTES / 8_000}) g`,
      );
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const { wal_status: status, safe } = await slot();
      expect([step, status]).not.toEqual([step, "lost"]);
      expect(Number(safe)).toBeGreaterThan(0);
    }
    expect((await slot())["wal_status"]).not.toBe("lost");
    const shown = (await (await muara.fetch("/v1/captures/shop")).json()) as Record<string, unknown>;
    expect(Number(shown["retained_bytes"])).toBeGreaterThan(32 * MIB);
    expect(Number(shown["safe_bytes"])).toBeGreaterThan(0);
  },
);
