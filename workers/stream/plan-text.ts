/** A job's text planned or exported in a process of its own, for whoever wants to declare it or run it elsewhere. */
import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { jobLimitsSchema } from "../../core/job.ts";
import type { JobTable } from "../../lake/job/analysis.ts";
import type { Planned } from "../../lake/job/plan-job.ts";
import type { Exported } from "../../lake/job-export/export-job.ts";
import type { ExportOptions } from "../../lake/job-export/exported.ts";
import { EngineProcess } from "./engine-process.ts";

/** It parses and binds, and reads nothing. */
const PLAN_MS_MAX = 30_000;

/** @param folder of jobs on this machine @throws job.engine_failed */
export async function planText(
  folder: string,
  text: string,
  tables: readonly JobTable[],
  signal: AbortSignal,
): Promise<Planned> {
  const { planned } = await withEngine(folder, (engine) =>
    engine.ask({ order: "plan", text, tables }, "planned", signal),
  );
  return planned;
}

/** @param folder of jobs on this machine @throws job.engine_failed */
export async function exportText(
  folder: string,
  text: string,
  tables: readonly JobTable[],
  options: ExportOptions,
  signal: AbortSignal,
): Promise<Exported> {
  const { exported } = await withEngine(folder, (engine) =>
    engine.ask({ order: "export", text, tables, options }, "exported", signal),
  );
  return exported;
}

async function withEngine<Result>(
  folder: string,
  work: (engine: EngineProcess) => Promise<Result>,
): Promise<Result> {
  const own = join(folder, `plan-${randomBytes(6).toString("hex")}`);
  const limits = jobLimitsSchema.parse({ step_ms: PLAN_MS_MAX });
  const engine = await EngineProcess.start({ job: "plan", folder: own, limits });
  try {
    return await work(engine);
  } finally {
    await engine.close();
    await rm(own, { recursive: true, force: true });
  }
}
