/**
 * Our side of `capture.ts`, in a process of its own, which has done nothing before: `node capture-run.ts JSON` reads
 * backlogs side by side from their slots, decodes them and hands the events to a log, which forgets them or is on
 * disk, acknowledging what is durable. Prints its cost as a line of JSON.
 */
import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { openFileLog } from "../adapters/file/log.ts";
import { openDatabase } from "../adapters/pg/database.ts";
import { systemClock } from "../core/clock.ts";
import { databaseAddressSchema } from "../core/database-address.ts";
import { resolveConfig } from "../core/config.ts";
import type { SourceDatabase } from "../core/ports/source-database.ts";
import type { SourceBinding, SourcePart, SourceRelation } from "../core/ports/source.ts";
import { collectAsMuara } from "./as-muara.ts";
import { type Backlog, BENCH_TABLES } from "./capture-load.ts";
import { services } from "./landing.ts";

export interface CaptureTask {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly log: "none" | "file";
  /** Where the log on disk is, and stays; without it nowhere for long. */
  readonly directory?: string;
  /** Newest records that the log keeps in memory for those who land them; default as configured. */
  readonly cacheBytes?: number;
  readonly publications: readonly string[];
  readonly backlogs: readonly (Backlog & { readonly slot: string })[];
}

export interface CaptureCost {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly peakBytes: number;
  readonly payloadBytes: number;
}

type Append = (part: SourcePart) => Promise<void>;

/** What becomes of the tables' changes: each table a stream, all columns in their order. */
export function bindAll(
  database: Pick<SourceDatabase, "types">,
): (relation: SourceRelation) => Promise<SourceBinding> {
  return async ({ name, columns }) => {
    const forms = await database.types(columns);
    const fields = columns.map((column, i) => ({ name: column.name, ...forms[i]! }));
    return {
      stream: name,
      partition: 0,
      header: "",
      fields,
      key: columns.flatMap(({ isKey }, i) => (isKey ? [i] : [])),
      keyScope: "shop",
    };
  };
}

async function main(task: CaptureTask): Promise<void> {
  collectAsMuara();
  const { log, close } = await openSink(task);
  let payloadBytes = 0;
  const append: Append = async (part) => {
    payloadBytes += part.records.bytes.length;
    await log(part);
  };
  const before = process.cpuUsage();
  const startedMs = performance.now();
  await Promise.all(task.backlogs.map((backlog) => drain(task, backlog, append)));
  const wallMs = performance.now() - startedMs;
  const { user, system } = process.cpuUsage(before);
  const peakBytes = process.resourceUsage().maxRSS * 1_024;
  const cost: CaptureCost = { wallMs, cpuMs: (user + system) / 1_000, peakBytes, payloadBytes };
  console.log(JSON.stringify(cost));
  await close();
  process.exit(0);
}

async function drain(
  task: CaptureTask,
  backlog: CaptureTask["backlogs"][number],
  append: Append,
): Promise<void> {
  const { host, port, user, publications } = task;
  const address = databaseAddressSchema.parse({ host, port, user, database: backlog.database });
  const database = openDatabase(address, { readSecret: noSecret, clock: systemClock });
  const limits = resolveConfig({ environment: {} }).config.capture;
  const stream = await database.stream({
    slot: backlog.slot,
    publications,
    cursor: null,
    shard: "shop",
    incarnation: 1,
    bind: bindAll(database),
    limits,
  });
  let changes = 0;
  while (changes < backlog.changes) {
    const batch = await stream.next();
    if (!batch) throw new Error(`${backlog.database} ended after ${changes} changes`);
    await Promise.all(batch.parts.map(append));
    changes += batch.changes;
    if (batch.cursor !== null) stream.acknowledge(batch.cursor);
  }
  if (changes !== backlog.changes) throw new Error(`${changes} changes, expected ${backlog.changes}`);
  await stream.close();
}

async function openSink(task: CaptureTask): Promise<{ log: Append; close: () => Promise<void> }> {
  if (task.log === "none") return { log: () => Promise.resolve(), close: () => Promise.resolve() };
  const directory = task.directory ?? (await mkdtemp(join(tmpdir(), "muara-bench-capture-")));
  const { cacheBytes } = task;
  const log = await openFileLog({
    directory,
    ...services,
    ...(cacheBytes ? { cacheBytes } : {}),
  });
  for (const name of BENCH_TABLES)
    await log.createStream(name, { partitions: 1, cleanup: "delete", retentionMs: 172_800_000 });
  return {
    log: async ({ stream, partition, records }) => void (await log.append(stream, partition, records)),
    close: async () => {
      await log.close();
      if (task.directory === undefined) rmSync(directory, { recursive: true });
    },
  };
}

function noSecret(): never {
  throw new Error("no password is needed");
}

if (process.argv[1] === import.meta.filename) await main(JSON.parse(process.argv[2]!) as CaptureTask);
