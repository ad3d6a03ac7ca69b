/** One side of `current.ts`, in a process of its own: `node current-run.ts SIDE FOLDER ROUNDS ROWS CHANGES`. */
import { linkSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createFileObjectStore } from "../adapters/file/object-store.ts";
import { systemClock, systemRandomness } from "../core/clock.ts";
import { silentLogger } from "../core/logger.ts";
import { checksumTags } from "../lake/checksum.ts";
import { currentName, foldColumns, rangeCondition } from "../lake/current/current-table.ts";
import { FOLD_PLACE, foldQuery } from "../lake/current/fold.ts";
import { CurrentMerger } from "../lake/current/merge.ts";
import { childOf } from "../lake/query/resident.ts";
import { openEngine } from "../lake/query/session.ts";
import { listOfTexts, quoteName, readSchema } from "../lake/query/view.ts";
import { createTableChange } from "../lake/table/create-table.ts";
import { arrayOf, type DeltaStruct, field, struct } from "../lake/table/delta-schema.ts";
import { openTableLog } from "../lake/table/table-log.ts";
import { median } from "./result.ts";
import type { Run } from "./run.ts";

const [, , side, folder = "", ...sizes] = process.argv;
const [rounds = 0, rows = 0, changes = 0] = sizes.map(Number);
const TABLE = "accounts";
const MIB = 1_048_576;
/** Of the kernel's clock for CPU time, ms. */
const TICK_MS = 10;
const DAY = "ingest_date=2026-01-01";
const SCHEMA: DeltaStruct = struct(
  field("event_id", "string"),
  field("event_time", "timestamp"),
  field("ingest_time", "timestamp"),
  field("event_key", "string"),
  field("log_partition", "long"),
  field("log_offset", "long"),
  field(
    "source",
    struct(
      field("shard", "string"),
      field("incarnation", "long"),
      field("lsn", "long"),
      field("index", "long"),
      field("xid", "long"),
      field("change", "string"),
      field("unchanged", arrayOf("string")),
    ),
  ),
  field("before", "string"),
  field("id", "long"),
  field("balance", "decimal(12,2)"),
  field("name", "string"),
  field("bio", "string"),
  field("extra", "string"),
  field("ingest_date", "date"),
);

const services = { clock: systemClock, randomness: systemRandomness, logger: silentLogger };
const root = join(folder, "lake");
const store = createFileObjectStore({ root });
const openTable = (name: string): ReturnType<typeof openTableLog> => openTableLog(store, name, services);

/** Of this process and, where there is one, of that which merges. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  const child = childOf(process.pid);
  return (user + system) / 1_000 + (child === undefined ? 0 : cpuMsOf(child));
}

function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").replace(/^.*\)/s, "").trim().split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function engine(): ReturnType<typeof openEngine> {
  return openEngine({
    memoryBytes: 614 * MIB,
    threads: 1,
    spill: { folder: join(folder, "spill"), bytes: 8_192 * MIB },
  });
}

/** As landing would have committed the file of a round. */
async function land(round: number): Promise<void> {
  const log = openTable(TABLE);
  const base = await log.snapshot();
  const partitionColumns = ["ingest_date"];
  const create = createTableChange({
    id: systemRandomness.uuid(),
    name: TABLE,
    schema: SCHEMA,
    partitionColumns,
    createdTime: 0,
  });
  mkdirSync(join(root, TABLE, DAY), { recursive: true });
  const path = `${DAY}/${round}.parquet`;
  linkSync(join(folder, "files", `${round}.parquet`), join(root, TABLE, path));
  const bytes = readFileSync(join(root, TABLE, path));
  const first = round === 0 ? 0 : rows + (round - 1) * changes;
  const end = rows + round * changes;
  const stats = JSON.stringify({
    numRecords: end - first,
    minValues: { log_partition: 0, log_offset: first },
    maxValues: { log_partition: 0, log_offset: end - 1 },
    nullCount: {},
  });
  const partitionValues = { ingest_date: "2026-01-01" };
  const add = { path, partitionValues, size: bytes.length, modificationTime: 0, dataChange: true, stats };
  const txns = [{ appId: "muara:land:log:topic:0", version: BigInt(end) }];
  const change = base.version < 0 ? create : { ...create, metadata: base.metadata! };
  await log.commit({
    base,
    change: { ...change, operation: "WRITE", add: [{ ...add, tags: checksumTags(bytes) }], txns },
    check: () => "abandon",
  });
}

async function ourRounds(): Promise<Run> {
  const merger = new CurrentMerger(
    { ...services, store, openTable },
    { slices: 16, rows: 2_000_000, turnMs: Infinity },
    { folder },
  );
  const costs: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    await land(round);
    const snapshot = await openTable(TABLE).snapshot();
    const before = cpuMs();
    const merged = await merger.merge(TABLE, snapshot, new AbortController().signal);
    costs.push(cpuMs() - before);
    if (merged.changes < changes - 1) throw new Error(JSON.stringify(merged));
  }
  const { files } = await openTable(currentName(TABLE)).snapshot();
  await merger.close();
  return runOf(
    costs,
    [...files.values()].reduce((sum, { size }) => sum + size, 0),
  );
}

/** What somebody would write who has all changes in files. */
async function plainRounds(): Promise<Run> {
  const connection = await engine();
  const to = join(folder, "plain.parquet");
  const costs: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const files = Array.from({ length: round + 1 }, (_, i) => `'${join(folder, "files", `${i}.parquet`)}'`);
    const place = "ORDER BY source.lsn, source.index";
    const sql = `COPY (SELECT event_id, event_time, ingest_time, event_key, source, id, balance, name,
        filled AS bio, extra
      FROM (SELECT *, last_value(bio IGNORE NULLS) OVER (PARTITION BY event_key ${place}) AS filled,
        row_number() OVER (PARTITION BY event_key ${place} DESC) AS place
        FROM read_parquet([${files.join(", ")}]))
      WHERE place = 1 AND source.change <> 'delete') TO '${to}' (FORMAT parquet, COMPRESSION zstd)`;
    const before = cpuMs();
    await connection.run(sql);
    costs.push(cpuMs() - before);
  }
  return runOf(costs, statSync(to).size);
}

/** The same question to the merged state and to the one with the last round's changes laid over it. */
async function overlay(): Promise<Run> {
  await ourRounds();
  const { files, metadata } = await openTable(currentName(TABLE)).snapshot();
  const { schemaString, partitionColumns } = metadata!;
  const paths = [...files.keys()].map((path) => join(root, currentName(TABLE), path));
  const columns = foldColumns(schemaString);
  const names = columns.map(({ name }) => quoteName(name)).join(", ");
  const source = `read_parquet(${listOfTexts(paths)}, schema = ${readSchema(schemaString, partitionColumns)})`;
  const base = `SELECT ${names} FROM ${source}`;
  const from = rows + (rounds - 1) * changes;
  const range = { partition: 0, from, to: null, afterMs: null, untilMs: null };
  const last = `read_parquet('${join(folder, "files", `${rounds}.parquet`)}')`;
  const fold = foldQuery({
    base,
    changes: `SELECT ${names}, ${FOLD_PLACE} FROM ${last} WHERE ${rangeCondition([range])}`,
    columns,
  });
  const connection = await engine();
  const cost = async (query: string): Promise<number> => {
    const costs: number[] = [];
    for (let turn = 0; turn < 5; turn++) {
      const before = cpuMs();
      await connection.runAndReadAll(`SELECT sum(balance), count(bio) FROM (${query})`);
      costs.push(cpuMs() - before);
    }
    return median(costs.slice(1));
  };
  return { firstCpuMs: await cost(base), cpuMs: await cost(fold), peakBytes: 0, fileBytes: 0 };
}

function runOf(costs: readonly number[], fileBytes: number): Run {
  return { firstCpuMs: costs[0]!, cpuMs: median(costs.slice(1)), peakBytes: 0, fileBytes };
}

const run = { muara: ourRounds, plain: plainRounds, overlay }[side!]!;
console.log(JSON.stringify(await run()));
process.exit(0);
