/**
 * Rows into a table of an operational data store: the sink's upsert, half of the rows updates, against raw COPY of the
 * same rows from the same process into an empty table (`npm run bench:ods`, `--json` for one object). Both take turns,
 * medians count. `ROWS`, `BATCH` and `ROUNDS` in the environment.
 */
import { once } from "node:events";
import process from "node:process";
import type { Client } from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { createPostgresSink } from "../adapters/pg/sink.ts";
import { createSinkPlaces } from "../adapters/pg/sink-places.ts";
import { copyField, postgresType, textOf } from "../adapters/pg/sink-types.ts";
import { databaseAddressSchema } from "../core/database-address.ts";
import type { SinkColumn, SinkRow } from "../core/ports/sink.ts";
import { type PostgresServer, startPostgres } from "../test/services/postgres.ts";
import { median, printResult } from "./result.ts";

const ROWS = Number(process.env["ROWS"] ?? 200_000);
const BATCH = Number(process.env["BATCH"] ?? 10_000);
const ROUNDS = Number(process.env["ROUNDS"] ?? 5);
const PRELOADED = (ROWS * 3) / 4;
const UPDATED = ROWS / 2;
const COPY_ROWS = 20_000;
const CHUNK_CHARACTERS = 1 << 16;

const COLUMNS: readonly SinkColumn[] = [
  { name: "id", type: { kind: "long" }, nullable: false },
  { name: "shard", type: { kind: "long" }, nullable: true },
  { name: "name", type: { kind: "string" }, nullable: true },
  { name: "amount", type: { kind: "decimal", precision: 18, scale: 2, quoted: true }, nullable: true },
  { name: "ts", type: { kind: "timestamp" }, nullable: true },
  { name: "doc", type: { kind: "json" }, nullable: true },
];
const rows = Array.from({ length: ROWS }, (_, i): SinkRow => {
  const id = BigInt(PRELOADED - UPDATED + i + 1);
  return {
    key: null,
    json: "{}",
    values: {
      id,
      shard: BigInt(i % 8),
      name: `customer ${i} "q"`,
      amount: BigInt(i) * 125n,
      ts: 1_767_323_045_678_901n + BigInt(i),
      doc: JSON.stringify({ k: i, v: `abcdefghijklmnop${i}` }),
    },
  };
});

interface Taken {
  readonly wallS: number;
  readonly cpuS: number;
}

async function measured(work: () => Promise<void>): Promise<Taken> {
  const [startMs, cpu] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { wallS: (performance.now() - startMs) / 1_000, cpuS: (user + system) / 1e6 };
}

const TABLE = `create table ods.t (${COLUMNS.map((column) => `${column.name} ${postgresType(column)}`).join(", ")},
  primary key (id))`;

async function prepare(client: Client, preloaded: number): Promise<void> {
  await client.query(`create schema if not exists ods; drop table if exists ods.t; ${TABLE};
    insert into ods.t select g, g % 8, 'old' || g, g, now(), jsonb_build_object('k', g)
      from generate_series(1, ${preloaded}) g`);
  await client.query("vacuum analyze ods.t");
  await client.query("checkpoint");
}

async function upsert(
  server: PostgresServer,
  client: Client,
  database: string,
  round: number,
): Promise<Taken> {
  await prepare(client, PRELOADED);
  const { host, port, user } = server;
  const sink = createPostgresSink({
    address: databaseAddressSchema.parse({ host, port, user, database }),
    readSecret: () => Promise.reject(new Error("no secret")),
    id: `bench${round}`,
    name: "bench",
    target: { table: "ods.t", mode: "upsert", key: ["id"] },
    timeoutMs: 60_000,
    places: createSinkPlaces(1),
  });
  const signal = new AbortController().signal;
  const taken = await measured(async () => {
    for (let from = 0; from < ROWS; from += BATCH) {
      const batch = {
        id: `${from}`,
        delivery: "bench",
        table: "bench",
        committedMs: 0,
        generation: 0,
        hasMore: false,
      };
      const some = rows.slice(from, from + BATCH);
      const outcome = await sink.write({ ...batch, sequence: from, columns: COLUMNS, rows: some }, signal);
      if (outcome.outcome !== "taken") throw new Error(JSON.stringify(outcome));
    }
  });
  await sink.close();
  const { n } = (await client.query<{ n: number }>("select count(*)::int as n from ods.t")).rows[0]!;
  if (n !== ROWS + PRELOADED - UPDATED) throw new Error(`${n} rows are there`);
  return taken;
}

/** As fast as this process can: the same texts, no staging, no step. */
async function raw(client: Client): Promise<Taken> {
  await prepare(client, 0);
  const texts = COLUMNS.map((column) => ({ name: column.name, text: textOf(column) }));
  return measured(async () => {
    for (let from = 0; from < ROWS; from += COPY_ROWS) {
      const stream = client.query(copyFrom("copy ods.t from stdin", { highWaterMark: 1 << 20 }));
      let chunk = "";
      for (const { values } of rows.slice(from, from + COPY_ROWS)) {
        chunk += `${texts.map(({ name, text }) => copyField(text(values[name]))).join("\t")}\n`;
        if (chunk.length < CHUNK_CHARACTERS) continue;
        if (!stream.write(chunk)) await once(stream, "drain");
        chunk = "";
      }
      stream.end(chunk);
      await once(stream, "finish");
    }
  });
}

const server = await startPostgres({ fsync: "on", shared_buffers: "256MB", max_wal_size: "4GB" });
try {
  const database = await server.freshDatabase();
  const client = await server.connect(database);
  const [ours, theirs]: [Taken[], Taken[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    theirs.push(await raw(client));
    ours.push(await upsert(server, client, database, round));
  }
  const [own, reference] = [ours, theirs].map((all) => ROWS / median(all.map(({ wallS }) => wallS)));
  const [ownCpu, referenceCpu] = [ours, theirs].map((all) => median(all.map(({ cpuS }) => cpuS)));
  const pairs = ours.map(({ wallS }, i) => theirs[i]!.wallS / wallS);
  printResult("ods", [
    {
      name: `upsert, ${BATCH} rows a transaction, half of them updates`,
      value: own!,
      unit: "rows/s",
      reference: reference!,
      // The server does the work: wall time of pairs, one after the other.
      ratio: median(pairs),
    },
    {
      name: "CPU of this process",
      value: (ownCpu! / ROWS) * 1e6,
      unit: "µs/row",
      reference: (referenceCpu! / ROWS) * 1e6,
      ratio: referenceCpu! / ownCpu!,
    },
  ]);
} finally {
  await server.stop();
}
