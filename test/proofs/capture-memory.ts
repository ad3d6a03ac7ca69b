/**
 * `npm run proof:capture-memory -- [--mebibytes 1024] [--most 300]`: one transaction of so many mebibytes, read from a
 * real PostgreSQL in this process with the configuration's default bounds, by a reader that now and then is slow. Every
 * row comes once and in order, only the last part moves the cursor, and the process never has more than so many
 * mebibytes in memory. Prints one line of JSON.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { openReplication } from "../../adapters/pg/replication.ts";
import { systemClock } from "../../core/clock.ts";
import { captureSchema } from "../../core/config/databases.ts";
import { databaseAddressSchema } from "../../core/database-address.ts";
import type { SourceStream } from "../../core/ports/source.ts";
import { payloadOf } from "../../core/record.ts";
import { startPostgres } from "../services/postgres.ts";

const MIB = 1_048_576;
/** Of a row's text. */
const TEXT_BYTES = 1_024;
/** Each so many batches the reader takes its time. */
const SLOW_EACH = 50;
const SLOW_MS = 100;
const INT4 = 23;

export interface CaptureMemoryResult {
  readonly mebibytes: number;
  readonly rows: number;
  readonly batches: number;
  /** Resident memory of the whole process: before it reads, and at the most. */
  readonly rssBeforeMib: number;
  readonly rssMostMib: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

const rssMib = (): number => Math.round(process.memoryUsage.rss() / MIB);

/** @throws where a row is missing, comes twice or out of order, or the cursor moves within the transaction */
export async function proveCaptureMemory(mebibytes: number): Promise<CaptureMemoryResult> {
  const server = await startPostgres({ max_wal_size: "4GB", logical_decoding_work_mem: "64MB" });
  try {
    const database = await server.freshDatabase();
    const client = await server.connect(database);
    await client.query("create table wide (id int primary key, v text)");
    await client.query("create publication muara for table wide");
    await client.query("select pg_create_logical_replication_slot('memory', 'pgoutput')");
    const rows = Math.ceil((mebibytes * MIB) / TEXT_BYTES);
    await client.query(
      `insert into wide select g, repeat(md5(g::text), ${TEXT_BYTES / 32}) from generate_series(0, ${rows - 1}) g`,
    );
    await client.end();
    const { host, port, user } = server;
    const address = databaseAddressSchema.parse({ host, port, user, database });
    const rssBeforeMib = rssMib();
    const [startMs, cpu] = [performance.now(), process.cpuUsage()];
    const stream = await openReplication(
      address,
      { readSecret: () => Promise.resolve(""), clock: systemClock },
      {
        slot: "memory",
        publications: ["muara"],
        cursor: null,
        shard: "shop1",
        incarnation: 1,
        limits: captureSchema.parse({}),
        bind: ({ columns }) =>
          Promise.resolve({
            stream: "wide",
            partition: 0,
            header: "",
            fields: columns.map(({ name, typeId }) => ({ name, form: typeId === INT4 ? "integer" : "text" })),
            key: [0],
            keyScope: "shop1",
          }),
      },
    );
    const { batches, rssMostMib } = await readAll(stream, rows);
    await stream.close();
    const { user: userUs, system } = process.cpuUsage(cpu);
    const seconds = Math.round((performance.now() - startMs) / 100) / 10;
    const cpuSeconds = Math.round((userUs + system) / 100_000) / 10;
    return { mebibytes, rows, batches, rssBeforeMib, rssMostMib, seconds, cpuSeconds };
  } finally {
    await server.stop();
  }
}

async function readAll(
  stream: SourceStream,
  rows: number,
): Promise<{ readonly batches: number; readonly rssMostMib: number }> {
  const decoder = new TextDecoder();
  let [seen, batches, rssMostMib] = [0, 0, 0];
  for (;;) {
    const batch = await stream.next();
    if (!batch) throw new Error("the stream has ended");
    batches++;
    for (const { records } of batch.parts) {
      for (let i = 0; i < records.count; i++) {
        const payload = decoder.decode(payloadOf(records, i)!);
        if (!payload.includes(`"data":{"id":${seen},"v":"`))
          throw new Error(`row ${seen} is not where it should be`);
        seen++;
      }
    }
    if (batches % SLOW_EACH === 0) await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
    rssMostMib = Math.max(rssMostMib, rssMib());
    if (batch.cursor === null) continue;
    console.error(JSON.stringify({ ...batch, parts: batch.parts.length, commitUs: String(batch.commitUs), s: Object.fromEntries(Object.entries(stream.status()).map(([k, v]) => [k, String(v)])) }));
    if (seen !== rows) throw new Error(`the cursor has moved after ${seen} of ${rows} rows`);
    stream.acknowledge(batch.cursor);
    return { batches, rssMostMib };
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { mebibytes: { type: "string", default: "1024" }, most: { type: "string", default: "300" } },
  });
  const result = await proveCaptureMemory(Number(values.mebibytes));
  console.log(JSON.stringify(result));
  if (result.rssMostMib > Number(values.most)) {
    console.error(`more than ${values.most} MiB in memory`);
    process.exitCode = 1;
  }
}
