/**
 * GET /v1/alerts: what is pending, fires, or was resolved lately. GET, POST /v1/silences, DELETE /v1/silences/{id}: for
 * some time nobody is told. An alert is read by whoever may read its rule; silences take rights on `system:alerts`.
 */
import type { Hono } from "hono";
import { z } from "zod";
import type { Alert } from "../../core/alert.ts";
import { parseMatchers } from "../../core/alert-matcher.ts";
import { systemRandomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Rule } from "../../core/rule.ts";
import { type Silence, silenceSchema, Silences } from "../../core/silence.ts";
import { type ApiEnv, type ApiPorts, demand, isoOrNull } from "../context.ts";
import { readBody } from "../read-body.ts";
import { ALERTS, mayRead, stateOf } from "../rule-states.ts";

const STATES = ["pending", "firing", "resolved"] as const;
const SILENCE_MS_MAX = 366 * 86_400_000;

export const silenceRequestSchema = z.strictObject({
  matchers: z
    .string()
    .min(1)
    .max(4_096)
    .describe('as Alertmanager has them: severity="page", country=~"D.|AT"'),
  for_ms: z.int().min(1_000).max(SILENCE_MS_MAX).default(7_200_000),
  comment: z.string().min(1).max(1_000).describe("why"),
});

export function addAlertRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  const { registry, clock, logger } = ports;
  app.get("/v1/alerts", async (context) => {
    const wanted = context.req.query("state");
    if (wanted !== undefined && !STATES.includes(wanted as Alert["status"]))
      throw new MuaraError("request.malformed", `state is one of ${STATES.join(", ")}.`, {
        details: { parameter: "state" },
      });
    await registry.refresh();
    const principal = context.get("principal");
    const rules = registry
      .list<Rule>("rule")
      .flatMap(({ value }) => (value && mayRead(principal, value) ? value : []));
    const silences = new Silences(declaredSilences(ports));
    const items = await Promise.all(
      rules.map(async (rule) => {
        const state = await stateOf(ports, rule);
        return [...(state?.alerts.alerts ?? []), ...(state?.noData.alerts ?? [])]
          .filter(({ status }) => wanted === undefined || status === wanted)
          .map((alert) => shownAlert(rule, alert, silences.of(alert.labels, clock.nowMs())));
      }),
    );
    return context.json({ items: items.flat() });
  });

  app.get("/v1/silences", async (context) => {
    demand(context, "read", ALERTS);
    await registry.refresh();
    return context.json({ items: declaredSilences(ports).map((one) => shownSilence(one, clock.nowMs())) });
  });
  app.post("/v1/silences", async (context) => {
    demand(context, "write", ALERTS);
    const request = await readBody(context, silenceRequestSchema);
    const silence = await declareSilence(ports, request, context.get("principal").id);
    logger.info("declared a silence", { by: silence.by, silence: silence.id });
    return context.json(shownSilence(silence, clock.nowMs()), 201);
  });
  app.delete("/v1/silences/:id", async (context) => {
    demand(context, "write", ALERTS);
    await registry.refresh();
    const id = context.req.param("id");
    const found = registry.get<Silence>("silence", id);
    if (!found) throw new MuaraError("silence.not_found", `There is no silence "${id}".`);
    await registry.put("silence", id, found.revision, null, context.get("principal").id);
    logger.info("ended a silence", { by: context.get("principal").id, silence: id });
    return context.body(null, 204);
  });
}

/** @throws alert.matcher_invalid, silence.limits */
async function declareSilence(
  ports: ApiPorts,
  request: z.infer<typeof silenceRequestSchema>,
  by: string,
): Promise<Silence> {
  const { registry, clock, alerts, randomness } = ports;
  const nowMs = clock.nowMs();
  const silence = silenceSchema.parse({
    id: (randomness ?? systemRandomness).uuid(),
    matchers: parseMatchers(request.matchers).map(({ source }) => source),
    startsAtMs: nowMs,
    endsAtMs: nowMs + request.for_ms,
    by,
    comment: request.comment,
  });
  void new Silences([silence]); // refuses one that would hide everything
  await registry.refresh();
  const all = declaredSilences(ports);
  // Those that are over make room.
  for (const { id } of all.filter(({ endsAtMs }) => endsAtMs <= nowMs))
    await registry.put("silence", id, registry.get("silence", id)?.revision ?? 0, null);
  const most = alerts?.silences ?? 0;
  if (all.filter(({ endsAtMs }) => endsAtMs > nowMs).length >= most)
    throw new MuaraError("silence.limits", `Silences that may be declared, alerts.silences: ${most}.`, {
      details: { limit: most },
    });
  await registry.put("silence", silence.id, 0, silence, by);
  return silence;
}

function declaredSilences({ registry }: ApiPorts): readonly Silence[] {
  return registry.list<Silence>("silence").flatMap(({ value }) => (value ? value : []));
}

function shownSilence({ id, matchers, startsAtMs, endsAtMs, by, comment }: Silence, nowMs: number): object {
  const text = matchers.map(({ name, value, isRegex, isEqual }) => {
    const operator = isEqual ? (isRegex ? "=~" : "=") : isRegex ? "!~" : "!=";
    return `${name}${operator}${JSON.stringify(value)}`;
  });
  return {
    id,
    matchers: text.join(", "),
    state: endsAtMs <= nowMs ? "expired" : "active",
    starts_at: isoOrNull(startsAtMs),
    ends_at: isoOrNull(endsAtMs),
    by,
    comment,
  };
}

export function shownAlert(
  { name, receivers }: Pick<Rule, "name" | "receivers">,
  alert: Alert,
  silencedBy: readonly string[],
): object {
  const { fingerprint, labels, annotations, value, status, activeAtMs, startsAtMs, endsAtMs } = alert;
  return {
    rule: name,
    state: status,
    fingerprint,
    labels,
    annotations,
    value,
    active_at: isoOrNull(activeAtMs),
    starts_at: isoOrNull(startsAtMs),
    ends_at: isoOrNull(endsAtMs),
    silenced_by: silencedBy,
    receivers,
  };
}
