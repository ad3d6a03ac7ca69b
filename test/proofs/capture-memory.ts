/**
 * `npm run proof:capture-memory -- [--megabytes 1024]`: one transaction, larger than the memory that it may take, is
 * read by a process of its own from a PostgreSQL server into a log on disk. All of it is there, once and in order, and
 * the process never had more than 300 MB.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { openFileLog } from "../../adapters/file/log.ts";
import { BENCH_TABLES, PUBLICATION } from "../../bench/capture-load.ts";
import type { CaptureCost, CaptureTask } from "../../bench/capture-run.ts";
import { services } from "../../bench/landing.ts";
import { payloadOf } from "../../core/record.ts";
import { temporaryFolder } from "../services/muara.ts";
import { startPostgres } from "../services/postgres.ts";
import { proofCommand, type ProofOptions } from "./proof-command.ts";

export const MEMORY_MB_MAX = 300;
const STREAM = BENCH_TABLES[4];
const ROW_BYTES = 1_000;
const MEGABYTE = 1_000_000;
const READ_BYTES = 4 * MEGABYTE;
const RUN = promisify(execFile);
const SLOT = "proof_memory";
/** Of the log, which keeps its newest records for those who land them; here nobody does. */
const CACHE_BYTES = 16 * 1_048_576;

export interface MemoryResult extends CaptureCost {
  readonly rows: number;
  readonly peakMb: number;
}

/** @throws where rows are missing, twice or in another order, or memory went beyond */
export async function runCaptureMemory({
  megabytes,
}: ProofOptions & { readonly megabytes: number }): Promise<MemoryResult> {
  const folder = await temporaryFolder("capture-memory");
  const server = await startPostgres({ max_wal_size: "8GB" });
  const rows = Math.ceil((megabytes * MEGABYTE) / ROW_BYTES);
  try {
    await server.sql(`create table ${STREAM} (n bigint primary key, payload text not null)`);
    await server.sql(`create publication ${PUBLICATION} for table ${STREAM}`);
    await server.sql(`select pg_create_logical_replication_slot('${SLOT}', 'pgoutput')`);
    await server.sql(
      `insert into ${STREAM} select g, md5(g::text) || repeat('x', ${ROW_BYTES - 32})
         from generate_series(1, ${rows}) g`,
    );
    const { host, port, user } = server;
    const directory = join(folder.path, "log");
    const backlog = { database: "postgres", changes: rows, endLsn: "", slot: SLOT };
    const task: CaptureTask = {
      host,
      port,
      user,
      directory,
      log: "file",
      cacheBytes: CACHE_BYTES,
      publications: [PUBLICATION],
      backlogs: [backlog],
    };
    const file = fileURLToPath(new URL("../../bench/capture-run.ts", import.meta.url));
    const { stdout } = await RUN(process.execPath, [file, JSON.stringify(task)]);
    const cost = JSON.parse(stdout) as CaptureCost;
    await checkLog(directory, rows);
    const peakMb = Math.round(cost.peakBytes / MEGABYTE);
    assert(peakMb < MEMORY_MB_MAX, `the process had ${peakMb} MB`);
    return { ...cost, rows, peakMb };
  } finally {
    await server.stop();
    await folder.remove();
  }
}

/** Every number once, in order, all in one transaction. */
async function checkLog(directory: string, rows: number): Promise<void> {
  const log = await openFileLog({ directory, ...services });
  let next = 0;
  const transactions = new Set<unknown>();
  const { endOffset } = await log.bounds(STREAM, 0);
  for (let offset = 0; offset < endOffset;) {
    const batch = await log.read(STREAM, 0, offset, READ_BYTES);
    for (let i = 0; i < batch.count; i++) {
      const event = JSON.parse(Buffer.from(payloadOf(batch, i)!).toString()) as Captured;
      assert.equal(event.data.n, String(++next));
      assert.equal(event.source.index, next - 1);
      assert.equal(event.data.payload.length, ROW_BYTES);
      transactions.add(event.source.lsn);
    }
    offset = batch.next;
  }
  await log.close();
  assert.equal(next, rows);
  assert.equal(transactions.size, 1);
}

interface Captured {
  readonly source: { readonly lsn: number; readonly index: number };
  readonly data: { readonly n: string; readonly payload: string };
}

if (process.argv[1] === import.meta.filename) await proofCommand({ megabytes: 1_024 }, runCaptureMemory);
