/**
 * GET, POST /v1/jobs and what is below: SELECTs that go on, with their results in tables. Whoever declares one must
 * read its inputs as a whole, since results tell of all rows, and be the administrator of the table that it makes.
 */
import type { Hono } from "hono";
import type { Delivery } from "../../core/delivery.ts";
import { MuaraError } from "../../core/errors.ts";
import {
  type Job,
  jobLimitsSchema,
  jobPlanRequestSchema,
  jobRollbackSchema,
  jobUpgradeSchema,
} from "../../core/job.ts";
import type { Declaration } from "../../core/registry.ts";
import { mayReadWhole } from "../../lake/query/part.ts";
import { type ApiContext, type ApiEnv, type ApiPorts, wholeNumber } from "../context.ts";
import { shownJob, time } from "../job-answer.ts";
import { readJobNotes, whereabouts } from "../job-notes.ts";
import { costOf } from "../job-cost.ts";
import {
  changedLimits,
  type Declared,
  declareJob,
  formerText,
  planUpgrade,
  upgradeJob,
} from "../job-declare.ts";
import { checkColumns, mayRun, outputOf, planned } from "../job-request.ts";
import { pauseSinks, removeSinks, sinksOf } from "../job-sinks.ts";
import { readBody } from "../read-body.ts";
import { shownDelivery } from "./deliveries.ts";
import { addJobExport } from "./job-export.ts";
import { addJobGraph } from "./job-graph.ts";

const PREVIEW_ROWS = 100;
const PREVIEW_ROWS_MAX = 1_000;

export function addJobRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  const { registry, logger } = ports;
  app.get("/v1/jobs", async (context) => {
    await registry.refresh();
    const mine = registry
      .list<Job>("job")
      .flatMap(({ value }) => (value && mayRun(context.get("principal"), value.output) ? value : []));
    const notes = await readJobNotes(ports);
    return context.json({
      items: await Promise.all(mine.map((job) => shownJob(ports, job, false, notes))),
    });
  });
  app.post("/v1/jobs/plan", async (context) => context.json(await planAnswer(ports, context)));
  addJobExport(app, ports, async (context) => (await one(ports, context)).value!.text);
  addJobGraph(app, ports, async (context) => (await one(ports, context)).value!);
  app.post("/v1/jobs", async (context) => {
    const declared = await declareJob(ports, context);
    const { job } = declared;
    logger.info("declared a job", { by: job.by, job: job.name, output: job.output });
    return answer(ports, context, declared, 201);
  });
  app.get("/v1/jobs/:name", async (context) => {
    const { value, revision } = await one(ports, context);
    context.header("etag", `"${revision}"`);
    return context.json(await shownJob(ports, value!, true));
  });
  app.put("/v1/jobs/:name", async (context) => {
    const found = await one(ports, context);
    checkSeen(context, found);
    const { text, limits } = await readBody(context, jobUpgradeSchema);
    const asked = { text, limits: changedLimits(found.value!, limits), isBack: false };
    const declared = await upgradeJob(ports, context, found, asked);
    tell(ports, context, "upgraded a job", declared);
    return answer(ports, context, declared, 200);
  });
  app.post("/v1/jobs/:name/rollback", async (context) => {
    const found = await one(ports, context);
    checkSeen(context, found);
    const { to } = await readBody(context, jobRollbackSchema);
    const asked = { text: formerText(found.value!, to), limits: undefined, isBack: true };
    const declared = await upgradeJob(ports, context, found, asked);
    tell(ports, context, "rolled a job back", declared);
    return answer(ports, context, declared, 200);
  });
  app.get("/v1/jobs/:name/preview", async (context) => context.json(await previewAnswer(ports, context)));
  app.post("/v1/jobs/:name/pause", (context) => pause(ports, context, true));
  app.post("/v1/jobs/:name/resume", (context) => pause(ports, context, false));
  app.delete("/v1/jobs/:name", async (context) => {
    const { value, revision } = await one(ports, context);
    const by = context.get("principal").id;
    await registry.put("job", value!.name, revision, null, by);
    await removeSinks(ports, value!.name, by);
    logger.info("removed a job", { by, job: value!.name });
    return context.body(null, 204);
  });
}

/** @throws job.not_found also for one whose table is not the asker's */
async function one({ registry }: ApiPorts, context: ApiContext): Promise<Declaration<Job>> {
  await registry.refresh();
  const name = context.req.param("name")!;
  const found = registry.get<Job>("job", name);
  if (found?.value && mayRun(context.get("principal"), found.value.output)) return found;
  throw new MuaraError("job.not_found", `There is no job "${name}".`, { details: { job: name } });
}

/** @throws declaration.conflict where somebody else has changed it meanwhile, request.malformed */
function checkSeen(context: ApiContext, { name, revision }: Declaration<Job>): void {
  const ifMatch = context.req.header("if-match");
  if (ifMatch === undefined || ifMatch === "*") return;
  const seen = /^"(\d{1,15})"$/.exec(ifMatch);
  if (!seen) throw new MuaraError("request.malformed", "If-Match is not an ETag of this address.");
  if (Number(seen[1]) !== revision)
    throw new MuaraError("declaration.conflict", `job "${name}" was changed by somebody else.`);
}

async function pause(ports: ApiPorts, context: ApiContext, isPaused: boolean): Promise<Response> {
  const { registry, logger } = ports;
  const { value, revision } = await one(ports, context);
  const changed = { ...value!, isPaused };
  const by = context.get("principal").id;
  if (value!.isPaused !== isPaused) await registry.put("job", value!.name, revision, changed, by);
  await pauseSinks(ports, value!.name, isPaused, by);
  logger.info(isPaused ? "paused a job" : "resumed a job", { by, job: value!.name });
  return context.json(await shownJob(ports, changed, true));
}

function tell({ logger }: ApiPorts, context: ApiContext, what: string, { job }: Declared): void {
  logger.info(what, { by: context.get("principal").id, job: job.name, version: job.version });
}

/** A webhook's secret is told only here. */
async function answer(
  ports: ApiPorts,
  context: ApiContext,
  { job, added }: Declared,
  status: 200 | 201,
): Promise<Response> {
  const shown = await shownJob(ports, job, true);
  const secrets = new Map(added.flatMap(({ id, url, secret }) => (url === undefined ? [] : [[id, secret]])));
  const deliveries = ports.registry.list<Delivery>("delivery").flatMap(({ value }) => {
    return value?.job === job.name ? [value] : [];
  });
  const sinks = await Promise.all(
    deliveries.map(async (delivery) => {
      const secret = secrets.get(delivery.id);
      const told = await shownDelivery(ports, delivery);
      return secret === undefined ? told : { ...told, secret: `whsec_${secret}` };
    }),
  );
  context.header("etag", `"${ports.registry.get("job", job.name)?.revision ?? 0}"`);
  return context.json({ ...shown, deliveries: sinks }, status);
}

async function planAnswer(ports: ApiPorts, context: ApiContext): Promise<Record<string, unknown>> {
  const { text } = await readBody(context, jobPlanRequestSchema);
  await ports.registry.refresh();
  const all = await planned(ports, context, text);
  const { job, plan } = all;
  const principal = context.get("principal");
  const sinks = sinksOf(ports, principal, job, text);
  const running = ports.registry.get<Job>("job", job.name)?.value;
  const isMine = running != null && mayRun(principal, running.output);
  const upgrade = isMine ? await planUpgrade(ports, context, running, all) : undefined;
  if (upgrade) checkColumns(upgrade.change, running!.output);
  const { kind, columns, latenessMs, state, keeps, inputs } = plan;
  return {
    name: job.name,
    output: outputOf(job),
    kind,
    inputs: inputs.map(({ table }) => table),
    lateness_ms: latenessMs,
    columns,
    is_stateful: state.length > 0,
    keeps,
    deliveries: sinks.map(({ name }) => name),
    cost: await costOf(ports, plan, running?.limits ?? jobLimitsSchema.parse({})),
    upgrade: upgrade
      ? {
          version: upgrade.version,
          state: upgrade.state,
          added_columns: upgrade.change.added,
          counts_from: upgrade.countsFrom,
        }
      : null,
  };
}

/** @throws auth.forbidden, job.not_running, job.engine_failed */
async function previewAnswer(ports: ApiPorts, context: ApiContext): Promise<Record<string, unknown>> {
  const { value } = await one(ports, context);
  const { name, output } = value!;
  const principal = context.get("principal");
  if (!mayReadWhole(principal, output))
    throw new MuaraError("auth.forbidden", `${principal.id} may not read "${output}".`);
  const limit = wholeNumber(context, "limit", PREVIEW_ROWS, PREVIEW_ROWS_MAX);
  const status = ports.jobs?.status(name);
  if (!status || status.state === "waiting") {
    const { runs_on: elsewhere } = whereabouts(ports, value!, await readJobNotes(ports));
    const where = elsewhere === null ? "" : ` It runs in ${elsewhere}: ask there.`;
    throw new MuaraError("job.not_running", `The job "${name}" does not run in this process now.${where}`);
  }
  const { columns, rows, position } = await status.preview(limit, context.req.raw.signal);
  return { is_final: false, columns, rows, released_until: time(position.releasedUs) };
}
