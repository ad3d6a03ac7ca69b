/** One side of `compact.ts`, in a process of its own: `node compact-run.ts SIDE FOLDER ROUNDS`. */
import { linkSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createFileObjectStore } from "../adapters/file/object-store.ts";
import { systemClock, systemRandomness } from "../core/clock.ts";
import { silentLogger } from "../core/logger.ts";
import { checksumTags } from "../lake/checksum.ts";
import { compactTable } from "../lake/compact.ts";
import { childOf } from "../lake/query/resident.ts";
import { openEngine } from "../lake/query/session.ts";
import { FileRewriter } from "../lake/rewrite.ts";
import { createTableChange } from "../lake/table/create-table.ts";
import { field, struct } from "../lake/table/delta-schema.ts";
import { openTableLog } from "../lake/table/table-log.ts";
import { median } from "./result.ts";
import type { Run } from "./run.ts";

const [, , side, folder, rounds] = process.argv;
const TABLE = "orders";
const MIB = 1_048_576;
/** Of the kernel's clock for CPU time, ms. */
const TICK_MS = 10;
const files = readdirSync(join(folder!, "files")).toSorted();

/** Of this process and, where there is one, of that which rewrites files. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  const child = childOf(process.pid);
  return (user + system) / 1_000 + (child === undefined ? 0 : cpuMsOf(child));
}

function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").replace(/^.*\)/s, "").trim().split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

async function plainRounds(): Promise<Run> {
  const spill = { folder: join(folder!, "spill"), bytes: 8_192 * MIB };
  const engine = await openEngine({ memoryBytes: 614 * MIB, threads: 1, spill });
  const list = files.map((name) => `'${join(folder!, "files", name)}'`).join(",");
  const to = join(folder!, "plain.parquet");
  const copy = `COPY (SELECT * FROM read_parquet([${list}]) ORDER BY event_time, log_partition, log_offset)
    TO '${to}' (FORMAT parquet, COMPRESSION zstd)`;
  const costs: number[] = [];
  for (let round = 0; round < Number(rounds); round++) {
    const before = cpuMs();
    await engine.run(copy);
    costs.push(cpuMs() - before);
  }
  return runOf(costs, statSync(to).size);
}

async function ourRounds(): Promise<Run> {
  const rewriter = new FileRewriter({ folder: folder! });
  const costs: number[] = [];
  let fileBytes = 0;
  for (let round = 0; round < Number(rounds); round++) {
    const root = join(folder!, `lake-${round}`);
    const store = createFileObjectStore({ root });
    const services = { clock: systemClock, randomness: systemRandomness, logger: silentLogger };
    const log = openTableLog(store, TABLE, services);
    const base = await fill(root, log);
    const before = cpuMs();
    const ports = { ...services, store, rewriter };
    const options = {
      filesMin: 2,
      targetBytes: 512 * MIB,
      fileBytes: 1_024 * MIB,
      runBytes: 1e12,
      runRows: 1e12,
    };
    const request = { name: TABLE, log, base, owner: "bench" };
    const done = await compactTable(
      ports,
      { ...options, leaseMs: 60_000 },
      request,
      new AbortController().signal,
    );
    costs.push(cpuMs() - before);
    if (done.filesAfter !== 1 || done.filesBefore !== files.length) throw new Error(JSON.stringify(done));
    fileBytes = done.bytesAfter;
  }
  await rewriter.close();
  return runOf(costs, fileBytes);
}

/** A table of the files, as landing would have committed them. */
async function fill(
  root: string,
  log: ReturnType<typeof openTableLog>,
): Promise<Awaited<ReturnType<typeof log.snapshot>>> {
  const schema = struct(
    field("event_id", "string"),
    field("event_time", "timestamp"),
    field("ingest_time", "timestamp"),
    field("log_partition", "long"),
    field("log_offset", "long"),
    field("customer", "string"),
    field("country", "string"),
    field("total", "decimal(12,2)"),
    field("quantity", "long"),
    field("paid", "boolean"),
    field("note", "string"),
    field("extra", "string"),
    field("ingest_date", "date"),
  );
  const change = createTableChange({
    id: systemRandomness.uuid(),
    name: TABLE,
    schema,
    partitionColumns: ["ingest_date"],
    createdTime: 0,
  });
  const partition = { ingest_date: "2026-01-01" };
  mkdirSync(join(root, TABLE, "ingest_date=2026-01-01"), { recursive: true });
  const add = files.map((name) => {
    const from = join(folder!, "files", name);
    const path = `ingest_date=2026-01-01/${name}`;
    linkSync(from, join(root, TABLE, path));
    const bytes = readFileSync(from);
    return {
      path,
      partitionValues: partition,
      size: bytes.length,
      modificationTime: 0,
      dataChange: true,
      tags: checksumTags(bytes),
    };
  });
  const outcome = await log.commit({
    base: await log.snapshot(),
    change: { ...change, add },
    check: () => "abandon",
  });
  return outcome.snapshot;
}

function runOf(costs: readonly number[], fileBytes: number): Run {
  return { firstCpuMs: costs[0]!, cpuMs: median(costs.slice(1)), peakBytes: 0, fileBytes };
}

console.log(JSON.stringify(side === "plain" ? await plainRounds() : await ourRounds()));
process.exit(0);
