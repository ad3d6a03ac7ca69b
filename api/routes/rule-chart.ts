/** GET /v1/rules/{name}/chart: what a rule saw, or would have seen, around a moment; with the rights of who asks. */
import type { Hono } from "hono";
import { z } from "zod";
import { MuaraError } from "../../core/errors.ts";
import { watermarkOf } from "../../core/landed.ts";
import type { Rule } from "../../core/rule.ts";
import { type ChartAsker, type ChartPoint, dropChart, sqlChart } from "../../lake/rule/rule-chart.ts";
import type { SqlRuleRequest } from "../../lake/rule/sql-rule.ts";
import {
  type ApiContext,
  type ApiEnv,
  type ApiPorts,
  isoOrNull,
  readableTable,
  wholeNumber,
} from "../context.ts";
import { isoTime } from "../query-time.ts";

const DROP_POINTS = 200;
const DROP_POINTS_MAX = 1_000;
const SQL_POINTS = 12;
const SQL_POINTS_MAX = 24;
const SPAN_MS = 3_600_000;
const SPAN_MS_MAX = 31 * 86_400_000;

const labelsSchema = z.record(z.string().max(255), z.string().max(1_024));

/** @param ruleOf that the path names; throws rule.not_found */
export function addRuleChart(
  app: Hono<ApiEnv>,
  ports: ApiPorts,
  ruleOf: (context: ApiContext) => Promise<Rule>,
): void {
  app.get("/v1/rules/:name/chart", async (context) => {
    const rule = await ruleOf(context);
    const { query } = ports;
    const timeoutMs = ports.alerts?.timeoutMs ?? 0;
    const asker = { query, principal: context.get("principal"), timeoutMs, signal: context.req.raw.signal };
    const asked = await (rule.sql ? ofSql(ports, asker, rule, context) : ofDrop(ports, asker, rule, context));
    return context.json({
      rule: rule.name,
      kind: rule.sql ? "sql" : "drop",
      window_ms: rule.drop?.window_ms ?? null,
      complete_through: isoOrNull(asked.completeThroughMs),
      points: asked.points.map(({ atMs, value, expected, low, isDropping }) => ({
        at: isoOrNull(atMs),
        value,
        expected: rounded(expected),
        low: rounded(low),
        is_dropping: isDropping,
      })),
    });
  });
}

interface Drawn {
  readonly completeThroughMs: number | null;
  readonly points: readonly ChartPoint[];
}

async function ofDrop(
  ports: ApiPorts,
  asker: ChartAsker,
  { drop }: Rule,
  context: ApiContext,
): Promise<Drawn> {
  const rule = drop!;
  const windows = wholeNumber(context, "points", DROP_POINTS, DROP_POINTS_MAX);
  const table = await readableTable(ports, asker.principal, rule.table);
  const snapshot = await ports.catalog.snapshot(table.name);
  const watermarkMs = watermarkOf(snapshot.txns);
  if (snapshot.version < 0 || watermarkMs === undefined || !Number.isFinite(watermarkMs))
    return { completeThroughMs: null, points: [] };
  const until = isoTime(context, "until");
  const untilMs = Math.min(watermarkMs, until === undefined ? Infinity : Date.parse(until));
  const { version } = snapshot;
  const isEventTable = table.kind === "event_type";
  const points = await dropChart(asker, {
    rule,
    isEventTable,
    version,
    labels: labelsOf(context),
    untilMs,
    windows,
  });
  return { completeThroughMs: watermarkMs, points };
}

async function ofSql(
  { clock }: ApiPorts,
  asker: ChartAsker,
  rule: Rule,
  context: ApiContext,
): Promise<Drawn> {
  const points = wholeNumber(context, "points", SQL_POINTS, SQL_POINTS_MAX);
  const spanMs = wholeNumber(context, "span_ms", SPAN_MS, SPAN_MS_MAX);
  const until = isoTime(context, "until");
  const untilMs = until === undefined ? clock.nowMs() : Date.parse(until);
  const stepMs = points === 1 ? 0 : spanMs / (points - 1);
  const times = Array.from({ length: points }, (_, i) => Math.round(untilMs - (points - 1 - i) * stepMs));
  const asked = rule as SqlRuleRequest["rule"];
  return { completeThroughMs: null, points: await sqlChart(asker, asked, labelsOf(context), times) };
}

/** @throws request.malformed */
function labelsOf(context: ApiContext): Readonly<Record<string, string>> {
  const text = context.req.query("labels");
  if (text === undefined) return {};
  try {
    return labelsSchema.parse(JSON.parse(text));
  } catch {
    throw new MuaraError("request.malformed", 'labels is JSON like {"country":"DE"}.', {
      details: { parameter: "labels" },
    });
  }
}

function rounded(value: number | null): number | null {
  return value === null ? null : Math.round(value * 100) / 100;
}
