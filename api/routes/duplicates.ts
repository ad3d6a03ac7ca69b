/**
 * GET /v1/duplicates and /v1/duplicates/{id}: what came again under an id that had landed. `different` is the
 * interesting verdict: the same id with other bytes. Both versions are shown for as long as the log has them.
 */
import type { Hono } from "hono";
import { MuaraError, hasCode } from "../../core/errors.ts";
import { jsonDifferences } from "../../core/json-text.ts";
import { payloadOf } from "../../core/record.ts";
import { recordId } from "../../core/replay.ts";
import { mayReadWhole } from "../../lake/query/part.ts";
import { quoteText } from "../../lake/query/view.ts";
import { SYSTEM, wholeNumber, type ApiContext, type ApiEnv, type ApiPorts } from "../context.ts";
import { behindCursor, conditionsOf, cursorOf } from "../letters.ts";

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1_000;
const DIFFERENCES_MAX = 100;
const VERDICTS = ["identical", "different", "unknown"];
const ID = /^([^:]{1,300}):(\d{1,15}):(\d{1,15})$/;
/** The same id as of dead letters: where the record stands. */
const ID_SQL = "d.topic_id || ':' || d.log_partition || ':' || d.log_offset";
const COLUMNS = [
  "event_type",
  "event_id",
  "verdict",
  "log_partition",
  "log_offset",
  "first_partition",
  "first_offset",
  "ingest_time",
  "table_version",
  "log_id",
  "topic_id",
];

type Row = Readonly<Record<string, unknown>>;

export function addDuplicateRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  app.get("/v1/duplicates", async (context) => {
    const limit = wholeNumber(context, "limit", LIMIT_DEFAULT, LIMIT_MAX);
    const conditions = await conditionsOf(ports, context.get("principal"), {
      eventType: context.req.query("event_type"),
      since: context.req.query("since"),
      until: context.req.query("until"),
    });
    const eventId = context.req.query("event_id");
    if (eventId !== undefined) conditions.push(`d.event_id = ${quoteText(eventId)}`);
    const verdict = context.req.query("verdict");
    if (verdict !== undefined) conditions.push(verdictCondition(verdict));
    const cursor = context.req.query("cursor");
    if (cursor !== undefined) conditions.push(behindCursor(cursor, "<", ID_SQL));
    const rows = await read(ports, context, conditions, limit + 1);
    const items = rows.slice(0, limit);
    const last = rows.length > limit ? items.at(-1) : undefined;
    const nextCursor = last ? cursorOf(String(last["ingest_time"]), String(last["duplicate_id"])) : null;
    return context.json({ items, next_cursor: nextCursor });
  });

  app.get("/v1/duplicates/:id", async (context) => {
    const id = context.req.param("id");
    const [, topicId, partition, offset] = ID.exec(id) ?? [];
    const found =
      topicId === undefined
        ? undefined
        : (
            await read(
              ports,
              context,
              [
                `d.topic_id = ${quoteText(topicId)} AND d.log_partition = ${partition!} AND d.log_offset = ${offset!}`,
              ],
              1,
            )
          )[0];
    if (!found || !mayReadWhole(context.get("principal"), String(found["event_type"])))
      throw new MuaraError("declaration.not_found", `There is no duplicate "${id.slice(0, 100)}".`);
    const payload = await textAt(ports, found, "log_partition", "log_offset");
    const firstPayload = await textAt(ports, found, "first_partition", "first_offset");
    const isBoth = payload !== null && firstPayload !== null;
    const differences = isBoth ? jsonDifferences(firstPayload, payload, DIFFERENCES_MAX) : undefined;
    return context.json({ ...found, payload, first_payload: firstPayload, differences: differences ?? null });
  });
}

function verdictCondition(verdict: string): string {
  if (VERDICTS.includes(verdict)) return `d.verdict = ${quoteText(verdict)}`;
  throw new MuaraError("request.malformed", `verdict is one of ${VERDICTS.join(", ")}.`, {
    details: { parameter: "verdict" },
  });
}

async function read(
  ports: ApiPorts,
  context: ApiContext,
  conditions: readonly string[],
  limit: number,
): Promise<Row[]> {
  if (!(await ports.catalog.find("duplicates"))) return []; // nothing ever came again
  const sql = `SELECT ${COLUMNS.map((name) => `d.${name}`).join(", ")} FROM duplicates AS d
    WHERE ${conditions.join(" AND ")} ORDER BY d.ingest_time DESC, ${ID_SQL} DESC`;
  const { rows } = await ports.query.rows({ sql, limit, principal: SYSTEM }, context.req.raw.signal);
  return rows.map((row) => {
    const {
      log_id: _log,
      topic_id: topicId,
      ...shown
    } = Object.fromEntries(COLUMNS.map((name, i) => [name, row[i]])) as Record<string, unknown>;
    const id = recordId(String(topicId), Number(shown["log_partition"]), Number(shown["log_offset"]));
    return { duplicate_id: id, ...shown };
  });
}

/** The event as published; null where the log has it no more. */
async function textAt(ports: ApiPorts, row: Row, partition: string, offset: string): Promise<string | null> {
  const name = String(row["event_type"]);
  const stream = await ports.log.stream(name);
  if (row[offset] === null || !stream || !String(row["duplicate_id"]).startsWith(`${stream.topicId}:`))
    return null;
  const at = Number(row[offset]);
  try {
    const batch = await ports.log.read(name, Number(row[partition]), at, 1);
    const payload = batch.count > 0 && batch.offsets[0] === at ? payloadOf(batch, 0) : null;
    return payload && new TextDecoder().decode(payload);
  } catch (error) {
    if (hasCode(error, "log.offset_out_of_range") || hasCode(error, "log.partition_not_found")) return null;
    throw error;
  }
}
