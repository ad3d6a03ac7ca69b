/**
 * GET /v1/dead-letters and /v1/dead-letters/{id}: what was accepted and could not land, and POST
 * /v1/dead-letters/replay, which publishes it again. Only those of event types that the asker may read: a dead
 * letter carries the event's bytes.
 */
import type { Hono } from "hono";
import { z } from "zod";
import { ERRORS, MuaraError, type ErrorCode } from "../../core/errors.ts";
import { quoteText } from "../../lake/query/view.ts";
import { SYSTEM, wholeNumber, type ApiContext, type ApiEnv, type ApiPorts } from "../context.ts";
import { askedConditions, behindCursor, conditionsOf, cursorOf, lettersFrom, STATE_SQL } from "../letters.ts";
import { createReplayer, type Correction, type Replayed } from "../replays.ts";

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1_000;
const EDITS_MAX = 100;
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
/** What is known of its replay: columns of `replays`, under these names. */
const REPLAY_COLUMNS: Readonly<Record<string, string>> = {
  replayed_by: "r.replayed_by",
  replayed_at: "r.ingest_time",
  corrected: "r.corrected",
  replay_partition: "r.log_partition",
  replay_offset: "r.log_offset",
};

const time = z.iso.datetime({ offset: true });
export const replayRequestSchema = z
  .strictObject({
    ids: z.array(z.string().min(1).max(500)).min(1).max(LIMIT_MAX).optional(),
    filter: z
      .strictObject({
        event_type: z.string().max(255).optional(),
        reason: z.string().max(100).optional(),
        since: time.optional(),
        until: time.optional(),
        cursor: z.string().max(600).optional().describe("`next_cursor` of the answer before."),
      })
      .optional()
      .describe("Those of these that were not replayed yet, oldest first."),
    correction: z
      .strictObject({
        set: z
          .record(z.string().max(1_000), z.string())
          .default({})
          .describe("JSON pointer → value as JSON text"),
        remove: z.array(z.string().max(1_000)).max(EDITS_MAX).default([]).describe("JSON pointers"),
        event: z.string().optional().describe("The whole event instead; for one id."),
      })
      .optional(),
    dry_run: z.boolean().default(false),
    limit: z.int().min(1).max(LIMIT_MAX).default(LIMIT_DEFAULT),
  })
  .refine(({ ids, filter }) => (ids === undefined) !== (filter === undefined), "give ids or a filter")
  .refine(
    ({ ids, correction }) => correction?.event === undefined || ids?.length === 1,
    "a whole event replaces exactly one dead letter",
  )
  .refine(
    ({ correction: c }) => !c || Object.keys(c.set).length + c.remove.length <= EDITS_MAX,
    `at most ${EDITS_MAX} places are corrected`,
  )
  .refine(
    ({ correction: c }) => c?.event === undefined || Object.keys(c.set).length + c.remove.length === 0,
    "a whole event needs no other correction",
  );

export function addDeadLetterRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  app.get("/v1/dead-letters", async (context) => {
    const limit = wholeNumber(context, "limit", LIMIT_DEFAULT, LIMIT_MAX);
    const conditions = await askedConditions(ports, context);
    const cursor = context.req.query("cursor");
    if (cursor !== undefined) conditions.push(behindCursor(cursor, "<"));
    const rows = await read(ports, context, COLUMNS, conditions, limit + 1);
    const items = rows.slice(0, limit);
    const last = rows.length > limit ? items.at(-1) : undefined;
    return context.json({
      items,
      next_cursor: last ? cursorOf(String(last["ingest_time"]), String(last["dead_letter_id"])) : null,
    });
  });

  app.get("/v1/dead-letters/:id", async (context) => {
    const id = context.req.param("id");
    const columns = [...COLUMNS, "header", "event_key", "log_id", "topic_id", "payload"];
    const conditions = await conditionsOf(ports, context.get("principal"), {});
    conditions.push(`d.dead_letter_id = ${quoteText(id)}`);
    const [found] = await read(ports, context, columns, conditions, 1);
    if (!found)
      throw new MuaraError("dead_letter.not_found", `There is no dead letter "${id}".`, { details: { id } });
    const reason = String(found["reason"]);
    const payload = Buffer.from(typeof found["payload"] === "string" ? found["payload"] : "", "base64");
    return context.json({
      ...found,
      payload: payload.toString("utf8"),
      payload_base64: payload.toString("base64"),
      help: reason in ERRORS ? ERRORS[reason as ErrorCode].help : null,
    });
  });

  addReplay(app, ports);
}

function addReplay(app: Hono<ApiEnv>, ports: ApiPorts): void {
  const replayer = ports.replay && createReplayer(ports, ports.replay);
  app.post("/v1/dead-letters/replay", async (context) => {
    if (!replayer)
      throw new MuaraError("request.not_found", "This process has no door; ask one that runs ingest.");
    const request = replayRequestSchema.safeParse(await context.req.json().catch(() => null));
    if (!request.success) {
      const issue = request.error.issues[0]!;
      const pointer = issue.path.map((step) => `/${String(step)}`).join("");
      throw new MuaraError("request.malformed", `${pointer || "the body"}: ${issue.message}`, {
        details: { pointer },
      });
    }
    const { ids, filter, correction, dry_run: isDryRun, limit } = request.data;
    const principal = context.get("principal");
    const { items, nextCursor } = await replayer({
      principal,
      flowId: context.get("flowId"),
      which: ids ? { ids } : { filter: { ...filter!, eventType: filter!.event_type } },
      correction: correctionOf(correction),
      isDryRun,
      limit,
      signal: context.req.raw.signal,
    });
    const counts = countsOf(items);
    if (!isDryRun) ports.logger.info("dead letters replayed", { by: principal.id, ...counts });
    return context.json({ dry_run: isDryRun, counts, items, next_cursor: nextCursor });
  });
}

function correctionOf(given: z.infer<typeof replayRequestSchema>["correction"]): Correction {
  const sets = Object.entries(given?.set ?? {}).map(([pointer, json]) => ({ pointer, json }));
  const removals = (given?.remove ?? []).map((pointer) => ({ pointer, json: null }));
  const event = given?.event === undefined ? undefined : new TextEncoder().encode(given.event);
  return { edits: [...sets, ...removals], event };
}

function countsOf(items: readonly Replayed[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome } of items) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

async function read(
  ports: ApiPorts,
  context: ApiContext,
  columns: readonly string[],
  conditions: readonly string[],
  limit: number,
): Promise<Record<string, unknown>[]> {
  const from = await lettersFrom(ports);
  if (!from) return []; // nothing was ever dead
  const names = [...columns, "state", ...Object.keys(REPLAY_COLUMNS)];
  const expressions = [...columns.map((name) => `d.${name}`), STATE_SQL, ...Object.values(REPLAY_COLUMNS)];
  const sql = `SELECT ${expressions.join(", ")} FROM ${from} WHERE ${conditions.join(" AND ")}
    ORDER BY d.ingest_time DESC, d.dead_letter_id DESC`;
  const { rows } = await ports.query.rows({ sql, limit, principal: SYSTEM }, context.req.raw.signal);
  return rows.map((row) => Object.fromEntries(names.map((name, i) => [name, row[i]])));
}
