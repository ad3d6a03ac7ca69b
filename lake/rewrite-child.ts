/**
 * The process that rewrites data files: one engine, one job after the other, until its parent has none any more
 * (stdin closes). It works in a process of its own because the engine can end one (measured: a plain SELECT can), and
 * what lands events must not end with it.
 */
import path from "node:path";
import process from "node:process";
import type { DuckDBConnection } from "@duckdb/node-api";
import { unreachable } from "../core/assert.ts";
import { foldChanges, gatherChanges } from "./current/merge-job.ts";
import { columnsOf } from "./parquet/delta-type.ts";
import { deltaStats } from "./parquet/delta-stats.ts";
import { readFooter } from "./parquet/footer-file.ts";
import { footerStatistics } from "./parquet/footer-stats.ts";
import { encodeJson, FrameReader } from "./query/protocol.ts";
import { openEngine } from "./query/session.ts";
import { stepBack } from "./query/step-back.ts";
import { listOfTexts, quoteName, readSchema } from "./query/view.ts";
import { checkInput, copyToFile, Refused } from "./rewrite-file.ts";
import type { PutTogetherJob, RewriteJob, RewriteReport } from "./rewrite-job.ts";
import { filterRows, judgeCondition, noteRows, replaceRows } from "./rewrite-rows.ts";
import { parseSchema } from "./table/delta-schema.ts";

const NICENESS = 10;

/** One answer at a time, and short ones but for places: they fit into the pipe, or wait for it. */
function report(value: RewriteReport): void {
  process.stdout.write(encodeJson(value));
}

async function work(connection: DuckDBConnection, job: RewriteJob): Promise<RewriteReport> {
  if (job.order === "judge") return judgeCondition(connection, job);
  for (const input of "inputs" in job ? job.inputs : [job.input]) checkInput(input);
  switch (job.order) {
    case "rewrite":
      return putTogether(connection, job);
    case "filter":
      return filterRows(connection, job);
    case "note":
      return noteRows(connection, job);
    case "replace":
      return replaceRows(connection, job);
    case "gather":
      return gatherChanges(connection, job);
    case "fold":
      return foldChanges(connection, job);
    default:
      return unreachable(job);
  }
}

async function putTogether(connection: DuckDBConnection, job: PutTogetherJob): Promise<RewriteReport> {
  const file = await copyToFile(connection, selectOf(job), job.output);
  const columns = columnsOf(parseSchema(job.schemaString)).filter(
    ({ name }) => !job.partitionColumns.includes(name),
  );
  const { rows, groups } = footerStatistics(readFooter(job.output, file.bytes), columns);
  return { report: "rewritten", file: { ...file, rows }, stats: deltaStats(columns, rows, groups) };
}

function selectOf({ inputs, schemaString, partitionColumns, orderBy }: PutTogetherJob): string {
  const files = listOfTexts(inputs.map((input) => input.path));
  const source = `read_parquet(${files}, schema = ${readSchema(schemaString, partitionColumns)})`;
  const order = orderBy.length > 0 ? ` ORDER BY ${orderBy.map(quoteName).join(", ")}` : "";
  return `SELECT * FROM ${source}${order}`;
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
      working = working.then(async () => report(await work(connection, job).catch(failureOf)));
    }
  });
  process.stdin.on("close", end);
  process.stdin.on("end", end);
  report({ report: "ready" });
}

await main();
