/**
 * GET /v1/dead-letters and /v1/dead-letters/{id}: what was accepted and could not land. Only those of event types
 * that the asker may read: a dead letter carries the event's bytes.
 */
import type { Hono } from "hono";
import { ERRORS, MuaraError, type ErrorCode } from "../../core/errors.ts";
import { quoteText } from "../../lake/query/view.ts";
import {
  readableTables,
  SYSTEM,
  wholeNumber,
  type ApiContext,
  type ApiEnv,
  type ApiPorts,
} from "../context.ts";

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1_000;
const COLUMNS = [
  "dead_letter_id",
  "event_type",
  "event_id",
  "reason",
  "pointer",
  "detail",
  "log_partition",
  "log_offset",
  "ingest_time",
  "table_version",
];

export function addDeadLetterRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  app.get("/v1/dead-letters", async (context) => {
    const limit = wholeNumber(context, "limit", LIMIT_DEFAULT, LIMIT_MAX);
    const conditions = [await readableCondition(ports, context)];
    for (const name of ["event_type", "reason"]) {
      const value = context.req.query(name);
      if (value !== undefined) conditions.push(`${name} = ${quoteText(value)}`);
    }
    const since = context.req.query("since");
    if (since !== undefined) conditions.push(`ingest_time >= TIMESTAMPTZ ${quoteText(instant(since))}`);
    const cursor = context.req.query("cursor");
    if (cursor !== undefined) conditions.push(afterCursor(cursor));
    const rows = await read(ports, context, COLUMNS, conditions, limit + 1);
    const items = rows.slice(0, limit);
    const last = rows.length > limit ? items.at(-1) : undefined;
    return context.json({
      items,
      next_cursor: last ? `${String(last["ingest_time"])}|${String(last["dead_letter_id"])}` : null,
    });
  });

  app.get("/v1/dead-letters/:id", async (context) => {
    const id = context.req.param("id");
    const columns = [...COLUMNS, "header", "event_key", "log_id", "topic_id", "payload"];
    const conditions = [await readableCondition(ports, context), `dead_letter_id = ${quoteText(id)}`];
    const [found] = await read(ports, context, columns, conditions, 1);
    if (!found)
      throw new MuaraError("declaration.not_found", `There is no dead letter "${id}".`, { details: { id } });
    const reason = String(found["reason"]);
    const payload = Buffer.from(typeof found["payload"] === "string" ? found["payload"] : "", "base64");
    return context.json({
      ...found,
      payload: payload.toString("utf8"),
      payload_base64: payload.toString("base64"),
      help: reason in ERRORS ? ERRORS[reason as ErrorCode].help : null,
    });
  });
}

async function readableCondition(ports: ApiPorts, context: ApiContext): Promise<string> {
  const tables = await readableTables(ports, context.get("principal"));
  const names = tables.filter((table) => table.kind === "event_type").map((table) => quoteText(table.name));
  return names.length === 0 ? "false" : `event_type IN (${names.join(", ")})`;
}

async function read(
  ports: ApiPorts,
  context: ApiContext,
  columns: readonly string[],
  conditions: readonly string[],
  limit: number,
): Promise<Record<string, unknown>[]> {
  if (!(await ports.catalog.find("dead_letters"))) return []; // nothing was ever dead
  const sql = `SELECT ${columns.join(", ")} FROM dead_letters WHERE ${conditions.join(" AND ")}
    ORDER BY ingest_time DESC, dead_letter_id DESC`;
  const { rows } = await ports.query.rows({ sql, limit, principal: SYSTEM }, context.req.raw.signal);
  return rows.map((row) => Object.fromEntries(columns.map((column, i) => [column, row[i]])));
}

function instant(text: string): string {
  const ms = Date.parse(text);
  if (Number.isNaN(ms))
    throw new MuaraError("request.malformed", `"${text}" is no ISO 8601 time.`, {
      details: { parameter: "since" },
    });
  return new Date(ms).toISOString();
}

function afterCursor(cursor: string): string {
  const [time, id] = cursor.split("|");
  if (!time || !id || !/^[0-9T:.Z-]+$/.test(time))
    throw new MuaraError("request.malformed", "The cursor is not one that was given out here.", {
      details: { parameter: "cursor" },
    });
  return `(ingest_time, dead_letter_id) < (TIMESTAMPTZ ${quoteText(time)}, ${quoteText(id)})`;
}
