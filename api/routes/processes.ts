/**
 * GET, POST /v1/processes and what is below: business processes, whose rules run as jobs. Whoever reads one reads all
 * of its tables as a whole; whoever declares or ends one administers the tables of its results.
 */
import type { Hono } from "hono";
import { z } from "zod";
import { jobLimitsSchema } from "../../core/job.ts";
import { processRequestSchema, processTables } from "../../core/process.ts";
import { FUNNEL_COLUMNS, funnel } from "../../lake/process/funnel-text.ts";
import { ruleTexts } from "../../lake/process/rule-text.ts";
import { isoOrNull, type ApiContext, type ApiEnv, type ApiPorts } from "../context.ts";
import { planProcess } from "../plan-process.ts";
import {
  declareProcess,
  demandAdmin,
  readableProcess,
  pauseJob,
  readableProcesses,
  removeJob,
  shownProcess,
} from "../processes.ts";
import { isoTime } from "../query-time.ts";
import { readBody } from "../read-body.ts";

export const processPlanSchema = z.strictObject({ process: processRequestSchema });
export const processDeploySchema = processPlanSchema.extend({
  /** With all that its tables have, or with what is not final yet. */
  start: z.enum(["begin", "now"]).default("begin"),
  /** Of each of its jobs. */
  limits: jobLimitsSchema,
  /** In the tables that jobs of the same names have left. */
  continue: z.boolean().default(false),
});

export function addProcessRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  const { registry, logger } = ports;
  const one = (context: ApiContext): ReturnType<typeof readableProcess> =>
    readableProcess(ports, context.get("principal"), context.req.param("name")!);
  const change = async (context: ApiContext, isPaused: boolean): Promise<Response> => {
    const { value } = await one(context);
    const principal = context.get("principal");
    demandAdmin(principal, value.declaration);
    for (const { table } of ruleTexts(value.declaration))
      await pauseJob(ports, table, isPaused, principal.id);
    logger.info(isPaused ? "paused a process" : "resumed a process", {
      by: principal.id,
      process: value.declaration.name,
    });
    return context.json(await shownProcess(ports, value));
  };

  app.get("/v1/processes", async (context) => {
    const mine = await readableProcesses(ports, context.get("principal"));
    return context.json({ items: await Promise.all(mine.map((process) => shownProcess(ports, process))) });
  });
  app.post("/v1/processes/plan", async (context) => {
    const { process } = await readBody(context, processPlanSchema);
    const planned = await planProcess(ports, context, process);
    return context.json({
      name: process.name,
      tables: processTables(process),
      rules: planned.map(({ rule, kind, table, text, plan }) => ({
        rule,
        kind,
        job: table,
        table,
        job_kind: plan.kind,
        columns: plan.columns,
        text,
      })),
    });
  });
  app.post("/v1/processes", async (context) => {
    const { process, ...asked } = await readBody(context, processDeploySchema);
    const declared = await declareProcess(ports, context, process, asked);
    logger.info("declared a process", { by: declared.by, process: process.name });
    return context.json(await shownProcess(ports, declared), 201);
  });
  app.get("/v1/processes/:name", async (context) =>
    context.json(await shownProcess(ports, (await one(context)).value)),
  );
  app.post("/v1/processes/:name/pause", (context) => change(context, true));
  app.post("/v1/processes/:name/resume", (context) => change(context, false));
  app.delete("/v1/processes/:name", async (context) => {
    const { value, revision } = await one(context);
    const principal = context.get("principal");
    const { name } = value.declaration;
    demandAdmin(principal, value.declaration);
    for (const { table } of ruleTexts(value.declaration)) await removeJob(ports, table, principal.id);
    // Last: what did not end by a crash can still be found by it.
    await registry.put("process", name, revision, null, principal.id);
    logger.info("removed a process", { by: principal.id, process: name });
    return context.body(null, 204);
  });
  app.get("/v1/processes/:name/funnel", (context) => funnelOf(ports, context));
}

async function funnelOf(ports: ApiPorts, context: ApiContext): Promise<Response> {
  const principal = context.get("principal");
  const { declaration } = (await readableProcess(ports, principal, context.req.param("name")!)).value;
  const sql = funnel(declaration, isoTime(context, "since"), isoTime(context, "until"));
  const answer = await ports.query.rows(
    { sql, principal, sqlBytesMax: sql.length * 4 },
    context.req.raw.signal,
  );
  const found = new Map(answer.rows.map((row) => [Number(row[0]), row]));
  const steps = Object.keys(declaration.activities).map((activity, step) => {
    const row = found.get(step);
    const number = (name: (typeof FUNNEL_COLUMNS)[number]): number | null => {
      const value = row?.[FUNNEL_COLUMNS.indexOf(name)];
      return value === undefined || value === null ? null : Number(value);
    };
    return {
      activity,
      cases: number("cases") ?? 0,
      events: number("events") ?? 0,
      after_previous: step === 0 ? null : (number("after_previous") ?? 0),
      median_ms: number("median_ms"),
      p90_ms: number("p90_ms"),
    };
  });
  return context.json({
    process: declaration.name,
    complete_through: isoOrNull(answer.completeThroughMs),
    versions: answer.versions,
    activities: steps,
  });
}
