/**
 * GET /v1/processes/{name}/map, /variants, /deadlines, /deadlines/{rule} and GET /v1/cases: a process as its cases went
 * through it. For whoever may read all of its tables as a whole, as its funnel is.
 */
import type { Hono } from "hono";
import { MuaraError } from "../../core/errors.ts";
import type { ProcessDeclaration } from "../../core/process.ts";
import type { CaseBounds } from "../../lake/process/case-steps.ts";
import { MAP_COLUMNS, processMap, processVariants, VARIANT_COLUMNS } from "../../lake/process/map-text.ts";
import { OUTCOMES } from "../../lake/process/outcome-text.ts";
import { caseSearch, SEARCH_COLUMNS } from "../../lake/process/search-text.ts";
import { type Asker, askRows } from "../ask-rows.ts";
import { isoOrNull, wholeNumber, type ApiContext, type ApiEnv, type ApiPorts } from "../context.ts";
import { outcomeList, outcomesFrom, processOutcomes } from "../process-outcomes.ts";
import { readableProcess } from "../processes.ts";
import { isoTime } from "../query-time.ts";
import { processOf } from "./cases.ts";

const LIST_MAX = 1_000;
const LIST_DEFAULT = 100;
const VARIANTS_DEFAULT = 20;
const VARIANTS_MAX = 200;
const TEXT_LENGTH_MAX = 255;

export function addProcessViewRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  const one = async (context: ApiContext): Promise<ProcessDeclaration> =>
    (await readableProcess(ports, context.get("principal"), context.req.param("name")!)).value.declaration;
  const asker = (context: ApiContext): Asker => ({
    ports,
    principal: context.get("principal"),
    signal: context.req.raw.signal,
  });
  app.get("/v1/processes/:name/map", async (context) =>
    context.json(await mapOf(asker(context), await one(context), boundsOf(context))),
  );
  app.get("/v1/processes/:name/variants", async (context) => {
    const limit = wholeNumber(context, "limit", VARIANTS_DEFAULT, VARIANTS_MAX);
    return context.json(await variantsOf(asker(context), await one(context), boundsOf(context), limit));
  });
  app.get("/v1/processes/:name/deadlines", async (context) =>
    context.json(await processOutcomes(asker(context), await one(context), boundsOf(context))),
  );
  app.get("/v1/processes/:name/deadlines/:rule", async (context) => {
    const process = await one(context);
    const wanted = outcomesFrom(context.req.query("state"));
    if (!wanted) throw malformed("state", `state: one or more of ${OUTCOMES.join(", ")}, with commas.`);
    const limit = wholeNumber(context, "limit", LIST_DEFAULT, LIST_MAX);
    const rule = context.req.param("rule");
    const found = await outcomeList(asker(context), process, rule, { ...boundsOf(context), wanted, limit });
    if (found) return context.json(found);
    const said = `The process "${process.name}" has no deadline or completion "${rule}".`;
    throw new MuaraError("process.not_found", said, { details: { process: process.name, rule } });
  });
  app.get("/v1/cases", async (context) => {
    const { declaration } = await processOf(ports, context);
    return context.json(await searchOf(asker(context), declaration, context));
  });
}

async function mapOf(asker: Asker, process: ProcessDeclaration, bounds: CaseBounds): Promise<object> {
  const names = Object.keys(process.activities);
  const { rows, completeThroughMs } = await askRows(asker, processMap(process, bounds), MAP_COLUMNS);
  const nameOf = (step: unknown): string | null => (step === null ? null : names[Number(step)]!);
  return {
    process: process.name,
    complete_through: isoOrNull(completeThroughMs),
    activities: names,
    edges: rows.map((row) => ({
      from: nameOf(row["step"]),
      to: nameOf(row["next"]),
      times: Number(row["times"]),
      cases: Number(row["cases"]),
      median_ms: numberOrNull(row["median_ms"]),
      p95_ms: numberOrNull(row["p95_ms"]),
    })),
  };
}

async function variantsOf(
  asker: Asker,
  process: ProcessDeclaration,
  bounds: CaseBounds,
  limit: number,
): Promise<object> {
  const names = Object.keys(process.activities);
  const sql = processVariants(process, bounds);
  const { rows, completeThroughMs } = await askRows(asker, sql, VARIANT_COLUMNS, limit);
  return {
    process: process.name,
    complete_through: isoOrNull(completeThroughMs),
    variants: Number(rows[0]?.["variants"] ?? 0),
    cases: Number(rows[0]?.["all_cases"] ?? 0),
    items: rows.map((row) => ({
      path: (JSON.parse(String(row["path"])) as number[]).map((step) => names[step]!),
      cases: Number(row["cases"]),
      median_ms: numberOrNull(row["median_ms"]),
      example: row["example"],
    })),
  };
}

async function searchOf(asker: Asker, process: ProcessDeclaration, context: ApiContext): Promise<object> {
  const names = Object.keys(process.activities);
  const [text, last, order] = [context.req.query("q"), context.req.query("last"), context.req.query("order")];
  if (text !== undefined && text.length > TEXT_LENGTH_MAX)
    throw malformed("q", `q has at most ${TEXT_LENGTH_MAX} characters.`);
  if (last !== undefined && !names.includes(last))
    throw malformed("last", `last is one of ${names.join(", ")}.`);
  if (order !== undefined && order !== "oldest" && order !== "newest")
    throw malformed("order", "order is oldest or newest.");
  const unfinished = context.req.query("unfinished");
  if (unfinished !== undefined && unfinished !== "true" && unfinished !== "false")
    throw malformed("unfinished", "unfinished is true or false.");
  const isUnfinished = unfinished === "true";
  const search = { ...boundsOf(context), text, last, isUnfinished, order: order ?? "newest" } as const;
  const limit = wholeNumber(context, "limit", LIST_DEFAULT, LIST_MAX);
  const found = await askRows(asker, caseSearch(process, search), SEARCH_COLUMNS, limit);
  return {
    process: process.name,
    complete_through: isoOrNull(found.completeThroughMs),
    is_truncated: found.isTruncated,
    items: found.rows.map((row) => ({
      case_id: row["case_id"],
      begun_at: row["begun_at"],
      last_at: row["last_at"],
      last: names[Number(row["last"])]!,
      events: Number(row["events"]),
      late: Number(row["late"]),
    })),
  };
}

function boundsOf(context: ApiContext): CaseBounds {
  return { since: isoTime(context, "since"), until: isoTime(context, "until") };
}

function numberOrNull(value: unknown): number | null {
  return value === null ? null : Number(value);
}

function malformed(parameter: string, said: string): MuaraError {
  return new MuaraError("request.malformed", said, { details: { parameter } });
}
