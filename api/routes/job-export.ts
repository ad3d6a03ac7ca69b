/**
 * POST /v1/jobs/export, GET /v1/jobs/:name/export: a job as a program of another engine. Nothing is declared; as for a
 * plan, the tables are those that the asker may read as a whole.
 */
import type { Hono } from "hono";
import { jobExportOptions, type JobExportOptions, jobExportRequestSchema } from "../../core/job-export.ts";
import { MuaraError } from "../../core/errors.ts";
import { jobRefused } from "../../lake/job/job-refused.ts";
import type { ApiContext, ApiEnv, ApiPorts } from "../context.ts";
import { tablesOfJobs } from "../job-request.ts";
import { readBody } from "../read-body.ts";

/** @param textOf of the job that the path names; throws job.not_found */
export function addJobExport(
  app: Hono<ApiEnv>,
  ports: ApiPorts,
  textOf: (context: ApiContext) => Promise<string>,
): void {
  const answer = async (context: ApiContext, text: string, options: JobExportOptions): Promise<Response> => {
    if (!ports.jobs) throw new MuaraError("request.not_found", "This process does not plan jobs.");
    const tables = await tablesOfJobs(ports, context);
    const exported = await ports.jobs.export(text, tables, options, context.req.raw.signal);
    if (exported.kind === "refused") throw jobRefused(exported.refusal);
    return context.json({ to: options.to, text: exported.text });
  };
  app.post("/v1/jobs/export", async (context) => {
    const { text, ...options } = await readBody(context, jobExportRequestSchema);
    return answer(context, text, options);
  });
  app.get("/v1/jobs/:name/export", async (context) => {
    const text = await textOf(context);
    return answer(context, text, optionsOf(context.req.query()));
  });
}

/** @throws request.malformed */
function optionsOf(query: Readonly<Record<string, string>>): JobExportOptions {
  const checked = jobExportOptions.safeParse(query);
  if (checked.success) return checked.data;
  const { path, message } = checked.error.issues[0]!;
  throw new MuaraError("request.malformed", `${path.join(".") || "query"}: ${message}`);
}
