/**
 * The process of a job: one engine, one order after the other, until its parent has none any more (stdin closes). It
 * has no store and no network: it reads files that lie here, and writes files.
 */
import path from "node:path";
import process from "node:process";
import type { DuckDBConnection } from "@duckdb/node-api";
import { unreachable } from "../../core/assert.ts";
import { planJob } from "../../lake/job/plan-job.ts";
import { encodeJson, FrameReader } from "../../lake/query/protocol.ts";
import { type EngineLimits, openEngine } from "../../lake/query/session.ts";
import { stepBack } from "../../lake/query/step-back.ts";
import { Refused } from "../../lake/rewrite-file.ts";
import type { EngineOrder, EngineReport } from "./engine-orders.ts";
import { JobEngine } from "./job-engine.ts";
import { UnsupportedResult } from "./result-schema.ts";

const NICENESS = 5;

function report(value: EngineReport): void {
  process.stdout.write(encodeJson(value));
}

async function work(engine: JobEngine, limits: EngineLimits, order: EngineOrder): Promise<EngineReport> {
  switch (order.order) {
    case "plan": {
      const planned = await withPlanner(limits, (own) => planJob(order.text, order.tables, own));
      return { report: "planned", planned };
    }
    case "export": {
      const { exportJob } = await import("../../lake/job-export/export-job.ts");
      const { text, tables, options } = order;
      const exported = await withPlanner(limits, (own) => exportJob(text, tables, own, options));
      return { report: "exported", exported };
    }
    case "prepare":
      return { report: "prepared", ...(await engine.prepare(order)) };
    case "step":
      return { report: "stepped", files: await engine.step(order) };
    case "rebuild":
      await engine.rebuild(order);
      return { report: "rebuilt" };
    case "keep":
      return { report: "kept", size: await engine.keep(order.place) };
    case "drop":
      await engine.drop();
      return { report: "dropped" };
    case "preview":
      return { report: "preview", ...(await engine.preview(order)) };
    default:
      return unreachable(order);
  }
}

/** An engine of its own: the planner leaves tables in it. */
async function withPlanner<Result>(
  limits: EngineLimits,
  use: (connection: DuckDBConnection) => Promise<Result>,
): Promise<Result> {
  const connection = await openEngine(limits);
  await connection.run("SET enable_external_access = false");
  const result = await use(connection);
  connection.closeSync();
  return result;
}

function failureOf(error: unknown): EngineReport {
  const message = (error instanceof Error ? error.message : String(error)).slice(0, 2_000);
  if (error instanceof Refused) return { report: "failed", kind: error.kind, message };
  if (error instanceof UnsupportedResult) return { report: "failed", kind: "unsupported", message };
  return { report: "failed", kind: kindOf(message), message };
}

/** By the engine's words, and the system's. */
function kindOf(message: string): "memory" | "full" | "failed" {
  if (
    /max_temp_directory_size|no space left|ENOSPC|EDQUOT|EFBIG|file too large|quota exceeded/i.test(message)
  )
    return "full";
  return /out of memory|bad_alloc|could not allocate/i.test(message) ? "memory" : "failed";
}

/** The engine's threads do not end by asking. */
function end(): void {
  process.kill(process.pid, "SIGKILL");
}

async function main(): Promise<void> {
  stepBack(NICENESS);
  const [memoryBytes = 268_435_456, diskBytes = 1_073_741_824, threads = 1] = process.argv
    .slice(2)
    .map(Number);
  const spill = { folder: path.join(process.cwd(), "spill"), bytes: diskBytes };
  const engine = new JobEngine(await openEngine({ memoryBytes, threads, spill }));
  const limits = { memoryBytes, threads };
  const reader = new FrameReader();
  let working: Promise<void> = Promise.resolve();
  process.stdin.on("data", (chunk: Buffer) => {
    for (const frame of reader.push(chunk)) {
      const order = JSON.parse(frame.body.toString()) as EngineOrder;
      working = working.then(async () => report(await work(engine, limits, order).catch(failureOf)));
    }
  });
  process.stdin.on("close", end);
  process.stdin.on("end", end);
  report({ report: "ready" });
}

await main();
