/**
 * GET /v1/dead-letters/groups: how many dead letters there are of each event type and reason, since when, until when,
 * what became of them, and the newest of each as a sample.
 */
import type { Hono } from "hono";
import { ERRORS, type ErrorCode } from "../../core/errors.ts";
import { SYSTEM, wholeNumber, type ApiEnv, type ApiPorts } from "../context.ts";
import { askedConditions, LETTER_STATES, lettersFrom, STATE_SQL } from "../letters.ts";

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1_000;

export function addDeadLetterGroupRoute(app: Hono<ApiEnv>, ports: ApiPorts): void {
  app.get("/v1/dead-letters/groups", async (context) => {
    const limit = wholeNumber(context, "limit", LIMIT_DEFAULT, LIMIT_MAX);
    const conditions = await askedConditions(ports, context);
    const from = await lettersFrom(ports);
    if (!from) return context.json({ items: [], truncated: false }); // nothing was ever dead
    const counts = LETTER_STATES.map((one) => `count(*) FILTER (${STATE_SQL} = '${one}')`);
    const samples = ["dead_letter_id", "event_id", "pointer", "detail"].map(newest);
    const sql = `SELECT d.event_type, d.reason, count(*), min(d.ingest_time), max(d.ingest_time),
        ${[...counts, ...samples].join(", ")}
      FROM ${from} WHERE ${conditions.join(" AND ")}
      GROUP BY d.event_type, d.reason ORDER BY max(d.ingest_time) DESC, d.event_type, d.reason`;
    const { signal } = context.req.raw;
    const { rows } = await ports.query.rows({ sql, limit: limit + 1, principal: SYSTEM }, signal);
    return context.json({ items: rows.slice(0, limit).map(shown), truncated: rows.length > limit });
  });
}

function newest(column: string): string {
  return `arg_max(d.${column}, (d.ingest_time, d.dead_letter_id))`;
}

function shown(row: readonly unknown[]): Record<string, unknown> {
  const [eventType, reason, count, first, last, ...rest] = row;
  const states = LETTER_STATES.map((state, i) => [state, Number(rest[i])] as const);
  const [id, eventId, pointer, detail] = rest.slice(LETTER_STATES.length);
  return {
    event_type: eventType,
    reason,
    count: Number(count),
    ...Object.fromEntries(states),
    first_seen: first,
    last_seen: last,
    sample: { dead_letter_id: id, event_id: eventId, pointer, detail },
    help: String(reason) in ERRORS ? ERRORS[String(reason) as ErrorCode].help : null,
  };
}
