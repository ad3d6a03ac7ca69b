/**
 * How long landing takes to know a table's ids at its start: from a state image, and from the lake alone
 * (`npx node bench/rebuild.ts`, `--ids 10000000` for the full size, `--json` for one object). Each start is a process
 * of its own. The reference reads the same id column of the same files: DuckDB's count(DISTINCT event_id).
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { createFileObjectStore } from "../adapters/file/object-store.ts";
import { seededRandomness, systemClock, systemRandomness } from "../core/clock.ts";
import { planColumns } from "../core/columns.ts";
import { type EventType, eventTypeSchema } from "../core/event-type.ts";
import { createKernel } from "../core/kernel.ts";
import { freshPartition, partitionTxns, STEP_TXN } from "../core/landed.ts";
import { silentLogger } from "../core/logger.ts";
import type { Log } from "../core/ports/log.ts";
import { newSecret } from "../lake/id-key.ts";
import { encodeFile, type FileColumn } from "../lake/parquet/parquet-file.ts";
import { addFile, dataFilePath } from "../lake/table/add-file.ts";
import { openTableLog } from "../lake/table/table-log.ts";
import { ensureTable } from "../lake/tables.ts";
import { TableLanding } from "../workers/land/table-landing.ts";
import { printResult } from "./result.ts";

const IDS_DEFAULT = 500_000;
const FILE_ROWS = 25_000; // a landing commit's most
const HORIZON_MS = 48 * 3_600_000;
const START_MS = Date.UTC(2026, 0, 1);
const LOG_ID = "bench";
const TOPIC_ID = "topic";

const type: EventType = eventTypeSchema.parse({
  name: "order.created",
  owning_application: "bench",
  category: "business",
  schema: { type: "json_schema", schema: '{"type":"object","properties":{"note":{"type":"string"}}}' },
});
const options = {
  commitMs: 500,
  commitBytes: 1 << 26,
  commitRows: 25_000,
  horizonMs: HORIZON_MS,
  generationMs: HORIZON_MS / 4,
  disorderMs: 5_000,
  idleAfterMs: 60_000,
  skewMs: 3_600_000,
  eventBytes: 999_000,
  depth: 64,
};

interface Start {
  /** Since the process began. */
  readonly readyMs: number;
  readonly openCpuMs: number;
  readonly peakBytes: number;
  readonly ids: number;
}

/** A table of `ids` rows accepted within one horizon, as landing would have written it. */
async function prepare(root: string, ids: number): Promise<void> {
  const store = createFileObjectStore({ root: join(root, "lake") });
  const randomness = seededRandomness(1);
  const services = { clock: systemClock, randomness, logger: silentLogger };
  const log = openTableLog(store, type.name, services);
  let base = await ensureTable(log, type.name, planColumns(type).columns, newSecret(randomness), services);
  let partition = freshPartition(LOG_ID, TOPIC_ID, 0);
  for (let step = 1; partition.cursor < ids; step++) {
    const count = Math.min(FILE_ROWS, ids - partition.cursor);
    const from = partition.cursor;
    const timeMs = (row: number): number => START_MS + Math.floor(((from + row) / ids) * (HORIZON_MS - 1));
    const ingestMs = Float64Array.from({ length: count }, (_, row) => timeMs(row - (row % 50)));
    const date = new Date(ingestMs[0]!).toISOString().slice(0, 10);
    const path = dataFilePath({ ingest_date: date }, randomness.uuid());
    const { bytes, stats } = encodeFile(
      columnsOf(ingestMs, from, () => randomness.uuid()),
      count,
    );
    await store.put(`${type.name}/${path}`, bytes);
    const file = addFile({
      path,
      partitionValues: { ingest_date: date },
      bytes: bytes.length,
      modifiedMs: START_MS,
    });
    const after = {
      ...partition,
      cursor: from + count,
      landed: from + count,
      ingestMs: ingestMs[count - 1]!,
    };
    const txns = [{ appId: STEP_TXN, version: BigInt(step) }, ...partitionTxns(partition, after)];
    const info = { kind: "land", ledger: [], side: null };
    const change = { operation: "WRITE", add: [{ ...file, stats }], remove: [], txns, info };
    ({ snapshot: base } = await log.commit({ base, change, check: () => "abandon" }));
    partition = after;
  }
}

function column(
  name: string,
  kind: "string" | "timestamp" | "long",
  valueOf: (row: number) => unknown,
): FileColumn {
  return {
    name,
    type: { kind },
    nullable: false,
    gather: (from, to) => ({ data: Array.from({ length: to - from }, (_, i) => valueOf(from + i)) }),
  };
}

function columnsOf(ingestMs: Float64Array, from: number, uuid: () => string): FileColumn[] {
  const note = "lorem ipsum dolor sit amet consectetur adipiscing elit ";
  return [
    column("event_id", "string", () => uuid()),
    column("event_time", "timestamp", (row) => BigInt(ingestMs[row]! - (row % 977)) * 1_000n),
    column("ingest_time", "timestamp", (row) => BigInt(ingestMs[row]!) * 1_000n),
    column("log_offset", "long", (row) => BigInt(from + row)),
    column("note", "string", (row) => note.repeat(1 + (row % 3)) + (from + row)),
  ];
}

/** A log that ends where the table does: opening it is another bench's business. */
function logOf(ids: number): Log {
  const stream = { name: type.name, topicId: TOPIC_ID, partitions: 1 };
  const bounds = { startOffset: ids, endOffset: ids };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- landing asks for no more while it opens
  return {
    id: LOG_ID,
    stream: async () => stream,
    bounds: async () => bounds,
    hold: async () => {},
  } as unknown as Log;
}

/** One start of landing, as `muara start` makes it; with `isSaving` it leaves a state image behind. */
async function start(root: string, ids: number, isSaving: boolean): Promise<Start> {
  const bytes = readFileSync(new URL("../core-as/kernel.wasm", import.meta.url));
  const kernel = createKernel(await WebAssembly.compile(bytes), crypto.getRandomValues(new Uint8Array(16)));
  const store = createFileObjectStore({ root: join(root, "lake") });
  const services = { clock: systemClock, randomness: systemRandomness, logger: silentLogger };
  const before = process.cpuUsage();
  const landing = await TableLanding.open(
    {
      log: logOf(ids),
      store,
      state: createFileObjectStore({ root: join(root, "state") }),
      openTable: (name) => openTableLog(store, name, services),
      kernel,
      ...services,
    },
    options,
    type,
  );
  const readyMs = performance.now();
  const { user, system } = process.cpuUsage(before);
  const known = landing.knownIds;
  if (isSaving) await landing.saveImage();
  landing.discard();
  return {
    readyMs,
    openCpuMs: (user + system) / 1_000,
    peakBytes: process.resourceUsage().maxRSS * 1_024,
    ids: known,
  };
}

/** CPU ms of the reference. */
async function countDistinct(root: string): Promise<Start> {
  const { DuckDBInstance } = await import("@duckdb/node-api");
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  await connection.run("SET threads = 1");
  const before = process.cpuUsage();
  const files = join(root, "lake", type.name, "ingest_date=*", "*.parquet");
  const answer = await connection.runAndReadAll(`SELECT count(DISTINCT event_id) FROM '${files}'`);
  const { user, system } = process.cpuUsage(before);
  return {
    readyMs: performance.now(),
    openCpuMs: (user + system) / 1_000,
    peakBytes: process.resourceUsage().maxRSS * 1_024,
    ids: Number(answer.getRows()[0]![0]),
  };
}

function inProcess(mode: string, root: string, ids: number): Start {
  const args = [fileURLToPath(import.meta.url), `--mode=${mode}`, `--root=${root}`, `--ids=${ids}`];
  const answer = JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as Start;
  if (answer.ids !== ids) throw new Error(`${mode} found ${answer.ids} ids of ${ids}`);
  return answer;
}

function argument(name: string): string | undefined {
  const { argv } = process;
  const at = argv.indexOf(`--${name}`);
  return (
    argv.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3) ??
    (at < 0 ? undefined : argv[at + 1])
  );
}

const ids = Number(argument("ids") ?? IDS_DEFAULT);
const mode = argument("mode");
if (mode === undefined) {
  const root = await mkdtemp(join(argument("folder") ?? tmpdir(), "muara-rebuild-"));
  try {
    await prepare(root, ids);
    const reference = inProcess("reference", root, ids);
    const rebuilt = inProcess("save", root, ids);
    const image = inProcess("image", root, ids);
    const rate = (one: Start): number => Math.round(ids / (one.openCpuMs / 1_000));
    const megabytes = (one: Start): number => Math.round(one.peakBytes / 1e6);
    printResult("rebuild", [
      { name: "ids within the horizon", value: ids, unit: "ids" },
      { name: "start with an image, until ready to land", value: Math.round(image.readyMs), unit: "ms" },
      { name: "start without, until ready to land", value: Math.round(rebuilt.readyMs), unit: "ms" },
      {
        name: "rebuild from the lake",
        value: rate(rebuilt),
        unit: "ids/CPU s",
        reference: rate(reference),
        ratio: Math.round((rate(rebuilt) / rate(reference)) * 1_000) / 1_000,
      },
      {
        name: "load of an image",
        value: rate(image),
        unit: "ids/CPU s",
        reference: rate(reference),
        ratio: Math.round((rate(image) / rate(reference)) * 1_000) / 1_000,
      },
      { name: "peak memory with an image", value: megabytes(image), unit: "MB" },
      { name: "peak memory without", value: megabytes(rebuilt), unit: "MB" },
      { name: "peak memory of the reference", value: megabytes(reference), unit: "MB" },
    ]);
  } finally {
    await rm(root, { recursive: true });
  }
} else {
  const root = argument("root")!;
  const answer = mode === "reference" ? await countDistinct(root) : await start(root, ids, mode === "save");
  console.log(JSON.stringify(answer));
}
