/**
 * The process that rewrites data files: one engine, one job after the other, until its parent has none any more
 * (stdin closes). It works in a process of its own because the engine can end one (measured: a plain SELECT can), and
 * what lands events must not end with it.
 */
import fs from "node:fs";
import path from "node:path";
import process from "node:process";
import type { DuckDBConnection } from "@duckdb/node-api";
import { RunningChecksum } from "./checksum.ts";
import { columnsOf } from "./parquet/delta-type.ts";
import { deltaStats } from "./parquet/delta-stats.ts";
import { footerStatistics } from "./parquet/footer-stats.ts";
import { encodeJson, FrameReader } from "./query/protocol.ts";
import { openEngine } from "./query/session.ts";
import { stepBack } from "./query/step-back.ts";
import { listOfTexts, quoteName, quoteText, readSchema } from "./query/view.ts";
import type { RewriteInput, RewriteJob, RewriteReport } from "./rewrite-job.ts";
import { parseSchema } from "./table/delta-schema.ts";

const NICENESS = 10;
const CHUNK_BYTES = 1_048_576;
/** A Parquet file's last bytes: the length of its metadata, and `PAR1`. */
const TAIL_BYTES = 8;

class Refused extends Error {
  readonly kind: "gone" | "unreadable";
  readonly path: string;

  constructor(kind: "gone" | "unreadable", at: string, message: string) {
    super(message);
    this.kind = kind;
    this.path = at;
  }
}

/** One answer at a time, and short ones: they always fit into the pipe. */
function report(value: RewriteReport): void {
  process.stdout.write(encodeJson(value));
}

async function rewrite(connection: DuckDBConnection, job: RewriteJob): Promise<RewriteReport> {
  for (const input of job.inputs) checkInput(input);
  fs.rmSync(job.output, { force: true });
  await connection.run(copyStatement(job));
  const { size, checksum } = checksumOf(job.output);
  const columns = columnsOf(parseSchema(job.schemaString)).filter(
    ({ name }) => !job.partitionColumns.includes(name),
  );
  const { rows, groups } = footerStatistics(readFooter(job.output, size), columns);
  return { report: "rewritten", rows, size, checksum, stats: deltaStats(columns, rows, groups) };
}

function copyStatement({ inputs, schemaString, partitionColumns, orderBy, output }: RewriteJob): string {
  const files = listOfTexts(inputs.map((input) => input.path));
  const source = `read_parquet(${files}, schema = ${readSchema(schemaString, partitionColumns)})`;
  const order = orderBy.length > 0 ? ` ORDER BY ${orderBy.map(quoteName).join(", ")}` : "";
  return `COPY (SELECT * FROM ${source}${order}) TO ${quoteText(output)} (FORMAT parquet, COMPRESSION zstd)`;
}

/** The engine reads most flipped bits without complaint, as other values: it must not be asked. */
function checkInput({ path: file, bytes, checksum }: RewriteInput): void {
  let found: { readonly size: number; readonly checksum: string };
  try {
    found = checksumOf(file);
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOENT") throw error;
    throw new Refused("gone", file, "the file does not exist");
  }
  if (found.size !== bytes) throw new Refused("unreadable", file, `${found.size} bytes, not ${bytes}`);
  if (checksum !== undefined && found.checksum !== checksum)
    throw new Refused("unreadable", file, "not the bytes that were written");
}

function checksumOf(file: string): { readonly size: number; readonly checksum: string } {
  const sum = new RunningChecksum();
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  const handle = fs.openSync(file, "r");
  let size = 0;
  try {
    for (;;) {
      const length = fs.readSync(handle, chunk);
      if (length === 0) return { size, checksum: sum.hex };
      sum.add(chunk.subarray(0, length));
      size += length;
    }
  } finally {
    fs.closeSync(handle);
  }
}

function readFooter(file: string, size: number): Uint8Array {
  const handle = fs.openSync(file, "r");
  try {
    const tail = Buffer.alloc(TAIL_BYTES);
    fs.readSync(handle, tail, 0, TAIL_BYTES, size - TAIL_BYTES);
    const length = tail.readUInt32LE(0);
    const footer = new Uint8Array(length);
    fs.readSync(handle, footer, 0, length, size - TAIL_BYTES - length);
    return footer;
  } finally {
    fs.closeSync(handle);
  }
}

function failureOf(error: unknown): RewriteReport {
  if (error instanceof Refused)
    return { report: "failed", kind: error.kind, message: error.message, path: error.path };
  const message = error instanceof Error ? error.message : String(error);
  return { report: "failed", kind: kindOf(message), message: message.slice(0, 2_000) };
}

/** By the engine's words, and the system's. */
function kindOf(message: string): "memory" | "full" | "unreadable" | "failed" {
  if (/max_temp_directory_size|no space left|ENOSPC|EDQUOT|quota exceeded/i.test(message)) return "full";
  if (/out of memory|bad_alloc|could not allocate/i.test(message)) return "memory";
  return /"exception_type":\s*"(?:Invalid Input|Conversion|Out of Range|IO|Serialization)"/.test(message)
    ? "unreadable"
    : "failed";
}

/** The engine's threads do not end by asking. */
function end(): void {
  process.kill(process.pid, "SIGKILL");
}

async function main(): Promise<void> {
  stepBack(NICENESS);
  const [memoryBytes = 536_870_912, spillBytes = 1_073_741_824, threads = 1] = process.argv
    .slice(2)
    .map(Number);
  const spill = { folder: path.join(process.cwd(), "spill"), bytes: spillBytes };
  const connection = await openEngine({ memoryBytes, threads, spill });
  const reader = new FrameReader();
  let working: Promise<void> = Promise.resolve();
  process.stdin.on("data", (chunk: Buffer) => {
    for (const frame of reader.push(chunk)) {
      const job = JSON.parse(frame.body.toString()) as RewriteJob;
      working = working.then(async () => report(await rewrite(connection, job).catch(failureOf)));
    }
  });
  process.stdin.on("close", end);
  process.stdin.on("end", end);
  report({ report: "ready" });
}

await main();
