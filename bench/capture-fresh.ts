/**
 * Commit at the source → visible: one client commits small transactions at a steady rate, readers ask the lake (its
 * change table and its current state) and the store for the newest number in a loop. A row is visible when an answer
 * that contains it has arrived, so a reader's own time counts as delay.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../test/services/muara.ts";
import { type PostgresServer, startPostgres } from "../test/services/postgres.ts";
import { type Metric, quantile } from "./result.ts";

const RATE = Number(process.env["RATE"] ?? 1_000);
const SECONDS = Number(process.env["SECONDS"] ?? 20);
const ROWS = 10;
/** Not counted: the first commits make the tables. */
const WARM_SECONDS = 5;
const TYPE = "bench.fresh";
const DECLARED_MS = 60_000;

type Newest = () => Promise<number>;

export async function freshness(): Promise<readonly Metric[]> {
  const folder = await temporaryFolder("capture-fresh");
  const source = await startPostgres();
  const store = await startPostgres();
  try {
    await source.sql("create table fresh (n bigint primary key, at timestamptz not null, payload text)");
    const config = join(folder.path, "muara.config.js");
    const postgres = { source: addressOf(source), store: addressOf(store) };
    await writeFile(
      config,
      `export default ${JSON.stringify({ postgres, deliver: { postgres: ["store"] } })};\n`,
    );
    const muara = await startMuara(join(folder.path, "data"), { MUARA_CONFIG: config });
    try {
      await declare(muara);
      return await measure(muara, source, store);
    } finally {
      await muara.stop();
    }
  } finally {
    await Promise.all([source.stop(), store.stop()]);
    await folder.remove();
  }
}

function addressOf({ host, port, user }: PostgresServer): unknown {
  return { host, port, user, database: "postgres" };
}

async function declare(muara: MuaraProcess): Promise<void> {
  const post = async (path: string, body: unknown): Promise<void> =>
    eventually(path, DECLARED_MS, async () => {
      const response = await muara.fetch(path, { method: "POST", body: JSON.stringify(body) });
      const text = await response.text();
      // A table is there once its capture has begun.
      if (response.status === 201 || response.status === 404) return response.status === 201;
      throw new Error(`${path} answered ${response.status}: ${text}`);
    });
  await post("/v1/captures", {
    name: "source",
    database: "source",
    tables: { "public.fresh": TYPE },
  });
  await post("/v1/deliveries", {
    name: "fresh",
    table: TYPE,
    from: "begin",
    batch_rows: 10_000,
    postgres: { target: "store", table: "public.fresh", mode: "state", key: ["n"] },
  });
}

async function measure(
  muara: MuaraProcess,
  source: PostgresServer,
  store: PostgresServer,
): Promise<readonly Metric[]> {
  const inLake = (table: string): Newest => {
    const text = `SELECT coalesce(max(n), 0) FROM "${table}"`;
    return async () => Number((await muara.sql(text))[0]![0]);
  };
  const client = await store.connect();
  const inStore: Newest = async () =>
    Number((await client.query("select coalesce(max(n), 0)::text as n from fresh")).rows[0].n);
  const readers: readonly (readonly [string, Newest])[] = [
    ["in the change table", inLake(TYPE)],
    ["in the current state", inLake(`${TYPE}.current`)],
    ["in the store", inStore],
  ];
  const writer = new Writer(source);
  await writer.write();
  for (const [name, newest] of readers)
    await eventually(name, DECLARED_MS, async () => (await newest().catch(() => 0)) >= ROWS);
  // One after the other: readers would wait for each other, not for rows.
  await writer.run(WARM_SECONDS);
  const metrics: Metric[] = [];
  for (const [name, newest] of readers) {
    const following = follow(newest, writer);
    const rate = await writer.run(SECONDS);
    const delays = await following;
    metrics.push(
      { name: `commit to visible ${name}, offered`, value: rate, unit: "changes/s" },
      ...[0.5, 0.99, 1].map((share) => ({
        name: `commit to visible ${name}, ${share === 1 ? "most" : `p${share * 100}`}`,
        value: quantile(delays, share),
        unit: "ms",
      })),
    );
  }
  return metrics;
}

class Writer {
  readonly #source: PostgresServer;
  /** By transaction: when it was committed, ms. */
  readonly committedMs: number[] = [];
  isWriting = false;

  constructor(source: PostgresServer) {
    this.#source = source;
  }

  /** One transaction. */
  async write(client?: Awaited<ReturnType<PostgresServer["connect"]>>): Promise<void> {
    const first = this.committedMs.length * ROWS + 1;
    const text = `insert into fresh select g, clock_timestamp(), repeat('x', 100)
      from generate_series(${first}, ${first + ROWS - 1}) g`;
    await (client ? client.query(text) : this.#source.sql(text));
    this.committedMs.push(performance.now());
  }

  /** @returns changes per second */
  async run(seconds: number): Promise<number> {
    this.isWriting = true;
    const client = await this.#source.connect();
    const startedMs = performance.now();
    const count = (RATE * seconds) / ROWS;
    for (let i = 0; i < count; i++) {
      const waitMs = startedMs + (i * ROWS * 1_000) / RATE - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      await this.write(client);
    }
    this.isWriting = false;
    return (count * ROWS * 1_000) / (performance.now() - startedMs);
  }
}

/** @returns of each transaction from now on until the last one is visible, ms */
async function follow(newest: Newest, writer: Writer): Promise<readonly number[]> {
  const delays: number[] = [];
  let seen = writer.committedMs.length;
  do {
    const visible = Math.floor((await newest()) / ROWS);
    const nowMs = performance.now();
    for (; seen < Math.min(visible, writer.committedMs.length); seen++)
      delays.push(nowMs - writer.committedMs[seen]!);
  } while (writer.isWriting || seen < writer.committedMs.length);
  return delays;
}
