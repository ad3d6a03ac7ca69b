/**
 * GET, POST /v1/rules and what is below: conditions over the lake, of which alerts are made. Whoever declares one needs
 * `write` on `system:alerts`, since it runs on and on, and reads with his own rights, as they are at each evaluation.
 * A rule is its owner's; whoever administers `system:alerts` may change those of others.
 */
import type { Hono } from "hono";
import type { Principal } from "../../core/authorize.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Declaration } from "../../core/registry.ts";
import { conditionOf, type Rule, type RuleRequest, ruleRequestSchema } from "../../core/rule.ts";
import { checkRuleRing } from "../../core/rule-ring.ts";
import { checkDropTexts, type DropResultRule } from "../../lake/rule/drop-results.ts";
import { readCounts } from "../../lake/rule/drop-counts.ts";
import { checkQuery } from "../../lake/rule/rule-text.ts";
import { evaluateSql, type SqlRuleRequest } from "../../lake/rule/sql-rule.ts";
import { type ApiContext, type ApiEnv, type ApiPorts, demand, isoOrNull, readableTable } from "../context.ts";
import { readBody } from "../read-body.ts";
import { addRuleChart } from "./rule-chart.ts";
import { ALERTS, mayRead, stateOf } from "../rule-states.ts";
import { ruleTestAnswer } from "../rule-test.ts";

const ID_BYTES = 6;

export function addRuleRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  const { registry, logger } = ports;
  const one = async (context: ApiContext): Promise<Declaration<Rule>> => {
    await registry.refresh();
    const name = context.req.param("name")!;
    const found = registry.get<Rule>("rule", name);
    if (found?.value && mayRead(context.get("principal"), found.value)) return found;
    throw new MuaraError("rule.not_found", `There is no rule "${name}".`, { details: { rule: name } });
  };
  const change = async (context: ApiContext, isPaused: boolean): Promise<Response> => {
    const { value, revision } = await one(context);
    demandChange(context, value!);
    const changed = { ...value!, isPaused };
    const by = context.get("principal").id;
    if (value!.isPaused !== isPaused) await registry.put("rule", value!.name, revision, changed, by);
    logger.info(isPaused ? "paused a rule" : "resumed a rule", { by, rule: value!.name });
    return context.json(await shown(ports, changed));
  };

  app.get("/v1/rules", async (context) => {
    await registry.refresh();
    const mine = registry
      .list<Rule>("rule")
      .flatMap(({ value }) => (value && mayRead(context.get("principal"), value) ? value : []));
    return context.json({ items: await Promise.all(mine.map((rule) => shown(ports, rule))) });
  });
  app.post("/v1/rules", async (context) => {
    const { rule, isNew } = await declare(ports, context);
    logger.info(isNew ? "declared a rule" : "changed a rule", { by: rule.owner.id, rule: rule.name });
    return context.json(await shown(ports, rule), isNew ? 201 : 200);
  });
  app.post("/v1/rules/test", async (context) => {
    const principal = context.get("principal");
    const check = (rule: RuleRequest, signal: AbortSignal): Promise<void> =>
      checkRule(ports, principal, rule, signal);
    return context.json(await ruleTestAnswer(ports, context, check));
  });
  app.get("/v1/rules/:name", async (context) =>
    context.json(await shown(ports, (await one(context)).value!)),
  );
  addRuleChart(app, ports, async (context) => (await one(context)).value!);
  app.post("/v1/rules/:name/pause", (context) => change(context, true));
  app.post("/v1/rules/:name/resume", (context) => change(context, false));
  app.delete("/v1/rules/:name", async (context) => {
    const { value, revision } = await one(context);
    demandChange(context, value!);
    const by = context.get("principal").id;
    await registry.put("rule", value!.name, revision, null, by);
    logger.info("removed a rule", { by, rule: value!.name });
    return context.body(null, 204);
  });
}

function demandChange(context: ApiContext, { owner }: Rule): void {
  const principal = context.get("principal");
  demand(context, owner.id === principal.id ? "write" : "admin", ALERTS);
}

/** @throws request.malformed, rule.refused, rule.limits, auth.forbidden, what a query throws */
async function declare(ports: ApiPorts, context: ApiContext): Promise<{ rule: Rule; isNew: boolean }> {
  const { registry, clock, alerts } = ports;
  demand(context, "write", ALERTS);
  const request = await readBody(context, ruleRequestSchema);
  const principal = context.get("principal");
  const unknown = request.receivers.find((name) => !Object.hasOwn(alerts?.receivers ?? {}, name));
  if (unknown !== undefined)
    throw new MuaraError("request.malformed", `/receivers: alerts.receivers has no "${unknown}"`, {
      details: { pointer: "/receivers" },
    });
  await checkRule(ports, principal, request, context.req.raw.signal);
  await registry.refresh();
  const before = registry.get<Rule>("rule", request.name);
  if (before?.value) demandChange(context, before.value);
  else if (registry.list("rule").length >= (alerts?.rules ?? 0))
    throw new MuaraError("rule.limits", `Rules that may be declared, alerts.rules: ${alerts?.rules ?? 0}.`, {
      details: { limit: alerts?.rules ?? 0 },
    });
  const { id: ownerId, roles, scopes } = principal;
  const nowMs = clock.nowMs();
  const rule: Rule = {
    ...request,
    // Of another kind of rule nothing that is kept holds.
    id: before?.value && hasSameKind(before.value, request) ? before.value.id : newId(),
    isPaused: before?.value?.isPaused ?? false,
    owner: { id: ownerId, ...(roles ? { roles } : {}), ...(scopes ? { scopes } : {}) },
    createdMs: before?.value?.createdMs ?? nowMs,
    changedMs: nowMs,
  };
  await registry.put("rule", rule.name, before?.revision ?? 0, rule, principal.id);
  return { rule, isNew: !before?.value };
}

function hasSameKind(a: RuleRequest, b: RuleRequest): boolean {
  return (a.sql === undefined) === (b.sql === undefined);
}

function newId(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(ID_BYTES))).toString("hex");
}

/** Asks what the rule will ask, once. */
async function checkRule(
  ports: ApiPorts,
  principal: Principal,
  request: RuleRequest,
  signal: AbortSignal,
): Promise<void> {
  const { query, clock, catalog } = ports;
  const timeoutMs = ports.alerts?.timeoutMs ?? 0;
  const atMs = clock.nowMs();
  if (request.sql) {
    await checkQuery(request.sql.query);
    const rule = request as SqlRuleRequest["rule"];
    const { versions } = await evaluateSql(query, { rule, principal, atMs, timeoutMs }, signal);
    checkRuleRing(ports.registry, request.name, Object.keys(versions));
    return;
  }
  const rule = request as DropResultRule;
  checkDropTexts(rule);
  const table = await readableTable(ports, principal, rule.drop.table);
  checkRuleRing(ports.registry, request.name, [table.name]);
  const { version } = await catalog.snapshot(table.name);
  if (version < 0) return;
  const isEventTable = table.kind === "event_type";
  const counted = { rule: rule.drop, isEventTable, version, fromMs: 0, toMs: rule.drop.window_ms };
  if (rule.drop.filter !== undefined)
    await checkQuery(`SELECT 1 FROM range(1) WHERE (${rule.drop.filter}\n)`);
  await readCounts(query, { ...counted, principal, timeoutMs }, signal);
}

async function shown(ports: ApiPorts, rule: Rule): Promise<Record<string, unknown>> {
  const { id: _id, isPaused, owner, createdMs, changedMs, ...request } = rule;
  const state = await stateOf(ports, rule);
  const alerts = state?.alerts.alerts ?? [];
  return {
    ...request,
    by: owner.id,
    created_at: isoOrNull(createdMs),
    changed_at: isoOrNull(changedMs),
    state: isPaused ? "paused" : conditionOf(state),
    problem: isPaused ? null : (state?.problem ?? null),
    firing: alerts.filter(({ status }) => status === "firing").length,
    pending: alerts.filter(({ status }) => status === "pending").length,
    series: state?.series?.total ?? null,
    warming_series: state?.series?.warming ?? null,
    versions: state?.versions ?? {},
    complete_through: isoOrNull(state?.completeThroughMs),
    evaluated_at: isoOrNull(state?.evaluatedMs),
    runs_on: isPaused ? null : (state?.by ?? null),
  };
}
